"""XGBoost's JSON and UBJSON: what the class that saved the model answers, categories by their names."""

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import xgboost

options = {"n_estimators": 12, "max_depth": 4, "n_jobs": 1}
frame = customers.astype({"city": pandas.CategoricalDtype(["Rome", "Oslo", "Bern"]), "plan": "category"})
classifier = xgboost.XGBClassifier(**options, enable_categorical=True).fit(frame, stays)
classifier.save_model("model/customers.json")
asked = frame.head(40).copy()
asked["city"] = pandas.Categorical([None, *frame.city.head(39)], categories=frame.city.cat.categories)
told = dict(predict=classifier.predict(asked), predict_proba=classifier.predict_proba(asked))
tell("customers.json", records(asked), **told)

kinds = xgboost.XGBClassifier(**options, early_stopping_rounds=2)
kinds.fit(numbers[:300], kind[:300], eval_set=[(numbers[300:], kind[300:])], verbose=False)
kinds.save_model("model/kinds.ubj")
tell("kinds.ubj", rows(numbers), predict=kinds.predict(numbers), predict_proba=kinds.predict_proba(numbers))

softmax = xgboost.XGBClassifier(**options, objective="multi:softmax").fit(numbers, kind)
softmax.save_model("model/softmax.json")
told = dict(predict=softmax.predict(numbers), predict_proba=softmax.predict_proba(numbers))
tell("softmax.json", rows(numbers), **told)

several = numpy.column_stack((kind > 0, kind > 1)).astype(int)
labels = xgboost.XGBClassifier(**options).fit(numbers, several)
labels.save_model("model/labels.json")
told = dict(predict=labels.predict(numbers), predict_proba=labels.predict_proba(numbers))
tell("labels.json", rows(numbers), **told)

for name, options_, wanted in (
    ("value", {}, value),
    ("values", {}, numpy.column_stack((value, -value))),
    ("counts", {"objective": "count:poisson"}, abs(value)),
    ("dart", {"booster": "dart"}, value),
    ("linear", {"booster": "gblinear"}, value),
):
    inputs = numpy.nan_to_num(numbers) if name == "linear" else numbers
    regressor = xgboost.XGBRegressor(**options, **options_).fit(inputs, wanted)
    regressor.save_model(f"model/{name}.json")
    tell(f"{name}.json", rows(inputs), predict=regressor.predict(inputs))

ranker = xgboost.XGBRanker(**options).fit(numbers, kind, qid=numpy.arange(ROWS) // 40)
ranker.save_model("model/ranks.json")
tell("ranks.json", rows(numbers), predict=ranker.predict(numbers))

named = xgboost.DMatrix(numbers, kind > 1, feature_names=list("abcd"))
booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, named, 10)
booster.save_model("model/booster.ubj")
os.rename("model/booster.ubj", "model/booster")
both = booster.inplace_predict(numbers, validate_features=False)
asked = pandas.DataFrame(numbers, columns=list("abcd"))
tell("booster", records(asked), predict=both, predict_proba=numpy.column_stack((1 - both, both)))
"""

MODELS = (
    "customers.json",
    "kinds.ubj",
    "softmax.json",
    "labels.json",
    "value.json",
    "values.json",
    "counts.json",
    "dart.json",
    "linear.json",
    "ranks.json",
    "booster",
)


@pytest.fixture(scope="module")
def trained(libraries, train):
    return train(libraries, "xgboost", TRAIN)


@pytest.mark.parametrize("model", ["customers.json", "kinds.ubj"])
def test_a_served_model_answers_what_xgboost_answers(model, libraries, trained, start, same):
    folder, expected = trained
    same(start(libraries, folder, model), expected[model])


def test_every_objective_and_booster_answers_as_the_class_that_saved_it(libraries, trained, called):
    folder, expected = trained
    assert set(expected) == set(MODELS)
    models = called(libraries, folder / "model", expected)
    for model, told in models.items():
        assert told["format"] == "xgboost"
        assert told["answers"] == expected[model]["answers"], model
        assert set(told["methods"]) == set(expected[model]["answers"])
    assert models["kinds.ubj"]["methods"]["predict_proba"] == {
        "input": {"kind": "tensor", "dtype": "float64", "shape": [None, 4], "nullable": True},
        "output": {"kind": "tensor", "dtype": "float32", "shape": [None, 3]},
    }


def test_the_file_tells_names_categories_and_classes(libraries, trained, inspected):
    document = inspected(libraries, trained[0] / "model", "customers.json")
    assert document["format"] == "xgboost"
    assert document["libraries"]["xgboost-cpu"] == "3.2.0"
    assert {column["name"]: column["dtype"] for column in document["methods"]["predict"]["input"]["columns"]} == {
        "age": "float64",
        "orders": "float64",
        "newsletter": "bool",
        "city": "str",
        "plan": "int64",
    }
    assert document["methods"]["predict"]["output"] == {"kind": "tensor", "dtype": "int64", "shape": [None]}


def test_what_does_not_fit_is_refused_with_its_place(libraries, trained, start):
    folder, expected = trained
    server = start(libraries, folder, "customers.json")
    row = expected["customers.json"]["data"][2]
    for wrong, path in (({"city": 3}, "data[0].city"), ({"age": "old"}, "data[0].age"), ({"pets": 1}, "data[0].pets")):
        answer = server.post("/predict", {"data": [{**row, **wrong}]})
        assert (answer.status, answer.json["error"]["path"]) == (422, path)
    # XGBoost itself would answer as for the first category that it knows.
    answer = server.post("/predict", {"data": [{**row, "city": "Paris"}]})
    assert answer.status == 422
    assert "Paris" in answer.json["error"]["message"]


def test_a_file_that_was_cut_off_is_no_model(libraries, trained, refused, tmp_path):
    for name in ("value.json", "kinds.ubj"):
        content = (trained[0] / "model" / name).read_bytes()
        for size in (0, 1, 40, 400, -300, -1):
            (tmp_path / f"{size}{name}").write_bytes(content[:size])
        (tmp_path / f"other{name}").write_bytes(b'{"learner": []}')
    assert all(error["where"] == file for file, error in refused(libraries, tmp_path, "xgboost").items())


def test_rows_do_not_depend_on_their_neighbours_and_a_process_may_fork(libraries, trained, forked):
    assert forked(libraries, trained[0] / "model" / "kinds.ubj", 1) == (True, 0)


def test_without_xgboost_the_requirement_is_named(trained):
    from tagboat_server import formats
    from tagboat_server.errors import MissingLibraryError

    with pytest.raises(MissingLibraryError) as caught:
        formats.load(None, trained[0] / "model" / "booster")
    assert caught.value.requirement == "xgboost"
