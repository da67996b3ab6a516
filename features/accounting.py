"""Amounts in a brand's one accounting currency, whatever currency they came in."""

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from features.errors import FieldError
from features.events import Event
from features.money import LARGEST_AMOUNT, MONEY_SCALE, Money

_RATE_SCALE = 10**10
_AMOUNTS = ("amount", "list_amount", "discount_amount")
GIVEN_CURRENCY = "given_currency"
"""The property in which a converted event keeps the currency that it came in."""


def in_accounting_currency(event: Event, accounting: str | None) -> Event:
    """The event with its amounts in the accounting currency; as it came if it is in that or names none.

    Raises
    ------
    FieldError
        If it is in another currency and brings no exchange rate.
    """
    if event.currency is None or accounting is None or event.currency == accounting:
        return event
    if not any(getattr(event, name) is not None for name in _AMOUNTS):
        return event
    if event.exchange_rate is None:
        raise FieldError("currency", event.currency, expected_currency(accounting), "currency")
    amounts = {name: _converted(getattr(event, name), event.exchange_rate) for name in _AMOUNTS}
    if any(abs(amount or 0) >= LARGEST_AMOUNT * MONEY_SCALE for amount in amounts.values()):
        raise FieldError("exchange_rate", event.exchange_rate, expected_rate(accounting))
    given = {**(event.properties or {}), GIVEN_CURRENCY: event.currency}
    return msgspec.structs.replace(event, currency=accounting, properties=given, **amounts)


def expected_currency(accounting: str) -> str:
    return f"{accounting}, the accounting currency of the brand, or an exchange_rate"


def expected_rate(accounting: str) -> str:
    return f"a rate that leaves amounts in {accounting} below {LARGEST_AMOUNT:.0e}"


def _converted(amount: Money | None, rate: float) -> Money | None:
    if amount is None:
        return None
    exact = Decimal(amount) * Decimal(_scaled(rate)) / _RATE_SCALE
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN)) if exact < 10**20 else 10**20


def _scaled(rate: float) -> int:
    """The rate to ten decimals."""
    return int(rate * _RATE_SCALE + 0.5)


def is_foreign_sql() -> str:
    """Whether a row with the brand's currency beside it, as ``accounting``, has to be converted."""
    given = " OR ".join(f"{name} IS NOT NULL" for name in _AMOUNTS)
    return f"(currency <> accounting AND ({given}))"


def converted_sql() -> dict[str, str]:
    """The amounts of a foreign row; in HUGEINT, so that none overflows."""
    return {name: _converted_sql(name) for name in _AMOUNTS}


def _converted_sql(name: str) -> str:
    exact = f"(abs({name}::HUGEINT) * CAST(floor(exchange_rate * {_RATE_SCALE} + 0.5) AS HUGEINT))"
    down, rest = f"({exact} // {_RATE_SCALE})", f"({exact} % {_RATE_SCALE})"
    half = _RATE_SCALE // 2
    up = f"CASE WHEN {rest} > {half} OR ({rest} = {half} AND {down} % 2 = 1) THEN 1 ELSE 0 END"
    return f"(sign({name}) * least({down} + {up}, {LARGEST_AMOUNT * MONEY_SCALE}))::BIGINT"
