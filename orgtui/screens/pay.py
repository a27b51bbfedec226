"""The pay screen: the link and its QR code, how the payment stands, and what becomes of it while one looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import Button

from orgtui.billing.words import STATUSES, package_name
from orgtui.domain.credits import tokens
from orgtui.domain.errors import OrgtuiError
from orgtui.domain.months import zone_or_utc
from orgtui.domain.plans import BY_KEY
from orgtui.domain.text import clean
from orgtui.screens.dialogs.copied import SENT
from orgtui.screens.section import SectionScreen
from orgtui.store.contract.billing import Payment, PaymentStatus
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted
from orgtui.widgets.frame import Masthead
from orgtui.widgets.link import Link
from orgtui.widgets.note import Note, Trouble
from orgtui.widgets.qr import QrCode, cells

if TYPE_CHECKING:
    from orgtui.billing.demo import DemoBilling
    from orgtui.billing.payments import Payments
    from orgtui.billing.results import Paying
    from orgtui.store.contract import Store

# Seconds between two looks: soon at first, then ever later.
_FIRST, _SLOWER, _LONGEST = 2.0, 1.5, 15.0
# Columns that the words beside a QR code need.
_WORDS = 36
_DONE = (PaymentStatus.PAID, PaymentStatus.PARTLY_REFUNDED, PaymentStatus.REFUNDED, PaymentStatus.DISPUTED)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands beside the code: what is paid, how that stands, and what to know; `demo` marks what is no money."""

    what: tuple[str, str]
    about: str
    glyph: str
    tone: str
    state: str
    details: tuple[tuple[str, str], ...]
    words: str
    demo: bool
    keys: tuple[tuple[str, str], ...] = ()


class PaySheet(Canvas):
    """A sheet, in as many lines as it takes."""

    sheet: reactive[Sheet | None] = reactive(None, init=False, repaint=False)
    # Without blanks, where a long address takes the room.
    tight: reactive[bool] = reactive(False, init=False, repaint=False)

    def watch_sheet(self) -> None:
        """Redraw."""
        self.redraw()
        self.refresh(layout=True)

    def watch_tight(self) -> None:
        """Redraw."""
        self.watch_sheet()

    def get_content_height(self, container: Any, viewport: Any, width: int) -> int:
        """All of it."""
        return len(self.lines(max(width, 20), 100, Ink.of(self.app)))

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """What, state, words, the demo's keys."""
        sheet = self.sheet
        if sheet is None:
            return []
        amount, name = sheet.what
        chip = Content.assemble("  ", (" DEMO ", ink.owner)) if sheet.demo else Content("")
        drawn = [
            Content.assemble((amount, ink.strong), "  ", (name, ink.text), chip),
            Content.assemble((sheet.about, ink.dim)),
            Content(""),
            Content.assemble((sheet.glyph, getattr(ink, sheet.tone)), " ", (sheet.state, ink.strong)),
        ]
        for words, tone in sheet.details:
            lines = Content.assemble((words, getattr(ink, tone))).wrap(max(width - 2, 18))
            drawn += [Content.assemble("  ", line) for line in lines]
        if sheet.words:
            drawn += [Content(""), *Content.assemble((sheet.words, ink.dim)).wrap(max(width, 20))]
        if sheet.keys:
            keys = [Content.assemble((key, ink.key), " ", (does, ink.text)) for key, does in sheet.keys]
            drawn += [Content(""), Content.assemble(("demo: ", ink.dim), Content(", ").join(keys))]
        if self.tight:
            drawn = [line for line in drawn if line.plain]
        return [fitted(line, width) for line in drawn][:height]


class _Head(Canvas):
    words: reactive[str] = reactive("", init=False, repaint=False)

    def watch_words(self) -> None:
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        return [fitted(Content.assemble((self.words, ink.text)), width)]


