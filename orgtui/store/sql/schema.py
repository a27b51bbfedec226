"""Which schema a database has, and how it is brought to this program's own: after a backup, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import StoreRefused
from orgtui.store.sql import chain
from orgtui.store.sql.database import Database
from orgtui.store.sql.rows import rows_of

if TYPE_CHECKING:
    from sqlmodel import Session

# Every revision this program can read and upgrade, oldest first; the last is its own.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
HEAD = REVISIONS[-1]
SCRIPTS = Path(__file__).parent / "migrations"
_OURS = {"alembic_version", "organizations"}


def revision_of(database: Database) -> str | None:
    """The schema revision of an existing database, None while it is empty; raises StoreRefused."""
    with database.reading() as rows:
        tables = database.tables(rows)
        if not tables:
            return None
        if not tables >= _OURS:
            raise StoreRefused(f"{database.place} is a database of another program.")
        return _known(database, str(rows.value("SELECT version_num FROM alembic_version")))


def existing(database: Database) -> str:
    """As `revision_of`, of a database that holds something; raises NotFound for an empty one."""
    found = revision_of(database)
    if found is None:
        raise database.nothing_here()
    return found


def older(database: Database, found: str) -> str:
    """What there is to say of a database with schema *found*, and to do."""
    told = f"{database.place} has schema {found}, older than this program's {HEAD}"
    if database.upgrades_itself:
        return f"{told}: it is upgraded when it is next opened, after a backup, or by `orgtui db upgrade`."
    return f"{told}: make a backup, then run `orgtui db upgrade`."


def ensure(database: Database, ambient: Ambient) -> Path | None:
    """See that the schema is HEAD; answers the backup made before an upgrade, if one was.

    Raises NotFound where there is none, StoreRefused for one that this program does not know, and for an older one that
    is not a single program's to change.
    """
    found = existing(database)
    if found == HEAD:
        return None
    if not database.upgrades_itself:
        raise StoreRefused(older(database, found))
    return upgrade(database, ambient)


def upgrade(database: Database, ambient: Ambient) -> Path | None:
    """Bring an older schema to HEAD, all of it or nothing; answers as `ensure` does."""
    with database.migrating() as session:
        # Another process may have upgraded it while this one waited; its backup is not to be replaced.
        found = _known(database, str(rows_of(session).value("SELECT version_num FROM alembic_version")))
        if found == HEAD:
            return None
        backup = database.before_upgrade(found, ambient.now())
        _migrate(session)
        if found == "0001":
            _seal(database, session, ambient)
    return backup


def _known(database: Database, found: str) -> str:
    if found not in REVISIONS:
        raise StoreRefused(
            f"{database.place} has schema {found}, newer than this program's {HEAD}: upgrade orgtui to open it."
        )
    return found


def _seal(database: Database, session: Session, ambient: Ambient) -> None:
    """Begin the audit chain; there were no master keys before, but where provider keys were sealed with some."""
    rows = rows_of(session)
    if rows.one("SELECT 1 FROM organizations") is None:
        return
    sealed = rows.one("SELECT 1 FROM provider_keys")
    chain.seal(rows, database.keys.open(ambient.random, create=sealed is None).chain())


def make(database: Database) -> None:
    """Make the tables in an empty database; none the worse for another process that does the same."""
    with database.migrating() as session:
        _migrate(session)


def _migrate(session: Session) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = session.connection()
    command.upgrade(config, "head")
