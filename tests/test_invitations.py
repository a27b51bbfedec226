"""Invitations on their way: committed, mailed, noted; and what stands when one of the three goes wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope

from orgtui.domain.errors import NotFound, Unreachable
from orgtui.domain.roles import Role
from orgtui.invitations import Sent, send
from orgtui.mail import Mailer
from orgtui.settings import Arrival
from orgtui.store.contract import Store
from orgtui.store.contract.general import GeneralChanges
from orgtui.store.contract.team import Delivery, Invitation, Member, NewInvitation
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store
from tests.conftest import OWNER, Clock, Opener, copy_of_acme
from tests.test_mail import Inbox, Server, hang_up, listening, serving

GRACE = "grace@navy.example"
URL = "https://orgtui.acme.example"
CODE = re.compile(r"orgtui_inv_\w{43}")
ORGTUI = str(Path(sys.executable).with_name("orgtui"))
SERVER = Arrival(URL)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """aiosmtpd logs every failure that is made on purpose here."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)


async def invited(store: Store, email: str = GRACE, role: Role = Role.ADMIN) -> Invitation:
    return await store.team.invite(NewInvitation(email=email, role=role))


async def known(store: Store, email: str = GRACE) -> Member:
    return next(member for member in (await store.team.show()).members if member.email == email)


def sending(
    store: Store, mailer: Mailer | None, clock: Clock, *, email: str = GRACE, arrival: Arrival = SERVER
) -> Sent:
    """One invitation, committed and then sent."""

    async def go() -> Sent:
        return await send(store, mailer, await invited(store, email), arrival=arrival, ambient=clock.ambient())

    return asyncio.run(go())


def body(envelope: Envelope) -> str:
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def operations(store: Store) -> list[str]:
    return [entry.operation for entry in asyncio.run(store.audit.entries()).entries]


# By mail.


def test_the_mail_brings_a_code_that_works_and_the_store_knows_that_it_went(store: SqlStore, clock: Clock) -> None:
    asyncio.run(store.store.general.save(GeneralChanges(seen=1, name="Acme Café")))
    with serving() as server:
        sent = sending(store.store, server.mailer(), clock)
    (envelope,) = server.inbox.taken
    assert envelope.rcpt_tos == [GRACE]
    text = body(envelope)
    assert text.startswith("ada invites you to join Acme Café as an admin.")
    assert f"{URL}/join/{sent.code.reveal()}" in text
    assert "until Monday, 30 November 2026, 12:00 (UTC)" in text
    noted = asyncio.run(known(store.store))
    assert (sent.delivery, noted.delivery, noted.delivery_note) == (Delivery.SENT, Delivery.SENT, "")
    assert operations(store.store)[:2] == ["team.delivered", "team.invite"]
    assert asyncio.run(store.store.team.join(CODE.findall(text)[0], "Grace")).email == GRACE


def test_each_code_of_an_invitation_has_a_message_of_its_own(store: SqlStore, clock: Clock) -> None:
    async def again() -> None:
        invitation = await store.store.team.resend((await known(store.store)).id)
        await send(store.store, server.mailer(), invitation, arrival=Arrival(), ambient=clock.ambient())

    with serving() as server:
        sending(store.store, server.mailer(), clock)
        asyncio.run(again())
    ids = {re.search(rb"(?i)^message-id: (.+)\r$", taken.content or b"", re.M)[1] for taken in server.inbox.taken}  # type: ignore[index,arg-type]
    assert len(ids) == 2


def test_the_mail_tells_the_time_of_the_organization(tmp_path: Path, templates: Path, clock: Clock) -> None:
    copy_of_acme(templates, tmp_path / "berlin.db", clock, "Europe/Berlin")
    opened = open_sql_store(SqliteDatabase(tmp_path / "berlin.db"), None, clock.ambient())
    with serving() as server:
        sending(opened.store, server.mailer(), clock)
    opened.close()
    assert "30 November 2026, 13:00 (Europe/Berlin, UTC+01:00)" in body(server.inbox.taken[0])


# By hand.


def test_without_a_mailer_it_is_handed_over_and_nothing_more_is_written(store: SqlStore, clock: Clock) -> None:
    sent = sending(store.store, None, clock)
    code = sent.code.reveal()
    assert sent.link is not None
    assert (sent.link.reveal(), sent.command.reveal()) == (f"{URL}/join/{code}", f"orgtui join {code}")
    assert (sent.delivery, asyncio.run(known(store.store)).delivery) == (Delivery.UNSENT, Delivery.UNSENT)
    assert operations(store.store) == ["team.invite", "organization.found"]
    assert sending(store.store, None, clock, email="kim@navy.example", arrival=Arrival()).link is None
    assert asyncio.run(store.store.team.join(code, "Grace")).email == GRACE


