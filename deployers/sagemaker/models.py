"""Where an endpoint takes the model's files from, and bringing them there.

    models/<digest>/model.tar.gz      `model: archive`
    models/<digest>/files/…           `model: s3`, and what is too large to be unpacked

By content, so that a version, a promotion or a rollback that has them already sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from deployers.base import JSON
from deployers.errors import RefusedError
from deployers.sagemaker import archive
from deployers.sagemaker.archive import Layout
from deployers.sagemaker.objects import Objects
from deployers.wrapping.bundle import Bundle, Content
from deployers.wrapping.images.store import Store

Place = Literal["image", "archive", "s3"]

LARGEST_ARCHIVE = 5 * 1024**3
"""Bytes of a bundle's files, unpacked. A larger one goes file by file: packing and unpacking it takes longer than
sending it, and an instance needs the room twice."""

MEGABYTE = 1_000_000


def place_of(bundle: Bundle, asked: Place, layout: Layout = Layout.OURS) -> Place:
    """Where a bundle's files are to be; ``s3`` where they are too many bytes for the archive that was asked for."""
    if asked == "archive" and sum(each.size for each in archive.files(bundle, layout).values()) > LARGEST_ARCHIVE:
        return "s3"
    return asked


def source(bundle: Bundle, place: Place, *, bucket: str, prefix: str, layout: Layout = Layout.OURS) -> dict[str, JSON]:
    """The members of a ContainerDefinition that say where the files are; none where the image has them."""
    if place == "image":
        return {}
    address = f"s3://{bucket}/{_folder(bundle, prefix, layout)}"
    if place == "archive":
        return {"ModelDataUrl": f"{address}/{archive.NAME}"}
    where = {"S3Uri": f"{address}/files/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": where}}


def bring(
    bundle: Bundle, place: Place, *, objects: Objects, prefix: str, store: Store, layout: Layout = Layout.OURS
) -> str:
    """See that the files are where `source` says; says how much was sent, for people."""
    if place == "image":
        return "the image has them"
    folder = _folder(bundle, prefix, layout)
    if place == "archive":
        made = archive.make(bundle, store, layout)
        sent = objects.put(f"{folder}/{archive.NAME}", made.path, made.sha256, made.size)
    else:
        sent = _bring_files(bundle, archive.files(bundle, layout), objects, f"{folder}/files/")
    return f"{sent / MEGABYTE:.1f} MB sent to {objects.bucket}" if sent else "the bucket has them already"


def _bring_files(bundle: Bundle, files: Mapping[str, Content], objects: Objects, folder: str) -> int:
    contents = {f"{folder}{place}": each for place, each in files.items()}
    there = _there(objects, folder)
    others = sorted(set(there) - set(contents))
    if others:
        # SageMaker would take whatever lies there for a part of the model.
        raise RefusedError(
            f"it holds what is no file of the model: {others[0]}",
            where=f"s3://{objects.bucket}/{folder}",
            hint="Find out who put it there, remove it, and deploy again.",
        )
    missing = {key: each for key, each in contents.items() if there.get(key) != each.size}
    return sum(objects.put(key, bundle.folder / each.path, each.sha256, each.size) for key, each in missing.items())


def _there(objects: Objects, folder: str) -> Mapping[str, int]:
    amazon = objects.amazon
    found = amazon.pages(amazon.s3.list_objects_v2, "Contents", Bucket=objects.bucket, Prefix=folder)
    return {each["Key"]: each["Size"] for each in found}


def _folder(bundle: Bundle, prefix: str, layout: Layout) -> str:
    return f"{prefix}/models/{archive.digest(bundle, layout)}"
