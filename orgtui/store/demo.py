"""The seeded organization: filled through the same operations as any other, and the same every time."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import os
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orgtui import __version__
from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import StoreRefused
from orgtui.domain.months import Month
from orgtui.domain.providers import PROVIDERS
from orgtui.domain.usage import Call, Funding, Run
from orgtui.master_keys import beside
from orgtui.store import demo_billing
from orgtui.store.contract import Store
from orgtui.store.sql import schema
from orgtui.store.sql.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from orgtui.store.sql.store import SqlStore

TIMEZONE = ZoneInfo("Europe/Berlin")
OWNER = "ada@acme.example"
HISTORY = 24
_AGE = 993
RUNS_THIS_MONTH = 2_885
_NOW = time(14, 2)
_BATCH = 2_500
_FILE = "demo.db"
_OWNED = ("openai", "anthropic", "google")
_SECRETS = {
    "openai": "sk-proj-demo-demo-demo-demo-wxyz",
    "anthropic": "sk-ant-api03-demo-demo-demo-9fQ2",
    "google": "AIzaSyDemoDemoDemoDemoDemoDemo-7d0M",
    "mistral": "DemoDemoDemoDemoDemoDemoDemoc81e",
}
REFUSED, REFUSAL = _SECRETS["mistral"], "HTTP 401: Unauthorized"

_PEOPLE = (
    ("grace@acme.example", "Grace Hopper", "owner", 620),
    ("jonas.weber@acme.example", "Jonas Weber", "admin", 544),
    ("meiling@acme.example", "Mei-Ling Chen", "admin", 410),
    ("tomas@acme.example", "Tomás Oliveira", "admin", 233),
)
_GUESTS = (
    ("Production", "noor@acme.example", "Noor Haddad", "editor", 190),
    ("Finance", "paolo@acme.example", "Paolo Conti", "editor", 122),
    ("Production", "e.lindqvist@partner.example", "Elsa Lindqvist", "viewer", 41),
)
# A workspace of the early days: made with the organization, archived since.
_ARCHIVED, _ARCHIVED_FOR = "Legacy", 205
_INVITED = (("l.marchetti@partner.example", 9), ("priya.n@acme.example", 2))
_SEEN = (
    ("tomas@acme.example", timedelta(days=11)),
    ("meiling@acme.example", timedelta(hours=20)),
    ("jonas.weber@acme.example", timedelta(hours=2, minutes=5)),
    ("grace@acme.example", timedelta(minutes=12)),
    (OWNER, timedelta()),
)


@dataclass(frozen=True, slots=True)
class _Token:
    name: str
    kind: str
    scopes: tuple[str, ...]
    maker: str
    made: int  # days ago
    days: int
    used: timedelta  # ago


_TOKENS = (
    _Token("Ada's laptop", "person", (), OWNER, 26, 30, timedelta(minutes=8)),
    _Token(
        "n8n gateway", "platform", ("record_usage", "set_inventory", "use_keys"), OWNER, 189, 366, timedelta(minutes=2)
    ),
    _Token("Monthly report", "automation", ("view",), "jonas.weber@acme.example", 101, 90, timedelta(days=12)),
)


@dataclass(frozen=True, slots=True)
class _Space:
    name: str
    description: str
    workflows: tuple[str, ...]
    more_workflows: int
    agents: int
    share: int


_SPACES = (
    _Space(
        "Production", "Customer-facing workflows",
        ("Invoice intake", "Order confirmation", "Support triage", "Refund approval", "Contract summary"), 33, 12, 62,
    ),
    _Space("Staging", "Rehearsal before release", ("Invoice intake (next)", "Support triage (next)"), 12, 6, 18),
    _Space("Finance", "Invoices and dunning", ("Dunning letters", "Month-end export", "Cost report"), 6, 2, 15),
    _Space("Playground", "Try things, weekly reset", ("Scratch", "Prompt bench"), 0, 1, 5),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Model:
    provider: str
    name: str
    share: int
    input_price: Decimal
    output_price: Decimal


# Prices in US dollars a million tokens.
_MODELS = (
    _Model("openai", "gpt-4o", 40, Decimal("2.50"), Decimal("10")),
    _Model("anthropic", "claude-sonnet-4-5", 21, Decimal("3"), Decimal("15")),
    _Model("gemini", "gemini-2.5-pro", 21, Decimal("1.25"), Decimal("10")),
    _Model("mistral", "mistral-large", 12, Decimal("2"), Decimal("6")),
    _Model("xai", "grok-4", 6, Decimal("3"), Decimal("15")),
)
_PREFIX_OWNED = {prefix for provider in PROVIDERS if provider.key in _OWNED for prefix in provider.prefixes}
_MODES = ("webhook",) * 6 + ("trigger",) * 3 + ("retry",)
_ASIDE = (("success", "integrated"), ("success", "manual"), ("waiting", "webhook"), ("canceled", "webhook"))


class _Past:
    """A clock, and stories that wait for its times: whatever they are about, things happen in the order of time."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._waiting: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._still = asyncio.Event()

    async def until(self, when: datetime) -> None:
        """Wait until it is *when*, or go on at once where that is past."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (max(when, self.now), next(self._count), turn))
        self._still.set()
        await turn

    async def day(self, day: date, at: time = time(9, 30)) -> None:
        """The same, by the clock on the wall."""
        await self.until(datetime.combine(day, at, TIMEZONE).astimezone(UTC))

    async def tell(self, *stories: Coroutine[Any, Any, None]) -> None:
        """Let the stories happen, one step of one of them at a time."""
        tasks = []
        for story in stories:
            self._still.clear()
            tasks.append(asyncio.create_task(story))
            tasks[-1].add_done_callback(lambda _: self._still.set())
            await self._still.wait()
        while self._waiting:
            self.now, _, turn = heapq.heappop(self._waiting)
            self._still.clear()
            turn.set_result(None)
            await self._still.wait()
        await asyncio.gather(*tasks)


def demo_now(today: date) -> datetime:
    """The instant the demo stands at."""
    return datetime.combine(today, _NOW, TIMEZONE).astimezone(UTC)


def seeded_ambient(today: date, seed: int) -> Ambient:
    """The demo's standing clock, and randomness that is the same every time."""
    # Another stream than the one that the demo was filled from: an id is drawn once.
    source = random.Random(f"open {seed}")  # noqa: S311 (nothing secret lives in a demo)
    return Ambient(now=lambda: demo_now(today), random=source.randbytes)


