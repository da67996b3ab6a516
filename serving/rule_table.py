"""The rules of a policy for the offers of a catalogue: columns and masks, made once for a table, not for a request."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.entities import Offer
from features.instant import MICROSECONDS_PER_HOUR, Instant
from features.product_targets import ProductTargets
from serving.conditions import Condition, Facts, Subject, Value, is_met, parse_conditions
from serving.decision import DecisionRequest
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.policy_rules import NO_RULES, Boost, Exclusion, Limit, PolicyRules, Scope, When
from serving.rule_columns import Flags, rows_of

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Holds = tuple[bool, ...]
"""Of each distinct 'when' of the rules whether it holds."""

_MOST_EFFECTS = 64
_MOST_TABLES = 16


@dataclass(frozen=True, slots=True)
class Moment:
    """A :class:`When` that is ready to be asked; ``conditions`` are numbers of those of the table."""

    conditions: tuple[int, ...]
    channels: frozenset[str]
    placements: frozenset[str]
    starts: Instant | None
    ends: Instant | None

    def holds(self, request: DecisionRequest, is_met: Callable[[int], bool], channel: str | None) -> bool:
        at = request.decided_at
        if (self.starts is not None and at < self.starts) or (self.ends is not None and at >= self.ends):
            return False
        if self.channels and channel not in self.channels:
            return False
        if self.placements and request.placement not in self.placements:
            return False
        return all(map(is_met, self.conditions))


@dataclass(frozen=True, slots=True)
class Effect:
    """What all rules that hold together come to, by offer; nothing where they change nothing."""

    factor: Floats | None
    added: Floats | None
    excluded: Flags | None


@dataclass(frozen=True, slots=True)
class OfferLimit:
    """``rows`` are the offers that count and that are refused; ``window`` is in microseconds."""

    rows: Flags
    window: int
    terms: Limit


@dataclass(frozen=True, slots=True)
class Labelled:
    """Of each offer the number of what it is alike in with others, -1 for nothing; a menu holds ``most`` of each."""

    labels: Labels
    most: int


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Where a rule names the number of a moment, that of ``moments``."""

    moments: tuple[Moment, ...]
    asks: tuple[Condition, ...]
    """Everything that is asked of the customer."""
    boosts: tuple[tuple[int, Floats, Floats], ...]
    """Moment, factor and added amount by offer; the policy's weights are counted in."""
    exclusions: tuple[tuple[int, Flags], ...]
    yielding: tuple[tuple[int, Flags, Flags], ...]
    """Moment, the offers that yield, and those that they yield to; in the order in which they are asked."""
    pins: tuple[tuple[int, int], ...]
    """Moment and row."""
    steps: tuple[tuple[int, int], ...]
    """Of the rule that is imitated."""
    limits: tuple[OfferLimit, ...]
    groups: tuple[Labelled, ...]
    categories: Labels
    """Of each offer the number of the category that it mostly is of; -1 where that is not known."""
    kinds: Labels
    has_channels: bool
    asks_for_tier: bool
    attributes: frozenset[str]
    """Those that are asked for."""
    effects: dict[Holds, Effect] = field(default_factory=dict)

    def asked(self, facts: Facts) -> Callable[[int], bool]:
        """Tells of a condition, by its number, whether the customer meets it; each is looked at but once."""
        known: dict[tuple[Subject, str], Value] = {}
        met: dict[int, bool] = {}

        def fact(subject: Subject, name: str) -> Value:
            if (subject, name) not in known:
                known[subject, name] = facts(subject, name)
            return known[subject, name]

        def told(condition: int) -> bool:
            found = met.get(condition)
            if found is None:
                found = met[condition] = is_met(self.asks[condition], fact)
            return found

        return told

    def holding(
        self, request: DecisionRequest, is_met: Callable[[int], bool], channel: str | None, before: Holds = ()
    ) -> Holds:
        """``before`` is what held before the channel was settled: only what asks for a channel is looked at again."""
        if not before:
            return tuple([moment.holds(request, is_met, channel) for moment in self.moments])
        return tuple(
            [
                moment.holds(request, is_met, channel) if moment.channels else held
                for moment, held in zip(self.moments, before, strict=True)
            ]
        )

    def effect(self, holds: Holds) -> Effect:
        """Remembered, as most customers are met by the same few combinations of rules."""
        found = self.effects.get(holds)
        if found is None:
            if len(self.effects) >= _MOST_EFFECTS:
                self.effects.clear()
            found = self.effects[holds] = self._effect(holds)
        return found

    def _effect(self, holds: Holds) -> Effect:
        factors = [factor for moment, factor, _ in self.boosts if holds[moment]]
        added = [amount for moment, _, amount in self.boosts if holds[moment]]
        excluded = [rows for moment, rows in self.exclusions if holds[moment]]
        return Effect(
            np.multiply.reduce(factors) if factors else None,
            np.add.reduce(added) if added else None,
            np.logical_or.reduce(excluded) if excluded else None,
        )


