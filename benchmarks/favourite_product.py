"""Favourite products beside the references, and what is new to a customer beside what they would list of such.

Recall, NDCG and PHR at 10 of the next basket, each also of its repeated and its explored products alone (Li et al.,
TOIS 2023), and the share of the catalogue that is on any list.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.comparison import OURS, Answers, Bound, Finding, Measure, Skipped, compare
from benchmarks.favourite_references import K, Lists, references, references_of_new
from benchmarks.replenishment import MEASURES as DUE_MEASURES
from benchmarks.replenishment import due_answers
from features.events import DEFAULT_BRAND
from features.history import Snapshot
from features.store import Store
from training.errors import NotEnoughData
from training.models.favourite_product import FavouriteProductModel, RankedProducts
from training.ranking_metrics import normalised_discounted_gain, personal_hit, recall

MODEL = "favourite-product"
METRICS: dict[str, Callable[[Sequence[str], Collection[str], int], float]] = {
    "recall": recall,
    "ndcg": normalised_discounted_gain,
    "phr": personal_hit,
}
PARTS = ("", "repeat ", "explore ")
COVERAGE = "catalogue coverage"
NAMES = [f"{part}{metric}@{K}" for part in PARTS for metric in METRICS]
MOST_TRAINING_SECONDS = 300.0
NEW = "new to the customer: "


def compare_favourites(
    cases: Sequence[Case], store: Store | None = None, brand: str = DEFAULT_BRAND
) -> Iterator[Finding]:
    """Rows of every case and of all together; the data of the first case names them.

    Due dates are compared where the ``store`` is given that the cases come from: only its log tells when each product
    was bought again.
    """
    answers, new, due, seconds = [], [], [], []
    for case in cases:
        try:
            model, taken = _trained(case)
        except NotEnoughData as error:
            yield Skipped(case.data, MODEL, f"{case.label}: {error}")
            continue
        seconds.append(taken)
        answers.append(_answers(case, model))
        new.append(_answers_of_new(case, model))
        if store is not None:
            due.append(due_answers(case, model, store, brand))
    if not answers:
        return
    data = cases[0].data
    yield Bound(data, MODEL, "training seconds", "longest", max(seconds), 0.0, MOST_TRAINING_SECONDS)
    yield from compare(data, MODEL, measures(), answers)
    yield from compare(data, MODEL, measures_of_new(), new)
    if any(len(each.actual) for each in due):
        yield from compare(data, MODEL, DUE_MEASURES, [each for each in due if len(each.actual)])
    else:
        yield Skipped(data, MODEL, "due dates: no log of dated repeats of at least three gaps")


def _trained(case: Case) -> tuple[FavouriteProductModel, float]:
    """And the seconds that it took."""
    start = time.perf_counter()
    model = FavouriteProductModel.fit(case.training, {}, seed=0)
    return model, time.perf_counter() - start


def measures() -> list[Measure]:
    """Of arrays with a column for each of ``NAMES``, then the numbers of the products of the list (-1: none).

    ``actual`` is the size of the catalogue, of each customer.
    """
    means = [Measure(name, partial(_mean, column=column)) for column, name in enumerate(NAMES)]
    return [*means, Measure(COVERAGE, _coverage)]


def measures_of_new() -> list[Measure]:
    """Of the same arrays: lists of products never bought before find explored products or nothing."""
    explored = [column for column, name in enumerate(NAMES) if name.startswith("explore ")]
    means = [Measure(f"{NEW}{NAMES[column]}", partial(_mean, column=column)) for column in explored]
    return [*means, Measure(f"{NEW}{COVERAGE}", _coverage)]


def _mean(_: Any, values: Any, *, column: int) -> float:
    known = values[:, column][np.isfinite(values[:, column])]
    return float(known.mean()) if known.size else float("nan")


def _coverage(catalogue: Any, values: Any) -> float:
    listed = values[:, len(NAMES) :]
    return float(len(np.unique(listed[listed >= 0])) / catalogue[0])


def _answers(case: Case, model: FavouriteProductModel) -> Answers:
    """What each method listed for those who bought something, measured."""
    return _measured(
        case, model, {OURS: _ids(model.rank(case.test.profiles, case.test.as_of, K)), **dict(references(case))}
    )


def _answers_of_new(case: Case, model: FavouriteProductModel) -> Answers:
    ours = _ids(model.rank_new(case.test.profiles, case.test.as_of, K))
    return _measured(case, model, {OURS: ours, **dict(references_of_new(case))})


def _ids(ranked: Sequence[RankedProducts]) -> Lists:
    return [list(products) for products, _ in ranked]


def _measured(case: Case, model: FavouriteProductModel, lists: Mapping[str, Lists]) -> Answers:
    catalogue = sorted({*model.vocabulary, *case.test.profiles.products.vocabulary})
    number = {product: code for code, product in enumerate(catalogue)}
    buyers = [row for row, basket in enumerate(case.test.next_basket) if basket]
    predicted = {method: _values([found[row] for row in buyers], buyers, case.test, number)
                 for method, found in lists.items()}  # fmt: skip
    customers = [case.test.profiles.customer_ids[row] for row in buyers]
    return Answers(case.label, customers, np.full(len(buyers), len(catalogue)), predicted)


def _values(lists: Lists, rows: Sequence[int], snapshot: Snapshot, number: dict[str, int]) -> Any:
    products = snapshot.profiles.products
    values = np.full((len(rows), len(NAMES) + K), -1.0)
    for at, (row, ranked) in enumerate(zip(rows, lists, strict=True)):
        basket = set(snapshot.next_basket[row])
        own = {products.vocabulary[code] for code in products.code[products.offsets[row] : products.offsets[row + 1]]}
        parts = (basket, basket & own, basket - own)
        values[at, : len(NAMES)] = [metric(ranked, part, K) for part in parts for metric in METRICS.values()]
        values[at, len(NAMES) : len(NAMES) + len(ranked)] = [number[product] for product in ranked]
    return values
