"""Every way in to AWS, from the environment that was handed in and from no other; nothing of the checkout is obeyed."""

import configparser
import types
import urllib.parse

import pytest

from deployers.errors import ConfigurationError, RefusedError, UnreachableError
from deployers.sagemaker.login import Login, session_name
from tests.deployers.sagemaker.answers import KEYS, Answers, login

ROLE = "arn:aws:iam::123456789012:role/deployer"
GITHUB = {"GITHUB_REPOSITORY": "acme/models", "GITHUB_RUN_ID": "77"}


@pytest.fixture
def aws():
    with Answers() as answers:
        yield answers


@pytest.fixture(autouse=True)
def _no_environment_of_the_process(monkeypatch):
    """Whatever of AWS this machine knows must not matter: keys of the process would be seen in the signature."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPROCESS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "process")
    monkeypatch.setenv("AWS_PROFILE", "process")


def settings(aws=None, **more):
    return types.SimpleNamespace(
        **{"region": "eu-west-1", "profile": None, "endpoint_url": aws.address if aws else None, **more}
    )


def key_of(request):
    """The access key that signed a request."""
    return request[3]["Authorization"].split("Credential=")[1].split("/")[0]


def credentials(key, result="AssumeRole"):
    return (
        f'<{result}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{result}Result><Credentials>'
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{result}Result></{result}Response>"
    ).encode()


def profile_file(tmp_path, **profiles):
    content = configparser.RawConfigParser()
    for name, values in profiles.items():
        content[name if name == "default" else f"profile {name}"] = values
    path = tmp_path / ".aws" / "config"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        content.write(file)
    return path


def test_keys_come_from_the_environment_that_was_handed_in(aws, tmp_path):
    aws.says(200, {})
    amazon = login(settings(aws), {**KEYS, "HOME": str(tmp_path)}, "aws")
    amazon.call(amazon.sagemaker.list_models)
    assert key_of(aws.asked[0]) == "AKIAEXAMPLE"


def test_a_profile_of_the_runner_gives_keys_and_region(aws, tmp_path):
    keys = {"aws_access_key_id": "AKIAPROFILE", "aws_secret_access_key": "s", "region": "sa-east-1"}
    profile_file(tmp_path, deploy=keys)
    aws.says(200, {})
    environment = {"HOME": str(tmp_path), "NAME": "deploy"}
    amazon = login(settings(aws, region=None, profile="${env:NAME}"), environment, "aws")
    amazon.call(amazon.sagemaker.list_models)
    assert amazon.region == "sa-east-1"
    assert key_of(aws.asked[0]) == "AKIAPROFILE"


def test_a_profile_that_the_target_names_goes_before_keys_of_the_environment(aws, tmp_path):
    profile_file(tmp_path, deploy={"aws_access_key_id": "AKIAPROFILE", "aws_secret_access_key": "s"})
    aws.says(200, {})
    amazon = login(settings(aws, profile="deploy"), {**KEYS, "HOME": str(tmp_path)}, "aws")
    amazon.call(amazon.sagemaker.list_models)
    assert key_of(aws.asked[0]) == "AKIAPROFILE"


def test_a_profile_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nobody") as failure:
        login(settings(profile="nobody", region=None), {"HOME": str(tmp_path)}, "aws")
    assert failure.value.where == "targets.aws.profile"


def test_no_region_is_an_error_that_names_the_setting(tmp_path):
    with pytest.raises(ConfigurationError, match="no region") as failure:
        login(settings(region=None), {"HOME": str(tmp_path)}, "aws")
    assert failure.value.where == "targets.aws.region"


def test_C1_a_configuration_file_of_the_checkout_runs_no_program(tmp_path):
    ran = tmp_path / "ran"
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    hostile = workspace / "aws.ini"
    hostile.write_text(f"[default]\ncredential_process = touch {ran}\n")
    for path in (str(hostile), "aws.ini"):
        environment = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": path, "GITHUB_WORKSPACE": str(workspace)}
        with pytest.raises(RefusedError, match="repository's"):
            amazon = login(settings(), environment, "aws")
            amazon.call(amazon.sagemaker.list_models)
    assert not ran.exists()


def test_a_job_of_github_logs_in_with_its_own_identity(aws, tmp_path):
    aws.says(200, {"value": "the-jobs-token"})
    aws.says(200, credentials("AKIAJOB", "AssumeRoleWithWebIdentity")).says(200, {})
    environment = {
        "HOME": str(tmp_path), "ACTIONS_ID_TOKEN_REQUEST_URL": f"{aws.address}/token?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner", **GITHUB,
    }  # fmt: skip
    amazon = login(settings(aws), environment, "aws", ways=Login(web_identity=ROLE))
    assert aws.asked == []
    amazon.call(amazon.sagemaker.list_models)
    token, assumed, call = aws.asked
    assert "audience=sts.amazonaws.com" in token[1]
    assert token[3]["authorization"] == "Bearer runner"
    form = dict(urllib.parse.parse_qsl(assumed[2].decode()))
    assert form["WebIdentityToken"] == "the-jobs-token"
    assert form["RoleArn"] == ROLE
    assert form["RoleSessionName"] == "tagboat-acme-models-77"
    assert "Authorization" not in assumed[3]
    assert key_of(call) == "AKIAJOB"


def test_a_job_without_the_permission_says_which(tmp_path):
    with pytest.raises(ConfigurationError, match="no OIDC identity") as failure:
        amazon = login(settings(), {"HOME": str(tmp_path)}, "aws", ways=Login(web_identity=ROLE))
        amazon.call(amazon.sagemaker.list_models)
    assert "id-token: write" in failure.value.hint


def test_a_token_that_github_does_not_give_is_an_error_without_the_runners_own(aws, tmp_path):
    aws.says(403)
    environment = {
        "HOME": str(tmp_path), "ACTIONS_ID_TOKEN_REQUEST_URL": f"{aws.address}/token?v=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runners-secret",
    }  # fmt: skip
    amazon = login(settings(aws), environment, "aws", ways=Login(web_identity=ROLE))
    with pytest.raises(UnreachableError, match="no OIDC token") as failure:
        amazon.call(amazon.sagemaker.list_models)
    assert "runners-secret" not in str(failure.value)


def test_a_role_whose_trust_does_not_name_us_points_to_the_trust_policy(aws, tmp_path):
    aws.says(200, {"value": "token"})
    aws.says(
        403,
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
        b"sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>",
    )
    environment = {
        "HOME": str(tmp_path), "ACTIONS_ID_TOKEN_REQUEST_URL": f"{aws.address}/token?v=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "r",
    }  # fmt: skip
    amazon = login(settings(aws), environment, "aws", ways=Login(web_identity=ROLE))
    with pytest.raises(ConfigurationError, match="sts:AssumeRoleWithWebIdentity") as failure:
        amazon.call(amazon.sagemaker.list_models)
    assert "trust policy" in failure.value.hint


def test_a_role_is_assumed_with_its_external_id(aws, tmp_path):
    aws.says(200, credentials("AKIAROLE")).says(200, {})
    ways = Login(assume_role=ROLE, external_id="${env:EXTERNAL}")
    amazon = login(settings(aws), {**KEYS, "HOME": str(tmp_path), "EXTERNAL": "x-1"}, "aws", ways=ways)
    amazon.call(amazon.sagemaker.list_models)
    assumed, call = aws.asked
    assert key_of(assumed) == "AKIAEXAMPLE"
    assert dict(urllib.parse.parse_qsl(assumed[2].decode()))["ExternalId"] == "x-1"
    assert key_of(call) == "AKIAROLE"
    assert "sts:AssumeRole" in amazon.called


def test_a_pods_token_file_is_used(aws, tmp_path):
    (tmp_path / "token").write_text("pods-token")
    aws.says(200, credentials("AKIAPOD", "AssumeRoleWithWebIdentity")).says(200, {})
    environment = {"HOME": str(tmp_path), "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}
    amazon = login(settings(aws), environment, "aws")
    amazon.call(amazon.sagemaker.list_models)
    assert b"pods-token" in aws.asked[0][2]
    assert key_of(aws.asked[1]) == "AKIAPOD"


def test_an_address_of_one_service_is_taken_from_the_environment(aws, tmp_path):
    environment = {
        **KEYS,
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": aws.address,
    }
    amazon = login(settings(), environment, "aws")
    assert amazon.s3.meta.endpoint_url == "http://127.0.0.1:9"
    assert amazon.runtime.meta.endpoint_url == aws.address
    plain = login(settings(), {**KEYS, "HOME": str(tmp_path)}, "aws")
    assert plain.sagemaker.meta.endpoint_url == "https://api.sagemaker.eu-west-1.amazonaws.com"


def test_a_sessions_name_is_one_whatever_the_repository_is_called():
    assert session_name({"GITHUB_REPOSITORY": "a/b c" * 30}) == ("tagboat-" + "a-b-c" * 30)[:64]
    assert session_name({}) == "tagboat"
