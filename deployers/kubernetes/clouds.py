"""EKS, GKE and AKS: where a cluster is and who we are there, from each cloud's own library, with no exec plugin."""

from __future__ import annotations

import base64
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, NamedTuple

from deployers.errors import ConfigurationError, UnreachableError
from deployers.kubernetes.settings import KubernetesSettings

Text = Callable[..., str]
"""Gives a setting by its name and value, ``${env:NAME}`` filled in."""

EKS_LIFETIME = 60
"""Seconds for which a presigned request may be used to log in; EKS takes the token itself for 15 minutes."""

RENEWAL = 600.0
"""Seconds after which a token is made anew."""

AKS_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""The application id that every AKS cluster with Entra ID integration has (Microsoft's documentation of kubelogin)."""


class Found(NamedTuple):
    """A cluster: its URL, its certificate authority (PEM in base64), and what gives a token."""

    server: str
    authority: str | None
    token: Callable[[], str]


def eks(settings: KubernetesSettings, text: Text, where: str) -> Found:
    """Amazon EKS: the token is a presigned GetCallerIdentity request, as aws-iam-authenticator makes it."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    cluster = text("cluster", settings.cluster)
    region = text("region", settings.region)
    try:
        session = boto3.Session(
            profile_name=text("profile", settings.profile, needed=False) or None, region_name=region
        )
        role = text("role", settings.role, needed=False)
        if role:
            session = _assumed(session, role, region)
        described = session.client("eks").describe_cluster(name=cluster)["cluster"]
    except (BotoCoreError, ClientError) as error:
        raise _shut("AWS", error, where) from error
    # A cluster that is being made has neither yet.
    if not described.get("endpoint") or not described.get("certificateAuthority"):
        raise _unready(cluster, str(described.get("status")), where)
    authority = described["certificateAuthority"]["data"]

    def token() -> str:
        try:
            return eks_token(session, cluster, region)
        except (BotoCoreError, ClientError) as error:
            raise _shut("AWS", error, where) from error

    return Found(described["endpoint"], authority, _kept(token))


def _assumed(session: Any, role: str, region: str) -> Any:
    import boto3

    given = session.client("sts").assume_role(RoleArn=role, RoleSessionName="tagboat")["Credentials"]
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=region,
    )


def eks_token(session: Any, cluster: str, region: str) -> str:
    """A bearer token for the cluster, after kubernetes-sigs/aws-iam-authenticator's description of the format."""
    from botocore.signers import RequestSigner

    client = session.client("sts", region_name=region)
    signer = RequestSigner(
        client.meta.service_model.service_id, region, "sts", "v4", session.get_credentials(), session.events
    )
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.{_suffix(region)}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    signed = signer.generate_presigned_url(request, region_name=region, expires_in=EKS_LIFETIME, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def gke(settings: KubernetesSettings, text: Text, where: str) -> Found:
    """Google GKE: application default credentials, and the cluster as the Container API describes it."""
    try:
        import google.auth
        import google.auth.exceptions
        from google.auth.transport.requests import AuthorizedSession, Request
    except ImportError:
        raise _missing("gke", "google-auth", where) from None
    cluster, region, project = (
        urllib.parse.quote(text(name, value), safe="")
        for name, value in (("cluster", settings.cluster), ("region", settings.region), ("project", settings.project))
    )
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        url = f"https://container.googleapis.com/v1/projects/{project}/locations/{region}/clusters/{cluster}"
        answer = AuthorizedSession(credentials).get(url, timeout=30)
        answer.raise_for_status()
        described = answer.json()
    except (google.auth.exceptions.GoogleAuthError, OSError, ValueError) as error:
        raise _shut("Google Cloud", error, where) from error

    if not described.get("endpoint") or not described.get("masterAuth", {}).get("clusterCaCertificate"):
        raise _unready(cluster, str(described.get("status")), where)

    def token() -> str:
        try:
            if not credentials.valid:
                credentials.refresh(Request())
        except google.auth.exceptions.GoogleAuthError as error:
            raise _shut("Google Cloud", error, where) from error
        return str(credentials.token)

    return Found(f"https://{described['endpoint']}", described["masterAuth"]["clusterCaCertificate"], token)


def aks(settings: KubernetesSettings, text: Text, where: str) -> Found:
    """Azure AKS with Entra ID: a token of the default credential, and the cluster's kubeconfig from its manager."""
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise _missing("aks", "azure-identity", where) from None
    import urllib3
    import yaml

    names = (
        ("subscription", settings.subscription),
        ("resource-group", settings.resource_group),
        ("cluster", settings.cluster),
    )
    subscription, group, cluster = (urllib.parse.quote(text(name, value), safe="") for name, value in names)
    credential = DefaultAzureCredential()
    try:
        management = credential.get_token("https://management.azure.com/.default").token
        url = (
            f"https://management.azure.com/subscriptions/{subscription}/resourceGroups/{group}/providers/"
            f"Microsoft.ContainerService/managedClusters/{cluster}/listClusterUserCredential?api-version=2024-09-01"
        )
        answer = urllib3.request("POST", url, headers={"authorization": f"Bearer {management}"}, timeout=30)
        if answer.status != 200:
            raise ValueError(answer.data[:300].decode(errors="replace"))
        kubeconfig = yaml.safe_load(base64.b64decode(answer.json()["kubeconfigs"][0]["value"]))
        described = kubeconfig["clusters"][0]["cluster"]
        server = str(described["server"])
    except (AzureError, urllib3.exceptions.HTTPError, yaml.YAMLError, ValueError, LookupError, TypeError) as error:
        raise _shut("Azure", error, where) from error

    def token() -> str:
        try:
            return str(credential.get_token(AKS_SCOPE).token)
        except AzureError as error:
            raise _shut("Azure", error, where) from error

    return Found(server, described.get("certificate-authority-data"), _kept(token))


def _kept(make: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> Callable[[], str]:
    """A token that is made anew only after a while."""
    made: list[tuple[float, str]] = []

    def token() -> str:
        if not made or clock() - made[-1][0] > RENEWAL:
            made[:] = [(clock(), make())]
        return made[-1][1]

    return token


def _missing(auth: str, library: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"`auth: {auth}` needs {library}, which is not installed",
        where=f"{where}.auth",
        hint=f"Install tagboat[{auth}]; the Action's image has it.",
    )


def _unready(cluster: str, status: str, where: str) -> UnreachableError:
    return UnreachableError(
        f"the cluster {cluster} has no address yet (it is {status})", where=where, hint="Wait until it is made."
    )


def _shut(cloud: str, error: Exception, where: str) -> UnreachableError:
    """A cloud that does not tell where the cluster is, or who we are."""
    return UnreachableError(
        f"{cloud} does not let us in: {' '.join(str(error).split())[:300]}",
        where=where,
        hint="Check the runner's credentials for it (in GitHub Actions, its OIDC step comes before Tagboat's).",
    )
