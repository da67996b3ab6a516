"""What people say beside the models: which offers come first, count more, are left out, or go not too often.

All of it is values, written once by the reader of policy files; what it comes to for the offers of a catalogue is
compiled in :mod:`serving.rule_table`.
"""

from msgspec import Struct

from features.instant import Instant


class Scope(Struct, frozen=True, omit_defaults=True):
    """The offers that a rule is about: those of which any of this is true; all offers where nothing is named.

    ``groups`` are those of the policy and the offers' own exclusive groups.
    """

    offers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not (self.offers or self.kinds or self.categories or self.groups)


class When(Struct, frozen=True, omit_defaults=True):
    """Under what a rule holds: all of it must. ``customers`` is JSON, as an offer's ``eligibility``.

    A rule of some channels holds for what goes by one of them; a request that names no channel is of none.
    """

    customers: str = ""
    channels: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    starts: Instant | None = None
    ends: Instant | None = None
    """The first instant at which it holds no more."""

    @property
    def is_always(self) -> bool:
        return self == _ALWAYS


_ALWAYS = When()


class Pin(Struct, frozen=True, omit_defaults=True):
    """An offer that stands first for those whom it may be made to."""

    offer: str
    when: When = When()


class Boost(Struct, frozen=True, omit_defaults=True):
    """``factor`` multiplies what an offer gains and divides what it loses; ``added`` is in currency units."""

    scope: Scope = Scope()
    factor: float = 1.0
    added: float = 0.0
    when: When = When()


class Exclusion(Struct, frozen=True, omit_defaults=True):
    """Offers that are not made; with ``yields_to`` only where one of those could be."""

    scope: Scope = Scope()
    yields_to: tuple[str, ...] = ()
    when: When = When()


class Group(Struct, frozen=True):
    """Offers of which a menu holds one at most."""

    name: str
    scope: Scope


class Limit(Struct, frozen=True, omit_defaults=True):
    """At most ``count`` offers of the scope to a customer within any ``hours``.

    ``is_gap``: what is made in one answer counts as one.
    """

    hours: float
    count: int = 1
    is_gap: bool = False
    scope: Scope = Scope()
    channels: tuple[str, ...] = ()


class Step(Struct, frozen=True, omit_defaults=True):
    """Of a present rule: this offer to those who match."""

    offer: str
    when: When = When()


class Apprentice(Struct, frozen=True):
    """The rule that is imitated: the first step that matches, and whose offer may be made, wins."""

    rule: str
    steps: tuple[Step, ...]


class PolicyRules(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    pins: tuple[Pin, ...] = ()
    boosts: tuple[Boost, ...] = ()
    contexts: tuple[Boost, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    groups: tuple[Group, ...] = ()
    limits: tuple[Limit, ...] = ()
    apprentice: Apprentice | None = None

    @property
    def asks_for_channels(self) -> bool:
        """Whether it matters by which channel something went out before."""
        return any(limit.channels for limit in self.limits)


NO_RULES = PolicyRules()


class Weights(Struct, frozen=True, omit_defaults=True):
    """How much each of the four parts of the arbitration counts, from 0 (off) to 1 (in full)."""

    propensity: float = 1.0
    context: float = 1.0
    value: float = 1.0
    lever: float = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether the expected margin counts as it is."""
        return self.propensity == 1.0 and self.value == 1.0


PLAIN_WEIGHTS = Weights()
