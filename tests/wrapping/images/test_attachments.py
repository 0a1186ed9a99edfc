"""What lies beside an image: a bill of materials, its provenance, a signature; each about this very image."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deployers.errors import ConfigurationError
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Attachments, Image, Pushed, SigningKey
from deployers.wrapping.images import inventory, names, provenance, referrers, signing
from deployers.wrapping.images.documents import Descriptor
from tests.fakes import line as lines
from tests.wrapping.images import parts
from tests.wrapping.images.conftest import Yard

pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture(params=["referrers by a tag", "referrers by the API"])
def repository(request: pytest.FixtureRequest, registry: parts.RealRegistry) -> Iterator[str]:
    """A repository in Debian's registry, which has no referrers API, or behind one that has."""
    with lines.to(registry.host) as line:
        line.referrers = request.param.endswith("API")
        yield f"{line.plain}/acme/attached-{'api' if line.referrers else 'tag'}"


def attached(yard: Yard, pushed: Pushed, subject: str) -> dict[str, Any]:
    """Everything that refers to a manifest, by its kind, decoded."""
    there = yard.registries.of(pushed.name)
    found: dict[str, Any] = {}
    for one in referrers.listed(subject, pushed.name, there):
        manifest = json.loads(there.manifest(pushed.name.at(digest=one.digest))[0])  # type: ignore[index]
        assert manifest["subject"]["digest"] == subject
        (layer,) = manifest["layers"]
        with there.blob(pushed.name.repository, layer["digest"]) as pieces:
            found[str(one.artifact_type)] = json.loads(b"".join(pieces))
    return found


def test_inventory_and_provenance_are_found_by_the_image_and_attached_once(
    yard: Yard, bundle: Bundle, repository: str
) -> None:
    made = yard.build(bundle)
    pushed = yard.push(made, repository, attachments=Attachments(run="https://ci.example/runs/1"))
    found = attached(yard, pushed, made.digest)
    assert found.keys() == {inventory.MEDIA_TYPE, provenance.MEDIA_TYPE}
    later = Attachments(run="https://ci.example/runs/2")
    assert yard.push(made, repository, attachments=later).sent == 0
    statement = found[provenance.MEDIA_TYPE]
    assert statement["subject"] == [{"name": str(pushed.name.at()), "digest": {"sha256": made.digest[7:]}}]
    assert statement["predicate"]["runDetails"]["metadata"]["invocationId"] == "https://ci.example/runs/1"


def test_a_model_is_not_hashed_again_for_an_image_that_has_its_documents(
    yard: Yard, bundle: Bundle, registry: parts.RealRegistry
) -> None:
    repository = f"{registry.plain}/acme/hashed-once"
    yard.push(yard.build(bundle), repository)
    again = yard.build(bundle)
    yard.push(again, repository)
    assert "model_files" not in vars(again)


def test_each_platform_has_its_inventory_and_the_index_the_provenance(
    yard: Yard, bundle: Bundle, repository: str
) -> None:
    made = yard.build(bundle, platforms=("linux/amd64", "linux/arm64"))
    pushed = yard.push(made, repository)
    assert attached(yard, pushed, made.digest).keys() == {provenance.MEDIA_TYPE}
    for one in made.images:
        assert attached(yard, pushed, one.descriptor.digest).keys() == {inventory.MEDIA_TYPE}


def test_what_others_have_attached_stays(yard: Yard, bundle: Bundle, repository: str) -> None:
    made = yard.build(bundle)
    pushed = yard.push(made, repository, attachments=Attachments(provenance=False))
    there = yard.registries.of(pushed.name)
    scan = referrers.Attachment("application/vnd.acme.scan", made.descriptor, lambda: b'{"scan":"clean"}')
    referrers.attach([scan], pushed.name, there, made.store)
    yard.push(made, repository)
    assert attached(yard, pushed, made.digest).keys() == {
        inventory.MEDIA_TYPE, provenance.MEDIA_TYPE, "application/vnd.acme.scan"
    }  # fmt: skip


def test_the_inventory_is_cyclonedx_and_names_packages_base_server_and_model(yard: Yard, bundle: Bundle) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    made = yard.build(bundle)
    text = inventory.of(made.images[0], bundle, made.model_files).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    said = {component["name"]: component for component in json.loads(text)["components"]}
    assert said["one"]["purl"] == "pkg:pypi/one@1.0"
    assert said["tagboat-server"]["type"] == "application"
    assert said["iris"]["type"] == "machine-learning-model"
    assert (
        said[f"{made.base.registry}/{made.base.repository}"]["hashes"][0]["content"] == made.images[0].base.manifest[7:]
    )
    assert made.digest in text


