"""The measures of the decisions' benchmark, against values worked by hand and worlds whose truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from benchmarks import decisions
from benchmarks.decisions_data import logged_offers, rows_of
from benchmarks.decisions_policies import compare_policies
from benchmarks.decisions_references import LEARNERS
from benchmarks.decisions_uplift import curves, folds, row_of
from features.presented_terms import Outcome
from training.models.offer_response import CONTROL, Presentations

EVERYBODY = np.ones((1, 4))
NOISE = 4


def drawn(count: int, outcome: Outcome = Outcome.VIEW) -> Presentations:
    """Two offers and nothing: of two kinds of customers each answers one offer; other columns are noise."""
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 2, count)
    customers = np.column_stack([kind, generator.normal(size=(count, NOISE))])
    offer = generator.integers(CONTROL if outcome is Outcome.VIEW else 0, 2, count)
    response = (generator.random(count) < np.where(offer == kind, 0.6, 0.1)).astype(float)
    numbers = np.arange(count)
    propensity = np.full(count, 1 / 3 if outcome is Outcome.VIEW else 1 / 2)
    return Presentations(
        customers, offer, propensity, response, numbers, numbers, np.eye(2), ("a", "b"),
        ("kind", *(f"noise {number}" for number in range(NOISE))), ("is a", "is b"), outcome,
    )  # fmt: skip


def test_qini_and_area_are_those_worked_by_hand() -> None:
    """Shown and yes, nothing and no, shown and no, nothing and yes: gains 1, 1, 1, 0; no line to the end of 0."""
    response, shown = np.array([1.0, 0.0, 0.0, 1.0]), np.array([True, False, True, False])

    qini, area = curves(np.array([4.0, 3.0, 2.0, 1.0]), response, shown, EVERYBODY)

    assert qini == pytest.approx([3 / 4 / 2])
    assert area == pytest.approx([(1 / 4 + 2 / 4 + 3 / 8 + 0.0) / 4])


def test_customers_drawn_twice_count_twice() -> None:
    response, shown = np.array([1.0, 0.0, 0.0, 1.0]), np.array([True, False, True, False])
    uplift = np.array([4.0, 3.0, 2.0, 1.0])

    weighted = curves(uplift, response, shown, np.array([[2.0, 2.0, 2.0, 2.0]]))

    assert weighted[1] == pytest.approx([(1 / 4 + 2 / 4 + 3 / 8 + 0.0) / 4])


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "random"])
def test_every_learner_finds_who_answers(name: str) -> None:
    """Kind 1 answers both offers, kind 0 neither."""
    presentations = drawn(6_000)
    answers = (presentations.offer != CONTROL) & (presentations.customers[:, 0] == 1)
    chance = np.where(answers, 0.6, 0.1)
    told = replace(presentations, response=(np.random.default_rng(1).random(6_000) < chance).astype(float))

    uplift = LEARNERS[name](told, np.eye(2, 1 + NOISE, k=-1))

    assert uplift.shape == (2, 2)
    assert (uplift[1] > uplift[0] + 0.2).all()


def test_folds_keep_persons_together() -> None:
    person = np.array([3, 1, 3, 2, 1, 0])

    fold = folds(person, np.random.default_rng(0))

    assert fold[0] == fold[2]
    assert fold[1] == fold[4]


def test_interval_is_of_the_difference() -> None:
    theirs = np.array([1.0, 1.0, 2.0, 3.0])

    row = row_of("data", "metric", "reference", theirs + 0.5, theirs)

    assert (row.low, row.high, row.verdict) == (0.5, 0.5, "better")


def test_policy_for_each_customer_beats_one_offer_for_all() -> None:
    found = list(compare_policies("world", drawn(4_000, Outcome.ACCEPTED), np.array([1.0, 2.0])))

    values = {(each.metric, each.policy): each for each in found if hasattr(each, "policy")}
    own, single = values["acceptances a decision", "ours"], values["acceptances a decision", "best single offer"]
    assert own.low < 0.6 < own.high
    assert single.low < 0.35 < single.high


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three customers, one of them shown nothing."""
    with duckdb.connect() as connection:
        customers = "select unnest(['u', 'v', 'w']) as customer_id, unnest([1, 2, null]) as visits"
        connection.sql(customers).write_parquet(str(tmp_path / "customers.parquet"))
        events = """
            select * from (values ('offer_presented', 'u', 'a', 'd1', 0.5, null), ('view', 'u', null, null, null, null),
            ('offer_presented', 'v', 'none', 'd2', 0.5, null), ('purchase', 'v', null, null, null, 7.5),
            ('offer_presented', 'w', 'b', 'd3', 0.5, null), ('offer_accepted', 'w', 'b', 'd3', null, null))
            as t(type, customer_id, offer_id, decision_id, propensity, amount), (select now() as occurred_at)
        """
        connection.sql(events).write_parquet(str(tmp_path / "events.parquet"))
    return tmp_path


@pytest.mark.parametrize(
    ("outcome", "response"),
    [(Outcome.VIEW, [1.0, 0.0, 0.0]), (Outcome.SPEND, [0.0, 7.5, 0.0]), (Outcome.ACCEPTED, [0.0, 0.0, 1.0])],
)
def test_responses_are_read_as_logged(folder: Path, outcome: Outcome, response: list[float]) -> None:
    presentations = logged_offers(folder, outcome)

    assert presentations.response.tolist() == response
    assert presentations.offer.tolist() == [0, CONTROL, 1]
    assert presentations.customers[:2, 0].tolist() == [1.0, 2.0]
    assert rows_of(presentations, np.array([2])).response.tolist() == response[2:]


def test_what_is_not_there_is_said_in_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decisions.main(["--data", str(tmp_path), "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert {each["kind"] for each in told} == {"skipped"}
