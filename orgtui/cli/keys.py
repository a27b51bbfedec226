"""`orgtui keys`: list, add, replace, test, disable, enable, remove, fallback, rotate-master."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.cli import KEY_ON_COMMAND_LINE
from orgtui.cli.output import ask, confirm, opened, print_json, progress, say, settings_of, table, write_csv
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, OrgtuiError, Unreachable
from orgtui.domain.figures import NONE, ago, some
from orgtui.domain.months import zone_or_utc
from orgtui.domain.providers import PROVIDERS, keyless, known
from orgtui.domain.text import clean
from orgtui.key_tests import KeyTests, Outcome
from orgtui.secret import Secret, key_like
from orgtui.store.contract import Store
from orgtui.store.contract.api_keys import KeysPage, ProviderKey

# More than anybody copies with a key by mistake; longer ones are told so.
_LONGEST = 10_000
_STATUS = {
    "connected": "Connected",
    "no_quota": "No quota",
    "key_rejected": "Key rejected",
    "disabled": "Disabled",
    "not_connected": "Not connected",
}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    listed = verbs.add_parser("list", help="the five providers and their keys")
    listed.set_defaults(run=_list)
    shape = listed.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="print CSV")
    shape.add_argument("--json", action="store_true", help="print one JSON value")
    told = "The provider is asked first; a key that it refuses changes nothing."
    one = verbs.add_parser("add", help="keep a key", description=f"Keep a key for a provider that has none. {told}")
    one.set_defaults(run=_add)
    other = verbs.add_parser("replace", help="keep another key instead", description=f"Keep another key. {told}")
    other.set_defaults(run=_replace)
    for verb in (one, other):
        source = verb.add_mutually_exclusive_group(required=True)
        source.add_argument("--stdin", action="store_true", help="read the key there; on a terminal, ask for it")
        source.add_argument("--from-file", type=Path, metavar="PATH", help="read the key from a file of your own")
        verb.add_argument("--unchecked", action="store_true", help="do not ask the provider")
    codes = "Exit code 0: it is accepted; 1: refused, or without credits; 6: the provider cannot tell now."
    test = verbs.add_parser("test", help="ask the provider about its key", description=f"Ask about the key. {codes}")
    test.set_defaults(run=_test)
    disable = verbs.add_parser("disable", help="keep the key, but do not use it")
    disable.set_defaults(run=_disable)
    enable = verbs.add_parser("enable", help="use the key again")
    enable.set_defaults(run=_enable)
    remove = verbs.add_parser("remove", help="delete the key")
    remove.add_argument("--yes", action="store_true", help="do it without being asked")
    remove.set_defaults(run=_remove)
    fallback = verbs.add_parser("fallback", help="whether AI credits pay where no key can")
    fallback.set_defaults(run=_fallback)
    for verb in (one, other, test, disable, enable, remove, fallback):
        verb.add_argument(
            "provider", type=_provider, metavar="PROVIDER", help=", ".join(each.key for each in PROVIDERS)
        )
    fallback.add_argument(
        "way", choices=("never", "allow"), metavar="never|allow", help="refuse calls, or let them pay"
    )
    rotate = verbs.add_parser("rotate-master", help="new master key: re-wrap every key and forget the old master key")
    rotate.set_defaults(run=_rotate)
    for verb in (one, other, test, disable, enable, remove, fallback, rotate):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


def _provider(text: str) -> str:
    if key_like(text, shortest=8):
        raise Invalid(KEY_ON_COMMAND_LINE)
    return text


# What is shown.


def status(key: ProviderKey) -> str:
    """A row's state in one word for scripts."""
    if key.id is None:
        return "not_connected"
    if not key.enabled:
        return "disabled"
    return {"invalid": "key_rejected", "no_quota": "no_quota"}.get(key.verdict or "", "connected")


