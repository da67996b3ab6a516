"""Which coupons were redeemed after the clock, and where they had stood in lists made at the clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.product_targets import index_targets
from features.profiles import Profiles
from training.demo.findings import CouponRanks
from training.metrics import average_ranks

POPULARITY_DAYS = 90

_LIVE = """
select offer_id, target.products,
    (select count(*) from read_parquet($events) as past
     where past.type = 'offer_accepted' and past.occurred_at < make_timestamptz($clock)
         and split_part(past.offer_id, '-', 2) = split_part(offers.offer_id, '-', 2)) as redemptions
from read_json($offers) as offers
where epoch_us(valid_from) <= $clock and epoch_us(valid_to) > $clock
order by offer_id
"""

_BUYERS = """
select targets.offer_id, count(distinct customer_id)
from (select offer_id, unnest(target.products) as product_id from read_json($offers)) as targets
join read_parquet($events) as line using (product_id)
where line.type = 'purchase' and line.occurred_at < make_timestamptz($clock)
    and line.occurred_at >= make_timestamptz($clock) - to_days($days)
group by all
"""

_REDEEMED = """
select customer_id, offer_id from read_parquet($events)
where type = 'offer_accepted' and occurred_at >= make_timestamptz($clock)
order by occurred_at, event_id
"""


@dataclass(frozen=True, slots=True)
class LiveCoupons:
    """The coupons live at the clock, and how popular each was before it."""

    offer_ids: list[str]
    products: list[list[str]]
    buyers: NDArray[np.float64]
    redemptions: NDArray[np.float64]
    redeemed_later: list[tuple[str, str]]
    """(customer_id, offer_id) of every redemption of one of them after the clock."""


def live_coupons(events: Path, offers: Path, clock: Instant) -> LiveCoupons:
    files = {"events": str(events), "clock": clock}
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn on standard output
        live = connection.execute(_LIVE, {**files, "offers": str(offers)}).fetchall()
        buyers = dict(connection.execute(_BUYERS, {**files, "offers": str(offers), "days": POPULARITY_DAYS}).fetchall())
        redeemed = connection.execute(_REDEEMED, files).fetchall()
    offer_ids = [offer_id for offer_id, _, _ in live]
    return LiveCoupons(
        offer_ids,
        [list(products) for _, products, _ in live],
        np.array([buyers.get(offer_id, 0) for offer_id in offer_ids], dtype=np.float64),
        np.array([count for _, _, count in live], dtype=np.float64),
        [(customer_id, offer_id) for customer_id, offer_id in redeemed if offer_id in set(offer_ids)],
    )


def rank_redeemed(model: Any, profiles: Profiles, coupons: LiveCoupons, clock: Instant) -> CouponRanks:
    """The rank of each redeemed coupon among the live ones; equal scores share the mean of their ranks."""
    redeemed = [pair for pair in coupons.redeemed_later if pair[0] in set(profiles.customer_ids)]
    households = list(dict.fromkeys(customer_id for customer_id, _ in redeemed))
    row = {customer_id: number for number, customer_id in enumerate(profiles.customer_ids)}
    members = profiles.take([row[customer_id] for customer_id in households])
    targets = index_targets(coupons.products)
    affinity = model.affinities(members, clock, targets, model.facts_of(targets), np.ones(len(targets), dtype=np.bool_))
    ranks = {household: ranks_from_best(affinity[number]) for number, household in enumerate(households)}
    place = {offer_id: number for number, offer_id in enumerate(coupons.offer_ids)}
    by_buyers, by_redemptions = ranks_from_best(coupons.buyers), ranks_from_best(coupons.redemptions)
    return CouponRanks(
        len(coupons.offer_ids),
        len(households),
        [float(ranks[household][place[offer]]) for household, offer in redeemed],
        [float(by_buyers[place[offer]]) for _, offer in redeemed],
        [float(by_redemptions[place[offer]]) for _, offer in redeemed],
    )


def ranks_from_best(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    >>> ranks_from_best(np.array([0.1, 0.9, 0.1])).tolist()
    [2.5, 1.0, 2.5]
    """
    return average_ranks(-scores)


def share_within(ranks: Sequence[float], first: int) -> float:
    """The share of ranks among the first so many."""
    return sum(rank <= first for rank in ranks) / len(ranks) if ranks else float("nan")
