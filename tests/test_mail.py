"""Invitations by mail: what arrives and is read, and every way in which a server does not take it; over real SMTP."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.provisional import domains

from orgtui import composition
from orgtui.domain.errors import ERRORS, Invalid, OrgtuiError, Undelivered
from orgtui.domain.text import DANGEROUS, clean
from orgtui.mail import Mailer, invitation_message, password_in
from orgtui.secret import Secret
from orgtui.settings import Arrival, load

CODE = "orgtui_inv_7F3kPq0Zb1xYc2wVd3uTe4sRf5qPg6oNh7mLi8kJj9h"
LINK = f"https://orgtui.acme.example/join/{CODE}"
SENDER = "invitations@acme.example"
ADA = "ada@acme.example"
GRACE = "grace@navy.example"
# Seconds; long enough for this machine on a bad day, short enough to wait for.
SHORT = 0.5
PASSWORD = "pässwort-c4n4ry/7"
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]


# A mail server.

Answer = str | bytes | Callable[[SMTP], Awaitable[str]]


class Inbox:
    """A handler that keeps what it takes; `answers` says what it answers instead, by command."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.taken: list[Envelope] = []

    async def answered(self, word: str, server: SMTP, otherwise: str = "250 OK") -> str | bytes:
        answer = self.answers.get(word, otherwise)
        return answer if isinstance(answer, str | bytes) else await answer(server)

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's names, here and below)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str | bytes:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self.answered("MAIL", server)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str | bytes:
        envelope.rcpt_tos.append(address)
        return await self.answered("RCPT", server)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str | bytes:  # noqa: N802
        answer = await self.answered("DATA", server)
        if answer[:1] in ("2", b"2"):
            self.taken.append(envelope)
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str | bytes:  # noqa: N802
        return await self.answered("QUIT", server, "221 Bye")


class Recorded(SMTP):
    """aiosmtpd, which also keeps every byte that it was sent and whether that came encrypted."""

    def __init__(self, seen: list[tuple[bool, bytes]], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, hostname="mx.acme.example", **options)
        self._seen = seen

    def data_received(self, data: bytes) -> None:
        encrypted = self.transport is not None and self.transport.get_extra_info("ssl_object") is not None
        self._seen.append((encrypted, data))
        super().data_received(data)


@dataclass
class Server:
    """A server on loopback and what it has seen."""

    port: int
    inbox: Inbox = field(repr=False)
    seen: list[tuple[bool, bytes]] = field(repr=False)

    def lines(self, *, encrypted: bool) -> list[str]:
        """The lines that came in the clear, or through TLS."""
        return b"".join(data for secret, data in self.seen if secret is encrypted).decode().splitlines()

    def mailer(self, **changes: Any) -> Mailer:
        """A mailer for this server, over loopback in the clear unless *changes* say otherwise."""
        told = {"host": "127.0.0.1", "port": self.port, "security": "none", "sender": SENDER, "timeout": 5.0}
        return Mailer(**(told | changes))


