"""PyTorch's two archives, TorchScript and exported programs: what the module itself answers."""

import pickle
import zipfile

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import torch
torch.set_num_threads(1)
torch.manual_seed(0)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        first, last = torch.nn.Linear(4, 16), torch.nn.Linear(16, 3)
        self.layers = torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Dropout(), last)

    def forward(self, rows):
        return self.layers(rows)

    @torch.jit.export
    def classify(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers(rows).argmax(1)

    @torch.jit.export
    def both(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.layers(left) + self.layers(right)


class Words(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)

    def forward(self, words):
        return {"mean": self.table(words).mean(1), "words": words}


class Pair(torch.nn.Module):
    def forward(self, left, right, scale: float = 2.0):
        return left * scale + right


numbers = torch.randn(40, 4)
wanted = (numbers.sum(1) > 0).long() + (numbers.sum(1) > 1).long()
network = Network()
descent = torch.optim.Adam(network.parameters(), 0.05)
for _ in range(60):
    descent.zero_grad()
    torch.nn.functional.cross_entropy(network(numbers), wanted).backward()
    descent.step()
network.eval()
data = numbers.tolist()
words = Words().eval()
with torch.no_grad():
    answers, classes = network(numbers).numpy(), network.classify(numbers).numpy()
    numbered = torch.arange(12).reshape(4, 3) % 10
    means = words(numbered)["mean"].tolist()

torch.jit.save(torch.jit.script(network), "model/scripted.pt")
tell("scripted.pt", data, predict=answers, classify=classes)
torch.jit.save(torch.jit.trace(network, numbers[:2]), "model/traced.ts")
tell("traced.ts", data, predict=answers)
signature = json.dumps({"predict": {"input": {"kind": "tensor", "dtype": "float32", "shape": [None, 4]}}})
torch.jit.save(torch.jit.script(network), "model/declared.pt", _extra_files={"signature.json": signature})
tell("declared.pt", data, predict=answers)
torch.jit.save(torch.jit.script(words), "model/words.pt")

rows_ = torch.export.Dim("rows", min=1, max=4096)
program = torch.export.export(network, (numbers[:2],), dynamic_shapes=({0: rows_},))
torch.export.save(program, "model/program.pt2")
tell("program.pt2", data, predict=answers)
fixed = torch.export.export(network, (numbers[:2],))
torch.export.save(fixed, "model/fixed.pt2")
pair = torch.export.export(
    Pair(), (numbers[:2], numbers[2:4], 3.0), dynamic_shapes={"left": {0: rows_}, "right": {0: rows_}, "scale": None}
)
torch.export.save(pair, "model/pair.pt2")
tell("pair.pt2", {"left": data[:5], "right": data[5:10]}, predict=numbers[:5] * 3.0 + numbers[5:10])
asked = torch.export.export(words, (numbered[:2],), dynamic_shapes=({0: rows_},))
torch.export.save(asked, "model/words.pt2")
expected["words"] = {"data": numbered.tolist(), "answers": {"predict": {"mean": means, "words": numbered.tolist()}}}

torch.save(network.state_dict(), "weights.pt")
torch.save(network, "module.pt")
torch.save(network.state_dict(), "weights.pt2")
"""


@pytest.fixture(scope="module")
def trained(pytorch, train):
    return train(pytorch, "torch", TRAIN, customers=False)


@pytest.mark.parametrize("model", ["scripted.pt", "program.pt2"])
def test_a_served_model_answers_what_pytorch_answers(model, pytorch, trained, start, same):
    folder, expected = trained
    # Its matrix products give a row other last bits in another batch.
    same(start(pytorch, folder, model), expected[model], alone=False)


@pytest.fixture(scope="module")
def told(pytorch, trained, called):
    folder, expected = trained
    words = {**expected["words"]}
    asked = {name: each for name, each in expected.items() if name != "words"}
    asked |= {"words.pt": words, "words.pt2": words}
    return asked, called(pytorch, folder / "model", asked)


def test_every_way_of_saving_answers_what_the_module_answered(told):
    expected, models = told
    assert len(models) == 7
    for model, document in models.items():
        assert document["format"] == ("torch-export" if model.endswith(".pt2") else "torchscript")
        assert document["answers"] == expected[model]["answers"], model


def test_the_archive_tells_methods_dtypes_and_shapes(told):
    methods = {model: document["methods"] for model, document in told[1].items()}
    rows = {"kind": "tensor", "dtype": "float32", "shape": [None, 4]}
    assert methods["program.pt2"] == {"predict": {"input": rows, "output": None}}
    assert methods["declared.pt"]["predict"]["input"] == rows
    assert methods["traced.ts"]["predict"]["input"] == {**rows, "shape": [None, None]}
    assert methods["pair.pt2"]["predict"]["input"] == {
        "kind": "tensors",
        "inputs": [{"name": name, "dtype": "float32", "shape": [None, 4]} for name in ("left", "right")],
    }
    assert methods["words.pt2"]["predict"]["input"] == {"kind": "tensor", "dtype": "int64", "shape": [None, 3]}
    assert {name: method["input"]["kind"] for name, method in methods["scripted.pt"].items()} == {
        "predict": "any",
        "both": "any",
        "classify": "any",
    }


def test_what_does_not_fit_is_refused(pytorch, trained, start):
    server = start(pytorch, trained[0], "scripted.pt")
    for path, data, words in (
        ("/predict", [[1, 2, 3]], "mat1 and mat2"),
        ("/predict", [["a", "b", "c", "d"]], "numbers"),
        ("/both", [[1, 2, 3, 4]], "left, right"),
        ("/both", {"left": [[1, 2, 3, 4]]}, "left, right"),
    ):
        answer = server.post(path, {"data": data})
        assert answer.status == 422, answer.body
        assert words in answer.json["error"]["message"]
    row = [[1.0, 2.0, 3.0, 4.0]]
    twice = server.post("/both", {"data": {"left": row, "right": row}}).json["predictions"]
    once = server.post("/predict", {"data": row}).json["predictions"]
    assert twice == [[pytest.approx(2 * cell) for cell in once[0]]]
    server = start(pytorch, trained[0], "fixed.pt2")
    assert server.post("/predict", {"data": row * 2}).status == 200
    for data, path in ((row, "data"), ([[1, 2, 3]] * 2, "data[0]"), ([[1, 2, 3, None]] * 2, "data[0][3]")):
        answer = server.post("/predict", {"data": data})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)


def test_what_is_no_archive_of_a_model_is_refused_and_never_unpickled(pytorch, trained, refused, tmp_path):
    class Payload:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    scripts, programs = tmp_path / "scripts", tmp_path / "programs"
    for folder, name, others in (
        (scripts, "scripted.pt", ("weights.pt", "module.pt")),
        (programs, "program.pt2", ("weights.pt2",)),
    ):
        folder.mkdir()
        content = (trained[0] / "model" / name).read_bytes()
        for size in (0, 4, 400, 4000, -300, -1):
            (folder / f"{size}-{name}").write_bytes(content[:size])
        for other in others:
            (folder / other).write_bytes((trained[0] / other).read_bytes())
        (folder / f"pickle-{name}").write_bytes(pickle.dumps(Payload()))
        with zipfile.ZipFile(folder / f"hidden-{name}", "w") as archive:
            for member in ("data.pkl", "constants.pkl", "version", "archive_format"):
                archive.writestr(f"hidden/{member}", pickle.dumps(Payload()))
    for folder, format_ in ((scripts, "torchscript"), (programs, "torch-export")):
        for file, error in refused(pytorch, folder, format_).items():
            assert error["where"] == file
            assert error["hint"]
    assert not (tmp_path / "ran").exists()


def test_a_process_may_fork_as_long_as_pytorch_has_one_thread(pytorch, trained, forked):
    assert forked(pytorch, trained[0] / "model" / "program.pt2", 1, alone=False) == (True, 0)


def test_without_pytorch_the_requirement_is_named(trained):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    for model in ("scripted.pt", "program.pt2"):
        with pytest.raises(MissingLibraryError) as caught:
            formats.load(None, trained[0] / "model" / model)
        assert caught.value.requirement == "torch"
