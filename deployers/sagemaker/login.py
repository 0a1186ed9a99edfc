"""Who we are to AWS: the chain that every AWS tool has, a job's OIDC identity, and a role to assume then.

The environment is handed in. Configuration files are the runner's own, by AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE
or HOME; one inside the workspace is refused, since such a file may name a program to run (``credential_process``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

from msgspec import Meta

from deployers.errors import ConfigurationError, RefusedError, UnreachableError
from deployers.sagemaker.wire import Amazon
from deployers.settings import Connection, Settings, expand

AUDIENCE = "sts.amazonaws.com"
"""For whom GitHub makes the token, as AWS's guide to its OIDC provider has it."""

TOKEN_SECONDS = 15.0


class Login(Settings, frozen=True, kw_only=True):
    """Further steps of logging in to AWS, beyond the chain that every AWS tool has."""

    web_identity: Annotated[
        Connection | None,
        Meta(description="In GitHub Actions: the ARN of a role to assume with the job's own OIDC identity."),
    ] = None
    audience: Annotated[Connection, Meta(description="`web-identity`: for whom the job's token is made.")] = AUDIENCE
    assume_role: Annotated[Connection | None, Meta(description="The ARN of a role to assume then.")] = None
    external_id: Annotated[
        Connection | None, Meta(description="`assume-role`: the external id that the role's trust policy asks for.")
    ] = None


class Access(Protocol):
    """What a target's settings say of AWS."""

    @property
    def region(self) -> str | None:
        """The region."""

    @property
    def profile(self) -> str | None:
        """A profile of the runner's AWS configuration."""

    @property
    def endpoint_url(self) -> str | None:
        """Another address than AWS's own, for all of its services."""


def login(settings: Access, environment: Mapping[str, str], target: str, *, ways: Login | None = None) -> Amazon:
    """Stand ready to call AWS; contacts nothing, the credentials are looked for at the first call.

    Raises `ConfigurationError` naming the setting, `RefusedError` for a configuration file of the workspace.
    """
    import botocore.session
    from botocore.configprovider import ConstantProvider
    from botocore.exceptions import BotoCoreError

    where = f"targets.{target}"
    ways = ways or Login()

    def text(name: str, value: str | None) -> str:
        return expand(value, environment, where=f"{where}.{name}") if value else ""

    session = botocore.session.Session()
    store = session.get_component("config_store")
    profile = text("profile", settings.profile) or environment.get("AWS_PROFILE") or None
    for name, value in (
        ("config_file", _file("AWS_CONFIG_FILE", "config", environment)),
        ("credentials_file", _file("AWS_SHARED_CREDENTIALS_FILE", "credentials", environment)),
        ("profile", profile),
    ):
        store.set_config_provider(name, ConstantProvider(value))
    region = text("region", settings.region)
    region = region or environment.get("AWS_REGION", "") or environment.get("AWS_DEFAULT_REGION", "")
    try:
        region = region or str(session.get_scoped_config().get("region") or "")
    except BotoCoreError as error:
        raise ConfigurationError(
            f"the profile cannot be used: {error}", where=f"{where}.profile", hint="Check the AWS configuration files."
        ) from error
    if not region:
        raise ConfigurationError(
            "no region is given", where=f"{where}.region", hint="Set `region` on the target, or AWS_REGION."
        )
    address = text("endpoint-url", settings.endpoint_url)

    def endpoint(service: str) -> str | None:
        own = environment.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}")
        return address or own or environment.get("AWS_ENDPOINT_URL") or None

    verify = environment.get("AWS_CA_BUNDLE") or None

    def creator(service: str, **more: Any) -> Any:
        return session.create_client(service, region_name=region, endpoint_url=endpoint(service), verify=verify, **more)

    session.register_component(
        "credential_provider",
        _resolver(session, creator, environment, _Roles(
            own_profile=bool(settings.profile),
            profile=profile or "default",
            web_identity=text("login.web-identity", ways.web_identity),
            audience=text("login.audience", ways.audience),
            assume_role=text("login.assume-role", ways.assume_role),
            external_id=text("login.external-id", ways.external_id),
            where=where,
        )),
    )  # fmt: skip
    return Amazon(session, region=region, endpoint=endpoint, where=where, verify=verify)


class _Roles(Settings, frozen=True, kw_only=True):
    """What `login` has found out; every text filled in. ``own_profile``: the target names it, so it goes first."""

    own_profile: bool
    profile: str
    web_identity: str
    audience: str
    assume_role: str
    external_id: str
    where: str


def _file(variable: str, name: str, environment: Mapping[str, str]) -> str:
    """A configuration file of the runner's; it need not be there."""
    path = environment.get(variable) or str(Path(environment.get("HOME") or "/nonexistent", ".aws", name))
    workspace = environment.get("GITHUB_WORKSPACE")
    found = Path(path).expanduser()
    if not found.is_absolute() or (workspace and found.resolve().is_relative_to(Path(workspace).resolve())):
        raise RefusedError(
            f"the AWS configuration {path!r} may be the repository's, and could name a program to run",
            where=variable,
            hint="Keep it outside the checkout, and name it by its full path.",
        )
    return str(found)


