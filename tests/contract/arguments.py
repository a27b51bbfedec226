"""Valid arguments for every operation there is; whoever declares one adds its line here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from PIL import Image

from orgtui.domain.money import Money
from orgtui.domain.roles import PLATFORM, Permission, Role, WorkspaceRole, allows
from orgtui.domain.subscriptions import Card, Subscription, SubscriptionStatus
from orgtui.domain.usage import Call, Funding, Run
from orgtui.store.contract import Store
from orgtui.store.contract.access import NewToken, SignedIn
from orgtui.store.contract.api_keys import NewKey
from orgtui.store.contract.billing import (
    NewCredit,
    NewPayment,
    PaymentStatus,
    PlanAction,
    PlanRequest,
    Reversal,
    Settlement,
)
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import Operation
from orgtui.store.contract.team import Delivery, NewInvitation
from orgtui.store.contract.usage import UsageBatch
from orgtui.store.contract.workspaces import Inventory, NewWorkspace, WorkspaceChanges
from tests.conftest import OWNER
from tests.contract.conftest import ADMIN, join

CUSTOMER = "cus_1"
GUEST = "kurt@partner.example"
WHEN = datetime(2026, 11, 5, 12, tzinfo=UTC)
PARTNER = "barbara@acme.example"
PEER = "edsger@acme.example"


def png(colour: str = "teal") -> bytes:
    """A small logo."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


RUN = Run(source="n8n", id="1", status="success", mode="webhook", started_at=WHEN, workflow="Invoice intake")
CALL = Call(
    source="litellm",
    id="1",
    at=WHEN,
    provider="openai",
    model="gpt-4o",
    input_tokens=1_000,
    output_tokens=100,
    total_tokens=1_100,
    billed=Decimal("0.00350000000000000000001"),
    funding=Funding.CREDITS,
    workspace="Default",
)


@dataclass(frozen=True, slots=True)
class World:
    """What arguments speak of: ids of an admin, of another and of a second owner, an open invitation, a workspace."""

    admin: str
    peer: str
    partner: str
    invitation: str
    code: str
    workspace: str
    version: int
    shelf: str
    key: str
    payment: str
    paid: str
    token: str


async def people(store: Store, platform: Store) -> World:
    """Two admins and a second owner beside the first, and things to work on."""
    admin = await join(store, ADMIN, "Grace Hopper")
    peer = await join(store, PEER, "Edsger Dijkstra")
    partner = await join(store, PARTNER, "Barbara Liskov", Role.OWNER)
    await store.usage.record(UsageBatch(runs=(RUN,), calls=(CALL,)))
    invitation = await store.team.invite(NewInvitation(email="linus@acme.example"))
    (workspace,) = (await store.workspaces.show()).workspaces
    shelf = await furnish(store, workspace.id)
    key = (await store.api_keys.add(NewKey(provider="mistral", secret="m" * 32))).id or ""
    version = (await store.general.show()).version
    open_, paid = await bought(store, platform)
    token = (await store.access.create(NewToken(name="Laptop"))).token.id
    return World(
        admin,
        peer,
        partner,
        invitation.member.id,
        invitation.code,
        workspace.id,
        version,
        shelf,
        key,
        open_,
        paid,
        token,
    )


async def bought(store: Store, platform: Store) -> tuple[str, str]:
    """A payment of €25 that waits, and one of €10 that arrived; their ids."""
    await platform.billing.keep_customer(CUSTOMER, "test")
    paid = await store.billing.order(NewPayment(mode="test", amount=Money(1_000)))
    await platform.billing.settle(paid.id, settlement(PaymentStatus.PAID, 1_000))
    waits = await store.billing.order(NewPayment(mode="test", amount=Money(2_500)))
    return waits.id, paid.id


def settlement(status: PaymentStatus, cents: int, number: int = 1, **more: Any) -> Settlement:
    """What a provider says of its page number *number*."""
    paid = {"payment": f"pi_{number}", "receipt": f"R-{number}"} if status is PaymentStatus.PAID else {}
    return Settlement(**({"status": status, "amount": Money(cents), "page": f"cs_{number}"} | paid | more))


def subscription(
    plan: str = "pro", status: SubscriptionStatus = SubscriptionStatus.ACTIVE, **more: Any
) -> Subscription:
    """One of November, in UTC."""
    price, start, end = Money(4_900), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    return Subscription("sub_1", CUSTOMER, status, plan, price, start, end, **more)


async def keep(platform: Store, subscription: Subscription | None) -> None:
    """What a provider says of the subscription now, with nobody between."""
    assert await platform.billing.keep_subscription(subscription, (await platform.billing.books()).read)


async def furnish(store: Store, workspace: str) -> str:
    """A guest and a logo in a workspace, another beside it, and one that is archived; the last one's id."""
    await store.workspaces.set_member(workspace, GUEST, WorkspaceRole.VIEWER)
    await store.workspaces.set_logo(workspace, png("navy"))
    await store.workspaces.create(NewWorkspace(name="Spare"))
    shelf = await store.workspaces.create(NewWorkspace(name="Shelf"))
    await store.workspaces.archive(shelf.id)
    return shelf.id


# What leaves neither an audit row nor a revision: nobody's screen needs to be drawn again for it.
QUIET = frozenset({"team.present", "billing.reconciled"})
# What admins may do, but not with these arguments: nobody grants or touches a role above their own.
ABOVE_ADMINS = frozenset({"team.set_role", "access.revoke"})

