"""What the package lifetimes says of customers: BG/NBD (Fader, Hardie, Lee 2005), Pareto/NBD, Gamma-Gamma.

Time is in weeks; orders of one day are one transaction, and the first one is no repeat, as these models have it.
"""

import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY
from features.money import MONEY_SCALE

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
DAYS_PER_WEEK = 7
MOST_TO_FIT = 30_000
_PENALTIES = (0.0, 0.001, 0.01, 0.1)
"""Tried in turn until the likelihood converges."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of each buyer: repeat transactions, weeks from the first to the last, weeks from the first to the cutoff, and the
    mean amount of repeat transactions. ``buyers`` are their rows in the snapshot.
    """

    buyers: NDArray[np.int64]
    repeats: Floats
    recency: Floats
    age: Floats
    amount: Floats


def summary_of(snapshot: "Snapshot") -> Summary:
    orders = snapshot.profiles.orders
    customer = np.repeat(np.arange(len(orders.offsets) - 1), np.diff(orders.offsets))
    day = orders.first_at // MICROSECONDS_PER_DAY
    width = day.max() + 1
    keys, where = np.unique(customer * width + day, return_inverse=True)
    amount = np.bincount(where, orders.amount / MONEY_SCALE)
    customers, first_entry, count = np.unique(keys // width, return_index=True, return_counts=True)
    first_day = (keys % width)[first_entry]
    last_day = (keys % width)[first_entry + count - 1]
    total = np.add.reduceat(amount, first_entry)
    repeats = (count - 1).astype(np.float64)
    age = (snapshot.as_of / MICROSECONDS_PER_DAY - first_day) / DAYS_PER_WEEK
    repeat_amount = (total - amount[first_entry]) / np.maximum(repeats, 1)
    return Summary(customers, repeats, (last_day - first_day) / DAYS_PER_WEEK, age, repeat_amount)


@dataclass(frozen=True, slots=True)
class Expectation:
    """Along the customers of the snapshot; who never bought is as good as lost."""

    alive: Floats
    spend: Floats


def expected(snapshot: "Snapshot", kind: str) -> Expectation | str:
    """The chance to be still a customer and the expected spend in the horizon, or why there is none.

    ``kind`` is ``bg_nbd`` or ``pareto_nbd``.
    """
    from lifetimes import BetaGeoFitter, ParetoNBDFitter

    known = summary_of(snapshot)
    fitter = _fitted({"bg_nbd": BetaGeoFitter, "pareto_nbd": ParetoNBDFitter}[kind], known)
    if isinstance(fitter, str):
        return fitter
    alive, spend = np.zeros(len(snapshot.profiles)), np.zeros(len(snapshot.profiles))
    arguments = (known.repeats, known.recency, known.age)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alive[known.buyers] = np.asarray(fitter.conditional_probability_alive(*arguments), np.float64)
        counts = np.asarray(
            fitter.conditional_expected_number_of_purchases_up_to_time(
                snapshot.horizon_days / DAYS_PER_WEEK, *arguments
            ),
            np.float64,
        )
        spend[known.buyers] = counts * _mean_amount(known)
    if not (np.isfinite(alive).all() and np.isfinite(spend).all()):
        return "its likelihood overflows on these histories"
    return Expectation(alive, spend)


def _fitted(fitter: Any, known: Summary) -> Any:
    rows = np.arange(len(known.buyers))
    if len(rows) > MOST_TO_FIT:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_TO_FIT, replace=False))
    return _first_fit(fitter, known.repeats[rows], known.recency[rows], known.age[rows])


def _first_fit(fitter: Any, *data: Floats) -> Any:
    """Fitted with the least penalty under which it converges, or why it does not."""
    reason = ""
    for penalty in _PENALTIES:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):  # it prints what did not converge
            warnings.simplefilter("ignore")
            try:
                return fitter(penalizer_coef=penalty).fit(*data)
            except Exception as error:  # lifetimes has its own ConvergenceError, and numpy's come through it too
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
    return f"does not converge ({reason})"


def _mean_amount(known: Summary) -> Floats:
    """Gamma-Gamma's expected amount of a transaction; the mean amount where it does not converge."""
    from lifetimes import GammaGammaFitter

    repeated = (known.repeats > 0) & (known.amount > 0)
    fitter = _first_fit(GammaGammaFitter, known.repeats[repeated], known.amount[repeated])
    if isinstance(fitter, str):
        return np.where(repeated, known.amount, float(known.amount[repeated].mean()) if repeated.any() else 0.0)
    return np.asarray(fitter.conditional_expected_average_profit(known.repeats, known.amount), np.float64)
