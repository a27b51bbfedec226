"""Keeps provider keys unreadable for whoever has the database but not the master key, and useless in another row."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orgtui.master_keys import KEY, MasterKeys, Random, VaultError, decoded, drawn, encoded
from orgtui.secret import Secret, held

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = 1
_NONCE = 12
# v1.<kid>.<wrapped data key>.<nonce>.<ciphertext>: each secret has a data key of its own, wrapped by the master key, so
# that rotation re-wraps 32 bytes a row and handles no secret.
_SEALED = re.compile(r"v1\.(k[0-9a-f]{12})\.([A-Za-z0-9_-]{80})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_NOT_OURS = "The sealed key is not one of this vault's; restore the row from a backup."
_CHANGED = "The sealed key was changed, or belongs to another organization, provider or row; it stays closed."


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a secret belongs; sealed with one binding it opens with no other."""

    organization: str
    provider: str
    key_id: str


@dataclass(frozen=True, slots=True)
class _Parts:
    """A sealed text, taken apart."""

    kid: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    def text(self) -> str:
        """The sealed text."""
        return ".".join(("v1", self.kid, *map(encoded, (self.wrapped, self.nonce, self.ciphertext))))


class Vault:
    """Seals and opens secrets with the master keys of a file."""

    def __init__(self, keys: MasterKeys, random: Random) -> None:
        self.keys = keys
        self._random = random

    def seal(self, secret: str | Secret, binding: Binding) -> str:
        """The text to store; it opens with the same binding only."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        secret = held(secret)
        data_key, nonce = drawn(self._random, KEY), drawn(self._random, _NONCE)
        ciphertext = AESGCM(data_key).encrypt(nonce, _plain(secret), _associated(binding, "secret"))
        return self._wrapped(data_key, nonce, ciphertext, binding).text()

    def open(self, sealed: str, binding: Binding) -> str:
        """The secret of a sealed text; raises VaultError if anything about it is not as it was sealed."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        parts = _parts(sealed)
        cipher = AESGCM(self._unwrapped(parts, binding))
        return _decrypted(cipher, parts.nonce, parts.ciphertext, _associated(binding, "secret")).decode()

    def rewrap(self, sealed: str, binding: Binding) -> str:
        """The same secret under the current master key; what is under it already is answered as it is."""
        parts = _parts(sealed)
        if parts.kid == self.keys.current:
            return sealed
        return self._wrapped(self._unwrapped(parts, binding), parts.nonce, parts.ciphertext, binding).text()

    def fingerprint(self, secret: str | Secret) -> str:
        """The same for the same secret, and of no use without the master key file; rotation does not change it."""
        secret = held(secret)
        prints = self.keys.prints()
        prints.update(_plain(secret))
        return prints.hexdigest()

    def _wrapped(self, data_key: bytes, nonce: bytes, ciphertext: bytes, binding: Binding) -> _Parts:
        kid, master = self.keys.wrapping()
        own = drawn(self._random, _NONCE)
        wrapped = own + master.encrypt(own, data_key, _associated(binding, "data key", kid=kid))
        return _Parts(kid, wrapped, nonce, ciphertext)

    def _unwrapped(self, parts: _Parts, binding: Binding) -> bytes:
        master = self.keys.unwrapping(parts.kid)
        associated = _associated(binding, "data key", kid=parts.kid)
        return _decrypted(master, parts.wrapped[:_NONCE], parts.wrapped[_NONCE:], associated)


def _plain(secret: Secret) -> bytes:
    try:
        return secret.reveal().encode()
    except UnicodeEncodeError:
        pass
    # Not raised above: that error holds the secret, and this one would hold that error.
    raise VaultError("The key contains characters that no key has; paste it again.")


def _associated(binding: Binding, layer: str, **more: str) -> bytes:
    """Canonical JSON: no two bindings make the same bytes. The secret's has no kid: re-wrapping must not touch it."""
    fields = {
        "v": VERSION,
        "layer": layer,
        "organization": binding.organization,
        "provider": binding.provider,
        "key_id": binding.key_id,
    }
    return _CANONICAL.encode(fields | more).encode()


def _decrypted(cipher: AESGCM, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise VaultError(_CHANGED) from None


def _parts(sealed: str) -> _Parts:
    match = _SEALED.fullmatch(sealed)
    if match is None:
        raise VaultError(_NOT_OURS)
    wrapped, nonce, ciphertext = (decoded(match[group]) for group in (2, 3, 4))
    if wrapped is None or nonce is None or ciphertext is None:
        raise VaultError(_NOT_OURS)
    return _Parts(match[1], wrapped, nonce, ciphertext)
