"""The screens, with a fault in the middle of the check of a key: python -m tests.crash_in_check DATABASE."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orgtui import tty

PROFILE = tty.prepare(os.environ)

from orgtui.app import Connection, OrgTui  # noqa: E402
from orgtui.domain.ambient import system_ambient  # noqa: E402
from orgtui.key_check import Verdict  # noqa: E402
from orgtui.key_service import KeyService  # noqa: E402
from orgtui.secret import Secret  # noqa: E402
from orgtui.settings import Settings  # noqa: E402
from orgtui.store.sql.sqlite import SqliteDatabase  # noqa: E402
from orgtui.store.sql.store import open_sql_store  # noqa: E402
from orgtui.terminal import run  # noqa: E402


class Faulty:
    """A client that fails with the key in its variables, in its message and in the error before that."""

    async def check(self, provider: str, secret: Secret) -> Verdict:
        headers = {"x-api-key": secret.reveal()}
        try:
            raise ValueError(f"illegal header value {headers!r}")
        except ValueError as error:
            raise RuntimeError(f"{provider} was not asked with {secret.reveal()}: {headers}") from error


def main() -> int:
    """Run the screens over the database that the arguments name."""
    ambient = system_ambient()
    path = Path(sys.argv[1])

    def connect() -> Connection:
        opened = open_sql_store(SqliteDatabase(path), None, ambient)
        return Connection(opened.store, opened.close, keys=lambda: KeyService(opened.store, opened.platform, Faulty()))

    settings = Settings(store=f"sqlite:///{path}")
    return run(OrgTui(connect, settings=settings, profile=PROFILE, ambient=ambient, section="api_keys"))


if __name__ == "__main__":
    sys.exit(main())
