"""Credentials come from the runner's config.json, its helpers or AWS; a registry gets them as it asks, and no one else."""

from __future__ import annotations

import base64
import datetime
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from deployers.errors import ConfigurationError
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.images.connections import Registries
from deployers.wrapping.images.credentials import Credentials, RunnerCredentials
from tests.wrapping.images import parts
from tests.wrapping.images.conftest import QUICK, Yard

pytestmark = pytest.mark.xdist_group("images")

SECRET = "canary-secret-7b1e"

HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuucxxrsFXkWarsiCQrwbS3aQLbdJuwEOi\n"
"""The same secret as bcrypt hashes it."""


def docker_config(folder: Path, **config: Any) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": os.environ["PATH"]}


def auth(name: str = "tester", password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("ghcr.io", "ghcr.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_what_docker_login_wrote_is_found(tmp_path: Path, registry: str, key: str) -> None:
    found = RunnerCredentials(docker_config(tmp_path, auths={key: auth()}))(registry)
    assert found == Credentials(username="tester", password=SECRET)


def test_home_is_looked_in_where_docker_config_is_not_set_and_nothing_is_nothing(tmp_path: Path) -> None:
    docker_config(tmp_path / ".docker", auths={"ghcr.io": auth()})
    assert RunnerCredentials({"HOME": str(tmp_path)})("ghcr.io") is not None
    assert RunnerCredentials({"HOME": str(tmp_path)})("quay.io") is None
    assert RunnerCredentials({"HOME": str(tmp_path / "nowhere")})("ghcr.io") is None
    assert RunnerCredentials({})("ghcr.io") is None


def helper(folder: Path, script: str) -> str:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_helper_is_asked_for_its_registry_and_a_store_for_every_one(tmp_path: Path) -> None:
    answer = json.dumps({"ServerURL": "x", "Username": "from", "Secret": "helper"})
    path = helper(tmp_path, f"read server; test \"$server\" = ghcr.io || exit 1; echo '{answer}'")
    for config in ({"credHelpers": {"ghcr.io": "test"}}, {"credsStore": "test", "auths": {"ghcr.io": {}}}):
        environment = {**docker_config(tmp_path, **config), "PATH": path}
        assert RunnerCredentials(environment)("ghcr.io") == Credentials(username="from", password="helper")
        assert RunnerCredentials(environment)("quay.io") is None


def test_a_helper_that_is_not_in_the_container_is_named(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, credHelpers={"ghcr.io": "desktop"})
    with pytest.raises(ConfigurationError, match="docker-credential-desktop, which is not on this machine"):
        RunnerCredentials(environment)("ghcr.io")


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "$(id)", ""])
def test_a_helpers_name_is_a_name(tmp_path: Path, name: str) -> None:
    environment = docker_config(tmp_path, credHelpers={"ghcr.io": name})
    if name:
        with pytest.raises(ConfigurationError, match="malformed"):
            RunnerCredentials(environment)("ghcr.io")
    else:
        assert RunnerCredentials(environment)("ghcr.io") is None


def test_an_identity_token_is_kept_apart_from_passwords(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, auths={"acme.azurecr.io": {"identitytoken": SECRET}})
    assert RunnerCredentials(environment)("acme.azurecr.io") == Credentials(identity_token=SECRET)


def test_a_broken_config_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match="not JSON"):
        RunnerCredentials({"DOCKER_CONFIG": str(tmp_path)})("ghcr.io")


def test_nothing_shows_a_password() -> None:
    said = Credentials(username="tester", password=SECRET, identity_token=SECRET)
    assert SECRET not in f"{said} {said!r}"


def test_ecr_gives_its_token_through_aws(tmp_path: Path) -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HOME": str(tmp_path),
                       "AWS_ENDPOINT_URL_ECR": f"http://{host}:{port}"}  # fmt: skip
        found = RunnerCredentials(environment)("123456789012.dkr.ecr.eu-central-1.amazonaws.com")
    finally:
        server.stop()
    assert found is not None
    assert (found.username, bool(found.password)) == ("AWS", True)


def test_what_config_json_says_of_ecr_goes_before_aws(tmp_path: Path) -> None:
    name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    environment = docker_config(tmp_path, auths={name: auth("AWS")})
    assert RunnerCredentials(environment, ecr=None)(name) == Credentials(username="AWS", password=SECRET)


# Registries that ask


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[parts.RealRegistry]:
    """A docker-registry that wants a name and a password."""
    parts.needed("docker-registry", "skopeo")
    passwords = tmp_path / "htpasswd"
    passwords.write_text(HTPASSWD)
    with parts.docker_registry(
        tmp_path / "guarded", auth=f"auth: {{htpasswd: {{realm: r, path: {passwords}}}}}\n"
    ) as one:
        yield one


def test_a_registry_that_wants_a_password_gets_it(
    guarded: parts.RealRegistry, yard: Yard, bundle: Bundle, tmp_path: Path
) -> None:
    made = yard.build(bundle)
    environment = docker_config(tmp_path / "docker", auths={guarded.host: auth()})
    with Registries(environment, patience=QUICK) as registries:
        yard.registries = registries
        assert yard.push(made, f"{guarded.plain}/acme/iris").sent > 0