def shown(key: ProviderKey, zone: ZoneInfo) -> dict[str, Any]:
    """A row under the names that scripts rely on; times are of *zone*."""

    def at(when: datetime | None) -> datetime | None:
        return when.astimezone(zone) if when else None

    return {
        "provider": key.provider,
        "name": key.name,
        "description": key.description,
        "connected": status(key) in ("connected", "no_quota"),
        "status": status(key),
        "hint": key.hint,
        "added": at(key.added),
        "added_by": key.added_by,
        "last_used": at(key.last_used),
        "checked": at(key.checked),
        "verdict": key.verdict,
        "note": key.note or None,
        "never_fall_back": key.never_fall_back,
    }


def _list(arguments: argparse.Namespace) -> None:
    page = ask(arguments, _page)
    zone = zone_or_utc(page.timezone)
    rows = [shown(key, zone) for key in page.providers]
    if arguments.json:
        print_json({"connected": page.connected, "timezone": page.timezone, "providers": rows})
    elif arguments.csv:
        write_csv(rows, list(rows[0]), sys.stdout)
    else:
        _print(page, zone)


def _print(page: KeysPage, zone: ZoneInfo) -> None:
    now = system_ambient().now()
    say(f"{page.connected} of {len(page.providers)} connected")
    say()
    table(
        ("Provider", "Status", "Key", "Added", "Last used", "Without a key"),
        [
            (
                key.name,
                _STATUS[status(key)],
                key.hint or NONE,
                f"{key.added.astimezone(zone):%-d %b %Y}" if key.added else NONE,
                ago(key.last_used, now, zone) if key.last_used else NONE,
                "calls are refused" if key.never_fall_back else "uses AI credits",
            )
            for key in page.providers
        ],
    )
    for key in page.providers:
        if key.note:
            since = f" ({key.checked.astimezone(zone):%-d %b %Y, %H:%M %Z})" if key.checked else ""
            say(f"{key.name}: {key.note}{since}")


async def _page(store: Store) -> KeysPage:
    return await store.api_keys.show()


def _complain(line: str) -> None:
    print(f"orgtui: {clean(line)}", file=sys.stderr)


# Keys.


@contextmanager
def _serving(arguments: argparse.Namespace) -> Iterator[tuple[KeyTests, Store, Callable[[Any], Any]]]:
    """What adds and tests keys of the store that the arguments name, that store, and what waits for their answers."""
    import asyncio

    from orgtui.composition import open_store

    opened = open_store(settings_of(arguments), system_ambient())
    try:
        with asyncio.Runner() as runner:
            yield opened.key_tests(), opened.store, runner.run
    finally:
        opened.close()


def _add(arguments: argparse.Namespace) -> None:
    _keep(arguments, "stored")


def _replace(arguments: argparse.Namespace) -> None:
    _keep(arguments, "stored, and the old key is gone")


def _keep(arguments: argparse.Namespace, done: str) -> None:
    name = known(arguments.provider).name
    text = _from_file(arguments.from_file) if arguments.from_file else _standard_input(name)
    with _serving(arguments) as (service, store, wait):
        keep = service.add if arguments.verb == "add" else service.replace
        outcome: Outcome = wait(keep(arguments.provider, text, unchecked=arguments.unchecked))
        zone = zone_or_utc(wait(_page(store)).timezone)
    if arguments.json:
        print_json(shown(outcome.key, zone) | {"words": outcome.words, "warnings": outcome.warnings})
        return
    for warning in outcome.warnings:
        _complain(warning)
    say(f"{name}: {outcome.key.hint} is {done}. {outcome.words}")


