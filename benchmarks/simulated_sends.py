"""Customers whose best hour is known, and a sender with habits: the truth that a send time model must find.

Each customer answers best around an hour of their own. The sender mostly writes at hours of its own choosing, at
random hours of the day for the rest. Openings follow the sending by minutes to hours, machines open some messages at
once, and customers buy near, but not at, the hour at which they answer.
"""

from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.event_fields import LAKE_COLUMNS
from features.history import History, Snapshot
from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

START = parse("2026-01-05")
"""A Monday."""
DAYS = 196
LAST_WEEKS_DAYS = 28
"""What happens in them is held out."""
CHANNELS = ("email", "push")
CHANNEL_SHARES = (0.65, 0.35)
RANDOMISED_SHARE = 0.3
HABIT = {9: 0.45, 10: 0.2, 18: 0.35}
WAKING = np.arange(7, 23)
DAY_EFFECT = np.array([0.8, 1.0, 0.85, 0.8, 0.75, 0.7, 0.65])
FEWEST_SENDS, MOST_SENDS = 5, 200
ORDERS_A_CUSTOMER = 12
NEAR_SHARE = 0.6
"""Of orders that are placed near the hour at which the customer answers best: on average one hour later."""
MACHINE_OPENS = 0.2
_TYPES = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_()}


@dataclass(frozen=True, slots=True)
class Simulated:
    """``response`` is (n, channels, 168), the chance that a message sent then is answered; ``opened_hours`` (n, 24) are
    the openings by humans by the hour at which they opened.
    """

    history: History
    customers: list[str]
    response: Floats
    best_hour: Integers
    sends: Integers
    opened_hours: Integers

    @property
    def end(self) -> int:
        return START + DAYS * MICROSECONDS_PER_DAY

    def snapshots(self) -> tuple[list[Snapshot], Snapshot]:
        """Two cutoffs to learn from, and a later one that holds weeks which they had not seen."""
        last = self.end - LAST_WEEKS_DAYS * MICROSECONDS_PER_DAY
        days = [last - 2 * LAST_WEEKS_DAYS * MICROSECONDS_PER_DAY, last - LAST_WEEKS_DAYS * MICROSECONDS_PER_DAY, last]
        first, second, third = (self.history.snapshot(day, LAST_WEEKS_DAYS) for day in days)
        return [first, second], third


@dataclass(frozen=True, slots=True)
class World:
    """How customers answer: ``fall_after`` is how much slower the response falls after the best hour than before it,
    ``second`` the height of a second best hour, at random, over the first, ``highest`` bounds the response.
    """

    name: str
    are_orders_near: bool = True
    fall_after: float = 1.0
    second: float = 0.0
    highest: tuple[float, float] = (0.3, 0.8)


PLAIN = World("simulated sends")
WORLDS = (
    PLAIN,
    World("simulated sends, orders at any hour", are_orders_near=False),
    World("simulated sends, slow fall after the best hour", are_orders_near=False, fall_after=3.0),
    World("simulated sends, a second best hour", are_orders_near=False, second=0.7),
    World("simulated sends, rare answers", are_orders_near=False, highest=(0.1, 0.3)),
)
"""The first is the one to do well in; each of the others is harder in its own way."""


def true_response(n: int, generator: np.random.Generator, world: World) -> tuple[Integers, Floats]:
    """(n,) best hours of the day, and (n, channels, 168)."""
    centres = np.array([8.0, 12.5, 20.0])
    kind = generator.integers(0, 3, n)
    wish = np.round(generator.normal(centres[kind], np.array([1.3, 1.5, 1.5])[kind]))
    stray = generator.random(n) < 0.15
    best: Integers = np.clip(np.where(stray, generator.choice(WAKING, n), wish), WAKING[0], WAKING[-1]).astype(np.int64)
    sharpness = generator.uniform(4.0, 10.0, n)
    peak, floor = generator.uniform(*world.highest, n), generator.uniform(0.02, 0.08, n)
    bump = _bump(best, sharpness, world.fall_after)
    if world.second:
        bump = np.maximum(bump, world.second * _bump(generator.choice(WAKING, n), sharpness, world.fall_after))
    by_hour = floor[:, None] + (peak - floor)[:, None] * bump
    by_week = (by_hour[:, None, :] * DAY_EFFECT[:, None]).reshape(n, HOURS_PER_WEEK)
    response: Floats = np.clip(by_week[:, None, :] * np.array([1.0, 1.2])[:, None], 0.0, 0.95)
    return best, response


