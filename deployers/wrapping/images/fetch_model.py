"""Fetch a model's files into a volume: the init container of an image without them. Runs on the model's own Python.

    python -I fetch_model.py [model-files.json [folder]]

Nothing but the standard library, Python 3.9 and later. A file is streamed to a temporary name, held against its size
and SHA-256, and only then renamed; what is there already and right is not fetched again; a broken line is gone on with
where it broke. Addresses are https://…, http://… and s3://bucket/key; for the latter the credentials are those of the
pod: variables, a web identity (EKS IRSA), or EKS Pod Identity.
Signature: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path

PIECE = 1 << 20
ATTEMPTS = 6
TIMEOUT = 60.0
EMPTY = hashlib.sha256(b"").hexdigest()


def main(arguments: list[str]) -> int:
    """Fetch everything; 0 when all of it is there and right, 1 with one line of JSON on stderr otherwise."""
    here = Path(__file__).resolve().parent / "bundle"
    wanted = Path(arguments[0]) if arguments else here / "model-files.json"
    folder = Path(arguments[1]) if len(arguments) > 1 else here / "model"
    try:
        for file in json.loads(wanted.read_bytes())["files"]:
            fetch(file, folder, os.environ)
    except (OSError, ValueError, KeyError) as error:
        _say("failed", message=f"{type(error).__name__}: {error}"[:500])
        return 1
    _say("fetched")
    return 0


def fetch(file: dict, folder: Path, environment: Mapping[str, str], pause: float = 1.0) -> None:  # type: ignore[type-arg]
    """Bring one file to its place below ``folder``. Raises ValueError where its bytes are not the right ones."""
    target = folder / file["path"]
    if ".." in Path(file["path"]).parts or (target.is_absolute() and Path(file["path"]).is_absolute()):
        raise ValueError(f"the path {file['path']!r} leaves the folder")
    if target.exists() and _sha256(target) == file["sha256"]:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            _append(file["url"], part, environment, file["size"])
        except urllib.error.HTTPError as error:
            if error.code not in {408, 416, 429, 500, 502, 503, 504} or attempt == ATTEMPTS - 1:
                raise ValueError(f"{file['path']}: the store answers {error.code}") from None
            if error.code == 416:
                part.unlink()
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
        if part.exists() and part.stat().st_size >= file["size"]:
            break
        time.sleep(pause * 2**attempt)
    if not part.exists() or _sha256(part) != file["sha256"]:
        part.unlink(missing_ok=True)
        raise ValueError(f"{file['path']}: what the store has is not the file that was released")
    part.chmod(0o444)
    part.replace(target)
    _say("file", path=file["path"], size=file["size"])


def _append(url: str, part: Path, environment: Mapping[str, str], size: int) -> None:
    """Add what is still missing of the file; stops at ``size``, whatever else is sent."""
    have = part.stat().st_size if part.exists() else 0
    if have >= size > 0:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    if url.startswith("s3://"):
        url, headers = signed(url, headers, environment)
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"the address {url[:60]!r} is of no kind that is fetched")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked above
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        _take(answer, part, size)


def _take(answer: HTTPResponse, part: Path, size: int) -> None:
    with part.open("ab" if answer.status == 206 else "wb") as out:
        left = size - out.tell()
        while left > 0 and (piece := answer.read(min(PIECE, left))):
            out.write(piece)
            left -= len(piece)


def signed(url: str, headers: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The https address and the signed headers for an object of S3."""
    bucket, _, key = url[5:].partition("/")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    path = urllib.parse.quote(f"/{key}")
    if endpoint:
        host, path = urllib.parse.urlsplit(endpoint).netloc, f"/{bucket}{path}"
        address = f"{endpoint.rstrip('/')}{path}"
    else:
        host = f"{bucket}.s3.{region}.amazonaws.com"
        address = f"https://{host}{path}"
    who = credentials(environment, region)
    if who is None:
        return address, dict(headers)  # a public object
    now = datetime.datetime.now(datetime.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    sent = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": stamp}
    if who["token"]:
        sent["x-amz-security-token"] = who["token"]
    names = ";".join(sorted(sent))
    listed = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    canonical = f"GET\n{path}\n\n{listed}\n{names}\n{EMPTY}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key_ = f"AWS4{who['secret']}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key_ = hmac.new(key_, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key_, text.encode(), hashlib.sha256).hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={who['id']}/{scope}, SignedHeaders={names}, Signature={signature}"
    del sent["host"]
    return address, {**headers, **sent, "Authorization": authorization}


def credentials(environment: Mapping[str, str], region: str) -> dict[str, str] | None:
    """Who the pod is to AWS, or None."""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return {"id": environment["AWS_ACCESS_KEY_ID"], "secret": environment["AWS_SECRET_ACCESS_KEY"],
                "token": environment.get("AWS_SESSION_TOKEN", "")}  # fmt: skip
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environment.get("AWS_ROLE_ARN"):
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": environment["AWS_ROLE_ARN"],
            "RoleSessionName": "tagboat",
            "WebIdentityToken": _text(environment["AWS_WEB_IDENTITY_TOKEN_FILE"]),
        }
        address = environment.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com"
        answer = _get(address, {}, urllib.parse.urlencode(form).encode()).decode()
        return {"id": _element(answer, "AccessKeyId"), "secret": _element(answer, "SecretAccessKey"),
                "token": _element(answer, "SessionToken")}  # fmt: skip
    if pod := environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        found = json.loads(_get(pod, {"Authorization": _text(token)} if token else {}, None))
        return {"id": found["AccessKeyId"], "secret": found["SecretAccessKey"], "token": found.get("Token", "")}
    return None


def _get(address: str, headers: Mapping[str, str], data: bytes | None) -> bytes:
    request = urllib.request.Request(address, data, dict(headers))  # noqa: S310 - the pod's own settings
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        return bytes(answer.read(1 << 20))


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


def _element(document: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]+)</{name}>", document)
    if not found:
        raise ValueError(f"AWS answered without {name}")
    return found[1]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()


def _say(event: str, **more: object) -> None:
    sys.stderr.write(json.dumps({"event": event, **more}) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
