"""Who we are to the cluster: the ways in of ``auth:``, each without a program that the container may lack."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration

from deployers.errors import ConfigurationError
from deployers.kubernetes.settings import Auth, KubernetesSettings
from deployers.settings import expand

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Login:
    """A client, and the namespace that the way in names, if it does."""

    def __init__(self, client: ApiClient, namespace: str | None = None) -> None:
        self.client = client
        self.namespace = namespace


def login(settings: KubernetesSettings, environment: Mapping[str, str], target: str) -> Login:
    """Stand ready to talk to the cluster. Raises `ConfigurationError` naming the setting, `UnreachableError`."""
    where = f"targets.{target}"

    def text(name: str, value: str | None, *, needed: bool = True) -> str:
        if value is None:
            if not needed:
                return ""
            raise ConfigurationError(
                f"`auth: {settings.auth.value}` needs `{name}`", where=where, hint=f"Set {name} on the target."
            )
        return expand(value, environment, where=f"{where}.{name}")

    if settings.auth is Auth.KUBECONFIG:
        return _from_kubeconfig(settings, environment, where, text)
    if settings.auth is Auth.IN_CLUSTER:
        return _in_cluster(where)
    if settings.auth is Auth.TOKEN:
        return _by_token(settings, text)
    # Imported here: each of them brings a cloud's library along.
    from deployers.kubernetes import clouds

    found = {Auth.EKS: clouds.eks, Auth.GKE: clouds.gke, Auth.AKS: clouds.aks}[settings.auth](settings, text, where)
    return Login(_client(found.server, found.authority, found.token))


def _from_kubeconfig(
    settings: KubernetesSettings, environment: Mapping[str, str], where: str, text: Callable[..., str]
) -> Login:
    from kubernetes import config

    given = text("kubeconfig", settings.kubeconfig, needed=False) or environment.get("KUBECONFIG", "")
    given = given or str(Path(environment.get("HOME") or Path.home()) / ".kube" / "config")
    paths = [Path(path).expanduser() for path in given.split(":") if path]
    if not any(path.is_file() for path in paths):
        raise ConfigurationError(
            f"there is no kubeconfig at {given}",
            where=f"{where}.kubeconfig",
            hint="Set `kubeconfig`, or choose another `auth`: eks, gke, aks, token or in-cluster.",
        )
    configuration = Configuration()
    try:
        merged = _merged(paths)
        context = _context(merged, settings.context, where)
        _check_exec(merged, context, environment, where)
        config.load_kube_config(
            config_file=":".join(str(path) for path in paths),
            context=context["name"],
            client_configuration=configuration,
            persist_config=False,
        )
    except (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the kubeconfig cannot be used: {error}", where=f"{where}.kubeconfig") from error
    return Login(ApiClient(configuration), (context.get("context") or {}).get("namespace"))


def _merged(paths: Sequence[Path]) -> Mapping[str, Any]:
    """Several kubeconfig files as one, the first that says something wins, as kubectl has it."""
    merged: dict[str, Any] = {"contexts": [], "users": []}
    for path in paths:
        found = yaml.safe_load(path.read_text()) if path.is_file() else None
        if not isinstance(found, dict):
            continue
        merged["current-context"] = merged.get("current-context") or found.get("current-context")
        for part in ("contexts", "users"):
            merged[part] += found.get(part) or []
    return merged


def _context(merged: Mapping[str, Any], wanted: str | None, where: str) -> Mapping[str, Any]:
    name = wanted or merged.get("current-context")
    contexts: list[Mapping[str, Any]] = merged["contexts"]
    for context in contexts:
        if context["name"] == name:
            return context
    known = ", ".join(str(context["name"]) for context in contexts) or "none"
    raise ConfigurationError(
        f"the kubeconfig has no context {name!r}" if name else "the kubeconfig has no current context",
        where=f"{where}.context",
        hint=f"Contexts there are: {known}.",
    )


def _check_exec(
    merged: Mapping[str, Any], context: Mapping[str, Any], environment: Mapping[str, str], where: str
) -> None:
    """A kubeconfig may name a program or files that are not inside this container: say so, with the other way."""
    by_name = {user["name"]: user.get("user") or {} for user in merged["users"]}
    user = by_name.get((context.get("context") or {}).get("user"), {})
    command = (user.get("exec") or {}).get("command")
    if command and shutil.which(command, path=environment.get("PATH")) is None:
        other = next((name for part, name in PLUGINS.items() if part in command), None)
        hint = f"Use `auth: {other}` on the target instead, which needs no program." if other else \
            "Use another `auth` on the target, or an image that has the program."  # fmt: skip
        raise ConfigurationError(
            f"the kubeconfig logs in by the program {command!r}, which is not here",
            where=f"{where}.kubeconfig (user {(context.get('context') or {}).get('user')})",
            hint=hint,
        )


PLUGINS = {"aws": "eks", "gke-gcloud-auth-plugin": "gke", "gcloud": "gke", "kubelogin": "aks"}
"""Parts of the names of well-known login programs, and the ``auth`` that does without."""


def _in_cluster(where: str) -> Login:
    from kubernetes import config

    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(
            f"this is no pod with a service account: {error}",
            where=f"{where}.auth",
            hint="`in-cluster` is for runners inside the cluster; choose another `auth` elsewhere.",
        ) from error
    return Login(ApiClient(configuration), namespace)


def _by_token(settings: KubernetesSettings, text: Callable[..., str]) -> Login:
    token = text("token", settings.token)
    authority = text("ca-file", settings.ca_file, needed=False)
    configuration = Configuration(host=text("server", settings.server).rstrip("/"))
    configuration.ssl_ca_cert = authority or None
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return Login(ApiClient(configuration))


def _client(server: str, authority: str | None, token: Callable[[], str]) -> ApiClient:
    """A client that asks for a token whenever it needs one. ``authority``: the CA's PEM, base64 as clouds give it."""
    configuration = Configuration(host=server, api_key={"BearerToken": ""})
    if authority is not None:
        configuration.ca_cert_data = base64.b64decode(authority).decode()

    def renew(current: Configuration) -> None:
        current.api_key["BearerToken"] = f"Bearer {token()}"

    configuration.refresh_api_key_hook = renew  # type: ignore[assignment]
    return ApiClient(configuration)