def rule_table(policy: Policy, offers: OfferTable) -> RuleTable | None:
    """The policy's rules for these offers, made when first asked for; ``None`` where the policy has none."""
    if policy.rules == NO_RULES and not policy.most_per_category and policy.decline_scope == "offer":
        return None
    kept = _tables.setdefault(offers.targets, [])
    for known, table in kept:
        if known.rules is policy.rules and known.weights == policy.weights:
            return table
    table = build_rule_table(policy, offers.offers, offers.categories)
    _tables[offers.targets] = [(policy, table), *kept[: _MOST_TABLES - 1]]
    return table


_tables: WeakKeyDictionary[ProductTargets, list[tuple[Policy, RuleTable]]] = WeakKeyDictionary()
"""By the targets of a table, which are the same for as long as its offers are."""


def build_rule_table(policy: Policy, offers: Sequence[Offer], categories: Sequence[tuple[str, ...]]) -> RuleTable:
    rules = policy.rules
    whens: dict[When, int] = {when: number for number, when in enumerate(dict.fromkeys(_whens(rules)))}
    asks: dict[Condition, int] = {}
    moments = tuple(_moment(when, asks) for when in whens)
    row_of = {offer.offer_id: row for row, offer in enumerate(offers)}

    def rows(scope: Scope) -> Flags:
        return rows_of(scope, offers, categories, rules.groups)

    weighted = [(boost, policy.weights.context) for boost in rules.contexts]
    weighted += [(boost, policy.weights.lever) for boost in rules.boosts]
    steps = () if rules.apprentice is None else rules.apprentice.steps
    named = [(exclusion, rows(exclusion.scope)) for exclusion in rules.exclusions if not exclusion.yields_to]
    own = {name: number for number, name in enumerate(dict.fromkeys(of[0] for of in categories if of))}
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(offer.kind for offer in offers))}
    return RuleTable(
        moments=moments,
        asks=tuple(asks),
        boosts=tuple((whens[one.when], *_amounts(one, weight, rows(one.scope))) for one, weight in weighted if weight),
        exclusions=tuple((whens[exclusion.when], excluded) for exclusion, excluded in named),
        yielding=tuple(
            (whens[one.when], rows(one.scope), np.isin([offer.offer_id for offer in offers], one.yields_to))
            for one in _in_order(rules.exclusions)
        ),
        pins=tuple((whens[pin.when], row_of[pin.offer]) for pin in rules.pins if pin.offer in row_of),
        steps=tuple((whens[step.when], row_of[step.offer]) for step in steps if step.offer in row_of),
        limits=tuple(
            OfferLimit(rows(limit.scope), int(limit.hours * MICROSECONDS_PER_HOUR), limit) for limit in rules.limits
        ),
        groups=tuple(Labelled(rows(group.scope).astype(np.int64) - 1, 1) for group in rules.groups),
        categories=np.array([own[of[0]] if of else -1 for of in categories], dtype=np.int64),
        kinds=np.array([kinds[offer.kind] for offer in offers], dtype=np.int64),
        has_channels=any(moment.channels for moment in moments),
        asks_for_tier=any(condition.subject is Subject.TIER for condition in asks),
        attributes=frozenset(condition.name for condition in asks if condition.subject is Subject.ATTRIBUTE),
    )


def _whens(rules: PolicyRules) -> Iterator[When]:
    for part in (rules.contexts, rules.boosts, rules.exclusions, rules.pins):
        yield from (one.when for one in part)
    if rules.apprentice is not None:
        yield from (step.when for step in rules.apprentice.steps)


def _moment(when: When, asks: dict[Condition, int]) -> Moment:
    """``asks`` numbers the conditions; new ones are added."""
    asked = parse_conditions(msgspec.json.decode(when.customers)) if when.customers else ()
    numbers = tuple(asks.setdefault(condition, len(asks)) for condition in asked)
    return Moment(numbers, frozenset(when.channels), frozenset(when.placements), when.starts, when.ends)


def _amounts(boost: Boost, weight: float, rows: Flags) -> tuple[Floats, Floats]:
    """Factor and added amount by offer; a rule counts in part where its weight is less than 1."""
    return np.where(rows, boost.factor**weight, 1.0), np.where(rows, boost.added * weight, 0.0)


def _in_order(exclusions: Sequence[Exclusion]) -> list[Exclusion]:
    """Those that yield, each after all that settle whether the offers it yields to are made; there is no cycle."""
    left = [exclusion for exclusion in exclusions if exclusion.yields_to]
    ordered: list[Exclusion] = []
    while left:
        open_still = {offer for exclusion in left for offer in exclusion.scope.offers}
        ready = [exclusion for exclusion in left if open_still.isdisjoint(exclusion.yields_to)]
        ordered += ready or left
        left = [exclusion for exclusion in left if ready and exclusion not in ready]
    return ordered
