"""Wrap a model: its files, its environment's lock and its server become a bundle.

The order is the story: what the files are, what loading them would import, what they need, an environment for it, and
in that environment what the model is. Nothing of the model's runs before the scan has been judged.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from deployers.errors import RefusedError
from deployers.wrapping import bundle, inspection, isolation, locking, model_files, model_formats, optimization
from deployers.wrapping import scan as scanning
from deployers.wrapping.bundle import Bundle, Content, Description
from deployers.wrapping.environment import ModelEnvironment, ensure
from deployers.wrapping.locking import Index, Lock, LockInputs
from deployers.wrapping.requirements import Requirements
from deployers.wrapping.server_wheel import ServerWheel, server_wheel


class ScanPolicy(enum.StrEnum):
    """What a finding of the scan means."""

    WARN = "warn"
    REFUSE = "refuse"


class WrapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``format``: None to tell by the files. ``allowed_imports``: modules that a pickle may import besides.

    ``optimize``: None to serve the model itself.
    ``grpc``: the server needs what gRPC needs.
    """

    format: str | None = None
    indexes: tuple[Index, ...] = ()
    allow_build: bool = False
    scan: ScanPolicy = ScanPolicy.WARN
    allowed_imports: tuple[str, ...] = ()
    base_image: str | None = None
    optimize: optimization.Optimize | None = None
    grpc: bool = False


def _nobody(_: str) -> None:
    """Nobody is told."""


def wrap(
    model: Path,
    model_path: str,
    *,
    name: str,
    version: str,
    commit: str,
    requirements: Requirements,
    settings: WrapSettings,
    store: Path,
    cache: Path,
    environment: Mapping[str, str],
    sample: bytes | None = None,
    step: Callable[[str], None] = _nobody,
    warn: Callable[[str], None] = _nobody,
) -> Bundle:
    """Make the bundle of the model at ``model_path`` in the folder ``model``, or find it made already.

    ``store``: where bundles are kept; ``cache``: what may be deleted at any time; ``environment``: the runner's
    variables. ``sample``: rows that the model is asked, a body of the server's own protocol. ``step`` is told what
    begins, ``warn`` what a person should look at. The same inputs give the same digest on every machine.

    Raises `ConfigurationError`, `RefusedError` (unsafe files, the scan's policy, sdists, a graph that is not near
    enough), `UnreachableError` (an index) and `ReleaseFailedError` (the model can't be loaded).
    """
    step("hash")
    files = model_files.survey(model)
    model_files.only(files, model_path)
    format_ = settings.format or model_formats.tell(model, model_path, [file.content.path for file in files])
    step("scan")
    scan = scanned(model, model_path, [file.content for file in files], cache)
    _judge(scan, settings, requirements, warn)
    step("lock")
    server = server_wheel(cache)
    lock = locking.lock(
        LockInputs(
            lines=requirements.lines,
            server=_server_requirements(server, format_, requirements, settings),
            python=requirements.python,
            source=requirements.source,
            indexes=settings.indexes,
            allow_build=settings.allow_build,
        ),
        cache=cache,
        environment=environment,
    )
    code = [Content(path, hashlib.sha256(text).hexdigest(), len(text)) for path, text in requirements.code.items()]

    def identity_with(optimized: Sequence[Content]) -> str:
        return bundle.digest(
            model=[file.content for file in files],
            code=code,
            lock=lock.text,
            server=server.sha256,
            python=lock.python,
            format=format_,
            path=model_path,
            base_image=settings.base_image,
            sample=hashlib.sha256(sample).hexdigest() if sample is not None else None,
            optimized=optimized,
        )

    def assemble(making: str) -> Path:
        Path(making).chmod(0o755)  # for the user that model code runs as
        made = Path(making) / "bundle"
        _assemble(made, files, requirements.code, lock, server, sample)
        return made

    store.mkdir(parents=True, exist_ok=True)
    optimized: optimization.Kept | None = None
    if settings.optimize is not None:
        inputs = identity_with(())
        optimized = optimization.find(inputs, settings.optimize, cache)
        if optimized is None:
            step("environment")
            python = ensure(lock, server.path, cache=cache, environment=environment)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=store) as making:
                made = assemble(making)
                step("optimize")
                optimized = optimization.make(
                    made, model_path, format_, settings.optimize, python, inputs=inputs, cache=cache,
                    sample=made / bundle.SAMPLE if sample is not None else None, environment=environment,
                    user=_model_user(python, made / bundle.LOCK, warn),
                )  # fmt: skip
        optimization.judge(optimized.outcome, settings.optimize, name, warn)
    identity = identity_with(optimized.contents if optimized is not None else ())
    folder = _place_of(store, identity, [name, version, commit, *([settings.optimize] if settings.optimize else [])])
    if folder.exists():
        with contextlib.suppress(RefusedError):
            return bundle.load(folder)
        shutil.rmtree(folder)
    step("environment")
    python = ensure(lock, server.path, cache=cache, environment=environment)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=store) as making:
        made = assemble(making)
        if optimized is not None and optimized.file is not None:
            _write(made / optimization.GRAPH, optimized.file.read_bytes())
        step("inspect")
        user = _model_user(python, made / bundle.LOCK, warn)
        found = inspection.inspect(made, model_path, format_, python, environment=environment, user=user)
        description = Description(
            schema=bundle.SCHEMA,
            name=name,
            version=version,
            commit=commit,
            digest=identity,
            format=found.format,
            model=model_path,
            python=lock.python,
            requirements=bundle.LOCK,
            server=f"server/{server.path.name}",
            methods=found.methods,
            libraries=found.libraries,
            code=sorted(requirements.code),
            scan=msgspec.to_builtins(scan),
            warnings=found.warnings,
            indexes=[msgspec.to_builtins(index) for index in settings.indexes],
            allow_build=settings.allow_build,
            base_image=settings.base_image,
            sample=bundle.SAMPLE if sample is not None else None,
            optimized=msgspec.to_builtins(optimized.outcome) if optimized is not None else None,
        )
        _write(made / bundle.DESCRIPTION, msgspec.json.format(_json(description), indent=2) + b"\n")
        _into_store(made, folder)
    return Bundle(folder, identity)


