"""Which protocol answers at which path: the table of docs/serving.md, row by row, and every pair that could collide."""

import itertools
import re
from pathlib import Path

import pytest

from tagboat_server import protocols
from tagboat_server.assembly import assemble
from tagboat_server.logs import Log
from tagboat_server.mlem.interface import Argument, Exposed, Interface
from tagboat_server.model import LoadedMethod, LoadedModel
from tagboat_server.protocols import invocations, mlem, native, open_inference, pages
from tagboat_server.protocols.base import RESERVED
from tagboat_server.signature import Method, Tensor
from tagboat_server.spec import Identity, Settings
from tagboat_server.state import State

ROOT = Path(__file__).parents[3]
METHODS = ("predict", "predict_proba", *sorted(RESERVED))
"""A model that has a method of every name that means something else here."""

OWNERS = {
    "ours": (native,),
    "MLEM": (mlem,),
    "SageMaker and MLflow": (invocations,),
    "Open Inference Protocol": (open_inference,),
    "a page": (pages,),
    "nothing": (),
}
"""The words of the table, and the modules whose routes they are."""


def assembled(*, described):
    """The application around a model with every name. ``described``: by MLEM's metadata."""
    signature = Method(Tensor("float64", (None, 2)))
    methods = {name: LoadedMethod(lambda rows: rows, signature) for name in METHODS}
    array = {"type": "ndarray", "shape": [None, 2], "dtype": "float64"}
    exposed = {name: Exposed(name, name, (Argument("X", "X", array),), array) for name in METHODS}
    model = LoadedModel("mlem", methods, interface=Interface(exposed) if described else None)
    identity = Identity(artifact="iris", version="v1.0.0")
    return assemble(model, None, identity, Settings(), State(identity), Log(access=False)).application


PLAIN, MLEM = assembled(described=False), assembled(described=True)


def owner(application, path):
    """The word for what answers at a path."""
    route = application.routes.get(path)
    if route is None:
        return "nothing"
    told = {word for word, modules in OWNERS.items() for module in modules if type(route).__module__ in named(module)}
    if isinstance(route, pages.Page) and path in invocations.routes(application.context):
        return "SageMaker and MLflow"
    (word,) = told
    return word


def named(module):
    """The modules that a protocol's routes may be of."""
    return {module.__name__} | ({f"{module.__name__}.inferring"} if module is open_inference else set())


def rows():
    """The rows of the table: paths; who answers for a model that MLEM does not describe; and for one that it does."""
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    section = text.partition("## Who answers where")[2].partition("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            yield re.findall(r"`([^`]+)`", cells[0]), word_in(cells[1]), word_in(cells[2])


def word_in(cell):
    """The word of `OWNERS` with which a cell begins."""
    return next(word for word in OWNERS if cell.startswith(word))


ROWS = list(rows())


def concrete(path):
    """The paths that a row's path stands for."""
    if "<reserved>" in path:
        return [path.replace("<reserved>", name) for name in sorted(RESERVED)]
    if "<method>" in path:
        return [path.replace("<method>", name) for name in METHODS if name not in RESERVED]
    return [path.replace("<artifact>", "iris").replace("<version>", "1.0.0")]


@pytest.mark.parametrize(
    ("path", "plain", "described"),
    [(path, plain, described) for written, plain, described in ROWS for each in written for path in concrete(each)],
)
def test_the_table_in_the_documentation_is_what_is_served(path, plain, described):
    assert (owner(PLAIN, path), owner(MLEM, path)) == (plain, described)


@pytest.mark.parametrize("application", [PLAIN, MLEM], ids=["plain", "mlem"])
def test_the_table_names_every_path(application):
    told = {path for written, *_ in ROWS for each in written for path in concrete(each)}
    served = {path for path in application.routes if not path.startswith(("/v2/models/iris:", "/v2/models/iris/"))}
    served = {path for path in served if not path.endswith("/") or path == "/"}
    assert served <= told | {"/v2/models/iris/versions/v1.0.0"}


PAIRS = list(itertools.combinations([*protocols.PROTOCOLS, pages], 2))


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda module: module.__name__.rpartition(".")[2])
@pytest.mark.parametrize("application", [PLAIN, MLEM], ids=["plain", "mlem"])
def test_no_two_protocols_claim_one_path(application, one, other):
    context = application.context

    def claimed(module):
        given = (context, application.metrics) if module is pages else (context,)
        return set(module.routes(*given))

    assert not claimed(one) & claimed(other)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_method_with_a_reserved_name_stands_under_methods(name):
    for application in (PLAIN, MLEM):
        assert owner(application, f"/methods/{name}") == "ours"
        assert owner(application, f"/{name}") != "ours"
        described = application.routes.get(f"/{name}")
        assert not isinstance(described, mlem.MlemMethod)


PREDICTOR = """
class Predictor:
    def ping(self, rows):
        return ["pong"]

    def predict(self, rows):
        return ["predicted"]

    def version(self, rows):
        return ["versioned"]


def load():
    return Predictor()
"""


def test_a_real_model_with_such_names_answers_where_it_says(serve, bundle_around, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predictor.py").write_text(PREDICTOR)
    server = serve(bundle_around(tmp_path, "predictor.py", format="python"))
    for name, answer in (("ping", "pong"), ("version", "versioned"), ("predict", "predicted")):
        assert server.post(f"/methods/{name}", {"data": [[1]]}).json["predictions"] == [answer]
    assert server.get("/ping").json["ready"]
    assert server.post("/ping", {"data": [[1]]}).status == 405
    assert server.post("/predict", {"data": [[1]]}).json["predictions"] == ["predicted"]
    told = server.get("/openapi.json").json["paths"]
    assert "post" in told["/methods/ping"]
    assert set(told["/ping"]) == {"get"}
    hint = server.post("/nowhere", {}).json["error"]["hint"]
    assert "/methods/ping" in hint
