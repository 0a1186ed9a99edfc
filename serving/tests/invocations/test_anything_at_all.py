"""Whatever is sent, in whatever form, is an input or a refusal; never a failure of ours."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagboat_server.codecs import Fitting, decoder_for
from tagboat_server.errors import Rejection
from tagboat_server.invocations.csv_rows import CsvReader
from tagboat_server.invocations.documents import FORMS, DocumentReader
from tagboat_server.invocations.lines import LinesReader
from tagboat_server.invocations.splits import SplitReader
from tagboat_server.signature import Anything, Column, Frame, NamedTensor, Tensor, Tensors

SIGNATURES = {
    "frame": Frame((Column("a", "float64", nullable=True), Column("b", "str"), Column("c", "int64", optional=True))),
    "numbers": Frame((Column("a", "float64"), Column("b", "float64"))),
    "matrix": Tensor("float64", (None, 2)),
    "text": Tensor("str", (None,)),
    "cube": Tensor("int64", (None, 2, 2)),
    "columns": Tensors((NamedTensor("a", "float32", (None, 1)), NamedTensor("b", "bool", (None,)))),
    "arrays": Tensors((NamedTensor("a", "float32", (None, 2)), NamedTensor("b", "int64", (None, 3)))),
    "anything": Anything(),
}

NAMES = st.sampled_from(["a", "b", "c", "data", "columns", "index", "params", *FORMS]) | st.text(max_size=3)
CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
JSON = st.recursive(
    CELLS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
SPLIT = st.fixed_dictionaries({}, optional={"columns": JSON, "index": JSON, "data": st.lists(st.lists(CELLS))})
DOCUMENTS = JSON | st.dictionaries(st.sampled_from([*FORMS, "params"]), JSON | SPLIT, max_size=2)


def answered(read, body):
    """Read a body; what is no input must be refused as the sender's."""
    try:
        taken = read(body)
    except Rejection as rejection:
        assert rejection.status in {400, 415, 422}
        assert rejection.message
        json.dumps(rejection.document())
    else:
        assert taken.input.rows >= 0


@pytest.mark.parametrize("name", SIGNATURES)
@given(DOCUMENTS, st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_json(name, document, ugly):
    signature = SIGNATURES[name]
    decode, fitting = decoder_for(signature), Fitting(signature)
    body = json.dumps(document, indent=1 if ugly else None).encode()
    answered(DocumentReader(decode, signature, SplitReader(decode, fitting, signature)), body)


@pytest.mark.parametrize("name", SIGNATURES)
@given(st.lists(JSON.map(json.dumps) | st.text('[]{}",:1 \r', max_size=8), max_size=4))
@settings(deadline=None, max_examples=30)
def test_any_lines(name, lines):
    answered(LinesReader(decoder_for(SIGNATURES[name])), "\n".join(lines).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", SIGNATURES)
@given(st.text('ab1.e-+,"\n\rtrue é[]', max_size=30) | st.text(max_size=20), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_csv(name, text, header):
    signature = SIGNATURES[name]
    reader = CsvReader(decoder_for(signature), Fitting(signature), signature)
    answered(lambda body: reader(body, header=header), text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", SIGNATURES)
@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=20)
def test_any_bytes(name, body):
    signature = SIGNATURES[name]
    decode, fitting = decoder_for(signature), Fitting(signature)
    answered(DocumentReader(decode, signature, SplitReader(decode, fitting, signature)), body)
    answered(LinesReader(decode), body)
    answered(lambda given: CsvReader(decode, fitting, signature)(given, header=False), body)
