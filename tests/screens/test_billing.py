"""Billing with the keyboard alone: plans change, credits are bought, and no money is lost or believed in early."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image, ImageDraw
from rich.color import Color as RichColor
from textual.widgets import Button, Input

from orgtui.billing.demo import DemoBilling
from orgtui.billing.provider import Busy, Checkout, Payer
from orgtui.billing.results import Paying
from orgtui.billing.service import BillingService
from orgtui.billing.words import STATUSES
from orgtui.composition import demo_billing_service
from orgtui.domain.ambient import Ambient
from orgtui.domain.credits import PACKAGES
from orgtui.domain.errors import Unreachable
from orgtui.domain.figures import percent
from orgtui.domain.money import Money
from orgtui.domain.plans import PLANS
from orgtui.domain.proration import Period, change
from orgtui.domain.subscriptions import SubscriptionStatus
from orgtui.screens.pay import PayScreen
from orgtui.store import demo
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore
from tests.billing.hands import use_card
from tests.conftest import TODAY, Clock
from tests.screens.billing_help import (
    compared,
    everything,
    midway,
    not_ready,
    overdrawn,
    page_of,
    provider_of,
    rewrite,
    stands,
    states,
    to_credits,
    to_pay_screen,
    to_plan,
)
from tests.screens.harness import (
    SMALL,
    USUAL,
    WIDE,
    Drive,
    awaited,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    row,
    sees,
    settled,
    shown,
    toasts,
    typed,
    until,
)

ADMIN = "jonas.weber@acme.example"
NOT_YOURS = "Billing is the owner's; admins can look, not change."


async def reads(pilot: Drive, within: str, *words: str) -> None:
    """Wait until all *words* stand in a widget, however they are broken into lines."""

    def there() -> bool:
        text = " ".join(shown(pilot, within).split())
        return all(word in text for word in words)

    await until(pilot, lambda: bool(pilot.app.screen.query(within)) and there())


# The Subscription tab.


@awaited
async def test_the_plan_its_runs_and_the_five_plans_at_every_size(demo_database: SqliteDatabase) -> None:
    page = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing")) as pilot:
        for size in (WIDE, USUAL, SMALL):
            await pilot.resize_terminal(*size)
            await to_plan(pilot, "free")
            seen = shown(pilot)
            assert f"{page.runs.used:,} / 50,000" in row(pilot, "Workflow Runs  ")
            assert percent(page.runs.used / 50_000) in row(pilot, "Workflow Runs  ")
            assert "renews 1 Dec 2026" in seen
            assert f"Resets 1 Dec 2026, tomorrow · {50_000 - page.runs.used:,} runs left" in seen
            assert "Manage Subscription" in seen
            await press(pilot, "end")
            for plan in PLANS:
                for fact in (plan.name, plan.price, plan.runs_text, plan.hosting, plan.nodes.partition(" per")[0]):
                    assert fact in shown(pilot, "#plans")
            assert "✓ Current plan" in row(pilot, "Business", "#plans")
            assert [("Downgrade" in line) for line in lines(pilot, "#plans") if "/month" in line] == [True] * 3 + [
                False
            ]
            assert "Contact sales" in row(pilot, "Enterprise", "#plans")


@awaited
async def test_each_state_says_what_it_means_and_what_helps(demo_database: SqliteDatabase) -> None:
    running = await stands(demo_database)
    told = {
        "active": ("renews 1 Dec 2026", "Visa ending 4242"),
        "trialing": ("trial until 1 Dec 2026, then €670.00 a month",),
        "past_due": ("Payment past due", "€670.00", "attempt 2", "next try 1 Dec 2026", "o Pay it"),
        "incomplete": ("First payment incomplete", "your consent", "Free", "m Manage Subscription"),
        "incomplete_expired": ("Business did not begin", "Choose a plan"),
        "unpaid": ("Unpaid", "attempt 4", "not tried again", "o Pay it"),
        "paused": ("Paused", "without a card", "m Manage Subscription"),
        "canceled": ("Business has ended", "Choose a plan"),
        "ends": ("Ends 1 Dec 2026", "Free follows", "u Resume"),
        "changes": ("Changes to Starter on 1 Dec 2026", "€29.00 a month", "u Keep Business", "from 1 Dec 2026"),
    }
    async with opened(make_app(demo_database, "billing")) as pilot:
        await compared(pilot)
        for name, changes in states(running.end).items():
            as_it_was = {field: getattr(running, field) for field in ("status", "owing", "card", "scheduled")}
            await stands(demo_database, **({"cancel_at_period_end": False} | as_it_was | changes))
            await press(pilot, "r")
            for words in told[name]:
                assert words in " ".join(shown(pilot, "#body").split()), (name, words)
            plan = "Business" if name in ("active", "trialing", "past_due", "ends", "changes") else "Free"
            assert "✓ Current plan" in row(pilot, f"{plan}  ", "#plans")


@awaited
async def test_what_is_owed_is_paid_on_its_own_page(demo_database: SqliteDatabase) -> None:
    running, known = await stands(demo_database), demo.seeded_ambient(TODAY, 1)
    clock = Clock(known.now())
    ambient = replace(known, now=lambda: clock.now)
    async with opened(make_app(demo_database, "billing", ambient=ambient), USUAL) as pilot:
        await compared(pilot)
        use_card(await provider_of(pilot), running.customer, good=False)
        clock.now = running.end + timedelta(hours=1)
        await press(pilot, "B")
        await reads(pilot, "#banners", "Payment past due €670.00 could not be charged at attempt 1")
        await press(pilot, "o")
        await sees(pilot, "Pay €670.00", "https://demo.invalid/invoice/")
        await press(pilot, "y")
        assert pilot.app.clipboard.startswith("https://demo.invalid/invoice/")
        use_card(await provider_of(pilot), running.customer, good=True)
        await press(pilot, "escape")
        await sees(pilot, "Business   €670/mo")


@awaited
async def test_what_wants_attention_is_marked_beside_the_section(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "general")) as pilot:
        assert "!" not in row(pilot, "4  Billing")
        await stands(demo_database, status=SubscriptionStatus.PAST_DUE)
        await press(pilot, "r")
        assert "!" in row(pilot, "4  Billing")
        await pilot.resize_terminal(*USUAL)
        assert any(line.startswith(" 4!") for line in lines(pilot))


@awaited
async def test_enterprise_is_written_to_and_nothing_is_sent(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing", billing=not_ready)) as pilot:
        await to_plan(pilot, "enterprise")
        await press(pilot, "enter")
        await sees(pilot, "Contact sales", "sales@platform.example")
        await press(pilot, "y")
        assert pilot.app.clipboard == "sales@platform.example"
        await press(pilot, "escape", "up", "enter")
        assert "Business is your plan." in toasts(pilot)


# Changing plans.


@awaited
async def test_an_upgrade_shows_the_bill_and_charges_exactly_that(demo_database: SqliteDatabase) -> None:
    now = demo.seeded_ambient(TODAY, 1).now()
    running = await midway(demo_database, "starter")
    costs = change(Money(2_900), Money(4_900), Period(running.start, running.end), now)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        await to_plan(pilot, "pro")
        await press(pilot, "enter")
        await sees(pilot, "Upgrade to Pro", "Due now")
        panel = shown(pilot, "#panel")
        for amount in (costs.credit, costs.charge, costs.due, Money(4_900)):
            assert str(amount) in panel
        assert f"Upgrade and pay {costs.due}" in panel
        assert "From 18 Dec 2026, each month" in panel
        assert f"{costs.due} is charged once, now, in EUR to Visa ending 4242" in " ".join(panel.split())
        await press(pilot, "enter")
        await sees(pilot, "✓ Current plan")
        await until(pilot, lambda: "✓ Current plan" in row(pilot, "Pro   ", "#plans"))
        assert "Pro is your plan now." in toasts(pilot)
        paid = next(iter((await provider_of(pilot)).invoices(running.customer)))
    assert paid.paid == costs.due
    assert (await page_of(demo_database)).plan == "pro"


@awaited
async def test_a_declined_upgrade_changes_nothing_and_leads_to_the_card(demo_database: SqliteDatabase) -> None:
    running = await midway(demo_database, "starter")
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        use_card(await provider_of(pilot), running.customer, good=False)
        await to_plan(pilot, "business")
        await press(pilot, "enter")
        await sees(pilot, "Upgrade and pay")
        await press(pilot, "enter")
        await reads(pilot, "#panel", "card was declined. Nothing was charged, and Starter is your plan as before.")
        assert (await page_of(demo_database)).plan == "starter"
        await until(pilot, lambda: pilot.app.focused and pilot.app.focused.id == "to-manage")
        await press(pilot, "enter")
        await sees(pilot, "https://demo.invalid/portal/")
        await press(pilot, "y")
        assert pilot.app.clipboard.startswith("https://demo.invalid/portal/")
        assert "Sent to your terminal's clipboard." in toasts(pilot)
        await press(pilot, "escape")
        assert "✓ Current plan" in row(pilot, "Starter   ", "#plans")


@awaited
async def test_an_old_preview_is_made_anew(demo_database: SqliteDatabase) -> None:
    await midway(demo_database, "starter")
    known = demo.seeded_ambient(TODAY, 1)
    clock = Clock(known.now())
    ambient = replace(known, now=lambda: clock.now)
    async with opened(make_app(demo_database, "billing", ambient=ambient)) as pilot:
        await to_plan(pilot, "business")
        await press(pilot, "enter")
        await sees(pilot, "Due now")
        before = row(pilot, "Due now", "#panel")
        clock.now += timedelta(hours=3)
        await press(pilot, "enter")
        await reads(pilot, "#panel", "more than 10 minutes ago", "Above is the price as it is now.")
        # A button takes no second press while it shows the first.
        await until(pilot, lambda: not pilot.app.screen.query("#pay.-active"))
        assert row(pilot, "Due now", "#panel") != before
        assert (await page_of(demo_database)).plan == "starter"
        await press(pilot, "enter")
        await until(pilot, lambda: not pilot.app.screen.query("#panel"))
        await sees(pilot, "Business   €670/mo")


@awaited
async def test_downgrade_keep_cancel_resume(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        await to_plan(pilot, "starter")
        await press(pilot, "enter")
        words = " ".join(shown(pilot, "#panel").split())
        for told in (
            "Business stays until 1 Dec 2026",
            "Nothing is charged now",
            "2,885 runs were used in this cycle; Starter has 2,500 a month.",
            "Self-hosted hosting is not part of Starter.",
            "Downgrade on 1 Dec 2026",
        ):
            assert told in words
        await press(pilot, "escape")
        assert "Changes to" not in shown(pilot)
        await press(pilot, "enter", "enter")
        await sees(pilot, "Changes to Starter on 1 Dec 2026", "u Keep Business")
        await press(pilot, "u")
        await until(pilot, lambda: "Changes to Starter" not in shown(pilot))
        await to_plan(pilot, "free")
        await press(pilot, "enter")
        await sees(pilot, "Cancel Business", "Keep Business", "End on 1 Dec 2026")
        # What ends waits for another key: enter alone keeps the plan.
        await press(pilot, "enter")
        assert (await page_of(demo_database)).subscription.cancel_at_period_end is False  # type: ignore[union-attr]
        await press(pilot, "C", "tab", "enter")
        await sees(pilot, "Ends 1 Dec 2026", "u Resume")
        await press(pilot, "u")
        await sees(pilot, "renews 1 Dec 2026")
    assert (await page_of(demo_database)).subscription.cancel_at_period_end is False  # type: ignore[union-attr]


@awaited
async def test_from_free_to_a_paid_plan(demo_database: SqliteDatabase) -> None:
    await stands(demo_database, status=SubscriptionStatus.CANCELED)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        await to_plan(pilot, "pro")
        await press(pilot, "enter")
        await sees(pilot, "€49.00 is charged in EUR for the first month", "Go on to pay €49.00")
        await press(pilot, "enter")
        await sees(pilot, "Subscription › Pay €49.00", "Waiting for payment")
        await reads(pilot, "#pay-sheet", "Charged every month by Stripe, in EUR.")
        await press(pilot, "escape")
        await reads(pilot, "#banners", "Pro waits for its payment", "o Pay it")
        # Another plan waits until that is settled one way or the other.
        await to_plan(pilot, "business")
        await press(pilot, "enter", "enter")
        await sees(pilot, "Pay €49.00")
        assert "cancel it before you choose another" in toasts(pilot)[-1]
        await press(pilot, "p")
        await sees(pilot, "✓ Paid", "The plan is yours now.")
        await press(pilot, "enter")
        await sees(pilot, "Pro   €49/mo")
        assert "✓ Current plan" in row(pilot, "Pro   ", "#plans")


# Buying.


@awaited
async def test_the_balance_and_the_packages(demo_database: SqliteDatabase) -> None:
    page = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing")) as pilot:
        await to_credits(pilot)
        balance = " ".join(shown(pilot, "#balance").split())
        assert f"{page.credits.balance} remaining" in balance
        assert f"{page.credits.used} of {page.credits.pool} used" in balance
        assert f"About {page.credits.days_left} days at {page.credits.daily} a day." in balance
        assert "Shared across all workspaces, never expires." in balance
        for words in ("Credits never expire and work across all AI providers.", "(Visa, Mastercard, American Express)"):
            assert words in shown(pilot)
        assert "Payments are processed securely through Stripe" in shown(pilot)
        await press(pilot, "home")
        for package in PACKAGES[:3]:
            for words in (package.name, package.price, package.tokens.partition(" (")[0]):
                assert words in shown(pilot, "#packages")
            assert f"Purchase {Money(package.cents or 0)}" in shown(pilot, "#purchase-row")
            await press(pilot, "enter")
            assert f"{Money(package.cents or 0)} is charged once, in EUR" in shown(pilot, "#panel")
            await press(pilot, "escape", "right")
    assert (await page_of(demo_database)).purchases == page.purchases


@awaited
async def test_any_amount_is_judged_while_it_is_typed(demo_database: SqliteDatabase) -> None:
    page = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        await to_credits(pilot)
        await press(pilot, "end", "enter")
        assert isinstance(pilot.app.focused, Input)
        for text in ("0.49", "-5", "abc", "1e9", "10.001", "4,99", "2000.01"):
            await typed(pilot, text)
            await sees(pilot, "✗")
            await press(pilot, "enter")
            assert not pilot.app.screen.query("#panel")
        for text, amount, tokens in (
            ("12,34", "€12.34", "617K"),
            ("€12.34", "€12.34", "617K"),
            ("30", "€30.00", "1.5M"),
        ):
            await typed(pilot, text)
            await sees(pilot, f"≈ {tokens} tokens (GPT-4o)", f"Purchase {amount}")
            assert "✗" not in shown(pilot, "#purchase-row")
        await press(pilot, "enter")
        await sees(pilot, "Go on to pay €30.00")
        await press(pilot, "escape", "escape")
        assert pilot.app.focused is pilot.app.screen.query_one("#packages")
    assert (await page_of(demo_database)).purchases == page.purchases


@awaited
async def test_a_purchase_is_declined_paid_and_in_the_balance_once(demo_database: SqliteDatabase) -> None:
    before = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        payment = await to_pay_screen(pilot)
        assert payment.amount == Money(2_500)
        assert payment.short
        await sees(pilot, "checked 14:02:00, again in", "Popular", "DEMO", "Billing › AI Credits › Pay €25.00")
        await press(pilot, "x")
        await reads(pilot, "#pay-sheet", "Your card was declined.", "Waiting for payment")
        # Somebody pays on their phone; the screen sees it by itself.
        (await provider_of(pilot)).pay(payment.page or "")
        await sees(pilot, "✓ Paid", "The credits are in the balance.")
        await press(pilot, "enter")
        await sees(pilot, "Purchase History")
        await until(pilot, lambda: "✓ Paid" in row(pilot, "30 Nov 2026", "#history"))
        await press(pilot, "r")
    after = await page_of(demo_database)
    assert after.credits.balance.amount - before.credits.balance.amount == 25
    assert after.purchases == before.purchases + 1


@awaited
async def test_a_slow_payment_is_no_money_until_it_arrives(demo_database: SqliteDatabase) -> None:
    before = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        await to_pay_screen(pilot)
        await press(pilot, "s")
        await reads(pilot, "#pay-sheet", "○ Processing", "the bank has yet to confirm")
        assert (await page_of(demo_database)).credits == before.credits
        await press(pilot, "escape")
        await sees(pilot, "€25.00 was paid")
        assert "○ Processing" in row(pilot, "30 Nov 2026", "#history")
        await press(pilot, "o")
        await sees(pilot, "demo: p lets it arrive")
        await press(pilot, "p")
        await sees(pilot, "✓ Paid")
    assert (await page_of(demo_database)).credits.balance.amount == before.credits.balance.amount + 25


@awaited
async def test_a_purchase_is_cancelled_or_runs_out(demo_database: SqliteDatabase) -> None:
    known = demo.seeded_ambient(TODAY, 1)
    clock = Clock(known.now())
    ambient = replace(known, now=lambda: clock.now)
    async with opened(make_app(demo_database, "billing", ambient=ambient), USUAL) as pilot:
        await to_pay_screen(pilot)
        await press(pilot, "c")
        await sees(pilot, "Cancel the purchase of €25.00", "Keep waiting")
        await press(pilot, "escape")
        assert "Waiting for payment" in shown(pilot)
        await press(pilot, "c", "enter")
        await reads(pilot, "#pay-sheet", "— Cancelled", "nothing was charged")
        assert "demo.invalid" not in shown(pilot)
        await press(pilot, "escape")
        await to_pay_screen(pilot)
        clock.now += timedelta(minutes=61)
        await press(pilot, "r")
        await reads(pilot, "#pay-sheet", "— Expired", "nothing was charged")
        await press(pilot, "enter")
        await sees(pilot, "Purchase History")
        ended = [line.split()[6] for line in lines(pilot, "#history") if "30 Nov 2026" in line]
        assert sorted(ended) == ["Cancelled", "Expired"]


@awaited
async def test_what_is_paid_while_nobody_looks_is_picked_up(demo_database: SqliteDatabase) -> None:
    before = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        payment = await to_pay_screen(pilot)
        await press(pilot, "escape")
        await sees(pilot, "€25.00 waits for its payment", "o Pay it")
        assert "○ Waiting" in row(pilot, "30 Nov 2026", "#history")
        (await provider_of(pilot)).pay(payment.page or "")
        await press(pilot, "B")
        await until(pilot, lambda: "€25.00 was paid meanwhile." in toasts(pilot))
        await until(pilot, lambda: "✓ Paid" in row(pilot, "30 Nov 2026", "#history"))
        await press(pilot, "B")
        await until(pilot, lambda: "The books agree with the provider." in toasts(pilot))
    assert (await page_of(demo_database)).credits.balance.amount == before.credits.balance.amount + 25


@awaited
async def test_what_was_paid_while_orgtui_was_closed_is_told_at_the_next_start(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        payment = await to_pay_screen(pilot)

    def paid_meanwhile(opened_store: SqlStore, ambient: Ambient) -> BillingService:
        service = demo_billing_service(opened_store, ambient)
        assert isinstance(service.provider, DemoBilling)
        service.provider.pay(payment.page or "")
        return service

    async with opened(make_app(demo_database, "billing", billing=paid_meanwhile), USUAL) as pilot:
        await until(pilot, lambda: toasts(pilot) == ["€25.00 was paid meanwhile."])
        await to_credits(pilot)
        assert "✓ Paid" in row(pilot, "30 Nov 2026", "#history")


# The link.


def picture(rows: list[str]) -> Image.Image:
    """Half blocks as a terminal draws them, in cells of 8×16."""
    image = Image.new("L", (8 * len(rows[0]), 16 * len(rows)), 255)
    draw = ImageDraw.Draw(image)
    for y, line in enumerate(rows):
        for x, block in enumerate(line):
            for lower, blocks in enumerate(("▀█", "▄█")):
                if block in blocks:
                    top = 16 * y + 8 * lower
                    draw.rectangle((8 * x, top, 8 * x + 7, top + 7), fill=0)
    return image


def code_on(pilot: Drive) -> tuple[str, set[Any]]:
    """What the code on the screen says, and the colours it is drawn in."""
    code = pilot.app.screen.query_one("#qr").region
    strips = pilot.app.screen._compositor.render_strips()[code.y : code.bottom]
    cropped = [strip.crop(code.x, code.right) for strip in strips]
    read = zxingcpp.read_barcodes(picture([strip.text for strip in cropped]))
    styles = {(segment.style.color, segment.style.bgcolor) for strip in cropped for segment in strip if segment.style}
    return read[0].text if read else "", styles


def links_on(pilot: Drive) -> set[str]:
    strips = pilot.app.screen._compositor.render_strips()
    return {segment.style.link for strip in strips for segment in strip if segment.style and segment.style.link}


@awaited
async def test_the_link_is_text_a_link_a_code_a_copy_and_a_file(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        payment = await to_pay_screen(pilot)
        url = f"https://demo.invalid/pay/{payment.page}"
        assert row(pilot, "https://").partition("│")[2].strip() == url
        read, colours = code_on(pilot)
        assert read == url
        assert colours == {(RichColor.parse("#000000"), RichColor.parse("#ffffff"))}
        code = pilot.app.screen.query_one("#qr").region
        assert (code.width, code.height) == (33, 17)
        assert code.bottom <= 22
        assert links_on(pilot) == {url}
        await press(pilot, "y")
        assert pilot.app.clipboard == url
        assert toasts(pilot)[-1] == "Sent to your terminal's clipboard."
        for ending in ("txt", "svg", "png"):
            await press(pilot, "w")
            await typed(pilot, str(tmp_path / f"pay.{ending}"))
            await press(pilot, "enter")
            await until(pilot, lambda: not pilot.app.screen.query("#panel"))
        assert (tmp_path / "pay.txt").read_text() == f"{url}\n"
        assert (tmp_path / "pay.txt").stat().st_mode & 0o777 == 0o600
        assert zxingcpp.read_barcodes(Image.open(tmp_path / "pay.png"))[0].text == url
        assert b"<svg" in (tmp_path / "pay.svg").read_bytes()
        await pilot.resize_terminal(*SMALL)
        await settled(pilot)
        assert not pilot.app.screen.query_one("#qr").display
        assert url in shown(pilot)


@awaited
async def test_a_long_link_is_whole_and_its_code_is_whole_or_not_there(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        payment = await to_pay_screen(pilot)
        await press(pilot, "escape")
        long = f"https://checkout.stripe.com/c/pay/cs_test_{'a1' * 150}#{'fid' * 40}"
        pilot.app.push_screen(PayScreen(payment.id, Paying(payment, long)))
        await sees(pilot, "Waiting for payment")
        assert "".join(shown(pilot, "#pay-link").split()) == long
        assert not pilot.app.screen.query_one("#qr").display
        assert "too large for a terminal: w writes it" in " ".join(shown(pilot, "#pay-sheet").split())
        assert links_on(pilot) == {long}
        await pilot.resize_terminal(160, 60)
        await settled(pilot)
        assert code_on(pilot)[0] == long


# Who may not, and what is not there.


@awaited
async def test_an_admin_sees_everything_and_changes_nothing(demo_database: SqliteDatabase) -> None:
    before = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing", actor=ADMIN), USUAL) as pilot:
        await sees(pilot, NOT_YOURS, "2,885 / 50,000")
        assert pilot.app.screen.query_one("#manage", Button).disabled
        for key in ("m", "C", *"u"):
            await press(pilot, key)
            assert not pilot.app.screen.query("#panel")
        await to_plan(pilot, "starter")
        await press(pilot, "enter")
        assert not pilot.app.screen.query("#panel")
        assert NOT_YOURS in toasts(pilot)
        await to_credits(pilot)
        await sees(pilot, NOT_YOURS, str(before.credits.balance))
        await press(pilot, "enter")
        assert not pilot.app.screen.query("#panel")
        assert pilot.app.screen.query_one("#purchase", Button).disabled
        await press(pilot, "l")
        await sees(pilot, "Consumption")
    assert (await page_of(demo_database)).purchases == before.purchases


class Silent(DemoBilling):
    """A provider that cannot be reached."""

    def ensure_customer(self, payer: Payer, *, key: str) -> str:
        raise Unreachable("The payment provider did not answer.")


def silent(opened: SqlStore, ambient: Ambient) -> BillingService:
    return BillingService(opened.store, opened.platform, Silent(ambient), ambient)


@awaited
async def test_without_a_provider_the_figures_stand_and_actions_say_why_not(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing", billing=not_ready), USUAL) as pilot:
        await sees(pilot, "set ORGTUI_STRIPE_SECRET_KEY", "2,885 / 50,000")
        await press(pilot, "m")
        assert "ORGTUI_STRIPE_SECRET_KEY" in toasts(pilot)[-1]
        await to_credits(pilot)
        await sees(pilot, "set ORGTUI_STRIPE_SECRET_KEY", "Purchase History")
        await press(pilot, "enter")
        assert not pilot.app.screen.query("#panel")


@awaited
async def test_a_provider_that_does_not_answer_is_a_line_and_loses_nothing(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing", billing=silent)) as pilot:
        await reads(pilot, "#banners", "did not answer", "B asks again")
        assert "2,885 / 50,000" in shown(pilot)
        await to_credits(pilot)
        await press(pilot, "enter", "enter")
        await until(pilot, lambda: any("Nothing was charged." in said for said in toasts(pilot)))
        await reads(pilot, "#banners", "€25.00 waits for its payment")


class Crowded(DemoBilling):
    """A provider that has too much to do to be asked how a payment stands."""

    def checkout(self, id: str) -> Checkout:
        raise Busy("The payment provider has too much to do.", retry_after=40)


def crowded(opened: SqlStore, ambient: Ambient) -> BillingService:
    return BillingService(opened.store, opened.platform, Crowded(ambient), ambient)


@awaited
async def test_a_provider_that_has_too_much_to_do_is_asked_when_it_says(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "billing", billing=crowded), USUAL) as pilot:
        await to_pay_screen(pilot)
        await reads(pilot, "#pay-sheet", "too much to do. Asked 14:02:00, again in 40 s", "Waiting for payment")


@awaited
async def test_a_store_that_fails_is_told_and_asked_again(demo_database: SqliteDatabase) -> None:
    faults = {"billing"}
    async with opened(make_app(demo_database, "billing", fail=faults)) as pilot:
        await sees(pilot, "Billing could not be read", "Nothing was changed")
        faults.clear()
        faults.add("nothing")
        await press(pilot, "r")
        await sees(pilot, "2,885 / 50,000")
        faults.add("billing.show")
        await press(pilot, "r")
        await sees(pilot, "Below is what was last known.", "2,885 / 50,000")


# What was.


@awaited
async def test_the_history_is_filtered_opened_and_exported(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    page = await page_of(demo_database)
    async with opened(make_app(demo_database, "billing")) as pilot:
        await to_credits(pilot)
        await sees(pilot, f"{page.purchases} purchases · by date")
        await press(pilot, "slash")
        await typed(pilot, "refunded")
        await press(pilot, "enter")
        assert "↩ Refunded" in row(pilot, "27 Sep 2026", "#history")
        assert "✓ Paid" not in shown(pilot, "#history")
        await press(pilot, "enter")
        await sees(pilot, "Standard · €10.00", "All of it was given back.", "Went back", "DEMO-")
        await press(pilot, "escape", "escape", "escape", "e")
        for ending in ("csv", "json"):
            await sees(pilot, f"{page.purchases} rows")
            await typed(pilot, str(tmp_path / f"purchases.{ending}"))
            await press(pilot, "enter")
            await until(pilot, lambda: not pilot.app.screen.query("#panel"))
            await press(pilot, "e")
        await press(pilot, "escape")
    written = json.loads((tmp_path / "purchases.json").read_text())
    table = [*csv.DictReader((tmp_path / "purchases.csv").open())]
    assert [one["id"] for one in written] == [one["id"] for one in table] == [one.id for one in page.payments]
    assert {one["status"] for one in table} <= {told.word for told in STATUSES.values()}
    assert not {"page", "receipt_url"} & {*table[0]}


@awaited
async def test_every_status_has_its_word(demo_database: SqliteDatabase) -> None:
    everything(demo_database)
    async with opened(make_app(demo_database, "billing", billing=not_ready), (120, 50)) as pilot:
        await to_credits(pilot)
        for told in STATUSES.values():
            assert f"{told.glyph} {told.word}" in shown(pilot, "#history")


@awaited
async def test_thousands_of_purchases_stay_quick_and_are_all_found(demo_database: SqliteDatabase) -> None:
    columns = "org_id, kind, package, slot, minor, currency, short, status, mode, created_by, expires_at"
    rewrite(
        demo_database,
        f"INSERT INTO payments (id, created_at, {columns}) SELECT 'pay_' || ?, created_at - ? * 60000000, {columns} "
        "FROM payments WHERE kind = 'credits' ORDER BY created_at LIMIT 1",
        *((f"old{number}", number) for number in range(5_000)),
    )
    page = await page_of(demo_database)
    assert page.purchases > 5_000
    async with opened(make_app(demo_database, "billing")) as pilot:
        await to_credits(pilot)
        await sees(pilot, f"500 of {page.purchases:,} purchases")
        await until(pilot, lambda: len(pilot.app.screen._history) == page.purchases)  # type: ignore[attr-defined]
        await press(pilot, "slash")
        await typed(pilot, "refunded standard")
        await press(pilot, "enter")
        await sees(pilot, f"1 of {page.purchases:,} purchases")
        await press(pilot, "enter")
        await sees(pilot, "Standard · €10.00")


@awaited
async def test_the_ledger_has_every_movement(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    entries = (await elsewhere(demo_database, lambda opened: opened.store.billing.ledger())).entries
    async with opened(make_app(demo_database, "billing")) as pilot:
        await to_credits(pilot)
        await press(pilot, "l")
        await sees(pilot, "AI Credits › Ledger", f"{len(entries)} movements · by date")
        assert "− Consumption" in lines(pilot, "#ledger")[4]
        assert str(entries[0].balance) in lines(pilot, "#ledger")[4]
        await press(pilot, "slash")
        await typed(pilot, "refund")
        await press(pilot, "enter")
        assert "↩ Refund" in row(pilot, "−€10.00", "#ledger")
        await press(pilot, "enter", "escape", "e")
        await typed(pilot, str(tmp_path / "ledger.csv"))
        await press(pilot, "enter")
        await until(pilot, lambda: not pilot.app.screen.query("#panel"))
        await press(pilot, "escape")
        await sees(pilot, "Purchase History")
    table = [*csv.DictReader((tmp_path / "ledger.csv").open())]
    assert [one["ref"] for one in table] == [one.ref for one in entries]


@awaited
async def test_a_balance_below_zero_is_said_plainly(demo_database: SqliteDatabase) -> None:
    overdrawn(demo_database)
    async with opened(make_app(demo_database, "billing"), USUAL) as pilot:
        assert any(line.startswith("▎4!") for line in lines(pilot))
        await to_credits(pilot)
        await sees(pilot, "−€12.50  below zero", "the next purchase pays that first.")
        await press(pilot, "enter")
        await sees(pilot, "The balance is then €12.50.")


@awaited
async def test_an_organization_that_never_bought_anything(acme: SqliteDatabase, clock: Clock) -> None:
    async with opened(make_app(acme, "billing", ambient=clock.ambient()), USUAL) as pilot:
        await sees(pilot, "Free   €0 forever", "0 / 100")
        await press(pilot, "m")
        await until(pilot, lambda: any("choose a plan first" in said for said in toasts(pilot)))
        await to_credits(pilot)
        await sees(pilot, "No purchases yet.", "nothing bought yet", "€0.00  remaining")
        await press(pilot, "l")
        await sees(pilot, "No credits have moved yet.")
        await press(pilot, "escape")
        await press(pilot, "enter", "enter")
        await sees(pilot, "Waiting for payment")
        await press(pilot, "p")
        await sees(pilot, "✓ Paid")
        await press(pilot, "enter")
        await sees(pilot, "€25.00  remaining", "€0.00 of €25.00 used")