# What goes wrong.


def test_a_refusal_is_an_outcome_with_its_reason_and_the_code_still_works(store: SqlStore, clock: Clock) -> None:
    with serving(Inbox(RCPT="550 5.1.1 no such mailbox \x1b[2J")) as server:
        sent = sending(store.store, server.mailer(), clock)
    noted = asyncio.run(known(store.store))
    assert (sent.delivery, noted.delivery) == (Delivery.FAILED, Delivery.FAILED)
    assert sent.member.delivery_note == noted.delivery_note
    assert "refused the recipient grace@navy.example: 550 5.1.1 no such mailbox" in noted.delivery_note
    assert "\x1b" not in noted.delivery_note
    assert asyncio.run(store.store.team.join(sent.code.reveal(), "Grace")).email == GRACE


def test_an_address_that_mail_cannot_carry_is_not_delivered(store: SqlStore, clock: Clock) -> None:
    with serving() as server:
        sent = sending(store.store, server.mailer(), clock, email="=?utf-8?q?x?=@acme.example")
    assert (sent.delivery, server.inbox.taken) == (Delivery.FAILED, [])
    assert sent.member.delivery_note.endswith("is an e-mail address that mail cannot carry.")


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_dies_half_way_is_recovered_from_by_sending_again(
    store: SqlStore, clock: Clock, command: str
) -> None:
    with serving(Inbox(**{command: hang_up})) as server:
        first = sending(store.store, server.mailer(), clock)
    assert (first.delivery, server.inbox.taken) == (Delivery.FAILED, [])
    assert "broke off" in asyncio.run(known(store.store)).delivery_note

    async def again() -> Sent:
        invitation = await store.store.team.resend((await known(store.store)).id)
        return await send(store.store, server.mailer(), invitation, arrival=Arrival(), ambient=clock.ambient())

    with serving() as server:
        second = asyncio.run(again())
    noted = asyncio.run(known(store.store))
    assert (second.delivery, noted.delivery, noted.delivery_note) == (Delivery.SENT, Delivery.SENT, "")
    with pytest.raises(NotFound):
        asyncio.run(store.store.team.join(first.code.reveal(), "Mallory"))
    assert asyncio.run(store.store.team.join(second.code.reveal(), "Grace")).email == GRACE


def meanwhile(work: Callable[[str], object]) -> Inbox:
    """A server that does *work* with a mail's code, in another thread, before it says that it has the mail."""

    class Busy(Inbox):
        async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:  # noqa: N802
            await asyncio.to_thread(work, CODE.findall(body(envelope))[0])
            self.taken.append(envelope)
            return "250 OK"

    return Busy()


def test_accepted_before_the_mail_server_has_answered(store: SqlStore, opener: Opener, clock: Clock) -> None:
    other = opener().store
    with serving(meanwhile(lambda code: asyncio.run(other.team.join(code, "Grace")))) as server:
        sent = sending(store.store, server.mailer(), clock)
    assert sent.delivery is Delivery.SENT
    assert asyncio.run(known(store.store)).name == "Grace"


def test_what_became_of_an_older_mail_says_nothing_of_the_newer(store: SqlStore, opener: Opener, clock: Clock) -> None:
    other = opener().store

    def resent(_code: str) -> None:
        async def go() -> None:
            await other.team.resend((await known(other)).id)

        asyncio.run(go())

    with serving(meanwhile(resent)) as server:
        sent = sending(store.store, server.mailer(), clock)
    assert sent.delivery is Delivery.SENT
    assert asyncio.run(known(store.store)).delivery is Delivery.UNSENT


def test_while_the_network_is_waited_for_others_write_and_the_loop_goes_on(
    acme: SqliteDatabase, store: SqlStore, clock: Clock
) -> None:
    other = open_sql_store(SqliteDatabase(acme.path, patience=0.2), None, clock.ambient())
    ticks = 0

    def work(_code: str) -> None:
        asyncio.run(other.store.general.save(GeneralChanges(seen=1, description="Meanwhile")))
        # Long enough to see whether anybody else comes to run.
        time.sleep(0.3)

    async def go() -> None:
        nonlocal ticks
        invitation = await invited(store.store)
        mail = asyncio.ensure_future(
            send(store.store, server.mailer(), invitation, arrival=Arrival(), ambient=clock.ambient())
        )
        while not mail.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert (await mail).delivery is Delivery.SENT

    with serving(meanwhile(work)) as server:
        asyncio.run(go())
    other.close()
    assert ticks > 10
    assert asyncio.run(store.store.general.show()).description == "Meanwhile"


