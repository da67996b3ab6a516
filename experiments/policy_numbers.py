"""The numbers of a decision policy that people may set: between what, and which of them a variant may set too."""

from typing import NamedTuple

from features.errors import FieldError


class Number(NamedTuple):
    """What a number may be; ``is_of_variants`` where an experiment may treat its variants differently by it."""

    low: float
    high: float
    is_whole: bool = False
    is_of_variants: bool = False


NUMBERS = {
    "epsilon": Number(0.0, 1.0, is_of_variants=True),
    "shortlist": Number(1, 1_000, is_whole=True, is_of_variants=True),
    "least_value": Number(-1e9, 1e9, is_of_variants=True),
    "order_probability": Number(0.0, 1.0, is_of_variants=True),
    "spend_lift": Number(0.0, 10.0, is_of_variants=True),
    "retention_lift": Number(0.0, 1.0, is_of_variants=True),
    "decline_suppression_days": Number(0.0, 3_650.0, is_of_variants=True),
    "send_within_hours": Number(1, 8_760, is_whole=True, is_of_variants=True),
    "temperature": Number(1e-6, 1e6, is_of_variants=True),
    "draws": Number(1, 10_000, is_whole=True, is_of_variants=True),
    "prior_outcomes": Number(0.0, 1e9, is_of_variants=True),
    "borrowed_outcomes": Number(0.0, 1e9, is_of_variants=True),
    "learned_outcomes": Number(0.0, 1e9, is_of_variants=True),
    "most_per_category": Number(0, 20, is_whole=True, is_of_variants=True),
    "unsubscribe_days": Number(0.0, 3_650.0, is_of_variants=True),
    "margin_rate": Number(0.0, 1.0),
    "typical_order": Number(0.0, 1e9),
    "value_per_priority": Number(0.0, 1e6),
    "purchases_per_view": Number(0.0, 1.0),
    "points_per_unit": Number(0.0, 1e6),
    "worst_case_orders": Number(0.0, 1e6),
    "reservation_seconds": Number(1, 31_536_000, is_whole=True),
    "message_reservation_seconds": Number(1, 31_536_000, is_whole=True),
}
OF_VARIANTS = tuple(name for name, number in NUMBERS.items() if number.is_of_variants)


def read_number(field: str, name: str, value: object) -> float | int:
    """The number of that name as it came in ``field``.

    >>> read_number("policy.epsilon", "epsilon", 1)
    1.0

    Raises
    ------
    FieldError
        If it is none, out of its range, or not whole where it must be.
    """
    allowed = NUMBERS[name]
    what = "a whole number" if allowed.is_whole else "a number"
    expected = f"{what} from {allowed.low:.16g} to {allowed.high:.16g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, value, expected)
    if not allowed.low <= value <= allowed.high or (allowed.is_whole and value != int(value)):
        raise FieldError(field, value, expected)
    return int(value) if allowed.is_whole else float(value)
