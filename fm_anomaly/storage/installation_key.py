"""The installation's own key: what it has signed it knows again, and nobody else can sign.

One file of 32 random bytes in the user's configuration folder, readable by the user alone, made where it is first
needed. It signs models; whoever can read it can sign them too, so it lies apart from the models' folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from fm_anomaly.errors import ModelError

KEY_BYTES = 32


def default_key_file() -> Path:
    """Return where the key lies unless told otherwise: fm-anomaly/model.key in the user's configuration folder."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "fm-anomaly" / "model.key"


def read_key(path: Path) -> bytes:
    """Return the key. Raises ModelError where it is absent, not one, or can be read or written by others."""
    try:
        status = path.stat()
        key = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"no key {path}: this installation has signed no model yet, fit one with fm-anomaly categorize"
        ) from None
    except OSError as exc:
        raise ModelError(f"key {path} cannot be read: {exc.strerror}; check who owns it") from exc
    if os.name == "posix" and (status.st_uid not in (0, os.getuid()) or stat.S_IMODE(status.st_mode) & 0o077):
        raise ModelError(f"key {path} can be read by other users: chmod 600 it, delete it if others have read it")
    if len(key) != KEY_BYTES:
        raise ModelError(f"key {path} has {len(key)} bytes and not {KEY_BYTES}: delete it and fit the models again")
    return key


def make_key(path: Path) -> bytes:
    """Return the key, made where there is none yet; of two writers at once both get the same one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            # a link, unlike a renaming, never replaces the key of another writer
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    except OSError as exc:
        raise ModelError(f"key {path} cannot be written: {exc.strerror}; make its folder writable") from exc
    return read_key(path)


def sign(key: bytes, text: bytes) -> str:
    """Return the HMAC-SHA256 of `text` in hex."""
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def is_signed(key: bytes, text: bytes, signature: str) -> bool:
    """Whether `signature` is that of `text`; takes the same time whatever differs."""
    return hmac.compare_digest(sign(key, text), signature)
