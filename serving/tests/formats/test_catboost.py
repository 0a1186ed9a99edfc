"""CatBoost's ``.cbm`` and JSON: what `CatBoostClassifier` and `CatBoostRegressor` answer, with their class labels."""

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import catboost

options = {"iterations": 12, "depth": 4, "thread_count": 1, "verbose": False, "allow_writing_files": False}
frame = customers.astype({"newsletter": int})
labels = numpy.where(stays, "stays", "goes")
classifier = catboost.CatBoostClassifier(**options, cat_features=["city", "plan"]).fit(frame, labels)
classifier.save_model("model/customers.cbm")
asked = frame.head(40).copy()
asked.loc[0, "city"] = "Paris"
told = dict(predict=classifier.predict(asked), predict_proba=classifier.predict_proba(asked))
tell("customers.cbm", records(asked), **told)

kinds = catboost.CatBoostClassifier(**options).fit(numbers, numpy.array(["low", "middle", "high"])[kind])
kinds.save_model("model/kinds.json", format="json")
# CatBoost's JSON rounds.
kinds = catboost.CatBoostClassifier().load_model("model/kinds.json", format="json")
told = dict(predict=kinds.predict(numbers), predict_proba=kinds.predict_proba(numbers))
tell("kinds.json", rows(numbers), **told)

binary = catboost.CatBoostClassifier(**options).fit(numbers, kind > 1)
binary.save_model("model/binary.cbm")
told = dict(predict=binary.predict(numbers), predict_proba=binary.predict_proba(numbers))
tell("binary.cbm", rows(numbers), **told)

for name, loss, wanted in (
    ("value.cbm", "RMSE", value),
    ("counts.cbm", "Poisson", abs(value)),
    ("values.cbm", "MultiRMSE", numpy.column_stack((value, -value))),
):
    regressor = catboost.CatBoostRegressor(**options, loss_function=loss).fit(numbers, wanted)
    regressor.save_model(f"model/{name}")
    tell(name, rows(numbers), predict=regressor.predict(numbers))

ranker = catboost.CatBoostRanker(**options).fit(numbers, kind, group_id=numpy.arange(ROWS) // 40)
ranker.save_model("model/ranks")
tell("ranks", rows(numbers), predict=ranker.predict(numbers))
"""


@pytest.fixture(scope="module")
def trained(libraries, train):
    return train(libraries, "catboost", TRAIN)


@pytest.mark.parametrize("model", ["customers.cbm", "kinds.json"])
def test_a_served_model_answers_what_catboost_answers(model, libraries, trained, start, same):
    folder, expected = trained
    same(start(libraries, folder, model), expected[model])


def test_every_loss_answers_as_the_class_that_is_made_for_it(libraries, trained, called):
    folder, expected = trained
    assert len(expected) == 7
    for model, told in called(libraries, folder / "model", expected).items():
        assert told["format"] == "catboost"
        assert told["answers"] == expected[model]["answers"], model


def test_the_file_tells_names_categories_and_classes(libraries, trained, inspected):
    document = inspected(libraries, trained[0] / "model", "customers.cbm")
    assert document["format"] == "catboost"
    assert document["libraries"]["catboost"] == "1.2.10"
    assert document["methods"]["predict"]["input"]["columns"] == [
        {"name": "age", "dtype": "float64", "nullable": True},
        {"name": "orders", "dtype": "float64", "nullable": True},
        {"name": "newsletter", "dtype": "float64", "nullable": True},
        {"name": "city", "dtype": "object"},
        {"name": "plan", "dtype": "object"},
    ]
    assert document["methods"]["predict_proba"]["output"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 2]}


def test_what_does_not_fit_is_refused_with_its_place(libraries, trained, start):
    folder, expected = trained
    server = start(libraries, folder, "customers.cbm")
    row = expected["customers.cbm"]["data"][2]
    for wrong, path in (
        ({"age": "old"}, "data[0].age"),
        ({"pets": 1}, "data[0].pets"),
        ({"city": None}, "data[0].city"),
    ):
        answer = server.post("/predict", {"data": [{**row, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)
    answer = server.post("/predict", {"data": [{**row, "plan": 2.5}]})
    assert answer.status == 422
    assert "plan is a category" in answer.json["error"]["message"]
    # 3 and 3.0 are one category.
    for plan in (3, 3.0):
        asked = server.post("/predict_proba", {"data": [{**row, "plan": plan}]})
        assert asked.status == 200
    assert server.post("/predict_proba", {"data": [{**row, "plan": 3}]}).json == asked.json


def test_a_file_that_was_cut_off_is_no_model(libraries, trained, refused, tmp_path):
    for name in ("customers.cbm", "kinds.json"):
        content = (trained[0] / "model" / name).read_bytes()
        for size in (0, 1, 4, 40, 400, -300, -1):
            (tmp_path / f"{size}{name}").write_bytes(content[:size])
    assert all(error["where"] == file for file, error in refused(libraries, tmp_path, "catboost").items())


def test_rows_do_not_depend_on_their_neighbours_and_a_process_may_fork(libraries, trained, forked):
    assert forked(libraries, trained[0] / "model" / "kinds.json", 1) == (True, 0)


def test_without_catboost_the_requirement_is_named(trained):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, trained[0] / "model" / "ranks")
    assert caught.value.requirement == "catboost"
