"""API keys: who may use a server, and who owns which adapters.

A keys file is JSON, owner name -> SHA-256 of the key. The key itself is shown once, when it is created. Adapters belong
to the name: a new key under an old name gets access to that name's adapters. The key of an operator, who may also read
the metrics, is an object with `sha256` and `operator`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lorify.errors import ConfigError

KEY_PREFIX = "lorify-"
KEY_BYTES = 32

_DIGEST = re.compile(r"[0-9a-f]{64}")


class _OperatorKey(BaseModel):
    """Entry of an operator's key in a keys file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    operator: Literal[True]


_Entries = dict[str, str | _OperatorKey]
_FILE = TypeAdapter(_Entries)


class ApiKeys:
    """The keys a server accepts; only their SHA-256 is known."""

    def __init__(self, digests: Mapping[str, str], operators: Collection[str] = ()) -> None:
        """Take the keys.

        Args:
            digests: owner name -> SHA-256 of the key in hexadecimal.
            operators: names of owners who may read the metrics.
        """
        self._digests = dict(digests)
        self._operators = frozenset(operators)

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """Read a keys file.

        Raises:
            ConfigError: if it is missing, has no key, or is not JSON of name -> SHA-256 with unique digests.
        """
        entries = _read(path)
        if not entries:
            raise ConfigError(f"keys file {path} is missing or has no key; create one with `lorify keys create`")
        operators = [name for name, entry in entries.items() if isinstance(entry, _OperatorKey)]
        return cls({name: _sha256(entry) for name, entry in entries.items()}, operators)

    def is_operator(self, owner: str) -> bool:
        """Return whether an owner may read the metrics, which count what all owners do."""
        return owner in self._operators

    def owner_of(self, key: str) -> str | None:
        """Return the owner of a key, None if it is unknown. The time taken reveals nothing about the keys."""
        digest = _digest(key)
        owner = None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                owner = name
        return owner

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._digests)

    @property
    def owners(self) -> list[str]:
        """Names of the keys' owners, in the order of the file."""
        return list(self._digests)


def create_key(path: Path, name: str, *, operator: bool = False) -> str:
    """Create a key, add its SHA-256 to a keys file (created if missing) and return the key.

    Args:
        path: the keys file.
        name: the key's owner.
        operator: whether the key may read the metrics.

    Raises:
        ConfigError: if the name is empty, unprintable or taken, or the file is damaged or cannot be written.
    """
    if not name.strip() or not name.isprintable():
        raise ConfigError(f"the key's name is {name!r}; give one of printable characters")
    entries = _read(path)
    if name in entries:
        raise ConfigError(
            f"keys file {path} has a key named {name!r} already; give another name or revoke that key first"
        )
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = _digest(key)
    _write(path, {**entries, name: _OperatorKey(sha256=digest, operator=True) if operator else digest})
    return key


def revoke_key(path: Path, name: str) -> None:
    """Remove a key from a keys file. A running server accepts it until it is restarted; the owner's adapters are kept.

    Args:
        path: the keys file.
        name: the key's owner.

    Raises:
        ConfigError: if there is no key of this name, or the file is damaged or cannot be written.
    """
    entries = _read(path)
    if name not in entries:
        raise ConfigError(
            f"keys file {path} has no key named {name!r}; `lorify keys list --keys {path}` shows the names in it"
        )
    _write(path, {other: entry for other, entry in entries.items() if other != name})


def check_listen(host: str, keys: ApiKeys | None) -> None:
    """Refuse to serve other machines without API keys.

    Args:
        host: address or name to listen on.
        keys: accepted keys; None accepts every request.

    Raises:
        ConfigError: if there are no keys and `host` is not a loopback address (`localhost`, 127.0.0.0/8 or ::1).
    """
    if not keys and not is_loopback(host):
        raise ConfigError(
            f"host is {host!r}, which other machines can reach, and there are no API keys; create one with "
            "`lorify keys create` and pass the file with --keys, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Return whether an address or name is the loopback of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _sha256(entry: str | _OperatorKey) -> str:
    return entry if isinstance(entry, str) else entry.sha256


def _read(path: Path) -> _Entries:
    """Read name -> key; empty if the file is missing."""
    try:
        entries = _FILE.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"keys file {path} cannot be read ({error.strerror}); check its permissions") from error
    except ValidationError as error:
        raise ConfigError(f"keys file {path} is damaged; expected JSON of name -> SHA-256 of the key") from error
    digests = [_sha256(entry) for entry in entries.values()]
    for name, digest in zip(entries, digests, strict=True):
        if not _DIGEST.fullmatch(digest):
            raise ConfigError(f"keys file {path}: {name!r} has no SHA-256 of 64 hexadecimal digits; create a new key")
    if len(set(digests)) < len(digests):
        raise ConfigError(f"keys file {path}: two names have the same key; replace one of them")
    return entries


def _write(path: Path, entries: _Entries) -> None:
    """Replace a keys file atomically; only its owner can read it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_FILE.dump_json(entries, indent=1) + b"\n")
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ConfigError(
            f"keys file {path} cannot be written ({error.strerror or error}); give a writable path"
        ) from error
