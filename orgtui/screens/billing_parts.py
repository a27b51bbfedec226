"""What the two tabs of Billing show; each is mounted when it is first seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Button, Input

from orgtui.billing.words import STATUSES, day, package_name
from orgtui.domain.credits import PACKAGES, parse_amount, tokens
from orgtui.domain.errors import Invalid
from orgtui.domain.figures import NONE
from orgtui.domain.money import Money
from orgtui.domain.months import zone_or_utc
from orgtui.domain.text import clean
from orgtui.screens.billing_words import CARDS, NEVER_EXPIRE, SECURELY, balance_gauge, plan_facts, plan_rows
from orgtui.store.contract.billing import BillingPage, Payment
from orgtui.themes import Ink
from orgtui.widgets.billing_panels import BalanceCard, PlanCard, RunsMeter
from orgtui.widgets.canvas import Canvas, fitted, spread
from orgtui.widgets.credit_packages import CreditPackages
from orgtui.widgets.filter_table import Cell, Column, FilterTable, Row
from orgtui.widgets.plan_table import PlanTable

COLUMNS = (
    Column("Date", highest_first=True, whole=True, grows=1),
    Column("Package", grows=2),
    Column("Amount", True),
    Column("", whole=True, least=60),
    Column("Status", whole=True, grows=3),
    Column("Receipt", True, least=64),
)
# More rows than this are slow to fill in; words find the rest.
SHOWN = 500
LEAST_HISTORY = 7


class SubscriptionPart(Vertical):
    """The plan one has, its runs, and the plans there are."""

    def compose(self) -> ComposeResult:
        """Card and button, meter, table."""
        with Horizontal(id="plan-row"):
            yield PlanCard(id="plan")
            yield Button("Manage Subscription", id="manage", action="screen.manage")
        yield RunsMeter(id="plan-runs")
        yield PlanTable(id="plans")

    def show(self, page: BillingPage, now: datetime, refused: str) -> None:
        """The plan now."""
        facts = plan_facts(page, now)
        self.query_one(PlanCard).facts = self.query_one(RunsMeter).facts = facts
        table = self.query_one(PlanTable)
        table.airy, table.low = self.screen.has_class("-tall"), self.screen.has_class("-tiny")
        table.dimmed = bool(refused)
        table.rows = plan_rows(page)
        self.query_one("#manage", Button).disabled = bool(refused)

    def enter(self) -> None:
        """Into the table."""
        self.query_one(PlanTable).focus()


class _Heading(Canvas):
    """Purchase AI Credits, and what is true of all of them."""

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        title = Content.assemble(("Purchase AI Credits", ink.heading), "  ")
        words = NEVER_EXPIRE
        if title.cell_length + len(words) > width:
            words = "never expire, work across all AI providers"
        if title.cell_length + len(words) > width:
            words = "never expire"
        return [spread(title, Content.assemble((words, ink.dim)), width)]


class _Word(Canvas):
    """What stands beside the button: who takes the payment, or what is said of the amount that was typed."""

    word: reactive[tuple[str, str]] = reactive(("", "dim"), init=False, repaint=False)

    def watch_word(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        words, tone = self.word
        if words:
            mark = "✗ " if tone == "err" else ""
            lines = Content.assemble((mark + words, getattr(ink, tone))).wrap(max(width, 10))
        else:
            told = (
                (SECURELY, CARDS) if len(SECURELY) <= width else (SECURELY.removeprefix("Payments are "), CARDS[1:-1])
            )
            lines = [Content.assemble((part, ink.dim)) for part in told]
        return [fitted(line, width) for line in lines][:height]


class _Nothing(Canvas):
    """In the place of a history that has not begun."""

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        told = "No purchases yet. Choose a package with the arrows, and enter buys it."
        rows = [Content.assemble(("Purchase History", ink.heading)), Content("")]
        return [*rows, *(fitted(line, width) for line in Content.assemble((told, ink.dim)).wrap(width))][:height]


class CreditsPart(Vertical):
    """The balance, what can be bought, and what was."""

    class Wanted(Message):
        """An amount is to be bought."""

        def __init__(self, amount: Money) -> None:
            super().__init__()
            self.amount = amount

    def compose(self) -> ComposeResult:
        """Card, tiles, button, table."""
        yield BalanceCard(id="balance")
        yield _Heading(id="packages-heading")
        yield CreditPackages(id="packages")
        with Horizontal(id="purchase-row"):
            yield Button("Purchase", variant="primary", id="purchase", action="screen.purchase")
            field = Input(placeholder="€5 to €2,000", id="amount", select_on_focus=False)
            field.display = False
            yield field
            yield _Word(id="amount-word")
        yield FilterTable(
            COLUMNS,
            noun="purchases",
            placeholder="Filter by date, package, amount or status",
            title="Purchase History",
            most=SHOWN,
            id="history",
        )
        nothing = _Nothing(id="no-history")
        nothing.display = False
        yield nothing

    def show(self, page: BillingPage, now: datetime, refused: str) -> None:
        """The credits now."""
        self.query_one(BalanceCard).gauge = balance_gauge(page.credits, short=not self.screen.has_class("-wide"))
        packages = self.query_one(CreditPackages)
        packages.tall, packages.dimmed = self.screen.has_class("-tall"), bool(refused)
        self.query_one("#purchase", Button).disabled = bool(refused)
        self.fill(page.payments, page.purchases, zone_or_utc(page.timezone))
        self._told()

    def fill(self, payments: list[Payment], total: int, zone: ZoneInfo) -> None:
        """The history, or what stands there before it begins."""
        table = self.query_one(FilterTable)
        table.total = total
        table.rows = tuple(_row(payment, zone) for payment in payments)
        table.display = bool(total)
        self.query_one("#no-history").display = not total

    def enter(self) -> None:
        """On the packages."""
        self.query_one(CreditPackages).focus()

    # The amount.

    @property
    def amount(self) -> Money:
        """What the chosen package costs; raises Invalid where no amount was entered."""
        cents = self.query_one(CreditPackages).package.cents
        return Money(cents) if cents is not None else parse_amount(self.query_one("#amount", Input).value)

    @on(CreditPackages.Changed)
    @on(Input.Changed, "#amount")
    def _told(self) -> None:
        """What is chosen, on the button and beside it."""
        field, custom = self.query_one("#amount", Input), self.query_one(CreditPackages).package.cents is None
        field.display = custom
        label, word = "Purchase", ("", "dim")
        try:
            amount = self.amount
        except Invalid as error:
            word = (error.message, "err") if field.value.strip() else ("Enter any amount", "dim")
        else:
            label = f"Purchase {amount}"
            word = (f"≈ {tokens(amount).removeprefix('~')}", "dim") if custom else word
        self.query_one("#purchase", Button).label = label
        self.query_one(_Word).word = word

    @on(Input.Submitted, "#amount")
    @on(CreditPackages.Bought)
    def buy(self) -> None:
        """Ask for the chosen amount; where none was entered, ask for that first."""
        if self.query_one("#purchase", Button).disabled:
            self.screen.run_worker(self.screen.run_action("purchase"))
            return
        field = self.query_one("#amount", Input)
        try:
            amount = self.amount
        except Invalid as error:
            self.query_one(_Word).word = (error.message, "err") if field.has_focus else self.query_one(_Word).word
            self.screen.set_focus(field)
        else:
            self.post_message(self.Wanted(amount))


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase as it is exported."""

    id: str
    created: datetime
    package: str
    amount: Money
    status: str
    refunded: Money
    receipt: str
    created_by: str


