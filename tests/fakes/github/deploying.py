"""Deployments and their statuses, check runs, environments, workflows, and what starts them."""

from __future__ import annotations

import re

from tests.fakes.github.routes import Answer, Call, Page, Routes, existing
from tests.fakes.github.store import Document, Refusal

routes = Routes()


@routes.add("GET", "/deployments", "deployments=read")
def deployments(call: Call) -> Page:
    wanted = {name: call.query[name] for name in ("sha", "ref", "task", "environment") if name in call.query}
    found = [each for each in call.store.deployments.values()
             if all(each[name] == value for name, value in wanted.items())]  # fmt: skip
    return Page([deployed(call, each) for each in reversed(found)])


@routes.add("POST", "/deployments", "deployments=write")
def deploy(call: Call) -> Answer:
    asked = {"task": "deploy", "auto_merge": True, "environment": "production", "payload": {}} | call.body
    commit = call.store.git.found(asked["ref"])
    if commit is None:
        raise Refusal(422, f"No ref found for: {asked['ref']}")
    if asked["auto_merge"] and commit != call.store.git.tip("main"):
        raise Refusal(409, "Auto-merged main into the ref on deployment: conflict")
    if asked.get("required_contexts") is None:
        raise Refusal(409, "Conflict: Commit status checks failed for the ref")
    if len(asked.get("description") or "") > 140:
        raise too_long("Deployment", "description")
    made, at = call.store.number(), call.store.now()
    call.store.deployments[made] = {
        "id": made, "sha": commit, "ref": asked["ref"], "task": asked["task"], "payload": asked["payload"],
        "environment": asked["environment"], "original_environment": asked["environment"],
        "description": asked.get("description"), "creator": call.store.user(call.holder.login, call.holder.kind),
        "transient_environment": asked.get("transient_environment", False),
        "production_environment": asked.get("production_environment", asked["environment"] == "production"),
        "created_at": at, "updated_at": at,
    }  # fmt: skip
    return Answer(201, deployed(call, call.store.deployments[made]))


@routes.add("GET", "/deployments/{deployment_id}", "deployments=read")
def deployment(call: Call) -> Answer:
    return Answer(200, deployed(call, existing(call.store.deployments, call.number("deployment_id"))))


@routes.add("GET", "/deployments/{deployment_id}/statuses", "deployments=read")
def statuses(call: Call) -> Page:
    existing(call.store.deployments, call.number("deployment_id"))
    return Page(list(reversed(call.store.statuses[call.number("deployment_id")])))


@routes.add("POST", "/deployments/{deployment_id}/statuses", "deployments=write")
def add_status(call: Call) -> Answer:
    found = existing(call.store.deployments, call.number("deployment_id"))
    if len(call.body.get("description") or "") > 140:
        raise too_long("DeploymentStatus", "description")
    if call.body.get("environment_url") and not re.match(r"https?://", call.body["environment_url"]):
        raise Refusal(422, "Validation Failed", errors=[{"resource": "DeploymentStatus", "code": "custom",
                                                         "field": "environment_url"}])  # fmt: skip
    if call.body["state"] == "success" and call.body.get("auto_inactive", True):
        replace(call, found)
    return Answer(201, say(call, found, **call.body))


def say(call: Call, deployment: Document, **body: str) -> Document:
    """One status more."""
    made, at = call.store.number(), call.store.now()
    status = {
        "id": made, "state": body["state"], "description": body.get("description", ""),
        "target_url": body.get("log_url", ""), "log_url": body.get("log_url", body.get("target_url", "")),
        "environment_url": body.get("environment_url", ""), "environment": deployment["environment"],
        "creator": call.store.user(call.holder.login, call.holder.kind), "created_at": at, "updated_at": at,
        "url": call.at("deployments", deployment["id"], "statuses", made),
        "deployment_url": call.at("deployments", deployment["id"]),
    }  # fmt: skip
    call.store.statuses[deployment["id"]].append(status)
    return status


def replace(call: Call, newest: Document) -> None:
    """What ``auto_inactive`` does: all earlier ones of the environment, whatever their task, but for production."""
    for each in call.store.deployments.values():
        last = call.store.states(each["id"])[-1:]
        lasting = each["transient_environment"] or each["production_environment"]
        if (each["environment"] == newest["environment"] and each["id"] < newest["id"] and not lasting
                and last == ["success"]):  # fmt: skip
            say(call, each, state="inactive")


@routes.add("GET", "/environments/{environment_name}", "actions=read")
def environment(call: Call) -> Answer:
    return Answer(200, existing(call.store.environments, call.values["environment_name"]))


