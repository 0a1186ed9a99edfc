"""Small objects in the target's bucket, below its prefix; writes that matter are conditional.

S3's conditional writes (AWS, "How to prevent object overwrites with conditional writes"): If-None-Match for what must
not be there yet, If-Match with an entity tag for what must not have changed since.
"""

from __future__ import annotations

import email.utils
from collections.abc import Sequence
from typing import Any

import msgspec

from deployers.sagemaker.refusals import ConflictError, NotFoundError
from deployers.sagemaker.wire import Amazon

__all__ = ["Bucket", "ConflictError", "Kept"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An object's content, and the version (entity tag) that it had.

    ``age``: seconds since it was written, by the clock of S3 alone; in whole seconds.
    """

    content: bytes
    version: str
    age: float = 0.0


class Bucket:
    """The part of a bucket that is a target's. Keys are given without the prefix."""

    def __init__(self, amazon: Amazon, name: str, prefix: str) -> None:
        self.amazon = amazon
        self.name = name
        self.prefix = prefix

    def address(self, key: str) -> str:
        """Where a key is, as S3 writes it."""
        return f"s3://{self.name}/{self.prefix}/{key}"

    def get(self, key: str) -> Kept | None:
        """An object, or None."""
        try:
            found = self.amazon.call(self.amazon.s3.get_object, Bucket=self.name, Key=self._key(key))
        except NotFoundError as error:
            if "bucket" in error.message.lower():
                raise
            return None
        return Kept(content=found["Body"].read(), version=found["ETag"], age=_age(found))

    def put(self, key: str, content: bytes, *, matching: str | None) -> str:
        """Write an object that has the version ``matching``, or with None is not there; returns its version now.

        Raises `ConflictError` where somebody else was here meanwhile.
        """
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if matching is None else {"IfMatch": matching}
        try:
            return self._put(key, content, **condition)
        except NotFoundError as error:  # removed since: S3 answers a failed If-Match of a missing key with 404
            if matching is None:
                raise
            raise ConflictError(error.message, where=self.address(key)) from error

    def overwrite(self, key: str, content: bytes) -> None:
        """Write an object, whatever was there."""
        self._put(key, content)

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        self.amazon.call(self.amazon.s3.delete_object, Bucket=self.name, Key=self._key(key))

    def keys(self, beginning: str) -> Sequence[str]:
        """Every key that begins so, in order."""
        found = self.amazon.pages(
            self.amazon.s3.list_objects_v2, "Contents", Bucket=self.name, Prefix=self._key(beginning)
        )
        return sorted(each["Key"].removeprefix(f"{self.prefix}/") for each in found)

    def _put(self, key: str, content: bytes, **condition: Any) -> str:
        written = self.amazon.call(
            self.amazon.s3.put_object, Bucket=self.name, Key=self._key(key), Body=content,
            ContentType="application/json", **condition,
        )  # fmt: skip
        return str(written["ETag"])

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}"


def _age(answer: Any) -> float:
    """Both times are the server's, so no clock of a runner matters."""
    now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return float(max(0.0, (now - answer["LastModified"]).total_seconds()))
