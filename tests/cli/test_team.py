"""`orgtui team` and `orgtui join`: what the screen shows and does, for scripts; a verdict for every address."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orgtui import tokens
from orgtui.domain.text import DANGEROUS
from orgtui.secret import Secret
from tests import served
from tests.cli.conftest import Run
from tests.cli.test_root import ORGTUI
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.ptyharness import PAYLOADS, Terminal, foreign
from tests.test_mail import Inbox, Server, serving

GRACE, KIM, LEE = "grace@navy.example", "kim@navy.example", "lee@navy.example"
CODE = re.compile(r"orgtui_inv_\w{43}")
TIME = re.compile(r"2026-11-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
UNTIL = re.compile(r"^Hand this over: it is shown this once, and works once, until 30 Nov 2026, 12:0\d \(UTC\)\.$")

# Which server, where one is between.
STORE = r"(?: --store http://\S+)?"


def invited(orgtui: Run, *words: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = orgtui("team", "invite", *words, "--json").json
    return entries


def joined(orgtui: Run, email: str = GRACE, name: str = "Grace", role: str = "admin") -> dict[str, Any]:
    """Somebody who was invited, and has accepted."""
    (entry,) = invited(orgtui, email, "--role", role)
    member: dict[str, Any] = orgtui("join", entry["code"], "--name", name, "--json").json
    return member


def people(orgtui: Run) -> dict[str, dict[str, Any]]:
    return {member["email"]: member for member in orgtui("team", "list", "--json").json["members"]}


def log(orgtui: Run) -> list[str]:
    return [entry["operation"] for entry in orgtui("audit", "list", "--json").json["entries"]]


def unchanged(orgtui: Run, *words: str, code: int, said: str) -> None:
    """The command is refused in one line, and the log has nothing new."""
    before = log(orgtui)
    refused = orgtui(*words)
    assert refused.code == code, refused
    assert said in refused.line
    assert log(orgtui) == before


# The list.


def test_list_in_json(orgtui: Run) -> None:
    joined(orgtui)
    (kim,) = invited(orgtui, KIM, "--role", "owner")
    page = orgtui("team", "list", "--json").json
    assert list(page) == ["active", "pending", "total", "timezone", "you", "members"]
    assert (page["active"], page["pending"], page["total"], page["timezone"]) == (2, 1, 3, "UTC")
    ada, grace, last = page["members"]
    assert page["you"] == ada["id"]
    assert (ada["role"], ada["last_seen"]) == ("owner", None)
    assert TIME.fullmatch(grace["joined"])
    assert grace["last_seen"] == grace["joined"]
    assert {name: grace[name] for name in grace if name not in ("id", "joined", "last_seen")} == {
        "name": "Grace",
        "email": GRACE,
        "role": "admin",
        "status": "active",
        "invited_by": None,
        "invited_at": None,
        "expires": None,
        "expired": None,
        "delivery": None,
        "delivery_note": None,
    }
    assert last["expires"] == kim["expires"]
    assert TIME.fullmatch(last["invited_at"])
    assert {name: last[name] for name in last if name not in ("id", "expires", "invited_at")} == {
        "name": None,
        "email": KIM,
        "role": "owner",
        "status": "invited",
        "joined": None,
        "last_seen": None,
        "invited_by": OWNER,
        "expired": False,
        "delivery": "unsent",
        "delivery_note": None,
    }


def test_list_for_people_is_aligned_for_names_of_every_width(orgtui: Run) -> None:
    joined(orgtui, name="陈美玲 é")
    invited(orgtui, KIM, "--role", "owner")
    assert orgtui("team", "list").out.splitlines() == [
        "Active 2   Pending 1   Total 3",
        "",
        "Name      Email               Role   Status   Last seen",
        "ada       ada@acme.example    OWNER  Active   —",
        "陈美玲 é  grace@navy.example  ADMIN  Active   now",
        "—         kim@navy.example    OWNER  Invited  made now",
    ]


def test_times_are_the_organizations(run: Run, tmp_path: Path, templates: Path, clock: Clock) -> None:
    copy_of_acme(templates, tmp_path / "acme.db", clock, "Europe/Berlin")
    (entry,) = invited(run, KIM)
    page = run("team", "list", "--json").json
    assert page["timezone"] == "Europe/Berlin"
    times = [entry["expires"], page["members"][0]["joined"], page["members"][1]["invited_at"]]
    assert [time[-6:] for time in times] == ["+01:00"] * 3
    assert "until 30 Nov 2026, 13:0" in run("team", "resend", KIM).out


def test_what_lapsed_and_what_was_not_delivered_are_seen(orgtui: Run, tmp_path: Path) -> None:
    invited(orgtui, KIM, LEE)
    with closing(sqlite3.connect(tmp_path / "acme.db")) as connection, connection:
        week = 8 * 24 * 3600 * 1_000_000
        connection.execute("UPDATE invitations SET expires_at = expires_at - ? WHERE email = ?", (week, KIM))
        connection.execute(
            "UPDATE invitations SET delivery = 'failed', delivery_note = 'no such mailbox' WHERE email = ?", (LEE,)
        )
    told = orgtui("team", "list").out.splitlines()
    assert told[-2].endswith("Invited  expired yesterday")
    assert told[-1].endswith("Invited  not delivered: no such mailbox")
    assert people(orgtui)[KIM]["expired"] is True
    assert (people(orgtui)[LEE]["delivery"], people(orgtui)[LEE]["delivery_note"]) == ("failed", "no such mailbox")


def test_list_as_csv_is_safe_in_a_spreadsheet(orgtui: Run) -> None:
    joined(orgtui, name='=HYPERLINK("http://evil.example")')
    rows = list(csv.DictReader(io.StringIO(orgtui("team", "list", "--csv").out)))
    assert list(rows[0]) == list(people(orgtui)[GRACE])
    assert [row["name"] for row in rows] == ['\'=HYPERLINK("http://evil.example")', "ada"]
    assert [row["status"] for row in rows] == ["active", "active"]
    invited(orgtui, "=1+1@navy.example")
    assert "'=1+1@navy.example,admin,invited" in orgtui("team", "list", "--csv").out


def test_csv_and_json_at_once_are_refused(orgtui: Run) -> None:
    refused = orgtui("team", "list", "--csv", "--json")
    assert (refused.code, json.loads(refused.line)["title"]) == (2, "invalid")


@pytest.fixture
def hostile(orgtui: Run, tmp_path: Path) -> Path:
    """Hostile people, whom somebody else wrote into the database, past everything that would clean them."""
    path = tmp_path / "acme.db"
    names = [payload.encode("utf-8", "replace").decode() for payload in PAYLOADS.values()]
    with closing(sqlite3.connect(path)) as connection, connection:
        (org,) = connection.execute("SELECT id FROM organizations").fetchone()
        for index, name in enumerate(names):
            key, email = str(index), f"{index}{name}"
            connection.execute(
                "INSERT INTO members (org_id, id, email, email_key, name, role, joined_at, version) "
                "VALUES (?, ?, ?, ?, ?, 'admin', 0, 1)",
                (org, key, email, key, name),
            )
            connection.execute(
                "INSERT INTO invitations (org_id, id, email, email_key, role, code_hash, invited_by, sent_at,"
                " expires_at, sends, delivery, delivery_note) VALUES (?, ?, ?, ?, 'admin', ?, ?, 0, 1 << 52, 1,"
                " 'failed', ?)",
                (org, f"i{key}", email, f"i{key}", key, name, name),
            )
    return path


def test_hostile_people_cannot_speak_to_the_terminal(hostile: Path, store: str) -> None:
    for words in (
        ["team", "list"],
        ["team", "list", "--csv"],
        ["team", "transfer", "0"],
        ["team", "revoke", "i3"],
        ["team", "role", "4", "owner"],
        ["team", "remove", "0", "--yes"],
        ["team", "remove", "i1", "--yes"],
        ["audit", "list"],
        ["audit", "list", "--csv"],
    ):
        with Terminal([str(ORGTUI), "--store", store, *words], size=(200, 50)) as terminal:
            terminal.wait(20)
            assert foreign(bytes(terminal.raw)) == [], words
            assert b"orgtui" not in terminal.raw[:1]
            assert len(terminal.raw) > 20


def test_hostile_people_are_whole_in_json_and_yet_no_order_to_a_terminal(hostile: Path, orgtui: Run) -> None:
    told = orgtui("team", "list", "--json")
    assert set(DANGEROUS.findall(told.out)) == {"\n"}
    names = {member["id"]: member["name"] for member in told.json["members"]}
    for index, payload in enumerate(PAYLOADS.values()):
        assert names[str(index)] == payload.encode("utf-8", "replace").decode()


# Invitations.


def test_every_address_has_a_verdict_and_the_first_refusal_is_the_exit_code(orgtui: Run) -> None:
    joined(orgtui)
    done = orgtui("team", "invite", KIM, "Lee <lee@navy.example>, nobody", GRACE, KIM, "<<>", "--json")
    assert (done.code, done.err) == (2, "")
    kim, lee, nobody, grace, again, unread = done.json
    assert list(kim) == [
        "email",
        "invited",
        "error",
        "role",
        "delivery",
        "delivery_note",
        "code",
        "link",
        "expires",
    ]
    assert (kim["email"], kim["invited"], kim["error"], kim["role"]) == (KIM, True, None, "admin")
    assert (kim["delivery"], kim["link"]) == ("unsent", None)
    assert CODE.fullmatch(kim["code"])
    assert (lee["email"], lee["invited"]) == (LEE, True)
    assert nobody["error"] == {
        "type": "orgtui:invalid",
        "title": "invalid",
        "status": 422,
        "detail": "“nobody” is not an e-mail address: it has no @, as in ada@acme.example.",
        "field": "email",
    }
    assert [entry["error"]["title"] for entry in (nobody, grace, again, unread)] == [
        "invalid",
        "already_there",
        "already_there",
        "invalid",
    ]
    assert {entry[name] for entry in (nobody, grace) for name in ("code", "delivery", "expires")} == {None}
    assert set(people(orgtui)) == {OWNER, GRACE, KIM, LEE}


@pytest.mark.parametrize(
    ("addresses", "code"),
    [((KIM,), 0), ((KIM, "nobody"), 2), ((KIM, OWNER, "nobody"), 5), (("nobody", OWNER), 2)],
)
def test_exit_codes_of_invitations(orgtui: Run, addresses: tuple[str, ...], code: int) -> None:
    assert orgtui("team", "invite", *addresses).code == code
    assert orgtui("team", "invite", *addresses, "--json").code in (code, 5)


def test_invitations_for_people_to_hand_over(orgtui: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = orgtui("team", "invite", KIM, OWNER, LEE)
    assert done.code == 5
    assert done.err == f"orgtui: {OWNER} is a member already.\n"
    first, until, command, second, *_ = done.out.splitlines()
    assert (first, second) == (f"{KIM} is invited; no mail is set up.", f"{LEE} is invited; no mail is set up.")
    assert UNTIL.match(until)
    assert re.fullmatch(rf"    orgtui{STORE} join orgtui_inv_\w{{43}}", command)
    monkeypatch.setenv("ORGTUI_PUBLIC_URL", "https://acme.example/o")
    _, _, link, command = orgtui("team", "resend", KIM).out.splitlines()
    (code,) = CODE.findall(command)
    assert link == f"    https://acme.example/o/join/{code}"


def test_addresses_come_from_standard_input_as_they_are_pasted(orgtui: Run) -> None:
    pasted = f"{KIM}; {LEE}\nnobody \xff\nMax <max@navy.example>\n".encode("latin-1")
    done = orgtui("team", "invite", GRACE, "--stdin", "--role", "owner", "--json", stdin=pasted)
    entries = {entry["email"]: entry["role"] for entry in done.json if entry["invited"]}
    assert entries == dict.fromkeys((GRACE, KIM, LEE, "max@navy.example"), "owner")
    assert (done.code, len(done.json)) == (2, 5 + 1)


@pytest.mark.parametrize("words", [[], ["--stdin"], [" "]])
def test_nobody_to_invite_is_wrong_usage(orgtui: Run, words: list[str]) -> None:
    unchanged(orgtui, "team", "invite", *words, code=2, said="Say whom to invite")


def test_an_admin_invites_no_owner(orgtui: Run) -> None:
    joined(orgtui)
    unchanged(orgtui, "--as", GRACE, "team", "invite", KIM, "--role", "owner", code=3, said=f"{KIM}: Only an owner")


def test_an_address_cannot_speak_to_the_terminal(orgtui: Run) -> None:
    for payload in PAYLOADS.values():
        word = f"{payload}@x.example".replace("\0", "").replace(" ", "")
        done = orgtui("team", "invite", "--", word)
        assert set(DANGEROUS.findall(done.out + done.err)) <= {"\n"}


# By mail.


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Has the environment name a mail server."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def name(server: Server) -> None:
        monkeypatch.setenv("ORGTUI_SMTP_URL", f"smtp://127.0.0.1:{server.port}?security=none")
        monkeypatch.setenv("ORGTUI_SMTP_FROM", "orgtui@acme.example")
        monkeypatch.setenv("ORGTUI_PUBLIC_URL", "https://acme.example")

    return name


def test_what_was_mailed_shows_no_code(orgtui: Run, posted: Callable[[Server], None]) -> None:
    with serving() as server:
        posted(server)
        plain = orgtui("team", "invite", KIM)
        (entry,) = invited(orgtui, LEE)
        again = orgtui("team", "resend", KIM)
    assert [taken.rcpt_tos for taken in server.inbox.taken] == [[KIM], [LEE], [KIM]]
    assert (plain.code, plain.err, CODE.search(plain.out + again.out)) == (0, "", None)
    assert plain.out.startswith(f"{KIM} is invited by mail; the invitation is valid until 30 Nov 2026, 12:0")
    assert (entry["delivery"], entry["code"], entry["link"]) == ("sent", None, None)
    assert people(orgtui)[KIM]["delivery"] == "sent"
    assert orgtui("team", "list").out.splitlines()[-1].endswith("sent now")


def test_what_was_not_delivered_can_be_handed_over(orgtui: Run, posted: Callable[[Server], None]) -> None:
    with serving(Inbox(RCPT="550 no such mailbox")) as server:
        posted(server)
        (entry,) = invited(orgtui, KIM)
        told = orgtui("team", "invite", LEE)
    assert (entry["invited"], entry["delivery"], entry["error"]) == (True, "failed", None)
    assert "550 no such mailbox" in entry["delivery_note"]
    assert entry["link"] == f"https://acme.example/join/{entry['code']}"
    assert told.code == 0
    assert told.out.startswith(f"{LEE} is invited, but the mail was not delivered. The mail server 127.0.0.1:")
    assert len(CODE.findall(told.out)) == 2
    assert orgtui("join", entry["code"], "--name", "Kim").code == 0


def test_mail_settings_that_cannot_be_used_are_told_before_anybody_is_invited(
    orgtui: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "password").chmod(0o644)
    monkeypatch.setenv("ORGTUI_SMTP_URL", "smtp://ada@mail.acme.example")
    monkeypatch.setenv("ORGTUI_SMTP_FROM", "orgtui@acme.example")
    monkeypatch.setenv("ORGTUI_SMTP_PASSWORD_FILE", str(tmp_path / "password"))
    unchanged(orgtui, "team", "invite", KIM, code=2, said="is open to other users (mode 0644)")


# Resend, revoke.


def test_a_resent_invitation_has_a_new_code_and_the_old_one_is_worthless(orgtui: Run) -> None:
    (first,) = invited(orgtui, KIM)
    second = orgtui("team", "resend", KIM.upper(), "--json").json
    assert list(second) == list(first)
    assert (second["email"], second["invited"], second["code"] != first["code"]) == (KIM, True, True)
    unchanged(orgtui, "join", first["code"], "--name", "Kim", code=4, said="This invitation is not valid")
    assert orgtui("join", second["code"], "--name", "Kim").code == 0


def test_a_revoked_invitation_is_gone(orgtui: Run) -> None:
    (entry, _) = invited(orgtui, KIM, LEE)
    assert orgtui("team", "revoke", KIM, "--json").json["email"] == KIM
    unchanged(orgtui, "join", entry["code"], "--name", "Kim", code=4, said="This invitation is not valid")
    told = orgtui("team", "revoke", people(orgtui)[LEE]["id"])
    assert told.out == f"The invitation of {LEE} is revoked: its code is worthless.\n"
    assert set(people(orgtui)) == {OWNER}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resend", "nobody@x.example"], "There is nobody called “nobody@x.example” here"),
        (["revoke", "\x1b[2J"], "There is nobody called “\ufffd[2J” here"),
        (["resend", OWNER], f"ada ({OWNER}) is a member already; there is no invitation any more."),
        (["revoke", OWNER], "is a member already"),
        (["role", "nobody", "admin"], "There is nobody called “nobody” here"),
        (["role", KIM, "owner"], f"{KIM} is invited, and no member yet. To withdraw the invitation: orgtui team rev"),
        (["transfer", KIM], "is invited, and no member yet"),
        (["transfer", "nobody", "--confirm", "nobody"], "There is nobody called “nobody” here"),
        (["remove", KIM, "--yes"], f"orgtui team revoke {KIM}"),
        (["remove", "", "--yes"], "There is nobody called “” here"),
    ],
)
def test_who_is_not_there_or_not_as_that_is_not_found(orgtui: Run, words: list[str], said: str) -> None:
    invited(orgtui, KIM)
    unchanged(orgtui, "team", *words, code=4, said=said)


# Joining.


def test_a_code_lets_its_holder_in_once_whoever_acts(orgtui: Run) -> None:
    (entry,) = invited(orgtui, GRACE)
    done = orgtui("--as", "stranger@x.example", "join", entry["code"], "--name", "Grace Hopper")
    assert (done.code, done.err) == (0, "")
    welcome, then = done.out.splitlines()[:2]
    assert welcome == "Welcome, Grace Hopper: you are an admin now."
    if served.WAY is None:
        assert re.fullmatch(rf"Open the organization: orgtui --store \S+ --as {GRACE}", then)
    assert people(orgtui)[GRACE]["name"] == "Grace Hopper"
    unchanged(orgtui, "join", entry["code"], "--name", "Mallory", code=4, said="This invitation is not valid")


@pytest.fixture
def far(orgtui: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Its commands come to a server, and keep tokens in a place of their own."""
    street = served.Street()
    with served.listening(street) as url, monkeypatch.context() as patched:
        patched.setattr(served, "WAY", served.Way(url, street))
        patched.setattr(tokens, "data_path", lambda: tmp_path / "data")
        yield orgtui