def _bump(best: Integers, sharpness: Floats, fall_after: float) -> Floats:
    away = (np.arange(24) - best[:, None] + 12) % 24 - 12
    sharp = sharpness[:, None] / np.where(away > 0, fall_after, 1.0)
    return np.asarray(np.exp(sharp * (np.cos(2 * np.pi * away / 24) - 1.0)), np.float64)


def simulate(seed: int, world: World = PLAIN, customers: int = 3_000) -> Simulated:
    generator = np.random.default_rng(seed)
    best, response = true_response(customers, generator, world)
    low, high = np.log([FEWEST_SENDS, MOST_SENDS + 1])
    sends = np.exp(generator.uniform(low, high, customers)).astype(np.int64)
    who = np.repeat(np.arange(customers), sends)
    hour, sent_at = _sendings(len(who), generator)
    channel = generator.choice(len(CHANNELS), len(who), p=CHANNEL_SHARES)
    is_answered = generator.random(len(who)) < response[who, channel, hour]
    delay = np.minimum(generator.lognormal(np.log(40 * 60e6), 1.2, len(who)), 2 * MICROSECONDS_PER_DAY).astype(np.int64)
    opened_at = sent_at + delay
    is_machine = generator.random(len(who)) < MACHINE_OPENS
    parts = [
        _messages("message_sent", who, sent_at, channel),
        _messages("message_opened", who, opened_at, channel, is_answered),
        _messages("message_opened", who, sent_at + 60_000_000, channel, is_machine, machine=True),
        _purchases(best, NEAR_SHARE if world.are_orders_near else 0.0, generator),
    ]
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")
    events = connection.create_table("events", pa.concat_tables(parts))
    opened = (opened_at[is_answered] - START) // MICROSECONDS_PER_HOUR % 24
    cells = np.bincount(who[is_answered] * 24 + opened, minlength=customers * 24).reshape(customers, 24)
    history = History(
        connection, events, merges=[], timezones={}, default_timezone="UTC", registered=[], products=[],
    )  # fmt: skip
    return Simulated(history, [_name(i) for i in range(customers)], response, best, sends, cells)


def _name(number: int) -> str:
    return f"c{number:05}"


def _sendings(count: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """Hours of the week, and instants that fall into them."""
    habit = generator.choice(list(HABIT), count, p=list(HABIT.values()))
    is_random = generator.random(count) < RANDOMISED_SHARE
    of_day = np.where(is_random, generator.choice(WAKING, count), habit)
    weekday = np.where(is_random, generator.integers(0, 7, count), generator.integers(0, 5, count))
    hour = weekday * 24 + of_day
    week = generator.integers(0, DAYS // 7, count)
    within = generator.integers(0, MICROSECONDS_PER_HOUR, count)
    return hour, START + (week * HOURS_PER_WEEK + hour) * MICROSECONDS_PER_HOUR + within


def _messages(
    kind: str, who: Integers, at: Integers, channel: Integers, chosen: NDArray[np.bool_] | None = None, *,
    machine: bool = False,
) -> pa.Table:  # fmt: skip
    rows = np.arange(len(who)) if chosen is None else np.flatnonzero(chosen)
    return _table(
        len(rows),
        event_id=[f"{kind}-{machine}-{row}" for row in rows.tolist()],
        type=[kind] * len(rows),
        customer_id=[_name(i) for i in who[rows].tolist()],
        occurred_at=at[rows],
        channel=np.array(CHANNELS)[channel[rows]].tolist(),
        message_id=[f"m{row}" for row in rows.tolist()],
        machine_open=[machine] * len(rows),
    )


def _purchases(best: Integers, near_share: float, generator: np.random.Generator) -> pa.Table:
    who = np.repeat(np.arange(len(best)), ORDERS_A_CUSTOMER)
    near = best[who] + np.round(generator.normal(1.0, 3.0, len(who))).astype(np.int64)
    hour = np.where(generator.random(len(who)) < near_share, near % 24, generator.choice(WAKING, len(who)))
    at = START + (generator.integers(0, DAYS, len(who)) * 24 + hour) * MICROSECONDS_PER_HOUR + 1_000_000
    ids = [f"p{row}" for row in range(len(who))]
    return _table(
        len(who), event_id=ids, type=["purchase"] * len(who), customer_id=[_name(i) for i in who.tolist()],
        occurred_at=at, amount=np.full(len(who), 100_000), order_id=ids, product_id=["tea"] * len(who),
    )  # fmt: skip


def _table(rows: int, **known: object) -> pa.Table:
    """In the columns of the lake."""
    columns = {"source": ["simulated"] * rows, **known}
    return pa.table(
        {
            name: pa.array(columns[name], _TYPES[kind]) if name in columns else pa.nulls(rows, _TYPES[kind])
            for name, kind in LAKE_COLUMNS.items()
        }
    )
