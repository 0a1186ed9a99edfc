"""What was written down is read back, or the reader is told whose fault it is."""

import msgspec
import pytest

from deployers.base import Slot
from deployers.errors import ConfigurationError
from deployers.kubernetes.records import SlotRecord as ClusterRecord
from deployers.local.records import SlotRecord as LocalRecord
from deployers.record_reading import decoded
from deployers.sagemaker.records import SlotRecord as EndpointRecord

KINDS = [LocalRecord, ClusterRecord, EndpointRecord]
SLOT = Slot(artifact="churn", stage="prod", target="eu")


def read(content, kind):
    return decoded(content, kind, schema=1, where="the record", hint="Restore it.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_comes_back_as_it_was_written(kind):
    written = msgspec.json.encode(kind(slot=SLOT))
    assert msgspec.json.encode(read(written, kind)) == written


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b'{"schema": 2}', b'{"schema": 2, "slot": "churn#prod"}'])
def test_a_newer_form_is_not_called_damaged_whatever_it_holds(kind, content):
    with pytest.raises(ConfigurationError, match="form 2, and this Tagboat knows form 1") as failure:
        read(content, kind)
    assert "newer Tagboat" in failure.value.hint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 1, "slot": 3}', b'{"schema": "1"}']
)
def test_a_damaged_record_says_where_it_is_and_what_to_do(kind, content):
    with pytest.raises(ConfigurationError, match="the record: the record is damaged") as failure:
        read(content, kind)
    assert failure.value.hint == "Restore it."
