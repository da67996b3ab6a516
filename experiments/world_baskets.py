"""What is in the orders of a simulated world: products that customers like, and that have run out."""

from dataclasses import dataclass, field

import numpy as np

from experiments.world import Floats, Integers, World
from features.entities import Product
from features.money import to_money

CATEGORIES = ("produce", "dairy", "bakery", "meat", "drinks", "pantry", "household", "care")
PRODUCTS_EACH = 10
MOST_LINES = 40
_OF_PRODUCTS, _OF_BASKETS = 2, 3
"""Streams of chance."""
_NEVER = -10_000
_PRICE_SPREAD, _LINE_NOISE = 0.6, 0.3


@dataclass(frozen=True, slots=True)
class Lines:
    """Order lines; ``order`` is the position of the order among those asked for. ``amount`` is in currency units."""

    order: Integers
    product: Integers
    amount: Floats


@dataclass(slots=True)
class Baskets:
    """``liking`` (n, p) is how often a customer takes a product (a logarithm), ``last_bought`` (n, p) the day."""

    world: World
    prices: Floats
    interval_days: Floats
    liking: Floats
    last_bought: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.last_bought = np.full(self.liking.shape, _NEVER, dtype=np.int32)

    def copy(self) -> "Baskets":
        found = Baskets(self.world, self.prices, self.interval_days, self.liking)
        found.last_bought = self.last_bought.copy()
        return found

    @property
    def product_ids(self) -> list[str]:
        return [f"{category}-{number}" for category in CATEGORIES for number in range(PRODUCTS_EACH)]

    def products(self) -> list[Product]:
        """As the catalogue has them."""
        margin = self.world.terms.customers.margin_rate
        return [
            Product(
                product_id=product_id,
                name=product_id,
                category=product_id.partition("-")[0],
                price=to_money(round(price, 2)),
                margin_rate=margin,
            )
            for product_id, price in zip(self.product_ids, self.prices.tolist(), strict=True)
        ]

    def fill(self, day: int, customers: Integers, amounts: Floats) -> Lines:
        """The lines of one order of each of these customers, which come to these amounts (to the cent)."""
        chance = np.random.default_rng([self.world.seed, _OF_BASKETS, day])
        count = len(customers)
        if not count:
            return Lines(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        size = np.exp(0.5 * chance.standard_normal(len(self.world)))[customers] * amounts / float(self.prices.mean())
        lines = np.clip(np.rint(size), 1, MOST_LINES).astype(np.int64)
        elapsed = day - self.last_bought[customers]
        due = np.log(np.clip(elapsed / self.interval_days, 0.05, 1.5))
        wish = self.liking[customers] + due + chance.gumbel(size=(count, len(self.prices))).astype(np.float32)
        ranked = np.argsort(-wish, axis=1)[:, :MOST_LINES]
        taken = np.arange(ranked.shape[1]) < lines[:, np.newaxis]
        order, product = np.nonzero(taken)[0], ranked[taken]
        self.last_bought[customers[order], product] = day
        worth = self.prices[product] * np.exp(_LINE_NOISE * chance.standard_normal(len(product)))
        total = np.bincount(order, weights=worth, minlength=count)
        amount = np.maximum(np.round(worth / total[order] * amounts[order], 2), 0.01)
        return Lines(order, product, amount)


def make_baskets(world: World) -> Baskets:
    chance = np.random.default_rng([world.seed, _OF_PRODUCTS])
    count = len(CATEGORIES) * PRODUCTS_EACH
    about = world.terms.customers
    typical = about.spend_per_order * np.exp(about.spend_spread**2 / 2.0) / about.lines_per_order
    prices = typical * np.exp(_PRICE_SPREAD * chance.standard_normal(count) - _PRICE_SPREAD**2 / 2.0)
    interval = np.exp(chance.normal(np.log(14.0), 0.6, count))
    popularity = chance.standard_normal(count)
    taste = chance.standard_normal((len(world), len(CATEGORIES)))
    own = chance.standard_normal((len(world), count), dtype=np.float32)
    liking = popularity + np.repeat(taste, PRODUCTS_EACH, axis=1) + own
    return Baskets(world, np.maximum(prices, 0.01), interval, liking.astype(np.float32))
