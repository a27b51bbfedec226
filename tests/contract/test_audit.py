"""Audit: every change is told once, found by its words and by its day, and the whole log can be read page by page."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orgtui.domain.errors import Invalid
from orgtui.store.contract import Store
from orgtui.store.contract.audit import LONGEST_PAGE, AuditEntry
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.operation import LARGEST
from orgtui.store.contract.team import NewInvitation
from orgtui.store.contract.workspaces import NewWorkspace
from tests.conftest import OWNER
from tests.contract.backends import Backend
from tests.contract.conftest import ADMIN, Founder, join, wait


def found(store: Store, text: str = "", **more: object) -> list[AuditEntry]:
    page = wait(store.audit.entries(text=text, **more))  # type: ignore[arg-type]
    assert page.total >= len(page.entries)
    return page.entries


def pages(store: Store, text: str, limit: int) -> list[AuditEntry]:
    """The log as somebody reads it who turns page after page."""
    read = list[AuditEntry]()
    before: int | None = None
    while True:
        page = wait(store.audit.entries(text=text, before=before, limit=limit))
        assert len(page.entries) == min(limit, page.total - len(read))
        read += page.entries
        assert (page.next is None) == (len(read) == page.total)
        if page.next is None:
            return read
        before = page.next


def rename(store: Store, *names: str) -> None:
    for name in names:
        wait(store.general.save(GeneralChanges(seen=wait(store.general.show()).version, description=name)))


def test_an_entry_tells_who_did_what_when_and_as_what(backend: Backend, store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    grace = backend.open(ADMIN)
    backend.clock.now += timedelta(hours=1)
    rename(grace, "Ours")
    (organization,) = backend.rows("SELECT id FROM organizations")[0]
    newest, joined, invited, founding = found(store)
    assert newest == AuditEntry(
        seq=4,
        at=backend.clock.now,
        actor=ADMIN,
        role="admin",
        operation="general.save",
        subject=organization,
        before={"description": ""},
        after={"description": "Ours"},
    )
    assert (joined.operation, joined.role, joined.actor) == ("team.join", "invitee", ADMIN)
    assert (invited.operation, invited.role, invited.after) == (
        "team.invite",
        "owner",
        {"email": ADMIN, "role": "admin"},
    )
    assert (founding.operation, founding.before) == ("organization.found", None)
    assert founding.after == {"name": "Acme", "owner": OWNER}


def test_a_role_is_the_one_at_that_moment(backend: Backend, store: Store) -> None:
    wait(store.team.transfer(wait(join(store, ADMIN, "Grace")), ADMIN))
    rename(store, "Still here")
    assert [(entry.actor, entry.role) for entry in found(store)[:2]] == [(OWNER, "admin"), (OWNER, "owner")]


# By words.


def test_all_words_must_be_there_in_any_place_order_and_case(store: Store) -> None:
    wait(join(store, ADMIN, "Grace"))
    wait(store.workspaces.create(NewWorkspace(name="Straße Ä")))
    for text, operations in {
        "": ["workspaces.create", "team.join", "team.invite", "organization.found"],
        "  \t": ["workspaces.create", "team.join", "team.invite", "organization.found"],
        "GRACE": ["team.join", "team.invite"],
        "grace INVITEE": ["team.join"],
        "invitee grace": ["team.join"],
        "team. ada": ["team.invite"],
        "STRASSE ä": ["workspaces.create"],
        "Strasse grace": [],
        "%": [],
        "_cre": [],
        "c_eate": [],
    }.items():
        assert [entry.operation for entry in found(store, text)] == operations, text


def test_whatever_was_written_is_found_by_its_words(store: Store) -> None:
    said = ['the "new" office', "C:\\temp\\new", "it's 100 % _sure_", "two\nlines", "{'a': [1]}", "émile ☃ 😀", '\\"\\']
    rename(store, *said)
    for text in said:
        assert [entry.after["description"] for entry in found(store, text)][-1] == text
    assert not found(store, "nothing-like-it")


# Page by page.


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 14, 15, 16, LONGEST_PAGE])
def test_the_pages_are_the_whole_log_without_gap_or_repetition(store: Store, limit: int) -> None:
    for number in range(14):
        # With a nought, which no id has: what is looked for is looked for in ids, too.
        wait(store.workspaces.create(NewWorkspace(name=f"{'0dd' if number % 2 else 'even'} {number}")))
    assert [entry.seq for entry in pages(store, "", limit)] == list(range(15, 0, -1))
    assert [entry.after["name"] for entry in pages(store, "0dd", limit)] == [f"0dd {n}" for n in range(13, 0, -2)]
    assert pages(store, "nothing", limit) == []


def test_what_is_written_meanwhile_moves_no_page(store: Store) -> None:
    rename(store, *map(str, range(9)))
    whole, read = found(store), list[AuditEntry]()
    before: int | None = None
    for number in range(4):
        page = wait(store.audit.entries(before=before, limit=3))
        read += page.entries
        before = page.next
        rename(store, f"meanwhile {number}")
    assert (read, before) == (whole, None)


@pytest.mark.parametrize("limit", [0, -1, LONGEST_PAGE + 1])
def test_a_page_has_a_size(store: Store, limit: int) -> None:
    with pytest.raises(Invalid, match="A page has 1 to 1000 entries") as refused:
        wait(store.audit.entries(limit=limit))
    assert refused.value.field == "limit"


@pytest.mark.parametrize("before", [1, 0, -5])
def test_before_the_first_there_is_nothing(store: Store, before: int) -> None:
    page = wait(store.audit.entries(before=before))
    assert (page.entries, page.total, page.next) == ([], 1, None)
    assert wait(store.audit.entries(before=LARGEST)).entries
    with pytest.raises(Invalid, match="“before” is too large a number") as refused:
        wait(store.audit.entries(before=1 << 70))
    assert refused.value.field == "before"


# By day.

# Around each of them the clock is changed; in Apia a day is missing, in Havana an hour after midnight comes twice.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 11, 5, 18, 30, tzinfo=UTC)),
    ("UTC", datetime(2026, 11, 5, tzinfo=UTC)),
]


@pytest.mark.parametrize(("timezone", "change"), CHANGES, ids=lambda value: str(value).replace("/", "-"))
def test_days_are_the_organizations_own(founded: Founder, timezone: str, change: datetime) -> None:
    backend = founded(timezone)
    store, zone = backend.open(OWNER), ZoneInfo(timezone)
    moments = [change + timedelta(minutes=minutes) for minutes in range(-27 * 60, 27 * 60, 97)]
    moments += [change + timedelta(microseconds=off) for off in (-1, 0)]
    for number, moment in enumerate(sorted(moments)):
        backend.clock.now = moment
        rename(store, str(number))
    days = {entry.at.astimezone(zone).date() for entry in found(store)}
    entries = [entry for entry in found(store) if entry.operation == "general.save"]
    assert [entry.at for entry in reversed(entries)] == sorted(moments)
    for offset in range(-4, 5):
        day = change.astimezone(zone).date() + timedelta(days=offset)
        its = [entry for entry in entries if entry.at.astimezone(zone).date() == day]
        assert bool(its) == (day in days)
        assert found(store, since=day, until=day) == its
        assert found(store, "general.save", since=day) == [e for e in entries if e.at.astimezone(zone).date() >= day]
        assert found(store, "general.save", until=day) == [e for e in entries if e.at.astimezone(zone).date() <= day]
    assert wait(store.audit.entries()).timezone == timezone


@pytest.mark.parametrize("timezone", ["Asia/Tokyo", "America/Havana"])
def test_the_first_and_the_last_day_there_are(founded: Founder, timezone: str) -> None:
    store = founded(timezone).open(OWNER)
    assert len(found(store, since=date.min, until=date.max)) == 1
    assert found(store, since=date.max) == found(store, until=date.min) == []
    assert found(store, since=date(2026, 12, 1), until=date(2026, 11, 1)) == []


def test_words_days_and_pages_go_together(backend: Backend, store: Store) -> None:
    chance, begun = random.Random(5), backend.clock.now
    for number in range(40):
        backend.clock.now = begun + timedelta(hours=number)
        rename(store, f"{chance.choice(('red', 'green'))} {number}")
    day = (begun + timedelta(days=1)).date()
    wanted = [entry for entry in found(store) if entry.at.date() == day and "red" in f"{entry.before}{entry.after}"]
    first = wait(store.audit.entries(text="red", since=day, until=day, limit=2))
    rest = wait(store.audit.entries(text="red", since=day, until=day, before=first.next))
    assert first.entries + rest.entries == wanted
    assert first.total == rest.total == len(wanted) > 3


# The check.


def test_a_log_is_sound_and_goes_on_from_every_head(backend: Backend, store: Store) -> None:
    heads = [wait(store.audit.verify()).head]
    for number in range(5):
        wait(store.team.invite(NewInvitation(email=f"{number}@acme.example")))
        heads.append(wait(store.audit.verify(heads[-1])).head)
    assert [head.partition(":")[0] for head in heads] == ["1", "2", "3", "4", "5", "6"]
    for head in heads:
        checked = wait(backend.open(OWNER).audit.verify(f" {head}\n"))
        assert (checked.sound, checked.rows, checked.problem, checked.head) == (True, 6, None, heads[-1])


def test_a_head_of_another_log_is_none_of_this(store: Store) -> None:
    head = wait(store.audit.verify()).head
    rename(store, "Ours")
    for other, problem in (
        (f"1:{'0' * 64}", "Row 1 is not the one of the head given."),
        (head.replace("1:", "2:", 1), "Row 2 is not the one of the head given."),
        (head.replace("1:", "3:", 1), "Rows after 2 were cut off."),
        (head.replace("1:", "0:", 1), "Rows after 2 were cut off."),
    ):
        checked = wait(store.audit.verify(other))
        assert (checked.sound, checked.problem) == (False, problem)


@pytest.mark.parametrize(
    "head", ["", " ", ":", "1", "1:", f"1:{'g' * 64}", f"1:{'a' * 63}", f"x:{'a' * 64}", f"²:{'a' * 64}", "9" * 5000]
)
def test_what_is_no_head_is_refused(store: Store, head: str) -> None:
    for text in (head, f"{head}:{'a' * 64}" if head.isdigit() and len(head) > 99 else head):
        with pytest.raises(Invalid, match="A head is SEQ:MAC, as `orgtui audit verify` prints it") as refused:
            wait(store.audit.verify(text))
        assert refused.value.field == "head"
