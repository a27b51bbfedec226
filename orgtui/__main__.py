"""Where every run begins: the version at once, a command without the screens, or the screens."""

from __future__ import annotations

import os
import sys

# A status above this names the signal that ended the program.
_ENDED = 128


def main() -> None:
    """The `orgtui` command."""
    if sys.argv[1:] == ["--version"]:
        from orgtui import __version__

        print(f"orgtui {__version__}")
        return
    from orgtui import cli

    arguments = cli.parse(sys.argv[1:])
    if arguments.run is None:
        from orgtui.launch import launch

        code = launch(arguments)
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            # The line is gone; Python would find that out again at its end, and exit with 120.
            os._exit(code)
        if code > _ENDED:
            # Told to end, or the line is lost: nothing is left to say, and nothing may change the status any more.
            os._exit(code)
        sys.exit(code)
    sys.exit(cli.run(arguments))


if __name__ == "__main__":
    main()