def test_who_joins_through_a_server_comes_in_with_a_token_from_then_on(far: Run, tmp_path: Path) -> None:
    (entry,) = invited(far, GRACE)
    done = far("join", entry["code"], "--name", "Grace Hopper")
    assert (done.code, done.err) == (0, "")
    welcome, then = done.out.splitlines()
    assert welcome == "Welcome, Grace Hopper: you are an admin now."
    assert re.fullmatch(r"Open the organization: orgtui --store http://127\.0\.0\.1:\d+/\d+", then)
    (kept,) = (tmp_path / "data" / "tokens").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().startswith("orgtui_pat_")
    (made,) = far("access", "list", "--json").json["tokens"]
    assert (made["name"], made["maker"], made["kind"]) == ("Invitation", GRACE, "person")


def test_an_invitation_is_not_spent_where_no_token_can_be_kept(far: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = invited(far, GRACE)
    with monkeypatch.context() as patched:
        patched.setattr(tokens, "data_path", lambda: Path("/proc/nowhere"))
        unchanged(far, "join", entry["code"], "--name", "Grace", code=1, said="cannot be kept in /proc/nowhere")
    assert far("join", entry["code"], "--name", "Grace").code == 0


def test_nobody_who_is_known_there_joins_as_somebody_else(far: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = invited(far, GRACE)
    monkeypatch.setattr(tokens, "read", lambda _: Secret("orgtui_pat_ada"))
    unchanged(far, "join", entry["code"], "--name", "Grace", code=2, said="orgtui logout http://")


def test_a_code_comes_from_standard_input_where_nobody_sees_it(orgtui: Run) -> None:
    (entry,) = invited(orgtui, GRACE, "--role", "owner")
    done = orgtui("join", "--stdin", "--name", "Grace", "--json", stdin=f"  {entry['code']}\n".encode())
    assert (done.json["email"], done.json["role"], done.json["status"]) == (GRACE, "owner", "active")
    assert "not what --stdin reads" in " ".join(orgtui("join", "--help").out.split())


def test_what_is_wrong_with_joining_is_said_and_the_code_is_not(orgtui: Run) -> None:
    (entry,) = invited(orgtui, GRACE)
    code = entry["code"]
    for words, exit_code, said in (
        (["join", code], 2, "Say who you are: --name NAME."),
        (["join", code, "--name", ""], 2, "Name cannot be empty"),
        (["join", code, "--name", "Ada\u202e"], 2, "hidden characters"),
        (["join", code, "--name", "x" * 61], 2, "at most 60"),
        (["join", code[:-1], "--name", "Grace"], 4, "not valid"),
        (["join", code, "--stdin", "--name", "Grace"], 2, "not allowed with"),
        (["join", "--name", "Grace"], 2, "CODE"),
    ):
        unchanged(orgtui, *words, code=exit_code, said=said)
        assert code[:-1] not in orgtui(*words).err
    assert orgtui("join", "--stdin", "--name", "Grace", stdin=b"\xff\xfe").code == 4
    assert orgtui("join", "--stdin", stdin=code.encode()).code == 2


# Roles and ownership.


def test_a_role_is_given_and_taken(orgtui: Run) -> None:
    member = joined(orgtui)
    assert orgtui("team", "role", GRACE, "owner").out == f"Grace ({GRACE}) is an owner now.\n"
    assert orgtui("team", "role", member["id"], "admin", "--json").json == people(orgtui)[GRACE]
    assert people(orgtui)[GRACE]["role"] == "admin"
    unchanged(orgtui, "team", "role", GRACE, "king", code=2, said="invalid choice: 'king'")
    unchanged(orgtui, "--as", GRACE, "team", "role", OWNER, "admin", code=3, said="Only an owner can")
    unchanged(orgtui, "team", "role", OWNER, "admin", code=5, said="is the only owner")


def test_a_transfer_tells_first_and_needs_the_address_again(orgtui: Run) -> None:
    joined(orgtui)
    before = log(orgtui)
    told = orgtui("team", "transfer", GRACE)
    assert (told.code, told.out.splitlines()) == (
        0,
        [
            f"Transferring ownership makes Grace ({GRACE}) an owner, and ada ({OWNER}) an admin:",
            "without billing, danger zone and ownership. Only an owner can give it back.",
            f"Nothing was changed. To do it: orgtui team transfer {GRACE} --confirm {GRACE}",
        ],
    )
    assert orgtui("team", "transfer", GRACE, "--json").json["transferred"] is False
    assert log(orgtui) == before
    unchanged(orgtui, "team", "transfer", GRACE, "--confirm", "grace", code=2, said=f"Type {GRACE}")
    unchanged(orgtui, "team", "transfer", OWNER, code=2, said="to somebody else than oneself")
    unchanged(orgtui, "team", "transfer", OWNER, "--confirm", OWNER, code=2, said="to somebody else than oneself")
    unchanged(orgtui, "--as", GRACE, "team", "transfer", OWNER, code=3, said="Only an owner can transfer")
    done = orgtui("team", "transfer", GRACE, "--confirm", GRACE.upper(), "--json").json
    assert (done["transferred"], done["member"]["role"]) == (True, "owner")
    assert {email: member["role"] for email, member in people(orgtui).items()} == {GRACE: "owner", OWNER: "admin"}
    back = orgtui("team", "transfer", OWNER, "--confirm", OWNER)
    assert back.out == f"ada ({OWNER}) is an owner now, and Grace ({GRACE}) is an admin.\n"


# Going.


def test_nobody_is_removed_unasked(orgtui: Run) -> None:
    joined(orgtui)
    for words in (["remove", GRACE], ["leave"]):
        unchanged(orgtui, "--as", GRACE, "team", *words, code=2, said="There is no terminal to ask on; add --yes")
    assert GRACE in people(orgtui)


def test_a_member_is_removed_with_the_invitations_they_sent(orgtui: Run) -> None:
    joined(orgtui)
    invited(lambda *words: orgtui("--as", GRACE, *words), KIM, LEE)
    unchanged(orgtui, "--as", GRACE, "team", "remove", OWNER, "--yes", code=3, said="Only an owner can")
    done = orgtui("team", "remove", GRACE, "--yes", "--json").json
    assert (done["member"]["email"], done["cancelled_invitations"]) == (GRACE, 2)
    assert set(people(orgtui)) == {OWNER}
    joined(orgtui)
    assert orgtui("team", "remove", GRACE, "--yes").out == f"Grace ({GRACE}) is no longer a member.\n"


def test_one_leaves_but_never_the_last_owner(orgtui: Run) -> None:
    joined(orgtui)
    invited(lambda *words: orgtui("--as", GRACE, *words), KIM)
    unchanged(orgtui, "team", "leave", "--yes", code=5, said="is the only owner")
    done = orgtui("--as", GRACE, "team", "leave", "--yes")
    assert done.out == f"Grace ({GRACE}) is no longer a member. 1 invitation cancelled.\n"
    assert orgtui("--as", GRACE, "team", "leave", "--yes").code == 3


# On a terminal.


def answered(store: str, words: list[str], question: str, *keys: str) -> tuple[int, str]:
    """The exit code and what stands on the terminal after a question was answered."""
    with Terminal([str(ORGTUI), "--store", store, *words], size=(200, 24)) as terminal:
        terminal.until(question)
        terminal.send(*keys)
        code, _ = terminal.wait()
        return code, terminal.text


def test_on_a_terminal_a_removal_is_asked_about(orgtui: Run, store: str) -> None:
    joined(orgtui)
    invited(lambda *words: orgtui("--as", GRACE, *words), KIM)
    question = f"Remove Grace ({GRACE})? They lose access at once, and 1 invitation sent from there is cancelled. [y/N]"
    for keys in (("enter",), ("n", "enter"), ("yess", "enter"), ("ctrl+d",)):
        code, told = answered(store, ["team", "remove", GRACE], question, *keys)
        assert (code, "orgtui: Nothing was changed." in told) == (1, True)
    assert answered(store, ["team", "remove", GRACE], question, "ctrl+c")[0] == 130
    assert GRACE in people(orgtui)
    code, told = answered(store, ["team", "remove", GRACE], question, "Y", "enter")
    assert (code, f"Grace ({GRACE}) is no longer a member." in told) == (0, True)
    assert set(people(orgtui)) == {OWNER}


def test_on_a_terminal_leaving_and_joining_ask(orgtui: Run, store: str) -> None:
    joined(orgtui)
    question = f"Leave the organization as Grace ({GRACE})? You lose access at once. [y/N]"
    assert answered(store, ["--as", GRACE, "team", "leave"], question, "yes", "enter")[0] == 0
    (entry,) = invited(orgtui, GRACE)
    code, told = answered(store, ["join", entry["code"]], "Your name:", "Grace Ö.", "enter")
    assert (code, "Welcome, Grace Ö.: you are an admin now." in told) == (0, True)
