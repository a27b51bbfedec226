"""Invitations by e-mail: what a person reads, and a mail server that takes it or says in one line why not."""

from __future__ import annotations

import base64
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

from orgtui.domain.errors import Invalid, Undelivered
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Role
from orgtui.domain.text import clean, harmless
from orgtui.secret import Secret
from orgtui.settings import Security, is_loopback

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import EmailMessage
    from smtplib import SMTP

# An address literal tells a server nothing of this machine, and costs no look-up of its name.
_GREETING: Final = "[127.0.0.1]"
_WORDS = 120
_NAME = 100
_LINE = 76
_PASSWORD_LIMIT = 4096
_ONE_LINE = r"[^\x00-\x1f\x7f\ud800-\udfff]+"


# Sending.


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """A mail server. Certificates are checked against the system's authorities, or those in SSL_CERT_FILE."""

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    username: str | None = None
    password: Secret | None = None
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.security == "none" and not is_loopback(self.host):
            raise Invalid(f"Mail to {self._place()} must be encrypted; only to this machine it may go as it is.")

    def send(self, message: EmailMessage) -> None:
        """Hand *message* to the server, for the one address in its To; blocks, at most `timeout` seconds an answer.

        Raises Undelivered, also where the connection broke and nobody can say whether the message arrived.
        """
        if failure := self._attempt(message):
            # Raised here, where no library frame hangs on it: those have the password among their locals.
            raise failure

    def _attempt(self, message: EmailMessage) -> Undelivered | None:
        try:
            client = self._connected()
            try:
                self._secure(client)
                self._log_in(client)
                client.send_message(message)
            finally:
                # What the goodbye comes to changes nothing: the message is taken by now, or refused.
                with suppress(OSError):
                    client.quit()
                client.close()
        except Undelivered as refusal:
            return refusal.with_traceback(None)
        except OSError as error:
            # Also what smtplib raises.
            return self._undelivered(error)
        return None

    def _connected(self) -> SMTP:
        from smtplib import SMTP, SMTP_SSL
        from ssl import create_default_context

        if self.security == "tls":
            return SMTP_SSL(self.host, self.port, _GREETING, timeout=self.timeout, context=create_default_context())
        return SMTP(self.host, self.port, _GREETING, self.timeout)

    def _secure(self, client: SMTP) -> None:
        from ssl import create_default_context

        client.ehlo_or_helo_if_needed()
        if self.security == "starttls":
            if not client.has_extn("starttls"):
                raise Undelivered(f"The mail server {self._place()} offers no encryption (STARTTLS); nothing was sent.")
            client.starttls(context=create_default_context())
            client.ehlo_or_helo_if_needed()

    def _log_in(self, client: SMTP) -> None:
        """AUTH PLAIN, or LOGIN where there is no other; smtplib's own cannot say a password that is not ASCII."""
        if self.username is None or self.password is None:
            return
        offered = client.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            code, said = client.docmd("AUTH", f"PLAIN {self._plain()}")
        elif "LOGIN" in offered:
            code, said = client.docmd("AUTH", "LOGIN")
            for answer in (Secret(self.username), self.password):
                if code == 334:
                    code, said = client.docmd(_base64(answer.reveal()))
        else:
            raise Undelivered(f"The mail server {self._place()} offers no login with a password (PLAIN or LOGIN).")
        if code != 235:
            raise self._refused(f"the login of {clean(self.username)}", code, said)

    def _plain(self) -> str:
        return _base64(f"\0{self.username}\0{self.password.reveal()}") if self.password else ""

    def _undelivered(self, error: OSError) -> Undelivered:
        """What happened, in one line; nothing of *error* is kept."""
        import smtplib
        import ssl
        from socket import gaierror

        match error:
            case _ if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                return self._no_answer(f"nothing for {self.timeout:g} s")
            case smtplib.SMTPServerDisconnected():
                line = f"The connection to the mail server {self._place()} broke off before it took the message."
                return Undelivered(line, temporary=True)
            case smtplib.SMTPRecipientsRefused():
                ((recipient, (code, said)),) = error.recipients.items()
                return self._refused(f"the recipient {clean(recipient)}", code, said)
            case smtplib.SMTPSenderRefused():
                return self._refused(f"the sender {clean(error.sender)}", error.smtp_code, error.smtp_error)
            case smtplib.SMTPDataError():
                return self._refused("the message", error.smtp_code, error.smtp_error)
            case smtplib.SMTPResponseException():
                return self._refused("the connection", error.smtp_code, error.smtp_error)
            case smtplib.SMTPNotSupportedError():
                return Undelivered(f"The mail server {self._place()} takes no address with letters beyond ASCII.")
            case ssl.SSLCertVerificationError():
                reason = _shortened(error.verify_message, _WORDS).rstrip(".")
                return Undelivered(f"The certificate of the mail server {self._place()} is not trusted: {reason}.")
            case ssl.SSLError():
                reason = _shortened((error.reason or "").replace("_", " ").lower(), _WORDS) or "connection closed"
                return Undelivered(f"TLS with the mail server {self._place()} failed ({reason}); is the port right?")
            case gaierror():
                return self._no_answer("unknown host")
            case ConnectionRefusedError():
                return self._no_answer("connection refused")
            case _:
                return self._no_answer(_shortened(error.strerror or str(error), _WORDS))

    def _no_answer(self, reason: str) -> Undelivered:
        return Undelivered(f"The mail server {self._place()} did not answer ({reason}).", temporary=True)

    def _refused(self, what: str, code: int, said: bytes | str) -> Undelivered:
        if code == -1:
            return Undelivered(f"What answers at {self._place()} is no mail server.")
        temporary = 400 <= code < 500
        refused = "refused for now, try again later," if temporary else "refused"
        line = f"The mail server {self._place()} {refused} {what}: {code} {self._words(said)}"
        return Undelivered(line.rstrip(), temporary=temporary)

    def _words(self, said: bytes | str) -> str:
        """The server's own words, unless it repeats the password."""
        text = said if isinstance(said, str) else said.decode("utf-8", "replace")
        if self.password is not None:
            forms = (self.password.reveal(), _base64(self.password.reveal()), self._plain())
            if any(form in text for form in forms):
                return "(its answer holds the password and is not shown)"
        return _shortened(text, _WORDS)

    def _place(self) -> str:
        return clean(f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


def password_in(path: Path) -> Secret:
    """The password in a file that is its user's alone, without the newline at its end; raises Invalid."""
    shown = clean(str(path))
    try:
        # A pipe must not make this wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Invalid(f"The SMTP password file {shown} is not a plain file.")
            if status.st_mode & 0o077:
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                raise Invalid(f"{shown} is open to other users (mode {mode}); run: chmod 600 {quote(shown)}")
            secret = Secret(os.read(descriptor, _PASSWORD_LIMIT).decode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Invalid(f"The SMTP password file {shown} cannot be read: {error.strerror}.") from error
    secret = Secret(secret.reveal().removesuffix("\n").removesuffix("\r"))
    if status.st_size > _PASSWORD_LIMIT or not re.fullmatch(_ONE_LINE, secret.reveal()):
        raise Invalid(f"The SMTP password file {shown} must hold the password, in one line of UTF-8, and nothing else.")
    return secret


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _shortened(text: str, limit: int) -> str:
    """*text* from outside as a part of one line, of *limit* characters at most."""
    text = clean(" ".join(text.split()))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# The invitation.

_AS: Final = {
    Role.OWNER: (
        "an owner",
        "Owners have full access to everything, including billing, the danger zone and ownership transfer.",
    ),
    Role.ADMIN: (
        "an admin",
        "Admins can manage workspaces, members, workflows and settings. "
        "They cannot delete the organization or transfer ownership.",
    ),
}

# No colours but the button's, so that the reader's own, light or dark, show.
_HTML: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{subject}</title>
</head>
<body style="margin: 0; padding: 24px 16px; font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif">
<div style="max-width: 34em; margin: 0 auto; overflow-wrap: anywhere">
<p style="font-size: 20px"><strong><bdi>{inviter}</bdi></strong> invites you to join \
<strong><bdi>{organization}</bdi></strong> as {role}.</p>
<p>{means}</p>
{link}<p>{lead}</p>
<pre style="padding: 12px; border: 1px solid #888888; border-radius: 6px; white-space: pre-wrap; \
font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace">{command}</pre>
<p>{until}</p>
<p style="font-size: 14px">{unexpected}</p>
</div>
</body>
</html>
"""
_LINK: Final = """\
<p><a href="{link}" style="display: inline-block; padding: 12px 24px; border-radius: 6px; background-color: #1d4ed8; \
color: #ffffff; text-decoration: none">Accept the invitation</a></p>
<p style="font-size: 14px">The button leads to {link}</p>
"""
_TEXT: Final = """\
{inviter} invites you to join {organization} as {role}.

{means}

{link}{lead}

    {command}

{until}

{unexpected}
"""


def invitation_message(
    *,
    organization: str,
    inviter: str,
    to: str,
    role: str,
    command: str,
    link: str | None,
    expires: datetime,
    timezone: str,
    sender: str,
    unique: bytes,
    date: datetime,
) -> EmailMessage:
    """The mail that brings an invitation: the *command* that accepts it, and the *link* where there is one.

    *expires* and *date* are aware; *expires* is written in *timezone*. *unique* is up to 32 bytes that no other message
    has, as in its Message-ID. Raises Invalid for a *to* or *sender* that is no address, and for a *role* there is not.
    """
    from email import message_from_string
    from email.policy import SMTP
    from email.utils import format_datetime

    sender, to = _address(sender, "smtp_from"), _address(to, "email")
    subject = f"Invitation to join {_shortened(organization, _NAME)}"
    headers = {
        "From": sender,
        "To": to,
        "Subject": _encoded("Subject", subject),
        "Date": format_datetime(date),
        "Message-ID": f"<{unique.hex()}@{sender.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
    }
    words = _words(organization, inviter, role, command, link, expires, timezone) | {"subject": subject}
    # As checked, so sent: the library folds headers anew otherwise, which has made two of one and lost spaces.
    policy = SMTP.clone(refold_source="none", utf8=not f"{sender}{to}".isascii())
    message = message_from_string("".join(f"{name}: {value}\r\n" for name, value in headers.items()), policy=policy)
    message.set_content(_text(words), cte="quoted-printable")
    message.add_alternative(_html(words), subtype="html", cte="quoted-printable")
    # Quoted-printable cannot contain "=_", so no line of the parts is taken for it.
    message.set_boundary(f"=_{unique.hex()}")
    return message


def _words(
    organization: str, inviter: str, role: str, command: str, link: str | None, expires: datetime, timezone: str
) -> dict[str, str]:
    """What both parts say, as plain text."""
    title, means = _AS[_role(role)]
    return {
        "organization": _shortened(organization, _NAME),
        "inviter": _shortened(inviter, _NAME),
        "role": title,
        "means": means,
        "link": clean(link or ""),
        "lead": "Or accept in a terminal:" if link else "Accept in a terminal, with orgtui:",
        "command": f'{clean(command)} --name "Your name"',
        "until": f"The invitation is valid until {_moment(expires, timezone)}. It works once.",
        "unexpected": "If you did not expect this, ignore it: nothing happens unless you accept.",
    }


def _text(words: dict[str, str]) -> str:
    link = f"Accept the invitation:\n\n{words['link']}\n\n" if words["link"] else ""
    return _TEXT.format_map(words | {"link": link})


def _html(words: dict[str, str]) -> str:
    escaped = {key: escape(value) for key, value in words.items()}
    link = _LINK.format_map(escaped) if words["link"] else ""
    return _HTML.format_map(escaped | {"link": link})


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise Invalid(f"“{_shortened(role, _NAME)}” is not a role.", field="role") from None


def _moment(when: datetime, timezone: str) -> str:
    """`Monday, 30 November 2026, 13:00 (Europe/Berlin, UTC+01:00)`."""
    zone = zone_or_utc(timezone)
    local = when.astimezone(zone)
    offset = f"{zone.key}, UTC{local.isoformat()[-6:]}" if zone.key != "UTC" else "UTC"
    return f"{local:%A}, {local.day} {local:%B %Y, %H:%M} ({offset})"


def _address(text: str, field: str) -> str:
    """The address as every server takes it; raises Invalid."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Invalid(f"“{_shortened(text, _NAME)}” is not an e-mail address.", field=field) from None
    address = found.ascii_email or found.normalized
    if "=?" in address:
        # An encoded word: who reads the header decodes it, and writes to somebody else.
        raise Invalid(f"“{_shortened(text, _NAME)}” is an e-mail address that mail cannot carry.", field=field)
    return address


def _encoded(name: str, text: str) -> str:
    """*text* as the value of the header *name*: as it is where possible, in encoded words of RFC 2047 elsewhere."""
    from email.header import Header

    charset = "us-ascii" if harmless(text) and "=?" not in text else "utf-8"
    return Header(text, charset, maxlinelen=_LINE, header_name=name).encode(linesep="\r\n")
