"""When a trigger fires for a customer: of what is known at an instant, by pure functions, one of each kind.

Occasions are read off the profile and the customer's row, not off single events: events that come twice, late or in
another order lead to the same occasions, and each occasion has a name by which it fires once at most.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from features.instant import MICROSECONDS_PER_DAY, Instant, from_datetime, parse, to_datetime
from features.profile import State
from features.trigger_settings import MICROSECONDS_PER_MINUTE, Trigger, TriggerKind
from features.zones import zone_named
from serving.customer_facts import consent, is_blocked
from serving.decision import CustomerState

HORIZON: Instant = 2 * MICROSECONDS_PER_DAY
"""What comes later than that is left to a later night's look at everybody."""
TOO_LATE, BLOCKED, NO_CONSENT = "too_late", "contact_blocked", "no_consent"
PURPOSES: Mapping[TriggerKind, tuple[str, ...]] = {
    TriggerKind.PURCHASE: ("purchases",),
    TriggerKind.FIRST_PURCHASE: ("purchases",),
    TriggerKind.ABANDONED_BASKET: ("browsing", "purchases"),
    TriggerKind.POINTS_THRESHOLD: (),
    TriggerKind.POINTS_EXPIRING: (),
    TriggerKind.TIER_NEAR: ("attributes",),
    TriggerKind.ANNIVERSARY: ("attributes",),
    TriggerKind.BIRTHDAY: ("attributes",),
    TriggerKind.REPLENISHMENT: ("purchases",),
    TriggerKind.CHURN_RISK: ("purchases",),
}
"""What a kind makes use of: whoever refused one of these is not reached by it."""


class Due(Struct, frozen=True):
    """A product that is bought again and again."""

    product_id: str
    bought_at: Instant
    runs_out_at: Instant


class Known(Struct, frozen=True):
    """What is known of one person; ``is_above`` is the side of the trigger's line where they were, if known."""

    state: CustomerState
    timezone: str
    dues: Sequence[Due] = ()
    churn: float | None = None
    is_above: bool | None = None


class Occasion(Struct, frozen=True):
    """``name`` tells it from the others of the trigger and customer; ``suppressed`` says why it does not fire."""

    name: str
    at: Instant
    suppressed: str | None = None


class Verdict(Struct, frozen=True):
    """``look_again_at`` is when there may be more; ``is_above`` the side of the line now, where that matters."""

    occasions: tuple[Occasion, ...] = ()
    look_again_at: Instant | None = None
    is_above: bool | None = None


