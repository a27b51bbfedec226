"""Settings: flags before the environment, before the config file, before defaults; what is wrong in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orgtui.domain.errors import Invalid
from orgtui.settings import Oidc, Settings, Smtp, is_loopback, load

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
    assert (settings.actor, settings.theme, settings.keys, settings.refresh_seconds) == (None, None, {}, None)


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
        (
            "colour = 'red'",
            "a setting orgtui does not know: colour. Known: as, keys, oidc_client_id, oidc_issuer, public_url, "
            "refresh_seconds, sales_contact, smtp_from, smtp_password_file, smtp_url, store, theme.",
        ),
        ("store = 5", "store is a text in quotes"),
        ("as = ['a']", "as is a text in quotes"),
        ("smtp_url = 25", "smtp_url is a text in quotes"),
        ("public_url = true", "public_url is a text in quotes"),
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


# Mail.

FROM = {"ORGTUI_SMTP_FROM": "orgtui@acme.example"}


@pytest.mark.parametrize(
    ("url", "smtp"),
    [
        ("smtp://mail.acme.example", ("mail.acme.example", 587, "starttls", None, None)),
        ("smtp://mail.acme.example/", ("mail.acme.example", 587, "starttls", None, None)),
        ("SMTP://Mail.Acme.Example:2525", ("Mail.Acme.Example", 2525, "starttls", None, None)),
        ("smtps://mail.acme.example", ("mail.acme.example", 465, "tls", None, None)),
        ("smtps://mail.acme.example:2465", ("mail.acme.example", 2465, "tls", None, None)),
        ("smtp://localhost:1025?security=none", ("localhost", 1025, "none", None, None)),
        ("smtp://127.0.0.1/?security=none", ("127.0.0.1", 587, "none", None, None)),
        ("smtp://[::1]:25?security=none", ("::1", 25, "none", None, None)),
        ("smtp://[2001:db8::7]", ("2001:db8::7", 587, "starttls", None, None)),
        ("smtp://ada:hunter2@mail", ("mail", 587, "starttls", "ada", "hunter2")),
        ("smtps://ada@acme.example:hunter2@mail", ("mail", 465, "tls", "ada@acme.example", "hunter2")),
        (
            "smtp://ada%40acme.example:h%3Au%2Fn%23t%25er%40%3F@mail",
            ("mail", 587, "starttls", "ada@acme.example", "h:u/n#t%er@?"),
        ),
        ("smtp://j%C3%BCrgen:p%c3%a4ss+w%20rd@mail", ("mail", 587, "starttls", "jürgen", "päss+w rd")),
        ("smtp://jürgen:pässwörd@mail", ("mail", 587, "starttls", "jürgen", "pässwörd")),
        ("smtp://ada:a:b@c@mail", ("mail", 587, "starttls", "ada", "a:b@c")),
    ],
)
def test_a_mail_server_is_a_url(config: Path, url: str, smtp: tuple[object, ...]) -> None:
    found = load(environ=FROM | {"ORGTUI_SMTP_URL": url}, config=config).smtp
    assert found is not None
    assert (found.host, found.port, found.security, found.username, found.password) == smtp
    assert (found.sender, found.password_file) == ("orgtui@acme.example", None)


@pytest.mark.parametrize(
    "url",
    [
        "mail.acme.example",
        "//ada:hunter2@mail",
        "smtp:ada:hunter2@mail",
        "http://ada:hunter2@mail",
        "smtp://",
        "smtp://ada:hunter2@",
        "smtp://ada:hunter2@:587",
        "smtp://:hunter2@mail",
        "smtp://ada:@mail",
        "smtp://@mail",
        "smtp://ada:hunter2@mail:0",
        "smtp://ada:hunter2@mail:65536",
        "smtp://ada:hunter2@mail:",
        "smtp://ada:hunter2@mail:smtp",
        "smtp://ada:hunter2@mail..acme",
        "smtp://ada:hunter2@-mail",
        "smtp://ada:hunter2@" + "m" * 64,
        "smtp://ada:hunter2@bücher.example",
        "smtp://ada:hunter2@mail/inbox",
        "smtp://ada:hunter2@mail?tls=1",
        "smtp://ada:hunter2@mail?security=maybe",
        "smtp://ada:hunter2@mail#top",
        "smtp://ada:hunter2@mail\n",
        " smtp://ada:hunter2@mail",
        "smtp://ada:hunter2@ma il",
        # What somebody forgot to encode.
        "smtp://ada:hunter2/3@mail",
        "smtp://ada:hunter2#3@mail",
        "smtp://ada:hunter2?3@mail",
        "smtp://ada:hunter2 3@mail",
        "smtp://ada:hunter2%@mail",
        "smtp://ada:hunter2%zz@mail",
        "smtp://ada:hunter2%ff@mail",
        "smtp://ada:hunter2%0d%0aQUIT@mail",
        "smtp://ada%00:hunter2@mail",
        "smtp://ada:hunter2\udcff@mail",
        "smtps://ada:hunter2@localhost?security=none",
        "smtp://ada:hunter2@mail?security=none",
        "smtp://ada:hunter2@127.0.0.1.acme.example?security=none",
    ],
)
def test_what_is_no_mail_server_is_refused_without_telling_a_password(config: Path, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(environ=FROM | {"ORGTUI_SMTP_URL": url}, config=config)
    message = refused.value.message
    assert message.startswith("ORGTUI_SMTP_URL")
    assert "\n" not in message
    assert not any(part in message for part in ("hunter", "ada", "mail."))
    assert "hunter" not in "".join(
        map(str, (refused.value.__cause__, refused.value.__context__, refused.value.details))
    )


def test_unencrypted_mail_is_for_this_machine_only(config: Path) -> None:
    with pytest.raises(Invalid, match=r"^ORGTUI_SMTP_URL: security=none is for smtp:// on this machine \("):
        load(environ=FROM | {"ORGTUI_SMTP_URL": "smtp://mail.acme.example?security=none"}, config=config)


def test_the_config_file_names_the_mail_server_and_never_its_password(config: Path) -> None:
    config.write_text('smtp_url = "smtp://ada%40acme.example@mail"\nsmtp_password_file = "/srv/smtp"')
    assert load(environ={}, config=config).smtp == Smtp(
        host="mail",
        port=587,
        security="starttls",
        sender="ada@acme.example",
        username="ada@acme.example",
        password_file=Path("/srv/smtp"),
    )
    config.write_text('smtp_url = "smtp://ada:hunter2@mail"\nsmtp_from = "ada@acme.example"')
    with pytest.raises(Invalid) as refused:
        load(environ={}, config=config)
    assert refused.value.message == (
        f"{config}: smtp_url must not hold a password; put it in a private file, named in smtp_password_file."
    )
    config.write_text('smtp_url = "smtp://ada:hunter2/3@mail"')
    with pytest.raises(Invalid) as refused:
        load(environ={}, config=config)
    assert refused.value.message == (
        f"{config}: smtp_url is not a mail server; write smtp://USER@HOST:PORT, or smtps:// for TLS at once."
    )


def test_the_environment_goes_before_the_file_in_mail_too(config: Path) -> None:
    config.write_text(
        'smtp_url = "smtp://file@mail"\nsmtp_from = "file@acme.example"\nsmtp_password_file = "/srv/file"\n'
        'public_url = "https://file.example"'
    )
    environ = {
        "ORGTUI_SMTP_URL": "smtps://environment@mail",
        "ORGTUI_SMTP_FROM": "environment@acme.example",
        "ORGTUI_SMTP_PASSWORD_FILE": "~/secret",
        "ORGTUI_PUBLIC_URL": "https://environment.example",
    }
    settings = load(environ=environ, config=config)
    assert settings.smtp == Smtp(
        host="mail",
        port=465,
        security="tls",
        sender="environment@acme.example",
        username="environment",
        password_file=Path.home() / "secret",
    )
    assert settings.public_url == "https://environment.example"
    settings = load(environ=dict.fromkeys(environ, ""), config=config)
    assert settings.smtp is not None
    assert (settings.smtp.username, settings.smtp.sender) == ("file", "file@acme.example")
    assert settings.public_url == "https://file.example"


def test_a_server_of_the_environment_stands_without_the_files_password(config: Path) -> None:
    config.write_text('smtp_url = "smtp://file@mail"\nsmtp_from = "a@acme.example"\nsmtp_password_file = "/srv/file"')
    own = load(environ={"ORGTUI_SMTP_URL": "smtp://ada:hunter2@mail"}, config=config).smtp
    assert own is not None
    assert (own.password, own.password_file) == ("hunter2", None)
    open_relay = load(environ={"ORGTUI_SMTP_URL": "smtp://localhost?security=none"}, config=config).smtp
    assert open_relay is not None
    assert (open_relay.username, open_relay.password_file) == (None, None)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"ORGTUI_SMTP_URL": "smtp://ada@mail"},
            "ORGTUI_SMTP_URL has a user but no password; put it in a private file",
        ),
        (
            {"ORGTUI_SMTP_URL": "smtp://ada:hunter2@mail", "ORGTUI_SMTP_PASSWORD_FILE": "/srv/smtp"},
            "ORGTUI_SMTP_URL holds a password, and ORGTUI_SMTP_PASSWORD_FILE names another; give one.",
        ),
        (
            {"ORGTUI_SMTP_URL": "smtp://mail", "ORGTUI_SMTP_PASSWORD_FILE": "/srv/smtp"},
            "ORGTUI_SMTP_PASSWORD_FILE needs a user for its password; write smtp://USER@HOST in ORGTUI_SMTP_URL.",
        ),
        (
            {"ORGTUI_SMTP_URL": "smtp://ada@mail", "ORGTUI_SMTP_PASSWORD_FILE": "~nobody-here/smtp"},
            "ORGTUI_SMTP_PASSWORD_FILE names a home directory that does not exist.",
        ),
    ],
)
def test_a_login_is_whole_or_refused(config: Path, environ: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(environ=FROM | environ, config=config)
    assert refused.value.message.startswith(said)


def test_a_password_file_for_nobody_in_the_config_file_is_refused(config: Path) -> None:
    config.write_text('smtp_url = "smtp://mail"\nsmtp_from = "a@acme.example"\nsmtp_password_file = "/srv/file"')
    with pytest.raises(Invalid, match=r"smtp_password_file needs a user for its password"):
        load(environ={}, config=config)


def test_mail_needs_a_sender(config: Path) -> None:
    url = {"ORGTUI_SMTP_URL": "smtp://ada:hunter2@mail.acme.example"}
    for without in (url, {"ORGTUI_SMTP_URL": "smtp://mail.acme.example"}):
        with pytest.raises(Invalid) as refused:
            load(environ=without, config=config)
        assert refused.value.message == (
            "Mail needs a sender: set ORGTUI_SMTP_FROM, or smtp_from in the config file, to an e-mail address."
        )
    for sender in ("ada", "Ada <ada@acme.example>", "a@b.example,c@d.example", "a@b@c", "a@b\x1b", "a@\u202eb", "a @b"):
        with pytest.raises(Invalid, match=r"^ORGTUI_SMTP_FROM is not one e-mail address, like orgtui@acme\.example\.$"):
            load(environ=url | {"ORGTUI_SMTP_FROM": sender}, config=config)


def test_no_settings_show_the_password(config: Path) -> None:
    settings = load(environ=FROM | {"ORGTUI_SMTP_URL": "smtp://ada:hunter2@mail"}, config=config)
    assert settings.smtp is not None
    assert settings.smtp.password == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.smtp!r}"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://acme.example", "https://acme.example"),
        ("https://acme.example/", "https://acme.example"),
        ("https://acme.example:8443/orgtui/", "https://acme.example:8443/orgtui"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://[2001:db8::7]/a%20b", "https://[2001:db8::7]/a%20b"),
    ],
)
def test_a_public_url_makes_links(config: Path, url: str, kept: str) -> None:
    settings = load(environ={"ORGTUI_PUBLIC_URL": url}, config=config)
    assert settings.public_url == kept
    assert settings.arrival.link("orgtui_inv_7F") == f"{kept}/join/orgtui_inv_7F"
    assert settings.arrival.link("../?a#b c") == f"{kept}/join/..%2F%3Fa%23b%20c"


@pytest.mark.parametrize(
    "url",
    [
        "acme.example",
        "//acme.example",
        "https://",
        "https:///join",
        "ftp://acme.example",
        "javascript:alert(1)",
        "http://acme.example",
        "http://localhost.acme.example",
        "http://127.0.0.1.acme.example",
        "http://10.0.0.1",
        "https://ada:hunter2@acme.example",
        "https://ada@acme.example",
        "https://localhost@acme.example",
        "https://acme.example?a=hunter2",
        "https://acme.example/?",
        "https://acme.example/#hunter2",
        "https://acme.example:99999",
        "https://acme.example:999999",
        "https://acme.example:port",
        "https://acme.example/a b",
        'https://acme.example/"onclick="x',
        "https://acme.example/\x1b[2J",
        "https://acme.example\n",
        "https://acme.example\\@evil.example",
    ],
)
def test_what_is_no_public_url_is_refused(config: Path, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(environ={"ORGTUI_PUBLIC_URL": url}, config=config)
    assert refused.value.message.startswith("ORGTUI_PUBLIC_URL ")
    assert not any(part in refused.value.message for part in ("hunter2", "acme", "\x1b", "\n"))


def test_loopback_is_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1")))
    others = ("", "0.0.0.0", "10.0.0.1", "::", "::2", "127.1", "127.0.0.1.acme.example", "localhost.", "acme.example")
    assert not any(map(is_loopback, others))


def test_no_mail_and_no_links_unless_they_are_set(config: Path) -> None:
    settings = load(environ=FROM, config=config)
    assert (settings.smtp, settings.public_url) == (None, None)
    assert settings.arrival.link("orgtui_inv_7F") is None
    assert settings.arrival.command("orgtui_inv_7F") == "orgtui join orgtui_inv_7F"


@pytest.mark.parametrize(
    ("store", "public", "page", "command"),
    [
        ("https://acme.example", None, "https://acme.example", "orgtui --store https://acme.example join"),
        (
            "https://10.0.0.5",
            "https://acme.example",
            "https://acme.example",
            "orgtui --store https://acme.example join",
        ),
        # Who reads a mail elsewhere has another machine, but who works here has this one.
        ("http://127.0.0.1:8470", None, None, "orgtui --store http://127.0.0.1:8470 join"),
        (
            "sqlite:////srv/acme.db",
            "https://acme.example",
            "https://acme.example",
            "orgtui --store https://acme.example",
        ),
    ],
)
def test_who_is_invited_comes_to_the_same_server(
    config: Path, store: str, public: str | None, page: str | None, command: str
) -> None:
    told = {"ORGTUI_STORE": store} | ({"ORGTUI_PUBLIC_URL": public} if public else {})
    arrival = load(environ=told, config=config).arrival
    assert arrival.link("orgtui_inv_7F") == (f"{page}/join/orgtui_inv_7F" if page else None)
    assert arrival.command("orgtui_inv_7F").startswith(command)


def test_settings_stay_light_with_mail_in_them() -> None:
    program = """
