"""Issues, pull requests, comments, labels, reactions, and who may what."""

from __future__ import annotations

from tests.fakes.github.routes import Answer, Call, Page, Routes, existing
from tests.fakes.github.store import Document, Refusal

COMMENT_LIMIT = 65_536

routes = Routes()
READ = ("issues=read", "pull_requests=read")
WRITE = ("issues=write", "pull_requests=write")


@routes.add("GET", "/user")
def who(call: Call) -> Answer:
    if call.holder.installation:
        raise Refusal(403, "Resource not accessible by integration")
    private = {"user_view_type": "private", "two_factor_authentication": True}
    return Answer(200, call.store.user(call.holder.login, call.holder.kind) | private)


@routes.add("GET", "/issues/{issue_number}", *READ)
def issue(call: Call) -> Answer:
    found = existing(call.store.issues, call.number("issue_number"))
    return Answer(200, found | {"url": call.at("issues", found["number"])})


@routes.add("GET", "/issues/{issue_number}/comments", *READ)
def comments(call: Call) -> Page:
    existing(call.store.issues, call.number("issue_number"))
    return Page([shown(call, each) for each in call.store.comments_on(call.number("issue_number"))])


@routes.add("POST", "/issues/{issue_number}/comments", *WRITE)
def add_comment(call: Call) -> Answer:
    existing(call.store.issues, call.number("issue_number"))
    checked_length(call.body["body"])
    return Answer(201, shown(call, call.store.comment(call.number("issue_number"), call.body["body"], call.holder)))


@routes.add("GET", "/issues/comments/{comment_id}", *READ)
def comment(call: Call) -> Answer:
    return Answer(200, shown(call, existing(call.store.comments, call.number("comment_id"))))


@routes.add("PATCH", "/issues/comments/{comment_id}", *WRITE)
def edit_comment(call: Call) -> Answer:
    found = existing(call.store.comments, call.number("comment_id"))
    checked_length(call.body["body"])
    found |= {"body": call.body["body"], "updated_at": call.store.now()}
    return Answer(200, shown(call, found))


@routes.add("DELETE", "/issues/comments/{comment_id}", *WRITE)
def delete_comment(call: Call) -> Answer:
    existing(call.store.comments, call.number("comment_id"))
    del call.store.comments[call.number("comment_id")]
    return Answer(204, None)


@routes.add("GET", "/issues/comments/{comment_id}/reactions", *READ)
def reactions(call: Call) -> Page:
    existing(call.store.comments, call.number("comment_id"))
    return Page(call.store.reactions[call.number("comment_id")])


@routes.add("POST", "/issues/comments/{comment_id}/reactions", *WRITE)
def react(call: Call) -> Answer:
    existing(call.store.comments, call.number("comment_id"))
    given = call.store.reactions[call.number("comment_id")]
    user = call.store.user(call.holder.login, call.holder.kind)
    for each in given:
        if (each["user"]["login"], each["content"]) == (user["login"], call.body["content"]):
            return Answer(200, each)
    made = {"id": call.store.number(), "user": user, "content": call.body["content"], "created_at": call.store.now()}
    given.append(made)
    return Answer(201, made)


@routes.add("GET", "/issues/{issue_number}/labels", *READ)
def labels_of(call: Call) -> Page:
    return Page(existing(call.store.issues, call.number("issue_number"))["labels"])


@routes.add("POST", "/issues/{issue_number}/labels", *WRITE)
def add_labels(call: Call) -> Answer:
    found = existing(call.store.issues, call.number("issue_number"))
    body = call.body["labels"] if isinstance(call.body, dict) else call.body
    for name in body:
        if all(each["name"] != name for each in found["labels"]):
            found["labels"].append(label(call, name))
            call.store.happen(found["number"], "labeled", call.holder, label={"name": name, "color": "ededed"})
    if pull := call.store.pulls.get(found["number"]):
        pull["labels"] = found["labels"]
    return Answer(200, found["labels"])


@routes.add("DELETE", "/issues/{issue_number}/labels/{name}", *WRITE)
def remove_label(call: Call) -> Answer:
    found = existing(call.store.issues, call.number("issue_number"))
    left = [each for each in found["labels"] if each["name"] != call.values["name"]]
    if len(left) == len(found["labels"]):
        raise Refusal(404, "Label does not exist")
    found["labels"][:] = left
    gone = {"name": call.values["name"], "color": "ededed"}
    call.store.happen(found["number"], "unlabeled", call.holder, label=gone)
    return Answer(200, left)


