"""Which of the offers that may be made are drawn among; whatever is left out here is refused, with its reason.

What a menu must not hold together is settled before the draw: of offers that are alike only the best stay. Then any
menu of those that are left is allowed, and the probabilities of what can be drawn stay exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.offer_evaluation import Case, Evaluated
from serving.ranking import best, refuse_others, refuse_ranked
from serving.refusal import Codes, Refusal
from serving.rule_table import Labelled

Floats = NDArray[np.float64]
_FIRST_PASS = int(Refusal.FIRST_PASS)
_FIRST_PASS_SINCE = 2
"""The edition of policies that counts what the first pass leaves out."""


class Shortlist(NamedTuple):
    """``rows`` by falling score, ``pinned`` those of them that stand first, in their order."""

    rows: list[int]
    pinned: list[int]
    diversity_price: float


def shortlisted(case: Case, evaluated: Evaluated) -> Shortlist:
    """The best offers that may be made, and those that are pinned; all others are refused."""
    codes, scores = evaluated.codes, evaluated.scores
    pinned = _pinned(evaluated)
    price = _keep_apart(case, evaluated, pinned) if case.request.limit > 1 else 0.0
    pinned = [row for row in pinned if codes[row] == 0][: evaluated.most]
    most = max(case.policy.shortlist, case.request.limit)
    found = best(codes, scores, most)
    rows: list[int] = found.tolist()
    if pinned and not set(rows).issuperset(pinned):
        rows += [row for row in pinned if row not in rows]
        found = np.array(rows, dtype=np.int64)
    if case.policy.edition >= _FIRST_PASS_SINCE and codes.size > len(rows):
        refuse_others(codes, found, _FIRST_PASS)
    return Shortlist(rows, pinned, price)


def _pinned(evaluated: Evaluated) -> list[int]:
    table = evaluated.table
    if table is None or not table.pins:
        return []
    rows = [row for moment, row in table.pins if evaluated.holds[moment] and evaluated.codes[row] == 0]
    return list(dict.fromkeys(rows))


def _keep_apart(case: Case, evaluated: Evaluated, pinned: Sequence[int]) -> float:
    """Refuse what a menu has no place for beside better offers; what the limit on categories costs the best menu."""
    table, codes = evaluated.table, evaluated.codes
    alike = [(Labelled(case.offers.group, 1), Refusal.EXCLUSIVE_GROUP)] if case.offers.has_groups else []
    if table is not None:
        alike += [(group, Refusal.EXCLUSIVE_GROUP) for group in table.groups]
    alike += [(group, Refusal.OFFERED_ENOUGH) for group in evaluated.within]
    if alike:
        _refuse_alike(codes, evaluated.scores, pinned, alike)
    most = case.policy.most_per_category
    if not most or table is None:
        return 0.0
    before = _value_of_best(case, evaluated, pinned)
    _refuse_alike(codes, evaluated.scores, pinned, [*alike, (Labelled(table.categories, most), Refusal.DIVERSITY)])
    return before - _value_of_best(case, evaluated, pinned)


def _value_of_best(case: Case, evaluated: Evaluated, pinned: Sequence[int]) -> float:
    """What the best menu is expected to bring."""
    first = [row for row in pinned if evaluated.codes[row] == 0]
    ranked = best(evaluated.codes, evaluated.scores, evaluated.most + len(first)).tolist()
    rest = [row for row in ranked if row not in first and evaluated.scores[row] > case.policy.least_value]
    return float(evaluated.values.expected_value[[*first, *rest][: evaluated.most]].sum())


def _refuse_alike(
    codes: Codes, scores: Floats, pinned: Sequence[int], alike: Sequence[tuple[Labelled, Refusal]]
) -> None:
    left = np.flatnonzero(codes == 0)
    ranked = left[np.argsort(-scores[left], kind="stable")]
    if pinned:
        ranked = np.concatenate([np.array(pinned, dtype=np.int64), ranked[~np.isin(ranked, pinned)]])
    refuse_ranked(
        codes,
        ranked,
        np.stack([labelled.labels for labelled, _ in alike]),
        np.array([labelled.most for labelled, _ in alike], dtype=np.int64),
        np.array([int(refusal) for _, refusal in alike], dtype=np.int8),
    )