class PayScreen(SectionScreen["Paying"]):
    """One payment; it is looked at as long as the screen is, and goes on without it."""

    SECTION = "billing"
    AUTO_FOCUS = ""
    NEEDS_ANSWER = frozenset({"copy", "write", "cancel_payment", "demo"})
    BINDINGS = [
        Binding("y", "copy", "Copy link", id="pay.copy"),
        Binding("w", "write", "Write to file", id="pay.write"),
        Binding("c", "cancel_payment", "Cancel purchase", id="pay.cancel"),
        Binding("escape", "back", "Back", id="pay.back"),
        Binding("p", "demo('pay')", "Pay (demo)", id="pay.demo-pay", show=False),
        Binding("x", "demo('decline')", "Decline (demo)", id="pay.demo-decline", show=False),
        Binding("s", "demo('pay_slowly')", "Pay slowly (demo)", id="pay.demo-slowly", show=False),
    ]
    HELP = "Pay on the provider's page; this screen sees it. You may leave: what is paid meanwhile is not lost."

    def __init__(self, id: str, paying: Paying | None = None) -> None:
        super().__init__()
        self._payment_id, self._given = id, paying
        self._service: Payments | None = None
        self._timer: Timer | None = None
        self._delay = _FIRST
        self._checked = ""
        self._unanswered = ""
        self.zone = "UTC"

    def compose_section(self) -> ComposeResult:
        """The address on top, the words and the code below it."""
        yield Note()
        yield _Head(id="pay-head")
        yield Link(id="pay-link")
        with Horizontal(id="pay-middle"):
            with Vertical(id="pay-left"):
                yield PaySheet(id="pay-sheet")
                with Horizontal(id="pay-buttons"):
                    yield Button("Copy link", variant="primary", id="copy-link", action="screen.copy")
                    yield Button("Cancel purchase", id="cancel-purchase", action="screen.cancel_payment")
                    yield Button("Back", variant="primary", id="done", action="screen.back")
            yield QrCode(id="qr")

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self._display(False)

    def _display(self, there: bool) -> None:
        for part in self.query("#pay-head, #pay-link, #pay-middle"):
            part.display = there

    # The question and its answer.

    async def ask(self, store: Store) -> Paying:
        """What was answered when it was ordered, then how it stands now."""
        self._service = await self.orgtui.billing_service()
        given, self._given = self._given, None
        return given or await self._service.look(self._payment_id)

    def explain(self, error: OrgtuiError) -> Trouble:
        """A payment that cannot be looked at is not lost."""
        kept = "Nothing is lost: what is paid is picked up later. Press r to look again."
        return Trouble("failed", "The payment could not be looked at", error.message, kept, retry=True)

    def show(self, page: Paying) -> None:
        """The payment as it stands."""
        if overview := self.orgtui.overview:
            self.zone = overview.timezone
        self._checked, self._unanswered = self._clock(), ""
        self._display(True)
        payment, cancels = page.payment, page.payment.status in (PaymentStatus.CREATING, PaymentStatus.OPEN)
        masthead = self.query_one(Masthead)
        masthead.way, masthead.place = _where(payment), f"Pay {payment.amount}"
        self.query_one("#copy-link").display = page.address is not None
        self.query_one("#cancel-purchase").display = cancels
        self.query_one("#done").display = page.address is None
        self._tell()
        self._arrange()
        if not isinstance(self.focused, Button) or not self.focused.display:
            # The address is what must be in sight; what the buttons do, keys do too.
            self.set_focus(self.query_one("#copy-link" if page.address else "#done"), scroll_visible=False)
        self._look_later()

    def on_resize(self) -> None:
        """The code is there where all of it fits."""
        if self.page is not None:
            self._arrange()

    def _arrange(self) -> None:
        """The address whole, the code whole or not at all, and blanks where there is room for them."""
        url, code, sheet = self.page.address or "", self.query_one(QrCode), self.query_one(PaySheet)
        # The frame takes the rest.
        width = self.size.width - (29 if self.has_class("-wide") else 8 if self.has_class("-medium") else 6)
        height = self.size.height - 4
        # The words above it, the address, a blank.
        above = 2 + -(-len(url) // max(width, 1)) if url else 1
        need = cells(url) if url else Size(0, 0)
        # What stands above may touch the frame, but not the code.
        fits = bool(url) and need.width + _WORDS <= width and need.height + above <= height
        self._show_link(url, fits=fits)
        code.display, code.address = fits, url if fits else ""
        sheet.tight = False
        lines = sheet.get_content_height(None, None, width - need.width - 2 if fits else width)
        sheet.tight = above + lines + 2 > height
        self.set_class(above + max(need.height if fits else 0, lines + 2) + 2 < height, "-airy")

    def _show_link(self, url: str, *, fits: bool) -> None:
        head, link = self.query_one(_Head), self.query_one(Link)
        link.display = head.display = bool(url)
        link.address = url
        how = "Scan the code with your phone, or open this address on any computer:"
        head.words = how if fits else "Open this address on any computer or phone:"

    def _tell(self) -> None:
        self.query_one(PaySheet).sheet = sheet_of(
            self.page,
            now=self._now_line(),
            until=self.orgtui.clock(self.page.payment.expires),
            demo=self._demo,
            long=self.page.address is not None and not _short(self.page.address),
        )

    def _clock(self) -> str:
        return f"{self.orgtui.ambient.now().astimezone(zone_or_utc(self.zone)):%H:%M:%S}"

    def _now_line(self) -> tuple[str, str]:
        again = f", again in {self._delay:.0f} s" if self.page.payment.status.waits else ""
        if self._unanswered:
            return f"{self._unanswered} Asked {self._clock()}{again}", "warn"
        return f"checked {self._checked}{again}", "dim"

    @property
    def _demo(self) -> bool:
        """Whether it is for this program to say who paid; where a server has the provider, it is not."""
        provider = getattr(self._service, "provider", None)
        return provider is not None and provider.mode == "demo"

    # Looking.

    def _look_later(self) -> None:
        self._stop_looking()
        if self.page is not None and self.page.payment.status.waits and self.is_current:
            self._timer = self.set_timer(self._delay, self._look)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_screen_suspend(self) -> None:
        """Nobody looks: nothing is asked."""
        self._stop_looking()

    def on_screen_resume(self) -> None:
        """Back: look soon."""
        self._delay = _FIRST
        self._look_later()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Ask how it stands; what is not answered is asked again."""
        if self._service is None:
            return
        self._delay = min(self._delay * _SLOWER, _LONGEST)
        try:
            self.page = await self._service.look(self._payment_id)
        except OrgtuiError as error:
            self._unanswered = error.message
            self._delay = max(self._delay, error.details.get("retry_after", 0.0))
            self._tell()
            self._look_later()

    # What is done.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A link can be copied while there is one; only a demo can be paid from here."""
        if not super().check_action(action, parameters):
            return False
        if action in ("copy", "write"):
            return self.page.address is not None
        if action == "cancel_payment":
            return self.page.payment.status in (PaymentStatus.CREATING, PaymentStatus.OPEN)
        if action == "demo":
            slow = self.page.payment.status is PaymentStatus.PROCESSING and parameters == ("pay",)
            return self._demo and (slow or self.page.payment.status is PaymentStatus.OPEN)
        return True

    def action_enter_section(self) -> None:
        """On the first button."""
        self.query("#pay-buttons Button").first().focus()

    def action_back(self) -> None:
        """To the section; the payment goes on."""
        self.dismiss()

    def action_copy(self) -> None:
        """By OSC 52: whether the terminal takes it, nobody is told."""
        self.app.copy_to_clipboard(self.page.address)
        self.notify(SENT)

    async def action_write(self) -> None:
        """The link, or its code, as a file."""
        from orgtui.screens.dialogs.link_file import LinkFileDialog

        def say(said: str | None) -> None:
            if said:
                self.notify(said)

        await self.app.push_screen(LinkFileDialog(f"pay-{self._payment_id}", self.page.address), say)

    async def action_cancel_payment(self) -> None:
        """Close its page, after a question."""
        from orgtui.screens.dialogs.confirm import ConfirmDialog

        payment: Payment = self.page.payment

        def answered(yes: bool | None) -> None:
            if yes:
                self._cancel()

        lines = [f"Its link is closed. Nothing was charged; who is just paying {payment.amount} may still be faster."]
        dialog = ConfirmDialog(
            f"Cancel the purchase of {payment.amount}", lines, "Cancel purchase", stay="Keep waiting"
        )
        await self.app.push_screen(dialog, answered)

    @work(exclusive=True, group="look")
    async def _cancel(self) -> None:
        service = await self.orgtui.billing_service()
        try:
            self.page = await service.withdraw(self._payment_id)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            self._look_later()

    @work(exclusive=True, group="look")
    async def action_demo(self, what: str) -> None:
        """In a demo nobody pays: a key says that somebody did."""
        service: Any = await self.orgtui.billing_service()
        provider, payment = cast("DemoBilling", service.provider), self.page.payment
        what = "arrive" if payment.status is PaymentStatus.PROCESSING else what
        try:
            getattr(provider, what)(payment.page)
            self.page = await service.look(self._payment_id)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)


