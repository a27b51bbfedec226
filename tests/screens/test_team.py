"""Team: the list, its menu, invitations for many, ownership; the audit log that remembers it all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from textual import events
from textual.widgets import Button, Input, OptionList

from orgtui.app import Outbox
from orgtui.cli.output import jsonable
from orgtui.cli.team import shown as listed
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Role
from orgtui.mail import Mailer
from orgtui.screens.dialogs.invite import verdicts
from orgtui.settings import Arrival
from orgtui.store.contract.team import Delivery, NewInvitation
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.screens.harness import (
    SMALL,
    Drive,
    awaited,
    elsewhere,
    lines,
    make_app,
    opened,
    press,
    row,
    sees,
    shown,
    sizes,
    toasts,
    typed,
    until,
)

OWNER, ADMIN = "ada@acme.example", "jonas.weber@acme.example"


async def choose(pilot: Drive, name: str, entry: str) -> None:
    """The entry of a member's menu."""
    await on(pilot, name)
    await press(pilot, "m")
    menu = pilot.app.screen.query_one(OptionList)
    words = [str(menu.get_option_at_index(at).prompt) for at in range(menu.option_count)]
    menu.highlighted = words.index(entry)
    await press(pilot, "enter")


async def on(pilot: Drive, name: str) -> None:
    """The cursor on a member's row."""
    screen: Any = pilot.app.screen
    screen.action_enter_section()
    await press(pilot, "g")
    while (selected := screen.selected) is None or name not in (selected.name, selected.email):
        await pilot.press("j")


def codes(database: SqliteDatabase) -> int:
    with database.reading() as rows:
        return int(rows.value("SELECT count(*) FROM invitations"))


# The list.


