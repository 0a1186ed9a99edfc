"""The texts and numbers that tagboat.yaml is made of, each with its grammar."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

JSON = Any
"""A value that JSON can hold."""

END = r"(?![\s\S])"
"""The end of the text, in Python's expressions and in ECMAScript's (`$` would let a newline through in Python)."""

Count = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]
MethodName = Annotated[str, Meta(pattern=rf"^[A-Za-z_][A-Za-z0-9_]*{END}")]
FormatName = Annotated[str, Meta(pattern=rf"^[a-z0-9]+([._-][a-z0-9]+)*{END}")]
UrlPath = Annotated[str, Meta(pattern=rf"^/[\x21-\x7e]*{END}")]
ContentType = Annotated[str, Meta(pattern=rf"^[\x20-\x7e]+{END}")]
REPOSITORY_PATH = rf"^(?![/-])(?![\s\S]*(^|/)\.\.(/|{END}))[^\x00-\x1f\x7f\\]+{END}"
RepositoryPath = Annotated[str, Meta(pattern=REPOSITORY_PATH)]
"""A file or folder inside the repository: relative, with slashes, without `..`."""
TargetName = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?{END}",
        description="A target's name has at most 63 lower-case letters, digits and hyphens.",
    ),
]
StageName = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z0-9]([A-Za-z0-9/_-]*[A-Za-z0-9])?{END}",
        description="A stage's name has letters, digits, -, _ and /, as GTO has it.",
    ),
]
ArtifactName = Annotated[
    str,
    Meta(
        pattern=rf"^([A-Za-z0-9_][A-Za-z0-9_./-]*:)?[A-Za-z0-9]([A-Za-z0-9/_-]*[A-Za-z0-9])?{END}",
        description="An artifact's name as `tagboat show` prints it, such as churn or models/nlp:bert.",
    ),
]
PythonVersion = Annotated[str, Meta(pattern=rf"^3\.[0-9]{{1,2}}(\.[0-9]{{1,2}})?{END}")]
