"""What units did after they were first exposed, and in the time before: read from the log of events by Ibis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.events import NO_OFFER, EventType
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import MONEY_SCALE

Table = Any
"""An Ibis table (Ibis ships no types)."""
Vector = NDArray[np.float64]

OUTCOMES = ("revenue", "orders", "presented", "accepted")
_FOREVER_DAYS = 365_000.0


@dataclass(frozen=True, slots=True)
class Units:
    """One row a unit: its variant, its first exposure, and its outcomes by name, after and before it.

    ``revenue`` is in currency units, of orders that were not cancelled, before refunds. ``presented`` and ``accepted``
    count offers. ``excluded`` units were exposed to several variants and are not among the rows.
    """

    variant: NDArray[np.str_]
    first_at: NDArray[np.int64]
    after: dict[str, Vector]
    before: dict[str, Vector]
    excluded: int

    def take(self, rows: NDArray[np.bool_]) -> "Units":
        after, before = ({name: column[rows] for name, column in part.items()} for part in (self.after, self.before))
        return Units(self.variant[rows], self.first_at[rows], after, before, self.excluded)

    def __len__(self) -> int:
        return len(self.first_at)


def exposures_of(events: Table, roots: Mapping[str, str], experiment: str) -> Table:
    """``customer_id, variant, variants, first_at`` of every unit exposed; ``variants`` counts how many it saw."""
    shown = events.filter((events.type == EventType.EXPOSURE.value) & (events.experiment == experiment))
    shown = rooted(shown.filter(shown.variant.notnull()), roots)
    return shown.group_by("customer_id").aggregate(
        variant=shown.variant.min(), variants=shown.variant.nunique(), first_at=shown.occurred_at.min()
    )


def read_units(
    events: Table, roots: Mapping[str, str], exposures: Table, *, outcome_days: float | None, pre_period_days: float
) -> Units:
    """The outcomes of exposed units: in ``outcome_days`` after first exposure, in ``pre_period_days`` before it."""
    ends = int((outcome_days or _FOREVER_DAYS) * MICROSECONDS_PER_DAY)
    begins = int(pre_period_days * MICROSECONDS_PER_DAY)
    single = exposures.filter(exposures.variants == 1).select("customer_id", "variant", "first_at").cache()
    excluded = exposures.filter(exposures.variants > 1).count().to_pyarrow().as_py()
    bought = _purchases(events, roots, single, begins, ends)
    offered = _offers(events, roots, single, begins, ends)
    table = single.left_join(bought, "customer_id").drop("customer_id_right")
    table = table.left_join(offered, "customer_id").drop("customer_id_right").order_by("customer_id").to_pyarrow()
    after, before = ({name: _column(table, f"{name}_{part}") for name in OUTCOMES} for part in ("after", "before"))
    after["revenue"] /= MONEY_SCALE
    before["revenue"] /= MONEY_SCALE
    variant = np.array(table["variant"].to_pylist(), dtype=np.str_)
    return Units(variant, table["first_at"].to_numpy().astype(np.int64), after, before, int(excluded))


def rooted(events: Table, roots: Mapping[str, str]) -> Table:
    """The events with the customers' present ids, merges followed."""
    if not roots:
        return events
    import ibis
    import pyarrow

    merged = ibis.memtable(pyarrow.table({"merged_id": list(roots), "root": list(roots.values())}))
    joined = events.left_join(merged, events.customer_id == merged.merged_id)
    return joined.mutate(customer_id=ibis.coalesce(joined.root, joined.customer_id)).drop("merged_id", "root")


def mature(units: Units, outcome_days: float | None, as_of: Instant) -> Units:
    """The units that have been watched for the whole of ``outcome_days``; all of them when there is no such limit."""
    if outcome_days is None:
        return units
    return units.take(units.first_at + int(outcome_days * MICROSECONDS_PER_DAY) <= as_of)


def _purchases(events: Table, roots: Mapping[str, str], single: Table, begins: int, ends: int) -> Table:
    from features.backfill import standing_purchases

    lines = standing_purchases(events, roots).join(single, "customer_id")
    is_after, is_before = _periods(lines.at, lines.first_at, begins, ends)
    return lines.group_by("customer_id").aggregate(
        revenue_after=lines.amount.sum(where=is_after),
        revenue_before=lines.amount.sum(where=is_before),
        orders_after=lines.order_text.nunique(where=is_after),
        orders_before=lines.order_text.nunique(where=is_before),
    )


def _offers(events: Table, roots: Mapping[str, str], single: Table, begins: int, ends: int) -> Table:
    kinds = {"presented": EventType.OFFER_PRESENTED.value, "accepted": EventType.OFFER_ACCEPTED.value}
    told = events.filter(events.type.isin([*kinds.values()]) & (events.offer_id != NO_OFFER))
    told = rooted(told.select("customer_id", "type", "occurred_at"), roots).join(single, "customer_id")
    is_after, is_before = _periods(told.occurred_at, told.first_at, begins, ends)
    counts = {
        f"{name}_{part}": ((told.type == kind) & during).sum()
        for name, kind in kinds.items()
        for part, during in (("after", is_after), ("before", is_before))
    }
    return told.group_by("customer_id").aggregate(**counts)


def _periods(at: Any, first_at: Any, begins: int, ends: int) -> tuple[Any, Any]:
    return (at >= first_at) & (at < first_at + ends), (at < first_at) & (at >= first_at - begins)


def _column(table: Any, name: str) -> Vector:
    """Missing is nothing: a unit without such events."""
    values: Vector = table[name].fill_null(0).to_numpy().astype(np.float64)
    return values
