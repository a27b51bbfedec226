"""The one wrapper around every operation: transaction, permission, idempotency key, audit row, commit."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from orgtui.domain.ambient import Ambient
from orgtui.domain.errors import Forbidden, Invalid, KeyReused, NotFound
from orgtui.domain.months import micros
from orgtui.domain.roles import PLATFORM, PLATFORM_PERMISSIONS, Permission, Role, allows, refusal
from orgtui.master_keys import MasterKeys
from orgtui.store.contract.access import Kind
from orgtui.store.contract.operation import Operation, current_key
from orgtui.store.sql.bearers import Standing, standing
from orgtui.store.sql.chain import next_row
from orgtui.store.sql.database import Database, reread
from orgtui.store.sql.rows import Rows, rows_of
from orgtui.vault import Vault

if TYPE_CHECKING:
    from sqlmodel import Session

NOBODY = "invitee"
# How long what a write answered is kept for whoever asks again; Stripe keeps its own as long.
KEYS_LIVE = timedelta(days=1)
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Read:
    """What a read is given: rows of one moment, whose they are, who asks, and when."""

    rows: Rows
    organization: str
    actor: str
    role: Role | None
    now: datetime
    chain: Callable[[], hmac.HMAC]


@dataclass(slots=True)
class Write:
    """What a write is given, inside its transaction. It must end with `audit` or `unchanged`, once.

    `bearer` is the token by which the actor came, None for who opened the store itself.
    """

    session: Session
    operation: str
    organization: str
    actor: str
    role: Role | None
    ambient: Ambient
    now: datetime
    keys: Callable[[], MasterKeys]
    bearer: Standing | None = field(default=None, init=False)
    changed: bool | None = field(default=None, init=False)

    @property
    def rows(self) -> Rows:
        """Plain SQL in this transaction, after all that the session holds back."""
        return rows_of(self.session)

    def read(self) -> Read:
        """The same moment, for the functions that answer reads."""
        return Read(self.rows, self.organization, self.actor, self.role, self.now, lambda: self.keys().chain())

    @property
    def vault(self) -> Vault:
        """What seals and opens provider keys."""
        return Vault(self.keys(), self.ambient.random)

    def audit(self, subject: str, *, before: Any = None, after: Any = None) -> None:
        """Record what changed: `before` and `after` are JSON values, without secrets."""
        self._end(changed=True)
        self.session.add(
            next_row(
                self.rows,
                self.keys().chain(),
                organization=self.organization,
                at=micros(self.now),
                actor=self.actor,
                role=self._role(),
                operation=self.operation,
                subject=subject,
                before=before,
                after=after,
            )
        )

    def unchanged(self) -> None:
        """Say that there was nothing to change."""
        self._end(changed=False)

    def _role(self) -> str:
        if self.role:
            return self.role.value
        return PLATFORM if self.actor == PLATFORM else NOBODY

    def _end(self, *, changed: bool) -> None:
        if self.changed is not None:
            raise AssertionError(f"{self.operation} ends twice")
        self.changed = changed


class UnitOfWork:
    """Runs operations of one organization for one actor on one database, who may have come with a *token* (its id)."""

    def __init__(
        self, database: Database, organization: str, actor: str, ambient: Ambient, token: str | None = None
    ) -> None:
        self._database, self._organization, self._actor, self._ambient = database, organization, actor, ambient
        self._token = token

    def read(self, operation: Operation, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Run a read: permission and rows of the same moment."""
        with _numbers_that_fit():
            return reread(lambda: self._read(operation, function, arguments))

    def _read(self, operation: Operation, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        with self._database.reading() as rows:
            actor, role, _ = self._permit(rows, operation)
            tx = Read(rows, self._organization, actor, role, self._ambient.now(), lambda: self._keys().chain())
            return function(tx, **arguments)

    def permit(self, operation: Operation) -> None:
        """Raise what the operation would be refused with here and now."""

        def look() -> None:
            with self._database.reading() as rows:
                self._permit(rows, operation)

        reread(look)

    def write(self, operation: Operation, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Run a write: all of it is kept, or nothing."""
        with _numbers_that_fit(), self._database.writing(self._organization) as session:
            now = self._ambient.now()
            tx = Write(session, operation.id, self._organization, self._actor, None, self._ambient, now, self._keys)
            key = self._key(current_key())
            request = _digest(tx, key, arguments) if key else ""
            kept = _kept(tx, key) if key else None
            # Before the permission: whoever left or gave up a role asks once more when the answer was lost.
            if key and kept and kept[:2] == (operation.id, request):
                return operation.answers.validate_json(_unseal(tx, key, kept[2]))
            tx.actor, tx.role, tx.bearer = self._permit(tx.rows, operation)
            if kept:
                raise KeyReused("This idempotency key was used for another request; use a new one.")
            result = function(tx, **arguments)
            if tx.changed is None:
                raise AssertionError(f"{operation.id} ended without an audit row")
            _close(tx, operation, key, request, result)
            return result

    def _key(self, given: str | None) -> str | None:
        """Whose it is belongs to it: nobody, and no narrower token, is told what another one's was answered."""
        return given and json.dumps([self._actor.casefold(), self._token, given])

    def _keys(self) -> MasterKeys:
        return self._database.keys.open(self._ambient.random)

    def _permit(self, rows: Rows, operation: Operation) -> tuple[str, Role | None, Standing | None]:
        """Who acts, as the organization writes their address, as what, and with which token."""
        if operation.needs is None:
            return self._actor, None, None
        if self._token is not None:
            return self._permit_token(rows, operation, operation.needs, self._token)
        if self._actor == PLATFORM:
            self._permit_platform(rows, operation, operation.needs)
            return PLATFORM, None, None
        found = rows.one(
            "SELECT email, role FROM members WHERE org_id = :org AND email_key = :key",
            org=self._organization,
            key=self._actor.casefold(),
        )
        if found is None:
            self._find(rows)
            raise Forbidden(f"{self._actor} is not a member of this organization; act as one with --as EMAIL.")
        email, role = found[0], Role(found[1])
        if not allows(role, operation.needs):
            raise Forbidden(refusal(operation.needs))
        return email, role, None

    def _permit_token(
        self, rows: Rows, operation: Operation, needed: Permission, token: str
    ) -> tuple[str, Role | None, Standing | None]:
        """As `_permit`; what the token is worth is asked in the transaction, so that revoked means revoked."""
        self._find(rows)
        found = standing(rows, self._organization, token, self._ambient.now())
        if found.kind is Kind.PLATFORM:
            self._permit_platform(rows, operation, needed)
        elif not allows(found.role, needed):
            raise Forbidden(refusal(needed))
        if needed not in found.scopes or (found.kind is Kind.AUTOMATION and operation.writes):
            raise Forbidden(f"This token may not do this ({operation.id}); it was made for less.")
        return (PLATFORM, None, found) if found.kind is Kind.PLATFORM else (found.maker, found.role, found)

    def _permit_platform(self, rows: Rows, operation: Operation, needed: Permission) -> None:
        self._find(rows)
        # Writes that need no more than to look are about oneself, and the platform is no member.
        if needed not in PLATFORM_PERMISSIONS or (operation.writes and needed == Permission.VIEW):
            raise Forbidden(f"The platform does not do this ({operation.id}); a member does.")

    def _find(self, rows: Rows) -> None:
        if not rows.one("SELECT 1 FROM organizations WHERE id = :org", org=self._organization):
            raise NotFound("The organization has been deleted.")


@contextmanager
def _numbers_that_fit() -> Iterator[None]:
    try:
        yield
    except OverflowError:
        raise Invalid("A number is larger than any that can be kept.") from None


def _close(tx: Write, operation: Operation, key: str | None, request: str, result: Any) -> None:
    from orgtui.store.sql.tables import IdempotencyKey, Organization

    organization = tx.session.get(Organization, tx.organization)
    if organization is None:
        return
    organization.revision += int(bool(tx.changed))
    if key:
        name = _derived(tx, key, "name").hex()
        _forget(tx, name)
        tx.session.add(
            IdempotencyKey(
                org_id=tx.organization,
                key=name,
                operation=operation.id,
                request=request,
                response=_seal(tx, key, operation.answers.dump_json(result)),
                at=micros(tx.now),
            )
        )


def _forget(tx: Write, name: str) -> None:
    """What is older than KEYS_LIVE: of this key, and with one key in sixteen of all the others."""
    which = "" if name.startswith("0") else "AND key = :key"
    tx.rows.run(
        f"DELETE FROM idempotency_keys WHERE org_id = :org AND at <= :before {which}",  # noqa: S608 (no value in it)
        org=tx.organization,
        before=micros(tx.now - KEYS_LIVE),
        **({"key": name} if which else {}),
    )


def _kept(tx: Write, key: str) -> tuple[Any, ...] | None:
    """What was done with a key: the operation, the request and its sealed answer."""
    return tx.rows.one(
        "SELECT operation, request, response FROM idempotency_keys WHERE org_id = :org AND key = :key AND at > :after",
        org=tx.organization,
        after=micros(tx.now - KEYS_LIVE),
        key=_derived(tx, key, "name").hex(),
    )


def _derived(tx: Write, key: str, purpose: str, more: str = "") -> bytes:
    """Of the caller's key and of one that no table holds: on the tables alone no guess can be tried."""
    mac = tx.keys().requests()
    mac.update(json.dumps([purpose, tx.organization, key, more]).encode())
    return mac.digest()


def _digest(tx: Write, key: str, arguments: dict[str, Any]) -> str:
    return _derived(tx, key, "request", json.dumps(arguments, default=_plain, sort_keys=True)).hex()


def _plain(value: Any) -> Any:
    """What JSON has no word for: all fields of a dataclass, the ones too that its repr hides."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value.hex() if isinstance(value, bytes) else str(value)


def _cipher(tx: Write, key: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derived(tx, key, "answer"))


def _seal(tx: Write, key: str, answer: bytes) -> str:
    nonce = tx.ambient.random(_NONCE)
    return base64.b64encode(nonce + _cipher(tx, key).encrypt(nonce, answer, None)).decode()


def _unseal(tx: Write, key: str, sealed: str) -> bytes:
    data = base64.b64decode(sealed)
    answer: bytes = _cipher(tx, key).decrypt(data[:_NONCE], data[_NONCE:], None)
    return answer
