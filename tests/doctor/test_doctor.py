"""The doctor finds what is wrong, says where, and says how to mend it; in a healthy repository it finds nothing."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context
from entrypoint.doctor import Severity
from entrypoint.doctor.patterns import matches
from tests.doctor.conftest import GOOD_CONFIGURATION, GOOD_PERMISSIONS, GOOD_WORKFLOW


def said(findings) -> str:
    return "\n".join(f"{finding.severity} {finding.where}: {finding.message} → {finding.mend}" for finding in findings)


def test_a_healthy_repository_has_no_findings(healthy):
    report = healthy.examine()
    assert said(report.findings) == ""
    assert [unchecked.check for unchecked in report.unchecked] == ["tag-rules"]


def test_every_finding_says_where_and_has_a_mend(checkout):
    checkout.commit({"tagboat.yaml": "targts: {}"})
    checkout.tag("iris@v1.0.0", "x@created")
    checkout.git("tag", "iris#dev#1")
    for finding in checkout.examine().findings:
        assert finding.where
        assert finding.message
        assert finding.mend


# --- tags ------------------------------------------------------------------------------------------------------------


def test_lightweight_and_poisonous_tags_are_found_and_the_rest_still_counts(healthy):
    healthy.git("tag", "iris#prod#2")
    healthy.tag("x@created")
    findings = healthy.findings("tags")
    assert {finding.where for finding in findings} == {"iris#prod#2", "x@created"}
    assert "git push origin --delete 'refs/tags/iris#prod#2'" in said(findings)
    assert all(finding.severity is Severity.WARNING for finding in findings)


def test_a_shallow_clone_is_named(healthy, tmp_path):
    from tests.doctor.conftest import Checkout

    healthy.commit({"more": "more"})
    clone = tmp_path / "clone"
    healthy.git("clone", "--quiet", "--depth=1", f"file://{healthy.root}", str(clone))
    shallow = Checkout(clone)
    assert "cut off" in said(shallow.findings("tags"))


def test_an_empty_repository_is_examined_all_the_same(checkout):
    report = checkout.examine()
    assert report.counts["error"] == 0
    assert {finding.check for finding in report.findings} == {"tags", "configuration", "workflows"}


# --- annotations -----------------------------------------------------------------------------------------------------


def test_a_version_without_a_path_is_an_error(healthy):
    healthy.commit({"dvc.yaml": "artifacts: {}\n"})
    healthy.tag("iris@v2.0.0")
    (finding,) = healthy.findings("annotations")
    assert (finding.severity, finding.where) == (Severity.ERROR, "iris@v2.0.0")
    assert "artifacts.iris.path in tagboat.yaml" in finding.mend


def test_a_path_in_the_configuration_will_do(healthy):
    healthy.commit(
        {
            "dvc.yaml": "artifacts: {}\n",
            "tagboat.yaml": GOOD_CONFIGURATION + "artifacts: {iris: {path: models/iris.bin}}\n",
        }
    )
    healthy.tag("iris@v2.0.0")
    assert [finding.severity for finding in healthy.findings("annotations")] == [Severity.NOTE]


def test_a_path_that_is_not_at_the_commit_is_an_error(healthy):
    healthy.commit({"dvc.yaml": "artifacts: {iris: {path: models/other.bin, type: model}}\n"})
    healthy.tag("iris@v2.0.0")
    assert "no file, folder or DVC output 'models/other.bin'" in said(healthy.findings("annotations"))


def test_what_dvc_tracks_counts_as_there(healthy):
    pointer = "outs:\n- md5: d8e8fca2dc0f896fd7cb4cb0031ba249\n  size: 5\n  hash: md5\n  path: big.bin\n"
    healthy.commit(
        {"models/big.bin.dvc": pointer, "dvc.yaml": "artifacts: {iris: {path: models/big.bin, type: model}}\n"}
    )
    healthy.tag("iris@v2.0.0")
    assert healthy.findings("annotations") == []


@pytest.mark.parametrize(
    ("path", "files", "known"),
    [
        ("models/iris.h5", ["iris.h5"], False),
        ("models/iris", ["iris/weights.h5", "iris/notes.md"], False),
        ("models/iris", ["iris/weights.h5", "iris/predictor.py"], True),
        ("models/iris", ["iris/MLmodel"], True),
        ("models/iris", ["iris", "iris.mlem"], True),
        ("models/iris.ubj", ["iris.ubj"], True),
    ],
)
def test_a_model_of_no_format_that_can_be_told_is_an_error(path, files, known, healthy):
    healthy.commit(
        {
            **{f"models/{name}": "m" for name in files},
            "dvc.yaml": f"artifacts: {{iris: {{path: {path}, type: model}}}}\n",
        }
    )
    healthy.tag("iris@v2.0.0")
    found = healthy.findings("annotations")
    assert ("of which format" in said(found)) is not known
    assert bool(found) is not known
    if not known:
        healthy.commit({"tagboat.yaml": GOOD_CONFIGURATION + "artifacts: {iris: {format: python}}\n"})
        assert healthy.findings("annotations") == []


def test_a_version_that_is_neither_latest_nor_staged_is_left_alone(checkout):
    checkout.commit({"dvc.yaml": "artifacts: {}\n"})
    checkout.tag("iris@v1.0.0")
    checkout.commit({"models/iris.bin": "m", "dvc.yaml": "artifacts: {iris: {path: models/iris.bin, type: model}}\n"})
    checkout.tag("iris@v2.0.0")
    assert checkout.findings("annotations") == []


# --- configuration ---------------------------------------------------------------------------------------------------


def test_each_mistake_of_the_configuration_is_an_error_with_its_line(healthy):
    healthy.commit({"tagboat.yaml": "targts: {}\nserver: {drain: soon}\n"})
    findings = healthy.findings("configuration")
    assert [(finding.severity, finding.where) for finding in findings] == [
        (Severity.ERROR, "tagboat.yaml:1:1"),
        (Severity.ERROR, "tagboat.yaml:2:17"),
    ]


def test_a_stage_of_the_registry_that_goes_nowhere_is_named(healthy):
    healthy.tag("iris#prod#2")
    assert "warning iris#prod: the registry has a version in the stage prod" in said(healthy.findings("configuration"))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("artifacts: {irsi: {}}", "Did you mean iris?"),
        ("targets: {here: {deployer: local}, there: {deployer: local}}", "targets.there: no stage uses this target"),
        ("smoke: []", "iris#dev: no smoke request"),
        ("policies: {require-branch: trunk}", "no branch 'trunk'"),
        ("indexes: [{url: 'https://${env:INDEX}/'}]", "${env:INDEX}: the variable"),
    ],
)
def test_what_the_configuration_leaves_loose_is_named(healthy, extra, expected):
    key = extra.partition(":")[0]
    kept = [line for line in GOOD_CONFIGURATION.splitlines() if not line.startswith(key + ":")]
    healthy.commit({"tagboat.yaml": "\n".join([*kept, extra])})
    assert expected in said(healthy.findings("configuration"))


def test_what_is_not_committed_does_not_count_in_the_action(healthy):
    healthy.write({"tagboat.yaml": GOOD_CONFIGURATION + "# changed\n"})
    assert "differs from what is committed" in said(healthy.findings("configuration"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("namespace: kube-system", "error tagboat.yaml: targets.far.namespace: it is the cluster's own → Use one of yours."),
        ("grace: 1ms", "warning tagboat.yaml: targets.far.grace: it is short → Give more."),
    ],
)  # fmt: skip
def test_what_a_kind_of_target_has_to_say_of_its_settings_is_said(setting, expected, healthy):
    more = f"targets: {{here: {{deployer: local}}, far: {{deployer: cluster, server: a, {setting}}}}}"
    text = GOOD_CONFIGURATION.replace("targets: {here: {deployer: local}}", more)
    healthy.commit({"tagboat.yaml": text.replace("[here]", "[here, far]")})
    assert said(healthy.findings("configuration")) == expected


# --- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "severity", "expected"),
    [
        ('["**"]', '["*"]', "warning", "models/nlp=bert@v1.0.0 starts no workflow that runs Tagboat. A * stops"),
        ('["**"]', '["v*"]', "error", "iris@v1.0.0 starts no workflow"),
        ('["**"]', '["**", "!iris#*"]', "error", "iris#dev#1 starts no workflow"),
        ('{tags: ["**"]}', "{branches: [main]}", "error", "starts no workflow"),
        ('push: {tags: ["**"]}', "workflow_dispatch:", "error", "no workflow that runs Tagboat starts when"),
        ("command: reconcile", "command: deploy", "warning", "nothing reconciles on a schedule"),
        (f"permissions: {GOOD_PERMISSIONS}", "", "warning", "it says no permissions"),
        (f"permissions: {GOOD_PERMISSIONS}", "permissions: write-all", "warning", "may write everything"),
        (f"permissions: {GOOD_PERMISSIONS}", "permissions: {}", "error", "may not read the repository"),
        (f"permissions: {GOOD_PERMISSIONS}", "permissions: {id-token: write}", "error", "may not read the repository"),
        ("tagboat@v0.1.0", "tagboat@main", "warning", "the Action follows 'main'"),
        ("jobs:", "concurrency: {group: x, cancel-in-progress: true}\njobs:", "warning", "cancels one that is at work"),
        ("  schedule:", "  pull_request_target:\n  schedule:", "error", "pull_request_target"),
        ("uses: tagboat/tagboat@v0.1.0", "uses: elsewhere/else@v1", "warning", "no workflow runs Tagboat"),
    ],
)  # fmt: skip
def test_a_workflow_that_misses_its_purpose_is_named(healthy, before, after, severity, expected):
    assert before in GOOD_WORKFLOW
    healthy.commit({".github/workflows/tagboat.yml": GOOD_WORKFLOW.replace(before, after)})
    findings = [finding for finding in healthy.findings("workflows") if expected in said([finding])]
    assert [finding.severity.value for finding in findings] == [severity]


def test_a_workflow_that_only_reports_may_be_cancelled_needs_no_identity_and_must_be_able_to_comment(healthy):
    reports = (Path(__file__).parents[2] / "examples/workflows/report.yml").read_text()
    healthy.commit({".github/workflows/report.yml": reports})
    assert not [finding for finding in healthy.findings("workflows") if "report.yml" in str(finding.where)]
    healthy.commit({".github/workflows/report.yml": re.sub("pull-requests: write.*", "", reports)})
    assert "may not comment on pull requests" in said(healthy.findings("workflows"))


def test_registration_that_assigns_needs_the_right_to_push(healthy):
    healthy.commit({"tagboat.yaml": GOOD_CONFIGURATION + "registration: {assign: dev}\n",
                    ".github/workflows/tagboat.yml": GOOD_WORKFLOW.replace("{command: reconcile}", "{}")})  # fmt: skip
    assert "registration.assign pushes a tag" in said(healthy.findings("workflows"))


@pytest.mark.parametrize(("automatic", "needs"), [("true", True), ("false", False)])
def test_promotion_that_is_automatic_needs_the_right_to_push(healthy, automatic, needs):
    rules = f"promotion: {{dev: {{from: before, automatic: {automatic}}}}}\n"
    healthy.commit({"tagboat.yaml": GOOD_CONFIGURATION.replace("stages: {dev", "stages: {before: {}, dev") + rules})
    assert ("automatic promotions push a tag" in said(healthy.findings("workflows"))) is needs


def test_a_token_that_may_not_write_githubs_pages_is_worth_knowing(healthy):
    healthy.commit({".github/workflows/tagboat.yml": GOOD_WORKFLOW.replace(GOOD_PERMISSIONS, "{contents: read}")})
    (finding,) = healthy.findings("workflows")
    assert finding.severity is Severity.NOTE
    assert "deployments: write, checks: write, pull-requests: write" in finding.mend
    off = "report: {deployments: false, checks: false, failure-comments: false}\n"
    healthy.commit({"tagboat.yaml": GOOD_CONFIGURATION + off})
    assert healthy.findings("workflows") == []


def test_tags_pushed_with_the_workflows_own_token_are_pointed_out(healthy):
    steps = "[{uses: actions/checkout@v5}, {run: 'gto register iris && git push --tags'}]"
    training = f"on: push\njobs: {{train: {{steps: {steps}}}}}\n"
    healthy.commit({".github/workflows/train.yml": training})
    assert "GitHub starts no workflow for those" in said(healthy.findings("workflows"))
    healthy.commit({".github/workflows/train.yml": training.replace("v5}", "v5, with: {token: own}}")})
    assert healthy.findings("workflows") == []


def test_a_workflow_that_cannot_be_read_stops_nothing(healthy):
    healthy.commit({".github/workflows/broken.yml": "on: ["})
    report = healthy.examine()
    assert said(report.findings) == ""
    assert "broken.yml" in " ".join(unchecked.reason for unchecked in report.unchecked)


def test_versions_whose_commit_lacks_the_workflow_are_named(checkout):
    checkout.commit({"models/iris.bin": "m", "dvc.yaml": "artifacts: {iris: {path: models/iris.bin, type: model}}\n"})
    checkout.tag("iris@v1.0.0")
    checkout.commit({".github/workflows/tagboat.yml": GOOD_WORKFLOW, "tagboat.yaml": GOOD_CONFIGURATION})
    checkout.tag("iris@v2.0.0")
    (finding,) = checkout.findings("versions")
    assert finding.where == "iris@v1.0.0"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "iris@v1.0.0", True), ("*", "a/b@v1.0.0", False), ("**", "a/b@v1.0.0", True), ("v*", "iris", False),
        ("**@v[0-9]+.*", "a/b=c@v12.0", True), ("*#prod#*", "iris#prod#3", True), ("iris?", "iri", True),
        ("a.c", "abc", False),
        ("[", "[", True), ("+", "+", True), ("a**", "a/b/c", True), ("\\*", "*", True),
    ],
)  # fmt: skip
def test_patterns_mean_what_they_mean_to_github(pattern, name, fits):
    assert matches(name, [pattern]) is fits


def test_a_login_by_the_jobs_identity_needs_the_right_to_one(healthy):
    target = 'far: {deployer: cluster, server: a, login: {web-identity: "arn:aws:iam::123456789012:role/deploy"}}'
    relying = GOOD_CONFIGURATION.replace("targets: {", f"targets: {{{target}, ")
    healthy.commit({"tagboat.yaml": relying})
    (finding,) = healthy.findings("workflows")
    assert (finding.severity, finding.where) == (Severity.ERROR, ".github/workflows/tagboat.yml: jobs.deploy")
    assert "targets.far logs in" in finding.message
    granted = GOOD_WORKFLOW.replace("{contents: read", "{id-token: write, contents: read")
    healthy.commit({".github/workflows/tagboat.yml": granted})
    assert healthy.findings("workflows") == []


def test_a_step_that_takes_a_role_needs_it_too(healthy):
    step = "      - {uses: aws-actions/configure-aws-credentials@v5, with: {role-to-assume: arn, aws-region: a}}\n"
    healthy.commit({".github/workflows/tagboat.yml": GOOD_WORKFLOW + step})
    assert "aws-actions/configure-aws-credentials logs in" in said(healthy.findings("workflows"))
    healthy.commit(
        {".github/workflows/tagboat.yml": GOOD_WORKFLOW + step.replace("arn,", "arn, aws-access-key-id: k,")}
    )
    assert healthy.findings("workflows") == []


# --- rules for tags --------------------------------------------------------------------------------------------------

RULES = "https://api.github.com/repos/ann/models/rulesets"


def test_rules_for_tags_are_not_guessed_without_a_token(healthy):
    healthy.git("remote", "add", "origin", "git@github.com:ann/models.git")
    (unchecked,) = healthy.examine().unchecked
    assert "only with a token" in unchecked.reason
    assert healthy.asked == []


def test_a_repository_without_rules_for_tags_is_warned(healthy):
    healthy.answers = {f"{RULES}?targets=tag&includes_parents=true&per_page=100": []}
    (finding,) = healthy.findings("tag-rules", GITHUB_REPOSITORY="ann/models", GITHUB_TOKEN="canary")
    assert finding.severity is Severity.WARNING
    assert "no ruleset protects tags" in finding.message
    assert healthy.asked[0][1] == "canary"
    assert "canary" not in said([finding])


def test_rules_that_leave_a_gap_are_named_and_whole_ones_are_not(healthy):
    listing = f"{RULES}?targets=tag&includes_parents=true&per_page=100"
    active = {"id": 7, "target": "tag", "enforcement": "active"}
    healthy.answers = {listing: [active], f"{RULES}/7": {"rules": [{"type": "deletion"}, {"type": "creation"}]}}
    (finding,) = healthy.findings("tag-rules", GITHUB_REPOSITORY="ann/models", GH_TOKEN="t")
    assert "restrict no update" in finding.message
    healthy.answers[f"{RULES}/7"]["rules"].append({"type": "update"})
    assert healthy.findings("tag-rules", GITHUB_REPOSITORY="ann/models", GH_TOKEN="t") == []


def test_an_answer_that_does_not_come_stops_no_other_check(healthy):
    report = healthy.examine(GITHUB_REPOSITORY="ann/models", GH_TOKEN="t")
    assert [unchecked.check for unchecked in report.unchecked] == ["tag-rules"]


# --- the machine -----------------------------------------------------------------------------------------------------


def test_a_remote_whose_plugin_is_missing_is_an_error(healthy):
    healthy.commit({".dvc/config": "[core]\n    remote = r\n['remote \"r\"']\n    url = gs://bucket/path\n"})
    (finding,) = healthy.findings("machine")
    assert finding.mend == "pip install 'tagboat[gcs]'"


# --- the command -----------------------------------------------------------------------------------------------------


def command(checkout, *arguments: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(checkout.root.parent)}
    context = Context(directory=checkout.root, environment=environment, stdout=out, stderr=err)
    return run(context, ["doctor", *arguments]), out.getvalue()


def test_the_json_answer_has_the_documented_shape(healthy):
    healthy.git("tag", "iris#prod#2")
    code, out = command(healthy, "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"findings", "unchecked", "counts"}
    assert set(document["findings"][0]) == {"severity", "check", "where", "message", "mend"}
    assert set(document["unchecked"][0]) == {"check", "reason", "mend"}
    assert document["counts"] == {"error": 0, "warning": 1, "note": 0}


def test_warnings_fail_only_when_asked_and_errors_always(healthy):
    healthy.git("tag", "iris#prod#2")
    assert command(healthy)[0] == 0
    assert command(healthy, "--strict")[0] == 2
    healthy.commit({"tagboat.yaml": "targts: {}"})
    assert command(healthy)[0] == 2


def test_hostile_text_steers_no_terminal(healthy):
    healthy.commit({"tagboat.yaml": '"\\e]0;owned\\a\\u202e": 1'})
    _, out = command(healthy)
    assert "owned" in out
    assert "\x1b]" not in out
    assert "\u202e" not in out
