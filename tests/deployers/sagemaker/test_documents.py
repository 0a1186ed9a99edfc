"""Every option, as the requests that it makes: golden files, each within every limit that AWS has.

`TAGBOAT_GOLDEN=write python -P -m pytest tests/deployers/sagemaker/test_documents.py` writes them anew.
"""

import os
from pathlib import Path

import msgspec
import pytest

import templates as packaged
from deployers.base import Release, Slot
from deployers.errors import CapabilityError, ConfigurationError, RefusedError
from deployers.rendering import Templates
from deployers.sagemaker import features
from deployers.sagemaker.documents import made
from deployers.sagemaker.settings import SagemakerSettings

GOLDEN = Path(__file__).parent / "golden"
OURS = Path(packaged.__file__).parent / "sagemaker"
NEEDED = {
    "bucket": "acme-models",
    "role": "arn:aws:iam::123456789012:role/tagboat",
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/models",
}
IMAGE = f"{NEEDED['image']}/churn@sha256:{'a' * 64}"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:models"

OPTIONS = {
    "plain": {},
    "instances": {
        "instance-type": "ml.c7g.xlarge", "instance-count": 3, "volume-size": 100, "start-timeout": 900,
        "routing": "least-outstanding-requests", "kms-key": "alias/models", "endpoint-name": "churn",
        "tags": {"team": "growth"},
    },
    "archive": {"model": "archive", "download-timeout": 300},
    "network": {
        "vpc": {"subnets": ["subnet-1", "subnet-2"], "security-groups": ["sg-1"]}, "network-isolation": True,
    },
    "serverless": {"serverless": {"memory": 4096, "concurrency": 20}},
    "provisioned": {
        "serverless": {"memory": 1024, "concurrency": 20, "provisioned": 2}, "scaling": {"min": 2, "max": 10},
    },
    "asynchronous": {"asynchronous": {}, "scaling": {"min": 0, "max": 8, "target": 3}},
    "notified": {
        "asynchronous": {
            "output": "s3://elsewhere/out", "failures": "s3://elsewhere/bad", "success-topic": TOPIC,
            "error-topic": TOPIC, "include-answer": True, "concurrency": 4, "kms-key": "alias/results",
        }
    },
    "variants": {
        "weight": 9,
        "variants": [
            {"name": "graviton", "weight": 1, "instance-type": "ml.c7g.large", "instance-count": 2},
            {"name": "challenger", "weight": 0, "model-name": "churn-next"},
        ],
    },
    "shadow": {"shadow": {"weight": 0.5, "model-name": "churn-next", "instance-count": 1}, "instance-count": 2},
    "data-capture": {"data-capture": {"share": 20, "what": ["output"], "csv": [], "kms-key": "alias/captured"}},
    "scaling": {"scaling": {"min": 2, "max": 6, "target": 500, "in-wait": 600, "out-wait": 30}},
    "canary": {
        "deployment": {
            "strategy": "canary", "size": 20, "wait": 600, "keep-old": 300, "alarms": ["pager"],
            "watch": {"refusals": 10, "latency": 0.25, "model-failures": 5, "minutes": 2},
        }
    },
    "linear": {"deployment": {"strategy": "linear", "size": 25, "watch": {}}},
    "rolling": {"deployment": {"strategy": "rolling", "size": 50, "timeout": 7200, "watch": {"errors": 1}}},
    "no-rollback": {"deployment": {"watch": {}, "auto-rollback": False}},
}  # fmt: skip


SCALE = '{"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount", "ResourceId": "%s"}'


def settings(options):
    return msgspec.convert({**NEEDED, **options}, SagemakerSettings)


def rendered(options, theirs=None, source=None, **release):
    told = Release(
        slot=release.pop("slot", Slot(artifact="churn", stage="prod", target="aws")), version="v1.4.0", commit="c" * 40,
        bundle_digest="sha256:" + "b" * 64, **release,
    )  # fmt: skip
    container = {"Image": IMAGE, **(source or {}), "Environment": {"TAGBOAT_RELEASE": told.id}}
    return made(told, container=container, settings=settings(options), templates=Templates(OURS, theirs or {}))


