"""The audit log: who changed what, newest first, found by words, and the check that nobody changed that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.reactive import reactive

from orgtui.domain.errors import OrgtuiError
from orgtui.domain.months import zone_or_utc
from orgtui.domain.text import clean
from orgtui.screens.dialogs.entry import EntryDialog, changes
from orgtui.screens.list_section import FILTER, ListSection
from orgtui.store.contract.audit import LONGEST_PAGE, AuditEntry, AuditPage
from orgtui.widgets.filter_table import Column, FilterTable, Row
from orgtui.widgets.note import Note

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from orgtui.store.contract import Store

COLUMNS = (
    Column("When", highest_first=True, whole=True),
    Column("Who"),
    Column("As", whole=True, least=90),
    Column("What", least=50),
    Column("Changed", grows=1, least=70),
)
# More than fits a table that is still quick; words find the rest.
SHOWN = LONGEST_PAGE
_EXPORTED = 100_000


class AuditScreen(ListSection["AuditPage"]):
    """One table; words in its filter are looked for in the whole log."""

    SECTION = "audit"
    NEEDS_ANSWER = frozenset({"open", "export", "verify", "filter"})
    BINDINGS = [
        FILTER,
        Binding("v", "verify", "Verify", id="audit.verify"),
        Binding("e", "export", "Export", id="audit.export"),
        Binding("escape", "leave_list", "Leave the list", id="audit.leave-list", show=False),
    ]
    HELP = "Every change, with who made it. enter shows before and after, v checks that the log is whole."

    needle: reactive[str] = reactive("", init=False, repaint=False)

    def compose_section(self) -> ComposeResult:
        """The table."""
        yield Note()
        yield FilterTable(COLUMNS, noun="changes", placeholder="Filter by who, what or value", seeks=True, id="entries")

    async def ask(self, store: Store) -> AuditPage:
        """The newest that have the words."""
        return await store.audit.entries(text=self.needle, limit=SHOWN)

    def show(self, page: AuditPage) -> None:
        """A row each."""
        table, zone = self.table, zone_or_utc(page.timezone)
        table.display = True
        table.total = page.total
        table.rows = tuple(_row(entry, zone) for entry in page.entries)

    @on(FilterTable.Sought)
    def _sought(self, event: FilterTable.Sought) -> None:
        self.needle = event.words
        self.load()

    @on(FilterTable.Chosen)
    async def _chosen(self, event: FilterTable.Chosen) -> None:
        entry = next((entry for entry in self.page.entries if str(entry.seq) == event.key), None)
        if entry:
            await self.app.push_screen(EntryDialog(entry, zone_or_utc(self.page.timezone)))

    @work(exclusive=True, group="verify")
    async def action_verify(self) -> None:
        """Check every row; the head is for keeping elsewhere."""
        try:
            found = await (await self.orgtui.store()).audit.verify()
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        if found.sound:
            head = found.head.partition(":")
            self.notify(
                f"All {found.rows:,} rows are as they were written. Head: {head[0]}:{head[2][:12]}…", timeout=10
            )
        else:
            self.notify(f"The log was tampered with. {found.problem}", severity="error", timeout=60)

    @work
    async def action_export(self) -> None:
        """All that have the words, as a file."""
        from orgtui.screens.dialogs.export import ExportDialog

        try:
            entries = await self._all()
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        said = await self.app.push_screen_wait(ExportDialog("audit-log", entries))
        if said:
            self.notify(said)

    async def _all(self) -> list[AuditEntry]:
        store, entries = await self.orgtui.store(), list[AuditEntry]()
        before: int | None = None
        while len(entries) < _EXPORTED:
            page = await store.audit.entries(text=self.needle, before=before, limit=LONGEST_PAGE)
            entries += page.entries
            if (before := page.next) is None:
                break
        return entries


def _row(entry: AuditEntry, zone: ZoneInfo) -> Row:
    when = f"{entry.at.astimezone(zone):%-d %b %Y, %H:%M}"
    told = "   ".join(f"{name} {old} → {new}".strip() for name, old, new in changes(entry.before, entry.after))
    cells = (
        ((when, "dim"),),
        clean(entry.actor),
        ((clean(entry.role), "dim"),),
        clean(entry.operation),
        ((told.replace("— → ", ""), "dim"),),
    )
    order = (entry.seq, entry.actor.casefold(), entry.role, entry.operation, told.casefold())
    copies = json.dumps(
        {"seq": entry.seq, "actor": entry.actor, "operation": entry.operation, "subject": entry.subject}
    )
    return Row(str(entry.seq), cells, order, copies)


SCREEN = AuditScreen
