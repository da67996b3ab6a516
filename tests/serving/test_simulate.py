"""The loop in a world with a known truth: its document, its comparison, its budget, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from typer.testing import CliRunner

from experiments.world import NOTHING, begin, make_world
from experiments.world_effects import true_effects
from experiments.world_terms import ContactTruth, OfferTruth, WorldTerms
from lagniappe import application
from serving.proof.course import Course
from serving.proof.ledger import open_ledger, rationed
from serving.proof.loop import certainly
from serving.proof.rivals import Morning, always, at_random, best_at, clearing_price, cost_of, nothing, oracle
from serving.proof.schedule import fewest_days, schedule

POLICIES = ["nothing", "random", "most-popular", "greedy-response", "ours", "oracle"]
SMALL = ["simulate", "--customers", "150", "--days", "28", "--seed", "2", "--json"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    page = tmp_path_factory.mktemp("page") / "simulate.html"
    found = CliRunner().invoke(application, [*SMALL, "--out", str(page)])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout), page.read_text()


def test_the_document_is_that_of_the_contract(simulated: tuple[dict[str, Any], str]) -> None:
    told, _ = simulated

    assert list(told) == ["policies", "experiment", "budget"]
    assert [row["policy"] for row in told["policies"]] == POLICIES
    assert {tuple(row) for row in told["policies"]} == {
        ("policy", "incremental_margin_per_customer", "low", "high", "cost_per_customer", "offers_per_customer")
    }
    assert 0 <= told["budget"]["spent"] <= told["budget"]["limit"]


def test_nothing_adds_nothing_and_nobody_earns_more_than_the_oracle(simulated: tuple[dict[str, Any], str]) -> None:
    added = {row["policy"]: row["incremental_margin_per_customer"] for row in simulated[0]["policies"]}

    assert added["nothing"] == 0
    assert max(added, key=lambda policy: added[policy]) == "oracle"


def test_the_experiment_has_the_truth_beside_it(simulated: tuple[dict[str, Any], str]) -> None:
    told = simulated[0]["experiment"]

    assert sum(told["units"].values()) == 150
    assert told["covers_true_difference"] == (told["low"] <= told["true_difference"] <= told["high"])


def test_the_page_tells_of_every_policy_and_needs_nothing_else(simulated: tuple[dict[str, Any], str]) -> None:
    page = simulated[1]

    assert all(policy in page for policy in POLICIES)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_same_seed_tells_the_same(simulated: tuple[dict[str, Any], str]) -> None:
    assert json.loads(CliRunner().invoke(application, SMALL).stdout) == simulated[0]


@pytest.mark.parametrize(
    ("words", "field", "expected"),
    [
        (["--customers", "0", "--days", "60", "--seed", "1"], "customers", "got 0, expected a whole number from 10"),
        (["--customers", "50", "--days", "-3", "--seed", "1"], "days", "got -3, expected a whole number from 28"),
        (["--customers", "50", "--days", "27", "--seed", "1"], "days", "14 to learn in and the last 14 to compare on"),
        (["--customers", "50", "--days", "60", "--seed", "-1"], "seed", "a whole number from 0"),
        (
            ["--customers", "50", "--days", "60", "--seed", "1", "--world", "missing.yaml"],
            "world",
            "'missing.yaml', expected a readable file",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(words: list[str], field: str, expected: str) -> None:
    found = CliRunner().invoke(application, ["simulate", *words, "--json"])

    assert found.exit_code == 1
    assert json.loads(found.stdout)["error"]["field"] == field
    assert expected in json.loads(found.stdout)["error"]["message"]


def test_an_unknown_key_of_a_world_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text("offers: [{offer_id: a, upift: 0.1}]\n")

    found = CliRunner().invoke(
        application,
        ["simulate", "--customers", "50", "--days", "60", "--seed", "1", "--world", f"{tmp_path}/world.yaml"],
    )

    assert found.exit_code == 1
    assert "offers[0].upift: got 0.1, expected one of the names offer_id" in found.stderr


def morning(allotment: float, *offers: OfferTruth, customers: int = 400) -> Morning:
    """One on which everybody is decided for."""
    terms = WorldTerms(contact=ContactTruth(every_days=1, valid_days=1))
    made = make_world(structs.replace(terms, offers=offers) if offers else terms, customers, seed=1)
    state, everybody = begin(made), np.arange(customers)
    return Morning(made, state, 0, everybody, true_effects(made, state, 0, everybody), allotment)


def test_the_oracle_earns_most_of_all_within_the_allotment() -> None:
    asked = morning(allotment=20.0)

    def outcome(offers: np.ndarray) -> tuple[float, float]:
        return cost_of(asked.effects.value, offers).sum(), cost_of(asked.effects.cost, offers).sum()

    worth, cost = outcome(oracle(asked))

    assert cost <= 20.0
    for choose in (nothing, at_random, *(always(number) for number in range(len(asked.world.terms.offers)))):
        others_worth, others_cost = outcome(choose(asked))
        assert others_cost <= 20.0
        assert worth > others_worth


def test_the_price_of_the_budget_is_that_at_which_it_is_just_spent() -> None:
    effects = morning(allotment=0.0).effects

    def spent(price: float) -> float:
        return float(cost_of(effects.cost, best_at(effects.value, effects.cost, price)).sum())

    price = clearing_price(effects.value, effects.cost, 20.0)

    assert spent(price) <= 20.0 < spent(price * 0.99)
    assert clearing_price(effects.value, effects.cost, 1e9) == 0.0


def test_with_money_enough_the_oracle_makes_each_the_best_offer() -> None:
    asked = morning(allotment=1e9)

    assert cost_of(asked.effects.value, oracle(asked)).sum() == pytest.approx(
        np.maximum(asked.effects.value.max(axis=1), 0.0).sum()
    )


def test_an_allotment_reaches_those_who_come_first() -> None:
    kept = rationed(np.array([0, 0, NOTHING, 0]), np.array([1.0, 1.0, 5.0, 1.0]), 2.0, np.array([3, 2, 1, 0]))

    assert kept.tolist() == [NOTHING, 0, NOTHING, 0]


@pytest.mark.parametrize("budget", [0.0, 0.001, 0.01])
def test_no_budget_is_ever_passed(budget: float) -> None:
    """Not even by offers to everybody whose allotment knows no bounds."""
    made = make_world(WorldTerms(budget=budget), 300, seed=1)
    course = Course(made, begin(made), open_ledger(made, 30))
    course.ledger.per_day = 1e9

    for day in range(30):
        course.live(day, certainly(always(3)))

    assert course.ledger.charged <= course.ledger.limit
    assert (course.ledger.charged > 0) == (budget > 0)


@pytest.mark.parametrize("every_days", [1, 7, 14, 30])
def test_a_schedule_has_decisions_to_judge_and_days_to_compare_on(every_days: int) -> None:
    for days in (fewest_days(every_days), 60 + fewest_days(every_days)):
        plan = schedule(days, every_days)

        assert 0 < plan.tested_from < plan.switch <= plan.fork == days - 14
