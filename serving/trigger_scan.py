"""The nightly look at everybody of a brand, in batches that are durable one by one: what time alone makes true.

It finds what files brought in and what comes due within the next two days, so that the table of looks stays small. It
goes on where it stopped, whoever stopped it, and is made anew when the brand's triggers change.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, select, union

from features.instant import MICROSECONDS_PER_DAY, Instant, to_datetime
from features.outgoing_schema import trigger_scans
from features.schema import customers, profiles
from features.store import upsert
from features.trigger_settings import TriggerKind
from features.zones import zone_named
from serving.application import Application
from serving.customer_reader import Named
from serving.environment import system_clock
from serving.trigger_book import BrandTriggers
from serving.trigger_facts import churn_of, dues_of
from serving.trigger_firing import present
from serving.trigger_rules import HORIZON, Known, verdict
from serving.trigger_store import LEASE, Look, ask, levels, set_level
from serving.writer import is_of_store

BATCH = 200
NIGHT_HOUR = 3
"""Of the brand's local day: from then on everybody is looked at."""

log = logging.getLogger(__name__)


class _Scan(NamedTuple):
    """One row of the table."""

    brand: str
    day: str
    after_customer: str
    previous_at: Instant
    started_at: Instant
    is_finished: int
    claimed_until: Instant


class _Found(NamedTuple):
    looks: list[Look]
    levels: list[tuple[str, str, bool]]
    """(person, trigger, on which side of its line)."""


def scan_some(application: Application, brand: str, *, anew: bool = False) -> bool:
    """Look at the next batch of a brand's customers, if it is time; whether there is more to do.

    ``anew`` begins from the start whatever the day.
    """
    ours, now = application.triggers.of(brand), application.clock()
    scan = _claimed(application, brand, _day_of(ours, now), now, anew=anew)
    if scan is None:
        return False
    ids = _next_ids(application, brand, scan.after_customer)
    found = _found_of_all(application, brand, ours, ids, scan)
    after = ids[-1] if ids else scan.after_customer
    following = scan._replace(after_customer=after, is_finished=int(len(ids) < BATCH), claimed_until=0)
    with application.store.writing() as connection:
        if _read(connection, brand) != scan:
            return False  # another took it over, we were that slow
        ask(connection, found.looks)
        for person, trigger, is_above in found.levels:
            set_level(connection, brand, person, trigger, is_above=is_above)
        connection.execute(upsert(connection, trigger_scans), following._asdict())
    return not following.is_finished


def _day_of(ours: BrandTriggers, now: Instant) -> str:
    """The local day, from its night hour on, and a digest of the triggers."""
    local = to_datetime(now).astimezone(zone_named(ours.timezone)) - timedelta(hours=NIGHT_HOUR)
    said = repr(sorted((name, repr(trigger)) for name, trigger in ours.triggers.items()))
    return f"{local.date().isoformat()} {sha256(said.encode()).hexdigest()[:12]}"


def _claimed(application: Application, brand: str, day: str, now: Instant, *, anew: bool) -> _Scan | None:
    """The scan whose next batch is ours, if there is anything to do that nobody is doing."""
    with application.store.reading() as connection:
        if _todo(_read(connection, brand), brand, day, now, anew=anew) is None:
            return None
    with application.store.writing() as connection:
        scan = _todo(_read(connection, brand), brand, day, now, anew=anew)
        if scan is None:
            return None
        scan = scan._replace(claimed_until=system_clock() + LEASE)
        connection.execute(upsert(connection, trigger_scans), scan._asdict())
        return scan


def _todo(scan: _Scan | None, brand: str, day: str, now: Instant, *, anew: bool) -> _Scan | None:
    if scan is None:
        return _Scan(brand, day, "", now - MICROSECONDS_PER_DAY, now, 0, 0)
    if scan.day != day or anew:
        # Since when it is asked who crossed a line: of a clock that was put back, a day.
        previous = scan.started_at if scan.started_at < now else now - MICROSECONDS_PER_DAY
        return _Scan(brand, day, "", previous, now, 0, 0)
    return None if scan.is_finished or scan.claimed_until > system_clock() else scan


def _read(connection: Connection, brand: str) -> _Scan | None:
    row = connection.execute(select(trigger_scans).where(trigger_scans.c.brand == brand)).first()
    return None if row is None else _Scan(*row)


def _next_ids(application: Application, brand: str, after: str) -> list[str]:
    """In the order of the database, of whichever table they are in."""
    with application.store.reading() as connection:
        both = union(*(select(_ids_in(table, brand, after).subquery()) for table in (profiles, customers)))
        query = both.order_by(both.selected_columns.customer_id).limit(BATCH)
        return list(connection.execute(query).scalars())


def _ids_in(table: Table, brand: str, after: str) -> Select[Any]:
    of = table.c
    mine = (of.brand == brand) & (of.customer_id > after)
    return select(of.customer_id).where(mine).order_by(of.customer_id).limit(BATCH)


def _found_of_all(application: Application, brand: str, ours: BrandTriggers, ids: Sequence[str], scan: _Scan) -> _Found:
    """Where one customer fails, the others are looked at without them."""
    try:
        return _found(application, brand, ours, ids, scan)
    except Exception as error:
        if is_of_store(error):
            raise
        if len(ids) <= 1:
            log.error("the nightly look at a customer of brand %s fails", brand, exc_info=error)
            return _Found([], [])
        parts = [_found_of_all(application, brand, ours, [one], scan) for one in ids]
        return _Found([look for part in parts for look in part.looks], [one for part in parts for one in part.levels])


def _found(application: Application, brand: str, ours: BrandTriggers, ids: Sequence[str], scan: _Scan) -> _Found:
    now, models = scan.started_at, application.loader.state(brand).models
    people = application.reader.people([Named(brand, one, {}) for one in ids])
    of_themselves = [row for row, (person, _) in enumerate(people) if person == ids[row]]
    names = [ids[row] for row in of_themselves]
    states = [present(application, brand, ids[row], people[row][1], now) for row in of_themselves]
    kinds = {trigger.kind for trigger in ours.triggers.values()}
    dues = dues_of(models, kinds, states, now)
    churn, before = churn_of(models, kinds, states, now), churn_of(models, kinds, states, scan.previous_at)
    with application.store.reading() as connection:
        sides = levels(connection, brand, names)
    found = _Found([], [])
    for row, person in enumerate(names):
        known = Known(states[row], states[row].timezone or ours.timezone, dues[row], churn[row])
        _judge(found, brand, ours, person, known, before[row], sides, now)
    return found


def _judge(
    found: _Found,
    brand: str,
    ours: BrandTriggers,
    person: str,
    known: Known,
    churn_before: float | None,
    sides: Mapping[tuple[str, str], bool],
    now: Instant,
) -> None:
    for name, trigger in ours.triggers.items():
        is_above = sides.get((person, name))
        if trigger.kind is TriggerKind.CHURN_RISK:
            is_above = None if churn_before is None else churn_before >= (trigger.probability or 0.0)
        judged = verdict(trigger, _with_side(known, is_above), now)
        if judged.occasions:
            found.looks.append(Look(brand, name, person, now))
        elif judged.look_again_at is not None and judged.look_again_at <= now + HORIZON:
            found.looks.append(Look(brand, name, person, judged.look_again_at))
        elif judged.is_above is not None and judged.is_above != is_above:
            found.levels.append((person, name, judged.is_above))


def _with_side(known: Known, is_above: bool | None) -> Known:
    return Known(known.state, known.timezone, known.dues, known.churn, is_above)