def test_without_credentials_it_is_said_how_to_log_in(guarded: parts.RealRegistry, yard: Yard, bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="wants credentials, and there are none") as raised:
        yard.push(yard.build(bundle), f"{guarded.plain}/acme/iris")
    assert "docker login" in str(raised.value)


def test_P2_a_wrong_password_is_refused_and_stands_in_no_message(
    guarded: parts.RealRegistry, yard: Yard, bundle: Bundle, tmp_path: Path
) -> None:
    environment = docker_config(tmp_path / "docker", auths={guarded.host: auth(password="canary-wrong")})
    made = yard.build(bundle)
    with Registries(environment, patience=QUICK) as registries, pytest.raises(ConfigurationError) as raised:
        yard.registries = registries
        yard.push(made, f"{guarded.plain}/acme/iris")
    told = str(raised.value) + repr(raised.value.__cause__) + repr(raised.value.__context__)
    assert "canary" not in told
    assert base64.b64encode(b"tester:canary-wrong").decode() not in told


@dataclass
class TokenService:
    """A token service as the distribution project describes it: signs what is asked for, for those it knows."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    port: int = 0
    lifetime: int = 300
    asked: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)

    def token(self, service: str, scopes: list[str]) -> str:
        now = int(datetime.datetime.now(datetime.UTC).timestamp())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        said = {"iss": "tests", "sub": "tester", "aud": service, "exp": now + self.lifetime, "nbf": now - 10, "iat": now,
                "jti": os.urandom(8).hex(), "access": access}  # fmt: skip
        text = ".".join(
            _segment(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256", "x5c": [der]}, said)
        )
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_segment(signature)}"


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def tokens() -> Iterator[TokenService]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    service = TokenService(key, certificate)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            self.answer(query, self.headers.get("Authorization", ""))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(form, form["refresh_token"][0])

        def answer(self, query: Mapping[str, list[str]], who: str) -> None:
            scopes = [one for scope in query.get("scope", []) for one in scope.split()]
            service.asked.append((self.command, tuple(scopes), who))
            known = who in {SECRET, Credentials(username="tester", password=SECRET).basic}
            body = json.dumps({"token": service.token(query["service"][0], scopes)}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def tokened(tmp_path: Path, tokens: TokenService) -> Iterator[parts.RealRegistry]:
    """A docker-registry that takes tokens of that service only."""
    parts.needed("docker-registry", "skopeo")
    bundle = tmp_path / "root.pem"
    bundle.write_bytes(tokens.certificate.public_bytes(serialization.Encoding.PEM))
    settings = (
        f"auth: {{token: {{realm: 'http://127.0.0.1:{tokens.port}/token', service: tests, issuer: tests, "
        f"rootcertbundle: {bundle}}}}}\n"
    )
    with parts.docker_registry(tmp_path / "tokened", auth=settings) as one:
        yield one


@pytest.mark.parametrize("kind", ["password", "identity token"])
def test_tokens_are_fetched_for_what_is_done_and_used_again(
    tokened: parts.RealRegistry, tokens: TokenService, yard: Yard, bundle: Bundle, tmp_path: Path, kind: str
) -> None:
    made = yard.build(bundle)
    entry = auth() if kind == "password" else {"identitytoken": SECRET}
    with Registries(docker_config(tmp_path / "docker", auths={tokened.host: entry}), patience=QUICK) as registries:
        yard.registries = registries
        pushed = yard.push(made, f"{tokened.plain}/acme/iris")
        assert pushed.sent > 0
        assert yard.push(made, f"{tokened.plain}/acme/iris").sent == 0
    wanted = {scopes for _, scopes, _ in tokens.asked}
    assert wanted == {("repository:acme/iris:pull",), ("repository:acme/iris:pull,push",)}
    assert len(tokens.asked) <= 4
    assert {method for method, _, _ in tokens.asked} == ({"GET"} if kind == "password" else {"POST"})


def test_a_token_that_ran_out_is_fetched_anew(
    tokened: parts.RealRegistry, tokens: TokenService, yard: Yard, bundle: Bundle, tmp_path: Path
) -> None:
    made = yard.build(bundle)
    tokens.lifetime = -100  # the registry allows for clocks that differ by a minute
    environment = docker_config(tmp_path / "docker", auths={tokened.host: auth()})
    with Registries(environment, patience=QUICK) as registries:
        yard.registries = registries
        with pytest.raises(ConfigurationError, match="refuses us: 401"):
            yard.push(made, f"{tokened.plain}/acme/iris")
        tokens.lifetime = 300
        assert yard.push(made, f"{tokened.plain}/acme/iris").sent > 0


def test_a_layer_is_mounted_with_the_right_to_read_its_source(
    tokened: parts.RealRegistry, tokens: TokenService, yard: Yard, bundle: Bundle, tmp_path: Path
) -> None:
    environment = docker_config(tmp_path / "docker", auths={tokened.host: auth()})
    with Registries(environment, patience=QUICK) as registries:
        yard.registries = registries
        first = yard.push(yard.build(bundle), f"{tokened.plain}/acme/base")
        base = f"{tokened.plain}/acme/base@{first.name.digest}"
        other = yard.build(bundle, base=base)
        assert yard.push(other, f"{tokened.plain}/acme/other").mounted >= 1
    assert ("repository:acme/other:pull,push", "repository:acme/base:pull") in {scopes for _, scopes, _ in tokens.asked}
