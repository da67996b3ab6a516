"""Whom to look at and when, what has fired, and on which side of a line customers were."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text, update

from features.customer_links import members
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.outgoing_schema import trigger_due, trigger_firings, trigger_levels
from features.store import insert_new, upsert

FIRED = "fired"
LEASE: Instant = 60 * MICROSECONDS_PER_SECOND
"""How long a look is nobody else's; whoever took it may have been killed."""
_ASK = text(
    """
    INSERT INTO trigger_due (brand, trigger_name, customer_id, due_at) VALUES (:brand, :trigger, :customer_id, :due_at)
    ON CONFLICT (brand, trigger_name, customer_id) DO UPDATE SET asked = trigger_due.asked + 1,
        due_at = CASE WHEN excluded.due_at < trigger_due.due_at THEN excluded.due_at ELSE trigger_due.due_at END
    """
)


class Look(Struct, frozen=True):
    """Somebody to be looked at for a trigger; ``asked`` is how often that had been asked for when it was taken."""

    brand: str
    trigger: str
    customer_id: str
    due_at: Instant
    asked: int = 1


def ask(connection: Connection, looks: Iterable[Look]) -> None:
    """Have customers looked at; whoever is to be looked at already is so at the earlier of the two instants."""
    rows = [
        {"brand": one.brand, "trigger": one.trigger, "customer_id": one.customer_id, "due_at": one.due_at}
        for one in sorted(looks, key=lambda one: (one.brand, one.trigger, one.customer_id))
    ]
    if rows:
        connection.execute(_ASK, rows)


def is_any_due(connection: Connection, now: Instant, real_now: Instant) -> bool:
    query = select(trigger_due.c.brand).where(_takeable(now, real_now)).limit(1)
    return connection.execute(query).first() is not None


def take(connection: Connection, now: Instant, real_now: Instant, most: int) -> list[Look]:
    """The looks whose time has come, the earliest first; nobody else takes them for a while."""
    query = select(trigger_due).where(_takeable(now, real_now)).order_by(trigger_due.c.due_at).limit(most)
    looks = [
        Look(row.brand, row.trigger_name, row.customer_id, row.due_at, row.asked) for row in connection.execute(query)
    ]
    for one in looks:
        connection.execute(update(trigger_due).where(_is(one)).values(claimed_until=real_now + LEASE))
    return looks


def _takeable(now: Instant, real_now: Instant) -> ColumnElement[bool]:
    return (trigger_due.c.due_at <= now) & (trigger_due.c.claimed_until <= real_now)


def done(connection: Connection, look: Look, again_at: Instant | None, now: Instant) -> None:
    """Let a look go, to be taken again at a later time if there is one; or at once, if it was asked for meanwhile."""
    unasked = _is(look) & (trigger_due.c.asked == look.asked)
    if again_at is None:
        gone = connection.execute(delete(trigger_due).where(unasked)).rowcount
    else:
        gone = connection.execute(update(trigger_due).where(unasked).values(due_at=again_at, claimed_until=0)).rowcount
    if not gone:
        connection.execute(update(trigger_due).where(_is(look)).values(due_at=now, claimed_until=0))


def is_still_ours(connection: Connection, look: Look, real_now: Instant) -> bool:
    """Whether nobody else took it meanwhile because we were slow, or its customer was erased."""
    query = select(trigger_due.c.claimed_until).where(_is(look))
    claimed_until = connection.execute(query).scalar()
    return claimed_until is not None and claimed_until > real_now


def _is(look: Look) -> ColumnElement[bool]:
    of = trigger_due.c
    return (of.brand == look.brand) & (of.trigger_name == look.trigger) & (of.customer_id == look.customer_id)


def ids_of(connection: Connection, brand: str, person: str) -> list[str]:
    """Under which a person's firings may stand: theirs, and those of whoever was merged into them."""
    return sorted(members(connection, brand, [person]))


def used(connection: Connection, brand: str, ids: Sequence[str], trigger: str) -> dict[str, Instant]:
    """The occasions of the trigger that were noted of a person, and when."""
    of = trigger_firings.c
    mine = (of.brand == brand) & of.customer_id.in_(ids) & (of.trigger_name == trigger)
    return {row.occasion: row.decided_at for row in connection.execute(select(of.occasion, of.decided_at).where(mine))}


def last_fired_at(connection: Connection, brand: str, ids: Sequence[str], trigger: str) -> Instant | None:
    of = trigger_firings.c
    mine = (of.brand == brand) & of.customer_id.in_(ids) & (of.trigger_name == trigger) & (of.outcome == FIRED)
    return connection.execute(select(func.max(of.decided_at)).where(mine)).scalar()


def note(
    connection: Connection,
    look: Look,
    person: str,
    occasion: str,
    outcome: str,
    now: Instant,
    decision_id: str | None = None,
) -> None:
    row = {
        "brand": look.brand,
        "customer_id": person,
        "trigger_name": look.trigger,
        "occasion": occasion,
        "outcome": outcome,
        "decided_at": now,
        "decision_id": decision_id,
    }
    connection.execute(insert(trigger_firings), row)


def counts(connection: Connection, brand: str) -> dict[str, dict[str, int]]:
    """By trigger, by outcome."""
    of = trigger_firings.c
    query = select(of.trigger_name, of.outcome, func.count()).where(of.brand == brand)
    found: dict[str, dict[str, int]] = {}
    for trigger, outcome, count in connection.execute(query.group_by(of.trigger_name, of.outcome)):
        found.setdefault(trigger, {})[outcome] = count
    return found


def level(connection: Connection, brand: str, person: str, trigger: str) -> bool | None:
    of = trigger_levels.c
    mine = (of.brand == brand) & (of.customer_id == person) & (of.trigger_name == trigger)
    found = connection.execute(select(of.is_above).where(mine)).scalar()
    return None if found is None else bool(found)


def levels(connection: Connection, brand: str, people: Sequence[str]) -> dict[tuple[str, str], bool]:
    """By person and trigger."""
    of = trigger_levels.c
    query = select(of.customer_id, of.trigger_name, of.is_above).where(of.brand == brand, of.customer_id.in_(people))
    return {(row.customer_id, row.trigger_name): bool(row.is_above) for row in connection.execute(query)}


def set_level(connection: Connection, brand: str, person: str, trigger: str, *, is_above: bool) -> None:
    connection.execute(upsert(connection, trigger_levels), _level(brand, person, trigger, is_above=is_above))


def note_below(connection: Connection, brand: str, people: Iterable[tuple[str, str]]) -> None:
    """That these (person, trigger) were below the line, of whom nothing was known before."""
    rows = [_level(brand, person, trigger, is_above=False) for person, trigger in sorted(set(people))]
    if rows:
        connection.execute(insert_new(connection, trigger_levels), rows)


def _level(brand: str, person: str, trigger: str, *, is_above: bool) -> dict[str, object]:
    return {"brand": brand, "customer_id": person, "trigger_name": trigger, "is_above": int(is_above)}