@routes.add("POST", "/check-runs", "checks=write")
def add_check(call: Call) -> Answer:
    if not call.holder.installation:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    if call.store.git.found(call.body["head_sha"]) is None:
        raise Refusal(422, "No commit found for SHA: " + call.body["head_sha"])
    made = call.store.number()
    call.store.checks[made] = {"id": made, "status": "queued", "conclusion": None, "started_at": call.store.now(),
                               "completed_at": None, "external_id": "", "details_url": None,
                               "check_suite": {"id": call.store.number()},
                               "app": {"slug": call.holder.login.removesuffix("[bot]")},
                               "output": {"annotations_count": 0}}  # fmt: skip
    return Answer(201, changed_check(call, call.store.checks[made]))


@routes.add("PATCH", "/check-runs/{check_run_id}", "checks=write")
def change_check(call: Call) -> Answer:
    return Answer(200, changed_check(call, existing(call.store.checks, call.number("check_run_id"))))


@routes.add("GET", "/check-runs/{check_run_id}", "checks=read")
def check(call: Call) -> Answer:
    return Answer(200, checked(call, existing(call.store.checks, call.number("check_run_id"))))


@routes.add("GET", "/commits/{ref}/check-runs", "checks=read")
def checks(call: Call) -> Page:
    commit = call.store.git.found(call.values["ref"])
    found = [each for each in call.store.checks.values() if each["head_sha"] == commit]
    found = [each for each in found if call.query.get("check_name", each["name"]) == each["name"]]
    return Page([checked(call, each) for each in reversed(found)], "check_runs")


def changed_check(call: Call, check: Document) -> Document:
    """Take over what the body says, by rules that the description does not tell."""
    body = dict(call.body)
    if body.get("status") == "completed" and not (body.get("conclusion") or check["conclusion"]):
        raise Refusal(422, "Invalid request.\n\nIf `status` is completed, `conclusion` must be given.")
    output = body.pop("output", None)
    if output is not None:
        annotations = output.get("annotations", [])
        if len(annotations) > 50:
            raise Refusal(422, "Invalid request.\n\nNo more than 50 items are allowed in `annotations`.")
        if max(len(output.get("summary") or ""), len(output.get("text") or "")) > 65_535:
            raise Refusal(422, "Invalid request.\n\nOnly 65535 characters are allowed in `summary`.")
        check["annotations"] = [*check.get("annotations", []), *annotations]
        check["output"] |= {name: value for name, value in output.items() if name != "annotations"}
        check["output"]["annotations_count"] = len(check["annotations"])
    check |= body
    if body.get("conclusion"):
        check |= {"status": "completed", "completed_at": body.get("completed_at") or call.store.now()}
    return checked(call, check)


def checked(call: Call, check: Document) -> Document:
    """A check run as GitHub shows it."""
    shown = {name: value for name, value in check.items() if name not in {"annotations", "actions"}}
    empty = {"title": None, "summary": None, "text": None,
             "annotations_url": call.at("check-runs", check["id"], "annotations")}  # fmt: skip
    page = f"https://github.com/{call.store.name}/runs/{check['id']}"
    return shown | {"url": call.at("check-runs", check["id"]), "output": empty | check["output"], "html_url": page}


@routes.add("POST", "/dispatches", "contents=write")
def dispatch(call: Call) -> Answer:
    if len(call.body.get("client_payload", {})) > 10:
        raise Refusal(422, "No more than 10 properties are allowed in `client_payload`.")
    call.store.dispatched.append(dict(call.body))
    return Answer(204, None)


@routes.add("GET", "/actions/workflows/{workflow_id}", "actions=read")
def workflow(call: Call) -> Answer:
    found = existing(call.store.workflows, call.values["workflow_id"])
    return Answer(200, found | {"url": call.at("actions", "workflows", call.values["workflow_id"])})


@routes.add("POST", "/actions/workflows/{workflow_id}/dispatches", "actions=write")
def start_workflow(call: Call) -> Answer:
    existing(call.store.workflows, call.values["workflow_id"])
    if call.store.git.found(call.body["ref"]) is None:
        raise Refusal(422, f"No ref found for: {call.body['ref']}")
    call.store.dispatched.append(dict(call.body) | {"workflow": call.values["workflow_id"]})
    return Answer(204, None)


@routes.add("GET", "/actions/runs/{run_id}", "actions=read")
def run(call: Call) -> Answer:
    found = existing(call.store.runs, call.number("run_id"))
    return Answer(200, found | {"url": call.at("actions", "runs", found["id"])})


@routes.add("GET", "/actions/runs/{run_id}/approvals", "actions=read")
def approvals(call: Call) -> Answer:
    existing(call.store.runs, call.number("run_id"))
    return Answer(200, call.store.approvals[call.number("run_id")])


def deployed(call: Call, deployment: Document) -> Document:
    """A deployment as GitHub shows it."""
    at = call.at("deployments", deployment["id"])
    return deployment | {"url": at, "statuses_url": f"{at}/statuses"}


def too_long(resource: str, name: str) -> Refusal:
    """GitHub's answer to a text that is too long."""
    error = {"resource": resource, "code": "custom", "field": name, "message": f"{name} is too long (maximum is 140)"}
    return Refusal(422, "Validation Failed", errors=[error])