@contextmanager
def serving(inbox: Inbox | None = None, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[Server]:
    """aiosmtpd in a thread, on a port of its own; `tls` is for TLS from the first byte."""
    inbox, seen = inbox or Inbox(), list[tuple[bool, bytes]]()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def serve() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        # What clients break off is what these tests are about.
        loop.set_exception_handler(lambda loop, context: None)
        listening = await loop.create_server(
            lambda: Recorded(seen, inbox, loop=loop, **options), "127.0.0.1", 0, ssl=tls
        )
        started.set_result((loop, over, listening.sockets[0].getsockname()[1]))
        await over.wait()
        listening.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    loop, over, port = started.result(10)
    try:
        yield Server(port, inbox, seen)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        assert not thread.is_alive()


async def hang_up(server: SMTP) -> str:
    """The server's end, at once."""
    assert server.transport is not None
    server.transport.abort()
    raise ConnectionResetError


async def say_nothing(server: SMTP) -> str:
    """A server that is there and does not answer."""
    await asyncio.sleep(60)
    return "250 too late"


@contextmanager
def listening(greet: bytes | None) -> Iterator[int]:
    """A port that takes one connection and says *greet* (None: nothing), then waits for the other side to go."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                if greet:
                    connection.sendall(greet)
                try:
                    while connection.recv(4096):
                        pass
                except OSError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """aiosmtpd logs every failure that is made on purpose here."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)


# Certificates.


def certified(directory: Path, *hosts: str) -> Path:
    """A self-signed certificate of *hosts*, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "orgtui tests")])
    names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "certificate.pem"
    path.write_bytes(signed.public_bytes(pem) + plain)
    return path


def offering(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the servers here."""
    return certified(tmp_path_factory.mktemp("certificate"), "localhost", "127.0.0.1")


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """TLS with that certificate."""
    return offering(certificate)


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is trusted, as an admin says it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


# Reading.


class Page(HTMLParser):
    """What of a page is seen, and what it is made of."""

    BLOCKS = {"p", "pre", "div", "body"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.names: list[str] = []
        self.title = ""
        self._inside: list[str] = []
        self._text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links.extend(value for name, value in attrs if name in ("href", "src"))
        if tag != "meta":
            self._inside.append(tag)
        if tag == "bdi":
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag
        if tag in self.BLOCKS:
            self._text += "\n"

    def handle_data(self, data: str) -> None:
        if "bdi" in self._inside:
            self.names[-1] += data
        if "title" in self._inside:
            self.title += data
        elif {"p", "pre"} & set(self._inside):
            self._text += data

    @property
    def lines(self) -> list[str]:
        """The paragraphs, top to bottom."""
        return [line for line in self._text.split("\n") if line]


@dataclass
class Read:
    """A message as a person's mail program has it."""

    raw: bytes
    message: EmailMessage
    text: str
    html: str

    @property
    def page(self) -> Page:
        """The formatted part."""
        return Page(self.html)


def read(envelope: Envelope) -> Read:
    """The message that arrived, taken apart by the standard library."""
    raw = envelope.original_content
    assert isinstance(raw, bytes)
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "multipart/alternative"
    plain, formatted = message.iter_parts()
    assert (plain.get_content_type(), formatted.get_content_type()) == ("text/plain", "text/html")
    assert not any(part.defects for part in message.walk())
    return Read(raw, message, plain.get_content().replace("\r\n", "\n"), formatted.get_content())


def header_names(raw: bytes) -> list[str]:
    """The names of the headers on the wire, without any library's opinion."""
    head = raw.split(b"\r\n\r\n", 1)[0].decode("utf-8")
    assert "\n" not in head.replace("\r\n", "")
    assert "\r" not in head.replace("\r\n", "")
    return [line.split(":", 1)[0] for line in head.split("\r\n") if line[0] not in " \t"]


def invitation(**changes: Any) -> EmailMessage:
    """Ada's invitation for Grace, with *changes*."""
    told = {
        "organization": "Acme",
        "inviter": "Ada Lovelace",
        "to": GRACE,
        "role": "admin",
        "command": f"orgtui join {CODE}",
        "link": LINK,
        "expires": datetime(2026, 11, 30, 12, tzinfo=UTC),
        "timezone": "Europe/Berlin",
        "sender": SENDER,
        "unique": bytes(range(16)),
        "date": datetime(2026, 11, 23, 12, tzinfo=UTC),
    }
    return invitation_message(**(told | changes))


def refused(mailer: Mailer, message: EmailMessage | None = None) -> str:
    """What the failure says, which keeps nothing of how it came about."""
    with pytest.raises(Undelivered) as caught:
        mailer.send(message or invitation())
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    assert not DANGEROUS.search(error.message)
    assert "\n" not in error.message
    assert error.details == {"temporary": error.temporary}
    return error.message


# What arrives.


@pytest.mark.parametrize(
    ("role", "title", "means"),
    [
        (
            "admin",
            "an admin",
            "Admins can manage workspaces, members, workflows and settings. "
            "They cannot delete the organization or transfer ownership.",
        ),
        (
            "owner",
            "an owner",
            "Owners have full access to everything, including billing, the danger zone and ownership transfer.",
        ),
    ],
)
def test_a_person_reads_who_where_as_what_how_and_until_when(role: str, title: str, means: str) -> None:
    with serving() as server:
        server.mailer().send(invitation(role=role))
    (envelope,) = server.inbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [GRACE])
    got = read(envelope)
    assert got.message["Subject"] == "Invitation to join Acme"
    assert got.text == (
        f"Ada Lovelace invites you to join Acme as {title}.\n"
        "\n"
        f"{means}\n"
        "\n"
        "Accept the invitation:\n"
        "\n"
        f"{LINK}\n"
        "\n"
        "Or accept in a terminal:\n"
        "\n"
        f'    orgtui join {CODE} --name "Your name"\n'
        "\n"
        "The invitation is valid until Monday, 30 November 2026, 13:00 (Europe/Berlin, UTC+01:00). It works once.\n"
        "\n"
        "If you did not expect this, ignore it: nothing happens unless you accept.\n"
    )
    assert got.page.lines == [
        f"Ada Lovelace invites you to join Acme as {title}.",
        means,
        "Accept the invitation",
        f"The button leads to {LINK}",
        "Or accept in a terminal:",
        f'orgtui join {CODE} --name "Your name"',
        "The invitation is valid until Monday, 30 November 2026, 13:00 (Europe/Berlin, UTC+01:00). It works once.",
        "If you did not expect this, ignore it: nothing happens unless you accept.",
    ]
    assert (got.page.links, got.page.title) == ([LINK], "Invitation to join Acme")


def test_without_a_public_url_the_command_is_the_way_and_no_link_is_there() -> None:
    with serving() as server:
        server.mailer().send(invitation(link=None))
    got = read(server.inbox.taken[0])
    for part in (got.text, got.html):
        assert "http" not in part
        assert "Accept in a terminal, with orgtui:" in part
    assert f'\n    orgtui join {CODE} --name "Your name"\n' in got.text
    assert not got.page.links
    assert "a" not in got.page.tags


def test_the_page_brings_nothing_with_it_and_leaves_the_readers_colours() -> None:
    with serving() as server:
        server.mailer().send(invitation())
    html = read(server.inbox.taken[0]).html
    page = Page(html)
    assert page.tags == {"html", "head", "meta", "title", "body", "div", "p", "strong", "bdi", "a", "pre"}
    assert page.attributes == {"lang", "charset", "name", "content", "style", "href"}
    assert "url(" not in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    # Text that sets no colour is dark on light and light on dark; the button sets both of its own.
    assert re.findall(r"(?:background-)?color: #\w+", html) == ["background-color: #1d4ed8", "color: #ffffff"]


def test_the_headers_are_those_of_an_automatic_message_of_its_own() -> None:
    with serving() as server:
        server.mailer().send(invitation(date=datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC), unique=b"\x01\xff" * 8))
    got = read(server.inbox.taken[0])
    assert sorted(header_names(got.raw)) == sorted(HEADERS)
    assert (got.message["From"], got.message["To"]) == (SENDER, GRACE)
    assert got.message["Auto-Submitted"] == "auto-generated"
    assert got.message["Message-ID"] == f"<{'01ff' * 8}@acme.example>"
    assert got.message["Date"] == "Mon, 23 Nov 2026 12:34:56 +0000"