def verdict(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    """What of the trigger holds for the customer now; of whoever may not be reached by it, why not."""
    found = _RULES[trigger.kind](trigger, known, now)
    reason = refusal(trigger.kind, known.state)
    if reason is None:
        return found
    return Verdict(
        tuple(Occasion(one.name, one.at, reason) for one in found.occasions), found.look_again_at, found.is_above
    )


def refusal(kind: TriggerKind, state: CustomerState) -> str | None:
    """Why the customer is not to be reached by such a trigger, if so."""
    if is_blocked(state):
        return BLOCKED
    granted = consent(state)
    return NO_CONSENT if any(granted(purpose) is False for purpose in PURPOSES[kind]) else None


def _of_purchase(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    profile = known.state.profile
    if profile is None:
        return Verdict()
    bought = zip(profile.orders.key.tolist(), profile.orders.first_at.tolist(), strict=True)
    return Verdict(tuple(Occasion(f"order:{key:x}", at) for key, at in bought if at > now - trigger.within))


def _of_first_purchase(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    profile = known.state.profile
    if profile is None or profile.orders.first_at.size != 1:
        return Verdict()
    at = int(profile.orders.first_at[0])
    return Verdict((Occasion("first", at),)) if at > now - trigger.within else Verdict()


def _of_abandoned_basket(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    """The basket of the last addition, if nothing was bought since."""
    profile = known.state.profile
    if profile is None or profile.column("cart_adds")[0] == 0:
        return Verdict()
    added_at, bought_at = (int(profile.column(name)[0]) for name in ("last_cart_adds_at", "last_purchase_at"))
    if bought_at >= added_at:
        return Verdict()
    due_at = added_at + int((trigger.after_minutes or 0.0) * MICROSECONDS_PER_MINUTE)
    if now < due_at:
        return Verdict(look_again_at=due_at)
    late = TOO_LATE if now > due_at + trigger.within else None
    return Verdict((Occasion(f"basket:{added_at}", due_at, late),))


def _of_points_threshold(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    """Across the line from below; of whom nothing was known before, the side is only noted."""
    at, points = points_of(known.state, now)
    if points is None:
        return Verdict()
    is_above = points >= (trigger.points or 0.0)
    if not is_above or known.is_above is not False:
        return Verdict(is_above=is_above)
    late = TOO_LATE if at <= now - trigger.within else None
    return Verdict((Occasion(f"points:{at}", at, late),), is_above=True)


def _of_points_expiring(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    word = _word(known.state, "points_expire_at")
    row = known.state.customer
    expire_at = int(word[1]) if word is not None else row.points_expire_at if row is not None else None
    points = points_of(known.state, now)[1]
    if expire_at is None or expire_at <= now or (points is not None and points <= 0):
        return Verdict()
    due_at = expire_at - int((trigger.days_before or 0.0) * MICROSECONDS_PER_DAY)
    if now < due_at:
        return Verdict(look_again_at=due_at)
    return Verdict((Occasion(f"expiry:{expire_at}", due_at),))


def _of_tier_near(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    row = known.state.customer
    if row is None or row.tier_progress is None:
        return Verdict()
    is_above = is_near(trigger, row.tier_progress)
    if not is_above or known.is_above is not False:
        return Verdict(is_above=is_above)
    return Verdict((Occasion(f"tier:{row.tier or ''}:{now // MICROSECONDS_PER_DAY}", now),), is_above=True)


def is_near(trigger: Trigger, progress: float) -> bool:
    return progress >= (trigger.progress or 0.0)


def _of_anniversary(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    row = known.state.customer
    if row is None or row.joined_at is None:
        return Verdict()
    joined = to_datetime(row.joined_at).astimezone(zone_named(known.timezone)).date()
    return _yearly(trigger, joined, known.timezone, now, first_year=joined.year + 1)


def _of_birthday(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    row = known.state.customer
    if row is None or row.birth_date is None:
        return Verdict()
    born = to_datetime(parse(row.birth_date)).date()
    return _yearly(trigger, born, known.timezone, now, first_year=born.year + 1)


def _yearly(trigger: Trigger, day: date, timezone: str, now: Instant, *, first_year: int) -> Verdict:
    """Within a day of the hour at which it is due; the 29th of February is the 28th in other years."""
    this_year = to_datetime(now).year
    for year in range(max(this_year - 1, first_year), this_year + 2):
        due_at = _due_in(year, day, trigger, timezone)
        if due_at <= now < due_at + MICROSECONDS_PER_DAY:
            return Verdict((Occasion(f"year:{year}", due_at),))
        if now < due_at:
            return Verdict(look_again_at=due_at)
    return Verdict()


def _due_in(year: int, day: date, trigger: Trigger, timezone: str) -> Instant:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    of_month = 28 if (day.month, day.day) == (2, 29) and not is_leap else day.day
    local = datetime(year, day.month, of_month, trigger.hour or 0, tzinfo=zone_named(timezone))
    return from_datetime((local - timedelta(days=trigger.days_before or 0.0)).astimezone(UTC))


def _of_replenishment(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    lead = int((trigger.lead_days or 0.0) * MICROSECONDS_PER_DAY)
    running_out = [due for due in known.dues if due.runs_out_at - lead <= now < due.runs_out_at]
    later = [due.runs_out_at - lead for due in known.dues if now < due.runs_out_at - lead]
    return Verdict(
        tuple(Occasion(f"product:{due.product_id}:{due.bought_at}", due.runs_out_at - lead) for due in running_out),
        min(later, default=None),
    )


def _of_churn_risk(trigger: Trigger, known: Known, now: Instant) -> Verdict:
    """Once for each silence: until the next order there is no other occasion."""
    profile = known.state.profile
    if profile is None or known.churn is None or not profile.orders.first_at.size:
        return Verdict()
    is_above = known.churn >= (trigger.probability or 0.0)
    if not is_above or known.is_above is not False:
        return Verdict()
    return Verdict((Occasion(f"since:{int(profile.orders.first_at[-1])}", now),))


def points_of(state: CustomerState, now: Instant) -> tuple[Instant, float | None]:
    """The balance by the latest event that told it, else by the customer's row, and since when."""
    word = _word(state, "points_balance")
    if word is not None:
        return word[0], float(word[1])
    return now, None if state.customer is None else state.customer.points_balance


def _word(state: CustomerState, name: str) -> tuple[Instant, State] | None:
    return None if state.profile is None else state.profile.states[0].get(name)


_RULES: Mapping[TriggerKind, Callable[[Trigger, Known, Instant], Verdict]] = {
    TriggerKind.PURCHASE: _of_purchase,
    TriggerKind.FIRST_PURCHASE: _of_first_purchase,
    TriggerKind.ABANDONED_BASKET: _of_abandoned_basket,
    TriggerKind.POINTS_THRESHOLD: _of_points_threshold,
    TriggerKind.POINTS_EXPIRING: _of_points_expiring,
    TriggerKind.TIER_NEAR: _of_tier_near,
    TriggerKind.ANNIVERSARY: _of_anniversary,
    TriggerKind.BIRTHDAY: _of_birthday,
    TriggerKind.REPLENISHMENT: _of_replenishment,
    TriggerKind.CHURN_RISK: _of_churn_risk,
}
