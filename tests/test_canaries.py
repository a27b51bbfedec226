"""No secret appears: keys are led through everything that can be done with one, and listened for everywhere after."""

from __future__ import annotations

import base64
import logging
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.widgets import Button, OptionList

from orgtui.domain.ambient import system_ambient
from orgtui.domain.provider_keys import shape
from orgtui.store.contract.api_keys import NewKey, Purpose
from orgtui.store.contract.operation import idempotency_key
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import open_sql_store
from tests.canaries import PREFIXES, SONG, canary, heard, heard_below, heard_in_processes
from tests.conftest import OWNER, Clock, copy_of_acme
from tests.contract.conftest import wait
from tests.program import press as keys
from tests.provider_servers import PROVIDERS, Behaviour, Exchange, ProviderServers, provider_servers
from tests.ptyharness import Terminal
from tests.screens.harness import Drive, awaited, make_app, opened, press, sees, shown, toasts, typed, until

ORGTUI = Path(sys.executable).with_name("orgtui")
soak = pytest.mark.soak
# Ten a provider, five at a time: the fast suite takes one of them a short way, the whole programme all a long one.
EVERY = pytest.mark.parametrize(
    ("provider", "first", "brief"),
    [
        pytest.param("mistral", 0, True, id="brief"),
        *(pytest.param(each, at, False, id=f"{each}-{at}", marks=soak) for each in PROVIDERS for at in (0, 5)),
    ],
)
EACH = pytest.mark.parametrize(
    "provider", [pytest.param(each, marks=[soak] * (each != "google")) for each in PROVIDERS]
)

# Imported by Python itself before anything else: all that any library has to say goes to a file.
_LOUD = """
import logging
logging.basicConfig(filename={log!r}, level=logging.DEBUG, format="%(name)s %(message)s %(args)s")
for name in ("asyncio", "httpcore", "httpx", "sqlalchemy"):
    logging.getLogger(name).setLevel(logging.DEBUG)
"""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>78M])")


# Whether they would be heard.


def test_the_canaries_are_keys_of_their_providers_and_no_two_are_alike() -> None:
    keys = {(provider, number): canary(provider, number) for provider in PROVIDERS for number in range(10)}
    assert len(set(keys.values())) == 50
    for (provider, _), key in keys.items():
        found = shape(provider, key)
        assert (found.key, found.warnings) == (key, ())
        bare = key.removeprefix(PREFIXES[provider])
        assert all(SONG in bare[start : start + 20] for start in range(len(bare) - 28))


