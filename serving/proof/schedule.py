"""Which day of a simulation is for what."""

from dataclasses import dataclass

from features.errors import FieldError

EVALUATED_DAYS = 14
"""The last of them, on which policies are compared; what is learned is learned before."""
LONGEST_COLLECTING = 21
RETRAIN_DAYS = 14
FEWEST_CUSTOMERS, MOST_CUSTOMERS = 10, 10_000_000
MOST_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class Schedule:
    """Until ``switch`` offers are made by chance; until ``fork`` by our policy, which still explores much, if the gate
    lets it; from then on each policy has a future of its own. ``tested_from`` is where the decisions begin by which the
    gate judges: those before it are learned from."""

    days: int
    tested_from: int
    switch: int
    fork: int
    retrain: tuple[int, ...]


def fewest_days(every_days: int) -> int:
    return EVALUATED_DAYS + 2 * max(every_days, EVALUATED_DAYS // 2)


def schedule(days: int, every_days: int) -> Schedule:
    """
    >>> schedule(60, 7)
    Schedule(days=60, tested_from=14, switch=21, fork=46, retrain=(35,))

    Raises
    ------
    FieldError
        If there are too few days to learn in and to compare on.
    """
    fewest = fewest_days(every_days)
    if not fewest <= days <= MOST_DAYS:
        expected = (
            f"a whole number from {fewest} to {MOST_DAYS}: {fewest - EVALUATED_DAYS} to learn in and the last "
            f"{EVALUATED_DAYS} to compare on"
        )
        raise FieldError("days", days, expected)
    fork = days - EVALUATED_DAYS
    cycles = max(min(LONGEST_COLLECTING // every_days, fork // every_days), 2)
    switch = cycles * every_days
    return Schedule(days, switch - every_days, switch, fork, tuple(range(switch + RETRAIN_DAYS, fork, RETRAIN_DAYS)))


def check_customers(customers: int) -> None:
    if not FEWEST_CUSTOMERS <= customers <= MOST_CUSTOMERS:
        raise FieldError("customers", customers, f"a whole number from {FEWEST_CUSTOMERS} to {MOST_CUSTOMERS}")
