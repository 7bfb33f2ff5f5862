"""API keys: who may use a server, and whose adapters are whose.

A keys file is JSON, name -> SHA-256 of the key. The key itself is shown once, when it is made. Adapters belong to the
name: a new key under an old name has the old one's adapters.
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
    """The keys a server accepts, known by their SHA-256 alone."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """Take name -> SHA-256 in hexadecimal."""
        self._digests = dict(digests)

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """Read a keys file.

        Raises:
            ConfigError: if it is missing, holds no key, or is not name -> SHA-256, each of them once.
        """
        digests = _read(path)
        if not digests:
            raise ConfigError(f"keys file {path} is missing or holds no key; make one with `lorify keys create`")
        return cls(digests)

    def owner_of(self, key: str) -> str | None:
        """Name that a key belongs to, None if it is not known; the time taken tells nothing about the keys."""
        digest = _digest(key)
        owner = None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                owner = name
        return owner

    def __len__(self) -> int:
        """Number of keys."""
        return len(self._digests)


def create_key(path: Path, name: str) -> str:
    """Make a key, add its SHA-256 to a keys file (made if it is missing) and return the key.

    Raises:
        ConfigError: if the name is empty or taken, or the file is damaged or cannot be written.
    """
    if not name.strip() or not name.isprintable():
        raise ConfigError(f"the key's name is {name!r}; give one that can be read")
    digests = _read(path)
    if name in digests:
        raise ConfigError(f"keys file {path} has a key named {name!r} already; give another name or remove its line")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    _write(path, {**digests, name: _digest(key)})
    return key


def check_listen(host: str, keys: ApiKeys | None) -> None:
    """Refuse to be reached from other machines by anyone without a key.

    Args:
        host: address or name to listen on.
        keys: the keys asked for; None serves everyone.

    Raises:
        ConfigError: if there are no keys and `host` is not plainly this machine (`localhost`, 127.0.0.0/8 or ::1).
    """
    if not keys and not is_loopback(host):
        raise ConfigError(
            f"host is {host!r}, which other machines may reach, and there are no API keys; make one with "
            "`lorify keys create` and give the file with --keys, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether an address or name plainly means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """Content of a keys file, empty if it is missing."""
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
            raise ConfigError(f"keys file {path}: {name!r} has no SHA-256 of 64 hexadecimal digits; make a new key")
    if len(set(digests.values())) < len(digests):
        raise ConfigError(f"keys file {path}: two names have the same key; make one of them anew")
    return digests


def _write(path: Path, digests: Mapping[str, str]) -> None:
    """Replace a keys file at once; only its owner may read it."""
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
            f"keys file {path} cannot be written ({error.strerror or error}); give a place where you may write"
        ) from error
