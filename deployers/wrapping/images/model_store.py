"""Put a model's files where init containers fetch them: by content, each once, and never overwritten.

``s3://bucket/prefix`` is written to with boto3. ``https://…`` is only looked at: whoever keeps that store has put the
files there before, at ``…/sha256/<64 digits>``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deployers.errors import ConfigurationError, UnreachableError
from deployers.wrapping.bundle import Content


def addresses(files: Sequence[Content], store: str) -> dict[str, str]:
    """Where each file is, or is to be, by its path. Raises `ConfigurationError` for a store of another kind."""
    if not store.startswith(("s3://", "https://")) or "@" in store or "?" in store or store.endswith("://"):
        raise ConfigurationError(
            f"{store[:100]!r} is no store for models",
            where="model-store",
            hint="Write s3://bucket/prefix, or https://… without credentials.",
        )
    return {file.path: f"{store.rstrip('/')}/sha256/{file.sha256}" for file in files}


def upload(folder: Path, files: Sequence[Content], store: str, environment: Mapping[str, str]) -> int:
    """See that the store has every file of the model in ``folder``; returns the bytes that were sent.

    Raises `ConfigurationError` (refused, or an https store without the file), `UnreachableError`.
    """
    places = addresses(files, store)
    if store.startswith("https://"):
        _look(files, places, environment)
        return 0
    import boto3
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.session.Session(
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
    )
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    sent = 0
    try:
        client = session.client("s3", endpoint_url=endpoint, region_name=region)
        for file in files:
            bucket, _, key = places[file.path].removeprefix("s3://").partition("/")
            if not _has(client, bucket, key, file.size):
                client.upload_file(str(folder / file.path), bucket, key)
                sent += file.size
    except (ClientError, S3UploadFailedError) as error:
        said = getattr(error.__context__ if isinstance(error, S3UploadFailedError) else error, "response", None) or {}
        code = said.get("Error", {}).get("Code", "unknown error")
        raise ConfigurationError(f"the model's store refuses: {code}", where=store, hint="The runner needs "
                                 "s3:GetObject and s3:PutObject there; the pods s3:GetObject.") from None  # fmt: skip
    except BotoCoreError as error:
        raise UnreachableError(f"the model's store does not answer: {type(error).__name__}", where=store) from None
    return sent


def _has(client: object, bucket: str, key: str, size: int) -> bool:
    from botocore.exceptions import ClientError

    try:
        found = client.head_object(Bucket=bucket, Key=key)  # type: ignore[attr-defined]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}:
            return False
        raise
    return bool(found["ContentLength"] == size)


def _look(files: Sequence[Content], places: Mapping[str, str], environment: Mapping[str, str]) -> None:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.verify = environment.get("REQUESTS_CA_BUNDLE") or environment.get("SSL_CERT_FILE") or True
        for file in files:
            try:
                answer = session.head(places[file.path], timeout=60, allow_redirects=True)
            except requests.exceptions.RequestException as error:
                raise UnreachableError(
                    f"the model's store does not answer: {type(error).__name__}", where=places[file.path]
                ) from None
            if answer.status_code != 200 or answer.headers.get("Content-Length") not in {None, str(file.size)}:
                raise ConfigurationError(
                    f"the model's store does not have {file.path} ({answer.status_code})", where=places[file.path],
                    hint="Put the file there under that name first; Tagboat writes to s3:// stores only.",
                )  # fmt: skip
