"""The real server at a real port, with tokens of all kinds and an organization that is put back by copying a file."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

import orgtui.store.sql.tables  # noqa: F401 (declares the tables)
from orgtui.billing.demo import continued
from orgtui.billing.payments import Payments
from orgtui.billing.service import BillingService
from orgtui.domain.roles import Permission
from orgtui.key_service import DemoChecker, KeyService
from orgtui.key_tests import KeyTests
from orgtui.master_keys import beside
from orgtui.oidc.service import NoSignIn
from orgtui.server.app import House, application
from orgtui.server.desks import Services
from orgtui.server.gate import Limits, lines
from orgtui.sign_in import SignIn
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.access import Kind, NewToken
from orgtui.store.contract.operation import Operation, face, operations
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import Guest, SqlStore, open_sql_store
from orgtui.store.wire import PREFIX, shape
from tests.conftest import OWNER, Clock
from tests.contract.arguments import World, people
from tests.contract.backends import TABLES
from tests.contract.conftest import ADMIN, wait
from tests.served import listening

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SERVED: dict[str, type[Any]] = {**CONTRACTS, "payments": Payments, "key_tests": KeyTests, "sign_in": SignIn}
EVERY = [declared for contract in SERVED.values() for declared in operations(contract).values()]
BY_ID = {declared.id: declared for declared in EVERY}


@dataclass(frozen=True)
class Kit:
    """A file with Acme and another organization, twins in all but their ids, and the tokens of both by whose they are.

    `theirs` is what the other one has, whose owner's token is called `foreign`.
    """

    path: Path
    world: World
    theirs: World
    tokens: Mapping[str, str]


def kit(directory: Path) -> Kit:
    """Made once: the other is founded under the master key of the first, and moved in with it."""
    first, second = directory / "acme.db", directory / "second.db"
    ours, tokens = _furnished(SqliteDatabase(first), NOW - timedelta(days=3))
    others = SqliteDatabase(second, keys=SqliteDatabase(first).keys.path)
    theirs, foreign = _furnished(others, NOW - timedelta(days=2))
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS second", (str(second),))
        for table in TABLES:
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM second.{table}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Kit(first, ours, theirs, tokens | {"foreign": foreign["owner"]})


def _furnished(database: SqliteDatabase, founded: datetime) -> tuple[World, dict[str, str]]:
    clock = Clock(founded)
    found(database, Founding(name="Acme", owner=OWNER, timezone="UTC"), clock.ambient())
    owner = open_sql_store(database, None, clock.ambient())
    lapsed = wait(owner.store.access.create(NewToken(name="Lapsed", days=1))).secret
    clock.now = NOW - timedelta(minutes=2)
    world = wait(people(owner.store, owner.platform))
    admin = open_sql_store(SqliteDatabase(database.path, keys=database.keys.path), ADMIN, clock.ambient())

    def made(store: Store, **more: Any) -> str:
        return wait(store.access.create(NewToken(name="Token", **more))).secret

    tokens = {
        "owner": made(owner.store),
        "admin": made(admin.store),
        "platform": made(owner.store, kind=Kind.PLATFORM),
        "automation": made(owner.store, kind=Kind.AUTOMATION),
        "narrow": made(owner.store, scopes=(Permission.VIEW, Permission.MANAGE_MEMBERS)),
        "expired": lapsed,
    }
    gone = wait(owner.store.access.create(NewToken(name="Revoked")))
    wait(owner.store.access.revoke(gone.token.id))
    wrong = tokens["owner"][:-1] + ("a" if tokens["owner"][-1] != "a" else "b")
    admin.close()
    owner.close()
    return world, tokens | {"revoked": gone.secret, "checksum": wrong}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, None where there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The stable code of a refusal, empty for what is none."""
        return self.json["title"] if self.status >= 400 else ""


