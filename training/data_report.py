"""What a brand's history has and what each model needs of it, said before anything is trained.

The least that a model can do with is stated where the model is; here it is only read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np

from features.event_log import log_table
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.store import Store
from training.errors import NotEnoughData
from training.sample import taught_by

if TYPE_CHECKING:
    from features.history import Snapshot
    from training.presentations import Gathered
    from training.training_data import TrainingData

FALLBACKS = {
    "churn": "rfm_segment says who is late; decisions take the policy's own chance of an order",
    "lifetime-value": "offers are valued by the order alone; money_at_risk goes by the spend of late",
    "favourite-product": "offers are not ranked by taste; what the profile says is due stands in replenishment",
    "send-time": "the first hour that the quiet hours allow",
    "offer-response": "acceptance is a prior by kind and depth of the offer, bent by affinity",
}
"""What serves without the model."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What happened before an instant. ``days`` are from the first event to the last."""

    customers: int
    events: int
    purchases: int
    messages_sent: int
    days: float


@dataclass(frozen=True, slots=True)
class Need:
    what: str
    have: float
    needed: float

    @property
    def is_met(self) -> bool:
        return self.have >= self.needed


@dataclass(frozen=True, slots=True)
class ModelData:
    """``missing`` are the needs that are not met, in words; ``fallback`` is what serves then."""

    brand: str
    holdings: Holdings
    needs: list[Need]
    missing: list[str]
    fallback: str | None


def holdings(store: Store, brand: str, before: Instant | None) -> Holdings:
    """Counted by DuckDB over the log and the bulk history, each event once."""
    import ibis

    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")  # it would be drawn on standard output
    events = log_table(store, connection, brand, before)
    counted = events.aggregate(
        customers=events.customer_id.nunique(),
        events=events.count(),
        purchases=(events.type == "purchase").sum(),
        messages_sent=(events.type == "message_sent").sum(),
        first=events.occurred_at.min(),
        last=events.occurred_at.max(),
    )
    row = counted.to_pyarrow().to_pylist()[0]
    connection.disconnect()
    days = 0.0 if row["first"] is None else (row["last"] - row["first"]) / MICROSECONDS_PER_DAY
    counts = {name: int(row[name] or 0) for name in ("customers", "events", "purchases", "messages_sent")}
    return Holdings(**counts, days=days)


def model_data(
    model: str,
    brand: str,
    found: Holdings,
    data: "TrainingData | None",
    horizon_days: int | None = None,
    too_little: NotEnoughData | None = None,
) -> ModelData:
    """What one model has of what it needs; without cutoffs to look at, of what every model needs.

    ``horizon_days`` is what was asked for, if anything; ``too_little`` is why there are no cutoffs to look at. A model
    is trained twice, without the held-out cutoff to be measured and with it to serve: the scarcer of each need counts.
    """
    needs = _of_history(found, data, horizon_days)
    if data is not None and model in _NEEDS:
        parts = [[taught_by(snapshot) for snapshot in some] for some in (data.training, data.snapshots)]
        needs += [min(both, key=lambda need: need.have) for both in zip(*map(_NEEDS[model], parts), strict=True)]
    missing = [f"{need.what}: {need.have:g}, at least {need.needed:g}" for need in needs if not need.is_met]
    if too_little is not None and not missing:
        missing = [str(too_little)]
    return ModelData(brand, found, needs, missing, FALLBACKS.get(model) if missing else None)


def response_data(brand: str, found: Holdings, gathered: "Gathered | NotEnoughData") -> ModelData:
    """The same of the offer response model, which learns from presentations of offers instead of cutoffs."""
    from training.presentations import FEWEST_PRESENTATIONS

    if isinstance(gathered, NotEnoughData):
        return ModelData(brand, found, [], [str(gathered)], FALLBACKS["offer-response"])
    control = gathered.presentations.offer < 0
    answered = int((gathered.presentations.response[~control] > 0).sum())
    needs = [
        Need("presentations whose windows are over", int((~control).sum()), FEWEST_PRESENTATIONS),
        Need("of these with a response", answered, 1),
        Need("controls, for an uplift over nothing", int(control.sum()), 0),
    ]
    missing = [f"{need.what}: {need.have:g}, at least {need.needed:g}" for need in needs if not need.is_met]
    return ModelData(brand, found, needs, missing, FALLBACKS["offer-response"] if missing else None)


def _of_history(found: Holdings, data: "TrainingData | None", horizon_days: int | None) -> list[Need]:
    from training.cutoffs import SHORTEST_HORIZON_DAYS, fewest_days
    from training.training_data import FEWEST_CUSTOMERS

    horizon = horizon_days or SHORTEST_HORIZON_DAYS if data is None else data.cutoffs.horizon_days
    customers = found.customers if data is None else len(data.validation.profiles)
    return [
        Need("days of history", floor(10 * found.days) / 10, fewest_days(horizon)),
        Need("customers before the last cutoff", customers, FEWEST_CUSTOMERS),
    ]


def _of_churn(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.churn import FEWEST_OF_EACH, churned

    needs = []
    for part, purpose in _parts(snapshots):
        gone = np.concatenate([churned(snapshot) for snapshot in part])
        needs.append(Need(f"customers who came back, {purpose}", int((gone == 0).sum()), FEWEST_OF_EACH))
        needs.append(Need(f"customers who did not, {purpose}", int(gone.sum()), FEWEST_OF_EACH))
    return needs


def _of_lifetime_value(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.lifetime_value import FEWEST_SPENDERS
    from training.models.lifetime_value_training import FEWEST_IN_A_PART, spenders_in, without_openings

    parts = _parts(without_openings(snapshots))
    at_each_cutoff = sum(int((snapshot.spend > 0).sum()) for snapshot in snapshots)
    return [
        Need("customers who spent in a horizon", at_each_cutoff, FEWEST_SPENDERS),
        *(Need(f"of these {purpose}", spenders_in(part), FEWEST_IN_A_PART) for part, purpose in parts),
    ]


def _parts(snapshots: "Sequence[Snapshot]") -> "list[tuple[list[Snapshot], str]]":
    from training.models.gradient_boosting import teaching_and_newest

    teaching, newest = teaching_and_newest(snapshots)
    return [(teaching, "to learn from"), (newest, "to calibrate on")]


def _of_favourite_product(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.favourite_product_training import FEWEST_BASKETS

    baskets = sum(bool(basket) for snapshot in snapshots for basket in snapshot.next_basket)
    return [Need("next baskets with a product", baskets, FEWEST_BASKETS)]


def _of_send_time(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.send_time_training import FEWEST_ORDERS, FEWEST_TIMES_OF_DAY, STRENGTH_CUTOFFS
    from training.models.week_hours import HOURS_PER_DAY

    before = snapshots[-1].profiles.orders.hour
    after = sum(len(snapshot.hours) for snapshot in snapshots[-STRENGTH_CUTOFFS:])
    return [
        Need("orders before the last cutoff", len(before), FEWEST_ORDERS),
        Need("orders after the last cutoffs", after, FEWEST_ORDERS),
        Need("times of day of orders", len(np.unique(before % HOURS_PER_DAY)), FEWEST_TIMES_OF_DAY),
    ]


_NEEDS: dict[str, Callable[[Any], list[Need]]] = {
    "churn": _of_churn,
    "lifetime-value": _of_lifetime_value,
    "favourite-product": _of_favourite_product,
    "send-time": _of_send_time,
}
