"""A small ssh for tests: this terminal, on the other end of a connection; python -m tests.ssh_client PORT."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty

import asyncssh


async def call(port: int) -> int:
    """Connect, hand keys and pictures through, and answer the status of what ran there."""
    columns, rows = os.get_terminal_size()
    loop = asyncio.get_running_loop()
    async with asyncssh.connect("127.0.0.1", port, username="ada", known_hosts=None, config=None) as connection:
        process = await connection.create_process(
            term_type=os.environ["TERM"], term_size=(columns, rows), encoding=None
        )
        loop.add_reader(0, lambda: process.stdin.write(os.read(0, 4096)))
        while data := await process.stdout.read(65536):
            os.write(1, data)
        loop.remove_reader(0)
        return int((await process.wait()).exit_status or 0)


def main() -> int:
    """Raw mode around the call."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        return asyncio.run(call(int(sys.argv[1])))
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


if __name__ == "__main__":
    sys.exit(main())
