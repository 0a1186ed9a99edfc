"""A bad line to the registry costs time, never a release: waits, goes on where it broke, sends little twice."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import ipaddress
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError
from deployers.wrapping import image
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.images import documents, names, uploads
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.registry import Registry
from deployers.wrapping.images.uploads import FileBlob, RegistryBlob, Upload
from tests.fakes import line as lines
from tests.fakes.line import Fault, Line
from tests.wrapping.images import parts
from tests.wrapping.images.bundles import small
from tests.wrapping.images.conftest import QUICK, Yard

pytestmark = pytest.mark.xdist_group("images")

LARGE = 3 * uploads.CHUNK + 12_345


@pytest.fixture
def line(registry: parts.RealRegistry) -> Iterator[Line]:
    with lines.to(registry.host) as line:
        yield line


@pytest.fixture
def connected(line: Line) -> Iterator[Registry]:
    with Registries({}, patience=QUICK) as registries:
        yield registries.of(names.parse(f"{line.plain}/acme/lines", where="test"))


def blob(folder: Path, size: int) -> FileBlob:
    content = os.urandom(size)
    path = folder / f"blob-{size}"
    path.write_bytes(content)
    return FileBlob(path, documents.digest(content), size)


def upload(registry: Registry, waited: list[float] | None = None) -> Upload:
    return Upload(registry, "acme/lines", sleep=(waited if waited is not None else []).append)


def stored(registry: Registry, one: FileBlob) -> bool:
    with registry.blob("acme/lines", one.digest) as pieces:
        return b"".join(pieces) == one.path.read_bytes()


def test_an_upload_on_a_good_line_is_one_request_with_its_body(connected: Registry, line: Line, tmp_path: Path) -> None:
    one = blob(tmp_path, 200_000)
    assert line.received == 0
    upload(connected).bring(one)
    assert stored(connected, one)
    assert (line.count("PUT", "blobs/uploads"), line.count("PATCH", ""), line.received) == (1, 0, one.size)


def test_a_cut_upload_goes_on_with_the_piece_that_broke(connected: Registry, line: Line, tmp_path: Path) -> None:
    one = blob(tmp_path, LARGE)
    line.faults = [
        Fault("PUT", "blobs/uploads", cut=2_000_000),
        Fault("PATCH", "blobs/uploads", spared=2, swallow=True),
    ]
    waited: list[float] = []
    sending = upload(connected, waited)
    sending.bring(one)
    assert stored(connected, one)
    # Four pieces, of which the third was sent twice; nothing before it again.
    assert line.count("PATCH", "blobs/uploads") == 5
    assert line.received == one.size + uploads.CHUNK + 2_000_000
    assert sending.sent >= line.received
    assert len(waited) == 2


def test_an_upload_that_the_registry_has_forgotten_begins_anew(connected: Registry, line: Line, tmp_path: Path) -> None:
    one = blob(tmp_path, LARGE)
    line.faults = [
        Fault("PUT", "blobs/uploads", status=503),
        Fault("PATCH", "blobs/uploads", cut=1_000_000),  # docker-registry refuses to go on from the middle of a piece
    ]
    upload(connected).bring(one)
    assert stored(connected, one)


def test_an_upload_whose_answer_was_lost_is_not_sent_again(connected: Registry, line: Line, tmp_path: Path) -> None:
    one = blob(tmp_path, LARGE)
    line.faults = [
        Fault("PUT", "blobs/uploads", cut=1000),
        Fault("PUT", "blobs/uploads.*digest=", after=True),
    ]
    upload(connected).bring(one)
    assert stored(connected, one)
    assert line.count("PATCH", "") == 4


def test_a_line_that_stays_broken_ends_in_an_error_that_says_trying_again_is_safe(
    connected: Registry, line: Line, tmp_path: Path
) -> None:
    line.faults = [
        Fault("PUT", "blobs/uploads", times=99, cut=1000),
        Fault("PATCH", "blobs/uploads", times=99, cut=1000),
    ]
    with pytest.raises(UnreachableError, match="broke 4 times in a row") as raised:
        upload(connected).bring(blob(tmp_path, 100_000))
    assert "again is safe" in str(raised.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_registry_that_is_busy_is_asked_again(yard: Yard, bundle: Bundle, line: Line, status: int) -> None:
    line.faults = [
        Fault("HEAD", "manifests/sha256", status=status),
        Fault("HEAD", "blobs/sha256", status=status, headers={"Retry-After": "0"}),
        Fault("POST", "blobs/uploads", status=status),
        Fault("PUT", "blobs/uploads", status=status, headers={"Retry-After": "0"}),
        Fault("PUT", "manifests/sha256", status=status),
    ]
    pushed = yard.push(yard.build(bundle), f"{line.plain}/acme/busy-{status}")
    assert pushed.sent > 0
    assert yard.push(yard.build(bundle), f"{line.plain}/acme/busy-{status}").sent == 0
    assert not [fault for fault in line.faults if fault.times]


def test_a_retry_after_is_kept_to_and_bounded(connected: Registry, line: Line, tmp_path: Path) -> None:
    line.faults = [
        Fault("PUT", "blobs/uploads", status=429),
        Fault("PATCH", "blobs/uploads", status=429, headers={"Retry-After": "7200"}),
    ]
    waited: list[float] = []
    one = blob(tmp_path, 10_000)
    upload(connected, waited).bring(one)
    assert waited[-1] == QUICK.longest
    assert stored(connected, one)


def test_a_copy_between_registries_goes_on_from_where_it_broke(connected: Registry, line: Line, tmp_path: Path) -> None:
    one = blob(tmp_path, LARGE)
    upload(connected).bring(one)
    with parts.docker_registry(tmp_path / "other") as other, Registries({}, patience=QUICK) as registries:
        target = registries.of(names.parse(f"{other.plain}/x/y", where="test"))
        line.faults = [
            Fault("GET", "blobs/sha256", short=5_000_000),
            Fault("GET", "blobs/sha256", short=5_000_000),
        ]
        sending = Upload(target, "x/y", sleep=lambda _: None)
        sending.bring(RegistryBlob(connected, "acme/lines", one.digest, one.size))
        with target.blob("x/y", one.digest) as pieces:
            assert b"".join(pieces) == one.path.read_bytes()


def test_a_push_that_was_killed_is_finished_by_the_next_with_little_sent_twice(
    yard: Yard, bundle: Bundle, line: Line, tmp_path: Path
) -> None:
    model = os.urandom(400_000)
    made = yard.build(small(tmp_path, bundle.lock, model={"iris.joblib": model}))
    repository = f"{line.plain}/acme/killed"
    line.faults = [Fault("PUT", "manifests/", times=99, status=400)]
    with pytest.raises(TagboatError, match="400"):
        yard.push(made, repository)
    line.faults = []
    assert yard.push(made, repository).sent < 30_000


def test_what_is_found_by_its_inputs_is_whole_whatever_was_killed_before(
    yard: Yard, bundle: Bundle, line: Line
) -> None:
    made = yard.build(bundle)
    repository = f"{line.plain}/acme/whole"
    line.faults = [Fault("PUT", "manifests/sha256", spared=2, times=99, status=400)]  # the attachments
    with pytest.raises(TagboatError, match="400"):
        yard.push(made, repository)
    assert image.find(bundle, repository, made.settings, registries=yard.registries) is None
    line.faults = []
    yard.push(made, repository)
    assert image.find(bundle, repository, made.settings, registries=yard.registries) is not None


def test_a_refusal_says_how_to_log_in_and_shows_nothing_of_the_address(yard: Yard, bundle: Bundle, line: Line) -> None:
    made = yard.build(bundle)
    line.faults = [Fault("POST", "blobs/uploads", status=403, times=9)]
    with pytest.raises(ConfigurationError, match="refuses us: 403") as raised:
        yard.push(made, f"{line.plain}/acme/refused")
    assert "_state" not in str(raised.value)
    assert "docker login" in str(raised.value)


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(line: Line, hollow: str) -> None:
    with Registries({}, patience=QUICK) as registries:
        name = names.parse(f"{line.plain}/library/hollow:3.11", where="test")
        there = registries.of(name)
        pinned = name.at(digest=there.digest_of(name))
        assert there.manifest(pinned) is not None
        line.faults = [Fault("GET", "manifests/sha256", status=200, content=b'{"schemaVersion":2,"layers":[]}')]
        with pytest.raises(RefusedError, match="another manifest"):
            there.manifest(pinned)


@pytest.mark.parametrize("said", [{"Docker-Content-Digest": "sha256:" + "0" * 64}, {}])
def test_a_registry_that_took_something_else_fails_the_push(
    yard: Yard, bundle: Bundle, line: Line, said: dict[str, str]
) -> None:
    made = yard.build(bundle)
    line.faults = [
        Fault("PUT", "manifests/sha256", status=201, headers=said),
        Fault(
            "HEAD", "manifests/sha256", spared=1, status=200, headers={"Docker-Content-Digest": "sha256:" + "1" * 64}
        ),
    ]
    with pytest.raises(TagboatError, match="does not have what was just pushed"):
        yard.push(made, f"{line.plain}/acme/lying-{len(said)}")


def test_a_base_layer_that_is_not_what_its_digest_says_is_refused(
    yard: Yard, bundle: Bundle, line: Line, hollow: str, registry: parts.RealRegistry
) -> None:
    lying = hollow.replace(registry.host, f"127.0.0.1:{line.port}")
    # The configuration's blob is asked for first, the layer's next.
    line.faults = [
        Fault("GET", "blobs/sha256", spared=1, status=200, content=gzip.compress(parts.hollow(python="3.12")))
    ]
    with pytest.raises(RefusedError, match="not the one that its digest names"):
        yard.build(bundle, base=lying)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"annotations": 3}', b'{"annotations": {"a": 1}}', b"\xff\xfe"]
)
def test_nonsense_from_a_registry_is_an_error_of_ours_and_no_traceback(
    yard: Yard, bundle: Bundle, line: Line, content: bytes, hollow: str, registry: parts.RealRegistry
) -> None:
    base = hollow.replace(registry.host, f"127.0.0.1:{line.port}")
    repository = f"{line.plain}/acme/nonsense"
    made = yard.build(bundle)
    for path in ("manifests/", "blobs/", "referrers/", "manifests/sha256-"):
        line.faults = [Fault("GET", path, times=9, status=200, content=content,
                             headers={"Content-Type": "application/vnd.oci.image.index.v1+json"})]  # fmt: skip
        with contextlib.suppress(TagboatError):
            image.find(bundle, repository, made.settings, registries=yard.registries)
        with contextlib.suppress(TagboatError):
            yard.build(bundle, base=base)
        with contextlib.suppress(TagboatError):
            yard.push(made, f"{repository}-{len(path)}", attachments=image.Attachments())


@pytest.mark.parametrize("config", [{}, {"rootfs": 1}, {"history": [1]}, {"config": {"Env": [1]}}, {"config": None}])
def test_a_base_with_a_strange_configuration_is_an_error_or_taken_as_it_is(
    yard: Yard,
    bundle: Bundle,
    line: Line,
    hollow: str,
    registry: parts.RealRegistry,
    config: dict[str, object],
    tmp_path: Path,
) -> None:
    layout = parts.Layout(tmp_path / "strange")
    digest = layout.image([parts.hollow()])["digest"]
    manifest = json.loads((layout.folder / "blobs" / "sha256" / digest[7:]).read_bytes())
    before = json.loads((layout.folder / "blobs" / "sha256" / manifest["config"]["digest"][7:]).read_bytes())
    manifest["config"] |= layout.document({**before, **config} if config else {})
    name = f"library/strange-{len(str(config))}:it"
    target = names.parse(f"{registry.plain}/{name}", where="test")
    there = yard.registries.of(target)
    for path in (layout.folder / "blobs" / "sha256").iterdir():
        one = FileBlob(path, f"sha256:{path.name}", path.stat().st_size)
        Upload(there, target.repository).bring(one)
    there.put_manifest(target, json.dumps(manifest).encode(), manifest["mediaType"])
    if config == {"config": None}:
        assert yard.build(bundle, base=f"{registry.plain}/{name}").images
        return
    with pytest.raises(TagboatError, match="not of a kind we know"):
        yard.build(bundle, base=f"{registry.plain}/{name}")


def test_an_upload_that_goes_nowhere_is_said(connected: Registry, line: Line, tmp_path: Path) -> None:
    line.faults = [Fault("POST", "blobs/uploads", status=202)]
    with pytest.raises(TagboatError, match="did not say where"):
        upload(connected).bring(blob(tmp_path, 1000))


def test_no_server_at_all_is_unreachable_and_safe_to_try_again() -> None:
    with Registries({}, patience=QUICK) as registries:
        name = names.parse("http://127.0.0.1:9/acme/iris", where="test")
        with pytest.raises(UnreachableError, match="does not answer"):
            registries.of(name).digest_of(name)


def test_plain_http_is_spoken_only_where_it_was_asked_for(registry: parts.RealRegistry) -> None:
    with Registries({}, patience=QUICK) as registries:
        name = names.parse(f"{registry.host}/library/hollow:3.11", where="test")
        with pytest.raises(ConfigurationError, match="http://"):
            registries.of(name).digest_of(name)


def test_a_proxy_is_gone_through_unless_no_proxy_says_otherwise(
    registry: parts.RealRegistry, hollow: str, line: Line
) -> None:
    name = names.parse(hollow.replace(registry.host, "registry.invalid"), where="test")
    with Registries({"http_proxy": line.plain}, patience=QUICK) as registries:
        assert registries.of(name).digest_of(name)
    assert line.count("HEAD", "^http://registry.invalid/v2/library/hollow/manifests/") == 1
    direct = {"HTTP_PROXY": line.plain, "NO_PROXY": "registry.invalid"}
    with Registries(direct, patience=QUICK) as registries, pytest.raises(UnreachableError):
        registries.of(name).digest_of(name)


def test_an_authority_of_ones_own_counts_where_it_is_named(tmp_path: Path) -> None:
    parts.needed("docker-registry")
    certificate, key = self_signed(tmp_path)
    tls = f"http: {{addr: '127.0.0.1:0', tls: {{certificate: {certificate}, key: {key}}}}}\n"
    with parts.docker_registry(tmp_path / "tls", http=tls) as secure:
        name = names.parse(f"{secure.host}/acme/iris:latest", where="test")
        with Registries({"REQUESTS_CA_BUNDLE": str(certificate)}, patience=QUICK) as registries:
            assert registries.of(name).digest_of(name) is None
        with Registries({}, patience=QUICK) as registries, pytest.raises(ConfigurationError, match="TLS") as raised:
            registries.of(name).digest_of(name)
        assert "REQUESTS_CA_BUNDLE" in str(raised.value)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "tls.pem", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                          serialization.NoEncryption()))  # fmt: skip
    return certificate, private
