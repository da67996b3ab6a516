"""From a look at a customer to a decision: what holds, what of it is new, what is then decided, noted and told.

Looks, firings, decisions, reservations and messages change in one transaction, in which it is asked once more whether
an occasion was noted already: two workers that look at once, or one that is killed and another after it, fire it once.
"""

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection

from features.instant import MICROSECONDS_PER_DAY, Instant, to_iso
from features.trigger_settings import Trigger, TriggerKind
from serving.application import Application
from serving.customer_reader import Named
from serving.decision import CustomerState
from serving.decision_batch import Inquiry, Question, entries_of, inquiries_of
from serving.decision_log import Entry, Kept, record
from serving.environment import system_clock
from serving.kept_contents import KeptContents
from serving.schemas import NextBestOfferRequest
from serving.told_events import Told, decision_data, trigger_name
from serving.trigger_facts import churn_of, dues_of
from serving.trigger_rules import BLOCKED, HORIZON, Known, Occasion, Verdict, verdict
from serving.trigger_store import (
    FIRED,
    Look,
    done,
    ids_of,
    is_any_due,
    is_still_ours,
    last_fired_at,
    level,
    note,
    set_level,
    take,
    used,
)
from serving.webhook_outbox import enqueue
from serving.writer import is_of_store

MOST_AT_ONCE = 64
COOLDOWN, ANSWERED_BEFORE, FAILED = "cooldown", "answered_before", "failed"
PUT_OFF: Instant = MICROSECONDS_PER_DAY
"""What fails is looked at again after that, if nobody asks for it sooner."""
Counted = list[tuple[str, str]]
"""(trigger, outcome)."""

log = logging.getLogger(__name__)


class _Looked(NamedTuple):
    """A look, what was found, and the new occasions that may fire, each with its decision."""

    look: Look
    trigger: Trigger
    person: str
    verdict: Verdict
    entries: dict[str, Entry]


class _Firing(NamedTuple):
    looked: _Looked
    occasion: Occasion
    entry: Entry


def fire_due(application: Application, contents: KeptContents) -> tuple[int, Counted]:
    """Take the looks whose time has come: how many there were, and what came of their occasions.

    ``application`` is one whose reader is this thread's.
    """
    now, real_now = application.clock(), system_clock()
    with application.store.reading() as connection:
        if not is_any_due(connection, now, real_now):
            return 0, []
    with application.store.writing() as connection:
        looks = take(connection, now, real_now, MOST_AT_ONCE)
    return len(looks), _fired(application, looks, now, contents)


def _fired(application: Application, looks: Sequence[Look], now: Instant, contents: KeptContents) -> Counted:
    """Where one look fails, the others are taken without it, and it is put off."""
    try:
        return _fired_together(application, looks, now, contents)
    except Exception as error:
        if is_of_store(error):
            raise
        if len(looks) > 1:
            return [one for look in looks for one in _fired(application, [look], now, contents)]
        (look,) = looks
        log.error("trigger %s of brand %s fails for a customer", look.trigger, look.brand, exc_info=error)
        with application.store.writing() as connection:
            done(connection, look, now + PUT_OFF, now + PUT_OFF)
        return [(look.trigger, FAILED)]


def _fired_together(application: Application, looks: Sequence[Look], now: Instant, contents: KeptContents) -> Counted:
    looked = _looked(application, looks, now)
    counted: Counted = []
    with application.store.writing() as connection:
        firings = [one for each in looked for one in _settled(connection, each, now, counted)]
        entries = [firing.entry for firing in firings]
        kept = record(connection, entries, lake=application.store.lake, contents=contents)
        told = [
            one
            for firing, kept_one in zip(firings, kept, strict=True)
            for one in _noted(connection, firing, kept_one, now, counted)
        ]
        enqueue(connection, told, system_clock())
        known = {id(one.look) for one in looked}
        for look in looks:
            if id(look) not in known:  # of a trigger that is there no longer
                done(connection, look, None, now)
    return counted


def _looked(application: Application, looks: Sequence[Look], now: Instant) -> list[_Looked]:
    found = []
    for brand in dict.fromkeys(look.brand for look in looks):
        triggers = application.triggers.of(brand).triggers
        mine = [look for look in looks if look.brand == brand and look.trigger in triggers]
        found += _looked_of_brand(application, brand, mine, now)
    return found