def test_the_provenance_names_every_input_and_repeats_for_the_same(yard: Yard, bundle: Bundle) -> None:
    made = yard.build(bundle)

    def statement() -> dict[str, Any]:
        return dict(json.loads(provenance.of("r/x", made.digest, made.images, bundle, files=made.model_files, inputs={"base": "b"},
                                             source="https://github.com/acme/models", run=None)))  # fmt: skip

    said = statement()
    assert said == statement()
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    dependencies = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    commit = bundle.description.commit
    assert dependencies[0] == {"uri": f"git+https://github.com/acme/models@{commit}", "digest": {"gitCommit": commit}}
    digests = {value for one in dependencies for value in one.get("digest", {}).values()}
    assert made.images[0].base.manifest[7:] in digests
    assert "pkg:pypi/one@1.0" in {one.get("uri") for one in dependencies}


# Signatures


@pytest.fixture(scope="module")
def pem() -> str:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()  # fmt: skip


@pytest.fixture
def signed(yard: Yard, bundle: Bundle, registry: parts.RealRegistry, pem: str) -> tuple[Image, Pushed]:
    made = yard.build(bundle)
    return made, yard.push(made, f"{registry.plain}/acme/signed", attachments=Attachments(key=SigningKey(pem)))


def test_a_signature_holds_for_its_image_and_key_and_no_other(
    yard: Yard, signed: tuple[Image, Pushed], pem: str
) -> None:
    _, pushed = signed
    there = yard.registries.of(pushed.name)
    public = SigningKey(pem).public
    assert signing.verified(pushed.name, public, there)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()  # fmt: skip
    assert not signing.verified(pushed.name, stranger, there)
    assert not signing.verified(pushed.name.at(digest="sha256:" + "0" * 64), public, there)
    other = names.parse(f"{pushed.name.registry}/acme/elsewhere@{pushed.name.digest}", where="test")
    content = signing.payload(pushed.name)
    assert content != signing.payload(other)


def test_the_signature_is_one_that_openssl_takes_over_cosigns_payload(
    yard: Yard, signed: tuple[Image, Pushed], pem: str, tmp_path: Path
) -> None:
    made, pushed = signed
    there = yard.registries.of(pushed.name)
    tag = pushed.name.at(tag=f"sha256-{made.digest[7:]}.sig")
    found = there.manifest(tag)
    assert found is not None
    (layer,) = json.loads(found[0])["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    with there.blob(pushed.name.repository, layer["digest"]) as pieces:
        (tmp_path / "payload").write_bytes(b"".join(pieces))
    said = json.loads((tmp_path / "payload").read_text())
    assert said["critical"]["image"] == {"docker-manifest-digest": made.digest}
    assert said["critical"]["identity"] == {"docker-reference": f"{pushed.name.registry}/acme/signed"}
    (tmp_path / "signature").write_bytes(base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))
    (tmp_path / "key.pub").write_text(SigningKey(pem).public)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pub", "-signature", "signature", "payload"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified OK" in done.stdout, done.stderr


def test_signing_again_sends_nothing_and_a_second_key_adds_to_the_first(
    yard: Yard, signed: tuple[Image, Pushed], pem: str
) -> None:
    made, pushed = signed
    there = yard.registries.of(pushed.name)
    assert signing.sign(pushed.name, SigningKey(pem), there, made.store) == 0
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"password"),
    ).decode()  # fmt: skip
    second = SigningKey(other, "password")
    assert signing.sign(pushed.name, second, there, made.store) > 0
    assert signing.verified(pushed.name, second.public, there)
    assert signing.verified(pushed.name, SigningKey(pem).public, there)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense canary", "can't be read"),
        ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ncanary\n-----END", "cosign's own way"),
        ("", "can't be read"),
    ],
)
def test_a_key_that_is_none_is_an_error_that_does_not_show_it(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        SigningKey(text)
    assert "canary" not in str(raised.value)


def test_a_key_of_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()  # fmt: skip
    with pytest.raises(ConfigurationError, match="P-256"):
        SigningKey(other)


def test_a_descriptor_of_a_subject_carries_no_platform() -> None:
    subject = Descriptor(media_type="m", digest="sha256:" + "1" * 64, size=1, platform={"os": "linux"})
    assert b"linux" not in referrers.manifest_for(b"{}", "application/x", subject)