def test_the_same_invitation_is_the_same_message_to_the_byte() -> None:
    assert invitation().as_bytes() == invitation().as_bytes()
    assert invitation(unique=b"another").as_bytes() != invitation().as_bytes()


@pytest.mark.parametrize(
    ("expires", "timezone", "said"),
    [
        (
            datetime(2026, 7, 1, 22, 59, 59, tzinfo=UTC),
            "Europe/Berlin",
            "until Thursday, 2 July 2026, 00:59 (Europe",
        ),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "Europe/Berlin", "14:00 (Europe/Berlin, UTC+02:00)."),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin", "02:30 (Europe/Berlin, UTC+01:00)."),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Berlin", "02:30 (Europe/Berlin, UTC+02:00)."),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "Asia/Kolkata", "17:30 (Asia/Kolkata, UTC+05:30)."),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "America/St_Johns", "09:30 (America/St_Johns, UTC-02:30)."),
        (datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC), "UTC", "Wednesday, 1 July 2026, 12:00 (UTC)."),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "Mars/Olympus", "Wednesday, 1 July 2026, 12:00 (UTC)."),
    ],
)
def test_the_time_is_one_moment_and_names_its_zone(expires: datetime, timezone: str, said: str) -> None:
    body = invitation(expires=expires, timezone=timezone).get_body(("plain",))
    assert body is not None
    assert said in body.get_content()


def test_names_in_every_script_arrive_as_they_are() -> None:
    organization, inviter = "漢 字 Ärzte & Söhne 株式会社 " * 3, "نادية <x> “Ada” 👩‍👩‍👧‍👦"
    with serving() as server:
        server.mailer().send(invitation(organization=organization, inviter=inviter))
    got = read(server.inbox.taken[0])
    assert got.message["Subject"] == f"Invitation to join {organization.strip()}"
    assert got.text.startswith(f"{inviter} invites you to join {organization.strip()} as an admin.\n")
    assert got.page.names == [inviter, organization.strip()]
    # RFC 2047: no encoded word is longer than 75 characters, no line with one longer than 76; RFC 5322: nor any other.
    assert max(map(len, got.raw.split(b"\r\n"))) <= 78


def test_a_role_there_is_not_is_refused() -> None:
    with pytest.raises(Invalid, match="“root” is not a role") as caught:
        invitation(role="root")
    assert caught.value.field == "role"


# Hostile names.

PIECES = st.sampled_from(
    (
        "\r\n",
        "\n",
        "\r",
        "\r\nBcc: evil@x.example\r\n",
        "\r\n\r\n<script>alert(1)</script>",
        "\r\n.\r\nMAIL FROM:<evil@x.example>\r\n",
        "\n.\n",
        "=?utf-8?q?=0D=0ABcc:_evil=40x.example?=",
        "=?utf-8?b?DQpCY2M6IGV2aWxAeC5leGFtcGxl?=",
        "=?",
        "?=",
        "<img src=https://x.example/p.gif onerror=alert(1)>",
        "</bdi></title></p><a href='https://x.example'>",
        '" style="display:none',
        "{code}",
        "{0}",
        "%s",
        "&lt;b&gt;",
        "\x1b]8;;https://x.example\x1b\\",
        "\x1b[2J",
        "\x00",
        "\x85",
        "\u2028",
        "\u202e",
        "\u2066",
        "\u200b",
        "\ufeff",
        "\ud800",
        "e" + "\u0301" * 40,
        "Acme, Inc.; “Söhne”",
        "漢 字 漢 字 漢 字 漢 字 漢 字 漢 字",
        "x" * 90,
        " " * 90,
        ", evil@x.example",
        "<evil@x.example>",
        ".",
        "--=_000102030405060708090a0b0c0d0e0f--",
    )
)
NAMES = st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join)


@pytest.fixture(scope="module")
def anyones() -> Iterator[Server]:
    """A server that takes everything."""
    with serving(enable_SMTPUTF8=True) as server:
        yield server


