"""The pages for people who are not in a terminal: to accept an invitation, to pay, and to be sent back from paying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI, Request, Response

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid, KeyReused, NotFound, OrgtuiError, StoreRefused, Unreachable
from orgtui.domain.months import zone_or_utc
from orgtui.domain.plans import BY_KEY
from orgtui.domain.roles import Role
from orgtui.server.desks import Entrance, Till
from orgtui.server.html import copied, elsewhere, form, line, page, steps
from orgtui.sign_in import Joined
from orgtui.store.contract.billing import Payment, PaymentStatus
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.contract.team import Invited, Team

_AS = {Role.OWNER: "an owner", Role.ADMIN: "an admin"}
_FORM, _FIELDS, _LONGEST_NAME, _NONCE = "application/x-www-form-urlencoded", 10, 60, 16
_BACK = "Go back to your terminal."
_STANDS = {
    PaymentStatus.PROCESSING: "It was paid, and the bank has yet to confirm, which can take days.",
    PaymentStatus.FAILED: "The payment failed, and nothing was charged.",
    PaymentStatus.EXPIRED: "Its time is over, and nothing was charged.",
    PaymentStatus.CANCELLED: "It was cancelled, and nothing was charged.",
    PaymentStatus.MISMATCH: "Another amount arrived than was asked for.",
    PaymentStatus.PAID: "It is paid.",
    PaymentStatus.PARTLY_REFUNDED: "It was paid, and some of it was given back.",
    PaymentStatus.REFUNDED: "It was paid, and given back.",
    PaymentStatus.DISPUTED: "It was paid, and the bank has taken it back.",
}
_OVER = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED)


def add_pages(
    app: FastAPI, team: Team, till: Till, entrance: Entrance, ambient: Ambient, public_url: str | None
) -> None:
    """Put them at their addresses; *team* is that of nobody in particular."""
    door = _Door(team, entrance, ambient, public_url)

    # HEAD as well: who follows links to see where they lead asks so.
    def at(path: str, answer: Callable[..., Awaitable[Response]], *methods: str) -> None:
        app.add_api_route(path, answer, methods=[*methods], include_in_schema=False)

    async def pay(id: str) -> Response:
        return await _pay(till, id)

    at("/join/{code}", door.look, "GET", "HEAD")
    at("/join/{code}", door.accept, "POST")
    at("/pay/{id}", pay, "GET", "HEAD")
    at("/paid", _paid, "GET", "HEAD")
    at("/cancelled", _cancelled, "GET", "HEAD")
    at("/back", _back, "GET", "HEAD")


# Joining.


@dataclass(frozen=True, slots=True)
class _Door:
    """Invitations, looked at and accepted by whoever has their code."""

    team: Team
    entrance: Entrance
    ambient: Ambient
    public_url: str | None

    async def look(self, code: str) -> Response:
        """What it is for, and a form; mail scanners follow links, so looking accepts nothing."""
        try:
            return self._form(await self.team.invited(_text(code)))
        except OrgtuiError as error:
            return _sorry(error)

    async def accept(self, request: Request, code: str) -> Response:
        """The form, sent."""
        if not _from_here(request, self.public_url):
            return page("Not from here", line("Open the link of your invitation itself, and accept there."), status=403)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return page("Not a form", line("Open the link of your invitation in a browser."), status=415)
        given = _given(await request.body())
        name, attempt = given.get("name", ""), given.get("attempt", "")
        try:
            try:
                return self._welcome(await self._join(_text(code), name, attempt))
            except Invalid as error:
                return self._form(await self.team.invited(code), name, attempt, error)
        except OrgtuiError as error:
            return _sorry(error)

    async def _join(self, code: str, name: str, attempt: str) -> Joined:
        """A form that is sent twice, as by a double click, joins once and is welcomed twice."""
        entrance = await self.entrance()
        if not attempt:
            return await entrance.join(code, name)
        with idempotency_key(f"page:{attempt}"):
            try:
                return await entrance.join(code, name)
            except KeyReused:
                # Another name on the same form: what it says now is for the code to decide.
                pass
        return await entrance.join(code, name)

    def _form(self, seen: Invited, name: str = "", attempt: str = "", error: Invalid | None = None) -> Response:
        zone = zone_or_utc(seen.timezone)
        until = f"until {seen.expires.astimezone(zone):%-d %B %Y, %H:%M} ({zone.key})"
        hidden = {"attempt": attempt or self.ambient.random(_NONCE).hex()}
        return page(
            f"Join {seen.organization}",
            line(f"You are invited to be {_AS[seen.role]} of this organization. The invitation works once, {until}."),
            *([line(error.message, "bad")] if error else []),
            form("Your name", "name", name, longest=_LONGEST_NAME, button="Accept", hidden=hidden),
            line("Were you not expecting this? Then close this page; nothing has happened.", "dim"),
            status=error.status if error else 200,
            # Else the browser sends no Origin with the form.
            referrer="same-origin",
        )

    def _welcome(self, joined: Joined) -> Response:
        """What is left to do: to give orgtui the token, which is told here and never again, or to sign in."""
        url, member, token = self.public_url or "https://HOST", joined.member, joined.token
        told = [line("This is your token. It is shown this once, and opens the organization to whoever has it:")]
        return page(
            f"Welcome, {member.name}",
            line(f"You are {_AS[member.role]} now. What is left is to open the organization in your terminal."),
            *([*told, copied(token.secret)] if token else []),
            steps(
                ("Give it to orgtui, once:" if token else "Sign in with this address:", f"orgtui login {url}"),
                ("Open the organization:", f"orgtui --store {url}"),
            ),
            line("You can close this page.", "dim"),
        )


def _from_here(request: Request, public_url: str | None) -> bool:
    """Whether a form is from a page of ours, as far as the browser says; what Host says anybody can have sent."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or public_url is None or origin.lower() == _origin(public_url)


