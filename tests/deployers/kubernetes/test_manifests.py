"""Every option, as the objects that it makes: golden files, valid for the last four minor versions of Kubernetes.

`TAGBOAT_GOLDEN=write python -P -m pytest tests/deployers/kubernetes/test_manifests.py` writes them anew.
"""

import os
from pathlib import Path

import kubernetes_validate
import msgspec
import pytest
import yaml

import templates as packaged
from deployers.base import Release, Slot, TagRecord
from deployers.errors import ConfigurationError, RefusedError
from deployers.kubernetes.manifests import manifests
from deployers.kubernetes.settings import KubernetesSettings
from deployers.rendering import Templates

GOLDEN = Path(__file__).parent / "golden"
OURS = Path(packaged.__file__).parent / "kubernetes"
IMAGE = "ghcr.io/acme/models/churn@sha256:" + "a" * 64
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
CUSTOM = {"HTTPRoute", "ServiceMonitor", "ScaledObject", "InferenceService"}

OPTIONS = {
    "plain": {},
    "resources": {
        "resources": {"cpu": "2", "memory": "4Gi", "cpu-limit": "4", "memory-limit": "6Gi", "gpu": 1},
        "node-selector": {"pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "environment": {
        "env": {"LEVEL": "debug"},
        "env-from-secrets": {"API_KEY": {"secret": "keys", "key": "api"}},
        "image": {"repository": "ghcr.io/acme/models", "pull-secrets": ["ghcr"]},
        "labels": {"team": "growth"},
        "annotations": {"example.com/owner": "growth"},
    },
    "autoscaling": {"autoscaling": {"min": 2, "max": 6, "cpu": 60, "memory": 80}},
    "keda": {"keda": {"min": 0, "max": 4, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC"}}]}},
    "ingress": {
        "ingress": {"host": "m.example.com", "class-name": "nginx", "tls-secret": "tls", "annotations": {"a/b": "c"}}
    },
    "route": {"route": {"gateway": "front", "gateway-namespace": "infra", "hostnames": ["m.example.com"]}},
    "monitor": {"monitor": {"interval": 15, "labels": {"release": "prometheus"}}},
    "network": {"network": {"from-namespaces": ["web"], "egress": True}},
    "open-network": {"network": {"enabled": False}, "replicas": 1},
    "numbers": {"port": 8000, "run-as-user": 20001, "drain": 90, "start-timeout": 30, "replicas": 4},
    "canary": {"strategy": {"type": "canary"}, "replicas": 20},
    "knative": {"engine": "kserve", "kserve-mode": "knative", "strategy": {"type": "canary"}},
    "blue-green": {"strategy": {"type": "blue-green"}},
    "kserve": {"engine": "kserve", "autoscaling": {"min": 1, "max": 3}},
    "object-storage": {
        "image": {"repository": "ghcr.io/acme/models", "model": "object-storage", "model-store": "s3://models/tagboat"}
    },
}


def rendered(options, theirs=None, **release):
    settings = msgspec.convert({"image": {"repository": "ghcr.io/acme/models"}, **options}, KubernetesSettings)
    told = Release(
        slot=release.pop("slot", Slot(artifact="churn", stage="prod", target="cluster")),
        version="v1.4.0",
        commit="c" * 40,
        bundle_digest="sha256:" + "b" * 64,
        settings={"server": {"concurrency": 64}},
        tag=TagRecord(name="churn#prod#3", object_id="d" * 40, time=1_700_000_000),
        **release,
    )
    environment = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/m", "GITHUB_RUN_ID": "7"}
    return manifests(
        told,
        image=IMAGE,
        settings=settings,
        templates=Templates(OURS, theirs or {}),
        namespace="models",
        environment=environment,
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_makes_these_objects(name):
    text = yaml.safe_dump_all(rendered(OPTIONS[name]).documents, sort_keys=True, width=1000)
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("TAGBOAT_GOLDEN") == "write":
        golden.write_text(text)
    assert golden.read_text() == text


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for(version):
    for name, options in OPTIONS.items():
        for document in rendered(options).documents:
            if document["kind"] not in CUSTOM:
                kubernetes_validate.validate(document, version, strict=True)
            assert document["metadata"]["namespace"] == "models", name


def test_a_server_has_no_rights_no_token_and_no_way_to_write():
    (deployment,) = [each for each in rendered({}).documents if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    context = pod["containers"][0]["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_pod_has_time_to_drain():
    pod = next(each for each in rendered({"drain": 90}).documents if each["kind"] == "Deployment")["spec"]["template"]
    stop = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 90 + stop


def test_no_link_to_a_run_and_no_tag_makes_new_pods():
    """They differ from run to run; pods are replaced when their template changes."""
    for document in rendered({}).documents:
        if document["kind"] == "Deployment":
            told = document["spec"]["template"]["metadata"]["annotations"]
            assert "tagboat.dev/run" in document["metadata"]["annotations"]
            assert not {"tagboat.dev/run", "tagboat.dev/tag"} & set(told)


# Templates of the repository

MORE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ (name ~ "-more") | tojson }}
data:
  version: {{ release.version | tojson }}
"""


def test_a_template_of_the_repository_adds_its_objects_and_carries_our_labels():
    made = rendered({"allow-kinds": ["ConfigMap"]}, {"more.yaml.j2": MORE})
    (added,) = [each for each in made.documents if each["kind"] == "ConfigMap"]
    assert added["data"] == {"version": "v1.4.0"}
    assert added["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "tagboat"


def test_a_template_of_the_same_name_stands_in_for_ours():
    made = rendered({}, {"poddisruptionbudget.yaml.j2": "{# none here #}"})
    assert "PodDisruptionBudget" not in {each["kind"] for each in made.documents}


def pod_with(**more):
    pod = {"containers": [{"name": "x", "image": "y"}], **more}
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"template": {"spec": pod}},
    }
    return {"deployment.yaml.j2": yaml.safe_dump(document)}


CLUSTER_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\n"
KNATIVE = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n"
ELSEWHERE = "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: kube-system}\n"


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"x.yaml.j2": CLUSTER_ROLE}, "ClusterRole of rbac.authorization.k8s.io/v1, which is not allowed"),
        ({"x.yaml.j2": KNATIVE}, "Service of serving.knative.dev/v1, which is not allowed"),
        ({"x.yaml.j2": ELSEWHERE}, "leaves the namespace models"),
        (pod_with(hostNetwork=True), "hostNetwork is not allowed"),
        (pod_with(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "hostPath volumes"),
        (pod_with(containers=[{"name": "x", "image": "y", "securityContext": {"privileged": True}}]), "privileged"),
        (
            pod_with(initContainers=[{"name": "x", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]),
            "added capabilities",
        ),
        (pod_with(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "sysctls"),
        (pod_with(securityContext={"seccompProfile": {"type": "Unconfined"}}), "seccompProfile Unconfined"),
        (
            pod_with(
                containers=[{"name": "x", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}],
            ),
            "appArmorProfile Unconfined",
        ),
        (
            pod_with(securityContext={"windowsOptions": {"hostProcess": True}}),
            "hostProcess",
        ),
        (pod_with(securityContext={"seLinuxOptions": {"user": "root"}}), "seLinuxOptions"),
    ],
)
def test_C8_what_leaves_the_namespace_or_asks_for_the_node_is_refused(theirs, words):
    with pytest.raises(RefusedError, match=words):
        rendered({}, theirs)


@pytest.mark.parametrize(
    "text",
    [
        "{{ cycler.__init__.__globals__ }}",
        "{{ ''.__class__.__mro__ | tojson }}",
        "{{ release.__class__.__base__.__subclasses__() | tojson }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ name }}",
        "{{ nothing | tojson }}",
        "{% for a in range(10**9) %}x{% endfor %}",
    ],
)
def test_C6_a_template_reaches_nothing_but_its_values(text):
    with pytest.raises((RefusedError, ConfigurationError)):
        rendered({}, {"x.yaml.j2": text})


HOSTILE = [
    "a\n  annotations:\n    x: y",
    "on",
    "null",
    "1.0",
    "0777",
    "1e3",
    "{}",
    "# x",
    "'\"",
    "{{ 7*7 }}",
    "\ue0000\ue001",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_C7_a_value_is_what_it_is_wherever_it_stands(value):
    made = rendered({"env": {"X": value}, "annotations": {"example.com/x": value}})
    (deployment,) = [each for each in made.documents if each["kind"] == "Deployment"]
    variables = {
        each["name"]: each.get("value") for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert variables["X"] == value
    assert deployment["metadata"]["annotations"]["example.com/x"] == value
    assert set(deployment["metadata"]) == {"name", "namespace", "labels", "annotations"}


def test_C7_a_value_glued_to_text_is_refused_with_the_way_to_do_it():
    with pytest.raises(ConfigurationError, match="inside a text") as refusal:
        rendered({}, {"x.yaml.j2": "apiVersion: v1\nkind: Service\nmetadata: {name: x-{{ name | tojson }}}\n"})
    assert "tojson" in refusal.value.hint
