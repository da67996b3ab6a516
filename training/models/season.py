"""How the level of demand moves with the season and of late: a curve over days, added to what the customers tell."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY, Instant

Floats = NDArray[np.float64]

YEAR_DAYS = 365.2425


class Season(NamedTuple):
    """``values`` by day from ``first_day`` (days since 1970, UTC) on: what is to be added to the logarithm, or to the
    log odds; nothing where there are no values.
    """

    first_day: int
    values: Floats

    def at(self, as_of: Instant) -> float:
        if not self.values.size:
            return 0.0
        day = as_of // MICROSECONDS_PER_DAY - self.first_day
        if day >= self.values.size:
            last_year = self.values.size - int(YEAR_DAYS)
            day = last_year + (day - last_year) % int(YEAR_DAYS) if last_year >= 0 else self.values.size - 1
        return float(self.values[max(day, 0)])

    def words(self) -> dict[str, Any]:
        """What a manifest says of it; :meth:`of` reads it back."""
        return {"first_day": self.first_day, "values": self.values.tolist()}

    @classmethod
    def of(cls, words: dict[str, Any]) -> "Season":
        return cls(words["first_day"], np.array(words["values"], dtype=np.float64))

    def between(self, as_of: Instant, reference: Instant) -> float:
        """How much higher the level is at an instant than at another."""
        return self.at(as_of) - self.at(reference)


NO_SEASON = Season(0, np.empty(0))
