"""Whatever is sent to `orgtui serve`, it stays small, answers others meanwhile, and refuses with the right status."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import MAY_BE_DONE, Unreachable
from orgtui.master_keys import beside
from orgtui.oidc.service import NoSignIn
from orgtui.secret import Secret
from orgtui.server import serve as serving_
from orgtui.server.gate import Limits
from orgtui.sign_in import Provider
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.remote import open_remote_store
from tests.contract.conftest import ADMIN, wait
from tests.server.process import MEGABYTE, Served, received, refused, serve, status
from tests.server.site import BY_ID, Kit, Site, listening, serving

HUGE = 100 * MEGABYTE
GROWTH = 50 * MEGABYTE
PIECE = b"x" * 65536


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("served")) as running:
        running.quick()
        yield running


@pytest.fixture(autouse=True)
def small(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test sent: memory did not grow at any moment, and nobody else waited."""
    if "served" not in request.fixturenames:
        yield
        return
    running: Served = request.getfixturevalue("served")
    before = running.memory()
    yield
    assert running.quick() < 2
    assert running.memory("VmHWM") - before < GROWTH


def pushed(line: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """What is answered to a body that is sent until the other side has had enough."""
    try:
        for piece in pieces:
            line.sendall(piece)
            if select.select([line], [], [], 0)[0]:
                break
    except ConnectionError:
        pass
    return received(line)


def plain() -> Iterator[bytes]:
    for _ in range(HUGE // len(PIECE)):
        yield PIECE


def chunked() -> Iterator[bytes]:
    for piece in plain():
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@pytest.mark.parametrize("token", [True, False], ids=["guest", "stranger"])
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_hundred_megabytes(served: Served, how: str, token: bool) -> None:
    told = {"Content_Length": str(HUGE)} if how == "length" else {"Transfer_Encoding": "chunked"}
    more = {} if token else {"Authorization": ""}
    with served.connect() as line:
        line.sendall(served.head("POST", "/v1/workspaces", Content_Type="application/json", **told, **more))
        answer = pushed(line, plain() if how == "length" else chunked())
    assert status(answer) == 413
    assert b'"too_large"' in answer


def test_many_large_bodies_at_once(served: Served) -> None:
    answers: list[int] = []

    def send() -> None:
        with served.connect() as line:
            line.sendall(served.head("POST", "/v1/workspaces", Transfer_Encoding="chunked"))
            answers.append(status(pushed(line, chunked())))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    slowest = max(served.quick() for _ in range(5))
    for thread in threads:
        thread.join()
    # Of some there is too much already, and of what there is time for each is too large.
    assert set(answers) == {413, 503}
    assert slowest < 2


def test_a_compressed_bomb_is_not_opened(served: Served) -> None:
    bomb = gzip.compress(b"0" * HUGE)
    for encoding in ("gzip", "GZIP", "br", "deflate, gzip", "identity, gzip"):
        with served.connect() as line:
            told = {"Content_Length": str(len(bomb)), "Content_Encoding": encoding, "Connection": "close"}
            line.sendall(served.head("POST", "/v1/workspaces", **told))
            assert status(pushed(line, iter([bomb]))) == 415, encoding


def test_headers_without_end(served: Served) -> None:
    for more in ({"X_Long": "x" * MEGABYTE}, {f"X_{number}": "x" * 1000 for number in range(1000)}):
        with served.connect() as line:
            assert status(pushed(line, iter([served.head(**more)]))) in (400, 431)
    with served.connect() as line:
        assert status(pushed(line, iter([served.head(path="/v1/" + "x" * MEGABYTE)]))) in (400, 414, 431)


GARBAGE = {
    "bytes": bytes(range(256)) * 4,
    "zeros": bytes(1000),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no host": b"GET /v1/overview HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length of words": b"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nContent-Length: two\r\n\r\n{}",
    "a length below zero": b"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
    "a name with a space": b"GET /v1/overview HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
    "a folded chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_what_is_no_request(served: Served, kind: str) -> None:
    with served.connect() as line:
        line.sendall(GARBAGE[kind])
        answer = received(line)
    assert status(answer) in (400, 501), answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_another_version_gets_an_answer_of_ours(served: Served) -> None:
    for request in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\nConnection: close\r\n\r\n"):
        with served.connect() as line:
            line.sendall(request)
            assert status(received(line)) in (400, 404, 505)


def test_a_body_is_not_taken_for_the_next_request(served: Served) -> None:
    """Whichever of two lengths another machine in front goes by, what is behind is never one more request."""
    hidden = served.head()
    for head in ({"Content_Length": "5", "Transfer_Encoding": "chunked"},):
        with served.connect() as line:
            line.sendall(served.head("POST", "/v1/workspaces", **head) + b"0\r\n\r\n" + hidden)
            line.settimeout(2)
            answer = b""
            with suppress(TimeoutError):
                answer = received(line)
        assert b'"organization_id"' not in answer


def test_requests_in_a_row(served: Served) -> None:
    """One connection, several requests before the first answer: each is answered, in order."""
    paths = ["/v1/overview", "/healthz", "/v1/none"]
    last = served.head(path="/v1/revision", Connection="close")
    with served.connect() as line:
        line.sendall(b"".join(served.head(path=path) for path in paths) + last)
        answer = received(line)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404, 200]


def test_deep_nesting_and_odd_words(served: Served) -> None:
    bodies = [
        b"[" * 100_000,
        b'{"name":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\xff\xfe"}',
        b'{"name": "x", "name": "y", "__proto__": {}}',
        b'{"name": ' + b"9" * 100_000 + b"}",
        b'{"name": 1e999999}',
        b'{"name": NaN}',
        b"\xef\xbb\xbf{}",
        b"null",
        b"",
    ]
    for body in bodies:
        with served.connect() as line:
            told = {"Content_Type": "application/json", "Content_Length": str(len(body)), "Connection": "close"}
            line.sendall(served.head("POST", "/v1/workspaces", **told) + body)
            assert status(received(line)) in (400, 422), body[:40]


# Clients that take their time: by a server's own limits in the soak, by short ones otherwise.


def drip(place: Any, data: bytes, pause: float, patience: float) -> tuple[bytes, float]:
    """What a client gets that sends a letter now and then, and after how many seconds it is let go."""
    began = time.monotonic()
    with socket.create_connection(place, timeout=patience) as line:
        try:
            for letter in data:
                line.sendall(bytes([letter]))
                if select.select([line], [], [], pause)[0]:
                    break
        except ConnectionError:
            pass
        return received(line), time.monotonic() - began


def at_once(work: Any, many: int) -> list[Any]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_slow_clients_are_let_go(made: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_, "_HEADERS", 0.6)
    site = Site(made, tmp_path, limits=Limits(arrival=0.6))
    with listening(site.app, http=serving_._Patient, proxy_headers=False) as site.url:
        place = ("127.0.0.1", int(site.url.rpartition(":")[2]))
        begun = site.ask("GET", "/v1/overview", token="owner")
        assert begun.status == 200
        told = f"Host: localhost\r\nAuthorization: Bearer {made.tokens['owner']}\r\nX: {'x' * 100}\r\n"
        head = f"GET /v1/overview HTTP/1.1\r\n{told}".encode()
        for answer, seconds in at_once(lambda: drip(place, head, 0.1, 10), 20):
            assert answer == b""
            assert 0.4 < seconds < 4
        body = head.replace(b"GET /v1/overview", b"POST /v1/workspaces") + b"Content-Length: 1000\r\n\r\n"
        for answer, seconds in at_once(lambda: dripped(place, body, 0.1), 20):
            assert status(answer) == 408
            assert b'"too_slow"' in answer
            assert 0.4 < seconds < 4
        assert site.get("/overview").status == 200
    site.close()


def dripped(place: Any, head: bytes, pause: float) -> tuple[bytes, float]:
    """The same with a body, after headers that came at once."""
    began = time.monotonic()
    with socket.create_connection(place, timeout=40) as line:
        line.sendall(head)
        try:
            while not select.select([line], [], [], pause)[0]:
                line.sendall(b" ")
        except ConnectionError:
            pass
        return received(line), time.monotonic() - began


# What strangers may ask for, which is large; as often as this, no buffer on the way takes it.
UNREAD, OFTEN = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 8


@contextmanager
def deaf(place: Any, many: int) -> Iterator[list[socket.socket]]:
    """Clients that ask, one after the other, and do not read."""
    with ExitStack() as held:
        lines = [held.enter_context(socket.socket()) for _ in range(many)]
        for line in lines:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            line.connect(place)
            line.sendall(UNREAD * OFTEN)
            # Many at once are work as well, and here it is about what comes after.
            time.sleep(0.01)
        # Until each has been told as much as is written to somebody who does not read.
        time.sleep(1)
        yield lines


def test_clients_that_do_not_read_are_let_go(made: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(made, tmp_path)
    with listening(site.app, http=serving_._Patient, proxy_headers=False) as site.url:
        place = ("127.0.0.1", int(site.url.rpartition(":")[2]))
        heard = site.ask("GET", "/openapi.json").body
        assert json.loads(heard)["components"]["securitySchemes"]
        monkeypatch.setattr(serving_, "_UNREAD", 3)
        with deaf(place, 6) as lines:
            # Of too many the first: the others may still read.
            assert [received_whole(line, heard) for line in lines] == [False] * 3 + [True] * 3
        monkeypatch.setattr(serving_, "_TAKING", 0.5)
        with deaf(place, 3) as lines:
            assert [received_whole(line, heard) for line in lines] == [False] * 3
    site.close()


def received_whole(line: socket.socket, answer: bytes) -> bool:
    """Whether all is there that was asked for."""
    line.settimeout(3)
    found = 0
    with suppress(TimeoutError, ConnectionError):
        while found < OFTEN * len(answer) and (part := line.recv(65536)):
            found += len(part)
    return found >= OFTEN * len(answer)


@pytest.mark.soak
def test_hundreds_of_clients_that_do_not_read(served: Served) -> None:
    with deaf(served.place, 900):
        assert max(served.quick() for _ in range(20)) < 2
        time.sleep(serving_._TAKING)
        with served.connect() as line:
            line.sendall(served.head(path="/metrics", Connection="close"))
            assert b"orgtui_requests_running 1.0" in received(line)


@pytest.mark.soak
def test_hundreds_of_slow_clients(served: Served) -> None:
    head = served.head("POST", "/v1/workspaces", Content_Length="100000")
    found: list[Any] = []
    threads = [
        *(threading.Thread(target=lambda: found.append(drip(served.place, head[:-4], 0.5, 40))) for _ in range(200)),
        *(threading.Thread(target=lambda: found.append(dripped(served.place, head, 0.5))) for _ in range(200)),
    ]
    for thread in threads:
        thread.start()
    slowest = max(served.quick() for _ in range(20))
    for thread in threads:
        thread.join()
    assert slowest < 2
    assert {status(answer) for answer, _ in found} == {0, 408}
    assert max(seconds for _, seconds in found) < 20


class SlowDoor(NoSignIn):
    """Does not say in time where people sign in, and then fails for a reason of its own."""

    own = False

    async def provider(self) -> Provider:
        if self.own:
            raise TimeoutError
        await asyncio.sleep(10)
        raise AssertionError


def test_what_took_too_long_may_be_done(
    made: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(made, tmp_path, limits=Limits(answer=0.5))
    with listening(site.app, http=serving_._Patient, proxy_headers=False) as site.url:
        # That the token was used is noted first, or that would be what waits.
        assert site.do(BY_ID["workspaces.create"], {"workspace": NewWorkspace(name="First")}, "owner").status == 200
        with closing(sqlite3.connect(site.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = site.do(BY_ID["workspaces.create"], {"workspace": NewWorkspace(name="Late")}, "owner")
        assert (answer.status, answer.json["detail"]) == (503, f"The store did not answer within 0.5 s. {MAY_BE_DONE}")
        end = time.monotonic() + 5
        while not (there := site.rows("SELECT 1 FROM workspaces WHERE name = 'Late'")) and time.monotonic() < end:
            time.sleep(0.02)
        assert there
        site.door = door = SlowDoor(site.opened.outside, site.opened.platform)
        answer = site.get("/sign-in", None)
        assert (answer.status, answer.json["detail"]) == (503, "The store did not answer within 0.5 s. Try again.")
        door.own = True
        answer = site.get("/sign-in", None)
        assert (answer.status, answer.code) == (500, "fault")
        assert answer.headers["x-request-id"] in answer.json["detail"]
        # One that has begun is cut off, and that is no fault; the one in the log was the door's.
        monkeypatch.setattr(serving_, "_TAKING", 1.0)
        heard = site.ask("GET", "/openapi.json").body
        with deaf(("127.0.0.1", int(site.url.rpartition(":")[2])), 1) as (line,):
            assert not received_whole(line, heard)
        assert "".join(site.log).count('"level": "error"') == 1
        # Nor does anything wait to be told in the middle of it.
        assert "without completing response" in caplog.text
    site.close()


# The program.


soak = pytest.mark.soak


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=soak), pytest.param("192.0.2.1", marks=soak)])
def test_tokens_do_not_go_in_clear(tmp_path: Path, host: str) -> None:
    code, told = refused("serve", "--host", host, "--port", "0", directory=tmp_path)
    assert code == 2
    assert told.count("\n") == 1
    assert "--tls-cert" in told


def test_a_port_that_is_taken(served: Served, tmp_path: Path) -> None:
    port = str(served.place[1])
    code, told = refused("--store", f"sqlite:///{served.path}", "serve", "--port", port, directory=tmp_path)
    assert code == 1
    assert told.count("\n") == 1
    assert port in told
    assert "in use" in told


def test_it_ends_in_order_and_answers_what_it_began(tmp_path: Path) -> None:
    with serve(tmp_path) as running, running.connect() as idle, running.connect() as line:
        running.quick()
        idle.sendall(running.head())
        assert idle.recv(12) == b"HTTP/1.1 200"
        body = b'{"name": "Staging"}'
        head = running.head("POST", "/v1/workspaces", Content_Type="application/json", Content_Length=str(len(body)))
        line.sendall(head + body[:5])
        time.sleep(0.2)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        line.sendall(body[5:])
        assert status(received(line)) == 200
        code, seconds = running.end()
        assert (code, seconds < 8) == (0, True)
        assert '"event": "ended"' in running.lines[-1]


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_never_ends_does_not_keep_it(tmp_path: Path, number: int) -> None:
    with serve(tmp_path) as running, running.connect() as line:
        line.sendall(running.head("POST", "/v1/workspaces", Content_Length="100"))
        time.sleep(0.2)
        code, seconds = running.end(number)
        assert (code, seconds < 14) == (0, True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """For this machine, signed by itself; and its key."""
    directory = tmp_path_factory.mktemp("tls")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme")])
    here = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (directory / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return directory / "cert.pem", directory / "key.pem"


@contextmanager
def clear() -> Iterator[str]:
    """Where a server speaks without TLS."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    with listening(app) as url:
        yield url.removeprefix("http://")


# The old version is asked for on purpose.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls(tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = certificate
    with serve(tmp_path, "--host", "0.0.0.0", "--tls-cert", str(public), "--tls-key", str(private)) as running:
        assert running.url.startswith("https://")
        url = f"https://localhost:{running.place[1]}"
        running.place = "127.0.0.1", running.place[1]
        with monkeypatch.context() as told:
            told.setenv("SSL_CERT_FILE", str(public))
            trusting = open_remote_store(url, Secret(running.token), system_ambient())
        assert wait(trusting.store.general.overview()).name == "Acme"
        trusting.close()
        doubting = open_remote_store(url, Secret(running.token), system_ambient(), patience=2)
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            wait(doubting.store.general.overview())
        doubting.close()
        with clear() as address:
            silent = open_remote_store(f"https://{address}", None, system_ambient(), patience=2)
            with pytest.raises(Unreachable, match="does not speak TLS"):
                wait(silent.store.general.overview())
            silent.close()
        with running.connect() as line:
            line.sendall(running.head())
            assert b"organization" not in received(line)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)), running.connect() as line:
            old.wrap_socket(line)
        assert running.end()[0] == 0


def test_a_key_with_a_pass_phrase_is_refused_and_none_is_asked_for(
    tmp_path: Path, certificate: tuple[Path, Path], served: Served
) -> None:
    locked = tmp_path / "locked.pem"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"phrase")
    )
    locked.write_bytes(pem)
    words = ("serve", "--port", "0", "--tls-cert", str(certificate[0]), "--tls-key", str(locked))
    code, told = refused("--store", f"sqlite:///{served.path}", *words, directory=tmp_path)
    assert (code, told) == (2, "orgtui: The key has a pass phrase; give one without, in a private file.\n")


@pytest.mark.parametrize("wrong", ["broken", pytest.param("no key", marks=soak), pytest.param("not there", marks=soak)])
def test_a_certificate_that_is_none(tmp_path: Path, certificate: tuple[Path, Path], served: Served, wrong: str) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    public, private = certificate
    given = {"broken": (broken, private), "no key": (public, broken), "not there": (tmp_path / "none", private)}[wrong]
    words = ("serve", "--port", "0", "--tls-cert", str(given[0]), "--tls-key", str(given[1]))
    code, told = refused("--store", f"sqlite:///{served.path}", *words, directory=tmp_path)
    assert (code, told.count("\n")) == (2, 1), told


# For whoever keeps it running.


def test_health_readiness_and_figures(site: Site) -> None:
    for method in ("GET", "HEAD"):
        assert (site.ask(method, "/healthz").status, site.ask(method, "/readyz").status) == (200, 200)
    site.get("/overview")
    figures = site.ask("GET", "/metrics").body.decode()
    assert 'orgtui_requests_total{operation="general.overview",status="200"}' in figures
    assert "orgtui_request_seconds_bucket" in figures
    away = site.path.rename(site.path.with_suffix(".away"))
    refused = site.ask("GET", "/readyz")
    assert (site.ask("GET", "/healthz").status, refused.status) == (200, 503)
    # Who may not come in is not told where it lies; who keeps it running is.
    withheld = [
        refused,
        site.get("/general"),
        site.ask("POST", "/v1/sign-in/invitation", b'{"code": "x", "name": "Eve"}'),
        site.ask("GET", "/join/orgtui_inv_x"),
    ]
    assert [answer.status for answer in withheld] == [503] * 4
    assert str(site.path) not in repr(withheld)
    assert str(site.path) in "".join(site.log)
    away.rename(site.path)
    assert site.ask("GET", "/readyz").status == 200
    site.opened.close()
    assert (site.ask("GET", "/healthz").status, site.ask("GET", "/readyz").status) == (200, 503)
    assert site.get("/overview").status == 503


def test_a_server_without_its_key_is_not_ready(made: Kit, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(made.path.parent, home)
    keys = beside(home / made.path.name)
    away = keys.rename(tmp_path / "away")
    with serving(replace(made, path=home / made.path.name), tmp_path) as site:
        assert site.ask("GET", "/readyz").status == 503
        away.rename(keys)
        assert site.ask("GET", "/readyz").status == 200


def test_its_own_fault_is_told_with_the_id_that_the_log_has(site: Site) -> None:
    """Where somebody else has written what no program of ours does."""
    with closing(sqlite3.connect(site.path)) as theirs, theirs:
        theirs.execute("PRAGMA ignore_check_constraints = 1")
        theirs.execute("UPDATE members SET role = 'emperor' WHERE email = ?", (ADMIN,))
    answer = site.get("/members")
    assert (answer.status, answer.code, answer.headers["content-type"]) == (500, "fault", "application/problem+json")
    id = answer.headers["x-request-id"]
    assert answer.json["detail"] == f"The server failed; its log has it under {id}."
    end = time.monotonic() + 5
    # It is written down after it was told.
    while not (told := [json.loads(line) for line in site.log if '"level": "error"' in line]):
        assert time.monotonic() < end
    (line,) = told
    assert (line["id"], line["error"]) == (id, "ValueError")
    assert "emperor" not in "".join(site.log)


@pytest.mark.parametrize(
    ("more", "code", "closes"),
    [
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"malformed", True),
        (b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n", b"malformed", False),
        (b'If-Match: "1"\r\nIf-Match: "2"\r\nContent-Length: 0\r\n', b"malformed", False),
    ],
)
def test_what_says_two_things_is_refused(served: Served, more: bytes, code: bytes, closes: bool) -> None:
    head = b"POST /v1/invitations/accept HTTP/1.1\r\nHost: localhost\r\n"
    after = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with served.connect() as line:
        line.sendall(head + more + b"\r\n" + (b"0\r\n\r\n" if b"chunked" in more else b"") + after)
        heard = received(line)
    assert status(heard) == 400
    assert code in heard
    assert (b"HTTP/1.1 200" not in heard) == closes


@pytest.mark.parametrize("told", ["Bearer x", "x", "Basic eDp5", f"Bearer orgtui_pat_{'0' * 43}"])
def test_what_is_no_token_gets_no_larger_body(site: Site, told: str) -> None:
    large = b" " * (Limits().body_of_strangers + 1)
    assert site.ask("POST", "/v1/invitations/accept", large, headers={"Authorization": told}).status == 413


@pytest.mark.parametrize(
    "told", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
def test_what_is_not_said_to_be_json_is_not_taken_for_it(site: Site, told: str) -> None:
    made = site.ask("POST", "/v1/workspaces", b'{"name": "New"}', token="owner", headers={"Content-Type": told})
    assert (made.status, made.code) == (415, "wrong_type")
    for well in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;  charset="utf-8"'):
        sent = b'{"name": "%d"}' % len(well)
        assert site.ask("POST", "/v1/workspaces", sent, token="owner", headers={"Content-Type": well}).status == 200


def test_one_line_of_json_for_each_request(served: Served) -> None:
    paths = ["/v1/overview", "/v1/none", "/healthz", "/v1/workspaces/ws_none", "/metrics", "/openapi.json"]
    ids = list[str]()
    for path in paths:
        with served.connect() as line:
            line.sendall(served.head(path=path, Connection="close"))
            ids += re.findall(r"(?i)x-request-id: (\w+)", received(line).decode())
    end, told = time.monotonic() + 5, list[dict[str, Any]]()
    while not set(ids) <= {line.get("id") for line in told}:
        assert time.monotonic() < end
        told = [json.loads(line) for line in list(served.lines)]
    requests = [line for line in told if "method" in line and line["id"] in ids]
    assert [line["status"] for line in requests] == [200, 404, 200, 404, 200, 200]
    assert [line["id"] for line in requests] == ids
    assert [line["operation"] for line in requests[::3]] == ["general.overview", "workspaces.open"]
    assert all(datetime.fromisoformat(line["at"]) and line["level"] in ("info", "warning") for line in told)
    assert served.token not in "".join(served.lines)
