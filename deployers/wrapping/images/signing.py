"""Sign an image with a key, as `cosign sign --key` does, so that `cosign verify --key` and policy controllers take it.

The payload is "simple signing" (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md): a document that
names repository and digest, signed with ECDSA on P-256 over SHA-256; payload and signature lie under the tag
``sha256-<digest>.sig``. The nonce is RFC 6979's, so signing twice gives the same bytes and uploads nothing.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deployers.errors import ConfigurationError
from deployers.wrapping.images import documents
from deployers.wrapping.images.documents import Descriptor, Manifest
from deployers.wrapping.images.names import ImageName
from deployers.wrapping.images.registry import Registry
from deployers.wrapping.images.store import Store
from deployers.wrapping.images.uploads import FileBlob, Upload

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"


class SigningKey:
    """A private key on P-256. Shows nothing of itself."""

    def __init__(self, pem: str, password: str | None = None) -> None:
        """Read a PEM (PKCS #8 or SEC 1). Raises `ConfigurationError`, which never holds the key."""
        if "COSIGN PRIVATE KEY" in pem or "SIGSTORE PRIVATE KEY" in pem:
            raise ConfigurationError(
                "the key is encrypted in cosign's own way, which is not read", where="the signing key",
                hint="Use a PEM of your own (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256); cosign "
                "takes it by `cosign import-key-pair`, and verifies with its public half.",
            )  # fmt: skip
        try:
            key = serialization.load_pem_private_key(pem.encode(), password.encode() if password else None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(
                "the key can't be read: no PEM, or another password", where="the signing key",
                hint="Give a private key in PEM, and its password where it has one.",
            ) from None  # fmt: skip
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigurationError("the key is not one of the curve P-256", where="the signing key")
        self._key = key

    def sign(self, payload: bytes) -> str:
        """The signature as cosign writes it: base64 of the DER."""
        signature = self._key.sign(payload, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        return base64.b64encode(signature).decode()

    @property
    def public(self) -> str:
        """The public half in PEM, what `cosign verify --key` takes."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()  # fmt: skip


def payload(name: ImageName) -> bytes:
    """What is signed: that this digest is an image of this repository."""
    return documents.encode(
        {
            "critical": {
                "identity": {"docker-reference": f"{name.registry}/{name.repository}"},
                "image": {"docker-manifest-digest": name.digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )


def sign(name: ImageName, key: SigningKey, registry: Registry, store: Store) -> int:
    """Put the signature of a pushed image (``name`` has its digest) beside it; returns the bytes that were sent.

    Signatures by other keys that are there already stay.
    """
    content = payload(name)
    layer = documents.described(content, PAYLOAD, annotations={ANNOTATION: key.sign(content)})
    tag = name.at(tag=signature_tag(name))
    found = registry.manifest(tag)
    before = documents.decode(found[0], Manifest, name).layers if found else ()
    if layer in before:
        return 0
    layers = (*before, layer)
    config = documents.encode(
        {
            "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z", "history": [],
            "rootfs": {"type": "layers", "diff_ids": [one.digest for one in layers]},
        }
    )  # fmt: skip
    manifest = documents.encode(
        Manifest(
            schema_version=2,
            media_type=documents.MANIFEST,
            config=documents.described(config, documents.CONFIG),
            layers=layers,
        )
    )
    upload = Upload(registry, name.repository)
    for blob in (content, config):
        digest = store.add(blob)
        upload.bring(FileBlob(store.blob(digest), digest, len(blob)))
    registry.put_manifest(tag, manifest, documents.MANIFEST)
    return upload.sent + len(manifest)


def verified(name: ImageName, public: str, registry: Registry) -> bool:
    """Whether a signature beside the image is by this public key (PEM) and names this repository and digest."""
    try:
        key = serialization.load_pem_public_key(public.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError("the public key can't be read", where="the signature's key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigurationError("the public key is not of an elliptic curve", where="the signature's key")
    found = registry.manifest(name.at(tag=signature_tag(name)))
    layers = documents.decode(found[0], Manifest, name).layers if found else ()
    return any(_holds(layer, name, key, registry) for layer in layers)


def signature_tag(name: ImageName) -> str:
    """Where cosign looks for the signatures of an image."""
    return f"{str(name.digest).replace(':', '-')}.sig"


def _holds(layer: Descriptor, name: ImageName, key: ec.EllipticCurvePublicKey, registry: Registry) -> bool:
    if layer.media_type != PAYLOAD or layer.size > 65536:
        return False
    with registry.blob(name.repository, layer.digest) as pieces:
        content = b"".join(pieces)
    try:
        key.verify(base64.b64decode((layer.annotations or {})[ANNOTATION]), content, ec.ECDSA(hashes.SHA256()))
        said: Any = msgspec.json.decode(content)["critical"]
    except (InvalidSignature, KeyError, TypeError, binascii.Error, msgspec.DecodeError):
        return False
    expected: Any = msgspec.json.decode(payload(name))["critical"]
    return documents.digest(content) == layer.digest and bool(said == expected)