def throwaway(cache: Path, today: date, seed: int) -> Path:
    """A fresh copy of the demo's database for this process, in a directory that `discard` removes.

    Raises StoreRefused where there is no room for one.
    """
    recipe = hashlib.sha256(b"".join(Path(module).read_bytes() for module in (__file__, demo_billing.__file__)))
    kept = cache / f"demo-{__version__}-{schema.HEAD}-{recipe.hexdigest()[:12]}-{today}-{seed}"
    try:
        directory = Path(tempfile.mkdtemp(prefix=f"orgtui-demo-{os.getpid()}-"))
    except OSError as error:
        raise StoreRefused(f"There is no place for the demo: {error.strerror} ({tempfile.gettempdir()}).") from error
    path = directory / _FILE
    _sweep(directory.parent)
    try:
        if not kept.exists():
            _keep(kept, today, seed)
        shutil.copytree(kept, directory, dirs_exist_ok=True)
    except (OSError, StoreRefused):
        # It cannot be kept, as in a read-only home: then it is made for this once, and takes longer.
        path.unlink(missing_ok=True)
        shutil.rmtree(beside(path).parent, ignore_errors=True)
        asyncio.run(_fill(path, today, seed))
    return path


def discard(path: Path) -> None:
    """Remove a throw-away copy."""
    shutil.rmtree(path.parent, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the copies of demos that were killed."""
    for left in parent.glob("orgtui-demo-*-*"):
        pid = left.name.split("-")[2]
        if pid.isdigit() and not Path("/proc", pid).exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)


def _keep(kept: Path, today: date, seed: int) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
        fresh = Path(directory) / "fresh"
        fresh.mkdir(mode=0o700)
        asyncio.run(_fill(fresh / _FILE, today, seed))
        try:
            fresh.replace(kept)
        except OSError:
            # Another process was faster; its demo is the same.
            if not kept.exists():
                raise


async def _fill(path: Path, today: date, seed: int) -> None:
    from orgtui.store.sql.founding import Founding, found
    from orgtui.store.sql.store import open_sql_store

    source, figures = random.Random(seed), random.Random(seed)  # noqa: S311
    # Where the two part, so that what is settled first never moves the figures: they are the same since the first demo.
    figures.randbytes(680)
    past = _Past(datetime.combine(today - timedelta(days=_AGE), time(9, 30), TIMEZONE).astimezone(UTC))
    ambient = Ambient(now=lambda: past.now, random=source.randbytes)
    database = SqliteDatabase(path)
    founding = Founding(
        name="Acme Automation",
        owner=OWNER,
        owner_name="Ada Lovelace",
        timezone=TIMEZONE.key,
        plan="business",
        workspace=None,
    )
    found(database, founding, ambient)
    opened = open_sql_store(database, OWNER, ambient)
    try:
        await past.tell(
            _settle(opened.store, past, today),
            _keys(opened, past, today),
            _work(opened, past, today, figures),
            *(_made(token, database, past, today, seed) for token in _TOKENS),
        )
    finally:
        opened.close()
    for email, seen in _SEEN:
        past.now = demo_now(today) - seen
        opened = open_sql_store(database, email, ambient)
        try:
            await opened.store.team.present()
        finally:
            opened.close()
    _make_one_file(database)


async def _settle(store: Store, past: _Past, today: date) -> None:
    from orgtui.domain.roles import Role, WorkspaceRole
    from orgtui.store.contract.general import GeneralChanges
    from orgtui.store.contract.team import Delivery, NewInvitation
    from orgtui.store.contract.workspaces import Inventory, NewWorkspace

    description = "Invoices, onboarding and support workflows for the European customers of Acme."
    await store.general.save(GeneralChanges(seen=1, description=description))
    old = await store.workspaces.create(NewWorkspace(name=_ARCHIVED, description="Before the move to n8n"))
    ids = {}
    for space in _SPACES:
        made = await store.workspaces.create(NewWorkspace(name=space.name, description=space.description))
        names = space.workflows + tuple(f"Workflow {number}" for number in range(1, space.more_workflows + 1))
        inventory = Inventory(
            workflows={f"{space.name.casefold()}-{n}": name for n, name in enumerate(names, 1)},
            agents={f"{space.name.casefold()}-a{n}": f"Agent {n}" for n in range(1, space.agents + 1)},
        )
        await store.workspaces.set_inventory(made.id, inventory)
        ids[space.name] = made.id
    for email, name, role, days in _PEOPLE:
        await past.day(today - timedelta(days=days))
        invitation = await store.team.invite(NewInvitation(email=email, role=Role(role)))
        await store.team.join(invitation.code, name)
    await past.day(today - timedelta(days=_ARCHIVED_FOR))
    await store.workspaces.archive(old.id)
    for where, email, name, role, days in _GUESTS:
        await past.day(today - timedelta(days=days))
        await store.workspaces.set_member(ids[where], email, WorkspaceRole(role), name)
    for email, days in _INVITED:
        await past.day(today - timedelta(days=days))
        invitation = await store.team.invite(NewInvitation(email=email))
        await store.team.delivered(invitation.member.id, invitation.member.sends, Delivery.SENT)


async def _keys(opened: SqlStore, past: _Past, today: date) -> None:
    """Made-up keys: one that its provider refused, three added last night. All calls before were paid with credits."""
    from orgtui.store.contract.api_keys import NewKey

    keys = opened.store.api_keys
    await past.day(today - timedelta(days=2), time(9, 11))
    refused = await keys.add(NewKey(provider="mistral", secret=REFUSED))
    await past.day(today - timedelta(days=2), time(9, 14))
    await keys.checked("mistral", refused.id or "", "invalid", REFUSAL)
    await past.day(today - timedelta(days=1), time(23, 40))
    for provider in _OWNED:
        await keys.add(NewKey(provider=provider, secret=_SECRETS[provider], verdict="valid"))
    for provider, ago in (("google", timedelta(hours=14, minutes=10)), ("anthropic", timedelta(minutes=62))):
        await past.until(demo_now(today) - ago)
        await opened.platform.api_keys.use(provider)
    await past.until(demo_now(today) - timedelta(minutes=2))
    await opened.platform.api_keys.use("openai")


async def _made(token: _Token, database: SqliteDatabase, past: _Past, today: date, seed: int) -> None:
    """A token, and its last use. Its randomness is its own, so that everything else is the same without it."""
    from orgtui.domain.roles import Permission
    from orgtui.store.contract.access import Kind, NewToken
    from orgtui.store.sql.store import open_sql_store

    own = random.Random(f"{token.name} {seed}")  # noqa: S311
    await past.day(today - timedelta(days=token.made), time(10, 20))
    opened = open_sql_store(database, token.maker, Ambient(now=lambda: past.now, random=own.randbytes))
    scopes = tuple(map(Permission, token.scopes))
    try:
        made = await opened.store.access.create(
            NewToken(name=token.name, kind=Kind(token.kind), scopes=scopes, days=token.days)
        )
        await past.until(demo_now(today) - token.used)
        await opened.admit(made.secret)
    finally:
        opened.close()


async def _work(opened: SqlStore, past: _Past, today: date, source: random.Random) -> None:
    """What ran and what it cost, told twice a month; and the credits bought for it."""
    from orgtui.store.contract.usage import UsageBatch

    halves: dict[date, tuple[list[Run], list[Call]]] = defaultdict(lambda: ([], []))
    first = 0
    for day, count, rate in _days(today, source):
        made, called = _day(day, count, rate, today, source, first)
        first += len(made)
        middle = demo_billing.middle(day)
        runs, calls = halves[middle if day <= middle else Month.of(day).last]
        runs += made
        calls += called
    spending = demo_billing.spending_of(itertools.chain.from_iterable(calls for _, calls in halves.values()), TIMEZONE)
    for until, (runs, calls) in halves.items():
        await demo_billing.buy(opened, past.day, today, until, spending)
        await past.until(min(demo_now(until), demo_now(today)))
        for start in range(0, max(len(runs), len(calls)), _BATCH):
            end = start + _BATCH
            await opened.store.usage.record(UsageBatch(runs=tuple(runs[start:end]), calls=tuple(calls[start:end])))
    await demo_billing.subscribe(opened, past.now, TIMEZONE)


def _days(today: date, source: random.Random) -> Iterator[tuple[date, int, float]]:
    """Each day of the history: how many counted runs, and which part of them fails."""
    volume = float(RUNS_THIS_MONTH)
    months: list[tuple[Month, int]] = []
    for back in range(HISTORY):
        months.append((Month.of(today).shift(-back), round(volume)))
        volume /= 1.12 if back == 0 else source.uniform(0.99, 1.09)
    for month, total in reversed(months):
        days = [day for day in month.days if day <= today]
        weights = [source.uniform(0.25, 0.4) if day.weekday() > 4 else source.uniform(0.85, 1.25) for day in days]
        bad = {source.randrange(len(days)) for _ in range(3)}
        for index, (day, count) in enumerate(zip(days, _spread(total, weights), strict=True)):
            yield day, count, source.uniform(0.11, 0.18) if index in bad else source.uniform(0.0, 0.025)


def _spread(total: int, weights: list[float]) -> list[int]:
    """*total* in parts like *weights*, with nothing lost to rounding."""
    whole, parts, given = sum(weights), [], 0
    reached = 0.0
    for weight in weights:
        reached += weight
        part = round(total * reached / whole) - given
        parts.append(part)
        given += part
    return parts


def _day(
    day: date, count: int, rate: float, today: date, source: random.Random, first: int
) -> tuple[list[Run], list[Call]]:
    runs, calls = [], []
    latest = (14 * 60) if day == today else 24 * 60
    for number in range(first, first + count + count // 20):
        space = source.choices(_SPACES, [space.share for space in _SPACES])[0]
        status = "error" if source.random() < rate else "success"
        mode = source.choice(_MODES)
        if number >= first + count:
            status, mode = source.choice(_ASIDE)
        started = _moment(day, latest, source)
        runs.append(_run(number, space, status, mode, started, source))
        if status == "success" and source.random() < 0.55:
            calls.append(_call(number, space, started, day == today, source))
    return runs, calls


def _moment(day: date, latest: int, source: random.Random) -> datetime:
    minute = min(int(source.gauss(13 * 60, 200)) % (24 * 60), latest - 1)
    local = datetime.combine(day, time(minute // 60, minute % 60, source.randrange(60)), TIMEZONE)
    return local.astimezone(UTC)


def _run(number: int, space: _Space, status: str, mode: str, started: datetime, source: random.Random) -> Run:
    workflow = source.randrange(len(space.workflows))
    return Run(
        source="demo",
        id=str(number),
        status=status,
        mode=mode,
        started_at=started,
        stopped_at=started + timedelta(seconds=source.randrange(1, 90)),
        workflow_id=f"{space.name.casefold()}-{workflow + 1}",
        workflow=space.workflows[workflow],
        workspace=space.name,
    )


def _call(number: int, space: _Space, at: datetime, owned: bool, source: random.Random) -> Call:
    model = source.choices(_MODELS, [model.share for model in _MODELS])[0]
    given, answered = source.randrange(2_000, 14_000), source.randrange(300, 3_000)
    own_key = owned and model.provider in _PREFIX_OWNED
    return Call(
        source="demo",
        id=f"call-{number}",
        at=at,
        provider=model.provider,
        model=model.name,
        input_tokens=given,
        output_tokens=answered,
        total_tokens=given + answered,
        billed=(model.input_price * given + model.output_price * answered) / 1_000_000,
        funding=Funding.OWN_KEY if own_key else Funding.CREDITS,
        workspace=space.name,
    )


def _make_one_file(database: SqliteDatabase) -> None:
    """Out of WAL mode, so that the file alone is the whole database."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")