import sys
from pathlib import Path
from orgtui.settings import load
environ = {"ORGTUI_SMTP_URL": "smtp://ada%40acme.example:hunter2@mail", "ORGTUI_PUBLIC_URL": "http://localhost"}
assert load(environ=environ, config=Path("none")).smtp.sender == "ada@acme.example"
print(*{"smtplib", "ssl", "socket", "email", "email_validator", "cryptography", "orgtui.mail"} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


# Where people sign in.


@pytest.mark.parametrize(
    ("issuer", "near"),
    [
        ("https://id.acme.example", False),
        # By the letter, for so it is compared.
        ("https://ID.acme.example/realms/acme/", False),
        ("http://127.0.0.1:8080/realms/acme", True),
    ],
)
def test_an_identity_provider_is_kept_as_it_is_written(config: Path, issuer: str, near: bool) -> None:
    environ = {"ORGTUI_OIDC_ISSUER": issuer, "ORGTUI_OIDC_CLIENT_ID": "orgtui"}
    found = load(environ=environ, config=config).oidc
    assert found == Oidc(issuer=issuer, client_id="orgtui")
    assert found.near == near
    assert load(environ={}, config=config).oidc is None


@pytest.mark.parametrize(
    ("issuer", "client", "said"),
    [
        ("https://id.acme.example", "", "To sign in takes both"),
        ("", "orgtui", "To sign in takes both"),
        ("http://id.acme.example", "orgtui", "ORGTUI_OIDC_ISSUER must begin with https://"),
        ("https://user@id.acme.example", "orgtui", "ORGTUI_OIDC_ISSUER is not a web address"),
        ("https://id.acme.example?a=b", "orgtui", "ORGTUI_OIDC_ISSUER is not a web address"),
        ("https://id.acme.example", "or\x1bgtui", "ORGTUI_OIDC_CLIENT_ID is not a client's id"),
        ("https://id.acme.example", "x" * 256, "ORGTUI_OIDC_CLIENT_ID is not a client's id"),
    ],
)
def test_what_is_no_identity_provider_is_refused(config: Path, issuer: str, client: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        load(environ={"ORGTUI_OIDC_ISSUER": issuer, "ORGTUI_OIDC_CLIENT_ID": client}, config=config)
