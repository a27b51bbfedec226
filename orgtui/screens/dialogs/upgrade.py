"""Upgrade: the bill line by line, exactly what is charged now, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Static

from orgtui.billing.words import day, plan_name
from orgtui.domain.errors import Conflict, OrgtuiError
from orgtui.domain.money import Money
from orgtui.domain.text import clean
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, spread

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments
    from orgtui.billing.provider import ChangePreview


class Bill(Canvas):
    """The lines, what is due now, and the price from then on."""

    rows: reactive[tuple[tuple[str, str], ...]] = reactive((), init=False, repaint=False)
    due: reactive[tuple[tuple[str, str], ...]] = reactive((), init=False, repaint=False)

    def watch_rows(self) -> None:
        """Redraw."""
        self.redraw()
        self.refresh(layout=True)

    def watch_due(self) -> None:
        """Redraw."""
        self.redraw()
        self.refresh(layout=True)

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All of it."""
        return len(self.lines(max(width, 20), 100, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Words at the left, amounts at the right, a hairline before the sum."""
        drawn = [line for words, amount in self.rows for line in _line(words, amount, width, ink)]
        drawn.append(Content.assemble(("─" * width, ink.hair)))
        for number, (words, amount) in enumerate(self.due):
            style = ink.dim if number else ink.strong
            drawn.append(spread(Content.assemble((words, style)), Content.assemble((amount, style)), width))
        return drawn[:height]


def _line(words: str, amount: str, width: int, ink: Ink) -> list[Content]:
    parts = Content.assemble((words, ink.text)).wrap(max(width - len(amount) - 2, 10))
    first = spread(parts[0], Content.assemble("  ", (amount, ink.text)), width)
    return [first, *parts[1:]]


class UpgradeDialog(Dialog[str]):
    """Answers `done`, or `manage` where the card was declined and is to be looked at."""

    def __init__(self, service: Payments, preview: ChangePreview, card: str, zone: ZoneInfo) -> None:
        super().__init__()
        self._service, self._preview, self._card, self._zone = service, preview, card, zone
        self._busy = False

    def heading(self) -> str:
        """Which plan."""
        return f"Upgrade to {plan_name(self._preview.plan)}"

    def compose_dialog(self) -> ComposeResult:
        """The bill, what happens, what happened."""
        yield Bill(id="bill")
        yield Static("", id="what-next", markup=False, classes="aside")
        yield Static("", id="said")

    def buttons(self) -> ComposeResult:
        """Leave, look at the card, pay."""
        yield from super().buttons()
        yield Button("Manage Subscription", id="to-manage", action="screen.manage").add_class("-hidden")
        yield Button("Upgrade", variant="primary", id="pay", action="screen.pay")

    def on_mount(self) -> None:
        """On the button that says the amount."""
        self._show()
        self.query_one("#pay").focus()

    def _show(self) -> None:
        preview = self._preview
        bill = self.query_one(Bill)
        rows = [(clean(line.text), str(line.amount)) for line in preview.lines]
        rest = preview.due.minor - sum(line.amount.minor for line in preview.lines)
        if rest and preview.due.minor:
            rows.append(("Balance from earlier bills", str(Money(rest, preview.due.currency))))
        bill.rows = tuple(rows)
        bill.due = (
            ("Due now", str(preview.due)),
            (f"From {day(preview.renews, self._zone)}, each month", str(preview.price)),
        )
        self.query_one("#what-next", Static).update(self._what_next())
        pay = self.query_one("#pay", Button)
        pay.label = f"Upgrade and pay {preview.due}" if preview.due.minor else "Upgrade"

    def _what_next(self) -> str:
        preview, name = self._preview, plan_name(self._preview.plan)
        if not preview.due.minor:
            return f"Nothing is charged now; the rest is on the next bill. {name} and its limits begin at once."
        charged = f"{preview.due} is charged once, now, in {preview.due.currency}"
        by = f" to {self._card}" if self._card else ""
        return f"{charged}{by}. {name} and its limits begin at once; where the payment is declined, nothing changes."

    def _say(self, words: str, tone: str = "dim") -> None:
        mark = {"err": "✗ ", "warn": "! "}.get(tone, "")
        self.query_one("#said", Static).update(Content.assemble((mark + words, getattr(Ink.of(self.app), tone))))

    def action_manage(self) -> None:
        """To the provider's own pages, where a card is changed."""
        self.dismiss("manage")

    def action_pay(self) -> None:
        """Charge what is shown."""
        if not self._busy:
            self._pay()

    @work(exclusive=True)
    async def _pay(self) -> None:
        self._set_busy(True)
        self._say("Asking for the payment…")
        try:
            await self._service.upgrade(self._preview)
        except OrgtuiError as error:
            await self._failed(error)
        else:
            self.dismiss("done")
        finally:
            self._set_busy(False)

    async def _failed(self, error: OrgtuiError) -> None:
        """A declined payment and an old price both need a new preview; anything else is asked again as it was."""
        if error.code == "declined":
            self.query_one("#to-manage").remove_class("-hidden")
            # Three buttons need its room.
            self.query_one("#escape").display = False
            current = plan_name(self._preview.current)
            if await self._ask_again():
                self._say(f"{error.message} Nothing was charged, and {current} is your plan as before.", "err")
        elif isinstance(error, Conflict):
            if await self._ask_again():
                self._say(f"{error.message} Above is the price as it is now.", "warn")
        else:
            self._say(f"{error.message} Try again: it is charged once.", "err")

    async def _ask_again(self) -> bool:
        try:
            self._preview = await self._service.preview(self._preview.plan)
        except OrgtuiError as error:
            self._say(error.message, "err")
            return False
        self._show()
        return True

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        for button in self.query("#pay"):
            button.disabled = busy
        # Declined once, it is not tried again by a second enter.
        declined = self.query("#to-manage").exclude(".-hidden")
        if not busy and self.is_attached:
            (declined or self.query("#pay")).first().focus()
