"""The Role of docs/kubernetes.md is enough for all that the deployer does, and holds nothing that it never does."""

import re
from pathlib import Path

import pytest
import yaml

from deployers.base import Request, Revision
from deployers.errors import ReleaseFailedError
from tests.fakes.kubernetes import Script

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "kubernetes.md"

PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/namespaces/[^/]+/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?"
)


def granted():
    """(group, resource, verb) of each right of the Role."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    (role,) = [found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind: Role" in found]
    return {
        (group, resource, verb)
        for rule in yaml.safe_load(role)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(method, target):
    """The rights that a request needs, by the API server's rules of attributes; none for discovery.

    https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
    """
    path, _, query = target.partition("?")
    match = PATH.match(path)
    if match is None:
        return set()
    resource = match["plural"] + (f"/{match['sub']}" if match["sub"] else "")
    verbs = {"GET": ["get"], "POST": ["create"], "PUT": ["update"], "PATCH": ["patch"], "DELETE": ["delete"]}[method]
    if method == "GET" and match["name"] is None:
        verbs = ["watch" if "watch=1" in query else "list"]
    if method == "PATCH" and "fieldValidation" in query:
        verbs = ["patch", "create"]  # an apply may be what makes the object
    return {(match["group"] or "", resource, verb) for verb in verbs}


ALL = {
    "ingress": {"host": "models.example"},
    "route": {"gateway": "front"},
    "monitor": {},
    "strategy": {"type": "canary", "steps": [{"weight": 20, "pause": 1}]},
}
SCALED = {"strategy": {"type": "blue-green", "keep-old": 0}, "autoscaling": {"min": 2, "max": 5}}
BY_KEDA = {"keda": {"triggers": [{"type": "cron", "metadata": {"start": "0 8 * * *"}}]}}
KSERVE = {"engine": "kserve"}


def live(subject, version):
    """All that a run does with a release that comes up."""
    slot = subject.slot()
    deployer = subject.deployer()
    with deployer.lease(slot) as lease:
        lease.renewal._renew()
        release, bundle = subject.release(slot, version)
        for step in deployer.apply(deployer.plan(release, bundle)):
            if step.candidate and deployer.canary is not None and deployer.observe(slot).release is not None:
                deployer.traffic(slot, {Revision.LIVE: 80, Revision.CANDIDATE: 20})
                deployer.metrics(slot, Revision.CANDIDATE, 0)
        deployer.call(slot, Request(method="POST", path="/predict", headers={}, body=b"{}"))
        deployer.mark_verified(slot, release)


@pytest.mark.slow
def test_the_role_of_the_documentation_is_enough_and_no_more(cluster, subject_with):
    used = set()
    cluster.servers.scripts["broken"] = Script(kind="crash", log="no\n")
    for settings in (ALL, SCALED, BY_KEDA, KSERVE, {}):
        subject = subject_with(**settings)
        slot = subject.slot()
        live(subject, "v1.0.0")
        if settings == SCALED:
            (running,) = cluster.store.list("apps", "deployments")
            subject.deployer().api.scale(running["metadata"]["name"], 4)
        live(subject, "v2.0.0")
        deployer = subject.deployer()
        with pytest.raises(ReleaseFailedError):
            list(deployer.apply(deployer.plan(*subject.broken(slot, "v3.0.0"))))
        deployer.diagnose(slot)
        list(deployer.rollback(slot))
        deployer.slots()
        list(deployer.remove(slot))
        asked = [each for each in cluster.requests if "/namespaces/" in each[0] + each[1]]
        used |= {right for method, path in asked for right in needed(method, path)}
        cluster.requests.clear()
    assert used - granted() == set(), "the Role lacks these"
    assert granted() - used == set(), "nothing asks for these"