@awaited
async def test_everybody_stands_in_the_list_and_the_stats_add_up(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        told = shown(pilot, "#team-stats")
        assert told.split() == ["5", "2", "7", "Active", "Pending", "Total"]
        ada = row(pilot, "ada@acme.example", "#members")
        assert ada.split() == ["Ada", "Lovelace", "ada@acme.example", "OWNER", "●", "Active", "now", "⋯"]
        assert "○ Invited" in row(pilot, "priya.n@acme.example", "#members")
        assert "expired 2 d ago" in row(pilot, "l.marchetti@partner.example", "#members")


@sizes
@awaited
async def test_at_every_size_each_member_has_name_role_status_and_menu(
    demo_database: SqliteDatabase, size: tuple[int, int]
) -> None:
    async with opened(make_app(demo_database, "team"), size) as pilot:
        for name, role, status in (
            ("Grace Hopper", "OWNER", "Active"),
            ("Jonas Weber", "ADMIN", "Active"),
            ("priya.n@acme.example", "ADMIN", "Invited"),
        ):
            found = row(pilot, name, "#members")
            assert role in found
            assert status in found
            assert found.endswith("⋯")


@awaited
async def test_the_list_is_filtered_and_sorted(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await press(pilot, "slash", *"partner")
        assert "1 of 7 members" in shown(pilot) or "l.marchetti" in shown(pilot)
        assert "Jonas" not in shown(pilot, "#members")
        await press(pilot, "enter", "escape")
        assert "Jonas" in shown(pilot, "#members")
        await press(pilot, "s", "s")
        assert "by role" in shown(pilot)


@awaited
async def test_what_is_told_of_an_invitation_names_who_sent_it(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await on(pilot, "l.marchetti@partner.example")
        told = shown(pilot, "#detail")
        assert "invited by ada@acme.example" in told
        assert "expired 28 Nov 2026" in told


@awaited
async def test_hundreds_of_members_are_shown_at_once(demo_database: SqliteDatabase) -> None:
    async def many(store: Any) -> None:
        for number in range(400):
            await store.store.team.invite(NewInvitation(email=f"person{number:03}@acme.example"))

    await elsewhere(demo_database, many)
    async with opened(make_app(demo_database, "team")) as pilot:
        assert "407 members" in shown(pilot)
        # Of the processor's time: of the clock's, whatever else the machine does takes its share.
        begun = time.process_time()
        await press(pilot, "enter", "G")
        assert "priya" in shown(pilot, "#members") or "person399" in shown(pilot, "#members")
        assert time.process_time() - begun < 3
        await press(pilot, "slash", *"person123")
        assert "1 of 407 members" in shown(pilot) or "person123@acme.example" in shown(pilot)


# The menu.


@awaited
async def test_the_menu_says_why_not(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team", actor=ADMIN)) as pilot:
        await on(pilot, "Ada Lovelace")
        await press(pilot, "m")
        menu = pilot.app.screen.query_one(OptionList)
        menu.highlighted = 0
        await sees(pilot, "Only an owner can invite, change or remove an owner.")
        await press(pilot, "enter")
        assert pilot.app.screen.query("#menu")
        menu.highlighted = 1
        await sees(pilot, "Only an owner can transfer ownership.")


@awaited
async def test_a_role_is_changed_after_a_question(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await choose(pilot, "Jonas Weber", "Change role to OWNER")
        await sees(pilot, "Make Jonas Weber an owner")
        await press(pilot, "enter")
        await until(pilot, lambda: "OWNER" in row(pilot, "Jonas Weber", "#members"))
        assert toasts(pilot) == ["Jonas Weber is an owner now."]
        await choose(pilot, "Jonas Weber", "Change role to ADMIN")
        await press(pilot, "escape")
        assert "OWNER" in row(pilot, "Jonas Weber", "#members")


@awaited
async def test_the_last_owner_stays(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await choose(pilot, "Grace Hopper", "Remove from the organization")
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: "Grace" not in shown(pilot, "#members"))
        await on(pilot, "Ada Lovelace")
        await press(pilot, "m")
        await sees(pilot, "Leave the organization")
        menu = pilot.app.screen.query_one(OptionList)
        menu.highlighted = 3
        await sees(pilot, "There must be an owner")


@awaited
async def test_what_the_store_refuses_is_told(demo_database: SqliteDatabase) -> None:
    """Somebody else was faster: the menu was drawn from what was true before."""
    async with opened(make_app(demo_database, "team")) as pilot:
        await on(pilot, "Jonas Weber")
        (jonas,) = [m for m in pilot.app.screen.page.members if m.email == ADMIN]  # type: ignore[attr-defined]
        await elsewhere(demo_database, lambda store: store.store.team.remove(jonas.id))
        await choose(pilot, "Jonas Weber", "Change role to OWNER")
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot))
        assert toasts(pilot) == ["There is no such member; they have left or were removed."]
        await until(pilot, lambda: "Jonas" not in shown(pilot, "#members"))


@awaited
async def test_ownership_is_transferred_once_the_address_is_typed(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await choose(pilot, "Jonas Weber", "Transfer ownership…")
        await sees(pilot, "Both change at once", "Only an owner can give it back.")
        button = pilot.app.screen.query_one("#confirm-typed", Button)
        await typed(pilot, "jonas")
        assert button.disabled
        await typed(pilot, ADMIN)
        assert not button.disabled
        await press(pilot, "enter")
        await until(pilot, lambda: "OWNER" in row(pilot, "Jonas Weber", "#members"))
        assert "ADMIN" in row(pilot, "Ada Lovelace", "#members")
        assert "Business · admin" in lines(pilot)[0]
        assert toasts(pilot) == ["Jonas Weber is an owner now; you are an admin."]


@awaited
async def test_leaving_ends_the_program(demo_database: SqliteDatabase) -> None:
    await elsewhere(
        demo_database,
        lambda store: store.store.team.invite(NewInvitation(email="kim@partner.example")),
        actor=ADMIN,
    )
    app = make_app(demo_database, "team", actor=ADMIN)
    async with opened(app) as pilot:
        await choose(pilot, "Jonas Weber", "Leave the organization")
        await sees(pilot, "1 invitation that you sent is cancelled.")
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: not app.is_running)
    page = await elsewhere(demo_database, lambda store: store.store.team.show())
    assert ADMIN not in [member.email for member in page.members]


@awaited
async def test_an_invitation_is_resent_and_revoked(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await choose(pilot, "l.marchetti@partner.example", "Resend invitation")
        await sees(pilot, "Hand over the invitation", "orgtui join", "orgtui_inv_")
        await press(pilot, "y")
        assert pilot.app.clipboard.startswith("orgtui join orgtui_inv_")
        await press(pilot, "escape")
        await until(pilot, lambda: "made now" in row(pilot, "l.marchetti@partner.example", "#members"))
        await choose(pilot, "l.marchetti@partner.example", "Revoke invitation")
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: "l.marchetti" not in shown(pilot, "#members"))


# Inviting.


def test_every_pasted_address_has_a_verdict(demo_database: SqliteDatabase) -> None:
    page = asyncio.run(elsewhere(demo_database, lambda store: store.store.team.show()))
    text = "Kim <kim@partner.example>, ADA@acme.example; priya.n@acme.example\nfoo@bar kim@partner.example\t<x@y"
    found = verdicts(
        "kim@partner.example ADA@acme.example;priya.n@acme.example\nfoo@bar, KIM@partner.example", page.members
    )
    assert [(verdict.address, verdict.good) for verdict in found] == [
        ("kim@partner.example", True),
        ("ADA@acme.example", False),
        ("priya.n@acme.example", False),
        ("foo@bar", False),
        ("KIM@partner.example", False),
    ]
    assert "kim@partner.example" in [verdict.address for verdict in verdicts(text, page.members) if verdict.good]


@awaited
async def test_many_are_invited_at_once_and_the_rest_stays_in_the_field(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await press(pilot, "n")
        pasted = "kim@partner.example\nfoo@bar\nlee@partner.example\nada@acme.example\n"
        field = pilot.app.screen.query_one(Input)
        pilot.app.post_message(events.Paste(pasted))
        await until(pilot, lambda: "lee@partner.example" in field.value)
        await sees(pilot, "Invite 2 Members", "the part after @ needs a domain", "is a member already.")
        await press(pilot, "enter")
        await sees(pilot, "is invited; hand over the code.")
        assert field.value == "foo@bar, ada@acme.example"
        await press(pilot, "escape")
        await sees(pilot, "Hand over 2 invitations", "kim@partner.example", "lee@partner.example")
        first = shown(pilot, "#code")
        await press(pilot, "j")
        assert shown(pilot, "#code") != first
        await press(pilot, "escape")
        await sees(pilot, "9 members")


async def paste(pilot: Drive, *addresses: str) -> None:
    """Open the dialog, and paste a list as it stands in a mail."""
    await press(pilot, "n")
    pilot.app.post_message(events.Paste("\n".join(addresses)))
    await until(pilot, lambda: addresses[-1] in pilot.app.screen.query_one(Input).value)


@sizes
@awaited
async def test_every_verdict_is_whole_and_in_reach(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "team"), size) as pilot:
        await paste(pilot, "foo@bar", *(f"{number}@partner.example" for number in range(30)), "ada@acme.example")
        await sees(pilot, "30 to invite, 2 refused")
        told = " ".join(" ".join(line.split()) for line in lines(pilot, "#verdict-list"))
        assert "the part after @ needs a domain, as in acme.example." in told.replace("✗ foo@bar", "")
        for _ in range(12):
            await press(pilot, "pagedown")
        await sees(pilot, "ada@acme.example", "is a member already.")
        for _ in range(12):
            await press(pilot, "pageup")
        await sees(pilot, "Email", "foo@bar")


@awaited
async def test_whoever_stops_half_way_still_gets_the_code_that_was_made(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team", slow=0.3)) as pilot:
        await paste(pilot, "kim@partner.example", "lee@partner.example", "max@partner.example")
        await sees(pilot, "Invite 3 Members")
        await pilot.press("enter")
        await sees(pilot, "is being invited…")
        await pilot.press("escape")
        await sees(pilot, "Hand over the invitation", "kim@partner.example", "orgtui_inv_")
        assert codes(demo_database) == 3
        await pilot.press("escape")
        await until(pilot, lambda: "8 members" in shown(pilot))


@awaited
async def test_codes_of_many_are_in_sight_where_there_is_little_room(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team"), SMALL) as pilot:
        await paste(pilot, *(f"{number}@partner.example" for number in range(12)))
        await press(pilot, "enter")
        await sees(pilot, "Hand over 12 invitations", "orgtui join", "orgtui_inv_")
        first = shown(pilot, "#code")
        await press(pilot, "k")
        await sees(pilot, "11@partner.example", "orgtui_inv_")
        assert shown(pilot, "#code") != first


@awaited
async def test_an_admin_cannot_choose_owner(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team", actor=ADMIN), SMALL) as pilot:
        await press(pilot, "n")
        assert "Only an owner can invite an owner." in shown(pilot, "#role")
        assert "workflows, and settings." in " ".join(shown(pilot, "#role").split())
        await typed(pilot, "kim@partner.example")
        await press(pilot, "tab", "down", "enter")
        await press(pilot, "shift+tab", "enter")
        await sees(pilot, "Hand over the invitation")
    page = await elsewhere(demo_database, lambda store: store.store.team.show())
    assert {m.email: m.role for m in page.members}["kim@partner.example"] is Role.ADMIN


@awaited
async def test_a_role_is_chosen_with_the_mouse(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team"), SMALL) as pilot:
        await press(pilot, "n")
        told = lines(pilot, "#role")
        await pilot.click("#role", offset=(4, next(y for y, line in enumerate(told) if "Owner" in line)))
        await until(pilot, lambda: "● Owner" in shown(pilot, "#role"))
        # The second row of an option is the option's too.
        await pilot.click("#role", offset=(12, next(y for y, line in enumerate(told) if "settings." in line)))
        await until(pilot, lambda: "● Admin" in shown(pilot, "#role"))


@awaited
async def test_what_the_store_refuses_stays_in_the_field(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team", fail={"team.invite"})) as pilot:
        await press(pilot, "n")
        await typed(pilot, "kim@partner.example")
        await press(pilot, "enter")
        await sees(pilot, "✗")
        assert pilot.app.screen.query_one(Input).value == "kim@partner.example"
        assert codes(demo_database) == 2


class Post:
    """A mail server that takes everything but for one address."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 \x1b[31mno such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(envelope)
        return "250 OK"


@pytest.fixture
def post(unused_port: Callable[[], int]) -> Any:
    handler = Post()
    controller = Controller(handler, hostname="127.0.0.1", port=unused_port())
    controller.start()
    yield handler, controller.port
    controller.stop()


@pytest.fixture
def unused_port() -> Callable[[], int]:
    def port() -> int:
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return int(taken.getsockname()[1])

    return port


@awaited
async def test_with_a_mail_server_invitations_are_mailed_and_a_refusal_is_seen(
    demo_database: SqliteDatabase, post: tuple[Post, int]
) -> None:
    handler, port = post
    mailer = Mailer(host="127.0.0.1", port=port, sender="orgtui@acme.example", security="none")
    app = make_app(demo_database, "team")
    connect = app._connect
    app._connect = lambda: replace(connect(), outbox=Outbox(mailer, Arrival("https://orgtui.acme.example")))
    async with opened(app) as pilot:
        await press(pilot, "n")
        await typed(pilot, "kim@partner.example, refused@partner.example")
        await press(pilot, "enter")
        await sees(pilot, "Hand over the invitation", "no such user here", "https://orgtui.acme.example/join/")
        assert "\x1b" not in shown(pilot)
        assert [envelope.rcpt_tos for envelope in handler.taken] == [["kim@partner.example"]]
        await press(pilot, "escape")
        await until(pilot, lambda: "not delivered" in row(pilot, "refused@partner.example", "#members"))
        assert "sent now" in row(pilot, "kim@partner.example", "#members")
        await on(pilot, "refused@partner.example")
        told = " ".join(shown(pilot, "#detail").split())
        refusal = "refused the recipient refused@partner.example: 550 �[31mno such user here"
        assert told.endswith(f"not delivered: The mail server 127.0.0.1:{port} {refusal}")
    page = await elsewhere(demo_database, lambda store: store.store.team.show())
    assert {m.email: m.delivery for m in page.members if m.email.endswith("@partner.example")} == {
        "kim@partner.example": Delivery.SENT,
        "refused@partner.example": Delivery.FAILED,
        "l.marchetti@partner.example": Delivery.SENT,
    }


@awaited
async def test_alone_one_is_told_what_inviting_does(database: SqliteDatabase, acme: SqliteDatabase, clock: Any) -> None:
    async with opened(make_app(acme, "team", ambient=clock.ambient())) as pilot:
        assert "You are the only member." in shown(pilot)
        assert not pilot.app.screen.query_one("#members").display
        await press(pilot, "n")
        await sees(pilot, "Invite Member", "Role")


@sizes
@awaited
async def test_what_is_told_of_an_invitation_is_whole(demo_database: SqliteDatabase, size: tuple[int, int]) -> None:
    async with opened(make_app(demo_database, "team"), size) as pilot:
        await on(pilot, "priya.n@acme.example")
        told = shown(pilot, "#detail")
        for part in ("invited by ada@acme.example", "valid until 5 Dec 2026", "mailed 2 d ago"):
            assert part in told


@awaited
async def test_without_an_answer_there_is_nobody_to_invite_and_no_list(demo_database: SqliteDatabase) -> None:
    faults = {"team.show"}
    async with opened(make_app(demo_database, "team", fail=faults)) as pilot:
        button = pilot.app.screen.query_one("#invite-member", Button)
        assert button.disabled
        await press(pilot, "enter")
        assert pilot.app.focused is not None
        assert pilot.app.focused.region.height
        assert "Filter" not in lines(pilot)[-1]
        faults.clear()
        await press(pilot, "r")
        await sees(pilot, "7 members")
        assert not button.disabled


@awaited
async def test_the_list_is_exported(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await press(pilot, "e")
        await typed(pilot, str(tmp_path / "team.json"))
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot))
        await press(pilot, "e")
        await typed(pilot, str(tmp_path / "team.csv"))
        await press(pilot, "enter")
        await until(pilot, lambda: (tmp_path / "team.csv").exists() and len(toasts(pilot)) > 1)
    page = await elsewhere(demo_database, lambda store: store.store.team.show())
    rows = [listed(member, zone_or_utc(page.timezone)) for member in page.members]
    assert json.loads((tmp_path / "team.json").read_text()) == jsonable(rows)
    assert (tmp_path / "team.csv").read_text().splitlines()[0] == ",".join(rows[0])


@awaited
async def test_who_was_here_is_noted(demo_database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orgtui.app._PRESENCE", 0.01)
    async with opened(make_app(demo_database, "team", actor=ADMIN)) as pilot:
        await until(pilot, lambda: not [w for w in pilot.app.workers if w.group == "presence" and not w.is_finished])
        await pilot.pause(0.3)
    page = await elsewhere(demo_database, lambda store: store.store.team.show())
    seen = {member.email: member.last_seen for member in page.members}
    assert seen[ADMIN] == seen[OWNER]


# The audit log.


@awaited
async def test_the_log_shows_every_change_and_finds_words_in_all_of_it(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "team")) as pilot:
        await press(pilot, "0")
        await sees(pilot, "Audit Log", "team.invite")
        await press(pilot, "slash", *"marchetti")
        await until(pilot, lambda: "2 changes" in shown(pilot) or shown(pilot, "#entries").count("team.") == 2)
        await press(pilot, "enter", "enter")
        await sees(pilot, "Subject", "after")
        await press(pilot, "escape", "1")
        await sees(pilot, "Save Changes")


@awaited
async def test_verifying_says_whether_the_log_is_whole(demo_database: SqliteDatabase) -> None:
    async with opened(make_app(demo_database, "audit")) as pilot:
        await press(pilot, "v")
        await until(pilot, lambda: toasts(pilot))
        assert "rows are as they were written. Head: " in toasts(pilot)[0]
        with demo_database.writing() as session:
            connection = session.connection()
            connection.exec_driver_sql("DROP TRIGGER audit_is_not_changed")
            connection.exec_driver_sql("UPDATE audit SET actor = 'mallory' WHERE seq = 3")
        await press(pilot, "v")
        await until(pilot, lambda: len(toasts(pilot)) > 1)
        assert "tampered" in toasts(pilot)[-1]
        assert "3" in toasts(pilot)[-1]


@awaited
async def test_the_log_is_exported_whole(demo_database: SqliteDatabase, tmp_path: Path) -> None:
    async with opened(make_app(demo_database, "audit")) as pilot:
        with demo_database.reading() as rows:
            count = rows.value("SELECT count(*) FROM audit")
        await press(pilot, "e")
        await sees(pilot, "rows, as .csv or .json")
        await typed(pilot, str(tmp_path / "audit.json"))
        await press(pilot, "enter")
        await until(pilot, lambda: toasts(pilot))
    assert len(json.loads((tmp_path / "audit.json").read_text())) == count
