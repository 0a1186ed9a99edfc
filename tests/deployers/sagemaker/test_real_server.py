"""The deployer, the model's archive in S3, SageMaker's way of starting a container, and the real server, together.

Nothing can pull the image here: what serves is the installed server (`tests.fakes.sagemaker.processes`). All else is as
SageMaker does it: model.tar.gz is fetched and unpacked, /ping is waited for, requests come to /invocations.
"""

import json

import pytest
from botocore.exceptions import ClientError

from deployers.base import Health, Release, Request
from deployers.conformance.subject import assert_live
from deployers.errors import ReleaseFailedError
from deployers.sagemaker import names
from tests.deployers.sagemaker.subjects import AwsSubject
from tests.fakes.sagemaker import Script
from tests.fakes.sagemaker.processes import Instances
from tests.wrapping.images.bundles import small

pytestmark = pytest.mark.slow

LOCK = "nothing==1 --hash=sha256:" + "0" * 64 + "\n"


def times(factor):
    """An ONNX model that multiplies pairs of numbers; its server starts in a second."""
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy")
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [], [float(factor)])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "times", [x], [y], [constant])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


class RealSubject(AwsSubject):
    """The version v<n>.0.0 multiplies by n; what is broken is no model at all."""

    def release(self, slot, version, tag=None):
        factor = version.partition(".")[0].removeprefix("v")
        model = b"no graph" if version.endswith("broken") else times(factor)
        bundle = small(
            self.folder / "bundles", LOCK, model={"m.onnx": model}, version=version, format_="onnx", at="m.onnx"
        )
        settings = {"server": {}, "target": {}}
        release = Release(
            slot=slot, version=version, commit="c" * 40, bundle_digest=bundle.digest, settings=settings, tag=tag
        )
        return release, bundle

    def served(self, slot):
        given = {"EndpointName": names.slot_name(slot), "Body": b"[[0.0, 0.0]]", "ContentType": "application/json"}
        try:
            answer = self.aws.client("sagemaker-runtime").invoke_endpoint(**given)
        except ClientError:
            return None
        return answer["CustomAttributes"].removeprefix("tagboat-release=")


@pytest.fixture
def subject_of(aws, tmp_path):
    """A target whose models lie in S3 in one way or the other, and whose instances are real servers."""
    with Instances(tmp_path / "instances", aws.moto) as instances:
        aws.sagemaker.containers.scripts["models"] = Script(server=instances)
        yield lambda model: RealSubject(tmp_path, aws, {"model": model})


def answered(subject, slot):
    request = Request(body=b"[[1.0, 2.0]]", path="/methods/predict")
    answer = subject.deployer().call(slot, request)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["predictions"]


def bring(subject, slot, version):
    """Bring a version live; returns its release."""
    deployer = subject.deployer()
    release, bundle = subject.release(slot, version)
    list(deployer.apply(deployer.plan(release, bundle)))
    assert_live(subject, slot, release)
    deployer.mark_verified(slot, release)
    return release


def test_what_is_deployed_answers_by_its_own_model_and_what_is_broken_never_gets_in_its_way(subject_of):
    subject = subject_of("archive")
    slot = subject.slot()
    first = bring(subject, slot, "v2.0.0")
    assert answered(subject, slot) == [[2.0, 4.0]]
    bring(subject, slot, "v3.0.0")
    assert answered(subject, slot) == [[3.0, 6.0]]
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="ping health check"):
        list(deployer.apply(deployer.plan(*subject.release(slot, "v4.0.0-broken"))))
    assert any("m.onnx" in line for line in deployer.diagnose(slot)), "the server's own words are in CloudWatch's logs"
    assert answered(subject, slot) == [[3.0, 6.0]]
    (verified,) = [each for each in deployer.observe(slot).verified if each.release_id == first.id]
    list(deployer.rollback(slot, verified))
    seen = assert_live(subject, slot, first)
    assert (seen.health, seen.proved_by) == (Health.READY, "server")
    assert answered(subject, slot) == [[2.0, 4.0]]


def test_a_model_that_lies_in_s3_file_by_file_is_served_too(subject_of):
    subject = subject_of("s3")
    bring(subject, subject.slot(), "v5.0.0")
    assert answered(subject, subject.slot()) == [[5.0, 10.0]]
