"""Hard limits that several offers share: on a campaign, on a brand, and on what offers may cost of what is earned.

A limit is a sum of counters that may not pass an amount. An offer that costs nothing is under none of them.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from features.brand import BrandSettings, Budget
from features.budget_usage import BRAND, CAMPAIGN, BudgetKey, Spending, day_key, day_of
from features.entities import Offer
from features.instant import Instant
from features.money import Money, to_money
from serving.refusal import Refusal

FAR_PAST: Instant = -(2**62)
FAR_FUTURE: Instant = 2**62


class Limit(Struct, frozen=True):
    """``keys`` are the counters whose sum may come to ``amount`` and not beyond."""

    refusal: Refusal
    keys: tuple[BudgetKey, ...]
    amount: Money

    def has_room_for(self, cost: Money, spending: Mapping[BudgetKey, Spending]) -> bool:
        return sum(spending[key].committed for key in self.keys) + cost <= self.amount


class Purse(Struct, frozen=True):
    """An amount for a time; without a time, for ever."""

    amount: Money
    starts_at: Instant = FAR_PAST
    ends_at: Instant = FAR_FUTURE


class CostShare(Struct, frozen=True):
    """Of the ``revenue`` of so many days, the present one among them; it is 0 until it was reckoned."""

    share: float
    days: int
    revenue: Money = 0

    @property
    def allowed(self) -> Money:
        return int(self.share * self.revenue)


class Limits(Struct, frozen=True):
    """Of one brand."""

    brand: str = ""
    purse: Purse | None = None
    campaigns: Mapping[str, Purse] = {}
    cost_share: CostShare | None = None

    def of(self, offer: Offer, decided_at: Instant) -> tuple[Limit, ...]:
        """Those that the offer is under when it is decided on; the last that refuses is told."""
        return (*self._campaign(offer.campaign_id), *self.of_brand(decided_at))

    def of_brand(self, decided_at: Instant) -> tuple[Limit, ...]:
        found = []
        if self.purse is not None and self.purse.starts_at <= decided_at < self.purse.ends_at:
            found.append(Limit(Refusal.BRAND_BUDGET, self._keys_of_purse(self.purse, decided_at), self.purse.amount))
        if self.cost_share is not None:
            today = day_of(decided_at)
            days = range(today - self.cost_share.days + 1, today + 1)
            keys = tuple(day_key(self.brand, day) for day in days)
            found.append(Limit(Refusal.OFFER_COST_SHARE, keys, self.cost_share.allowed))
        return tuple(found)

    def _campaign(self, campaign_id: str | None) -> tuple[Limit, ...]:
        purse = None if campaign_id is None else self.campaigns.get(campaign_id)
        if purse is None:
            return ()
        return (Limit(Refusal.CAMPAIGN_BUDGET, (BudgetKey(self.brand, CAMPAIGN, campaign_id or ""),), purse.amount),)

    def _keys_of_purse(self, purse: Purse, decided_at: Instant) -> tuple[BudgetKey, ...]:
        """Without a beginning all that was ever spent counts."""
        if purse.starts_at == FAR_PAST:
            return (BudgetKey(self.brand, BRAND),)
        days = range(day_of(purse.starts_at), day_of(decided_at) + 1)
        return tuple(day_key(self.brand, day) for day in days)


NO_LIMITS = Limits()


def limits_of(settings: BrandSettings) -> Limits:
    """What a brand file says."""
    share = settings.offer_cost_share
    if settings.budget is None and share is None and not settings.campaigns:
        return NO_LIMITS
    return Limits(
        brand=settings.brand,
        purse=None if settings.budget is None else _purse(settings.budget),
        campaigns={name: _purse(budget) for name, budget in settings.campaigns.items()},
        cost_share=None if share is None else CostShare(share.share, share.days),
    )


def keys_of(limits: Limits, offers: Sequence[Offer], at: Instant) -> Iterable[BudgetKey]:
    """The counters that any of the offers may be refused by."""
    return {key for offer in offers for limit in limits.of(offer, at) for key in limit.keys}


def _purse(budget: Budget) -> Purse:
    return Purse(
        to_money(budget.amount),
        FAR_PAST if budget.starts_at is None else budget.starts_at,
        FAR_FUTURE if budget.ends_at is None else budget.ends_at,
    )