def _looked_of_brand(application: Application, brand: str, looks: Sequence[Look], now: Instant) -> list[_Looked]:
    ours, models = application.triggers.of(brand), application.loader.state(brand).models
    people = application.reader.people([Named(brand, look.customer_id, {}) for look in looks])
    states = [present(application, brand, person, state, now) for person, state in people]
    kinds = {ours.triggers[look.trigger].kind for look in looks}
    dues, churn = dues_of(models, kinds, states, now), churn_of(models, kinds, states, now)
    found: list[_Looked] = []
    for row, (look, (person, _)) in enumerate(zip(looks, people, strict=True)):
        trigger = ours.triggers[look.trigger]
        with application.store.reading() as connection:
            # Whoever is looked at for churn was found by a scan to have crossed the line.
            is_churn = trigger.kind is TriggerKind.CHURN_RISK
            is_above = False if is_churn else level(connection, brand, person, look.trigger)
            before = used(connection, brand, ids_of(connection, brand, person), look.trigger)
        known = Known(states[row], states[row].timezone or ours.timezone, dues[row], churn[row], is_above)
        judged = verdict(trigger, known, now)
        fresh = replace(judged, occasions=tuple(one for one in judged.occasions if one.name not in before))
        found.append(_Looked(look, trigger, person, fresh, _decided(application, look, trigger, person, fresh, now)))
    return found


def present(application: Application, brand: str, person: str, state: CustomerState, now: Instant) -> CustomerState:
    """What is known at the service's present, which may have been put back."""
    if not application.profiles_as_of.is_ahead(state.profile, now):
        return state
    return replace(state, profile=application.profiles_as_of.profiles(brand, [person], now).get(person))


def _decided(
    application: Application, look: Look, trigger: Trigger, person: str, found: Verdict, now: Instant
) -> dict[str, Entry]:
    """By occasion that may fire, what ``/next_best_offer`` would decide for the customer now."""
    names = [one.name for one in found.occasions if one.suppressed is None]
    if not names:
        return {}
    questions = [
        Question(
            NextBestOfferRequest(
                customer_id=person,
                channels=list(trigger.channels) or None,
                context={"trigger": look.trigger},
                idempotency_key=key_of(look.brand, look.trigger, person, name),
            ),
            Named(look.brand, person, {}),
        )
        for name in names
    ]
    inquiries = [
        Inquiry(one.question, one.request, present(application, look.brand, person, one.customer, now))
        for one in inquiries_of(application, questions, now)
    ]
    return dict(zip(names, entries_of(application, inquiries), strict=True))


def key_of(brand: str, trigger: str, person: str, occasion: str) -> str:
    """The idempotency key of a firing's decision, and the id of what is told of it."""
    whole = "\x1f".join((brand, trigger, person, occasion))
    return f"trigger-{sha256(whole.encode()).hexdigest()[:40]}"


def _settled(connection: Connection, looked: _Looked, now: Instant, counted: Counted) -> list[_Firing]:
    """What of a look is still new and fires; what does not is noted with its reason."""
    look, person = looked.look, looked.person
    if not is_still_ours(connection, look, system_clock()):
        return []
    ids = ids_of(connection, look.brand, person)
    before = used(connection, look.brand, ids, look.trigger)
    fired_at = last_fired_at(connection, look.brand, ids, look.trigger)
    firings = []
    for occasion in looked.verdict.occasions:
        if occasion.name in before:
            continue
        reason = occasion.suppressed
        if reason is None and _is_cooling(looked.trigger, fired_at, now):
            reason = COOLDOWN
        if reason is None:
            fired_at = now
            firings.append(_Firing(looked, occasion, looked.entries[occasion.name]))
        else:
            note(connection, look, person, occasion.name, reason, now)
            counted.append((look.trigger, reason))
    if looked.verdict.is_above is not None:
        set_level(connection, look.brand, person, look.trigger, is_above=looked.verdict.is_above)
    again_at = looked.verdict.look_again_at
    done(connection, look, again_at if again_at is not None and again_at <= now + HORIZON else None, now)
    return firings


def _is_cooling(trigger: Trigger, fired_at: Instant | None, now: Instant) -> bool:
    return fired_at is not None and now < fired_at + trigger.cooldown


def _noted(connection: Connection, firing: _Firing, kept: Kept, now: Instant, counted: Counted) -> list[Told]:
    """What is told of a firing, once it is noted: nothing of whoever must not be contacted after all."""
    look, person, decision = firing.looked.look, firing.looked.person, kept.decision
    outcome = ANSWERED_BEFORE if decision is None else BLOCKED if decision.is_of_block else FIRED
    decision_id = None if decision is None else decision.decision_id
    note(connection, look, person, firing.occasion.name, outcome, now, decision_id)
    counted.append((look.trigger, outcome))
    if decision is None or outcome != FIRED:
        return []
    data = {
        "trigger": look.trigger,
        "kind": firing.looked.trigger.kind.value,
        "occurred_at": to_iso(firing.occasion.at),
        **decision_data(decision, person),
    }
    key = key_of(look.brand, look.trigger, person, firing.occasion.name)
    return [Told(trigger_name(firing.looked.trigger.kind), key, look.brand, person, now, data)]
