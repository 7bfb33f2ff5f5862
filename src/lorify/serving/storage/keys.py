"""API keys: who may use a server, and who owns which adapters.

A keys file is JSON, owner name -> SHA-256 of the key. The key itself is shown once, when it is created. Adapters belong
to the name: a new key under an old name gets access to that name's adapters.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lorify.errors import ConfigError

KEY_PREFIX = "lorify-"
KEY_BYTES = 32

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE = TypeAdapter(dict[str, str])


class ApiKeys:
    """The keys a server accepts; only their SHA-256 is known."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """Take owner name -> SHA-256 of the key in hexadecimal."""
        self._digests = dict(digests)

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """Read a keys file.

        Raises:
            ConfigError: if it is missing, has no key, or is not JSON of name -> SHA-256 with unique digests.
        """
        digests = _read(path)
        if not digests:
            raise ConfigError(f"keys file {path} is missing or has no key; create one with `lorify keys create`")
        return cls(digests)

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


def create_key(path: Path, name: str) -> str:
    """Create a key, add its SHA-256 to a keys file (created if missing) and return the key.

    Raises:
        ConfigError: if the name is empty, unprintable or taken, or the file is damaged or cannot be written.
    """
    if not name.strip() or not name.isprintable():
        raise ConfigError(f"the key's name is {name!r}; give one of printable characters")
    digests = _read(path)
    if name in digests:
        raise ConfigError(f"keys file {path} has a key named {name!r} already; give another name or delete its line")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    _write(path, {**digests, name: _digest(key)})
    return key


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


def _read(path: Path) -> dict[str, str]:
    """Read name -> SHA-256; empty if the file is missing."""
    try:
        digests = _FILE.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"keys file {path} cannot be read ({error.strerror}); check its permissions") from error
    except ValidationError as error:
        raise ConfigError(f"keys file {path} is damaged; expected JSON of name -> SHA-256 of the key") from error
    for name, digest in digests.items():
        if not _DIGEST.fullmatch(digest):
            raise ConfigError(f"keys file {path}: {name!r} has no SHA-256 of 64 hexadecimal digits; create a new key")
    if len(set(digests.values())) < len(digests):
        raise ConfigError(f"keys file {path}: two names have the same key; replace one of them")
    return digests


def _write(path: Path, digests: Mapping[str, str]) -> None:
    """Replace a keys file atomically; only its owner can read it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(digests, file, indent=1)
                file.write("\n")
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ConfigError(
            f"keys file {path} cannot be written ({error.strerror or error}); give a writable path"
        ) from error
