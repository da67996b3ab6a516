"""Which of a customer's candidates come first: LightGBM's LambdaRank on baskets that followed past cutoffs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.models.candidates import CANDIDATE_FEATURES, Candidates, Singles, candidates_of
from training.models.known_products import Known
from training.models.purchase_histories import Integers, NextBaskets, PurchaseHistories, is_within
from training.models.trees import FlatTrees, flatten

MOST_ROWS = 250_000
"""To learn the order from: twice as many take twice as long, for lists hardly better (Complete Journey)."""
MOST_CUSTOMERS = 6_000
"""Of a cutoff, whose candidates are looked at: about as many rows as are kept of four cutoffs."""
THREADS = 1
"""Of so many rows more take half the time at best; on a busy machine they wait for each other ten times as long."""


class RankingRows(NamedTuple):
    """Candidates of customers who did order; ``sizes`` says how many each of them has."""

    rows: Singles
    is_hit: NDArray[np.bool_]
    sizes: Integers


def ranking_rows(
    histories: PurchaseHistories, baskets: NextBaskets, known: Known, among: Integers, seed: int
) -> RankingRows:
    """Of the customers ``among``, in growing order; of very many a sample."""
    customers = among[np.diff(baskets.offsets)[among] > 0]
    if len(customers) > MOST_CUSTOMERS:
        customers = np.sort(np.random.default_rng(seed).choice(customers, MOST_CUSTOMERS, replace=False))
    found = candidates_of(customers, histories, known)
    return RankingRows(found.rows, _is_hit(found, customers, histories, baskets), found.counts)


def _is_hit(
    found: Candidates, customers: Integers, histories: PurchaseHistories, baskets: NextBaskets
) -> NDArray[np.bool_]:
    """Own candidates are compared by the profiles' codes, explored ones by the model's: each knows products that the
    other does not."""
    offsets = np.zeros(len(histories.product_offsets), dtype=np.int64)
    offsets[1:][customers] = found.counts
    explored = np.where(found.entry >= 0, -1, found.code)
    is_hit = is_within(np.cumsum(offsets), explored, baskets.offsets, baskets.code)
    is_own = found.entry >= 0
    is_hit[is_own] = baskets.is_next[found.entry[is_own]]
    return is_hit


def thinned(examples: Sequence[RankingRows], generator: np.random.Generator, most: int = MOST_ROWS) -> RankingRows:
    """All hits, of the customers with any, and at random as many misses as bring it to about ``most`` rows.

    A customer without a hit has no pair to learn the order of.
    """
    sizes = np.concatenate([example.sizes for example in examples])
    is_hit = np.concatenate([example.is_hit for example in examples])
    customer = np.repeat(np.arange(len(sizes)), sizes)
    has_hit = (np.bincount(customer[is_hit], minlength=len(sizes)) > 0)[customer]
    share = (most - is_hit.sum()) / max(int(has_hit.sum() - is_hit.sum()), 1)
    kept = is_hit | (has_hit & (generator.random(len(is_hit)) < share))
    counts = np.bincount(customer[kept], minlength=len(sizes)).astype(np.int64)
    ends = np.cumsum([len(example.is_hit) for example in examples])
    rows = [example.rows[part] for example, part in zip(examples, np.split(kept, ends[:-1]), strict=True)]
    return RankingRows(np.concatenate(rows), is_hit[kept], counts[counts > 0])


def fit_ranker(examples: Sequence[RankingRows], parameters: Mapping[str, float | int], seed: int) -> FlatTrees:
    """Trees whose sum orders a customer's candidates."""
    import lightgbm

    chosen = thinned(examples, np.random.default_rng(seed))
    data = lightgbm.Dataset(
        chosen.rows,
        chosen.is_hit.astype(np.float64),
        group=chosen.sizes,
        feature_name=list(CANDIDATE_FEATURES),
        params={"max_bin": 63, "num_threads": THREADS, "verbose": -1},
    )
    settings = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 30,
        "num_leaves": int(parameters["leaves"]),
        "max_depth": int(parameters["depth"]),
        "learning_rate": parameters["learning_rate"],
        "min_data_in_leaf": int(parameters["least_rows_in_leaf"]),
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
        "num_threads": THREADS,
        "force_col_wise": True,
        "verbose": -1,
    }
    return flatten(lightgbm.train(settings, data, num_boost_round=int(parameters["trees"])))


def gains(trees: FlatTrees) -> dict[str, float]:
    """Share of the total gain by feature, as LightGBM counts it."""
    import lightgbm

    booster = lightgbm.Booster(model_str=trees.text)
    gain = booster.feature_importance("gain")
    return dict(zip(CANDIDATE_FEATURES, (gain / max(gain.sum(), 1e-9)).tolist(), strict=True))
