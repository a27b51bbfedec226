"""Where every run begins: the version at once, a command without the screens, or the screens."""

from __future__ import annotations

import sys


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
        from orgtui.tty import leave

        leave(launch(arguments))
    sys.exit(cli.run(arguments))


if __name__ == "__main__":
    main()
