"""The command line: every action of the screens has its twin here; parse, ask the store, print, nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from orgtui import __version__
from orgtui.cli import root
from orgtui.domain.errors import Invalid, OrgtuiError

INTERRUPTED = 130
DESCRIPTION = "The settings of an organization on an AI-workflow platform. Without a command: the screens."


# Only the section that is named is imported: the screens wait for none of them.
SECTIONS = {"general": "the organization's identity", "usage": "runs, tokens and cost, month by month"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other bad input."""
        raise Invalid(f"{message[:1].upper()}{message[1:]} (see {self.prog} --help)")


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """All commands, those that *argv* names in full. `run` is the command's function, None for the screens."""
    top = _Parser(prog="orgtui", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"orgtui {__version__}")
    top.add_argument("--store", metavar="URL", help="sqlite:///PATH (else ORGTUI_STORE, the config file, the default)")
    top.add_argument("--as", dest="actor", metavar="EMAIL", help="who is acting (else ORGTUI_AS; else the first owner)")
    top.set_defaults(run=None, json=False, demo=False)
    commands = top.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    root.add(commands)
    for name, words in SECTIONS.items():
        section = commands.add_parser(name, help=words)
        if name in argv:
            import_module(f"orgtui.cli.{name}").add(section.add_subparsers(metavar="VERB", required=True, dest="verb"))
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, or an exit: 0 after --help, 2 with one line for what was wrong."""
    try:
        return parser(argv).parse_args(argv)
    except Invalid as error:
        from orgtui.cli.output import report

        raise SystemExit(report(error, as_json="--json" in argv)) from error


def run(arguments: argparse.Namespace) -> int:
    """Run a parsed command and answer its exit code."""
    from orgtui.cli.output import report

    try:
        return int(arguments.run(arguments) or 0)
    except OrgtuiError as error:
        return report(error, as_json=arguments.json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (head, less): nothing more to say, and nothing to say it to.
        sys.stderr.close()
        return 0
