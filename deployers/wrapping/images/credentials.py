"""Who we are to a registry: what `docker login` left on the runner, a credential helper, or AWS for ECR.

config.json: https://docs.docker.com/reference/cli/docker/login/ (``auths``, ``credHelpers``, ``credsStore``); helpers
speak https://github.com/docker/docker-credential-helpers. The file is the runner's, found by DOCKER_CONFIG or HOME,
never the checkout's. Values are held in memory only, and no message of ours shows one.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from deployers.errors import ConfigurationError, UnreachableError
from deployers.wrapping.images.names import DOCKER_HUB

HUB_KEY = "https://index.docker.io/v1/"
"""Under which Docker files what it knows of docker.io."""

ECR = re.compile(r"[0-9]{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)", re.ASCII)

HELPER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

HELPER_SECONDS = 30.0


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A name and a password; or an identity token, which only a token service takes."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, …)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class Finder(Protocol):
    """Finds the credentials for a registry's host, or None where there are none."""

    def __call__(self, registry: str) -> Credentials | None:
        """Look them up."""


class RunnerCredentials:
    """The credentials of this runner. ``environment``: its variables. ``ecr``: asks AWS for a token, for tests."""

    def __init__(self, environment: Mapping[str, str], *, ecr: Any = None) -> None:
        self._environment = environment
        self._ecr = ecr or _ecr_token

    def __call__(self, registry: str) -> Credentials | None:
        """What config.json says, else for ECR a token of AWS, else None.

        Raises `ConfigurationError` for a config.json or a helper that is broken, `UnreachableError` where AWS is.
        """
        config = self._config()
        found = self._helper(config, registry) or _listed(config, registry)
        if found is None and (match := ECR.fullmatch(registry)):
            return self._ecr(match[2], self._environment)
        return found

    def _config(self) -> Mapping[str, Any]:
        folder = self._environment.get("DOCKER_CONFIG")
        home = self._environment.get("HOME")
        path = Path(folder) / "config.json" if folder else Path(home or "/nonexistent", ".docker", "config.json")
        try:
            content = msgspec.json.decode(path.read_bytes())
        except OSError:
            return {}
        except msgspec.DecodeError as error:
            raise ConfigurationError("not JSON", where=str(path), hint="Log in to the registry again.") from error
        return content if isinstance(content, dict) else {}

    def _helper(self, config: Mapping[str, Any], registry: str) -> Credentials | None:
        chosen = _mapping(config, "credHelpers").get(_key(registry)) or _mapping(config, "credHelpers").get(registry)
        for name in filter(None, (chosen, config.get("credsStore"))):
            if not isinstance(name, str) or not HELPER.fullmatch(name):
                raise ConfigurationError("a credential helper's name is malformed", where="config.json of Docker")
            if found := self._ask(f"docker-credential-{name}", _key(registry)):
                return found
        return None

    def _ask(self, program: str, registry: str) -> Credentials | None:
        try:
            done = subprocess.run(
                [program, "get"], input=registry.encode(), env=dict(self._environment), cwd="/",
                capture_output=True, check=False, timeout=HELPER_SECONDS,
            )  # fmt: skip
        except FileNotFoundError:
            raise ConfigurationError(
                f"Docker's config.json names the credential helper {program}, which is not on this machine",
                where=registry,
                hint="Install it where Tagboat runs (in the Action's container only what the image holds is there), "
                "or log in without a helper.",
            ) from None
        except subprocess.TimeoutExpired:
            raise UnreachableError(f"{program} did not answer within {HELPER_SECONDS:.0f} s", where=registry) from None
        if done.returncode != 0:
            return None  # "credentials not found in native keychain" is how helpers say that there are none
        try:
            answer = msgspec.json.decode(done.stdout, type=dict[str, str])
        except msgspec.DecodeError:
            raise ConfigurationError(f"{program} answered with something else than JSON", where=registry) from None
        if answer.get("Username") == "<token>":
            return Credentials(identity_token=answer.get("Secret", ""))
        return Credentials(username=answer.get("Username", ""), password=answer.get("Secret", ""))


def _key(registry: str) -> str:
    return HUB_KEY if registry == DOCKER_HUB else registry


def _mapping(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def _listed(config: Mapping[str, Any], registry: str) -> Credentials | None:
    listed = _mapping(config, "auths")
    for key in (_key(registry), registry, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/"):
        entry = listed.get(key)
        if not isinstance(entry, dict):
            continue
        if entry.get("identitytoken"):
            return Credentials(identity_token=str(entry["identitytoken"]))
        if entry.get("auth"):
            try:
                pair = base64.b64decode(str(entry["auth"])).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise ConfigurationError(
                    "the entry's auth is not base64", where=f"config.json of Docker: auths.{key}"
                ) from None
            name, _, password = pair.partition(":")
            return Credentials(username=name, password=password.rstrip("\0"))
        if entry.get("username"):
            return Credentials(username=str(entry["username"]), password=str(entry.get("password", "")))
    return None


def _ecr_token(region: str, environment: Mapping[str, str]) -> Credentials:
    """AWS's own token for its registry, good for twelve hours."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.session.Session(
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
    )
    try:
        client = session.client("ecr", region_name=region, endpoint_url=environment.get("AWS_ENDPOINT_URL_ECR"))
        answer = client.get_authorization_token()["authorizationData"][0]
    except ClientError as error:
        raise ConfigurationError(
            f"AWS gives no token for the registry: {error.response['Error'].get('Code', 'unknown error')}",
            where=f"ECR in {region}",
            hint="The role needs ecr:GetAuthorizationToken.",
        ) from None
    except BotoCoreError as error:
        raise UnreachableError(
            f"AWS gives no token for the registry: {type(error).__name__}",
            where=f"ECR in {region}",
            hint="Log in to AWS in an earlier step (aws-actions/configure-aws-credentials).",
        ) from None
    name, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return Credentials(username=name, password=password)
