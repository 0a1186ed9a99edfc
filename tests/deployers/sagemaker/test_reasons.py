"""What SageMaker really says when something fails is understood, and has an answer."""

from pathlib import Path

import pytest

from deployers.sagemaker.reasons import CATALOGUE, advice, reason_of

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "sagemaker.md"

SAID = [
    (
        (
            "The primary container for production variant main did not pass the ping health check. Please check CloudWatch "
            "logs for this endpoint."
        ),
        "ping",
    ),
    (
        (
            "CannotStartContainerError. Please ensure the model container for variant main starts correctly when invoked "
            "with 'docker run <image> serve'"
        ),
        "start",
    ),
    (
        (
            "Please make sure all images included in the model for the production variant main exist, and that the execution "
            "role used to create the model has permissions to access them."
        ),
        "pull",
    ),
    (
        (
            "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using "
            "a different ML instance type or after some time."
        ),
        "capacity",
    ),
    ("Image size 13279248421 is greater than supported size 10737418240", "image-size"),
    (
        (
            'Failed to extract model data archive from URL "s3://models/x/model.tar.gz". The model data archive is too large. '
            "Please reduce the size of the model data archive or move to an instance type with more memory."
        ),
        "model-size",
    ),
    (
        (
            'Failed to extract model data archive for container "container_1" from URL "s3://models/model.tar.gz". Please '
            "ensure that the object located at the URL is a valid tar.gz archive."
        ),
        "archive",
    ),
    (
        (
            "Could not access model data at s3://models/x/. Please ensure that the role exists and that its trust relationship "
            'policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".'
        ),
        "model-data",
    ),
    ("Could not assume role arn:aws:iam::123456789012:role/x. Please ensure that the role exists", "role"),
    (
        "User: arn:aws:sts::123456789012:assumed-role/ci is not authorized to perform: iam:PassRole on resource: x",
        "pass-role",
    ),
    (
        "The account-level service limit 'ml.g5.2xlarge for endpoint usage' is 0 Instances, with current utilization of 0",
        "quota",
    ),
    ("Request to service failed. If failure persists after retry, contact customer support.", "internal"),
    ("Rolled back: one of the configured alarms is in ALARM state", "alarm"),
]


@pytest.mark.parametrize(("text", "name"), SAID, ids=[name for _, name in SAID])
def test_what_sagemaker_says_is_known(text, name):
    found = reason_of(text)
    assert found is not None
    assert found.name == name
    assert advice(text) == found.advice


def test_what_is_not_known_still_has_an_answer_and_nothing_is_made_of_silence():
    assert reason_of("Something that nobody has ever seen.") is None
    assert "log" in advice("Something that nobody has ever seen.")
    assert reason_of(None) is reason_of("") is None


def test_the_catalogue_has_every_kind_once_and_each_says_what_to_do():
    names = [reason.name for reason in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(reason.words and reason.advice.endswith(".") for reason in CATALOGUE)


def test_line_breaks_and_capitals_make_no_difference():
    assert reason_of("did not pass the\n  PING health   check") is reason_of("did not pass the ping health check")


def test_the_documentation_has_a_row_for_every_kind_and_no_other():
    table = DOCUMENTATION.read_text(encoding="utf-8").partition("## When it does not come up")[2].partition("\n##")[0]
    rows = {line.split("|")[1].strip(" `") for line in table.splitlines() if line.startswith("| `")}
    assert rows == {reason.name for reason in CATALOGUE}
