"""tagboat.yaml, read: limits, types, references and secrets checked, every mistake in one error."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deployers.errors import TagboatError
from deployers.settings import Settings
from entrypoint.configuration import documents, reading
from entrypoint.configuration.documents import Node, compose
from entrypoint.configuration.kinds import InstalledKinds, Kinds
from entrypoint.configuration.mistakes import InvalidConfigurationError, NoConfigurationError, quoted, suggestion
from entrypoint.configuration.reading import INVALID, Reader
from entrypoint.configuration.references import References
from entrypoint.configuration.schema import Configuration, Target
from entrypoint.configuration.secrets import secrets_in
from entrypoint.errors import UnsafeContentError

FILE = "tagboat.yaml"


def load(directory: Path, file: str = FILE, kinds: Kinds | None = None) -> Configuration:
    """Read the configuration of a checkout.

    Raises `NoConfigurationError` when there is none, `InvalidConfigurationError` when it is wrong, and
    `UnsafeContentError` when the path leads out of the checkout.
    """
    root = directory.resolve()
    path = (root / file).resolve()
    if not path.is_relative_to(root):
        raise UnsafeContentError("the configuration lies outside the checkout", where=quoted(file))
    try:
        with path.open("rb") as stream:
            content = stream.read(documents.MAXIMUM_SIZE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NoConfigurationError(file) from None
    except OSError as error:
        raise UnsafeContentError(f"the file cannot be read: {error.strerror}", where=file) from None
    return parse(content, file, kinds)


def load_if_present(directory: Path, file: str = FILE, kinds: Kinds | None = None) -> Configuration:
    """Read the configuration of a checkout, or the defaults where it has none: for commands that deploy nothing."""
    try:
        return load(directory, file, kinds)
    except NoConfigurationError:
        return Configuration()


def folder_of(config: str, directory: Path, root: Path) -> Path:
    """The nearest folder upwards in the checkout that has the configuration; the checkout's root where none has."""
    start = directory.resolve()
    inside = [folder for folder in (start, *start.parents) if folder.is_relative_to(root)]
    return next((folder for folder in inside if (folder / config).exists()), root)


def parse(content: bytes, file: str = FILE, kinds: Kinds | None = None) -> Configuration:
    """Read a configuration. ``file`` is what errors call it. Raises `InvalidConfigurationError`."""
    root = compose(content, file)
    reader = Reader({Target: _target_of(kinds or InstalledKinds())})
    configuration = reader.read(root, Configuration)
    mistakes = [*reader.mistakes, *secrets_in(content.decode("utf-8-sig"))]
    if configuration is not INVALID:
        mistakes += References(configuration, reader.places).check()
    if mistakes:
        raise InvalidConfigurationError(file, mistakes)
    assert isinstance(configuration, Configuration)  # noqa: S101 - the reader gives what it was asked for, or mistakes
    return configuration


class _Head(Settings, frozen=True, kw_only=True):
    """The keys that every target has."""

    deployer: str
    prune: bool = False


def _target_of(kinds: Kinds) -> reading.Special:
    """Reads a target: the common keys, then the rest by the deployer's own settings."""
    common = tuple(_Head.__struct_fields__)

    def read(reader: Reader, node: Node, path: reading.Path) -> object:
        if not isinstance(node, documents.Mapping):
            return reader.struct(node, _Head, path)
        own = {key: child for key, child in node.items.items() if key in common}
        head = reader.struct(documents.Mapping(node.place, own, node.keys), _Head, path)
        if not isinstance(head, _Head):
            return INVALID
        here = (*path, "deployer")
        if head.deployer not in kinds.names():
            hint = suggestion(head.deployer, kinds.names(), "installed deployers")
            return reader.wrong(own["deployer"].place, here, f"there is no deployer {quoted(head.deployer)}", hint)
        try:
            settings_type = kinds.settings_type(head.deployer)
        except TagboatError as error:
            return reader.wrong(own["deployer"].place, here, error.message, error.hint)
        settings = reader.struct(node, settings_type, path, beside=common)
        if not isinstance(settings, msgspec.Struct):
            return INVALID
        return Target(deployer=head.deployer, prune=head.prune, settings=settings, written=reading.written(settings))

    return read
