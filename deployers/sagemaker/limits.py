"""What AWS accepts of a request, checked before the first call: botocore knows most of it, and checks hardly any.

botocore looks at types and at members that are missing or unknown. The patterns, lengths, ranges and lists of values
that its service model carries it leaves to AWS, which answers with one of them at a time, half-way. They are checked
here by that same model, and the rules that stand in AWS's documentation only by `rules`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from deployers.errors import ConfigurationError
from deployers.sagemaker import rules

SHOWN = 5
"""How many problems are told at once."""

OPEN = frozenset({"ProductionVariantInstanceType", "ProductionVariantInferenceAmiVersion"})
"""Lists of values that grow faster than the botocore that is installed."""

PROPERTY = re.compile(r"\\p\{(\w+)\}")

KEYS = {
    "InstanceType": "instance-type",
    "InitialInstanceCount": "instance-count",
    "ExecutionRoleArn": "role",
    "ModelDataUrl": "prefix",
    "S3Uri": "prefix",
    "EndpointName": "endpoint-name",
    "Environment": "env",
    "Tags": "tags",
    "ServerlessConfig": "serverless",
    "AsyncInferenceConfig": "asynchronous",
    "DataCaptureConfig": "data-capture",
    "VpcConfig": "vpc",
    "KmsKeyId": "kms-key",
    "VolumeSizeInGB": "volume-size",
    "ShadowProductionVariants": "shadow",
    "ProductionVariants": "variants",
    "DeploymentConfig": "deployment",
    "ManagedInstanceScaling": "components",
    "ModelDataDownloadTimeoutInSeconds": "download-timeout",
    "ContainerStartupHealthCheckTimeoutInSeconds": "start-timeout",
    "Image": "image",
}
"""The key of a target that a member of a request comes from, the innermost that is named counts."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that AWS would refuse; ``path`` into the request, its members and places in lists."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return f"{_written(self.path)}: {self.message}" if self.path else self.message

    @property
    def key(self) -> str | None:
        """The key of a target that it most likely comes from."""
        return next((KEYS[part] for part in reversed(self.path) if isinstance(part, str) and part in KEYS), None)


def check(operation: str, request: Mapping[str, Any], *, target: str, source: str, service: str = "sagemaker") -> None:
    """Raise `ConfigurationError` for a request that AWS would refuse.

    ``operation``: as AWS names it, such as ``CreateModel``; ``source``: what made the request, such as a template.
    """
    found = problems(operation, request, service=service)
    if not found:
        return
    key = found[0].key
    more = f"\n  … and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise ConfigurationError(
        f"AWS would refuse {operation}: " + "\n  ".join(str(each) for each in found[:SHOWN]) + more,
        where=f"targets.{target}.{key}" if key else source,
        hint=f"Change it there, or in {source}." if key else None,
    )


def problems(operation: str, request: Mapping[str, Any], *, service: str = "sagemaker") -> Sequence[Problem]:
    """Everything that AWS would refuse in a request, in order."""
    from botocore.validate import ParamValidator

    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        return ()
    report = ParamValidator().validate(dict(request), shape).generate_report()
    lines = (" ".join(line.split()) for line in report.splitlines())
    # Of lengths and ranges botocore knows the least alone, and says no path.
    misshapen = [line for line in lines if line and ", valid min " not in line]
    if misshapen:
        return tuple(Problem((), line) for line in misshapen)
    found = [*_walk(shape, request, ()), *(Problem(path, said) for path, said in rules.broken(operation, request))]
    return tuple(found)


def unjudged(operation: str, *, service: str = "sagemaker") -> frozenset[str]:
    """The patterns of an operation that Python cannot read, and that are not checked therefore."""
    shape = _model(service).operation_model(operation).input_shape
    return frozenset(pattern for pattern in _patterns(shape, frozenset()) if _compiled(pattern) is None)


def _walk(shape: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    kind = shape.type_name
    if kind == "structure":
        for name, inner in value.items():
            yield from _walk(shape.members[name], inner, (*path, name))
        return
    yield from (Problem(path, said) for said in _judged(shape, value))
    if kind == "list":
        for place, inner in enumerate(value):
            yield from _walk(shape.member, inner, (*path, place))
    elif kind == "map":
        for name, inner in value.items():
            yield from (Problem((*path, name), f"its name: {said}") for said in _judged(shape.key, name))
            yield from _walk(shape.value, inner, (*path, name))


def _judged(shape: Any, value: Any) -> Iterator[str]:
    limits, kind = shape.metadata, shape.type_name
    if kind in {"string", "list", "map", "blob"}:
        unit = "characters" if kind == "string" else "bytes" if kind == "blob" else "entries"
        yield from _within(len(value), limits, f"has {len(value)} {unit}", "")
    elif kind in {"integer", "long", "float", "double"}:
        yield from _within(value, limits, f"is {value}", "")
    if kind != "string":
        return
    shown = value if len(value) <= 100 else f"{value[:100]}…"
    if limits.get("enum") and shape.name not in OPEN and value not in limits["enum"]:
        yield f"{shown!r} is none of {', '.join(limits['enum'])}"
    elif "pattern" in limits and not matches(limits["pattern"], value):
        yield f"{shown!r} does not match {limits['pattern']}"


def _within(measure: float, limits: Mapping[str, Any], said: str, unit: str) -> Iterator[str]:
    if "min" in limits and measure < limits["min"]:
        yield f"it {said}, and at least {limits['min']}{unit} are needed"
    if "max" in limits and measure > limits["max"]:
        yield f"it {said}, and at most {limits['max']}{unit} are allowed"


def matches(pattern: str, text: str) -> bool:
    """Whether a text is wholly what a pattern of AWS's describes; also one with Unicode properties."""
    compiled = _compiled(pattern)
    if compiled is None:
        return True
    classes = {name[0] for name in PROPERTY.findall(pattern) if name != "Print"}
    if classes:
        # Stands for every character of a named class, in the text as in the pattern.
        text = "".join("a" if unicodedata.category(each)[0] in classes else each for each in text)
    return compiled.fullmatch(text) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    plain = pattern.replace(r"\p{Print}", r"[\x20-\x7e]")
    try:
        return re.compile(PROPERTY.sub("a", plain))
    except re.error:
        return None


def _patterns(shape: Any, seen: frozenset[str]) -> Iterator[str]:
    if shape is None or shape.name in seen:
        return
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    inner: list[Any] = []
    if shape.type_name == "structure":
        inner = list(shape.members.values())
    elif shape.type_name == "list":
        inner = [shape.member]
    elif shape.type_name == "map":
        inner = [shape.key, shape.value]
    for each in inner:
        yield from _patterns(each, seen | {shape.name})


@functools.cache
def _model(service: str) -> Any:
    """botocore's description of a service; read once, since SageMaker's takes a third of a second."""
    import botocore.session

    return botocore.session.Session().get_service_model(service)


def _written(path: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