@settings(deadline=None)
@given(organization=NAMES, inviter=NAMES)
@example(organization="=?utf-8?q?=0D=0ABcc:_evil=40x.example?=", inviter="Ada")
@example(organization="Acme\r\nBcc: evil@x.example", inviter="Ada\r\nBcc: evil@x.example")
@example(organization="x" * 90, inviter="Ada")
def test_a_hostile_name_is_a_name_and_nothing_else(anyones: Server, organization: str, inviter: str) -> None:
    anyones.inbox.taken.clear()
    anyones.mailer().send(invitation(organization=organization, inviter=inviter))
    (envelope,) = anyones.inbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [GRACE])
    got = read(envelope)
    assert sorted(header_names(got.raw)) == sorted(HEADERS)
    assert sorted(got.message.keys()) == sorted(HEADERS)
    assert (got.message["From"], got.message["To"]) == (SENDER, GRACE)
    assert max(map(len, got.raw.split(b"\r\n"))) <= 120
    shown = [shortened(inviter), shortened(organization)]
    assert got.message["Subject"] == f"Invitation to join {shown[1]}"
    assert got.text.split("\n")[0] == f"{shown[0]} invites you to join {shown[1]} as an admin."
    assert got.page.names == shown
    assert got.page.title == f"Invitation to join {shown[1]}"
    if shown[1].isascii() and "=?" not in shown[1]:
        # What every filter and every terminal reads.
        assert b"=?" not in got.raw.split(b"\r\n\r\n")[0]
    assert got.page.links == [LINK]
    assert got.page.attributes == {"lang", "charset", "name", "content", "style", "href"}
    for line in [*got.text.split("\n"), *got.page.lines]:
        assert not DANGEROUS.search(line)


def shortened(name: str) -> str:
    """A name as it is shown: one clean line, not longer than a hundred characters."""
    name = clean(" ".join(name.split()))
    return name if len(name) <= 100 else f"{name[:99]}…"


@settings(deadline=None)
@given(prefix=PIECES, suffix=PIECES)
@pytest.mark.parametrize("field", ["to", "sender"])
def test_an_address_is_one_address_or_refused(anyones: Server, field: str, prefix: str, suffix: str) -> None:
    for address in (f"{prefix}{ADA}", f"{ADA}{suffix}", f"ada{prefix}@acme.example", f"{prefix}{ADA}{suffix}"):
        try:
            message = invitation(**{field: address})
        except Invalid:
            continue
        anyones.inbox.taken.clear()
        anyones.mailer().send(message)
        (envelope,) = anyones.inbox.taken
        got = read(envelope)
        assert sorted(header_names(got.raw)) == sorted(HEADERS)
        assert (envelope.mail_from, envelope.rcpt_tos) == (got.message["From"], [got.message["To"]])
        if address.isascii():
            # A domain beyond ASCII is written in its ASCII form; nothing else becomes another address.
            assert got.message[{"to": "To", "sender": "From"}[field]].casefold() == address.casefold()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "grace",
        "@navy.example",
        "grace@navy.example\r\nBcc: evil@x.example",
        "grace@navy.example, evil@x.example",
        "Grace <grace@navy.example>",
        '"grace\\r\\n"@navy.example',
        "grace@[127.0.0.1]",
        "gra\x1bce@navy.example",
        "gra\u202ece@navy.example",
        # Reads as evil@x.example@navy.example or worse, once a mail program has decoded it.
        "=?utf-8?q?evil=40x.example?=@navy.example",
    ],
)
@pytest.mark.parametrize("field", ["to", "sender"])
def test_what_is_no_plain_address_is_refused(field: str, address: str) -> None:
    with pytest.raises(Invalid) as caught:
        invitation(**{field: address})
    assert caught.value.field == {"to": "email", "sender": "smtp_from"}[field]
    assert not DANGEROUS.search(caught.value.message)


