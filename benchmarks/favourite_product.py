"""Favourite products beside the references: ``python -m benchmarks.favourite_product --data DIR``.

``DIR`` holds basket files or a workspace. Recall, NDCG and PHR at 10 of the next basket, each also of its repeated and
its explored products alone (Li et al., TOIS 2023), and the share of the catalogue that is on any list.
"""

import argparse
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.basket_files import cases_of_baskets, is_basket_folder
from benchmarks.cases import Case, cases_of
from benchmarks.comparison import OURS, Answers, Bound, Finding, Measure, Row, Skipped, compare
from benchmarks.favourite_references import K, Lists, references
from benchmarks.replenishment import MEASURES as DUE_MEASURES
from benchmarks.replenishment import due_answers
from features.events import DEFAULT_BRAND
from features.history import Snapshot
from features.store import Store, open_store
from training.errors import NotEnoughData
from training.models.favourite_product import FavouriteProductModel
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
HORIZON_DAYS = 30
CUTOFFS = 3


def compare_favourites(
    cases: Sequence[Case], store: Store | None = None, brand: str = DEFAULT_BRAND
) -> Iterator[Finding]:
    """Rows of every case and of all together; the data of the first case names them.

    Due dates are compared where the ``store`` is given that the cases come from: only its log tells when each product
    was bought again.
    """
    answers, due, seconds = [], [], []
    for case in cases:
        try:
            model, taken = _trained(case)
        except NotEnoughData as error:
            yield Skipped(case.data, MODEL, f"{case.label}: {error}")
            continue
        seconds.append(taken)
        answers.append(_answers(case, model))
        if store is not None:
            due.append(due_answers(case, model, store, brand))
    if not answers:
        return
    data = cases[0].data
    yield Bound(data, MODEL, "training seconds", "longest", max(seconds), 0.0, MOST_TRAINING_SECONDS)
    yield from compare(data, MODEL, measures(), answers)
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


def _mean(_: Any, values: Any, *, column: int) -> float:
    known = values[:, column][np.isfinite(values[:, column])]
    return float(known.mean()) if known.size else float("nan")


def _coverage(catalogue: Any, values: Any) -> float:
    listed = values[:, len(NAMES) :]
    return float(len(np.unique(listed[listed >= 0])) / catalogue[0])


def _answers(case: Case, model: FavouriteProductModel) -> Answers:
    """What each method listed for those who bought something, measured."""
    ours = [products for products, _ in model.rank(case.test.profiles, case.test.as_of, K)]
    catalogue = sorted({*model.vocabulary, *case.test.profiles.products.vocabulary})
    number = {product: code for code, product in enumerate(catalogue)}
    buyers = [row for row, basket in enumerate(case.test.next_basket) if basket]
    lists: dict[str, Lists] = {OURS: ours, **dict(references(case))}
    predicted = {method: _measured([found[row] for row in buyers], buyers, case.test, number)
                 for method, found in lists.items()}  # fmt: skip
    customers = [case.test.profiles.customer_ids[row] for row in buyers]
    return Answers(case.label, customers, np.full(len(buyers), len(catalogue)), predicted)


def _measured(lists: Lists, rows: Sequence[int], snapshot: Snapshot, number: dict[str, int]) -> Any:
    products = snapshot.profiles.products
    values = np.full((len(rows), len(NAMES) + K), -1.0)
    for at, (row, ranked) in enumerate(zip(rows, lists, strict=True)):
        basket = set(snapshot.next_basket[row])
        own = {products.vocabulary[code] for code in products.code[products.offsets[row] : products.offsets[row + 1]]}
        parts = (basket, basket & own, basket - own)
        values[at, : len(NAMES)] = [metric(ranked, part, K) for part in parts for metric in METRICS.values()]
        values[at, len(NAMES) : len(NAMES) + len(ranked)] = [number[product] for product in ranked]
    return values


def _findings(folder: Path, brand: str, part: str) -> Iterator[Finding]:
    if is_basket_folder(folder):
        yield from compare_favourites(list(cases_of_baskets(folder, part)))
        return
    store = open_store(folder)
    cases = list(cases_of(store, folder.name, brand, HORIZON_DAYS, CUTOFFS, is_last=False))
    yield from compare_favourites(cases, store, brand)


def line(finding: Finding) -> str:
    if isinstance(finding, Row):
        return (
            f"{finding.metric:38} {finding.cutoff:10} {finding.reference:36} {finding.ours:7.4f} {finding.theirs:7.4f} "
            f"x{finding.ratio:5.2f} [{finding.low:+.4f}, {finding.high:+.4f}] {finding.verdict}"
        )
    if isinstance(finding, Bound):
        return f"{finding.metric:22} {finding.cutoff:10} {finding.ours:.1f} of at most {finding.most:.1f}"
    return f"skipped: {finding.reason}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--brand", default=DEFAULT_BRAND)
    parser.add_argument("--part", choices=["test", "val"], default="test", help="val while something is being tried")
    options = parser.parse_args()
    for each in _findings(options.data, options.brand, options.part):
        print(line(each), flush=True)
