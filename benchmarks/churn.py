"""Churn beside recency, recency over the mean gap, BG/NBD and a logistic regression on RFM."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.buy_till_you_die import expected
from benchmarks.cases import Case
from benchmarks.comparison import OURS, Answers, Bound, Finding, Measure, Skipped, compare
from features.vector import FEATURES
from training.errors import NotEnoughData
from training.metrics import area_under_curve, average_precision, expected_calibration_error, log_loss
from training.models.churn import ChurnModel, churned

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
MODEL = "churn"
RANKS = (Measure("auc", area_under_curve), Measure("average_precision", average_precision))
CHANCES = (Measure("log_loss", log_loss, is_higher_better=False),)
CALIBRATION = (Measure("expected_calibration_error", expected_calibration_error, is_higher_better=False),)
LARGEST_CALIBRATION_ERROR = 0.02
NOISE_DRAWS = 200
NEVER_DAYS = 10_000.0
_RFM = [FEATURES.index(name) for name in ("days_since_last_order", "orders", "spend")]


def compare_churn(cases: Sequence[Case]) -> Iterator[Finding]:
    answers = []
    for case in cases:
        try:
            model = ChurnModel.fit(case.training, {}, seed=0)
        except NotEnoughData as error:
            yield Skipped(case.data, MODEL, f"{case.label}: {error}")
            continue
        actual = churned(case.test)
        predicted = {OURS: model.predict(case.test.features, case.test.as_of)}
        for name, chance in references(case).items():
            if isinstance(chance, str):
                yield Skipped(case.data, MODEL, f"{case.label}: {name} {chance}")
            else:
                predicted[name] = chance
        yield _calibration(case, actual, predicted[OURS])
        answers.append(Answers(case.label, case.test.profiles.customer_ids, actual, predicted))
    if answers:
        yield from compare(cases[0].data, MODEL, (*RANKS, *CHANCES, *CALIBRATION), answers)


def references(case: Case) -> dict[str, Floats | str]:
    """The chance of churn by each, or why there is none.

    A score that is no chance is made one by a logistic regression on the newest training cutoff, which keeps ranks.
    """
    newest = max(case.training, key=lambda snapshot: snapshot.as_of)
    found: dict[str, Floats | str] = {}
    for name, score in (("days_since_last_purchase", _recency), ("recency_over_mean_gap", _over_gap)):
        found[name] = _as_chance(score(newest), churned(newest), score(case.test))
    then, now = expected(newest, "bg_nbd"), expected(case.test, "bg_nbd")
    if isinstance(then, str) or isinstance(now, str):
        found["bg_nbd"] = then if isinstance(then, str) else str(now)
    else:
        found["bg_nbd"] = _as_chance(_log_odds(then.alive), churned(newest), _log_odds(now.alive))
    found["logistic_rfm"] = _logistic_rfm(case)
    return found


def _recency(snapshot: "Snapshot") -> Floats:
    days = np.nan_to_num(snapshot.features[:, FEATURES.index("days_since_last_order")], nan=NEVER_DAYS)
    return np.asarray(np.log1p(days), np.float64)


def _over_gap(snapshot: "Snapshot") -> Floats:
    """Of those with a single order over the mean gap of the others."""
    gap = snapshot.features[:, FEATURES.index("mean_gap_days")]
    everyone = np.nanmean(gap) if np.isfinite(gap).any() else 30.0
    days = np.nan_to_num(snapshot.features[:, FEATURES.index("days_since_last_order")], nan=NEVER_DAYS)
    return np.asarray(np.log1p(days / np.maximum(np.nan_to_num(gap, nan=everyone), 0.5)), np.float64)


def _log_odds(alive: Floats) -> Floats:
    kept = np.clip(alive, 1e-9, 1 - 1e-9)
    return np.asarray(-np.log(kept / (1 - kept)), np.float64)


def _as_chance(score: Floats, outcome: Floats, asked: Floats) -> Floats:
    return _regression(score[:, None], outcome, asked[:, None])


def _logistic_rfm(case: Case) -> Floats:
    def columns(snapshot: "Snapshot") -> Floats:
        rfm = np.nan_to_num(snapshot.features[:, _RFM], nan=0.0)
        rfm[:, 0] = np.expm1(_recency(snapshot))
        return np.asarray(np.log1p(np.maximum(rfm, 0.0)), np.float64)

    taught = np.concatenate([columns(snapshot) for snapshot in case.training])
    outcome = np.concatenate([churned(snapshot) for snapshot in case.training])
    return _regression(taught, outcome, columns(case.test))


def _regression(columns: Floats, outcome: Floats, asked: Floats) -> Floats:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, max_iter=1000)).fit(columns, outcome)
    return np.asarray(fitted.predict_proba(asked)[:, 1], np.float64)


def _calibration(case: Case, actual: Floats, chance: Floats) -> Bound:
    """The error may exceed by 0.02 what the true chances themselves would show on as many customers."""
    generator = np.random.default_rng(0)
    floor = np.mean(
        [
            expected_calibration_error((generator.random(len(chance)) < chance).astype(float), chance)
            for _ in range(NOISE_DRAWS)
        ]
    )
    note = f"noise floor {floor:.4f}; mean predicted {chance.mean():.3f}, actual {actual.mean():.3f}"
    error = expected_calibration_error(actual, chance)
    limit = LARGEST_CALIBRATION_ERROR + float(floor)
    return Bound(case.data, MODEL, "expected_calibration_error", case.label, error, 0.0, limit, note)


if __name__ == "__main__":
    from benchmarks.models import main

    sys.exit(main([*sys.argv[1:], "--model", MODEL]))
