"""What an experiment is: its variants and their weights, whom it admits, when it runs, what it is judged by."""

from collections.abc import Mapping

import msgspec

from features.instant import Instant

METRICS = ("conversion", "revenue", "orders", "average_order", "offer_acceptance")
UNITS = ("customer",)
FACTS = ("channel", "segment", "tier")
"""What ``eligibility`` may ask about."""

DEFAULT_PRE_PERIOD_DAYS = 90.0
DEFAULT_PLANNED_UNITS = 10_000


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``models`` names a version or alias for each model that is not the champion; ``policy`` overrides parameters."""

    name: str
    weight: float
    models: dict[str, str] = {}
    policy: dict[str, float] = {}


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """The part [low, high) of a layer's units; experiments of one layer take parts that do not overlap."""

    name: str
    low: float = 0.0
    high: float = 1.0

    def overlaps(self, other: "Layer") -> bool:
        return self.name == other.name and self.low < other.high and other.low < self.high


class Experiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A controlled experiment; the weights of its variants add up to 1.

    ``share`` is the part of each variant's bucket that takes part at all (a ramp-up raises it without moving anyone).
    ``outcome_days`` is how long after its first exposure a unit is watched, ``None`` for as long as there is data.
    ``planned_units`` is where the always-valid interval is made tightest; it has to be set before anyone looks.
    """

    name: str
    variants: tuple[Variant, ...]
    unit: str = "customer"
    control: str = ""
    salt: str = ""
    layer: Layer | None = None
    share: float = 1.0
    eligibility: dict[str, tuple[str, ...]] = {}
    start: Instant | None = None
    stop: Instant | None = None
    primary_metric: str = "conversion"
    outcome_days: float | None = None
    pre_period_days: float = DEFAULT_PRE_PERIOD_DAYS
    planned_units: int = DEFAULT_PLANNED_UNITS
    description: str = ""

    @property
    def control_name(self) -> str:
        return self.control or self.variants[0].name

    @property
    def seed(self) -> str:
        return self.salt or self.name

    def variant(self, name: str | None) -> Variant | None:
        return next((variant for variant in self.variants if variant.name == name), None)

    def runs_at(self, at: Instant) -> bool:
        """Whether ``at`` lies in [start, stop), as far as these are stated."""
        return (self.start is None or self.start <= at) and (self.stop is None or at < self.stop)

    def admits(self, facts: Mapping[str, str | None]) -> bool:
        """Whether every condition holds; a fact that is not known fails the condition on it."""
        return all(facts.get(fact) in allowed for fact, allowed in self.eligibility.items())