def _resolver(session: Any, creator: Callable[..., Any], environment: Mapping[str, str], roles: _Roles) -> Any:
    """botocore's chain with the environment that was handed in, then the roles to assume."""
    from botocore import credentials, utils

    chain = credentials.create_credential_resolver(session)
    metadata = utils.InstanceMetadataFetcher(timeout=1, num_attempts=1, env=dict(environment))
    ours = {
        "env": [credentials.EnvProvider(environ=environment), _token_file(creator, environment)],
        # Reads variables of the process otherwise, which `_token_file` has just read from ours.
        "assume-role-with-web-identity": [
            credentials.AssumeRoleWithWebIdentityProvider(
                load_config=lambda: session.full_config,
                client_creator=creator,
                profile_name=roles.profile,
                disable_env_vars=True,
            )
        ],
        "container-role": [credentials.ContainerProvider(environ=environment)],
        "iam-role": [credentials.InstanceMetadataProvider(iam_role_fetcher=metadata)],
        # Files of tools that are gone, read by variables of the process.
        "ec2-credentials-file": [],
        "boto-config": [],
    }
    if roles.own_profile:
        ours["env"] = []
    providers = [one for each in chain.providers for one in ours.get(each.METHOD, [each])]
    if roles.web_identity:
        providers = [_provider(lambda: _by_job(creator, environment, roles))]
    if roles.assume_role:
        source = credentials.CredentialResolver(providers)
        providers = [_provider(lambda: _assumed(creator, source, environment, roles))]
    return credentials.CredentialResolver(providers)


def _provider(load: Callable[[], Any]) -> Any:
    """A link of botocore's chain."""
    from botocore.credentials import CredentialProvider

    class Provider(CredentialProvider):  # type: ignore[misc]
        METHOD = "tagboat"
        CANONICAL_NAME = None

        def load(self) -> Any:
            return load()

    return Provider()


def _token_file(creator: Callable[..., Any], environment: Mapping[str, str]) -> Any:
    """AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, as pods of EKS have them."""

    def load() -> Any:
        path, role = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN")
        if not path or not role:
            return None
        name = environment.get("AWS_ROLE_SESSION_NAME") or session_name(environment)
        return _by_token(creator, lambda: Path(path).read_text(), role, name)

    return _provider(load)


def _by_job(creator: Callable[..., Any], environment: Mapping[str, str], roles: _Roles) -> Any:
    url, token = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not token:
        raise ConfigurationError(
            "the job has no OIDC identity",
            where=f"{roles.where}.login.web-identity",
            hint="Give the job `permissions: id-token: write`; outside of GitHub Actions log in another way.",
        )
    name = session_name(environment)
    return _by_token(creator, lambda: job_token(url, token, roles.audience), roles.web_identity, name)


def _by_token(creator: Callable[..., Any], load: Callable[[], str], role: str, name: str) -> Any:
    from botocore import credentials

    fetcher = credentials.AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=creator, web_identity_token_loader=load, role_arn=role, extra_args={"RoleSessionName": name}
    )
    return credentials.DeferredRefreshableCredentials(
        method="assume-role-with-web-identity", refresh_using=fetcher.fetch_credentials
    )


def _assumed(creator: Callable[..., Any], source: Any, environment: Mapping[str, str], roles: _Roles) -> Any:
    from botocore import credentials
    from botocore.exceptions import NoCredentialsError

    base = source.load_credentials()
    if base is None:
        raise NoCredentialsError
    more = {"RoleSessionName": session_name(environment)}
    if roles.external_id:
        more["ExternalId"] = roles.external_id
    fetcher = credentials.AssumeRoleCredentialFetcher(
        client_creator=creator, source_credentials=base, role_arn=roles.assume_role, extra_args=more
    )
    return credentials.DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


def session_name(environment: Mapping[str, str]) -> str:
    """What CloudTrail shows of a run: the repository and the run's number, in the characters that STS takes."""
    parts = ["tagboat", environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_RUN_ID", "")]
    return re.sub(r"[^A-Za-z0-9+=,.@_-]", "-", "-".join(part for part in parts if part))[:64]


def job_token(url: str, token: str, audience: str) -> str:
    """The job's OIDC token, from the runner that GitHub gave the address of."""
    import urllib3

    try:
        answer = urllib3.request(
            "GET", url, fields={"audience": audience}, headers={"authorization": f"Bearer {token}"},
            timeout=TOKEN_SECONDS, redirect=False, retries=urllib3.Retry(3, backoff_factor=0.5, redirect=0),
        )  # fmt: skip
        found = answer.json() if answer.status == 200 else {}
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UnreachableError(f"GitHub gives no OIDC token: {type(error).__name__}") from None
    if not isinstance(found, dict) or not isinstance(found.get("value"), str):
        raise UnreachableError(
            f"GitHub gives no OIDC token (status {answer.status})",
            hint="Run the job again; then look at its permissions.",
        )
    return str(found["value"])
