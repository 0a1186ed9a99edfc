"""``/invocations``: from a body in any of its forms to a checked input, and from a result to the form that is wanted.

    documents.py     JSON: which of its forms a document is; splits.py: MLflow's ``dataframe_split``
    lines.py         JSON lines
    csv_rows.py      CSV
    npy.py           NumPy's files
    arrow.py         Arrow streams and Parquet; arrow_sizes.py, parquet_sizes.py: how large they become
    answers.py       results as any of these

The forms of JSON, and CSV, are turned into our own protocol's body and read by its decoders, so that they are as
strict, as quick and as exact as it is; the others become arrays. What is wrong is told in the sender's terms.
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

from tagboat_server.codecs import Input
from tagboat_server.errors import Rejection

Place = Callable[[str], Optional[str]]
"""From a place in our own protocol's body (``data[3].age``) to the sender's word for it."""


class Taken(NamedTuple):
    """A checked input. ``root``: the sender's word for all of it. ``own``: it came as our own protocol's body."""

    input: Input
    root: Optional[str] = None
    own: bool = False


def moved(rejection: Rejection, place: Place) -> Rejection:
    """A refusal with the sender's word for the place."""
    if rejection.path is not None:
        rejection.path = place(rejection.path)
    return rejection