class Site:
    """The server, the clock that it goes by, and the lines of its log; `door` is how people sign in."""

    def __init__(
        self,
        made: Kit,
        directory: Path,
        *,
        limits: Limits | None = None,
        behind_proxy: bool = True,
        build: Callable[[House], ASGIApp] = application,
    ) -> None:
        self.kit, self.clock, self.log, self.url = made, Clock(NOW), list[str](), ""
        self._directory, self._count = directory, 0
        self._opened: SqlStore | None = None
        self._till: BillingService | None = None
        nobody = self._store(lambda opened: opened.store)
        standing = SqlStore(
            nobody,
            lambda declared: self.opened.permit(declared),
            self._store(lambda opened: opened.platform),
            self._store(lambda opened: opened.outside),
            self._admit,
            lambda: None,
        )
        self.no_provider: SignIn = NoSignIn(standing.outside, standing.platform)
        self.door = self.no_provider
        ambient = self.clock.ambient()
        self.app = build(
            House(
                opened=standing,
                ambient=ambient,
                log=lines(self.log.append, ambient),
                services=self._services(),
                behind_proxy=behind_proxy,
                limits=limits or Limits(),
            )
        )
        self.renew()

    @property
    def opened(self) -> SqlStore:
        """The organization as it is now."""
        assert self._opened is not None
        return self._opened

    @property
    def path(self) -> Path:
        """The file that it is in."""
        return self._directory / f"{self._count}.db"

    def renew(self) -> None:
        """Put everything back to what it was."""
        self.close()
        self._count += 1
        shutil.copyfile(self.kit.path, self.path)
        self.path.chmod(0o600)
        self.clock.now, self.door = NOW, self.no_provider
        database = SqliteDatabase(self.path, keys=beside(self.kit.path))
        self._opened, self._till = open_sql_store(database, None, self.clock.ambient()), None
        self.log.clear()

    def close(self) -> None:
        """Let the organization go."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            for file in self._directory.glob(f"{self._count}.db*"):
                file.unlink()

    def ask(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        token: str | None = None,
        address: str = "10.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own; *token* is whose, or else the token itself.

        *address* is where it comes from, as a proxy says.
        """
        sent = {"X-Forwarded-For": address, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {self.kit.tokens.get(token, token)}"
        if content:
            sent.setdefault("Content-Type", "application/json")
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)) as connection:
            connection.request(method, path, content or None, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def do(self, declared: Operation, arguments: Mapping[str, Any], token: str | None, **headers: str) -> Answer:
        """An operation, asked for as our own client does."""
        bound = declared.signature.bind(**arguments)
        bound.apply_defaults()
        request = shape(declared).request(bound.arguments)
        sent = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.ask(request.method, request.path, request.content, token=token, headers=sent)

    def get(self, path: str, token: str | None = "owner") -> Answer:
        """What is read below the root of the operations."""
        return self.ask("GET", PREFIX + path, token=token)

    def noted(self) -> str:
        """The newest line of the log, which is written when the answer is on its way."""
        end = time.monotonic() + 5
        while not self.log and time.monotonic() < end:
            time.sleep(0.001)
        return self.log[-1]

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Plain SQL, past every operation."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def _store(self, pick: Callable[[SqlStore], Store]) -> Store:
        async def invoke(declared: Operation, arguments: dict[str, Any]) -> Any:
            section = getattr(pick(self.opened), declared.section)
            return await getattr(section, declared.name)(**arguments)

        return Store(lambda contract: face(contract, invoke))

    async def _admit(self, secret: str) -> Guest:
        return await self.opened.admit(secret)

    def _services(self) -> Services:
        turn = asyncio.Lock()

        async def payments(store: Store) -> BillingService:
            async with turn:
                if self._till is None:
                    ambient, platform = self.clock.ambient(), self.opened.platform
                    provider: Any = await continued(platform, ambient)
                    # Whose customer is in the books already.
                    provider.mode = "test"
                    self._till = BillingService(platform, platform, provider, ambient)
                return self._till.acting(store)

        async def key_tests(store: Store) -> KeyService:
            return KeyService(store, self.opened.platform, DemoChecker())

        async def sign_in(_store: Store) -> SignIn:
            return self.door

        return {"payments": (Payments, payments), "key_tests": (KeyTests, key_tests), "sign_in": (SignIn, sign_in)}


@contextmanager
def serving(made: Kit, directory: Path, **options: Any) -> Iterator[Site]:
    """A site that listens meanwhile."""
    site = Site(made, directory, **options)
    # As `orgtui serve` runs it: an address is the socket's, and what a proxy says is read behind it.
    with listening(site.app, proxy_headers=False) as site.url:
        yield site
    site.close()
