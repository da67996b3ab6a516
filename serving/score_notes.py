"""What is told beside the columns of ``score``: why one is empty, or from what else it was told, by customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from serving.predictions import CHURN, FAVOURITE_PRODUCT, LIFETIME_VALUE, SEND_TIME, Models, horizon_days
from training.models.lifetime_horizons import LIFETIMES_DAYS, needed_days
from training.models.send_evidence import LEVELS

Flags = NDArray[np.bool_]

INTERVAL_OF_CHURN = ("churn_probability_low", "churn_probability_high")
WITHIN_DAYS = {days: f"lifetime_value_{days}" for days in LIFETIMES_DAYS}
OWN_RHYTHM = ("churn_probability_own_rhythm", "own_rhythm_days")
OUTPUTS_OF_MODEL: Mapping[str, tuple[str, ...]] = {
    CHURN: ("churn_probability", *INTERVAL_OF_CHURN, "churn_risk_band", "money_at_risk", *OWN_RHYTHM),
    LIFETIME_VALUE: (
        *("lifetime_value", "lifetime_value_median", "lifetime_value_low", "lifetime_value_high"),
        *WITHIN_DAYS.values(),
    ),
    FAVOURITE_PRODUCT: ("favourite_products", "favourite_scores", "favourite_categories"),
    SEND_TIME: ("send_time_scores", "best_send_hour"),
}
NEXT_PURCHASE, BEST_CHANNEL = "expected_next_purchase_at", "best_channel"
NOTED = (*(output for outputs in OUTPUTS_OF_MODEL.values() for output in outputs), NEXT_PURCHASE, BEST_CHANNEL)
"""The outputs of which a note may tell."""
REFUSED = "the use of purchases was refused: told without them"
_WITHOUT_PURCHASES: Mapping[str, str] = {
    CHURN: "no purchase is known: what became of others without any",
    LIFETIME_VALUE: "no purchase is known: what others without any spent",
    FAVOURITE_PRODUCT: "no purchase is known: popular products",
}
_HOURS_OF = tuple(f"not enough data: {level}" for level in LEVELS)
HORIZONS_TO_EXTRAPOLATE = 2
"""So many horizons after what it learned from, a chance of churn is still told without a warning."""
_TOO_FEW_PURCHASES = "fewer than two purchases are known"
_LOST = "more likely than not nothing is bought within the horizon"
_NO_CHANNEL = "no channel is known"


@dataclass(frozen=True, slots=True)
class Note:
    """A reason that holds for some of the customers: ``rows`` says for whom."""

    outputs: tuple[str, ...]
    reason: str
    rows: Flags


def fallbacks(models: Models, as_of: Instant) -> dict[str, str]:
    """By output, what holds for everybody: why it is empty, or what to beware of."""
    notes = _of_extrapolation(models, as_of)
    notes |= {output: reason for name, reason in models.missing.items() for output in OUTPUTS_OF_MODEL[name]}
    if models.churn is not None and models.churn_interval is None:
        notes |= dict.fromkeys(INTERVAL_OF_CHURN, "the champion was trained before intervals were kept")
    for name, until in models.trained_until.items():
        if until > as_of:
            notes |= dict.fromkeys(OUTPUTS_OF_MODEL.get(name, ()), "the champion was trained on what came after as_of")
    horizon = models.horizon_days.get(LIFETIME_VALUE)
    if models.churn is not None and models.churn.own_rhythm is None:
        notes |= dict.fromkeys(
            OWN_RHYTHM, "the champion tells none: too few stayed away or came back, or it is of an earlier version"
        )
    if models.lifetime_value is not None:
        known = {horizon, *models.lifetime_value.other_horizons_days}
        for days in (days for days in LIFETIMES_DAYS if days not in known):
            needed = f"it takes {needed_days(days)} days, and spenders at both ends"
            notes[WITHIN_DAYS[days]] = f"the history could not support a horizon of {days} days: {needed}"
    if models.lifetime_value is not None and horizon not in (None, horizon_days(models)):
        notes["lifetime_value"] = f"over the {horizon:g} days of its own champion"
    return notes


def _of_extrapolation(models: Models, as_of: Instant) -> dict[str, str]:
    """Nobody whom the model learned from had been away for as long as everybody may seem to be by now."""
    until, horizon = models.trained_until.get(CHURN), models.horizon_days.get(CHURN)
    if models.churn is None or until is None or horizon is None:
        return {}
    days = (as_of - until) / MICROSECONDS_PER_DAY
    if days <= HORIZONS_TO_EXTRAPOLATE * horizon:
        return {}
    reason = f"extrapolated: asked {days:.0f} days after what the champion learned from, horizons of {horizon:g} days"
    return dict.fromkeys(OUTPUTS_OF_MODEL[CHURN], reason)


def notes_of(profiles: Profiles, usable: Profiles, models: Models, as_of: Instant) -> list[Note]:
    """What of the models' outputs was told to whom without what it is best told from.

    ``usable`` are the profiles without what must not be used. The first note on an output of a customer counts.
    """
    notes = notes_without_purchases(profiles, usable, models)
    if models.send_time is not None:
        evidence = models.send_time.evidence(usable, as_of)
        for level, reason in enumerate(_HOURS_OF):
            rows = evidence.is_less_than_own & (evidence.level == level)
            notes.append(Note(OUTPUTS_OF_MODEL[SEND_TIME], reason, rows))
    return [note for note in notes if note.rows.any()]


def notes_without_purchases(profiles: Profiles, usable: Profiles, models: Models) -> list[Note]:
    """Those of them that need no model to be asked."""
    refused = np.array([states.get("consent:purchases", (0, ""))[1] == "refused" for states in profiles.states])
    refused = refused.astype(np.bool_)
    is_new = np.diff(usable.orders.offsets) == 0
    there = [name for name in OUTPUTS_OF_MODEL if name not in models.missing]
    of_all = tuple(output for name in there for output in OUTPUTS_OF_MODEL[name])
    notes = [Note(of_all, REFUSED, refused)]
    notes += [Note(OUTPUTS_OF_MODEL[name], _WITHOUT_PURCHASES[name], is_new) for name in there if name != SEND_TIME]
    return [note for note in notes if note.rows.any()]


def notes_on_empty(usable: Profiles, next_purchase_unknown: Flags, channel_unknown: Flags) -> list[Note]:
    """Why what is read off the profile is empty."""
    few = np.diff(usable.orders.offsets) < 2
    notes = [
        Note((NEXT_PURCHASE,), _TOO_FEW_PURCHASES, few & next_purchase_unknown),
        Note((NEXT_PURCHASE,), _LOST, ~few & next_purchase_unknown),
        Note((BEST_CHANNEL,), _NO_CHANNEL, channel_unknown),
    ]
    return [note for note in notes if note.rows.any()]


def by_row(common: Mapping[str, str], notes: Sequence[Note], count: int) -> list[Mapping[str, str]]:
    """The reasons of each customer, by output; customers of whom nothing else is told share one mapping."""
    found: list[Mapping[str, str]] = [common] * count
    for output in {output for note in notes for output in note.outputs}:
        labels, codes = coded(output, common, notes, count)
        for row in np.flatnonzero(codes > 0).tolist():
            found[row] = {**found[row], output: labels[codes[row]]}
    return found


def coded(
    output: str, common: Mapping[str, str], notes: Sequence[Note], count: int
) -> tuple[list[str], NDArray[np.int32]]:
    """The reasons that there are on an output, and which of them each customer has: 0 is what holds for everybody."""
    labels, codes = [common.get(output, "")], np.zeros(count, dtype=np.int32)
    for note in notes:
        if output in note.outputs:
            labels.append(f"{common[output]}; {note.reason}" if output in common else note.reason)
            codes[note.rows & (codes == 0)] = len(labels) - 1
    return labels, codes