WAYS: dict[str, Callable[[str], bytes]] = {
    "clear": str.encode,
    "lower": lambda key: key.lower().encode(),
    "upper": lambda key: key.upper().encode(),
    "middle": lambda key: key[5:-5].encode(),
    "hexadecimal": lambda key: key.encode().hex().encode(),
    "base64": lambda key: base64.b64encode(key.encode()),
    "base64 of more": lambda key: base64.b64encode(b"x" + key.encode() + b"!"),
    "base64 of still more": lambda key: base64.urlsafe_b64encode(b"{'" + key.encode() + b"'}"),
    "percent": lambda key: "".join(f"%{ord(char):02X}" for char in key).encode(),
    "repr of bytes": lambda key: "".join(f"\\x{ord(char):02x}" for char in key).encode(),
    "JSON": lambda key: "".join(f"\\u{ord(char):04X}" for char in key).encode(),
    "UTF-16": lambda key: key.encode("utf-16"),
    "UTF-16 BE": lambda key: key.encode("utf-16-be"),
    "UTF-32": lambda key: key.encode("utf-32"),
    "backwards": lambda key: key[::-1].encode(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_canary_is_heard_however_it_is_written(provider: str, way: str, tmp_path: Path) -> None:
    around = os.urandom(1000)
    assert not heard(around)
    written = around + WAYS[way](canary(provider, 3)) + around
    assert heard(written)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(written)
    assert len(heard_below(tmp_path)) == len(heard(written))


def test_a_canary_is_heard_in_names_links_freed_pages_and_processes(tmp_path: Path) -> None:
    key = canary("mistral", 3)
    (tmp_path / key).mkdir()
    (tmp_path / "link").symlink_to(f"/nowhere/{key}")
    with closing(sqlite3.connect(tmp_path / "freed.db")) as connection:
        connection.execute("PRAGMA secure_delete=0")
        connection.execute("CREATE TABLE keys AS SELECT ? AS key", (key,))
        connection.commit()
        connection.execute("DROP TABLE keys")
        connection.commit()
    assert [told.partition(":")[0].removeprefix(f"{tmp_path}/") for told in sorted(heard_below(tmp_path))] == [
        "freed.db",
        "link leads to",
        f"the name {tmp_path}/{key}",
    ]
    for argument, environment in ((key, {}), ("", {"API_KEY": key})):
        words = [sys.executable, "-c", "input()", argument]
        with subprocess.Popen(words, env=os.environ | environment, stdin=subprocess.PIPE) as child:
            told, seen = heard_in_processes()
            child.communicate(b"\n")
        assert told
        assert any(b"input()" in line for line in seen)


# Where they are led through.


@dataclass
class House:
    """A machine of its own for one organization, as far as a program can tell: all it writes lies below `root`."""

    root: Path
    given: Path
    servers: ProviderServers
    told: list[str] = field(default_factory=list)
    """What was heard while something ran."""
    looks: int = 0
    running: set[bytes] = field(default_factory=set)
    """The words of the processes that were looked at."""

    @property
    def database(self) -> Path:
        return self.root / "data" / "orgtui" / "orgtui.db"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def environment(self) -> dict[str, str]:
        places = {f"XDG_{name.upper()}_HOME": str(self.root / name) for name in ("config", "data", "cache", "state")}
        places |= {"HOME": str(self.root), "TMPDIR": str(self.root / "tmp"), "PYTHONPATH": str(self.root / "loud")}
        return os.environ | self.servers.environment | places | {"PYTHONASYNCIODEBUG": "1", "PYTHONFAULTHANDLER": "1"}

    def listen(self, *streams: bytes) -> None:
        """Fail if a canary is heard in the streams, in what was seen on the way, or anywhere below the root."""
        for stream in streams:
            self.told += [f"a stream: {hit}" for hit in heard(stream)]
        assert self.told + heard_below(self.root) == []

    def behave(self, provider: str, behaviour: str | Behaviour) -> None:
        """From now on it answers so, after a look around at the moment at which a key is on the wire."""
        self.servers.behave(provider, behaviour)
        then = self.servers._behaviours[provider]

        async def look_first(exchange: Exchange) -> None:
            assert heard(exchange.request.key.encode())
            told, words = heard_in_processes()
            self.told += told + heard_below(self.root)
            self.looks += 1
            self.running.update(words)
            await then(exchange)

        self.servers.behave(provider, look_first)

    def run(self, *words: object, key: str = "", code: int = 0, stop: signal.Signals | None = None) -> str:
        """Run a command to its end, or until its key is on the wire and *stop* ends it; what it printed."""

        def limits() -> None:
            most = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (most, most))

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(
            [ORGTUI, *map(str, words)], cwd=self.root / "here", env=self.environment, preexec_fn=limits, **pipes
        )
        if stop:
            number = stop

            async def end(exchange: Exchange) -> None:
                child.send_signal(number)
                await exchange.reader.read()

            self.behave(str(words[2]), end)
        out, err = child.communicate(key.encode(), timeout=60)
        self.told += [f"{words}: {hit}" for stream in (out, err) for hit in heard(stream)]
        assert child.returncode == code, (words, out, err)
        return (out + err).decode()

    def file(self, key: str) -> Path:
        """A file of the user's own with a key in it, which nobody listens to."""
        path = self.given / "key"
        path.write_text(f"export API_KEY='{key}'\n")
        path.chmod(0o600)
        return path


@pytest.fixture(scope="module")
def started() -> Iterator[ProviderServers]:
    with provider_servers() as servers:
        yield servers


@pytest.fixture
def house(tmp_path: Path, templates: Path, clock: Clock, started: ProviderServers) -> Iterator[House]:
    made = House(tmp_path / "root", tmp_path / "given", started)
    for name in ("config", "data/orgtui", "cache", "state", "tmp", "here", "loud"):
        (made.root / name).mkdir(parents=True)
    made.given.mkdir()
    (made.root / "loud" / "sitecustomize.py").write_text(_LOUD.format(log=str(made.log)))
    copy_of_acme(templates, made.database, clock)
    yield made
    started.reset()


# The command line.


@EVERY
def test_no_command_lets_a_key_out(house: House, provider: str, first: int, brief: bool) -> None:
    one, two, three, four, five = (canary(provider, first + number) for number in range(5))
    run, words = house.run, f"\0keys\0replace\0{provider}\0--stdin\0".encode()
    house.behave(provider, "valid")
    assert "is stored" in run("keys", "add", provider, "--stdin", key=one)
    # A provider that quotes the key in its answer, its head and its body, in every way there is.
    house.behave(provider, "echo")
    assert "The old key stays" in run("keys", "replace", provider, "--from-file", house.file(two), code=1)
    run("keys", "test", provider, "--json", code=1)
    run("keys", "replace", provider, "--from-file", house.file(two), "--unchecked", "--json")
    for behaviour, stored in (("garbage", three), ("down", two), ("html_502", three))[brief * 2 :]:
        house.behave(provider, behaviour)
        run("keys", "replace", provider, "--stdin", key=stored)
    if not brief:
        refuse(house, provider, three)
    # Ended while the key is on the wire: politely, not, and with what would leave a core.
    ends = ((signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9), (signal.SIGABRT, -6))[brief * 3 :]
    for number, code in ends:
        run("keys", "replace", provider, "--stdin", key=four, stop=number, code=code)
    assert house.looks == (5 if brief else 10)
    assert any(line.endswith(words) for line in house.running)
    house.listen()
    break_down(house, provider, four)
    run("keys", "disable", provider)
    run("keys", "remove", provider, "--yes")
    house.behave(provider, "valid")
    run("keys", "add", provider, "--stdin", key=f'"api_key": "{five}",')
    run("keys", "rotate-master")
    for listing in (("keys", "list"), ("audit", "list", "--all")):
        for form in ("--json",) if brief else ("--json", "--csv"):
            (house.root / "here" / f"{listing[0]}{form}").write_text(run(*listing, form))
    run("audit", "verify")
    run("backup", house.root / "here" / "backup.db")
    hand_out(house, provider, five)
    log = house.log.read_text()
    assert all(word in log for word in ("asyncio", "INSERT INTO provider_keys"))


def refuse(house: House, provider: str, key: str) -> None:
    """What is no key of whom it is given to, or stands where none may, is not repeated."""
    other = "grok" if provider != "grok" else "openai"
    house.run("keys", "replace", provider, "--stdin", key=f"{key} and more", code=2)
    house.run("keys", "add", other, "--stdin", key=f"sk-ant-admin01-{key}\n" * 2, code=2)
    house.run("keys", "add", provider, key, code=2)
    house.run("keys", "fallback", provider, key, "--json", code=2)


def break_down(house: House, provider: str, key: str) -> None:
    """The master key is lost; then the database is no database any more when the key is to be kept."""
    keys, kept = house.database.with_name("orgtui.db.keys"), house.given / "kept"
    house.behave(provider, "valid")
    keys.rename(keys.with_name("lost"))
    house.run("keys", "replace", provider, "--stdin", key=key, code=6)
    keys.with_name("lost").rename(keys)
    shutil.copytree(house.database.parent, kept)

    async def ruin(exchange: Exchange) -> None:
        house.database.write_bytes(b"no database" * 10_000)
        await house.servers._behaviours["grok" if provider != "grok" else "openai"](exchange)

    house.behave(provider, ruin)
    house.run("keys", "replace", provider, "--stdin", key=key, code=6)
    shutil.rmtree(house.database.parent)
    kept.rename(house.database.parent)


def hand_out(house: House, provider: str, key: str) -> None:
    """The platform gets the key, twice under one idempotency key; all is listened to while the files are open."""
    store = open_sql_store(SqliteDatabase(house.database), OWNER, system_ambient())
    try:
        with idempotency_key("once"):
            for _ in range(2):
                assert wait(store.platform.api_keys.use(provider, Purpose.CALL)).secret == key
        with idempotency_key("twice"):
            changed = NewKey(provider=provider, secret=key[:-4] + "same")
            wait(store.store.api_keys.replace(changed))
            wait(store.store.api_keys.replace(changed))
        with idempotency_key("once"):
            assert wait(store.platform.api_keys.use(provider, Purpose.CALL)).secret == changed.secret
        assert {"orgtui.db", "orgtui.db-wal"} <= {path.name for path in house.database.parent.iterdir()}
        house.listen(repr(wait(store.store.api_keys.show())).encode())
    finally:
        store.close()
    house.listen()


# The screens.


async def chosen(pilot: Drive, entry: str) -> None:
    await press(pilot, "m")
    found = pilot.app.screen.query_one(OptionList)
    words = [str(found.get_option_at_index(at).prompt) for at in range(found.option_count)]
    found.highlighted = words.index(entry)
    await press(pilot, "enter")


async def listed(pilot: Drive, words: str) -> None:
    """Wait until the list says this of a provider."""
    await until(pilot, lambda: pilot.app.screen.query("#providers") and words in shown(pilot, "#providers"))


@EVERY
@awaited
async def test_no_screen_lets_a_key_out(
    house: House,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    first: int,
    brief: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(house.root / "here")
    secrets = [canary(provider, first + number) for number in range(5)]
    app = make_app(SqliteDatabase(house.database), "api_keys", addresses=house.servers.addresses)

    def look(pilot: Drive) -> None:
        seen = (shown(pilot), "\n".join(toasts(pilot)), app.clipboard, app.export_screenshot(), app.tree)
        house.listen(*(str(one).encode() for one in seen))

    async with opened(app) as pilot:
        await press(pilot, "enter", "g", *"j" * PROVIDERS.index(provider))
        # Typed, and let go; then pasted, and looked at in every way.
        await press(pilot, "n", *secrets[0][:26])
        look(pilot)
        await press(pilot, "escape", "n")
        await typed(pilot, secrets[0])
        for key in ("home", "shift+end", "ctrl+x", "ctrl+c", "ctrl+a", "ctrl+shift+c"):
            await pilot.press(key)
        look(pilot)
        house.behave(provider, "echo")
        await press(pilot, "enter")
        await sees(pilot, "does not accept the key", "Store untested")
        look(pilot)
        app.screen.query_one("#unchecked", Button).press()
        await listed(pilot, "not tested yet")
        await press(pilot, "v")
        await listed(pilot, "Key rejected")
        look(pilot)
        for key, behaviour, words in (
            (secrets[1], "valid", "● Connected"),
            (secrets[2], "down", "provider down"),
            (secrets[3], "reset", "no network"),
            (secrets[4], "html", "strange answer"),
        )[brief * 2 :]:
            house.behave(provider, behaviour)
            await press(pilot, "enter")
            await typed(pilot, key)
            await press(pilot, "enter")
            await listed(pilot, words)
            look(pilot)
        await chosen(pilot, "Do not use it")
        await listed(pilot, "○ Disabled")
        await chosen(pilot, "Delete key")
        await press(pilot, "tab", "enter")
        await until(pilot, lambda: "key is deleted" in toasts(pilot)[-1])
        await press(pilot, "0")
        await sees(pilot, "api_keys.remove")
        await press(pilot, "e", "enter")
        await until(pilot, lambda: list((house.root / "here").iterdir()))
        look(pilot)
    house.listen(caplog.text.encode())
    assert house.looks == (4 if brief else 6)


def lived(terminal: Terminal) -> tuple[bytes, ...]:
    """All that came over the terminal: as it came, without the orders in it, and what it came to."""
    raw = bytes(terminal.raw)
    return raw, _ESCAPES.sub(b"", raw), terminal.text.encode()


@EACH
def test_no_terminal_is_sent_a_key(house: House, provider: str) -> None:
    one, two = canary(provider, 0), canary(provider, 1)
    noisy = {"TEXTUAL_LOG": str(house.root / "textual.log"), "TEXTUAL_DEBUG": "1"}
    house.behave(provider, "echo")
    with Terminal([str(ORGTUI)], env=house.environment | noisy, size=(100, 30), cwd=house.root / "here") as terminal:
        terminal.until("Save Changes")
        terminal.send("5")
        terminal.until("+ Add Key")
        keys(terminal, "enter", "g", *"j" * PROVIDERS.index(provider), "n")
        terminal.until("Paste it")
        terminal.send(*one[:40])
        terminal.quiet()
        house.listen(*lived(terminal))
        keys(terminal, "ctrl+u", f"\x1b[200~{one}\x1b[201~", "home", "\x1b[1;2F", "ctrl+x", "ctrl+c")
        terminal.until("ctrl+c again")
        assert "•" * 20 in terminal.text
        house.listen(*lived(terminal))
        terminal.send("\r")
        terminal.until("Store untested")
        house.listen(*lived(terminal))
        terminal.send("escape")
        terminal.quiet(0.3)
        house.behave(provider, asyncio_forever)
        terminal.send("n")
        terminal.until("Paste it")
        terminal.send(f"\x1b[200~{two}\x1b[201~", "\r")
        terminal.until("Asking")
        terminal.until(lambda: house.looks == 2)
        terminal.kill(signal.SIGTERM)
        terminal.wait()
        house.listen(*lived(terminal))
    assert "asyncio" in house.log.read_text()


async def asyncio_forever(exchange: Exchange) -> None:
    await exchange.reader.read()


@EACH
def test_no_crash_tells_of_the_key_that_was_being_checked(house: House, provider: str) -> None:
    words = [sys.executable, "-m", "tests.crash_in_check", str(house.database)]
    with Terminal(words, env=house.environment, size=(100, 30)) as terminal:
        terminal.until("+ Add Key")
        keys(terminal, "enter", "g", *"j" * PROVIDERS.index(provider), "n")
        terminal.until("Paste it")
        terminal.send(f"\x1b[200~{canary(provider, 2)}\x1b[201~", "\r")
        assert terminal.wait()[0] == 1
        assert b"The program stopped because of a fault in it" in terminal.raw
        assert b"crash_in_check.py" in terminal.raw
        house.listen(*lived(terminal))
