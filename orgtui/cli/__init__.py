"""The command line: every action of the screens has its twin here; parse, ask the store, print, nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from orgtui import __version__
from orgtui.cli import general, root, usage
from orgtui.cli.output import report
from orgtui.domain.errors import Invalid, OrgtuiError

INTERRUPTED = 130
DESCRIPTION = "The settings of an organization on an AI-workflow platform. Without a command: the screens."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other bad input."""
        raise Invalid(f"{message[:1].upper()}{message[1:]} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """All commands. `run` in what it parses is the command's function, None for the screens."""
    top = _Parser(prog="orgtui", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"orgtui {__version__}")
    top.add_argument("--store", metavar="URL", help="sqlite:///PATH (else ORGTUI_STORE, the config file, the default)")
    top.add_argument("--as", dest="actor", metavar="EMAIL", help="who is acting (else ORGTUI_AS; else the first owner)")
    top.set_defaults(run=None, json=False, demo=False)
    commands = top.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    for section in (root, general, usage):
        section.add(commands)
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, or an exit: 0 after --help, 2 with one line for what was wrong."""
    try:
        return parser().parse_args(argv)
    except Invalid as error:
        raise SystemExit(report(error, as_json="--json" in argv)) from error


def run(arguments: argparse.Namespace) -> int:
    """Run a parsed command and answer its exit code."""
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