def test_what_the_store_refuses_is_raised(store: SqlStore, acme: SqliteDatabase, clock: Clock) -> None:
    """The mail is out, and the note of it cannot be kept: nobody is told that all is well."""
    busy = open_sql_store(SqliteDatabase(acme.path, patience=0.2), None, clock.ambient())
    holder = SqliteDatabase(acme.path)
    with serving() as server:

        async def go() -> None:
            invitation = await invited(busy.store)
            with holder.writing():
                await send(busy.store, server.mailer(), invitation, arrival=Arrival(), ambient=clock.ambient())

        with pytest.raises(Unreachable):
            asyncio.run(go())
    holder.close()
    busy.close()
    assert len(server.inbox.taken) == 1
    assert asyncio.run(known(store.store)).delivery is Delivery.UNSENT


# Killed.


@contextmanager
def waiting_server() -> Iterator[tuple[int, threading.Event]]:
    """A port that takes a connection, says so, and never answers."""
    connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connected.set()
                connection.settimeout(20)
                try:
                    while connection.recv(4096):
                        pass
                except OSError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        yield listener.getsockname()[1], connected
        thread.join(25)


def smtp(port: int) -> dict[str, str]:
    """The environment that names a mail server."""
    url = f"smtp://127.0.0.1:{port}?security=none"
    return {"ORGTUI_SMTP_URL": url, "ORGTUI_SMTP_FROM": "orgtui@acme.example"}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_ends_between_commit_and_sending_leaves_an_invitation_to_send_again(
    acme: SqliteDatabase, clock: Clock, end: signal.Signals
) -> None:
    acme.close()
    words = [ORGTUI, "--store", f"sqlite:///{acme.path}", "team"]
    with waiting_server() as (port, connected):
        environment = os.environ | smtp(port)
        running = subprocess.Popen(
            [*words, "invite", GRACE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert connected.wait(20)
        running.send_signal(end)
        # Well before the mail server would be given up.
        out, said = running.communicate(timeout=10)
        assert (running.returncode, out, said) == (-end if end is signal.SIGKILL else 130, b"", b"")
    opened = open_sql_store(acme, OWNER, clock.ambient())
    left = asyncio.run(known(opened.store))
    assert (left.delivery, left.sends) == (Delivery.UNSENT, 1)
    with serving() as server:
        done = subprocess.run([*words, "resend", GRACE], env=os.environ | smtp(server.port), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
    assert asyncio.run(known(opened.store)).delivery is Delivery.SENT
    code = CODE.findall(body(server.inbox.taken[0]))[0]
    assert code not in done.stdout.decode()
    assert asyncio.run(opened.store.team.join(code, "Grace")).email == GRACE
    opened.close()


# Codes are secrets.


def test_a_code_stands_in_no_log_no_repr_and_no_file(
    acme: SqliteDatabase, store: SqlStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def go(server: Server) -> Sent:
        asyncio.get_running_loop().set_debug(True)
        invitation = await invited(store.store)
        assert invitation.code not in repr(invitation)
        return await send(store.store, server.mailer(), invitation, arrival=Arrival(URL), ambient=clock.ambient())

    with caplog.at_level(logging.DEBUG):
        for inbox in (Inbox(), Inbox(RCPT="550 no")):
            with serving(inbox) as server:
                sent = asyncio.run(go(server))
            code = sent.code.reveal()
            assert code not in repr(sent)
            assert code not in caplog.text
            for file in acme.path.parent.rglob("*"):
                assert file.is_dir() or code.encode() not in file.read_bytes()
            asyncio.run(store.store.team.revoke(sent.member.id))


def test_a_mail_server_that_says_nothing_is_given_up(store: SqlStore, clock: Clock) -> None:
    with listening(None) as port:
        mailer = Mailer(host="127.0.0.1", port=port, sender="orgtui@acme.example", security="none", timeout=0.3)
        sent = sending(store.store, mailer, clock)
    assert (sent.delivery, "did not answer" in sent.member.delivery_note) == (Delivery.FAILED, True)
