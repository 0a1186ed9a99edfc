"""Requests that arrive together share a call of the model, and each gets its own answer."""

import asyncio
import concurrent.futures

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagboat_server.batching import LARGEST, Asked, Batches, groups
from tagboat_server.codecs import Input
from tagboat_server.exact import Table


def together(run, inputs):
    """The answers, or the errors, of requests that arrive in one turn; and the sizes of the batches."""
    sizes = []

    async def ask():
        batches = Batches(run, sizes.append)
        return await asyncio.gather(*(batches.answer(each) for each in inputs), return_exceptions=True)

    return asyncio.run(ask()), sizes


def array(*numbers):
    return Input(numpy.array([[number] for number in numbers], dtype=float), len(numbers))


async def doubled(taken):
    return taken.value[:, 0] * 2


def test_requests_of_one_turn_are_one_call():
    answers, sizes = together(doubled, [array(1), array(2, 3), array(4)])
    assert [answer.tolist() for answer in answers] == [[2], [4, 6], [8]]
    assert sizes == [3]


def test_a_request_alone_waits_for_nobody():
    answers, sizes = together(doubled, [array(5)])
    assert answers[0].tolist() == [10]
    assert sizes == [1]


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=5), min_size=1, max_size=40))
@settings(deadline=None)
def test_every_caller_gets_the_answers_to_its_own_rows(requests):
    answers, _ = together(doubled, [array(*rows) for rows in requests])
    assert [answer.tolist() for answer in answers] == [[2 * number for number in rows] for rows in requests]


def test_one_bad_request_fails_alone():
    async def picky(taken):
        if (taken.value < 0).any():
            raise ValueError("negative")
        return taken.value[:, 0]

    answers, _ = together(picky, [array(1), array(-1), array(3)])
    assert answers[0].tolist() == [1]
    assert isinstance(answers[1], ValueError)
    assert answers[2].tolist() == [3]


def test_an_answer_that_cannot_be_taken_apart_is_asked_for_one_by_one():
    async def total(taken):
        return {"sum": float(taken.value.sum())}

    answers, _ = together(total, [array(1, 2), array(3)])
    assert answers == [{"sum": 3.0}, {"sum": 3.0}]


def test_several_outputs_are_taken_apart_each():
    async def both(taken):
        return [taken.value[:, 0], -taken.value[:, 0]]

    answers, _ = together(both, [array(1), array(2, 3)])
    assert [[part.tolist() for part in answer] for answer in answers] == [[[1], [-1]], [[2, 3], [-2, -3]]]


def waiting(*inputs):
    return [Asked(each, None) for each in inputs]


def test_unlike_inputs_are_batches_of_their_own():
    plain = [Input(numpy.zeros((1, 2)), 1), Input(numpy.zeros((1, 2), "float32"), 1), Input(numpy.zeros((3, 2)), 3)]
    asked = waiting(*plain, Input(Table(numpy.zeros((1, 2))), 1))
    assert sorted(len(group) for group in groups(asked)) == [1, 1, 2]


def test_batches_are_bounded_but_for_one_request():
    asked = waiting(*(Input(numpy.zeros((rows, 1)), rows) for rows in (LARGEST, 1, LARGEST * 3, 1)))
    assert [sum(each.taken.rows for each in group) for group in groups(asked)] == [LARGEST, 1, LARGEST * 3, 1]


@pytest.mark.slow
def test_answers_go_to_their_callers_under_load(serve, bundle_of, tmp_path):
    from sklearn.ensemble import RandomForestRegressor

    generator = numpy.random.default_rng(0)
    rows = generator.normal(size=(400, 4))
    model = RandomForestRegressor(20, random_state=0).fit(rows, generator.normal(size=400))
    server = serve(bundle_of(tmp_path, model), settings={"access-log": False})
    wanted = model.predict(rows).tolist()

    def ask(start):
        connection = server.connect()
        found = []
        for place in range(start, 400, 16):
            found.append((place, server.post("/predict", {"data": [rows[place].tolist()]}).json["predictions"][0]))
        connection.close()
        return found

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = [pair for pairs in pool.map(ask, range(16)) for pair in pairs]
    assert sorted(found) == list(enumerate(wanted))


def test_a_bad_row_in_company_is_refused_alone(serve, forest_bundle):
    server = serve(forest_bundle)
    good = {"data": [[5.1, 3.5, 1.4, 0.2]]}
    bad = {"data": [[1e300, 3.5, 1.4, 0.2]]}

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda sent: server.post("/predict", sent).status, [good, bad] * 20))
    assert answers == [200, 422] * 20
