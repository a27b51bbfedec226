"""The ledger of AI credits: every movement with what caused it, and the balance after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding

from orgtui.domain.credits import EntryKind
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.months import zone_or_utc
from orgtui.domain.text import clean
from orgtui.screens.list_section import FILTER, ListSection
from orgtui.store.contract.billing import LONGEST_PAGE, LedgerEntry, LedgerPage
from orgtui.widgets.filter_table import Column, FilterTable, Row
from orgtui.widgets.frame import Masthead
from orgtui.widgets.note import Note, Trouble

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from orgtui.store.contract import Store

COLUMNS = (
    Column("Date", highest_first=True, whole=True),
    Column("Kind", whole=True),
    Column("Amount", True),
    Column("Balance", True),
    Column("For", grows=1, least=66),
    Column("Reference", least=90),
)
KINDS = {
    EntryKind.PURCHASE: ("+", "ok", "Purchase"),
    EntryKind.GRANT: ("+", "ok", "Grant"),
    EntryKind.CONSUMPTION: ("−", "dim", "Consumption"),
    EntryKind.REFUND: ("↩", "warn", "Refund"),
    EntryKind.DISPUTE: ("↩", "err", "Dispute"),
    EntryKind.ADJUSTMENT: ("±", "dim", "Adjustment"),
}
SHOWN = 500
# As many as words are looked for in; the command line has all of them.
_MOST = 20_000


class LedgerScreen(ListSection["LedgerPage"]):
    """One table; escape goes back to Billing."""

    SECTION = "billing"
    AUTO_FOCUS = ""
    NEEDS_ANSWER = frozenset({"export", "filter"})
    BINDINGS = [
        FILTER,
        Binding("e", "export", "Export", id="ledger.export"),
        Binding("escape", "back", "Back", id="ledger.back"),
    ]
    HELP = "Every movement of the balance: what was bought, given, used, refunded or disputed."

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[LedgerEntry] = []

    def compose_section(self) -> ComposeResult:
        """The table."""
        yield Note()
        yield FilterTable(
            COLUMNS, noun="movements", placeholder="Filter by date, kind, amount or reference", most=SHOWN, id="ledger"
        )

    def on_mount(self) -> None:
        """Where one is."""
        masthead = self.query_one(Masthead)
        masthead.way, masthead.place = "AI Credits", "Ledger"

    async def ask(self, store: Store) -> LedgerPage:
        """The newest."""
        return await store.billing.ledger(limit=LONGEST_PAGE)

    def show(self, page: LedgerPage) -> None:
        """A row each; the older ones follow."""
        self._entries = list(page.entries)
        table = self.table
        table.display = bool(page.entries)
        self._fill()
        if not page.entries:
            self.trouble = Trouble("empty", "No credits have moved yet.", "What is bought and used stands here.")
        elif not isinstance(self.focused, FilterTable):
            table.focus_rows()
        if page.next is not None:
            self._load_older(page.next)

    def _fill(self) -> None:
        table, zone = self.table, zone_or_utc(self.page.timezone)
        table.total = self.page.total
        table.rows = tuple(_row(entry, zone) for entry in self._entries)

    @work(exclusive=True, group="older")
    async def _load_older(self, before: int | None) -> None:
        """The rest, for who looks for words in it."""
        try:
            store = await self.orgtui.store()
            while before is not None and len(self._entries) < _MOST:
                page = await store.billing.ledger(before, LONGEST_PAGE)
                self._entries += page.entries
                before = page.next
        except OrgtuiError as error:
            self.notify(f"Older movements could not be read: {error.message}", severity="warning", timeout=10)
        self._fill()

    def action_back(self) -> None:
        """To the section."""
        self.dismiss()

    @on(FilterTable.Chosen)
    def _chosen(self, event: FilterTable.Chosen) -> None:
        """Nothing more is known of a movement than stands in its row: what is cut off there is said."""
        entry = next((entry for entry in self._entries if str(entry.seq) == event.key), None)
        if entry:
            self.notify(f"{clean(entry.text)} · {clean(entry.ref)}".strip(" ·"), timeout=10)

    async def action_export(self) -> None:
        """What is loaded, as a file."""
        from orgtui.screens.dialogs.export import ExportDialog

        def say(said: str | None) -> None:
            if said:
                self.notify(said)

        await self.app.push_screen(ExportDialog("ledger", self._entries), say)


def _row(entry: LedgerEntry, zone: ZoneInfo) -> Row:
    glyph, tone, word = KINDS[entry.kind]
    text, ref = clean(entry.text), clean(entry.ref)
    below = entry.balance.amount < 0
    sign = "+" if entry.amount.amount > 0 else ""
    cells: tuple[Any, ...] = (
        ((f"{entry.at.astimezone(zone):%-d %b %Y, %H:%M}".rjust(18), "text"),),
        ((glyph, tone), (f" {word}", "text")),
        f"{sign}{entry.amount}" if entry.amount.amount > 0 else entry.amount.exact(),
        ((entry.balance.exact() if below else str(entry.balance), "err" if below else "text"),),
        ((text, "dim"),),
        ((ref, "dim"),),
    )
    order = (entry.seq, word, entry.amount.amount, entry.balance.amount, text.casefold(), ref)
    return Row(str(entry.seq), cells, order, ref)
