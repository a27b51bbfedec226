"""Settings: flags before the environment, before the config file, before defaults; what is wrong in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orgtui.domain.errors import Invalid
from orgtui.settings import Settings, load

FILE = """
store = "sqlite:///file.db"
as = "file@acme.example"
theme = "light"
refresh_seconds = 30

[keys]
"section.refresh" = "f5"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(config: Path) -> None:
    environ = {"ORGTUI_STORE": "sqlite:///environment.db", "ORGTUI_AS": "environment@acme.example"}
    config.write_text(FILE)
    flags = load(store="sqlite:///flag.db", actor="flag@acme.example", environ=environ, config=config)
    assert (flags.store, flags.actor) == ("sqlite:///flag.db", "flag@acme.example")
    environment = load(environ=environ, config=config)
    assert (environment.store, environment.actor) == ("sqlite:///environment.db", "environment@acme.example")
    file = load(environ={}, config=config)
    assert (file.store, file.actor, file.theme) == ("sqlite:///file.db", "file@acme.example", "light")
    assert (file.keys, file.refresh_seconds) == ({"section.refresh": "f5"}, 30.0)
    assert load(environ={"ORGTUI_THEME": "ansi"}, config=config).theme == "ansi"


def test_without_anything_it_is_the_platforms_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings = load(environ=os.environ)
    assert settings.path == tmp_path / "data" / "orgtui" / "orgtui.db"
    assert (settings.actor, settings.theme, settings.keys, settings.refresh_seconds) == (None, None, {}, 5.0)


def test_the_config_file_is_looked_for_where_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "orgtui").mkdir()
    (tmp_path / "orgtui" / "config.toml").write_text(FILE)
    assert load(environ={}).theme == "light"


def test_an_empty_word_in_the_environment_is_none(config: Path) -> None:
    config.write_text(FILE)
    assert load(environ={"ORGTUI_STORE": "", "ORGTUI_AS": ""}, config=config).actor == "file@acme.example"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("store = ", "is not TOML"),
        ("colour = 'red'", "a setting orgtui does not know: colour. Known: as, keys, refresh_seconds, store, theme"),
        ("store = 5", "store is a text in quotes"),
        ("as = ['a']", "as is a text in quotes"),
        ("keys = 'f5'", "[keys] has lines like"),
        ("[keys]\nquit = 5", "[keys] has lines like"),
        ("refresh_seconds = 0", "refresh_seconds is a number from 1 to 3600"),
        ("refresh_seconds = true", "refresh_seconds is a number from 1 to 3600"),
        ("refresh_seconds = nan", "refresh_seconds is a number from 1 to 3600"),
        ("refresh_seconds = '5'", "refresh_seconds is a number from 1 to 3600"),
    ],
)
def test_a_config_file_that_is_wrong_is_named_with_what_is_wrong(config: Path, content: str, said: str) -> None:
    config.write_text(content)
    with pytest.raises(Invalid) as refused:
        load(environ={}, config=config)
    assert said in refused.value.message
    assert str(config) in refused.value.message


def test_a_config_file_that_cannot_be_read_is_named(config: Path) -> None:
    config.mkdir()
    with pytest.raises(Invalid, match="cannot be read: Is a directory"):
        load(environ={}, config=config)
    config.rmdir()
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="is not TOML"):
        load(environ={}, config=config)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///acme.db", "acme.db"),
        ("sqlite:////srv/acme.db", "/srv/acme.db"),
        ("sqlite:///~/acme.db", str(Path.home() / "acme.db")),
        ("sqlite:///a b?c#d%20.db", "a b?c#d%20.db"),
    ],
)
def test_a_store_is_a_path(url: str, path: str) -> None:
    assert Settings(store=url).path == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.db",
        "/srv/acme.db",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/acme.db",
        "sqlite:///a\0b",
        "sqlite:///~nobody-here/acme.db",
        "postgresql://ada:hunter2@db.example/acme",
        "https://ada:hunter2@acme.example",
    ],
)
def test_what_is_no_store_of_this_version_is_refused_without_telling_a_password(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        _ = Settings(store=url).path
    assert refused.value.field == "store"
    assert "hunter2" not in refused.value.message