def exported(payments: list[Payment]) -> list[Purchase]:
    """Without the addresses, which open things for whoever has them."""
    return [
        Purchase(
            one.id,
            one.created,
            package_name(one),
            one.amount,
            STATUSES[one.status].word,
            one.refunded,
            one.receipt or "",
            one.created_by,
        )
        for one in payments
    ]


def _row(payment: Payment, zone: ZoneInfo) -> Row:
    told, name = STATUSES[payment.status], package_name(payment)
    receipt = clean(payment.receipt) if payment.receipt else NONE
    cells: tuple[Cell, ...] = (
        day(payment.created, zone).rjust(11),
        name,
        ((str(payment.amount), "text"),),
        "  ",
        ((told.glyph, told.tone), (f" {told.word}", "text")),
        ((receipt, "dim"),),
    )
    sizes = [package.key for package in PACKAGES]
    size = sizes.index(payment.package) if payment.package in sizes else -1
    order: tuple[Any, ...] = (
        (payment.created, payment.id),
        (size, payment.amount.minor),
        payment.amount.minor,
        0,
        told.word,
        receipt,
    )
    copies = f"{day(payment.created, zone)} {name} {payment.amount} {told.word} {payment.receipt or payment.id}"
    return Row(payment.id, cells, order, copies)


PARTS: dict[str, type[SubscriptionPart] | type[CreditsPart]] = {
    "subscription": SubscriptionPart,
    "ai-credits": CreditsPart,
}