def _origin(url: str) -> str:
    """As browsers write it: without the port that goes without saying."""
    parts = urlsplit(url.lower())
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.netloc.rpartition(':')[0] if parts.port == usual else parts.netloc}"


def _given(body: bytes) -> dict[str, str]:
    """The fields of a form, the first of each name."""
    try:
        fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _text(part: str) -> str:
    """Part of an address; one with a NUL opens as little as any other that was made up."""
    return part.replace("\0", " ")


def _sorry(error: OrgtuiError) -> Response:
    if isinstance(error, NotFound):
        return page("This link does not work", line(error.message), status=error.status)
    if isinstance(error, StoreRefused | Unreachable):
        # What ails the server is nothing to who has a link.
        return page("Not now", line("This cannot be done at the moment; try again later."), status=error.status)
    return page("Not now", line(error.message), status=error.status)


# Paying.


async def _pay(till: Till, id: str) -> Response:
    """The way to where a payment is paid. To have the link is the right: its id is 100 random bits."""
    try:
        paying = await (await till()).look(_text(id))
    except OrgtuiError as error:
        return _sorry(error)
    if paying.url is not None:
        return elsewhere(paying.url)
    payment = paying.payment
    stands = _STANDS.get(payment.status, "It cannot be paid here now.")
    what = f"{payment.amount} for {_thing(payment)}"
    return page(what, line(stands), line(_BACK, "dim"), status=410 if payment.status in _OVER else 200)


def _thing(payment: Payment) -> str:
    return f"the {BY_KEY[payment.plan].name} plan" if payment.plan in BY_KEY else "AI credits"


async def _paid() -> Response:
    return page("Paid", line(f"{_BACK} It shows the payment as soon as the bank has confirmed it: mostly in seconds."))


async def _cancelled() -> Response:
    return page("Nothing was paid", line(f"{_BACK} The link there still works while the payment waits."))


async def _back() -> Response:
    return page("Done", line(_BACK))