@settings(deadline=None)
@given(
    local=st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,31})?", fullmatch=True),
    domain=domains(),
)
def test_every_address_goes_out_as_it_is_however_long(anyones: Server, local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        message = invitation(to=address, sender=address)
    except Invalid:
        return
    anyones.inbox.taken.clear()
    anyones.mailer().send(message)
    (envelope,) = anyones.inbox.taken
    got = read(envelope)
    sent = got.message["To"]
    assert sent.casefold() == address.casefold()
    assert (envelope.rcpt_tos, envelope.mail_from, got.message["From"]) == ([sent], sent, sent)
    assert got.message["Message-ID"].endswith(f"@{sent.rpartition('@')[2]}>")


def test_a_domain_beyond_ascii_goes_in_its_ascii_form_to_any_server() -> None:
    with serving() as server:
        server.mailer().send(invitation(to="grace@bücher.example", sender="einladung@bücher.example"))
    (envelope,) = server.inbox.taken
    domain = "xn--bcher-kva.example"
    assert (envelope.mail_from, envelope.rcpt_tos) == (f"einladung@{domain}", [f"grace@{domain}"])
    assert read(envelope).message["Message-ID"].endswith("@xn--bcher-kva.example>")


def test_a_name_beyond_ascii_in_an_address_goes_where_the_server_takes_it_and_is_refused_elsewhere() -> None:
    message = invitation(to="jürgen@acme.example")
    assert "\r\nTo: jürgen@acme.example\r\n" in message.as_bytes().decode()
    with serving(enable_SMTPUTF8=True) as server:
        server.mailer().send(message)
    (envelope,) = server.inbox.taken
    assert envelope.rcpt_tos == ["jürgen@acme.example"]
    assert read(envelope).message["To"] == "jürgen@acme.example"
    with serving() as server:
        said = refused(server.mailer(), message)
    assert said == f"The mail server 127.0.0.1:{server.port} takes no address with letters beyond ASCII."
    assert not server.inbox.taken


# Encryption and login.


def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Ada may, with her password."""
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data == LoginPassword(ADA.encode(), PASSWORD.encode()), handled=False)


LOGIN = {"username": ADA, "password": Secret(PASSWORD)}


@pytest.mark.usefixtures("trusted")
def test_the_message_goes_through_tls_and_a_login(tls: ssl.SSLContext) -> None:
    with serving(tls_context=tls, require_starttls=True, authenticator=check, auth_required=True) as server:
        server.mailer(security="starttls", host="localhost", **LOGIN).send(invitation())
    assert len(server.inbox.taken) == 1
    assert server.lines(encrypted=False) == ["ehlo [127.0.0.1]", "STARTTLS"]
    assert server.lines(encrypted=True)[:2] == ["ehlo [127.0.0.1]", f"AUTH PLAIN {plain(ADA, PASSWORD)}"]


@pytest.mark.usefixtures("trusted")
def test_tls_from_the_first_byte(tls: ssl.SSLContext) -> None:
    with serving(tls=tls, authenticator=check, auth_require_tls=False) as server:
        server.mailer(security="tls", **LOGIN).send(invitation())
    assert len(server.inbox.taken) == 1
    assert server.lines(encrypted=False) == []
    assert server.lines(encrypted=True)[1] == f"AUTH PLAIN {plain(ADA, PASSWORD)}"


@pytest.mark.usefixtures("trusted")
def test_a_server_that_knows_only_login_is_told_in_two_steps(tls: ssl.SSLContext) -> None:
    with serving(tls_context=tls, authenticator=check, auth_required=True, auth_exclude_mechanism=["PLAIN"]) as server:
        server.mailer(security="starttls", **LOGIN).send(invitation())
    assert len(server.inbox.taken) == 1
    assert server.lines(encrypted=True)[1:4] == ["AUTH LOGIN", encoded(ADA), encoded(PASSWORD)]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("excluded", [["LOGIN"], ["PLAIN"]])
def test_a_wrong_password_is_a_login_refused(tls: ssl.SSLContext, excluded: list[str]) -> None:
    wrong = {"username": ADA, "password": Secret("wrong")}
    with serving(tls_context=tls, authenticator=check, auth_required=True, auth_exclude_mechanism=excluded) as server:
        said = refused(server.mailer(security="starttls", **wrong))
    place = f"127.0.0.1:{server.port}"
    assert said == (f"The mail server {place} refused the login of {ADA}: 535 5.7.8 Authentication credentials invalid")
    assert not server.inbox.taken
    # One attempt: another might lock the account.
    assert sum(line.startswith("AUTH") for line in server.lines(encrypted=True)) == 1


def test_a_hostile_user_name_is_shown_cleaned() -> None:
    with serving(authenticator=check, auth_require_tls=False) as server:
        said = refused(server.mailer(username="ada\x1b[2J\u202e", password=Secret(PASSWORD)))
    assert "refused the login of ada\ufffd[2J\ufffd: 535 " in said


class NoLogin(Inbox):
    """A server that offers LOGIN and wants none."""

    async def auth_LOGIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        return AuthResult(success=False, handled=False, message="504 5.5.4 not today")


@pytest.mark.usefixtures("trusted")
def test_who_refuses_a_login_before_the_password_is_not_told_it(tls: ssl.SSLContext) -> None:
    with serving(NoLogin(), tls_context=tls, auth_exclude_mechanism=["PLAIN"]) as server:
        said = refused(server.mailer(security="starttls", **LOGIN))
    assert said.endswith(f"refused the login of {ADA}: 504 5.5.4 not today")
    assert server.lines(encrypted=True) == ["ehlo [127.0.0.1]", "AUTH LOGIN", "quit"]


@pytest.mark.usefixtures("trusted")
def test_a_server_without_a_login_is_not_told_the_password(tls: ssl.SSLContext) -> None:
    with serving(tls_context=tls, auth_exclude_mechanism=["PLAIN", "LOGIN"]) as server:
        said = refused(server.mailer(security="starttls", **LOGIN))
    assert said == f"The mail server 127.0.0.1:{server.port} offers no login with a password (PLAIN or LOGIN)."
    assert server.lines(encrypted=True) == ["ehlo [127.0.0.1]", "quit"]


@pytest.mark.parametrize("login", [{}, LOGIN])
def test_a_server_without_starttls_learns_nothing(login: dict[str, Any]) -> None:
    with serving(authenticator=check, auth_require_tls=False) as server:
        said = refused(server.mailer(security="starttls", **login))
    assert said == (f"The mail server 127.0.0.1:{server.port} offers no encryption (STARTTLS); nothing was sent.")
    assert server.lines(encrypted=False) == ["ehlo [127.0.0.1]", "quit"]


def test_a_server_that_refuses_starttls_learns_nothing(tls: ssl.SSLContext) -> None:
    greeting = b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n454 4.7.0 TLS not available\r\n221 Bye\r\n"
    with listening(greeting) as port:
        said = refused(Mailer(host="127.0.0.1", port=port, sender=SENDER, timeout=5.0, **LOGIN))
    assert "454 4.7.0 TLS not available" in said


def test_words_slipped_in_before_tls_count_for_nothing(tls: ssl.SSLContext, certificate: Path) -> None:
    """What somebody between puts behind the answer to STARTTLS is not taken for what the server says inside."""
    greeting = b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go ahead\r\n250-mx\r\n250 AUTH PLAIN\r\n235 welcome\r\n"
    with listening(greeting) as port:
        said = refused(Mailer(host="127.0.0.1", port=port, sender=SENDER, timeout=SHORT, **LOGIN))
    assert "did not answer" in said or "TLS with the mail server" in said


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext, security: str) -> None:
    options = {"tls": tls} if security == "tls" else {"tls_context": tls}
    with serving(authenticator=check, **options) as server:
        said = refused(server.mailer(security=security, **LOGIN))
    place = f"127.0.0.1:{server.port}"
    assert said == f"The certificate of the mail server {place} is not trusted: self-signed certificate."
    assert server.lines(encrypted=True) == []


def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = certified(tmp_path, "mail.acme.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with serving(tls_context=offering(other)) as server:
        said = refused(server.mailer(security="starttls", host="localhost", **LOGIN))
    place = f"localhost:{server.port}"
    assert said == (
        f"The certificate of the mail server {place} is not trusted: "
        "Hostname mismatch, certificate is not valid for 'localhost'."
    )
    assert server.lines(encrypted=True) == []


def test_tls_where_there_is_none_says_that_the_port_may_be_wrong() -> None:
    with serving() as server:
        said = refused(server.mailer(security="tls", **LOGIN))
    assert re.fullmatch(
        rf"TLS with the mail server 127\.0\.0\.1:{server.port} failed \([a-z ]+\); is the port right\?", said
    )


def test_only_to_this_machine_mail_may_go_as_it_is() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"):
        Mailer(host=host, port=25, sender=SENDER, security="none")
    for host in ("mail.acme.example", "127.0.0.1.acme.example", "10.0.0.1", "localhost.acme.example", "::2", ""):
        with pytest.raises(Invalid, match="must be encrypted"):
            Mailer(host=host, port=25, sender=SENDER, security="none")


# The password.


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def plain(username: str, password: str) -> str:
    return encoded(f"\0{username}\0{password}")


def told(error: BaseException) -> str:
    """All that a crash could print, locals included, without those of this module."""
    stack = traceback.TracebackException.from_exception(error, capture_locals=True)
    while stack.stack and stack.stack[0].filename == __file__:
        stack.stack.pop(0)
    return "".join(stack.format()) + repr(error) + repr(vars(error)) + repr(error.__context__) + repr(error.__cause__)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("excluded", [["LOGIN"], ["PLAIN"]])
@pytest.mark.parametrize("form", [PASSWORD, encoded(PASSWORD), plain(ADA, PASSWORD)])
def test_a_server_that_repeats_the_password_is_not_repeated(
    tls: ssl.SSLContext, excluded: list[str], form: str
) -> None:
    def repeat(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=False, handled=False, message=f"535 no, “{form}” is wrong")

    with serving(
        tls_context=tls, authenticator=repeat, auth_required=True, auth_exclude_mechanism=excluded, enable_SMTPUTF8=True
    ) as server:
        mailer = server.mailer(security="starttls", **LOGIN)
        with pytest.raises(Undelivered) as caught:
            mailer.send(invitation())
    said = caught.value.message
    assert said.endswith(f"refused the login of {ADA}: 535 (its answer holds the password and is not shown)")
    for secret in (PASSWORD, encoded(PASSWORD), plain(ADA, PASSWORD)):
        assert secret not in told(caught.value)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("excluded", [["LOGIN"], ["PLAIN"]])
@pytest.mark.parametrize(
    ("command", "end"),
    [("AUTH", hang_up), ("AUTH", say_nothing), ("MAIL", hang_up), ("RCPT", hang_up), ("DATA", hang_up)],
)
def test_no_failure_holds_the_password(
    tls: ssl.SSLContext, excluded: list[str], command: str, end: Callable[[SMTP], Awaitable[str]]
) -> None:
    class Ending(Inbox):
        async def auth_PLAIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
            if command == "AUTH":
                await end(server)
            return AuthResult(success=True)

        async def auth_LOGIN(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
            await server.challenge_auth("User")
            await server.challenge_auth("Password")
            return await self.auth_PLAIN(server, args)

    inbox = Ending(**{command: end})
    with serving(inbox, tls_context=tls, auth_exclude_mechanism=excluded) as server:
        mailer = server.mailer(security="starttls", timeout=SHORT, **LOGIN)
        with pytest.raises(Undelivered) as caught:
            mailer.send(invitation())
    seen = server.lines(encrypted=True)
    assert any(encoded(PASSWORD) in line or plain(ADA, PASSWORD) in line for line in seen)
    for secret in (PASSWORD, encoded(PASSWORD), plain(ADA, PASSWORD)):
        assert secret not in told(caught.value)
        assert secret not in repr(mailer)


# Refusals.

HOSTILE = "550 5.1.1 \x1b]0;owned\x07\x1b[2Jno \u202euser\x9b31m " + "x" * 400


def test_a_recipient_refused_is_named_with_the_servers_words_cleaned_and_cut() -> None:
    with serving(Inbox(RCPT=HOSTILE.encode())) as server:
        said = refused(server.mailer())
    before = f"The mail server 127.0.0.1:{server.port} refused the recipient {GRACE}: 550 5.1.1 "
    assert said.startswith(f"{before}\ufffd]0;owned\ufffd[2Jno \ufffduser\ufffd31m xxx")
    assert said.endswith("x…")
    assert len(said) - len(before) <= 120
    assert not server.inbox.taken


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"MAIL": "550 5.7.1 who are you"}, f"refused the sender {SENDER}: 550 5.7.1 who are you"),
        (
            {"RCPT": "550-5.1.1 no\r\n550 5.1.1 user"},
            f"refused the recipient {GRACE}: 550 5.1.1 no 5.1.1 user",
        ),
        ({"RCPT": "550"}, f"refused the recipient {GRACE}: 550"),
        ({"DATA": "554 5.6.0 spam"}, "refused the message: 554 5.6.0 spam"),
        ({"DATA": b"554 5.6.0 \xff\xfe"}, "refused the message: 554 5.6.0 \ufffd"),
    ],
)
def test_a_refusal_says_what_was_refused(answers: dict[str, Answer], said: str) -> None:
    with serving(Inbox(**answers)) as server, pytest.raises(Undelivered) as caught:
        server.mailer().send(invitation())
    assert caught.value.message == f"The mail server 127.0.0.1:{server.port} {said}"
    assert not caught.value.temporary
    assert not server.inbox.taken


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"RCPT": "451 4.7.1 Greylisted, come back in 5 minutes"}, f"the recipient {GRACE}"),
        ({"MAIL": "451 4.7.1 Greylisted, come back in 5 minutes"}, f"the sender {SENDER}"),
        ({"DATA": "451 4.7.1 Greylisted, come back in 5 minutes"}, "the message"),
    ],
)
def test_greylisting_says_to_try_again(answers: dict[str, Answer], what: str) -> None:
    with serving(Inbox(**answers)) as server, pytest.raises(Undelivered) as caught:
        server.mailer().send(invitation())
    assert caught.value.message == (
        f"The mail server 127.0.0.1:{server.port} refused for now, try again later, {what}: "
        "451 4.7.1 Greylisted, come back in 5 minutes"
    )
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"554 5.7.1 no mail from you\r\n", "refused the connection: 554 5.7.1 no mail from you"),
        (b"421 4.3.2 busy\r\n", "refused for now, try again later, the connection: 421 4.3.2 busy"),
    ],
)
def test_a_server_that_does_not_want_to_talk_is_quoted(greeting: bytes, said: str) -> None:
    with listening(greeting) as port:
        assert refused(Mailer(host="127.0.0.1", port=port, sender=SENDER, timeout=5.0)) == (
            f"The mail server 127.0.0.1:{port} {said}"
        )


def test_what_is_no_mail_server_is_called_so() -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert refused(Mailer(host="127.0.0.1", port=port, sender=SENDER, timeout=5.0)) == (
            f"What answers at 127.0.0.1:{port} is no mail server."
        )


@pytest.mark.parametrize(("command", "field"), [("RCPT", "to"), ("MAIL", "sender")])
def test_an_address_that_climbs_is_shown_flat(command: str, field: str) -> None:
    with serving(Inbox(**{command: "550 no"}), enable_SMTPUTF8=True) as server:
        said = refused(server.mailer(), invitation(**{field: "e" + "\u0301" * 40 + "@acme.example"}))
    assert "é" in said
    assert said.count("\u0301") <= 4


# Servers that go.


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_connection_lost_half_way_is_no_delivery(command: str) -> None:
    with serving(Inbox(**{command: hang_up})) as server, pytest.raises(Undelivered) as caught:
        server.mailer().send(invitation())
    assert caught.value.message == (
        f"The connection to the mail server 127.0.0.1:{server.port} broke off before it took the message."
    )
    assert caught.value.temporary
    assert not server.inbox.taken


async def malformed(server: SMTP) -> str:
    return "500 what?"


@pytest.mark.parametrize("answer", [hang_up, malformed, say_nothing])
def test_a_goodbye_that_fails_makes_no_message_undelivered(answer: Answer) -> None:
    """The server has it: who is told otherwise sends it twice."""
    with serving(Inbox(QUIT=answer)) as server:
        server.mailer(timeout=SHORT).send(invitation())
    assert len(server.inbox.taken) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_server_that_falls_silent_is_not_waited_for(command: str) -> None:
    with serving(Inbox(**{command: say_nothing})) as server, pytest.raises(Undelivered) as caught:
        server.mailer(timeout=SHORT).send(invitation())
    assert caught.value.message == (f"The mail server 127.0.0.1:{server.port} did not answer (nothing for 0.5 s).")
    assert caught.value.temporary


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_says_nothing_at_all_did_not_answer(security: Any) -> None:
    with listening(None) as port:
        mailer = Mailer(host="127.0.0.1", port=port, sender=SENDER, security=security, timeout=SHORT)
        assert refused(mailer) == f"The mail server 127.0.0.1:{port} did not answer (nothing for 0.5 s)."


def test_nobody_there_did_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    mailer = Mailer(host="127.0.0.1", port=port, sender=SENDER, security="none")
    assert refused(mailer) == f"The mail server 127.0.0.1:{port} did not answer (connection refused)."
    mailer = Mailer(host="::1", port=port, sender=SENDER, security="none")
    assert refused(mailer).startswith(f"The mail server [::1]:{port} did not answer (")


def test_a_host_nobody_knows_did_not_answer() -> None:
    mailer = Mailer(host="mail.invalid", port=587, sender=SENDER)
    assert refused(mailer) == "The mail server mail.invalid:587 did not answer (unknown host)."


def test_undelivered_is_an_error_of_the_contract() -> None:
    assert ERRORS["undelivered"] is Undelivered
    assert (Undelivered.status, Undelivered.exit_code) == (502, 1)
    again: OrgtuiError = ERRORS["undelivered"]("said", **Undelivered("said", temporary=True).details)
    assert isinstance(again, Undelivered)
    assert again.temporary


# From settings to the inbox.


@pytest.mark.usefixtures("trusted")
def test_settings_make_a_mailer_that_delivers(tls: ssl.SSLContext, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    config = tmp_path / "config.toml"
    with serving(tls_context=tls, authenticator=check, auth_required=True) as server:
        config.write_text(
            f'smtp_url = "smtp://ada%40acme.example@localhost:{server.port}"\nsmtp_password_file = "{secret}"\n'
            'public_url = "https://orgtui.acme.example/"\n'
        )
        found = load(environ={}, config=config)
        mailer = composition.mailer(found)
        assert mailer is not None
        link = found.arrival.link(CODE)
        mailer.send(invitation(sender=mailer.sender, link=link))
        url = f"smtp://{ADA}:p%C3%A4sswort-c4n4ry%2F7@127.0.0.1:{server.port}"
        by_environment = composition.mailer(load(environ={"ORGTUI_SMTP_URL": url}, config=tmp_path / "none"))
        assert by_environment == replace(mailer, host="127.0.0.1")
        by_environment.send(invitation())
    first, _ = server.inbox.taken
    assert first.mail_from == ADA
    assert LINK in read(first).text
    for said in (repr(found), repr(mailer), str(found), str(mailer)):
        assert PASSWORD not in said


@pytest.mark.parametrize(
    ("url", "security", "port"),
    [
        ("smtp://mail.acme.example", "starttls", 587),
        ("smtps://mail.acme.example", "tls", 465),
        ("smtp://localhost:1025?security=none", "none", 1025),
    ],
)
def test_the_url_says_how_mail_is_encrypted(tmp_path: Path, url: str, security: str, port: int) -> None:
    environ = {"ORGTUI_SMTP_URL": url, "ORGTUI_SMTP_FROM": SENDER}
    mailer = composition.mailer(load(environ=environ, config=tmp_path / "none"))
    assert mailer is not None
    assert (mailer.security, mailer.port, mailer.sender) == (security, port, SENDER)
    assert (mailer.username, mailer.password) == (None, None)


def test_without_a_server_there_is_no_mailer(tmp_path: Path) -> None:
    assert composition.mailer(load(environ={}, config=tmp_path / "none")) is None
    assert Arrival().link(CODE) is None


@pytest.mark.parametrize(
    ("content", "password"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" hunter 2 \n", " hunter 2 "),
        ("pässwört\n", "pässwört"),
        ("x" * 4095 + "\n", "x" * 4095),
    ],
)
def test_a_password_file_holds_the_password_and_one_newline_at_most(
    tmp_path: Path, content: str, password: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content.encode())
    path.chmod(0o400)
    assert password_in(path) == Secret(password)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hunter2\n\n", b"hunter2\nhunter3", b"a\0b", b"\xff\xfe", b"x" * 4097]
)
def test_a_password_file_that_holds_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Invalid, match=r"must hold the password, in one line of UTF-8, and nothing else\.$") as caught:
        password_in(path)
    assert "hunter" not in told(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o610, 0o644])
def test_a_password_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password file"
    path.write_text("hunter2")
    path.chmod(mode)
    with pytest.raises(Invalid) as caught:
        password_in(path)
    assert caught.value.message == f"{path} is open to other users (mode {mode:04o}); run: chmod 600 '{path}'"
    assert "hunter2" not in told(caught.value)


def test_a_password_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=rf"^The SMTP password file {tmp_path} is not a plain file\.$"):
        password_in(tmp_path)
    with pytest.raises(Invalid, match="cannot be read: No such file or directory"):
        password_in(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Invalid, match="is not a plain file"):
        password_in(tmp_path / "pipe")


def test_mail_is_imported_when_it_is_sent() -> None:
    program = """
import os, sys
os.environ["ORGTUI_SMTP_URL"] = "smtp://ada%40acme.example:hunter2@mail.acme.example"
from orgtui import composition, mail, settings
settings.load(environ=os.environ)
composition.mailer(settings.load(environ=os.environ))
print(*sorted({"smtplib", "email.message", "email_validator", "cryptography"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