def _short(url: str) -> bool:
    """Whether its code fits a terminal of 80×24."""
    size = cells(url)
    return size.width <= 33 and size.height <= 17


def _where(payment: Payment) -> str:
    return "AI Credits" if payment.kind == "credits" else "Subscription"


def sheet_of(paying: Paying, *, now: tuple[str, str], until: str, demo: bool, long: bool) -> Sheet:
    """What is said of a payment: a word for each state, what happened, and what happens next."""
    payment = paying.payment
    plan = BY_KEY.get(payment.plan or "")
    about = f"first month, {plan.runs:,} runs" if plan else tokens(payment.amount)
    told = STATUSES[payment.status]
    state = "Waiting for payment" if told.word == "Waiting" else told.word
    keys: tuple[tuple[str, str], ...] = ()
    if demo and payment.status is PaymentStatus.OPEN:
        keys = (("p", "pays"), ("x", "declined"), ("s", "slowly"))
    elif demo and payment.status is PaymentStatus.PROCESSING:
        keys = (("p", "lets it arrive"),)
    details = (*_details(paying), *([now] if payment.status.waits else []))
    what = (str(payment.amount), package_name(payment))
    words = _words(paying, until, long=long)
    return Sheet(what, about, told.glyph, told.tone, state, tuple(details), words, demo, keys)


