"""What happens in a simulated world as events of the contract, a table a day."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experiments.world import NOTHING, Day, Floats, Integers, World
from experiments.world_baskets import Baskets
from features.entities import Customer, Offer
from features.events import NO_OFFER
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, Instant
from features.money import to_money

FIRST_DAY: Instant = 1_767_571_200_000_000
"""2026-01-05, a Monday."""
_OF_HOURS = 4
"""A stream of chance."""
_FIRST_HOUR, _LAST_HOUR = 6, 22
_SHOWN_AS = ("bargain_score", "convenience_score", "novelty_score")
"""The columns of the customers file that tell of what moves a customer, in the order of ``DRIVERS``."""
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("type", pa.string()),
        ("customer_id", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("channel", pa.string()),
        ("product_id", pa.string()),
        ("amount", pa.float64()),
        ("list_amount", pa.float64()),
        ("discount_amount", pa.float64()),
        ("order_id", pa.string()),
        ("offer_id", pa.string()),
        ("decision_id", pa.string()),
        ("propensity", pa.float64()),
        ("message_id", pa.string()),
        ("experiment", pa.string()),
        ("variant", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided in a morning for each of k customers: ``offer`` is ``NOTHING`` for none.

    A ``propensity`` of NaN says that it was not left to chance with a probability that is known.
    """

    customers: Integers
    offer: Integers
    propensity: Floats


