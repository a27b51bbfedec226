"""One purchase, whole: when, what, how it stands, its receipt; and the way back to its pay screen."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Button, Static

from orgtui.billing.words import STATUSES, package_name
from orgtui.domain.credits import tokens
from orgtui.domain.text import clean
from orgtui.screens.dialogs.copied import SENT
from orgtui.screens.dialogs.dialog import Dialog
from orgtui.store.contract.billing import Payment, PaymentStatus
from orgtui.themes import Ink
from orgtui.widgets.link import Link


class PurchaseDialog(Dialog[str]):
    """Answers `pay` to go on with one that waits."""

    BINDINGS = [Binding("y", "copy", "Copy the receipt's address", id="purchase.copy")]

    def __init__(self, payment: Payment, zone: ZoneInfo, refused: str) -> None:
        super().__init__()
        self._payment, self._zone, self._refused = payment, zone, refused

    def heading(self) -> str:
        """What was bought."""
        return f"{package_name(self._payment)} · {self._payment.amount}"

    def compose_dialog(self) -> ComposeResult:
        """Facts, what the status means, the receipt."""
        payment, ink = self._payment, Ink.of(self.app)
        told = STATUSES[payment.status]
        lines = [Content.assemble((label.ljust(11), ink.dim), (value, ink.text)) for label, value in self._facts()]
        status = Content.assemble(
            ("Status".ljust(11), ink.dim), (told.glyph, getattr(ink, told.tone)), " ", (told.word, ink.strong)
        )
        yield Static(Content("\n").join([*lines, status]), classes="line")
        why = [told.means, clean(payment.trouble or "") if payment.status is not PaymentStatus.PAID else ""]
        yield Static(" ".join(filter(None, why)), markup=False, classes="aside")
        if payment.receipt_url:
            yield Static("\nReceipt, to be opened on any computer:", markup=False)
            yield Link(payment.receipt_url, id="receipt")

    def _facts(self) -> list[tuple[str, str]]:
        payment = self._payment
        facts = [
            ("Ordered", f"{payment.created.astimezone(self._zone):%-d %b %Y, %H:%M %Z}"),
            ("By", clean(payment.created_by)),
            ("Amount", f"{payment.amount} ({payment.amount.currency}), {tokens(payment.amount)}"),
        ]
        if payment.refunded.minor:
            facts.append(("Went back", str(payment.refunded)))
        if payment.receipt:
            facts.append(("Receipt", clean(payment.receipt)))
        facts.append(("Id", clean(payment.id)))
        return facts

    def buttons(self) -> ComposeResult:
        """Close, copy, go on."""
        payment = self._payment
        primary = bool(payment.status.waits)
        yield Button("Close", id="cancel", variant="default" if primary else "primary", action="screen.cancel")
        if payment.receipt_url:
            yield Button("Copy receipt link", id="copy", action="screen.copy")
        if primary:
            go_on = Button("To its pay screen", variant="primary", id="to-pay", action="screen.pay")
            go_on.disabled = bool(self._refused)
            go_on.tooltip = None
            yield go_on

    def on_mount(self) -> None:
        """On what one comes for."""
        self.query("Button.-primary").last().focus()

    def action_copy(self) -> None:
        """The receipt's address."""
        if self._payment.receipt_url:
            self.app.copy_to_clipboard(self._payment.receipt_url)
            self.notify(SENT)
        else:
            self.notify("There is no receipt to copy the address of.")

    def action_pay(self) -> None:
        """Go on with it."""
        self.dismiss("pay")
