"""The secrets of subscriptions and the signatures made with them.

No secret is kept: each follows from the subscription's id and one key of the workspace, which lies outside the database
(a file that only its owner can read, or the environment). Who has a copy of the database can sign nothing.
"""

import base64
import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from features.errors import FieldError

KEY_VARIABLE = "LAGNIAPPE_WEBHOOK_KEY"
"""At least 32 characters that others do not know; for services of one store on several machines."""
SIGNATURE_HEADER = "X-Lagniappe-Signature"
_KEY_FILE = "webhooks.key"
_SHORTEST_KEY = 32


def webhook_key(workspace: Path) -> bytes:
    """The workspace's key: the environment's, else that of its file, which is made when it is first needed.

    Raises
    ------
    FieldError
        If the environment's is too short to be secret.
    """
    given = os.environ.get(KEY_VARIABLE)
    if given:
        if len(given) < _SHORTEST_KEY:
            raise FieldError(KEY_VARIABLE, "…", f"at least {_SHORTEST_KEY} characters")
        return given.encode()
    path = workspace / _KEY_FILE
    new = workspace / f"{_KEY_FILE}.{secrets.token_hex(8)}"
    if not path.exists():
        _write_new(new)
        try:
            os.link(new, path)  # whole or not at all, and never over another's
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return path.read_bytes()


def _write_new(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(32).encode())
        file.flush()
        os.fsync(file.fileno())


def secret_of(key: bytes, subscription_id: str) -> str:
    digest = hmac.new(key, f"webhook\x1f{subscription_id}".encode(), sha256).digest()
    return "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def print_of(secret: str) -> str:
    """By which it is known again; nothing of the secret follows from it."""
    return sha256(f"print\x1f{secret}".encode()).hexdigest()[:16]


def signature(secret: str, sent_at_seconds: int, body: bytes) -> str:
    """The header's value: HMAC-SHA256, keyed with the text of the secret, over ``t``, a full stop and the body.

    >>> signature("whsec_x", 1700000000, b"{}")[:20]
    't=1700000000,v1=be8c'
    """
    digest = hmac.new(secret.encode(), b"%d." % sent_at_seconds + body, sha256).hexdigest()
    return f"t={sent_at_seconds},v1={digest}"