def told(documents):
    """As golden files have it: what the tags are is told once, by the plain one."""
    return {
        str(each): {name: value for name, value in each.request.items() if name != "Tags"}
        for each in documents.documents
    }


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_makes_these_requests(name):
    source = {"ModelDataUrl": "s3://acme-models/tagboat/models/0/model.tar.gz"} if name == "archive" else None
    found = rendered(OPTIONS[name], source=source)
    text = msgspec.json.format(msgspec.json.encode(told(found)), indent=2).decode() + "\n"
    file = GOLDEN / f"{name}.json"
    if os.environ.get("TAGBOAT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_every_golden_file_is_of_an_option():
    assert {file.stem for file in GOLDEN.iterdir()} == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_what_can_carry_tags_says_whose_it_is(name):
    for each in rendered(OPTIONS[name]).documents:
        if each.kind in {"metric-filter", "scaling-policy"}:
            assert "Tags" not in each.request
            continue
        tags = each.request["Tags"]
        tags = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
        assert tags["tagboat:slot"].startswith("churn-prod-")
        assert tags["tagboat:target"] == "aws"


def test_other_content_has_another_name_and_the_same_content_the_same():
    one, same, other = rendered({}), rendered({}), rendered({"instance-count": 2})
    assert one.config == same.config
    assert one.config != other.config
    assert one.endpoint == other.endpoint


REFUSED = [
    ({"serverless": {}, "asynchronous": {}}, "asynchronous", "not both"),
    ({"serverless": {}, "vpc": {"subnets": ["s"], "security-groups": ["g"]}}, "vpc", "network of yours"),
    ({"serverless": {}, "network-isolation": True}, "network-isolation", "isolation"),
    ({"serverless": {}, "data-capture": {}}, "data-capture", "data capture"),
    ({"serverless": {}, "variants": [{"name": "b"}]}, "variants", "further variants"),
    ({"serverless": {}, "shadow": {}}, "shadow", "shadow"),
    ({"serverless": {}, "kms-key": "alias/k"}, "kms-key", "key for volumes"),
    ({"serverless": {}, "volume-size": 10}, "volume-size", "volumes"),
    ({"serverless": {}, "model": "s3"}, "model", "one by one"),
    ({"serverless": {}, "deployment": {"strategy": "canary"}}, "deployment.strategy", "guardrails"),
    ({"serverless": {}, "deployment": {"watch": {}}}, "deployment.watch", "guardrails"),
    ({"serverless": {}, "deployment": {"alarms": ["a"]}}, "deployment.alarms", "guardrails"),
    ({"serverless": {"provisioned": 6}}, "serverless.provisioned", "more is provisioned"),
    ({"serverless": {}, "scaling": {}}, "scaling", "scales by itself"),
    ({"serverless": {"provisioned": 1}, "scaling": {"max": 6}}, "scaling.max", "more than may run"),
    ({"serverless": {"provisioned": 1}, "scaling": {"min": 0, "max": 2}}, "scaling.min", "at least 1"),
    ({"asynchronous": {}, "variants": [{"name": "b"}]}, "variants", "one variant"),
    ({"asynchronous": {}, "shadow": {}}, "shadow", "one variant"),
    ({"scaling": {"min": 0}}, "scaling.min", "only an asynchronous"),
    ({"scaling": {"min": 5, "max": 4}}, "scaling.min", "more than `max`"),
    ({"variants": [{"name": "main"}]}, "variants", "two variants"),
    ({"weight": 0}, "weight", "no variant gets"),
    ({"variants": [{"name": "b"}], "shadow": {}}, "shadow", "one production variant"),
    ({"variants": [{"name": "b"}], "deployment": {"strategy": "rolling"}}, "deployment.strategy", "rolling"),
    ({"deployment": {"strategy": "linear", "size": 5}}, "deployment.size", "10 to 50"),
    ({"deployment": {"alarms": [f"a{n}" for n in range(10)], "watch": {}}}, "deployment.alarms", "more than 10"),
    ({"deployment": {"wait": 3600, "timeout": 3600}}, "deployment.timeout", "waits alone"),
]


@pytest.mark.parametrize(("options", "key", "words"), REFUSED)
def test_what_a_kind_of_endpoint_cannot_do_is_refused_at_plan_time_by_its_key(options, key, words):
    with pytest.raises(CapabilityError, match=words) as failure:
        rendered(options)
    assert failure.value.where == f"targets.aws.{key}"
    assert failure.value.hint
    assert [each[0] for each in features.refusals(settings(options))].count(key) == 1


def test_a_template_of_the_repositorys_makes_an_alarm_of_its_own():
    alarm = """{"AlarmName": {{ (endpoint_name ~ "-disk") | tojson }}, "Namespace": "/aws/sagemaker/Endpoints",
        "MetricName": "DiskUtilization", "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 90, "ComparisonOperator": "GreaterThanThreshold"}"""
    found = rendered({}, {"alarm.disk.json.j2": alarm})
    (made_of_it,) = [each for each in found.documents if each.kind == "alarm"]
    assert made_of_it.name.endswith("-disk")
    assert {"Key": "tagboat:target", "Value": "aws"} in made_of_it.request["Tags"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bucket.json.j2", "{}", "nothing that is known"),
        ("alarm.json.j2", '{"AlarmName": "x", "Period": 0}', "at least 1"),
        ("scaling-policy.json.j2", '{"PolicyName": "p"}', "not the slot's"),
        ("scalable-target.json.j2", SCALE % "endpoint/somebodys/variant/main", "not the slot's"),
        ("scalable-target.json.j2", SCALE % "endpoint/churn-prod", "not the slot's"),
        ("metric-filter.json.j2", '{"filterName": "x", "logGroupName": "/aws/lambda/x"}', "not the slot's"),
        (
            "model.json.j2",
            '{"PrimaryContainer": {{ container | tojson }}, "ExecutionRoleArn": "x"}',
            "does not choose",
        ),
        ("endpoint.json.j2", '{"EndpointName": "other", "EndpointConfigName": {{ config_name | tojson }}}', "other"),
        ("endpoint-config.json.j2", "", "one is needed"),
    ],
)
def test_C8_a_template_that_makes_something_else_is_refused(name, text, words):
    with pytest.raises((ConfigurationError, RefusedError)) as failure:
        rendered({}, {name: text})
    assert words in str(failure.value)


def test_no_template_sees_how_we_log_in():
    leak = '{"AlarmName": {{ settings.login | tojson }}}'
    with pytest.raises(ConfigurationError, match="login"):
        rendered({"login": {"external-id": "secret"}}, {"alarm.json.j2": leak})
