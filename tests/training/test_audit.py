"""Past campaigns judged from a file: of a world in which it is known what offers did, and who was chosen why."""

import csv
import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR
from lagniappe import application as command
from training.audit.waves import Log, wave_starts

CUSTOMERS, DAYS, FIRST_WAVE = 1_500, 140, 56
EFFECT = 0.25
"""Of the treated so many buy once more within 20 days."""


def write_world(path: Path, *, at_random: bool = False, discounts: bool = True) -> float:
    """Who bought often and lately is chosen; returns the true effect on the share of the treated who buy."""
    generator = np.random.default_rng(3)
    rate, last, count = generator.gamma(1.2, 0.03, CUSTOMERS), np.full(CUSTOMERS, -999.0), np.zeros(CUSTOMERS)
    extra, rows, gains = np.zeros((CUSTOMERS, DAYS + 30)), [], []
    start = datetime(2025, 1, 1, tzinfo=UTC)
    for day in range(DAYS):
        if day >= FIRST_WAVE and day % 14 == 0:
            score = 0.0 if at_random else 0.8 * np.log1p(count) - 0.02 * np.clip(day - last, 0, 200)
            chosen = generator.random(CUSTOMERS) < 1 / (1 + np.exp(-(score - np.median(score) - 0.5)))
            for customer in np.flatnonzero(chosen):
                rows.append(("offer_presented", customer, start + timedelta(days=day, hours=9), "", "tenth", ""))
                moved = generator.random() < EFFECT
                extra[customer, day + generator.integers(1, 20)] += moved
                gains.append(EFFECT * (1 - rate[customer]) ** 28)
        bought = (generator.random(CUSTOMERS) < rate) | (extra[:, day] > 0)
        for customer in np.flatnonzero(bought):
            discount = f"{2.5:.2f}" if discounts and day >= FIRST_WAVE else ""
            rows.append(("purchase", customer, start + timedelta(days=day, hours=12), "30.00", "", discount))
        last[bought], count[bought] = day, count[bought] + 1
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["event_id", "type", "customer_id", "occurred_at", "amount", "offer_id", "discount_amount"])
        for number, (kind, customer, at, amount, offer, discount) in enumerate(rows):
            writer.writerow([number, kind, f"c{customer}", at.isoformat(), amount, offer, discount])
    return float(np.mean(gains))


def audited(folder: Path, capsys: pytest.CaptureFixture[str], *further: str) -> dict[str, Any]:
    asked = ["audit", "--events", str(folder / "events.csv"), "--out", str(folder / "audit.html")]
    command([*asked, "--json", *further], standalone_mode=False)
    return dict(json.loads(capsys.readouterr().out))


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, dict[str, Any]]:
    """The folder, the truth and the findings of a world in which customers were chosen by what they bought."""
    folder = tmp_path_factory.mktemp("biased")
    truth, told = write_world(folder / "events.csv"), io.StringIO()
    asked = ["audit", "--events", str(folder / "events.csv"), "--out", str(folder / "audit.html"), "--json"]
    with redirect_stdout(told):
        command(asked, standalone_mode=False)
    return folder, truth, json.loads(told.getvalue())


def test_what_choosing_did_is_told_from_what_offers_did(biased: tuple[Path, float, dict[str, Any]]) -> None:
    _, truth, found = biased

    selection = found["selection"]
    assert selection["auc"] > 0.6
    assert selection["adjusted"]["low"] < truth < selection["adjusted"]["high"]
    assert selection["naive"]["low"] > truth
    assert abs(selection["adjusted"]["value"] - truth) < abs(selection["naive"]["value"] - truth) / 3
    assert found["unknown"][0].startswith("Whether any offer changed anything.")


def test_chosen_by_chance_looks_like_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write_world(tmp_path / "events.csv", at_random=True)

    selection = audited(tmp_path, capsys)["selection"]

    assert 0.45 < selection["auc"] < 0.55
    assert selection["naive"]["low"] < truth < selection["naive"]["high"]


