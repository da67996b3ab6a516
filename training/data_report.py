"""What a brand's history has and what each model needs of it, said before anything is trained.

The least that a model can do with is stated where the model is; here it is only read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from features.event_log import log_table
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.store import Store

if TYPE_CHECKING:
    from features.history import Snapshot
    from training.training_data import TrainingData

FALLBACKS = {
    "churn": "rfm_segment says who is late; decisions take the policy's own chance of an order",
    "lifetime-value": "offers are valued by the order alone; money_at_risk goes by the spend of late",
    "favourite-product": "offers are not ranked by taste; what the profile says is due stands in replenishment",
    "send-time": "the first hour that the quiet hours allow",
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
    model: str, brand: str, found: Holdings, data: "TrainingData | None", horizon_days: int | None = None
) -> ModelData:
    """What one model has of what it needs; without cutoffs to look at, of what every model needs.

    ``horizon_days`` is what was asked for, if anything.
    """
    needs = _of_history(found, data, horizon_days)
    if data is not None and model in _NEEDS:
        needs += _NEEDS[model](data.training)
    missing = [f"{need.what}: {need.have:g}, at least {need.needed:g}" for need in needs if not need.is_met]
    return ModelData(brand, found, needs, missing, FALLBACKS.get(model) if missing else None)


def _of_history(found: Holdings, data: "TrainingData | None", horizon_days: int | None) -> list[Need]:
    from training.cutoffs import SHORTEST_HORIZON_DAYS, fewest_days
    from training.training_data import FEWEST_CUSTOMERS

    horizon = horizon_days or SHORTEST_HORIZON_DAYS if data is None else data.cutoffs.horizon_days
    customers = found.customers if data is None else len(data.validation.profiles)
    return [
        Need("days of history", round(found.days, 1), fewest_days(horizon)),
        Need("customers before the last cutoff", customers, FEWEST_CUSTOMERS),
    ]


def _of_churn(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.churn import FEWEST_OF_EACH, churned

    gone = sum(int(churned(snapshot).sum()) for snapshot in snapshots)
    everybody = sum(len(snapshot.orders) for snapshot in snapshots)
    return [
        Need("customers who came back", everybody - gone, FEWEST_OF_EACH),
        Need("customers who did not", gone, FEWEST_OF_EACH),
    ]


def _of_lifetime_value(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.lifetime_value import FEWEST_SPENDERS

    spenders = sum(int((snapshot.spend > 0).sum()) for snapshot in snapshots)
    return [Need("customers who spent in a horizon", spenders, FEWEST_SPENDERS)]


def _of_favourite_product(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.favourite_product_training import FEWEST_BASKETS

    baskets = sum(bool(basket) for snapshot in snapshots for basket in snapshot.next_basket)
    return [Need("next baskets with a product", baskets, FEWEST_BASKETS)]


def _of_send_time(snapshots: "Sequence[Snapshot]") -> list[Need]:
    from training.models.send_time_training import FEWEST_ORDERS, STRENGTH_CUTOFFS

    before = len(snapshots[-1].profiles.orders.hour)
    after = sum(len(snapshot.hours) for snapshot in snapshots[-STRENGTH_CUTOFFS:])
    return [
        Need("orders before the last cutoff", before, FEWEST_ORDERS),
        Need("orders after the last cutoffs", after, FEWEST_ORDERS),
    ]


_NEEDS: dict[str, Callable[[Any], list[Need]]] = {
    "churn": _of_churn,
    "lifetime-value": _of_lifetime_value,
    "favourite-product": _of_favourite_product,
    "send-time": _of_send_time,
}
