"""The command line: every action of the screens has its twin here; parse, ask the store, print, nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

from orgtui import __version__
from orgtui.cli import root
from orgtui.domain.errors import Invalid, OrgtuiError

INTERRUPTED = 130
DESCRIPTION = "The settings of an organization on an AI-workflow platform. Without a command: the screens."
SECTIONS = {
    "general": "the organization's identity",
    "team": "members and invitations",
    "usage": "runs, tokens and cost, month by month",
    "billing": "the plan, AI credits, and paying for them",
    "keys": "its own keys of the model providers",
    "workspaces": "the isolated environments below it",
    "access": "tokens, by which people and programs come in through a server",
    "audit": "who changed what, and the proof that nobody changed that",
    "db": "the database that keeps it: its schema, and a copy in another one",
}
KEY_ON_COMMAND_LINE = (
    "An argument looks like a key, and is not repeated here. Keys are never taken from the command line, where other "
    "users and the shell's history can read them: use --stdin or --from-file, and make a new one if this was real."
)


class _Parser(argparse.ArgumentParser):
    """One line for what is wrong; a section's module is imported when its command is parsed, and never before."""

    def __init__(self, *args: Any, section: str | None = None, whose: Any = argparse.SUPPRESS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._section = section
        # Before the command and after it: people type them in either place.
        store = (
            "sqlite:///PATH, postgresql://HOST/DATABASE or https://HOST (else ORGTUI_STORE, the config file, a default)"
        )
        self.add_argument("--store", metavar="URL", default=whose, help=store)
        actor = "who is acting (else ORGTUI_AS; else the first owner)"
        self.add_argument("--as", dest="actor", metavar="EMAIL", default=whose, help=actor)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the section's verbs, then parse."""
        if self._section:
            verbs: Any = self.add_subparsers(metavar="VERB", required=True, dest="verb")
            import_module(f"orgtui.cli.{self._section}").add(verbs)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """As any other bad input."""
        raise Invalid(f"{message[:1].upper()}{message[1:]} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """All commands. `run` in what it parses is the command's function, None for the screens."""
    top = _Parser(prog="orgtui", description=DESCRIPTION, whose=None)
    top.add_argument("--version", action="version", version=f"orgtui {__version__}")
    top.set_defaults(run=None, json=False, demo=False)
    commands: Any = top.add_subparsers(metavar="COMMAND")
    root.add(commands)
    for name, words in SECTIONS.items():
        commands.add_parser(name, help=words, section=name)
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, or an exit: 0 after --help, 2 with one line for what was wrong."""
    try:
        return parser().parse_args(argv)
    except Invalid as error:
        from orgtui.cli.output import report

        raise SystemExit(report(_unrepeated(error, argv), as_json="--json" in argv)) from error


def _unrepeated(error: Invalid, argv: Sequence[str]) -> Invalid:
    """The error, unless it repeats what may be a key; `keys` tells of one in any case, even of the half of one."""
    from orgtui.secret import key_like

    values = [word.partition("=")[2] if word.startswith("-") and "=" in word else word for word in argv]
    if "keys" in argv:
        # No provider's key has a slash, and every path and store has one.
        told = any("/" not in value and key_like(value, shortest=20 if "." in value else 8) for value in values)
    else:
        told = any(value in error.message and key_like(value) for value in values)
    return Invalid(KEY_ON_COMMAND_LINE) if told else error


def run(arguments: argparse.Namespace) -> int:
    """Run a parsed command and answer its exit code."""
    from orgtui.cli.output import report

    if isinstance(sys.stdout, TextIOWrapper):
        # A character that the terminal's encoding lacks is no reason to end.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = int(arguments.run(arguments) or 0)
        # Here, where what goes wrong can still be told.
        sys.stdout.flush()
        return code
    except OrgtuiError as error:
        return report(error, as_json=arguments.json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (head, less): nothing more to say, and nobody to say it to.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return report(OrgtuiError(f"{error.filename or 'The output'}: {error.strerror}."), as_json=arguments.json)


def _drop_output() -> None:
    """What is still in the buffer would be tried again at the end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