def no_decisions() -> Decisions:
    return Decisions(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def instant_of(day: int) -> Instant:
    """When the day begins; decisions are made then."""
    return FIRST_DAY + day * MICROSECONDS_PER_DAY


def customer_ids(world: World) -> list[str]:
    return [f"c{number:07d}" for number in range(len(world))]


def customers_of(world: World) -> list[Customer]:
    """As the customers file has them."""
    return [
        Customer(
            customer_id=customer_id,
            joined_at=FIRST_DAY,
            attributes=dict(zip(_SHOWN_AS, [round(value, 3) for value in shown], strict=True)),
        )
        for customer_id, shown in zip(customer_ids(world), world.shown.tolist(), strict=True)
    ]


def offers_of(world: World) -> list[Offer]:
    """As the catalogue has them: terms and costs, nothing of their effects."""
    return [
        Offer(
            offer_id=one.offer_id,
            kind=one.kind,
            value=one.value,
            cost_amount=to_money(one.cost_amount),
            cost_rate=one.cost_rate,
            validity_days=float(world.terms.contact.valid_days),
        )
        for one in world.terms.offers
    ]


@dataclass(slots=True)
class Narrator:
    """Tells what happens; keeps which decision's offer a customer holds."""

    world: World
    baskets: Baskets
    ids: NDArray[np.object_]
    decided_on: Integers
    """(n): the day of the newest decision about a customer."""

    def copy(self) -> "Narrator":
        return Narrator(self.world, self.baskets.copy(), self.ids, self.decided_on.copy())

    def tell(self, day: int, decided: Decisions, lived: Day) -> pa.Table:
        """All events of the day, in no order; the same world and decisions give the same bytes."""
        chance = np.random.default_rng([self.world.seed, _OF_HOURS, day])
        customers = len(self.world)
        hours = np.clip(self.world.peak_hour + 2.0 * chance.standard_normal(customers), _FIRST_HOUR, _LAST_HOUR)
        minutes = chance.random((2, customers))
        at = instant_of(day) + (hours * MICROSECONDS_PER_HOUR).astype(np.int64)
        self.decided_on[decided.customers] = day
        parts = [self._presented(day, decided), self._messages(day, decided, minutes)]
        parts += self._orders(day, lived, at)
        return pa.concat_tables(parts)

    def _presented(self, day: int, decided: Decisions) -> pa.Table:
        who = self.ids[decided.customers]
        named = np.array([*(one.offer_id for one in self.world.terms.offers), NO_OFFER], dtype=object)
        return _table(
            len(who),
            event_id=_joined(f"p{day}-", who),
            type="offer_presented",
            customer_id=who,
            occurred_at=np.full(len(who), instant_of(day)),
            channel="app",
            offer_id=named[decided.offer],
            decision_id=_joined(f"d{day}-", who),
            propensity=pa.array(decided.propensity, from_pandas=True),
        )

    def _messages(self, day: int, decided: Decisions, uniform: Floats) -> pa.Table:
        """Sent at the sender's hour by habit, opened by those who are up and about at that hour."""
        contact = self.world.terms.contact
        rows = decided.customers[decided.offer != NOTHING]
        is_habit = uniform[0, rows] < contact.message_habit
        anytime = np.floor(uniform[0, rows] * 7_919 % 24)
        hour = np.where(is_habit, contact.message_hour, anytime)
        sent_at = instant_of(day) + (hour * MICROSECONDS_PER_HOUR).astype(np.int64)
        sent = self._message("message_sent", "s", day, rows, sent_at)
        awake = np.exp(-((hour - self.world.peak_hour[rows]) ** 2) / 18.0)
        is_opened = uniform[1, rows] < 0.05 + 0.5 * awake
        opened_at = sent_at[is_opened] + MICROSECONDS_PER_HOUR // 4
        return pa.concat_tables([sent, self._message("message_opened", "r", day, rows[is_opened], opened_at)])

    def _message(self, kind: str, letter: str, day: int, rows: Integers, at: Integers) -> pa.Table:
        who = self.ids[rows]
        return _table(
            len(who),
            event_id=_joined(f"{letter}{day}-", who),
            type=kind,
            customer_id=who,
            occurred_at=at,
            channel="email",
            message_id=_joined(f"m{day}-", who),
        )

    def _orders(self, day: int, lived: Day, at: Integers) -> list[pa.Table]:
        rows = np.flatnonzero(lived.ordered)
        lines = self.baskets.fill(day, rows, lived.amount[rows])
        taken = lived.redeemed[rows]
        discounts = np.array([one.is_discount for one in self.world.terms.offers])
        given = np.where((taken != NOTHING) & discounts[taken], lived.cost[rows], 0.0)
        share = np.divide(given, lived.amount[rows], out=np.zeros(len(rows)), where=lived.amount[rows] > 0)
        off = np.round(lines.amount * share[lines.order], 2)
        line_rows = rows[lines.order]
        first = np.concatenate([[0], np.cumsum(np.bincount(lines.order, minlength=len(rows)))[:-1]]).astype(np.int64)
        number = np.arange(len(line_rows)) - first[lines.order] if len(rows) else np.zeros(0, np.int64)
        order_ids = _joined(f"o{day}-", self.ids[line_rows])
        bought = _table(
            len(line_rows),
            event_id=pc.binary_join_element_wise(order_ids, pa.array(number.astype(str)), "-"),
            type="purchase",
            customer_id=self.ids[line_rows],
            occurred_at=at[line_rows],
            channel="store",
            product_id=np.array(self.baskets.product_ids, dtype=object)[lines.product],
            amount=np.maximum(np.round(lines.amount - off, 2), 0.0),
            list_amount=lines.amount,
            discount_amount=off,
            order_id=order_ids,
        )
        return [bought, self._accepted(day, rows[taken != NOTHING], taken[taken != NOTHING], at)]

    def _accepted(self, day: int, rows: Integers, offers: Integers, at: Integers) -> pa.Table:
        who = self.ids[rows]
        named = np.array([one.offer_id for one in self.world.terms.offers], dtype=object)
        since = [f"d{since}-{name}" for since, name in zip(self.decided_on[rows].tolist(), who, strict=True)]
        return _table(
            len(who),
            event_id=_joined(f"a{day}-", who),
            type="offer_accepted",
            customer_id=who,
            occurred_at=at[rows],
            channel="store",
            offer_id=named[offers],
            decision_id=pa.array(since, pa.string()),
        )


def make_narrator(world: World, baskets: Baskets) -> Narrator:
    return Narrator(
        world, baskets, np.array(customer_ids(world), dtype=object), np.full(len(world), -1, dtype=np.int64)
    )


def exposures(day: int, ids: Sequence[str], experiment: str, variants: Sequence[str]) -> pa.Table:
    """That these customers met these variants on a morning."""
    who = np.array(ids, dtype=object)
    return _table(
        len(who),
        event_id=_joined(f"x{day}-", who),
        type="exposure",
        customer_id=who,
        occurred_at=np.full(len(who), instant_of(day)),
        experiment=experiment,
        variant=np.array(variants, dtype=object),
    )


def _joined(prefix: str, ids: NDArray[np.object_]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(ids, pa.string()), "")


def _table(rows: int, **columns: object) -> pa.Table:
    """All columns of the schema; a text stands in each row, what is not named is missing."""
    arrays = []
    for field in SCHEMA:
        given = columns.get(field.name)
        if given is None or isinstance(given, str):
            arrays.append(pa.nulls(rows, field.type) if given is None else pa.repeat(pa.scalar(given), rows))
        elif isinstance(given, np.ndarray):
            whole = given.dtype.kind == "i" and pa.types.is_timestamp(field.type)
            arrays.append(pa.array(given.astype("datetime64[us]") if whole else given).cast(field.type))
        else:
            arrays.append(given.cast(field.type) if isinstance(given, pa.Array) else pa.chunked_array(given))
    return pa.table(dict(zip(SCHEMA.names, arrays, strict=True)), schema=SCHEMA)
