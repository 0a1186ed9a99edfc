"""The fake cluster is held to what Kubernetes publishes: its documentation's own examples of server-side apply, its
OpenAPI types, and what its clients rely on."""

import json

import pytest

from tests.fakes.kubernetes.machinery import ApiError, Machinery, Options
from tests.fakes.kubernetes.resources import BUILT_IN
from tests.fakes.kubernetes.schemas import Schemas
from tests.fakes.kubernetes.store import Key, Store

BY_KIND = {each.kind: each for each in BUILT_IN}
US, THEM = Options(manager="us"), Options(manager="them")


@pytest.fixture
def api():
    store = Store()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "models"}}
    store.put(Key("", "namespaces", "", "models"), namespace)
    return Machinery(store, Schemas())


def apply(api, document, options):
    resource = BY_KIND[document["kind"]]
    return api.apply(
        resource, Key(resource.group, resource.plural, "models", document["metadata"]["name"]), document, options
    )


def config_map(**data):
    metadata = {"name": "m", "labels": {"a": "b"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **({"data": data} if data else {})}


def deployment(**spec):
    labels = {"app": "x"}
    containers = [{"name": "x", "image": "x", "env": [{"name": "A", "value": "1"}]}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def test_two_managers_that_say_the_same_share_the_field(api):
    apply(api, config_map(key="v"), US)
    apply(api, config_map(key="v"), THEM)
    left = apply(api, config_map(), US)
    assert left["data"] == {"key": "v"}, "it went, though somebody else applies it"
    assert "data" not in apply(api, config_map(), THEM), "it stayed, though nobody applies it any more"


def test_another_value_is_a_conflict_that_names_field_and_owner(api):
    apply(api, config_map(key="ours"), US)
    with pytest.raises(ApiError) as refusal:
        apply(api, config_map(key="theirs"), THEM)
    assert refusal.value.code == 409
    assert refusal.value.causes == (
        {"reason": "FieldManagerConflict", "field": ".data.key", "message": 'conflict with "us"'},
    )
    taken = apply(api, config_map(key="theirs"), THEM._replace(force=True))
    assert taken["data"] == {"key": "theirs"}
    owners = {entry["manager"]: entry["fieldsV1"] for entry in taken["metadata"]["managedFields"]}
    assert "f:data" not in owners["us"]


def test_an_item_of_a_keyed_list_has_an_owner_of_its_own(api):
    apply(api, deployment(), US)
    more = deployment()
    more["spec"]["template"]["spec"]["containers"][0] = {"name": "x", "env": [{"name": "B", "value": "2"}]}
    both = apply(api, more, THEM)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert both == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    without = deployment()
    del without["spec"]["template"]["spec"]["containers"][0]["env"]
    left = apply(api, without, US)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert left == [{"name": "B", "value": "2"}]


def test_a_field_given_up_to_an_autoscaler_keeps_its_value(api):
    """Kubernetes' documentation, "Transferring ownership"."""
    apply(api, deployment(replicas=3), US)
    resource = BY_KIND["Deployment"]
    key = Key("apps", "deployments", "models", "d")
    scaler = Options(manager="scaler")
    scaled = api.patch(resource, key, {"spec": {"replicas": 5}}, scaler, "application/merge-patch+json", "scale")
    assert scaled["spec"]["replicas"] == 5
    assert apply(api, deployment(), US)["spec"]["replicas"] == 5
    with pytest.raises(
        ApiError, match=r'conflict with "scaler" with subresource "scale" using apps/v1: \.spec\.replicas'
    ):
        apply(api, deployment(replicas=3), US)


def test_a_dry_run_stores_nothing_and_answers_what_would_be(api):
    planned = apply(api, deployment(), US._replace(dry_run=True))
    assert planned["spec"]["progressDeadlineSeconds"] == 600
    assert api.store.get(Key("apps", "deployments", "models", "d")) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"replica": 3}, 'unknown field "spec.replica"'),
        ({"replicas": "3"}, 'wrong type at "spec.replicas"'),
        ({"selector": {"matchLabels": {"app": "y"}}}, "`selector` does not match template `labels`"),
    ],
)
def test_what_a_real_server_refuses_is_refused(api, change, words):
    with pytest.raises(ApiError, match=words) as refusal:
        apply(api, deployment(**change), US)
    assert refusal.value.code == 422


def test_an_object_that_has_changed_is_not_replaced(api):
    first = apply(api, config_map(key="1"), US)
    apply(api, config_map(key="2"), US)
    with pytest.raises(ApiError, match="the object has been modified"):
        api.replace(BY_KIND["ConfigMap"], Key("", "configmaps", "models", "m"), first, US)


def test_nothing_changes_a_version_but_a_change(api):
    first = apply(api, config_map(key="1"), US)
    again = apply(api, json.loads(json.dumps(config_map(key="1"))), US)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