VALID: dict[str, Callable[[World], dict[str, Any]]] = {
    "general.overview": lambda _: {},
    "general.revision": lambda _: {},
    "general.show": lambda _: {},
    "general.save": lambda world: {"changes": GeneralChanges(seen=world.version, name="Acme Café")},
    "general.set_logo": lambda _: {"image": png()},
    "general.delete": lambda _: {"confirm": "Acme"},
    "team.show": lambda _: {},
    "team.present": lambda _: {},
    "team.invite": lambda _: {"invitation": NewInvitation(email="new@acme.example")},
    "team.resend": lambda world: {"id": world.invitation},
    "team.delivered": lambda world: {"id": world.invitation, "sends": 1, "delivery": Delivery.SENT, "note": "250 ok"},
    "team.revoke": lambda world: {"id": world.invitation},
    "team.invited": lambda world: {"code": world.code},
    "team.join": lambda world: {"code": world.code, "name": "Linus"},
    "team.set_role": lambda world: {"id": world.peer, "role": Role.OWNER},
    "team.transfer": lambda world: {"id": world.peer, "confirm": PEER},
    "team.remove": lambda world: {"id": world.peer},
    "team.leave": lambda _: {},
    "access.show": lambda _: {},
    "access.create": lambda _: {"token": NewToken(name="Laptop", scopes=(Permission.VIEW,), days=7)},
    "access.admit": lambda _: {"person": SignedIn(email=ADMIN.upper(), issuer="https://id.acme.example", attempt="1")},
    "access.revoke": lambda world: {"id": world.token},
    "audit.entries": lambda _: {"text": "acme", "since": WHEN.date(), "limit": 3},
    "audit.verify": lambda _: {},
    "usage.month": lambda world: {"month": "2026-11", "workspace": world.workspace},
    "usage.day": lambda world: {"day": date(2026, 11, 5), "workspace": world.workspace},
    "usage.record": lambda _: {"batch": UsageBatch(runs=(RUN,), calls=(CALL, another(CALL)))},
    "billing.show": lambda _: {},
    "billing.payments": lambda world: {"before": world.payment, "limit": 1},
    "billing.payment": lambda world: {"id": world.paid},
    "billing.ledger": lambda _: {"before": 2, "limit": 1},
    "billing.books": lambda _: {},
    "billing.order": lambda _: {"payment": NewPayment(mode="test", plan="pro")},
    "billing.withdraw": lambda world: {"id": world.payment},
    "billing.request": lambda _: {"request": PlanRequest(action=PlanAction.UPGRADE, plan="pro", due=Money(40_537))},
    "billing.keep_customer": lambda _: {"customer": "cus_2", "mode": "test"},
    "billing.keep_subscription": lambda _: {
        "subscription": subscription(card=Card("Visa", "4242", (2028, 12))),
        "read": None,
    },
    "billing.opened": lambda world: {"id": world.payment, "page": "cs_2"},
    "billing.settle": lambda world: {"id": world.payment, "settlement": settlement(PaymentStatus.PAID, 2_500, 2)},
    "billing.reverse": lambda world: {
        "reversal": Reversal(kind="refund", id="re_1", payment=world.paid, money="pi_1", amount=Money(400), taken=True)
    },
    "billing.credit": lambda _: {
        "credit": NewCredit(kind="grant", amount=Money(500), ref="welcome", text="Welcome to Acme")
    },
    "billing.reconciled": lambda _: {"until": WHEN},
    "api_keys.show": lambda _: {},
    "api_keys.add": lambda _: {"key": NewKey(provider="openai", secret="sk-proj-" + "a" * 40, verdict="valid")},
    "api_keys.replace": lambda _: {"key": NewKey(provider="mistral", secret="n" * 32)},
    "api_keys.set_enabled": lambda _: {"provider": "mistral", "enabled": False},
    "api_keys.set_fallback": lambda _: {"provider": "grok", "never": True},
    "api_keys.checked": lambda world: {"provider": "mistral", "id": world.key, "verdict": "valid"},
    "api_keys.remove": lambda _: {"provider": "mistral"},
    "api_keys.use": lambda _: {"provider": "mistral"},
    "workspaces.show": lambda _: {"archived": True},
    "workspaces.open": lambda world: {"id": world.workspace},
    "workspaces.create": lambda _: {"workspace": NewWorkspace(name="Staging", description="Rehearsal")},
    "workspaces.save": lambda world: {"id": world.workspace, "changes": WorkspaceChanges(seen=1, name="Main")},
    "workspaces.set_logo": lambda world: {"id": world.workspace, "image": png()},
    "workspaces.set_member": lambda world: {
        "id": world.workspace,
        "email": "alan@partner.example",
        "role": WorkspaceRole.EDITOR,
        "name": "Alan",
    },
    "workspaces.remove_member": lambda world: {"id": world.workspace, "email": GUEST},
    "workspaces.archive": lambda world: {"id": world.workspace},
    "workspaces.restore": lambda world: {"id": world.shelf},
    "workspaces.delete": lambda world: {"id": world.workspace, "confirm": "Default"},
    "workspaces.set_inventory": lambda world: {
        "id": world.workspace,
        "inventory": Inventory(workflows={"w1": "Invoice intake"}, agents={"a1": "Clerk"}),
    },
}


def another(call: Call) -> Call:
    """The same call under another id, and without a price."""
    return Call(source=call.source, id=f"{call.id}-again", at=call.at, model="acme-internal-7b", total_tokens=7)


def doer(declared: Operation) -> str:
    """Who does it where the question is what it leaves: the owner, but for what only the platform may."""
    return OWNER if allows(Role.OWNER, declared.needs or Permission.VIEW) else PLATFORM