def _standard_input(name: str) -> Secret:
    """The key, typed unseen on a terminal or read from what is not one."""
    if not sys.stdin.isatty():
        return Secret(sys.stdin.buffer.read(_LONGEST).decode("utf-8", "replace"))
    import getpass
    import warnings

    with warnings.catch_warnings():
        # It would go on, and show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return Secret(getpass.getpass(f"API key of {name} (it is not shown): "))
        except (getpass.GetPassWarning, EOFError):
            raise Invalid("There is no terminal on which a key can be typed unseen.", field="key") from None


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                _complain(f"{path} can be opened by other users of this machine; better: chmod 600 {quote(str(path))}")
            return Secret(file.read(_LONGEST).decode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        if os.sep not in str(path) and key_like(str(path), shortest=8) and not os.path.lexists(path):
            raise Invalid(KEY_ON_COMMAND_LINE) from None
        raise Invalid(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", field="from_file"
        ) from None


def _test(arguments: argparse.Namespace) -> int:
    with _serving(arguments) as (service, store, wait):
        outcome: Outcome = wait(service.test(arguments.provider))
        zone = zone_or_utc(wait(_page(store)).timezone)
    if arguments.json:
        print_json(shown(outcome.key, zone) | {"words": outcome.words})
    else:
        note = f" ({outcome.key.note})" if outcome.key.note not in ("", outcome.words) else ""
        say(f"{outcome.words.rstrip('.')}{note}.")
    if outcome.good:
        return 0
    return OrgtuiError.exit_code if outcome.key.verdict in ("invalid", "no_quota") else Unreachable.exit_code


def _disable(arguments: argparse.Namespace) -> None:
    key, zone = _changed(arguments, lambda store: store.api_keys.set_enabled(arguments.provider, False))
    _tell(arguments, key, zone, f"{key.name}: {key.hint} is kept, and not used now.{_instead(key)}")


def _enable(arguments: argparse.Namespace) -> None:
    key, zone = _changed(arguments, lambda store: store.api_keys.set_enabled(arguments.provider, True))
    _tell(arguments, key, zone, f"{key.name}: {key.hint} is used again.")


def _fallback(arguments: argparse.Namespace) -> None:
    never = arguments.way == "never"
    key, zone = _changed(arguments, lambda store: store.api_keys.set_fallback(arguments.provider, never))
    then = "are refused" if never else "use AI credits"
    _tell(arguments, key, zone, f"{key.name}: without a working key, calls {then}.")


def _remove(arguments: argparse.Namespace) -> None:
    provider = known(arguments.provider)
    with opened(arguments) as (store, wait):
        page = wait(_page(store))
        key = next(key for key in page.providers if key.provider == provider.key)
        if key.id is None:
            raise keyless(provider)
        if not arguments.yes:
            confirm(f"Delete the key {key.hint} of {key.name}?{_instead(key)}")
        left = wait(store.api_keys.remove(provider.key))
    _tell(arguments, left, zone_or_utc(page.timezone), f"{key.name}: {key.hint} is deleted.{_instead(key)}")


def _instead(key: ProviderKey) -> str:
    return " Its calls are refused then." if key.never_fall_back else " Its calls use AI credits then."


def _changed(
    arguments: argparse.Namespace, change: Callable[[Store], Coroutine[Any, Any, ProviderKey]]
) -> tuple[ProviderKey, ZoneInfo]:
    async def question(store: Store) -> tuple[ProviderKey, ZoneInfo]:
        return await change(store), zone_or_utc((await _page(store)).timezone)

    return ask(arguments, question)


def _tell(arguments: argparse.Namespace, key: ProviderKey, zone: ZoneInfo, line: str) -> None:
    if arguments.json:
        print_json(shown(key, zone))
    else:
        say(line)


# Master keys.


def _rotate(arguments: argparse.Namespace) -> int:
    from orgtui.composition import database
    from orgtui.store.sql.rotation import rotate_master

    async def stranger_is_refused(store: Store) -> None:
        await store.general.overview()

    ask(arguments, stranger_is_refused)
    rotation = rotate_master(database(settings_of(arguments)), system_ambient(), progress)
    lost = f"{len(rotation.damaged):,} keys cannot be opened: {', '.join(rotation.damaged)}. Replace them."
    if arguments.json:
        print_json(rotation)
    else:
        say(f"{some(rotation.moved, 'key')} moved to the new master key {rotation.current}.")
        say(f"Forgotten: {', '.join(rotation.forgotten)}. Backups from before need a copy of it: make new ones.")
    if rotation.damaged:
        _complain(lost)
    return int(bool(rotation.damaged))
