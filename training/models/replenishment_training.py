"""Due dates are learned from what customers had bought at one cutoff and a later one tells that they bought again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.instant import MICROSECONDS_PER_DAY
from features.replenishment import FEWEST_LINES, repurchase_interval_days
from training.models.product_knowledge import usual_gap_days
from training.models.purchase_histories import HALF_LIFE_DAYS, Floats, Integers, histories_of
from training.models.replenishment import DUE_TERMS, Replenishment, due_terms
from training.models.trees import flatten

if TYPE_CHECKING:
    from features.history import Snapshot

FEWEST_REPURCHASES = 300
MOST_PAIRS = 4
LEAST_SHARE_OF_HORIZON = 0.9
SETTINGS = {
    "objective": "regression_l1",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "max_bin": 63,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}
TREES = 60


def fit_replenishment(snapshots: "Sequence[Snapshot]", codes: Mapping[str, int], seed: int) -> Replenishment:
    """From pairs of cutoffs about a horizon apart; without trees where fewer than ``FEWEST_REPURCHASES`` are seen."""
    import lightgbm

    terms, days = [np.empty((0, len(DUE_TERMS)))], [np.empty(0)]
    for before, after in _pairs(snapshots)[-MOST_PAIRS:]:
        histories = histories_of(before.profiles, before.as_of, codes)
        entries, residual = repurchases(before, after)
        within = residual < before.horizon_days
        chosen = entries[within]
        own = repurchase_interval_days(histories.lines[chosen].astype(np.int64), histories.decayed_at_last[chosen])
        terms.append(due_terms(histories, chosen, own, usual_gap_days(histories, len(codes))))
        days.append(residual[within])
    known = np.concatenate(days)
    if known.size < FEWEST_REPURCHASES:
        return Replenishment(None)
    data = lightgbm.Dataset(np.concatenate(terms), known, feature_name=list(DUE_TERMS), params={"max_bin": 63})
    return Replenishment(flatten(lightgbm.train({**SETTINGS, "seed": seed}, data, TREES)))


def _pairs(snapshots: "Sequence[Snapshot]") -> "list[tuple[Snapshot, Snapshot]]":
    """Each cutoff with the one nearest to the end of its horizon, if that is not much before."""
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    found = []
    for before in ordered:
        horizon = before.horizon_days * MICROSECONDS_PER_DAY
        later = [s for s in ordered if s.as_of - before.as_of >= LEAST_SHARE_OF_HORIZON * horizon]
        if later:
            nearest = min(later, key=lambda s: abs(s.as_of - before.as_of - horizon))
            found.append((before, nearest))
    return found


def repurchases(before: "Snapshot", after: "Snapshot") -> tuple[Integers, Floats]:
    """The entries of ``before`` with at least ``FEWEST_LINES`` purchases that ``after`` has more of, and after how many
    days from the cutoff the first of these was.

    The later profile tells the last time; what is new in its decayed count says how long before it the others were,
    exactly of two purchases, evenly spread of more.
    """
    old, new = _matched(before, after)
    then, now = before.profiles.products, after.profiles.products
    more = now.lines[new] - then.lines[old]
    chosen = (more > 0) & (then.lines[old] >= FEWEST_LINES) & (now.last_at[new] >= before.as_of)
    old, new, more = old[chosen], new[chosen], more[chosen]
    between = (now.last_at[new] - then.last_at[old]) / MICROSECONDS_PER_DAY
    added = now.decayed[new] - then.decayed[old] * np.exp2(-between / HALF_LIFE_DAYS)
    spread = np.where(more > 2, repurchase_interval_days(more, added) * (more - 1), 0.0)
    spread = np.where(more == 2, -HALF_LIFE_DAYS * np.log2(np.clip(added - 1.0, 1e-9, 1.0)), spread)
    days = (now.last_at[new] - before.as_of) / MICROSECONDS_PER_DAY - np.nan_to_num(spread)
    return old, np.clip(days, 0.0, None)


def _matched(before: "Snapshot", after: "Snapshot") -> tuple[Integers, Integers]:
    """Places in both tables of what one customer bought of one product."""
    then, now = before.profiles, after.profiles
    number = {product: code for code, product in enumerate(now.products.vocabulary)}
    code_of = np.array([number.get(product, -1) for product in then.products.vocabulary], dtype=np.int64)
    row_of = {customer: row for row, customer in enumerate(now.customer_ids)}
    rows = np.array([row_of.get(customer, -1) for customer in then.customer_ids], dtype=np.int64)
    width = np.int64(len(number) + 1)
    keys = np.repeat(np.arange(len(now)), np.diff(now.products.offsets)) * width + now.products.code
    order = np.argsort(keys, kind="stable")
    row, code = np.repeat(rows, np.diff(then.products.offsets)), code_of[then.products.code]
    wanted = row * width + code
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = np.flatnonzero((row >= 0) & (code >= 0) & (keys[order][at] == wanted))
    return found, order[at[found]]
