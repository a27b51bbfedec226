"""How an invitation leaves: it is committed first, mailed then, and what became of the mail is noted last."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from orgtui.aside import aside
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid, NotFound, Undelivered
from orgtui.secret import Secret
from orgtui.settings import Arrival
from orgtui.store.contract import Store
from orgtui.store.contract.team import Delivery, Invitation, Member

if TYPE_CHECKING:
    from orgtui.mail import Mailer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An invitation, and what became of its mail. Whoever has the code joins; `link` and `command` hold it.

    `link` is None where there is no server for it. In `member` stands why a mail was not delivered.
    """

    member: Member
    delivery: Delivery
    code: Secret
    link: Secret | None
    command: Secret
    expires: datetime


async def send(
    store: Store, mailer: Mailer | None, invitation: Invitation, *, arrival: Arrival, ambient: Ambient
) -> Sent:
    """Mail an invitation that stands in *store* already; without a *mailer* its code is left to be handed over.

    A mail that the server does not take is an outcome, FAILED with the reason as `delivery_note`. What ends this half
    way leaves the invitation UNSENT: `store.team.resend` makes a new code, and the same begins again. Raises what the
    store raises.
    """
    member, delivery, note = invitation.member, Delivery.UNSENT, ""
    if mailer is not None:
        delivery, note = await _mailed(store, mailer, invitation, arrival, ambient)
        # Accepted or withdrawn by now: then there is nothing left to note it on.
        with suppress(NotFound):
            await store.team.delivered(member.id, member.sends, delivery, note)
    return Sent(
        member=replace(member, delivery=delivery, delivery_note=note),
        delivery=delivery,
        code=Secret(invitation.code),
        link=_link(arrival, invitation.code),
        command=Secret(arrival.command(invitation.code)),
        expires=invitation.expires,
    )


def _link(arrival: Arrival, code: str) -> Secret | None:
    link = arrival.link(code)
    return Secret(link) if link else None


async def _mailed(
    store: Store, mailer: Mailer, invitation: Invitation, arrival: Arrival, ambient: Ambient
) -> tuple[Delivery, str]:
    """What became of the mail, and why; the network is waited for in a thread, and with no transaction open."""
    overview, page = await store.general.overview(), await store.team.show()
    member = invitation.member
    by = member.invited_by or overview.actor
    inviter = next((known.name for known in page.members if known.email == by and known.name), by)

    def mail() -> None:
        from orgtui.mail import invitation_message

        message = invitation_message(
            organization=overview.name,
            inviter=inviter,
            to=member.email,
            role=member.role,
            command=arrival.command(invitation.code),
            link=arrival.link(invitation.code),
            expires=invitation.expires,
            timezone=page.timezone,
            sender=mailer.sender,
            # Each code of an invitation has a message of its own.
            unique=hashlib.sha256(f"{member.id} {member.sends}".encode()).digest()[:16],
            date=ambient.now(),
        )
        mailer.send(message)

    try:
        await aside(mail)
    except (Invalid, Undelivered) as error:
        return Delivery.FAILED, error.message
    return Delivery.SENT, ""
