"""A server of Acme with a Stripe behind it, for tests that come to it as a browser does, or as Stripe does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from orgtui.billing.payments import Payments
from orgtui.billing.results import Paying
from orgtui.billing.service import BillingService
from orgtui.composition import billing_service, open_sql
from orgtui.domain.ambient import Ambient
from orgtui.domain.money import Money
from orgtui.domain.roles import Role
from orgtui.server.app import House, application
from orgtui.server.desks import Services
from orgtui.server.services import services
from orgtui.settings import Settings, Stripe
from orgtui.sign_in import SignIn
from orgtui.store.contract import Store
from orgtui.store.contract.billing import LedgerEntry, Payment
from orgtui.store.contract.operation import Invoke, Operation, face
from orgtui.store.contract.team import Invitation, NewInvitation
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import Guest, SqlStore
from tests.billing.till import found_acme
from tests.contract.backends import TABLES
from tests.contract.conftest import wait
from tests.fake_stripe import FakeStripe
from tests.served import listening


@dataclass
class Shop:
    """The server at `url`, its log, and another program that is open on the same books, as the owner's is."""

    url: str
    fake: FakeStripe
    settings: Settings
    ambient: Ambient
    opened: SqlStore
    services: Services
    browser: httpx.Client
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def service(self) -> BillingService:
        """The owner's."""
        return billing_service(self.settings, self.opened.store, self.opened, self.ambient)

    def buy(self, cents: int = 1_000) -> Paying:
        """Order credits; nothing is paid yet."""
        return wait(self.service.buy(Money(cents), short=True))

    def pay(self, paying: Paying) -> None:
        """Pay on the provider's page; nobody looks."""
        assert self.fake.pay(str(paying.url)) == 303

    def payment(self, paying: Paying) -> Payment:
        """As the books have it."""
        return wait(self.opened.store.billing.payment(paying.payment.id))

    def ledger(self) -> list[LedgerEntry]:
        """The newest first."""
        return wait(self.opened.store.billing.ledger(limit=1_000)).entries

    def invite(self, email: str = "grace@acme.example", role: Role = Role.ADMIN) -> Invitation:
        """Ask somebody in."""
        return wait(self.opened.store.team.invite(NewInvitation(email=email, role=role)))

    def people(self) -> list[str]:
        """The names of who has joined."""
        page = wait(self.opened.store.team.show())
        return [member.name for member in page.members if member.name]

    def rows(self) -> dict[str, list[Any]]:
        """All of all tables."""
        database = SqliteDatabase(self.settings.path)
        with database.reading() as rows:
            found = {name: sorted(rows.all(f"SELECT * FROM {name}"), key=repr) for name in TABLES}
        database.close()
        return found


class Town:
    """One server for one shop after the other: to derive its routes costs more than most tests."""

    def __init__(self) -> None:
        self.url = ""
        self.shop: Shop | None = None
        self._app: ASGIApp = self._refuse

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("The town is not built.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @property
    def here(self) -> Shop:
        """The shop that is open."""
        assert self.shop is not None
        return self.shop

    def build(self, url: str) -> None:
        """When it is known where it is."""
        outside, platform = (Store(partial(face, invoke=self._acting(whose))) for whose in ("outside", "platform"))
        house = House(
            opened=SqlStore(outside, self._permit, platform, outside, self._admit, lambda: None),
            ambient=Ambient(now=lambda: self.here.ambient.now(), random=os.urandom),
            log=lambda line: self.here.log.append(line),
            services={"payments": (Payments, self._payments), "sign_in": (SignIn, self._sign_in)},
            public_url=url,
        )
        self.url, self._app = url, application(house)

    def _acting(self, whose: str) -> Invoke:
        async def invoke(declared: Operation, arguments: dict[str, Any]) -> Any:
            section = getattr(getattr(self.here.opened, whose), declared.section)
            return await getattr(section, declared.name)(**arguments)

        return invoke

    async def _payments(self, _: Store) -> Any:
        here = self.here
        return await here.services["payments"][1](here.opened.platform)

    async def _sign_in(self, _store: Store) -> SignIn:
        service: SignIn = await self.here.services["sign_in"][1](self.here.opened.outside)
        return service

    async def _permit(self, declared: Operation) -> None:
        await self.here.opened.permit(declared)

    async def _admit(self, secret: str) -> Guest:
        return await self.here.opened.admit(secret)


@contextmanager
def town() -> Iterator[Town]:
    """Listening."""
    made = Town()
    with listening(made) as url:
        made.build(url)
        yield made


@contextmanager
def shop(town: Town, directory: Path, templates: Path, fake: FakeStripe, **changes: Any) -> Iterator[Shop]:
    """Open one, with some of its settings changed."""
    path = directory / "acme.db"
    found_acme(templates, path)
    ambient = Ambient(now=fake.now, random=os.urandom)
    account = Stripe(key=fake.key, webhook_secret=fake.secret, api_base=fake.base)
    settings = replace(Settings(store=f"sqlite:///{path}", stripe=account, public_url=town.url), **changes)
    with closing(open_sql(settings, ambient)) as opened, httpx.Client(base_url=town.url, trust_env=False) as browser:
        browser.timeout = httpx.Timeout(30)
        made = services(settings, opened, ambient)
        town.shop = Shop(town.url, fake, settings, ambient, opened, made, browser)
        yield town.shop
