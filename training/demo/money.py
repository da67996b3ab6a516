"""Why the mailings of this data cannot say what they earned, and how large a trial could.

Nobody logged with what probability a household was mailed, so the effect cannot be computed back from the log. What
can be computed is why a plain comparison would mislead: those mailed were the better customers beforehand.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from experiments.power import detectable_difference, units_needed
from features.instant import Instant, to_iso
from training.demo.findings import Mailing, Money, Power, Trial

SPEND_DAYS = 56
"""Before a mailing."""
BOUGHT_DAYS = 90
"""Before a redemption."""
CONTROL_SHARES = (0.1, 0.2, 0.5)
TRIAL_WEEKS = (2, 4, 8, 12)
EFFECTS = (0.02, 0.05, 0.1)
"""Relative changes of spend that the page asks about."""

_MAILINGS = """
with mailed as (
    select distinct campaign_id, customer_id, occurred_at as mailed_at from read_parquet($events)
    where type = 'offer_presented' and occurred_at < make_timestamptz($before)
), mailings as (
    select distinct campaign_id, mailed_at from mailed
    where mailed_at >= (select min(occurred_at) from read_parquet($events) where type = 'purchase')
        + to_days($days)
), spend as (
    select mailings.campaign_id, mailed_at, line.customer_id, coalesce(
        sum(amount) filter (where occurred_at >= mailed_at - to_days($days) and occurred_at < mailed_at), 0
    ) as amount
    from mailings cross join read_parquet($events) as line
    where type = 'purchase' and occurred_at < make_timestamptz($before)
    group by all
)
select campaign_id, epoch_us(spend.mailed_at), count(mailed.customer_id),
    avg(amount) filter (where mailed.customer_id is not null), avg(amount) filter (where mailed.customer_id is null)
from spend left join mailed using (campaign_id, customer_id)
group by all order by 2, 1
"""

_REDEMPTIONS = """
with redemptions as (
    select event_id, customer_id, offer_id, occurred_at as redeemed_at from read_parquet($events)
    where type = 'offer_accepted' and occurred_at < make_timestamptz($before) and occurred_at >=
        (select min(occurred_at) from read_parquet($events) where type = 'purchase') + to_days($days)
), targets as (
    select offer_id, unnest(target.products) as product_id from read_json($offers)
)
select count(*), avg((event_id in (
    select redemptions.event_id from redemptions join targets using (offer_id)
    join read_parquet($events) as line using (customer_id, product_id)
    where line.type = 'purchase' and line.occurred_at < redeemed_at and line.occurred_at >= redeemed_at - to_days($days)
))::int)
from redemptions
"""

_WEEKLY = """
select customer_id, ($before - 1 - epoch_us(occurred_at)) // 604800000000 as weeks_ago, sum(amount)::double
from read_parquet($events)
where type = 'purchase' and occurred_at < make_timestamptz($before)
group by all
"""


def look_at_money(events: Path, offers: Path, before: Instant) -> Money:
    """From the files of the demo, using nothing at or after ``before``."""
    files = {"events": str(events), "before": before}
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn on standard output
        mailings = [
            Mailing(campaign, to_iso(at), count, float(mailed), float(others))
            for campaign, at, count, mailed, others in connection.execute(
                _MAILINGS, {**files, "days": SPEND_DAYS}
            ).fetchall()
        ]
        redemptions, share = connection.execute(
            _REDEMPTIONS, {**files, "offers": str(offers), "days": BOUGHT_DAYS}
        ).fetchall()[0]
        weekly = _weekly_spend(connection, files)
    return Money(
        mailings, SPEND_DAYS, mailed_spend_ratio(mailings), redemptions, float(share), BOUGHT_DAYS, power_of(weekly)
    )


def mailed_spend_ratio(mailings: Sequence[Mailing]) -> float:
    """What the mailed had spent over what the others had, each mailing counted by its size.

    >>> mailed_spend_ratio([Mailing("a", "", 1, 300.0, 100.0), Mailing("b", "", 1, 100.0, 100.0)])
    2.0
    """
    mailed = sum(mailing.mailed * mailing.spend_of_mailed for mailing in mailings)
    others = sum(mailing.mailed * mailing.spend_of_others for mailing in mailings)
    return mailed / others if others else float("nan")


def power_of(weekly: NDArray[np.float64]) -> Power:
    """What trials on these households could find.

    Parameters
    ----------
    weekly
        (households, weeks): what each spent in each of the last weeks, the latest first.
    """
    households = len(weekly)
    trials = [
        Trial(share, weeks, _detectable(weekly, weeks, share)) for share in CONTROL_SHARES for weeks in TRIAL_WEEKS
    ]
    weeks = TRIAL_WEEKS[-2]
    mean, deviation, reduction = spread(weekly, weeks)
    needed = {
        f"{effect:.0%}": units_needed(deviation, effect * mean, variance_reduction=reduction) for effect in EFFECTS
    }
    return Power(households, float(weekly.mean()), trials, weeks, reduction, needed)


def spread(weekly: NDArray[np.float64], weeks: int) -> tuple[float, float, float]:
    """Mean and deviation of a household's spend in the last weeks, and the part of the variance that the as many weeks
    before them explain (what CUPED takes away)."""
    after, past = weekly[:, :weeks].sum(axis=1), weekly[:, weeks : 2 * weeks].sum(axis=1)
    explained = float(np.corrcoef(after, past)[0, 1] ** 2) if after.std() and past.std() else 0.0
    return float(after.mean()), float(after.std(ddof=1)), explained


def _detectable(weekly: NDArray[np.float64], weeks: int, control_share: float) -> float:
    mean, deviation, reduction = spread(weekly, weeks)
    difference = detectable_difference(
        deviation, len(weekly), variant_share=1.0 - control_share, variance_reduction=reduction
    )
    return difference / mean if mean else float("inf")


def _weekly_spend(connection: duckdb.DuckDBPyConnection, files: dict[str, object]) -> NDArray[np.float64]:
    rows = connection.execute(_WEEKLY, files).fetchall()
    number = {customer_id: row for row, customer_id in enumerate(dict.fromkeys(row[0] for row in rows))}
    weekly = np.zeros((len(number), 2 * max(TRIAL_WEEKS)))
    for customer_id, weeks_ago, amount in rows:
        if weeks_ago < weekly.shape[1]:
            weekly[number[customer_id], int(weeks_ago)] = amount
    return weekly
