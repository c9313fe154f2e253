"""Keys and what is done with them: a data key a conversation, wrapped; keyed pseudonyms and receipts.

Content is sealed with AES-256-GCM under the conversation's data key, which exists in the store only wrapped under a key from
``HELPLINE_SECRET_KEYS``. To erase a conversation is to destroy its wrapped key. Names (who wrote, which provider id came) are
kept as HMAC-SHA256 under keys of their own, so that a stolen database tells neither numbers nor chat ids.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.settings import Settings, SettingsError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEYS_FILE = "secret-keys"


class VaultError(Exception):
    """Something sealed cannot be opened: wrong or missing key, or changed bytes. The message never holds a key or content."""


@dataclass(frozen=True, repr=False)
class SecretKeys:
    """Wrapping keys and naming keys, newest first, 32 bytes each. New things use the first, old ones are found under all."""

    wrapping: tuple[bytes, ...]
    naming: tuple[bytes, ...]

    @staticmethod
    def parse(text: str) -> SecretKeys:
        """Read ``wrap:KEY,…,name:KEY,…`` (commas or white space between). Raises :class:`SettingsError` without showing a key."""
        found: dict[str, list[bytes]] = {"wrap": [], "name": []}
        for part in text.replace(",", " ").split():
            use, _, encoded = part.partition(":")
            if use not in found:
                raise SettingsError("HELPLINE_SECRET_KEYS: each key begins with wrap: or name:; make new ones with `python -m bot.vault`")
            found[use].append(_decode(encoded))
        if not found["wrap"] or not found["name"]:
            raise SettingsError("HELPLINE_SECRET_KEYS needs at least one wrap: key and one name: key; make them with `python -m bot.vault`")
        everything = found["wrap"] + found["name"]
        if len(set(everything)) != len(everything):
            raise SettingsError("HELPLINE_SECRET_KEYS holds the same key twice; each use needs a key of its own")
        return SecretKeys(tuple(found["wrap"]), tuple(found["name"]))

    @staticmethod
    def generate() -> str:
        """A new set of keys in the form that :meth:`parse` reads."""
        return ",".join(f"{use}:{base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip('=')}" for use in ("wrap", "name"))


def _decode(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError("HELPLINE_SECRET_KEYS: a key is not 32 bytes in base64url; copy it whole, or make new ones with `python -m bot.vault`")
    return key


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it is stored: ``blob`` opens only with the wrapping key whose public short name is ``key_id``."""

    key_id: str
    blob: bytes


class Vault:
    """Does everything that needs a key. Holds the keys in memory only."""

    def __init__(self, keys: SecretKeys) -> None:
        self._wrapping = {_short_name(key): key for key in keys.wrapping}
        self._newest = _short_name(keys.wrapping[0])
        self._pseudonym_keys = tuple(_derive(key, b"pseudonym") for key in keys.naming)
        self._receipt_keys = tuple(_derive(key, b"receipt") for key in keys.naming)

    def new_data_key(self) -> WrappedKey:
        """A fresh random 32-byte data key, wrapped under the newest wrapping key."""
        return self._wrap(secrets.token_bytes(_KEY_BYTES))

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """The data key itself, 32 bytes. Raises :class:`VaultError` when its wrapping key is not among ours."""
        key = self._wrapping.get(wrapped.key_id)
        if key is None:
            raise VaultError("a conversation is wrapped under a key that HELPLINE_SECRET_KEYS does not hold")
        return _open(key, wrapped.blob, _wrap_context(wrapped.key_id))

    def rewrap(self, wrapped: WrappedKey) -> WrappedKey:
        """The same data key under the newest wrapping key; ``wrapped`` itself when it is already."""
        return wrapped if wrapped.key_id == self._newest else self._wrap(self.unwrap(wrapped))

    def encrypt(self, data_key: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Seal ``plaintext``: 12 bytes nonce, ciphertext, 16 bytes tag. Opens only with the same ``associated`` bytes."""
        return _seal(data_key, plaintext, associated)

    def decrypt(self, data_key: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Undo :meth:`encrypt`. Raises :class:`VaultError`."""
        return _open(data_key, sealed, associated)

    def token(self, data_key: bytes, *parts: str) -> str:
        """A short name (16 characters, base64url) that only the holder of ``data_key`` can make or check: tells nothing of ``parts``."""
        return base64.urlsafe_b64encode(bytes.fromhex(_name(_derive(data_key, b"token"), *parts))[:12]).decode("ascii")

    def pseudonym(self, channel: str, address: str) -> str:
        """The keyed name of an address, 64 hex digits, under the newest naming key."""
        return self.pseudonyms(channel, address)[0]

    def pseudonyms(self, channel: str, address: str) -> tuple[str, ...]:
        """The address's names under all naming keys, newest first."""
        return tuple(_name(key, channel, address) for key in self._pseudonym_keys)

    def receipt(self, channel: str, provider_id: str) -> str:
        """The keyed name of a provider's message id, 64 hex digits, under the newest naming key."""
        return self.receipts(channel, provider_id)[0]

    def receipts(self, channel: str, provider_id: str) -> tuple[str, ...]:
        """The id's names under all naming keys, newest first."""
        return tuple(_name(key, channel, provider_id) for key in self._receipt_keys)

    def _wrap(self, data_key: bytes) -> WrappedKey:
        return WrappedKey(self._newest, _seal(self._wrapping[self._newest], data_key, _wrap_context(self._newest)))


def _wrap_context(key_id: str) -> bytes:
    return b"data key under " + key_id.encode("ascii", "replace")


def _seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def _open(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):
        raise VaultError("sealed content does not open: it was changed, or belongs to another place") from None


def _short_name(key: bytes) -> str:
    return _derive(key, b"short name")[:4].hex()


def _derive(key: bytes, use: bytes) -> bytes:
    return hmac.digest(key, b"helpline " + use, hashlib.sha256)


def _name(key: bytes, *parts: str) -> str:
    # each part goes in with its length, so that ("a", "bc") and ("ab", "c") differ; surrogatepass: no input may raise here
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hmac.digest(key, b"".join(len(p).to_bytes(8, "big") + p for p in encoded), hashlib.sha256).hex()


def keys_for(settings: Settings) -> SecretKeys:
    """The keys of this installation.

    From ``HELPLINE_SECRET_KEYS``; with SQLite else from the file ``secret-keys`` (mode 600) in ``HELPLINE_VAR``, made when there is no
    database yet. Raises :class:`SettingsError` when there is a database and no key to read it with.
    """
    if settings.secret_keys:
        return SecretKeys.parse(settings.secret_keys)
    if not settings.sqlite:
        raise SettingsError("HELPLINE_SECRET_KEYS is needed with PostgreSQL; make keys with `python -m bot.vault` and keep them safe")
    path = settings.var / _KEYS_FILE
    try:
        return SecretKeys.parse(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path} cannot be read; check its owner and rights") from None
    database = Path(settings.database_url.split("sqlite:///", 1)[-1])
    if database.is_file() and database.stat().st_size > 0:
        raise SettingsError(f"the keys of {database} are missing: put {path} or HELPLINE_SECRET_KEYS back, or move the database away to start anew")
    return SecretKeys.parse(_write_new_keys(path))


def _write_new_keys(path: Path) -> str:
    """Make the keys file, whole or not at all; two processes that start together end with the same keys."""
    text = SecretKeys.generate()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            text = path.read_text(encoding="ascii")
        finally:
            draft.unlink()
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({type(error).__name__}); make HELPLINE_VAR writable or set HELPLINE_SECRET_KEYS") from None
    return text


if __name__ == "__main__":
    pass
