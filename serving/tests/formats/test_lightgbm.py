"""LightGBM's text files: what `Booster.predict` answers, categories by their names, null where a value is missing."""

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import lightgbm

options = {"n_estimators": 20, "n_jobs": 2, "verbose": -1, "min_child_samples": 5}
frame = customers.astype({"city": pandas.CategoricalDtype(["Rome", "Oslo", "Bern"]), "plan": "category"})
classifier = lightgbm.LGBMClassifier(**options).fit(frame, stays)
classifier.booster_.save_model("model/customers.txt")
asked = frame.head(40).copy()
asked["city"] = pandas.Categorical([None, "Paris", *frame.city.head(38)])
# The file does not say that a feature was made of flags: they are numbers.
told = records(asked.astype({"newsletter": int}))
probabilities = classifier.predict_proba(asked)
tell("customers.txt", told, predict=classifier.booster_.predict(asked), predict_proba=probabilities)

kinds = lightgbm.LGBMClassifier(**options).fit(numbers, kind)
kinds.booster_.save_model("model/kinds.lgb")
both = kinds.predict_proba(numbers)
tell("kinds.lgb", rows(numbers), predict=both, predict_proba=both)

spaced = pandas.DataFrame(numbers, columns=["a b", "c", "d", "e"])
regressor = lightgbm.LGBMRegressor(**options, objective="tweedie").fit(spaced, abs(value))
regressor.booster_.save_model("model/values")
named = pandas.DataFrame(numbers, columns=["a_b", "c", "d", "e"])
tell("values", records(named), predict=regressor.predict(numbers))

ranker = lightgbm.LGBMRanker(**options).fit(numbers, kind, group=[40] * 10)
ranker.booster_.save_model("model/ranks.txt")
tell("ranks.txt", rows(numbers), predict=ranker.predict(numbers))
several = lightgbm.LGBMClassifier(**options, objective="multiclassova").fit(numbers, kind)
several.booster_.save_model("model/ova.txt")
tell("ova.txt", rows(numbers), predict=several.predict_proba(numbers), predict_proba=several.predict_proba(numbers))
"""


@pytest.fixture(scope="module")
def trained(libraries, train):
    return train(libraries, "lightgbm", TRAIN)


@pytest.mark.parametrize("model", ["customers.txt", "kinds.lgb"])
def test_a_served_model_answers_what_lightgbm_answers(model, libraries, trained, start, same):
    folder, expected = trained
    same(start(libraries, folder, model), expected[model])


def test_every_objective_answers_what_lightgbm_answers(libraries, trained, called):
    folder, expected = trained
    assert len(expected) == 5
    for model, told in called(libraries, folder / "model", expected).items():
        assert told["format"] == "lightgbm"
        assert told["answers"] == expected[model]["answers"], model
        assert ("predict_proba" in told["methods"]) == (model not in {"values", "ranks.txt"})


def test_the_file_tells_names_categories_and_objective(libraries, trained, inspected):
    document = inspected(libraries, trained[0] / "model", "customers.txt")
    assert document["format"] == "lightgbm"
    assert document["libraries"]["lightgbm"] == "4.7.0"
    assert {column["name"]: column["dtype"] for column in document["methods"]["predict"]["input"]["columns"]} == {
        "age": "float64",
        "orders": "float64",
        "newsletter": "float64",
        "city": "str",
        "plan": "int64",
    }
    assert document["methods"]["predict_proba"]["output"] == {"kind": "tensor", "dtype": "float64", "shape": [None, 2]}
    document = inspected(libraries, trained[0] / "model", "kinds.lgb")
    assert document["methods"]["predict"] == {
        "input": {"kind": "tensor", "dtype": "float64", "shape": [None, 4], "nullable": True},
        "output": {"kind": "tensor", "dtype": "float64", "shape": [None, 3]},
    }


def test_what_does_not_fit_is_refused_with_its_place(libraries, trained, start):
    folder, expected = trained
    server = start(libraries, folder, "customers.txt")
    row = expected["customers.txt"]["data"][2]
    for wrong, path in (({"city": 3}, "data[0].city"), ({"age": "old"}, "data[0].age"), ({"pets": 1}, "data[0].pets")):
        answer = server.post("/predict", {"data": [{**row, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)


def test_a_file_that_was_cut_off_is_no_model(libraries, trained, refused, tmp_path):
    content = (trained[0] / "model" / "customers.txt").read_bytes()
    for size in (0, 5, 400, 4000, -2000, -200, -40, -25):
        (tmp_path / f"{size}.lgb").write_bytes(content[:size])
    assert all(error["where"] == file for file, error in refused(libraries, tmp_path, "lightgbm").items())


def test_a_process_may_fork_as_long_as_lightgbm_has_one_thread(libraries, trained, forked):
    assert forked(libraries, trained[0] / "model" / "kinds.lgb", 1) == (True, 0)
    may, _ = forked(libraries, trained[0] / "model" / "kinds.lgb", 2)
    assert not may


def test_without_lightgbm_the_requirement_is_named(trained):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, trained[0] / "model" / "values")
    assert caught.value.requirement == "lightgbm"
