"""The repository itself: commits, references, tag objects and files, read from and written to a real repository."""

from __future__ import annotations

import base64
import re
import time
from urllib.parse import quote

from tests.fakes.github.routes import Answer, Call, Page, Routes
from tests.fakes.github.store import Document, Refusal

routes = Routes()


@routes.add("GET", "", "metadata=read")
def repository(call: Call) -> Answer:
    owner, _, name = call.store.name.partition("/")
    return Answer(200, {"id": 728461, "name": name, "full_name": call.store.name, "default_branch": "main",
                        "owner": call.store.user(owner, "Organization"), "private": True, "fork": False,
                        "url": call.at()})  # fmt: skip


@routes.add("GET", "/commits/{ref}", "contents=read")
def commit(call: Call) -> Answer:
    found = call.store.git.found(call.values["ref"])
    if found is None:
        raise Refusal(422, f"No commit found for SHA: {call.values['ref']}")
    fields = call.store.git("show", "-s", "--format=%an%x00%ae%x00%cI%x00%B", found).split("\0")
    person = {"name": fields[0], "email": fields[1], "date": fields[2]}
    told = {"message": fields[3].rstrip("\n"), "author": person, "committer": person,
            "tree": {"sha": call.store.git.found(found, "tree"), "url": call.at("git", "trees", found)}}  # fmt: skip
    mona = call.store.user("mona")
    return Answer(200, {"sha": found, "commit": told, "url": call.at("commits", found), "author": mona,
                        "committer": mona})  # fmt: skip


@routes.add("GET", "/git/commits/{commit_sha}", "contents=read")
def git_commit(call: Call) -> Answer:
    found = call.store.git.found(call.values["commit_sha"])
    if found != call.values["commit_sha"]:
        raise Refusal(404, "Not Found")
    message = call.store.git("show", "-s", "--format=%B", found).rstrip("\n")
    return Answer(200, {"sha": found, "message": message, "url": call.at("git", "commits", found)})


@routes.add("GET", "/git/ref/{ref}", "contents=read")
def reference(call: Call) -> Answer:
    wanted = f"refs/{call.values['ref']}"
    for name, object_id, kind in call.store.git.references(wanted):
        if name == wanted:
            return Answer(200, pointed(call, name, object_id, kind))
    raise Refusal(404, "Not Found")


@routes.add("GET", "/git/matching-refs/{ref}", "contents=read")
def matching(call: Call) -> Page:
    found = call.store.git.references(f"refs/{call.values['ref']}")
    return Page([pointed(call, *each) for each in found])


@routes.add("POST", "/git/refs", "contents=write")
def add_reference(call: Call) -> Answer:
    name, object_id = call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refusal(422, "Reference name must start with 'refs' and have at least two slashes")
    kind = kind_of(call, object_id)
    if any(each == name for each, _, _ in call.store.git.references(name)):
        raise Refusal(422, "Reference already exists")
    call.store.git("update-ref", name, object_id, "0" * 40)
    return Answer(201, pointed(call, name, object_id, kind))


@routes.add("PATCH", "/git/refs/{ref}", "contents=write")
def move_reference(call: Call) -> Answer:
    name, object_id = f"refs/{call.values['ref']}", call.body["sha"]
    before = {each: old for each, old, _ in call.store.git.references(name)}.get(name)
    if before is None:
        raise Refusal(422, "Reference does not exist")
    if not call.body.get("force") and call.store.git("merge-base", before, object_id).strip() != before:
        raise Refusal(422, "Update is not a fast forward")
    call.store.git("update-ref", name, object_id, before)
    return Answer(200, pointed(call, name, object_id, kind_of(call, object_id)))


@routes.add("DELETE", "/git/refs/{ref}", "contents=write")
def remove_reference(call: Call) -> Answer:
    name = f"refs/{call.values['ref']}"
    if all(each != name for each, _, _ in call.store.git.references(name)):
        raise Refusal(422, "Reference does not exist")
    call.store.git("update-ref", "-d", name)
    return Answer(204, None)


