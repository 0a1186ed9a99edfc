"""Signatures of webhooks, as https://www.standardwebhooks.com has them, so that receivers find a library for them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from entrypoint.errors import ConfigurationError

PREFIX = "whsec_"
"""Marks a secret in Base64; any other text is taken by its bytes."""


def signed(body: bytes, *, delivery: str, seconds: int, secret: str | None, where: str) -> Mapping[str, str]:
    """The headers that name a delivery, date it (Unix seconds) and, with a secret, prove who sent it.

    The signature covers all three, so that a receiver can turn away what is old or was seen before.
    """
    headers = {"webhook-id": delivery, "webhook-timestamp": str(seconds)}
    if secret is None:
        return headers
    content = f"{delivery}.{seconds}.".encode() + body
    proof = base64.b64encode(hmac.new(_key(secret, where), content, hashlib.sha256).digest()).decode()
    return {**headers, "webhook-signature": f"v1,{proof}"}


def _key(secret: str, where: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ConfigurationError(f"the secret begins with {PREFIX} and is no Base64", where=where) from None
