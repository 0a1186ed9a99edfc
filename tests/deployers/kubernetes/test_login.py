"""Every way in, or an error that names the setting; no token where it can be seen."""

import base64
import urllib.parse

import boto3
import moto
import msgspec
import pytest
import yaml

from deployers.errors import ConfigurationError, UnreachableError
from deployers.kubernetes.clouds import eks, eks_token
from deployers.kubernetes.login import login
from deployers.kubernetes.settings import KubernetesSettings
from tests.fakes.kubernetes import TOKEN

PATH = "/usr/bin:/bin"


def settings(**more):
    return msgspec.convert({"image": {"repository": "r.example/m"}, **more}, KubernetesSettings)


def kubeconfig(tmp_path, user, **more):
    document = {
        "current-context": "a",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "there"}}],
        **more,
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def authorization(way):
    headers = {}
    way.client.update_params_for_auth(headers, [], ["BearerToken"], "/", "GET", None)
    return headers.get("authorization")


def test_a_kubeconfig_gives_server_token_and_namespace(tmp_path):
    way = login(settings(kubeconfig=kubeconfig(tmp_path, {"token": TOKEN})), {}, "t")
    assert way.namespace == "there"
    assert way.client.configuration.host == "https://127.0.0.1:1"
    assert authorization(way) == f"Bearer {TOKEN}"


def test_the_runners_kubeconfig_is_found_by_its_variable_and_home(tmp_path):
    path = kubeconfig(tmp_path, {"token": "t"})
    assert login(settings(), {"KUBECONFIG": path}, "t").namespace == "there"
    (tmp_path / ".kube").mkdir()
    (tmp_path / "kubeconfig").rename(tmp_path / ".kube" / "config")
    assert login(settings(), {"HOME": str(tmp_path)}, "t").namespace == "there"


@pytest.mark.parametrize(("command", "auth"), [("aws", "eks"), ("gke-gcloud-auth-plugin", "gke"), ("kubelogin", "aks")])
def test_a_login_program_that_is_not_here_is_named_with_the_way_to_do_without(command, auth, tmp_path):
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": []}}
    with pytest.raises(ConfigurationError, match=command) as failure:
        login(settings(kubeconfig=kubeconfig(tmp_path, user)), {"PATH": str(tmp_path)}, "t")
    assert f"auth: {auth}" in failure.value.hint


@pytest.mark.parametrize(
    ("more", "environment", "words", "where"),
    [
        ({"kubeconfig": "/nowhere"}, {}, "no kubeconfig at /nowhere", "targets.t.kubeconfig"),
        ({"auth": "token"}, {}, "needs `token`", "targets.t"),
        ({"auth": "token", "token": "${env:T}", "server": "https://x"}, {}, "T is not set", "targets.t.token"),
        ({"auth": "eks"}, {}, "needs `cluster`", "targets.t"),
        ({"auth": "in-cluster"}, {}, "no pod with a service account", "targets.t.auth"),
        ({"auth": "aks", "cluster": "c"}, {}, "azure-identity", "targets.t.auth"),
    ],
)
def test_what_is_missing_is_named(more, environment, words, where):
    with pytest.raises(ConfigurationError, match=words) as failure:
        login(settings(**more), environment, "t")
    assert failure.value.where == where


def test_a_context_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ConfigurationError, match="no context 'b'") as failure:
        login(settings(kubeconfig=kubeconfig(tmp_path, {"token": "t"}), context="b"), {}, "t")
    assert "a" in failure.value.hint


def test_a_token_comes_from_the_environment_and_is_in_no_setting():
    wanted = settings(auth="token", token="${env:T}", server="https://127.0.0.1:1/")
    way = login(wanted, {"T": "hunter2"}, "t")
    assert authorization(way) == "Bearer hunter2"
    assert way.client.configuration.host == "https://127.0.0.1:1"
    assert "hunter2" not in repr(wanted)


def test_an_eks_token_is_a_presigned_request_that_names_the_cluster():
    session = boto3.Session(aws_access_key_id="AKIA", aws_secret_access_key="secret", region_name="eu-north-1")
    token = eks_token(session, "models", "eu-north-1")
    kind, _, content = token.partition(".")[0], None, token.removeprefix("k8s-aws-v1.")
    address = urllib.parse.urlsplit(base64.urlsafe_b64decode(content + "==").decode())
    query = dict(urllib.parse.parse_qsl(address.query))
    assert kind == "k8s-aws-v1"
    assert address.hostname == "sts.eu-north-1.amazonaws.com"
    assert query["Action"] == "GetCallerIdentity"
    assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"]
    assert query["X-Amz-Expires"] == "60"
    assert "secret" not in address.query


def test_eks_says_where_the_cluster_is_and_gives_a_token_for_it(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with moto.mock_aws():
        made = boto3.client("eks", region_name="eu-north-1")
        made.create_cluster(name="models", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig={})
        wanted = settings(auth="eks", cluster="models", region="eu-north-1")
        found = eks(wanted, lambda _, value, **__: value, "targets.t")
        assert found.server == made.describe_cluster(name="models")["cluster"]["endpoint"]
        assert found.token().startswith("k8s-aws-v1.")


def test_eks_without_credentials_says_who_does_not_let_us_in(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    wanted = settings(auth="eks", cluster="models", region="eu-north-1")
    with pytest.raises(UnreachableError, match="AWS does not let us in"):
        login(wanted, {}, "t")
