"""A file in a form (RFC 7578), the way in which MLEM's client sends what has no form in JSON."""

from __future__ import annotations

import re
from typing import Optional

BOUNDARY = re.compile(rb'boundary=(?:"([^"]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
NAME = re.compile(rb'\bname="?([^";\r\n]*)"?', re.IGNORECASE)


def file_in(body: bytes, content_type: bytes, field: bytes) -> Optional[bytes]:
    """The contents of a form's field; None where it is no form or has no such field."""
    found = BOUNDARY.search(content_type)
    if not content_type.lower().startswith(b"multipart/form-data") or found is None:
        return None
    delimiter = b"\r\n--" + (found[1] or found[2])
    for part in (b"\r\n" + body).split(delimiter)[1:-1]:
        head, separator, contents = part.partition(b"\r\n\r\n")
        named = NAME.search(head)
        if separator and named is not None and named[1] == field and b"filename" in head:
            return contents
    return None
