"""The Billing section: the plan and how it changes, AI credits and how they are bought."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.reactive import reactive

from orgtui.billing.words import card_name, day, plan_name
from orgtui.domain.credits import tokens
from orgtui.domain.errors import Conflict, OrgtuiError
from orgtui.domain.figures import some
from orgtui.domain.money import Cost, Money
from orgtui.domain.months import zone_or_utc
from orgtui.domain.plans import BY_KEY, Move, Plan, misfits, move
from orgtui.domain.roles import Permission, allows, refusal
from orgtui.screens.billing_parts import LEAST_HISTORY, PARTS, CreditsPart, exported
from orgtui.screens.billing_words import credit_banners, subscription_banners, undo_words
from orgtui.screens.section import SectionScreen
from orgtui.store.contract.billing import LONGEST_PAGE, BillingPage, Payment
from orgtui.widgets.banners import Banner, Banners
from orgtui.widgets.filter_table import FilterTable
from orgtui.widgets.frame import Body, Foot, Sidebar
from orgtui.widgets.note import Note
from orgtui.widgets.plan_table import PlanTable
from orgtui.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments
    from orgtui.billing.provider import ChangePreview
    from orgtui.billing.results import Paying, Reconciled
    from orgtui.store.contract import Store

TABS = ("Subscription", "AI Credits")
_OF_CREDITS = frozenset({"ledger", "filter", "export"})
# As many purchases as words are looked for in; the command line has all of them.
_MOST = 20_000


class BillingScreen(SectionScreen["BillingPage"]):
    """Two tabs over one answer; what changes something goes through the payment provider."""

    SECTION = "billing"
    NEEDS_ANSWER = frozenset(
        {"turn_tab", "manage", "resume", "keep", "cancel", "waiting", "new", "purchase", "ledger", "filter", "export"}
    )
    BINDINGS = [
        Binding("u", "resume", "Resume", id="billing.resume", show=False),
        Binding("u", "keep", "Keep the plan", id="billing.keep", show=False),
        Binding("o", "waiting", "To the payment that waits", id="billing.waiting", show=False),
        Binding("tab", "turn_tab", "Next tab", id="billing.tab"),
        Binding("slash", "filter", "Filter", id="table.filter", key_display="/"),
        Binding("m", "manage", "Manage Subscription", id="billing.manage"),
        Binding("e", "export", "Export", id="billing.export"),
        Binding("l", "ledger", "Ledger", id="billing.ledger"),
        Binding("n", "new", "Purchase AI Credits", id="billing.purchase", show=False),
        Binding("C", "cancel", "Cancel subscription", id="billing.cancel", show=False),
        Binding("B", "reconcile", "Compare with the provider", id="billing.reconcile", show=False),
        Binding("escape", "leave", "Leave the list", id="billing.leave", show=False),
        Binding("pagedown,space", "scroll(1)", "Scroll down", id="billing.scroll-down", show=False),
        Binding("pageup", "scroll(-1)", "Scroll up", id="billing.scroll-up", show=False),
    ]
    HELP = "The plan and AI credits. tab turns to the other tab, enter changes the plan or buys the package."

    # Why nothing can be paid here, and what a provider that did not answer said.
    unready: reactive[str] = reactive("", init=False, repaint=False)
    aside: reactive[str] = reactive("", init=False, repaint=False)

    def __init__(self) -> None:
        super().__init__()
        self._filled = {"subscription"}
        self._compared = False
        self._history: list[Payment] = []

    def compose_section(self) -> ComposeResult:
        """Tabs, what is to be told first, and the part that is seen first."""
        yield TabBar(TABS)
        yield Note()
        yield Banners(id="banners")
        yield PARTS["subscription"](id="subscription")

    def on_mount(self) -> None:
        """Nothing to see before there is an answer."""
        self.query_one("#subscription").display = False

    # The question and its answer.

    async def ask(self, store: Store) -> BillingPage:
        """All of it."""
        return await store.billing.show()

    def show(self, page: BillingPage) -> None:
        """Render the answer; after the first one the provider is asked what happened meanwhile."""
        self._history = list(page.payments)
        self._arrange()
        if not self._compared:
            self._compared = True
            self.compare()

    @property
    def refused(self) -> str:
        """Why whoever looks can change nothing, if so."""
        overview = self.orgtui.overview
        if overview is not None and not allows(overview.role, Permission.MANAGE_BILLING):
            return refusal(Permission.MANAGE_BILLING)
        return self.unready

    def watch_unready(self) -> None:
        """Buttons and the reason."""
        self._arrange()

    def watch_aside(self) -> None:
        """A line that says so."""
        self._arrange()

    def on_resize(self) -> None:
        """Another size, other words."""
        self._arrange()

    @property
    def _seen(self) -> str:
        return list(PARTS)[self.query_one(TabBar).active]

    def _arrange(self) -> None:
        """Show the part that is to be seen, and what is to be told first."""
        if self.page is None:
            return
        seen, now = self._seen, self.orgtui.ambient.now()
        self.set_class(seen == "ai-credits", "-credits")
        self._tell_first()
        for name in self._filled:
            part: Any = self.query_one(f"#{name}")
            part.display = name == seen
            if name == seen:
                part.show(self.page, now, self.refused)
        if self.focused is None or not self.focused.is_attached or not self._visible(self.focused):
            self.query_one(Sidebar).focus()
        self._fit_history()
        self.query_one(Foot).redraw()
        self.refresh_bindings()

    @staticmethod
    def _visible(focused: Any) -> bool:
        return all(node.display for node in focused.ancestors_with_self if hasattr(node, "display"))

    def _tell_first(self) -> None:
        """What is news is brought into sight."""
        banners, told = self.query_one(Banners), self._told()
        if banners.banners != told:
            banners.banners = told
            self.query_one(Body).scroll_home(animate=False)

    def _told(self) -> tuple[Banner, ...]:
        banners = subscription_banners if self._seen == "subscription" else credit_banners
        told = list(banners(self.page))
        if self.refused:
            told.append(Banner("dim", "", self.refused))
        if self.aside:
            told.append(Banner("dim", "", self.aside))
        return tuple(told)

    def _fit_history(self) -> None:
        """The history takes what the rest leaves of the screen, and never less than can be read."""
        for table in self.query("#history"):
            tall, small = self.has_class("-tall"), self.has_class("-small")
            above = 23 if tall else 16 if small else 15
            banners = self.query_one(Banners)
            taken = len(banners.banners) + tall if banners.display else 0
            table.styles.height = max(LEAST_HISTORY, self.size.height - 2 - above - taken)

    async def _reveal(self) -> None:
        """Mount what is seen for the first time: keys typed ahead wait for it."""
        seen = self._seen
        if self.page is not None and not self.query(f"#{seen}"):
            with self.app.batch_update():
                await self.query_one(Body).mount(PARTS[seen](id=seen))
                self._filled.add(seen)
                self._arrange()
        else:
            self._arrange()
        if not isinstance(self.focused, Sidebar):
            self.action_enter_section()
        if seen == "ai-credits":
            self._load_older()

    @work(exclusive=True, group="older")
    async def _load_older(self) -> None:
        """Purchases beyond those that came with the answer, for who looks for words in them."""
        if self.page.purchases <= len(self._history):
            return
        try:
            self._history = await self._all()
        except OrgtuiError as error:
            self.notify(f"Older purchases could not be read: {error.message}", severity="warning", timeout=10)
            return
        for part in self.query(CreditsPart):
            part.fill(self._history, self.page.purchases, zone_or_utc(self.page.timezone))

    async def _all(self) -> list[Payment]:
        store, found = await self.orgtui.store(), list[Payment]()
        before: str | None = None
        while len(found) < _MOST:
            page = await store.billing.payments(before, LONGEST_PAGE)
            found += page.payments
            if (before := page.next) is None:
                break
        return found

    # Tabs and focus.

    def hint(self, action: str) -> str | None:
        """What the footer calls an action now; naming one shows it there."""
        if action == "turn_tab":
            return self.query_one(TabBar).following
        if self.page is not None and action in ("resume", "keep"):
            return undo_words(self.page.subscription) or None
        if self.page is not None and action == "waiting" and (self._waiting or self._owes):
            return "Pay what waits"
        return super().hint(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What belongs to the other tab does not work in this one."""
        if not super().check_action(action, parameters):
            return False
        if action in _OF_CREDITS and self._seen != "ai-credits":
            return False
        if action in ("resume", "keep"):
            return undo_words(self.page.subscription).lower().startswith(action)
        return bool(self._waiting or self._owes) if action == "waiting" else True

    def action_turn_tab(self) -> None:
        """The other tab."""
        self.query_one(TabBar).turn()

    @on(TabBar.Changed)
    async def _turned(self) -> None:
        await self._reveal()

    def action_enter_section(self) -> None:
        """Into the plans, or on the packages."""
        if self.page is not None and self._seen in self._filled:
            part: Any = self.query_one(f"#{self._seen}")
            part.enter()

    def action_leave(self) -> None:
        """From the history to the packages, from there to the sidebar."""
        around = [node.id for node in self.focused.ancestors] if self.focused else []
        if {"history", "purchase-row"} & {*around}:
            self.action_enter_section()
        else:
            self.query_one(Sidebar).focus()

    def action_scroll(self, by: int) -> None:
        """Where the terminal is too low for all of it."""
        body = self.query_one(Body)
        body.scroll_relative(y=by * max(1, body.size.height - 2), animate=False)

    def action_filter(self) -> None:
        """Open the filter of the history."""
        for table in self.query("#history").results(FilterTable):
            if table.display:
                table.action_filter()

    # What the provider is asked.

    @work(exclusive=True, group="reconcile")
    async def compare(self, *, loud: bool = False) -> None:
        """Ask what happened while nobody looked; quietly, unless something did."""
        try:
            service = await self.orgtui.billing_service()
        except OrgtuiError as error:
            self.unready = error.message
            return
        try:
            found = await service.reconcile()
        except OrgtuiError as error:
            if error.code == "billing_not_ready":
                self.unready = error.message
            else:
                self.aside = f"{error.message} What is shown is what was known before; B asks again."
            return
        self.aside = ""
        self._say_found(found, loud=loud)

    def _say_found(self, found: Reconciled, *, loud: bool) -> None:
        for payment in found.paid:
            self.notify(f"{payment.amount} was paid meanwhile.", timeout=10)
        if found.unknown:
            count = some(len(found.unknown), "payment")
            self.aside = f"The provider has {count} that these books do not know: {', '.join(found.unknown)}."
        news = bool(found.paid or found.ended or found.reversals) or found.subscription != self.page.subscription
        if news:
            self.load()
        elif loud:
            self.notify("The books agree with the provider.")

    def action_reconcile(self) -> None:
        """Ask now."""
        self.compare(loud=True)

    def _told_why_not(self) -> bool:
        """Say why nothing can be changed, if so."""
        if self.refused:
            self.notify(self.refused, severity="warning")
        return bool(self.refused)

    async def _served(self, act: Callable[[Payments], Awaitable[Any]]) -> tuple[Any] | None:
        """What the service answers; where it refuses, that is said."""
        try:
            return (await act(await self.orgtui.billing_service()),)
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return None

    def _still_here(self, what: str) -> bool:
        """Whether a late answer may be shown: what is pressed elsewhere meanwhile is not meant for it."""
        if not self.is_active:
            self.notify(f"{what} came after you had left; ask for it again in Billing.", timeout=10)
        return self.is_active

    @work(group="change")
    async def _do(self, act: Callable[[Payments], Awaitable[Any]], said: str) -> None:
        """One change of the plan, and the page again."""
        if await self._served(act) is not None:
            self.notify(said)
        self.load()

    # The plan.

    @on(PlanTable.Pressed)
    def _pressed(self, event: PlanTable.Pressed) -> None:
        self.change_plan(BY_KEY[event.plan])

    def change_plan(self, plan: Plan) -> None:
        """Whatever it takes to come to that plan."""
        page: BillingPage = self.page
        step = move(page.plan, plan.key) if page.plan in BY_KEY else Move.CONTACT
        running = page.subscription is not None and not page.subscription.status.ended
        if step is Move.CURRENT:
            self.notify(f"{plan.name} is your plan.")
        elif step is Move.CONTACT:
            self._contact()
        elif self._told_why_not():
            return
        elif not running and plan.cents:
            self._subscribe(plan)
        elif step is Move.UPGRADE:
            self._upgrade(plan)
        elif plan.cents:
            self._downgrade(plan)
        else:
            self.action_cancel()

    def _contact(self) -> None:
        from orgtui.screens.dialogs.address import AddressDialog

        contact = self.orgtui.settings.sales_contact
        if contact is None:
            self.notify("Enterprise is agreed with whoever runs this platform; no contact is set up here.", timeout=10)
            return
        told = "Custom volume, unlimited nodes, Cloud + VPC + On-premise. Nothing is sent from here: write to"
        self.app.push_screen(AddressDialog("Contact sales", [told], f"mailto:{contact}", copies=contact))

    @work(group="change")
    async def _upgrade(self, plan: Plan) -> None:
        from orgtui.screens.dialogs.upgrade import UpgradeDialog

        preview = await self._served(lambda service: service.preview(plan.key))
        if preview is None or not self._still_here(f"The price of {plan.name}"):
            self.load()
            return
        shown: ChangePreview = preview[0]
        running = self.page.subscription
        card = card_name(running.card) if running and running.card else ""
        service = await self.orgtui.billing_service()
        dialog = UpgradeDialog(service, shown, card, zone_or_utc(self.page.timezone))
        answer = await self.app.push_screen_wait(dialog)
        if answer == "done":
            self.notify(f"{plan.name} is your plan now.")
        self.load()
        if answer == "manage":
            self._manage()

    def _downgrade(self, plan: Plan) -> None:
        current, at = plan_name(self.page.plan), self._period_end
        lines = [
            f"{current} stays until {at}; then {plan.name} begins, at {plan.price} with {plan.runs:,} runs a month.",
            "Nothing is charged now and nothing is given back. Until then you can keep the plan.",
            *(f"! {misfit}" for misfit in misfits(self.page.plan, plan, self.page.runs.used)),
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(lambda service: service.downgrade(plan.key), f"{plan.name} begins on {at}.")

        self._ask(f"Downgrade to {plan.name}", lines, f"Downgrade on {at}", answered, stay=f"Keep {current}")

    def action_cancel(self) -> None:
        """Free from the end of the period on."""
        running = self.page.subscription
        if self._told_why_not():
            return
        if running is None or running.status.ended:
            self.notify("No subscription is running, so there is nothing to cancel.")
            return
        name, at, free = plan_name(running.plan), self._period_end, BY_KEY["free"]
        lines = [
            f"{name} stays until {at}; then {free.name} begins, with {free.runs:,} runs a month.",
            "Nothing more is charged and nothing is given back. Until then you can resume.",
            *(f"! {misfit}" for misfit in misfits(self.page.plan, free, self.page.runs.used)),
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(lambda service: service.cancel(), f"{name} ends on {at}. u resumes it until then.")

        self._ask(f"Cancel {name}", lines, f"End on {at}", answered, stay=f"Keep {name}", danger=True)

    @property
    def _period_end(self) -> str:
        running = self.page.subscription
        zone = zone_or_utc(self.page.timezone)
        return day(running.end if running else self.page.runs.end, zone)

    def _ask(
        self,
        heading: str,
        lines: list[str],
        button: str,
        answered: Callable[[bool | None], None],
        *,
        stay: str = "Cancel",
        danger: bool = False,
    ) -> None:
        from orgtui.screens.dialogs.confirm import ConfirmDialog

        self.app.push_screen(ConfirmDialog(heading, lines, button, danger=danger, stay=stay), answered)

    def action_resume(self) -> None:
        """Take back that it was cancelled."""
        if not self._told_why_not():
            said = f"{plan_name(self.page.subscription.plan)} goes on, and renews on {self._period_end}."
            self._do(lambda service: service.resume(), said)

    def action_keep(self) -> None:
        """Forget the change that was to come."""
        if not self._told_why_not():
            self._do(lambda service: service.keep(), f"{plan_name(self.page.subscription.plan)} is kept.")

    def action_manage(self) -> None:
        """The provider's own pages."""
        if not self._told_why_not():
            self._manage()

    @work(exclusive=True, group="manage")
    async def _manage(self) -> None:
        from orgtui.screens.dialogs.address import AddressDialog

        url = await self._served(lambda service: service.manage())
        if url is not None and self._still_here("The address of the provider's pages"):
            lines = ["Your payment methods, invoices and details, on the provider's own pages. Open on any computer:"]
            lines.append("It opens for whoever has it, for some minutes. Keep it to yourself.")
            await self.app.push_screen_wait(AddressDialog("Manage Subscription", lines, url[0]))
            # What was changed there is asked for once one is back.
            self.compare()

    # Paying.

    @property
    def _waiting(self) -> list[Payment]:
        kind = "plan" if self._seen == "subscription" else "credits"
        return [payment for payment in self.page.waiting if payment.kind == kind]

    def _subscribe(self, plan: Plan) -> None:
        lines = [
            f"{plan.runs:,} workflow runs a month, nodes: {plan.nodes.lower()}, hosting: {plan.hosting}.",
            f"{Money(plan.cents or 0)} is charged in EUR for the first month, and again every month until you cancel.",
            "You pay on Stripe's page; the plan begins when the payment arrives. Nothing is charged before.",
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._pay(lambda service: service.subscribe(plan.key))

        self._ask(f"Upgrade to {plan.name}", lines, f"Go on to pay {Money(plan.cents or 0)}", answered)

    @on(CreditsPart.Wanted)
    def _wanted(self, event: CreditsPart.Wanted) -> None:
        if self._told_why_not():
            return
        amount, balance = event.amount, self.page.credits.balance
        after = Cost(balance.amount + amount.major(), balance.currency).exact()
        lines = [
            f"{amount} is charged once, in {amount.currency}, for {tokens(amount)}. The balance is then {after}.",
            "Next are a link and a QR code to Stripe's page, where you pay by card. Nothing is charged before you do.",
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._pay(lambda service: service.buy(amount, short=True))

        self._ask(f"Purchase {amount} of AI credits", lines, f"Go on to pay {amount}", answered)

    @work(exclusive=True, group="pay")
    async def _pay(self, order: Callable[[Payments], Awaitable[Paying]]) -> None:
        """Order, then the pay screen; afterwards the page again."""
        try:
            paying = await order(await self.orgtui.billing_service())
        except Conflict as error:
            self.notify(error.message, severity="error", timeout=10)
            waiting = error.details.get("payment")
            if waiting:
                await self._see(waiting, None)
        except OrgtuiError as error:
            self.notify(f"{error.message} Nothing was charged.", severity="error", timeout=10)
            self.load()
        else:
            if self._still_here(f"The page to pay {paying.payment.amount}"):
                await self._see(paying.payment.id, paying)
            else:
                self.load()

    async def _see(self, payment: str, paying: Paying | None) -> None:
        from orgtui.screens.pay import PayScreen

        await self.app.push_screen_wait(PayScreen(payment, paying))
        self.load()

    @work(exclusive=True, group="pay")
    async def see_payment(self, payment: str) -> None:
        """The pay screen of a payment that was ordered before."""
        await self._see(payment, None)

    @property
    def _owes(self) -> bool:
        """Whether an invoice of the plan was not paid."""
        running = self.page.subscription
        return self._seen == "subscription" and running is not None and running.owing is not None

    def action_waiting(self) -> None:
        """The newest payment that waits, or the invoice that was not paid."""
        if self._told_why_not():
            return
        if self._waiting:
            self.see_payment(max(self._waiting, key=lambda payment: payment.created).id)
        else:
            self._pay_invoice()

    @work(exclusive=True, group="manage")
    async def _pay_invoice(self) -> None:
        """Its own page, which is asked for now and kept nowhere; the provider's pages where there is none."""
        from orgtui.screens.dialogs.address import AddressDialog

        found = await self._served(lambda service: service.refresh())
        owing = found[0].owing if found and found[0] else None
        if found and not self._still_here("The page of the invoice"):
            return
        if owing is not None and owing.url:
            lines = [f"The invoice of {owing.amount}, in {owing.amount.currency}. Pay it there, on any computer:"]
            await self.app.push_screen_wait(AddressDialog(f"Pay {owing.amount}", lines, owing.url))
            self.compare()
        elif found:
            self._manage()

    def action_new(self) -> None:
        """To the packages, wherever one is."""
        bar = self.query_one(TabBar)
        self.query_one(Sidebar).blur()
        if bar.active != 1:
            bar.active = 1
        else:
            self.action_enter_section()

    def action_purchase(self) -> None:
        """The button."""
        if not self._told_why_not():
            self.query_one(CreditsPart).buy()

    @on(FilterTable.Chosen)
    async def _chosen(self, event: FilterTable.Chosen) -> None:
        from orgtui.screens.dialogs.purchase import PurchaseDialog

        payment = next((one for one in self._history if one.id == event.key), None)
        if payment is None:
            return
        id = payment.id

        def go(answer: str | None) -> None:
            if answer == "pay":
                self.see_payment(id)

        await self.app.push_screen(PurchaseDialog(payment, zone_or_utc(self.page.timezone), self.refused), go)

    def action_ledger(self) -> None:
        """Every movement of the balance."""
        self._open_ledger()

    @work(exclusive=True, group="pay")
    async def _open_ledger(self) -> None:
        from orgtui.screens.ledger import LedgerScreen

        await self.app.push_screen_wait(LedgerScreen())

    @work
    async def action_export(self) -> None:
        """All purchases, as a file."""
        from orgtui.screens.dialogs.export import ExportDialog

        try:
            rows = exported(await self._all())
        except OrgtuiError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        said = await self.app.push_screen_wait(ExportDialog("purchases", rows))
        if said:
            self.notify(said)


SCREEN = BillingScreen
