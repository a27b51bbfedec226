"""Where settings come from: flags, then the environment, then the config file, then defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orgtui.domain.errors import Invalid

_SQLITE = "sqlite:///"
_KNOWN = {"store", "as", "theme", "keys", "refresh_seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. `keys` maps binding ids to keys, as Textual's keymap writes them."""

    store: str
    actor: str | None = None
    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    refresh_seconds: float = 5.0

    @property
    def path(self) -> Path:
        """The database file of an sqlite:/// store; raises Invalid for any other URL."""
        scheme, found, rest = self.store.partition("://")
        path = rest.removeprefix("/")
        if scheme != "sqlite" or path in ("", rest) or "\0" in path:
            # Not the whole URL: others than SQLite's carry a password.
            said = f"{scheme}://…" if found else scheme
            raise Invalid(f"“{said}” is not a store this version opens; write sqlite:///PATH.", field="store")
        try:
            return Path(path).expanduser()
        except RuntimeError as error:
            raise Invalid(f"“{path}” names a home directory that does not exist.", field="store") from error


def config_path() -> Path:
    """Where the config file is looked for."""
    from platformdirs import user_config_path

    return user_config_path("orgtui") / "config.toml"


def data_path() -> Path:
    """Where the platform keeps an application's data."""
    from platformdirs import user_data_path

    return user_data_path("orgtui")


def cache_path() -> Path:
    """Where what can be made again is kept."""
    from platformdirs import user_cache_path

    return user_cache_path("orgtui")


def load(
    *, store: str | None = None, actor: str | None = None, environ: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Settings of a run; raises Invalid for a config file that cannot be understood."""
    path = config or config_path()
    file = _read(path)
    default = f"{_SQLITE}{data_path() / 'orgtui.db'}"
    return Settings(
        store=store or environ.get("ORGTUI_STORE") or _text(file, "store", path) or default,
        actor=actor or environ.get("ORGTUI_AS") or _text(file, "as", path),
        theme=environ.get("ORGTUI_THEME") or _text(file, "theme", path),
        keys=_keys(file, path),
        refresh_seconds=_seconds(file, path),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not TOML: {error}") from error
    if unknown := sorted(set(file) - _KNOWN):
        raise Invalid(f"{path} has a setting orgtui does not know: {unknown[0]}. Known: {', '.join(sorted(_KNOWN))}.")
    return file


def _text(file: dict[str, Any], key: str, path: Path) -> str | None:
    value = file.get(key)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{path}: {key} is a text in quotes.")
    return value


def _keys(file: dict[str, Any], path: Path) -> dict[str, str]:
    table = file.get("keys", {})
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise Invalid(f'{path}: [keys] has lines like "section.refresh" = "f5".')
    return table


def _seconds(file: dict[str, Any], path: Path) -> float:
    value = file.get("refresh_seconds", 5.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 3600:
        raise Invalid(f"{path}: refresh_seconds is a number from 1 to 3600.")
    return float(value)
