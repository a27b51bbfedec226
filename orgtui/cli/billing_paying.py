"""Paying from a terminal: where to pay, as an address and as a QR code, and waiting until it is paid."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orgtui.billing.words import STATUSES, package_name, plan_name
from orgtui.cli.billing_serving import Desk, complain, serving
from orgtui.cli.billing_words import TEST_MODE, local, payment_values, thing, to_come
from orgtui.cli.output import print_json, say
from orgtui.cli.qr_code import qr_code
from orgtui.domain.credits import parse_amount
from orgtui.domain.errors import OrgtuiError, Unreachable
from orgtui.store.contract.billing import Payment, PaymentStatus

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments
    from orgtui.billing.results import Paying

# Seconds between two looks: people are quick at first, and then they are away.
FIRST, SLOWER, LONGEST = 2.0, 1.5, 15.0
# Lines of words around a code.
_WORDS = 5


def buy(arguments: argparse.Namespace) -> int:
    """Buy credits."""
    # Before anything is opened: a slip of the hand is no request.
    amount = parse_amount(arguments.amount)
    with serving(arguments) as desk:
        paying = desk.wait(desk.service.buy(amount, short=arguments.qr))
        if arguments.qr and paying.url and not paying.short:
            complain(f"A page for {amount} waits already, and its address is too long for a QR code.")
        return settle(desk, paying, arguments, wait=not arguments.no_wait, code=arguments.qr)


def again(arguments: argparse.Namespace) -> int:
    """Go on waiting for a payment."""
    with serving(arguments) as desk:
        return settle(desk, desk.wait(desk.service.look(arguments.purchase)), arguments, wait=True)


def cancel(arguments: argparse.Namespace) -> int:
    """Close a payment's page."""
    with serving(arguments) as desk:
        paying = desk.wait(desk.service.withdraw(arguments.purchase))
        if arguments.json:
            print_json(values(paying, desk.zone))
    payment = paying.payment
    if payment.status.waits or _is_paid(payment):
        complain(f"{payment.amount} was paid meanwhile, so it cannot be cancelled.")
        return OrgtuiError.exit_code
    if not arguments.json:
        say(f"{payment.amount} for {thing(payment)}. {STATUSES[payment.status].means}")
    return 0


def settle(desk: Desk, paying: Paying, arguments: argparse.Namespace, *, wait: bool, code: bool | None = None) -> int:
    """Show where to pay, wait for the money unless told not to, and say what became of it.

    With *code* a short address has its QR code beside it; unless that is said, a page that was made to be short has.
    """
    code = paying.payment.short if code is None else code
    if not wait:
        _invite(desk, paying, arguments, wait=False, code=code)
        return _tell(desk, paying, arguments, good=paying.payment.status.waits or _is_paid(paying.payment))
    try:
        # As soon as it says that ctrl+c ends the waiting, it does.
        _invite(desk, paying, arguments, wait=True, code=code)
        paying = desk.wait(_followed(desk.service, paying))
    except KeyboardInterrupt:
        complain(f"The payment waits. Go on waiting: {_command(paying, '--wait')}; cancel it: {_command(paying)}")
        raise
    return _tell(desk, paying, arguments, good=_is_paid(paying.payment))


def _invite(desk: Desk, paying: Paying, arguments: argparse.Namespace, *, wait: bool, code: bool) -> None:
    """Say where to pay."""
    # Programs get one value at the end; whoever sits beside them still wants to know where to pay.
    out = sys.stderr if arguments.json else sys.stdout
    if paying.address is not None and (out.isatty() or not arguments.json):
        for line in _invitation(paying, desk.zone, wait=wait, code=code):
            print(line, file=out)
        out.flush()


def _command(paying: Paying, flag: str = "--cancel") -> str:
    return f"orgtui billing purchases {paying.payment.id} {flag}"


def _is_paid(payment: Payment) -> bool:
    """Whether it became money, whatever became of that since."""
    paid = (PaymentStatus.PAID, PaymentStatus.PARTLY_REFUNDED, PaymentStatus.REFUNDED, PaymentStatus.DISPUTED)
    return payment.status in paid


