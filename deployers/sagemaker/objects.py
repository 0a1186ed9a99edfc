"""Put files into S3 by content: each once, in parts where it is large, and verified by S3 and by us.

Every part carries its SHA-256, which S3 reckons again before it accepts it. An object is complete or not there at all:
parts become one object at the end, and only where nothing else is in its place (If-None-Match). A run that is killed
in between leaves parts that are no object; a lifecycle rule of the bucket clears them away (docs/sagemaker.md).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from deployers.errors import RefusedError, TagboatError
from deployers.sagemaker.refusals import ConflictError, NotFoundError
from deployers.sagemaker.wire import Amazon

PART = 32 << 20
"""Bytes of a part; S3 takes at least 5 MiB, and 10,000 of them."""

PARTS = 10_000
THREADS = 4
SHA256 = "sha256"
"""Under which an object's metadata says the digest of its content."""


class Objects:
    """Large objects in one bucket. ``part``: bytes, so that tests need not send much."""

    def __init__(self, amazon: Amazon, bucket: str, *, part: int = PART) -> None:
        self.amazon = amazon
        self.bucket = bucket
        self.part = part

    def has(self, key: str, sha256: str, size: int) -> bool:
        """Whether the object is there, whole. Raises `RefusedError` where another one is in its place."""
        try:
            found = self.amazon.call(self.amazon.s3.head_object, Bucket=self.bucket, Key=key)
        except NotFoundError:
            return False
        if found["ContentLength"] != size or found.get("Metadata", {}).get(SHA256, sha256) != sha256:
            raise RefusedError(
                "an object with other content is in its place",
                where=f"s3://{self.bucket}/{key}",
                hint="Somebody has changed what is named by its content. Find out who, remove it, and deploy again.",
            )
        return True

    def put(self, key: str, file: Path, sha256: str, size: int) -> int:
        """See that the file is there; returns the bytes that were sent, 0 where it was there already.

        Raises `RefusedError` where S3 has something else afterwards, or the file is not the one that was hashed.
        """
        if self.has(key, sha256, size):
            return 0
        with contextlib.suppress(ConflictError):  # then another run was faster, and `has` says with what
            if size <= self.part:
                self._whole(key, file, sha256)
            else:
                self._in_parts(key, file, sha256, size)
        if not self.has(key, sha256, size):
            raise RefusedError("S3 accepted it, and does not have it", where=f"s3://{self.bucket}/{key}")
        return size

    def _whole(self, key: str, file: Path, sha256: str) -> None:
        content = file.read_bytes()
        _check(hashlib.sha256(content), sha256, file)
        self.amazon.call(
            self.amazon.s3.put_object, Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*",
            ChecksumSHA256=_checksum(content), Metadata={SHA256: sha256},
        )  # fmt: skip

    def _in_parts(self, key: str, file: Path, sha256: str, size: int) -> None:
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        begun = self.amazon.call(
            self.amazon.s3.create_multipart_upload, ChecksumAlgorithm="SHA256", Metadata={SHA256: sha256}, **place
        )
        place["UploadId"] = begun["UploadId"]
        try:
            parts = self._send(place, file, sha256, size)
            self.amazon.call(
                self.amazon.s3.complete_multipart_upload, IfNoneMatch="*", MultipartUpload={"Parts": parts}, **place
            )
        except BaseException:
            with contextlib.suppress(TagboatError):
                self.amazon.call(self.amazon.s3.abort_multipart_upload, **place)
            raise

    def _send(self, place: dict[str, Any], file: Path, sha256: str, size: int) -> list[dict[str, Any]]:
        """Send the parts, a few at a time, reading the file once."""
        length = max(self.part, -(-size // PARTS))
        whole = hashlib.sha256()
        sent: list[dict[str, Any]] = []
        under_way: deque[Future[dict[str, Any]]] = deque()
        with file.open("rb") as source, ThreadPoolExecutor(THREADS) as pool:
            try:
                for number, content in enumerate(_pieces(source, length), start=1):
                    whole.update(content)
                    under_way.append(pool.submit(self._part, place, number, content))
                    if len(under_way) > THREADS:
                        sent.append(under_way.popleft().result())
                _check(whole, sha256, file)
                sent += [each.result() for each in under_way]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return sent

    def _part(self, place: dict[str, Any], number: int, content: bytes) -> dict[str, Any]:
        checksum = _checksum(content)
        answer = self.amazon.call(
            self.amazon.s3.upload_part, PartNumber=number, Body=content, ChecksumSHA256=checksum, **place
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


def _pieces(source: BinaryIO, length: int) -> Iterator[bytes]:
    while content := source.read(length):
        yield content


def _checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _check(found: Any, sha256: str, file: Path) -> None:
    if found.hexdigest() != sha256:
        raise RefusedError("the file is not the one that was hashed", where=str(file), hint="Deploy again.")
