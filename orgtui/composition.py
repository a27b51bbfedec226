"""The one place where settings become a store: everything below receives what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Invalid
from orgtui.domain.roles import PLATFORM
from orgtui.settings import Settings
from orgtui.store.sql.sqlite import SqliteDatabase
from orgtui.store.sql.store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from orgtui.key_service import KeyService


def database(settings: Settings) -> SqliteDatabase:
    """The database the settings name; nothing is opened yet."""
    return SqliteDatabase(settings.path)


def open_store(settings: Settings, ambient: Ambient) -> SqlStore:
    """Open the store for whoever acts; raises Invalid for the platform, which is nobody's name."""
    if settings.actor == PLATFORM:
        raise Invalid(f"“{PLATFORM}” is no member; act as one with --as EMAIL.", field="as")
    return open_sql_store(database(settings), settings.actor, ambient)


def key_service(opened: SqlStore) -> KeyService:
    """What adds and tests the keys of an open store, with the providers themselves."""
    from orgtui.key_check import KeyChecker
    from orgtui.key_service import KeyService

    return KeyService(opened.store, opened.platform, KeyChecker())


def demo_key_service(opened: SqlStore) -> KeyService:
    """The same for a demo, from which nothing leaves this machine."""
    from orgtui.key_service import DemoChecker, KeyService

    return KeyService(opened.store, opened.platform, DemoChecker())