def test_what_went_to_sure_buyers_adds_up(biased: tuple[Path, float, dict[str, Any]]) -> None:
    sure = biased[2]["sure_buyers"]

    assert sum(band["cost"] for band in sure["bands"]) == pytest.approx(sure["cost"])
    assert 0 < sure["cost_of_sure"] < sure["wasted"] < sure["cost"]
    rates = [band["bought"] for band in sure["bands"] if band["treatments"] > 50]
    assert rates == sorted(rates)


def test_how_long_an_experiment_takes_does_not_hang_on_how_many_customers_are_looked_at(
    biased: tuple[Path, float, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, of_all = biased
    monkeypatch.setattr("training.audit.command.MOST_CUSTOMERS", CUSTOMERS // 3)

    of_some = audited(folder, capsys)

    designs = [found["randomisation"]["designs"][0] for found in (of_all, of_some)]
    treated = [design["customers"] / design["weeks"] for design in designs]
    assert treated[1] == pytest.approx(treated[0], rel=0.15)
    assert any("were drawn by chance" in one for one in of_some["unknown"])
    assert not any("were drawn by chance" in one for one in of_all["unknown"])


def test_a_wave_begins_with_the_week_in_which_its_customers_were_treated() -> None:
    day = MICROSECONDS_PER_DAY
    late, early = 100 * day + 23 * MICROSECONDS_PER_HOUR, 107 * day + MICROSECONDS_PER_HOUR
    log = Log(
        customers=np.array(["first", *(f"c{number}" for number in range(60))], dtype=object),
        times=np.array([late, *[early] * 60]),
        treatment="offer_presented", controls=0, with_propensity=0, accepted=0, treated_ever=61, buyers=1,
        first_at=0, last_at=200 * day, names_offers=False, discounts=0.0,
    )  # fmt: skip

    assert wave_starts(log, 28) == [107 * day]


def test_costs_that_the_log_does_not_say_are_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_world(tmp_path / "events.csv", at_random=True, discounts=False)

    found = audited(tmp_path, capsys)

    assert found["sure_buyers"]["cost"] == 0
    assert "What the offers cost: no purchase says its discount_amount." in found["unknown"]


def test_where_everybody_was_treated_nothing_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = [f"2025-{1 + day // 28:02}-{1 + day % 28:02}" for day in range(0, 140, 9)]
    rows = [f"p{n}-{day},purchase,c{n},{day},5," for n in range(80) for day in days]
    rows += [f"o{n},offer_presented,c{n},2025-03-01,,a" for n in range(80)]
    (tmp_path / "events.csv").write_text("\n".join(["event_id,type,customer_id,occurred_at,amount,offer_id", *rows]))

    found = audited(tmp_path, capsys)

    assert "customers who were not treated: got 0, expected at least 50" in found["error"]["message"]


def test_the_page_says_all_of_it(biased: tuple[Path, float, dict[str, Any]]) -> None:
    folder, _, found = biased

    page = (folder / "audit.html").read_text()
    titles = ("Who was chosen", "Spent on probable sure buyers", "What cannot be known", "The cheapest randomisation")
    assert all(title in page for title in titles)
    assert found["randomisation"]["best"] in found["randomisation"]["designs"]
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1,purchase,c1,2025-01-01,5,", "events of offers: got 0"),
        ("1,offer_presented,c1,2025-01-01,,a", "purchases: got 0"),
        ("1,offer_presented,c1,2025-01-01,,a\n2,purchase,c1,2025-01-02,5,", "customers treated in some week: got 0"),
        ("1,nonsense,c1,2025-01-01,,", "expected events that can be read; rejected rows are in"),
        ("", "expected events that can be read, of which there is none"),
    ],
)
def test_a_log_that_tells_nothing_is_refused(
    rows: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.csv").write_text(f"event_id,type,customer_id,occurred_at,amount,offer_id\n{rows}\n")

    found = audited(tmp_path, capsys)

    assert expected in found["error"]["message"]
    assert not (tmp_path / "audit.html").exists()