def _details(paying: Paying) -> list[tuple[str, str]]:
    payment = paying.payment
    if payment.status is PaymentStatus.OPEN:
        trouble = [(f"The last attempt failed: {clean(payment.trouble)}", "err")] if payment.trouble else []
        return [*trouble, *([] if paying.address else [("Its address cannot be shown here.", "warn")])]
    if payment.status is PaymentStatus.PAID:
        receipt = f", receipt {clean(payment.receipt)}" if payment.receipt else ""
        return [(f"{payment.amount} arrived{receipt}.", "text")]
    means = STATUSES[payment.status].means
    return [(f"{clean(payment.trouble)} {means}" if payment.trouble else means, "text")]


def _words(paying: Paying, until: str, *, long: bool) -> str:
    payment = paying.payment
    arrives = "Credits arrive" if payment.kind == "credits" else "The plan begins"
    if payment.status in _DONE:
        after = "The credits are in the balance." if payment.kind == "credits" else "The plan is yours now."
        return after if payment.status is PaymentStatus.PAID else ""
    if payment.status is PaymentStatus.PROCESSING:
        return f"{arrives} when the bank confirms. You may leave."
    if payment.status is PaymentStatus.MISMATCH:
        return "Give the receipt to who runs this installation: they can put it right."
    if not payment.status.waits:
        return "Go back to begin anew."
    if paying.address is None:
        return "You may leave: what is paid is picked up later."
    again = "Another card may work. " if payment.trouble else ""
    monthly = "Charged once by Stripe" if payment.kind == "credits" else "Charged every month by Stripe"
    file = " Its code is too large for a terminal: w writes it to a file." if long else ""
    return (
        f"{again}{monthly}, in {payment.amount.currency}. {arrives} when Stripe confirms. You may leave; the link is "
        f"valid until {until}.{file}"
    )