@routes.add("GET", "/issues/{issue_number}/events", *READ)
def events(call: Call) -> Page:
    existing(call.store.issues, call.number("issue_number"))
    return Page([each | {"url": call.at("issues", "events", each["id"])}
                 for each in call.store.events[call.number("issue_number")]])  # fmt: skip


@routes.add("GET", "/labels", *READ)
def labels(call: Call) -> Page:
    return Page(list(call.store.labels.values()))


@routes.add("POST", "/labels", *WRITE)
def add_label(call: Call) -> Answer:
    if call.body["name"] in call.store.labels:
        raise Refusal(422, "Validation Failed",
                      errors=[{"resource": "Label", "code": "already_exists", "field": "name"}])  # fmt: skip
    return Answer(201, label(call, call.body["name"]))


@routes.add("GET", "/collaborators/{username}/permission", "metadata=read")
def permission(call: Call) -> Answer:
    role = call.store.roles.get(call.values["username"], "read")
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    return Answer(200, {"permission": old, "role_name": role, "user": call.store.user(call.values["username"])})


@routes.add("GET", "/pulls", "pull_requests=read")
def pulls(call: Call) -> Page:
    state = call.query.get("state", "open")
    found = [each for each in call.store.pulls.values() if state in {"all", each["state"]}]
    found = [each for each in found if call.query.get("base", each["base"]["ref"]) == each["base"]["ref"]]
    found = [each for each in found if call.query.get("head", each["head"]["label"]) == each["head"]["label"]]
    return Page([pulled(call, each) for each in reversed(found)])


@routes.add("GET", "/pulls/{pull_number}", "pull_requests=read")
def pull(call: Call) -> Answer:
    found = existing(call.store.pulls, call.number("pull_number"))
    return Answer(200, pulled(call, found) | {"merged": found["merged_at"] is not None})


@routes.add("GET", "/pulls/{pull_number}/files", "pull_requests=read")
def files(call: Call) -> Page:
    found = existing(call.store.pulls, call.number("pull_number"))
    lines = call.store.git("diff", "--name-status", "--no-renames", found["base"]["sha"], found["head"]["sha"])
    words = {"A": "added", "M": "modified", "D": "removed"}
    listed = [line.split("\t", 1) for line in lines.splitlines()]
    return Page([{"filename": name, "status": words[kind[0]], "sha": found["head"]["sha"]} for kind, name in listed])


@routes.add("GET", "/commits/{commit_sha}/pulls", "pull_requests=read")
def pulls_of(call: Call) -> Page:
    wanted = call.store.git.found(call.values["commit_sha"])
    if wanted is None:
        raise Refusal(422, f"No commit found for SHA: {call.values['commit_sha']}")
    return Page([pulled(call, each) for each in call.store.pulls.values() if wanted in commits_of(call, each)])


def commits_of(call: Call, pull: Document) -> set[str]:
    """The pull request's own commits, and the one that merged it."""
    base, head = pull["base"]["sha"], pull["head"]["sha"]
    if call.store.git.found(head) is None:  # a fork's, which is not in this repository
        return {head, pull["merge_commit_sha"]}
    own = call.store.git("rev-list", head, *([f"^{base}"] if call.store.git.found(base) else [])).split()
    return {*own, pull["merge_commit_sha"]}


def shown(call: Call, comment: Document) -> Document:
    """A comment as GitHub shows it."""
    page = f"https://github.com/{call.store.name}/issues/{comment['issue']}#issuecomment-{comment['id']}"
    return {name: value for name, value in comment.items() if name != "issue"} | {
        "url": call.at("issues", "comments", comment["id"]),
        "html_url": page,
        "issue_url": call.at("issues", comment["issue"]),
    }


def pulled(call: Call, pull: Document) -> Document:
    """A pull request as GitHub shows it."""
    return pull | {
        "url": call.at("pulls", pull["number"]),
        "issue_url": call.at("issues", pull["number"]),
        "html_url": f"https://github.com/{call.store.name}/pull/{pull['number']}",
    }


def label(call: Call, name: str) -> Document:
    """The repository's label of that name, made where it is not there."""
    if name not in call.store.labels:
        call.store.labels[name] = {"id": call.store.number(), "name": name, "color": "ededed", "default": False,
                                   "url": call.at("labels", name), "description": ""}  # fmt: skip
    return call.store.labels[name]


def checked_length(text: str) -> None:
    """Refuse what is too long, as GitHub does."""
    if len(text) > COMMENT_LIMIT:
        raise Refusal(422, "Validation Failed",
                      errors=[{"resource": "IssueComment", "code": "custom", "field": "body",
                               "message": f"body is too long (maximum is {COMMENT_LIMIT} characters)"}])  # fmt: skip