async def _followed(service: Payments, paying: Paying) -> Paying:
    """Look until it is decided; what keeps the provider from answering is told, and outlasted."""
    pause, told = FIRST, ""
    while paying.payment.status.waits:
        await asyncio.sleep(pause)
        pause = min(pause * SLOWER, LONGEST)
        try:
            paying = await service.look(paying.payment.id)
            news = _news(paying.payment)
        except Unreachable as error:
            pause = max(pause, error.details.get("retry_after", 0))
            news = error.message
        if news and news != told:
            complain(news)
        told = news or told
    return paying


def _news(payment: Payment) -> str:
    """What whoever waits should know."""
    if payment.status is PaymentStatus.PROCESSING:
        return f"{STATUSES[payment.status].means[:-1]}; ctrl+c ends only the waiting."
    if payment.status.waits and payment.trouble:
        return f"{payment.trouble} It can be tried again on the page."
    return ""


# What is shown.


def _invitation(paying: Paying, zone: ZoneInfo, *, wait: bool, code: bool) -> list[str]:
    """Where to pay: the address stands alone on its line, so that it can be taken up whole."""
    payment, address = paying.payment, paying.address or ""
    until = f"{payment.expires.astimezone(zone):%H:%M} ({zone.key})"
    drawn = qr_code(address, sys.stdout, beside=_WORDS) if code and paying.short else []
    scan = " or with the QR code" if drawn else ""
    lines = [f"Pay {payment.amount} for {thing(payment)} here{scan}, until {until}:", *drawn, address]
    lines += [TEST_MODE] if payment.mode == "test" else []
    return lines + (["Waiting for the payment; ctrl+c ends only the waiting."] if wait else [])


def values(paying: Paying, zone: ZoneInfo) -> dict[str, Any]:
    """A payment under the names that scripts rely on, with where to pay it while it is open."""
    told = payment_values(paying.payment, zone)
    links = {"url": paying.url, "short_url": paying.short}
    return {"purchase": told.pop("purchase"), **links, "status": told.pop("status"), **told}


def _tell(desk: Desk, paying: Paying, arguments: argparse.Namespace, *, good: bool) -> int:
    payment = paying.payment
    if arguments.json:
        print_json(values(paying, desk.zone))
    elif payment.status.waits:
        say(f"Once it is paid:  {_command(paying, '--wait')}")
        say(f"To cancel it:     {_command(paying)}")
    elif good:
        say(_outcome(desk, payment))
    else:
        complain(f"{STATUSES[payment.status].means} {payment.trouble or ''}".rstrip())
    return 0 if good else OrgtuiError.exit_code


def _outcome(desk: Desk, payment: Payment) -> str:
    """What a payment brought."""
    page = desk.wait(desk.store.billing.show())
    receipt = f" Receipt {payment.receipt}." if payment.receipt else ""
    said = f"{STATUSES[payment.status].word}: {payment.amount} for {thing(payment)}.{receipt}"
    if payment.kind == "credits":
        return f"{said} The balance is {page.credits.balance}."
    running = page.subscription
    return f"{said} {plan_name(page.plan)} {to_come(running, desk.zone)}." if running else said


def show(payment: Payment, zone: ZoneInfo) -> None:
    """One payment, as the books have it."""
    expires = local(payment.expires, zone)
    for label, words in (
        ("Purchase", payment.id),
        ("Date", f"{payment.created.astimezone(zone):%-d %b %Y, %H:%M}"),
        ("For", package_name(payment)),
        ("Amount", str(payment.amount)),
        ("Status", STATUSES[payment.status].word),
        ("Can be paid", f"until {expires:%H:%M}" if payment.status.waits and not payment.withdrawn else ""),
        ("Refunded", str(payment.refunded) if payment.refunded.minor else ""),
        ("Receipt", " ".join(filter(None, (payment.receipt, payment.receipt_url)))),
        ("Trouble", payment.trouble or ""),
        ("By", payment.created_by),
    ):
        if words:
            say(f"{label:<13}{words}")
