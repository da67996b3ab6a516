"""What the demo has to show, as plain values: the terminal, the page and ``--json`` are three views of these."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one model beside its named baseline, on the same households.

    ``advantage`` is how much better ours is, whichever way the metric runs: above 0 is better.
    """

    model: str
    metric: str
    baseline: str
    ours: float
    theirs: float
    advantage: Interval
    households: int


@dataclass(frozen=True, slots=True)
class RiskBand:
    """``by_recency`` is what came true of a group of the same size, filled by days since the last purchase."""

    name: str
    households: int
    predicted: float
    came_true: float
    by_recency: float


@dataclass(frozen=True, slots=True)
class CouponRanks:
    """Where each redeemed coupon stood among all live ones (1 is first) in the list made for its household.

    ``live`` is the number of live coupons; each of the three lists has one rank a redemption, in the same order.
    """

    live: int
    households: int
    by_affinity: list[float]
    by_buyers: list[float]
    by_redemptions: list[float]


@dataclass(frozen=True, slots=True)
class FavouriteHits:
    """The share of next baskets with at least one of the first ten products, by who made the list."""

    households: int
    ours: float
    own_frequency: float
    popularity: float


@dataclass(frozen=True, slots=True)
class Future:
    """What happened in the ``horizon_days`` after the clock, of which nothing was known when it was predicted."""

    horizon_days: int
    households: int
    models: list[Comparison]
    favourites: FavouriteHits
    bands: list[RiskBand]
    coupons: CouponRanks


@dataclass(frozen=True, slots=True)
class Mailing:
    """Mean spend in the days before one mailing went out."""

    campaign_id: str
    mailed_at: str
    mailed: int
    spend_of_mailed: float
    spend_of_others: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A randomised trial; ``detectable`` is the smallest relative change of spend that it would find."""

    control_share: float
    weeks: int
    detectable: float


@dataclass(frozen=True, slots=True)
class Power:
    """``households_for`` a relative effect: how many it takes in ``weeks`` with half of them in control."""

    households: int
    weekly_spend: float
    trials: list[Trial]
    weeks: int
    variance_reduction: float
    households_for: dict[str, int]


@dataclass(frozen=True, slots=True)
class Money:
    """Why the mailings of the past cannot tell what they brought, and what would."""

    mailings: list[Mailing]
    days_before: int
    mailed_spend_ratio: float
    redemptions: int
    bought_before_share: float
    bought_before_days: int
    power: Power


@dataclass(frozen=True, slots=True)
class Rejected:
    """An offer that was not made; ``word`` is the name of the reason in the answer, ``why`` says it in full."""

    offer_id: str
    title: str
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the service and what came back."""

    path: str
    request: dict[str, Any]
    response: dict[str, Any]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """One number or word of the answer before and after the purchase."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one household at the clock."""

    customer_id: str
    segment: str
    attributes: dict[str, str]
    orders: int
    usual_gap_days: float
    days_since_last_order: float
    spend_per_order: float
    expected_next_purchase_at: str | None
    churn_probability: float
    risk_band: str
    lifetime_value: float
    lifetime_value_low: float
    lifetime_value_high: float
    hours: list[float]
    timezone: str
    running_out: list[tuple[str, str]]
    favourites: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Card:
    """One household, the offer chosen for it, and what a purchase changed.

    ``is_put_back``: its events go on after the clock, so the service answers from its profile of then.
    """

    chosen_by: str
    standing: Standing
    first: Call
    rejected: list[Rejected]
    purchase: Call
    purchased: str
    again: Call
    changes: list[Change]
    is_put_back: bool
    usual: "Usual | None" = None


@dataclass(frozen=True, slots=True)
class Usual:
    """How long answers take where nobody has to be put back to the clock, the logging of decisions included."""

    households: int
    median_milliseconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the demo and the seconds that it took."""

    command: str
    seconds: float
    result: str


@dataclass(frozen=True, slots=True)
class Findings:
    clock: str
    horizon_days: int
    campaigns: int
    coupons: int
    steps: list[Step]
    card: Card
    future: Future
    money: Money
    held_out: list[dict[str, Any]]
    addresses: dict[str, str]
    seconds: float
    product_names: dict[str, str] = field(default_factory=dict)