@routes.add("POST", "/git/tags", "contents=write")
def add_tag(call: Call) -> Answer:
    """Only the tag object: no reference names it yet. Two equal ones are one."""
    body = call.body
    if kind_of(call, body["object"]) != body["type"]:
        raise Refusal(422, "Object and type do not match")
    tagger = {"name": call.holder.login, "email": "noreply@github.com", "date": call.store.now()} | body.get(
        "tagger", {}
    )
    seconds = call.store.git("rev-parse", f"--since={tagger['date']}").strip().removeprefix("--max-age=")
    text = (f"object {body['object']}\ntype {body['type']}\ntag {body['tag']}\n"
            f"tagger {tagger['name']} <{tagger['email']}> {seconds} +0000\n\n{body['message'].rstrip()}\n")  # fmt: skip
    made = call.store.git("mktag", given=text).strip()
    return Answer(201, tagged(call, made))


@routes.add("GET", "/git/tags/{tag_sha}", "contents=read")
def tag(call: Call) -> Answer:
    if call.store.git.found(call.values["tag_sha"], "tag") != call.values["tag_sha"]:
        raise Refusal(404, "Not Found")
    return Answer(200, tagged(call, call.values["tag_sha"]))


@routes.add("GET", "/contents/{path}", "contents=read")
def contents(call: Call) -> Answer:
    revision = call.store.git.found(call.query.get("ref", "main"))
    if revision is None:
        raise Refusal(404, f"No commit found for the ref {call.query.get('ref')}")
    path = call.values["path"]
    listed = call.store.git("ls-tree", "-l", "-z", revision, path).split("\0")[:-1]
    if len(listed) != 1:
        raise Refusal(404, "Not Found")
    (_, kind, object_id, size), name = listed[0].partition("\t")[0].split(), listed[0].partition("\t")[2]
    if kind != "blob":
        raise Refusal(404, "Not Found")
    text = base64.b64encode(call.store.git("cat-file", "blob", object_id).encode()).decode()
    wrapped = "".join(f"{text[start : start + 60]}\n" for start in range(0, len(text), 60))
    return Answer(200, {"type": "file", "encoding": "base64", "size": int(size), "name": name.rpartition("/")[2],
                        "path": name, "content": wrapped, "sha": object_id,
                        "url": call.at("contents", name)})  # fmt: skip


def kind_of(call: Call, object_id: str) -> str:
    """What an object is. Raises `Refusal` (422) where there is none."""
    if not re.fullmatch("[0-9a-f]{40}", object_id):
        raise Refusal(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
    try:
        return call.store.git("cat-file", "-t", object_id).strip()
    except Refusal:
        raise Refusal(422, "Object does not exist") from None


def pointed(call: Call, name: str, object_id: str, kind: str) -> Document:
    """A reference as GitHub shows it."""
    target = {"type": kind, "sha": object_id, "url": call.at("git", f"{kind}s", object_id)}
    return {"ref": name, "url": call.at("git", quote(name)), "object": target}


def tagged(call: Call, object_id: str) -> Document:
    """A tag object as GitHub shows it."""
    head, _, message = call.store.git("cat-file", "tag", object_id).partition("\n\n")
    fields = dict(line.split(" ", 1) for line in head.splitlines())
    person = re.fullmatch(r"(.*) <(.*)> (\d+) ([+-]\d+)", fields["tagger"])
    assert person is not None
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(person[3])))
    return {"sha": object_id, "tag": fields["tag"], "message": message.rstrip("\n"),
            "url": call.at("git", "tags", object_id),
            "tagger": {"name": person[1], "email": person[2], "date": date},
            "object": {"type": fields["type"], "sha": fields["object"],
                       "url": call.at("git", f"{fields['type']}s", fields["object"])}}  # fmt: skip
