"""Money as whole ten-thousandths of a currency unit, so that sums are exact in any order."""

from decimal import ROUND_HALF_EVEN, Decimal

Money = int

MONEY_SCALE = 10_000
LARGEST_AMOUNT = 1_000_000_000_000
"""In currency units; a larger amount on one line is taken for an error."""


def to_money(amount: float | Decimal) -> Money:
    """An amount in currency units as ten-thousandths, half to even."""
    return int((Decimal(amount) * MONEY_SCALE).to_integral_value(ROUND_HALF_EVEN))


def from_money(money: Money) -> float:
    """Currency units."""
    return money / MONEY_SCALE
