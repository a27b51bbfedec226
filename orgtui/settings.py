"""Where settings come from: flags, then the environment, then the config file, then defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from orgtui.domain.errors import Invalid

_SQLITE = "sqlite:///"
_KNOWN = {"store", "as", "theme", "keys", "refresh_seconds"}
_KNOWN |= {"sales_contact", "smtp_url", "smtp_from", "smtp_password_file", "public_url"}
_KNOWN |= {"oidc_issuer", "oidc_client_id"}

Security = Literal["starttls", "tls", "none"]
_SUBMISSION: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 587}
_LABEL = "[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST_AND_PORT = rf"(?P<host>\[[0-9a-f:.]+\]|{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?"
# Patterns are compiled when there is something to match. The last @ ends the user, which often is an address itself.
_SMTP = (
    rf"(?ai)(?P<scheme>smtps?)://(?:(?P<user>[^\s/?#:]+)(?::(?P<password>[^\s/?#]+))?@)?{_HOST_AND_PORT}/?"
    r"(?P<none>\?security=none)?"
)
# Without a host it is a socket on this machine; what else libpq knows comes after the question mark.
_POSTGRES = (
    rf"(?ai)postgres(?:ql)?://(?:(?P<user>[^\s/?#:@]*)(?::(?P<password>[^\s/?#:@]*))?@)?"
    rf"(?:{_HOST_AND_PORT})?/(?P<database>[^\s/?#]+)(?:\?(?P<options>[^\s#]*))?"
)
_POSTGRES_FORM = "postgresql://USER@HOST/DATABASE"
# Not dbname, nor what would say the same a second time.
_LIBPQ = {"host", "hostaddr", "passfile", "service", "options", "application_name", "connect_timeout"}
_LIBPQ |= {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "channel_binding", "gssencmode"}
_LIBPQ |= {"target_session_attrs", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
_WEB = rf"(?ai)(?P<scheme>https?)://{_HOST_AND_PORT}(?:/[a-z0-9._~!$&'()*+,;=:%/-]*)?"
_ADDRESS = r"""[^\s@<>,;:"()\[\]\\]{1,64}@[^\s@<>,;:"()\[\]\\]{1,255}"""
_CLIENT_ID = r"[!-~]{1,255}"
_NOT_ENCODED = r"%(?![0-9A-Fa-f]{2})"
# Undecodable bytes are surrogates here rather than an exception, which would show the password.
_NOT_TEXT = r"[\x00-\x1f\x7f\ud800-\udfff]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """Who takes mail. With a `username` there is a `password`, or a `password_file` that nobody has read yet."""

    host: str
    port: int
    security: Security
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """An account at Stripe. `api_base` is for tests: where its API is instead, on this machine."""

    key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    api_base: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """Where people sign in: `issuer` is the identity provider's URL as it writes it itself, to the slash at its end.

    `client_id` is what it knows orgtui by: a public client, which has no secret.
    """

    issuer: str
    client_id: str

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        return _near(self.issuer)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """A database of a PostgreSQL server. `options` are libpq's own; what is not said there libpq finds by itself."""

    host: str
    port: int | None
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """What messages call it."""
        server = self.host or self.options.get("host") or "this machine"
        return f"{self.database} at {server}" + (f":{self.port}" if self.port else "")

    @property
    def public(self) -> str:
        """The URL without a password."""
        from urllib.parse import quote, urlencode

        host = f"[{self.host}]" if ":" in self.host else self.host
        server = host + (f":{self.port}" if self.port else "")
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        options = {name: value for name, value in self.options.items() if "password" not in name}
        query = f"?{urlencode(options, safe='/')}" if options else ""
        return f"postgresql://{user}{server}/{quote(self.database, safe='')}{query}"

    @property
    def key_path(self) -> Path:
        """Where its master keys are kept unless said otherwise: by server and name, as they are written."""
        from urllib.parse import quote

        server = self.host or self.options.get("host") or "local"
        name = f"{server}-{self.port or 5432}-{self.database}"
        return data_path() / "postgresql" / f"{quote(name, safe='')}.keys" / "master.key"

    def parameters(self) -> dict[str, Any]:
        """What libpq is told."""
        told: dict[str, Any] = {"dbname": self.database, "application_name": "orgtui"}
        told |= {"host": self.host} if self.host else {}
        told |= {"port": self.port} if self.port else {}
        told |= {"user": self.user} if self.user else {}
        told |= {"password": self.password} if self.password else {}
        return told | dict(self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """A server of orgtui: `url` as it is written, `host` with its port where it is not the usual one."""

    url: str
    host: str

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        return _near(self.url)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How who is invited comes in: in a browser by the server *page*, and with orgtui by the server *store*.

    None where there is none: then orgtui comes to the same database.
    """

    page: str | None = None
    store: str | None = None

    def link(self, code: str) -> str | None:
        """Where the invitation with *code* is accepted in a browser."""
        from urllib.parse import quote

        return f"{self.page}/join/{quote(code, safe='')}" if self.page else None

    def command(self, code: str) -> str:
        """What accepts it in a terminal."""
        from shlex import quote

        return f"orgtui --store {quote(self.store)} join {code}" if self.store else f"orgtui join {code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. `keys` maps binding ids to keys, as Textual's keymap writes them.

    `sales_contact` is where Enterprise is asked for: the address of whoever runs the platform.
    `master_key` is the file of the master keys, None for the one that belongs to the database. `token` opens a server.
    """

    store: str
    actor: str | None = None
    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    refresh_seconds: float | None = None
    smtp: Smtp | None = None
    stripe: Stripe | None = None
    public_url: str | None = None
    oidc: Oidc | None = None
    sales_contact: str | None = None
    master_key: Path | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def arrival(self) -> Arrival:
        """By the public URL, or else the server that this program comes to; one on this machine is no mail's link."""
        server = self.server
        if self.public_url or not server:
            return Arrival(self.public_url, self.public_url)
        return Arrival(None if server.near else server.url, server.url)

    @property
    def server(self) -> ServerUrl | None:
        """The server of an https:// store, None for any other; no message repeats the URL."""
        if not self.store.lower().startswith(("http://", "https://")):
            return None
        match = re.fullmatch(_WEB, self.store)
        if match is None or not _fits(match["port"]):
            raise Invalid(
                "The store is not a server's address; write https://HOST, without user or query.", field="store"
            )
        host = match["host"].strip("[]")
        if match["scheme"].lower() == "http" and not is_loopback(host):
            raise Invalid("The store must begin with https://; http:// is for this machine only.", field="store")
        port = f":{match['port']}" if match["port"] else ""
        return ServerUrl(url=self.store.rstrip("/"), host=match["host"] + port)

    @property
    def path(self) -> Path:
        """The database file of an sqlite:/// store; raises Invalid for a URL of no store."""
        scheme, found, rest = self.store.partition("://")
        path = rest.removeprefix("/")
        if scheme != "sqlite" or path in ("", rest) or "\0" in path:
            # Not the whole URL: others than SQLite's carry a password.
            said = f"{scheme}://…" if found else scheme
            raise Invalid(
                f"“{said}” is no store; write sqlite:///PATH, {_POSTGRES_FORM} or https://HOST.",
                field="store",
            )
        return _expanded(path, f"“{path}”", field="store")

    @property
    def postgres(self) -> PostgresUrl | None:
        """The database of a postgresql:// store, None for any other; no message repeats the URL."""
        if not self.store.lower().startswith(("postgresql://", "postgres://")):
            return None
        match = re.fullmatch(_POSTGRES, self.store)
        if match is None or not _fits(match["port"]):
            raise Invalid(
                f"The store is not a PostgreSQL database; write {_POSTGRES_FORM}, with a %2F for a / in a password.",
                field="store",
            )
        user, password, database = (_decoded(match[part], "The store") for part in ("user", "password", "database"))
        return PostgresUrl(
            host=(match["host"] or "").strip("[]"),
            port=int(match["port"]) if match["port"] else None,
            database=database or "",
            user=user or None,
            password=password or None,
            options=_options(match["options"] or ""),
        )


def _options(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        options = {"": ""}
    if unknown := sorted(options.keys() - _LIBPQ):
        raise Invalid(f"The store has an option PostgreSQL does not know: “{unknown[0]}”.", field="store")
    return options


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
        smtp=_smtp(environ, file, path),
        stripe=_stripe(environ),
        sales_contact=_given("sales_contact", environ, file, path).value,
        public_url=_public_url(_given("public_url", environ, file, path)),
        oidc=_oidc(*(_given(key, environ, file, path) for key in ("oidc_issuer", "oidc_client_id"))),
        master_key=_master_key(environ.get("ORGTUI_MASTER_KEY_FILE")),
        token=environ.get("ORGTUI_TOKEN") or None,
    )


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine: only there may anything go unencrypted."""
    from ipaddress import ip_address

    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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


def _seconds(file: dict[str, Any], path: Path) -> float | None:
    value = file.get("refresh_seconds")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 3600:
        raise Invalid(f"{path}: refresh_seconds is a number from 1 to 3600.")
    return float(value)


class _Given(NamedTuple):
    """A setting, what to call it in a message, and whether it comes from the environment."""

    value: str | None
    name: str
    environment: bool


def _given(key: str, environ: Mapping[str, str], file: dict[str, Any], path: Path) -> _Given:
    variable = f"ORGTUI_{key.upper()}"
    if value := environ.get(variable):
        return _Given(value, variable, True)
    return _Given(_text(file, key, path) or None, f"{path}: {key}", False)


def _smtp(environ: Mapping[str, str], file: dict[str, Any], path: Path) -> Smtp | None:
    """The mail server, if there is one; no message repeats its URL, which may hold a password."""
    url, sender, secret = (_given(key, environ, file, path) for key in ("smtp_url", "smtp_from", "smtp_password_file"))
    if url.value is None:
        return None
    match = re.fullmatch(_SMTP, url.value)
    if match is None or not _fits(match["port"]):
        user = "USER:PASSWORD" if url.environment else "USER"
        raise Invalid(f"{url.name} is not a mail server; write smtp://{user}@HOST:PORT, or smtps:// for TLS at once.")
    username, password = (_decoded(match[part], url.name) for part in ("user", "password"))
    if password is not None and not url.environment:
        raise Invalid(f"{url.name} must not hold a password; put it in a private file, named in smtp_password_file.")
    if password is not None and secret.value and secret.environment:
        raise Invalid(f"{url.name} holds a password, and {secret.name} names another; give one.")
    host = match["host"].strip("[]")
    security = _security(match, host, url.name)
    return Smtp(
        host=host,
        port=int(match["port"] or _SUBMISSION[security]),
        security=security,
        sender=_sender(sender, username),
        username=username,
        password=password,
        password_file=None if password is not None else _password_file(secret, url, username),
    )


def _fits(port: str | None) -> bool:
    return port is None or 1 <= int(port) <= 65535


def _decoded(part: str | None, name: str) -> str | None:
    from urllib.parse import unquote_to_bytes

    if part is None:
        return None
    decoded = unquote_to_bytes(part.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    if re.search(_NOT_ENCODED, part) or re.search(_NOT_TEXT, decoded):
        raise Invalid(f"{name} has a user or password that is not percent-encoded UTF-8; a % itself is written %25.")
    return decoded


def _security(match: re.Match[str], host: str, name: str) -> Security:
    if match["none"] is None:
        return "tls" if match["scheme"].lower() == "smtps" else "starttls"
    if match["scheme"].lower() == "smtps" or not is_loopback(host):
        raise Invalid(f"{name}: security=none is for smtp:// on this machine (localhost, 127.0.0.1, [::1]) only.")
    return "none"


def _sender(given: _Given, username: str | None) -> str:
    sender = given.value or username or ""
    if re.fullmatch(_ADDRESS, sender) and sender.isprintable():
        return sender
    if given.value:
        raise Invalid(f"{given.name} is not one e-mail address, like orgtui@acme.example.")
    raise Invalid("Mail needs a sender: set ORGTUI_SMTP_FROM, or smtp_from in the config file, to an e-mail address.")


def _password_file(secret: _Given, url: _Given, username: str | None) -> Path | None:
    if username is None:
        # A server without a login, named in the environment, stands above the file's server with one.
        if secret.value and (secret.environment or not url.environment):
            raise Invalid(f"{secret.name} needs a user for its password; write smtp://USER@HOST in {url.name}.")
        return None
    if secret.value is None:
        raise Invalid(
            f"{url.name} has a user but no password; put it in a private file, named in ORGTUI_SMTP_PASSWORD_FILE "
            "(smtp_password_file in the config file)."
        )
    return _expanded(secret.value, secret.name)


def _stripe(environ: Mapping[str, str]) -> Stripe | None:
    """From the environment only: a config file is read by more people than it is meant for."""
    key = environ.get("ORGTUI_STRIPE_SECRET_KEY")
    if not key:
        return None
    return Stripe(
        key=key,
        webhook_secret=environ.get("ORGTUI_STRIPE_WEBHOOK_SECRET") or None,
        api_base=environ.get("ORGTUI_STRIPE_API_BASE") or None,
    )


def _master_key(path: str | None) -> Path | None:
    return _expanded(path, "ORGTUI_MASTER_KEY_FILE") if path else None


def _expanded(path: str, name: str, *, field: str | None = None) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise Invalid(f"{name} names a home directory that does not exist.", field=field) from error


def _public_url(given: _Given) -> str | None:
    if given.value is None:
        return None
    match = re.fullmatch(_WEB, given.value)
    if match is None or not _fits(match["port"]):
        raise Invalid(f"{given.name} is not a web address; write https://HOST, without user, query or #fragment.")
    if match["scheme"].lower() == "http" and not is_loopback(match["host"].strip("[]")):
        raise Invalid(f"{given.name} must begin with https://; http:// is for this machine only.")
    return given.value.rstrip("/")


def _oidc(issuer: _Given, client_id: _Given) -> Oidc | None:
    if issuer.value is None and client_id.value is None:
        return None
    if issuer.value is None or client_id.value is None:
        raise Invalid("To sign in takes both: set ORGTUI_OIDC_ISSUER and ORGTUI_OIDC_CLIENT_ID.")
    # Checked alike, but kept as it is written: the provider compares it by the letter.
    _public_url(issuer)
    if not re.fullmatch(_CLIENT_ID, client_id.value):
        raise Invalid(f"{client_id.name} is not a client's id: up to 255 letters, digits and signs, without spaces.")
    return Oidc(issuer=issuer.value, client_id=client_id.value)


def identity_provider(issuer: str, client_id: str) -> Oidc:
    """The same as a server tells it; raises Invalid."""
    said = "The server's identity provider"
    found = _oidc(_Given(issuer, said, False), _Given(client_id, said, False))
    assert found is not None
    return found


def _near(url: str) -> bool:
    match = re.fullmatch(_WEB, url)
    return match is not None and is_loopback(match["host"].strip("[]"))