def _server_requirements(
    server: ServerWheel, format_: str, requirements: Requirements, settings: WrapSettings
) -> tuple[str, ...]:
    """What tagboat-server needs for the model: itself, its format's extra, the one that converts, and gRPC's."""
    extras = [model_formats.EXTRAS[format_]] if format_ in model_formats.EXTRAS else []
    if settings.optimize is not None:
        extras.append(optimization.EXTRA)
    if settings.grpc:
        extras.append("grpc")
    return model_formats.needed(server.requirements(*extras), {line.name for line in requirements.lines})


def environment_of(made: Bundle, *, cache: Path, environment: Mapping[str, str]) -> ModelEnvironment:
    """The environment that a bundle runs in, made again where the cache no longer has it. Resolves nothing anew."""
    description = made.description
    lock = Lock(
        text=made.lock,
        python=description.python,
        source=str(made.folder / bundle.LOCK),
        indexes=msgspec.convert(description.indexes, tuple[Index, ...]),
        allow_build=description.allow_build,
    )
    return ensure(lock, made.server, cache=cache, environment=environment)


def scanned(model: Path, model_path: str, contents: list[Content], cache: Path) -> scanning.Scan:
    """The scan's outcome; kept by the files' hashes, since it depends on nothing else."""
    identity = msgspec.json.encode([scanning.RULES, model_path, contents])
    kept = cache / "scans" / f"{hashlib.sha256(identity).hexdigest()[:40]}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(kept.read_bytes(), type=scanning.Scan)
    scan = scanning.scan(model, model=model_path)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".scan-", delete=False) as written:
        written.write(msgspec.json.encode(scan))
    Path(written.name).replace(kept)
    return scan


def _judge(
    scan: scanning.Scan, settings: WrapSettings, requirements: Requirements, warn: Callable[[str], None]
) -> None:
    own = {path.split("/")[0].removesuffix(".py") for path in requirements.code if path.endswith(".py")}
    findings = scan.beyond({*settings.allowed_imports, *own})
    found = list(scanning.lines(findings))
    if findings and settings.scan is ScanPolicy.REFUSE:
        raise RefusedError(
            f"the scan of the model found {len(findings)} things to look at: " + "; ".join(found[:10]),
            where="tagboat.yaml: policies.scan",
            hint="Look at how the model was made. Modules that it may import go under `policies.allowed-imports`.",
        )
    for line in found[:20]:
        warn(line)
    if len(found) > 20:
        warn(f"… and {len(found) - 20} more findings of the scan")


def _model_user(python: ModelEnvironment, file: Path, warn: Callable[[str], None]) -> isolation.ModelUser | None:
    user = isolation.model_user()
    if user is not None and not isolation.reaches(user, python.python, file):
        warn(f"model code runs as root: {isolation.MODEL_USER} cannot reach {file.parent}")
        return None
    return user


def _assemble(
    made: Path,
    files: list[model_files.ModelFile],
    code: Mapping[str, bytes],
    lock: Lock,
    server: ServerWheel,
    sample: bytes | None,
) -> None:
    for folder in (made, made / "model", made / "code", made / "server"):
        folder.mkdir()
    for file in files:
        model_files.place(file, made / "model")
    for path, text in code.items():
        _write(made / "code" / path, text)
    _write(made / bundle.LOCK, lock.text.encode())
    _write(made / "server" / server.path.name, server.path.read_bytes())
    if sample is not None:
        _write(made / bundle.SAMPLE, sample)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o444)


def _into_store(made: Path, folder: Path) -> None:
    """Move the finished bundle to its place; another run's, made at the same time, is as good."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(folder)
    except OSError:
        bundle.load(folder)


def _place_of(store: Path, identity: str, told: list[Any]) -> Path:
    """By the digest, and by what model.json says beside it: two versions may hold the same bytes."""
    said = hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:12]
    return store / f"{identity.removeprefix('sha256:')}-{said}"


def _json(description: Description) -> bytes:
    encoded: dict[str, Any] = msgspec.to_builtins(description)
    return msgspec.json.encode(encoded)
