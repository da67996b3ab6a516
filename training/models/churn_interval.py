"""How far a probability of churn may be off, by what held-out customers with like probabilities did.

In bands of like probability the share that was lost has a Beta posterior, whose prior is worth two customers at the
predicted mean (Agresti & Coull 1998 add as many). Its 10 % and 90 % quantiles, as distances in log-odds from what was
predicted, are interpolated between the bands. The interval always holds the probability itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FILE = "churn_interval.npz"
LOW, HIGH = 0.1, 0.9
CUSTOMERS_IN_A_BAND, MOST_BANDS = 100, 20
_PRIOR_CUSTOMERS = 2.0
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class ChurnInterval:
    """By band, lowest first: its mean log-odds, and how far below (not above 0) and above (not below 0) them to go."""

    log_odds: Floats
    below: Floats
    above: Floats

    @classmethod
    def fit(cls, probability: Floats, outcome: Floats) -> "ChurnInterval":
        """From customers that the model had not seen; ``outcome`` is 1 for who was lost. There must be some."""
        from scipy.stats import beta

        order = np.argsort(probability, kind="stable")
        count = int(np.clip(len(order) // CUSTOMERS_IN_A_BAND, 1, MOST_BANDS))
        bands = np.array_split(order, count)
        size = np.array([len(band) for band in bands], dtype=np.float64)
        mean = np.clip([probability[band].mean() for band in bands], _LEAST, 1 - _LEAST)
        lost = np.array([outcome[band].sum() for band in bands]) + _PRIOR_CUSTOMERS * mean
        kept = size + _PRIOR_CUSTOMERS - lost
        middle = _log_odds(mean)
        low, high = (_log_odds(beta.ppf(level, lost, kept)) - middle for level in (LOW, HIGH))
        return cls(middle, np.minimum(low, 0.0), np.maximum(high, 0.0))

    def around(self, probability: Floats) -> tuple[Floats, Floats]:
        """The 80 % interval of the share that is lost among customers with each probability; NaN where it is NaN."""
        at = _log_odds(probability)
        low = _chance(at + np.interp(at, self.log_odds, self.below))
        high = _chance(at + np.interp(at, self.log_odds, self.above))
        return np.minimum(low, probability), np.maximum(high, probability)

    def save(self, folder: Path) -> None:
        np.savez(folder / FILE, allow_pickle=False, log_odds=self.log_odds, below=self.below, above=self.above)

    @classmethod
    def load(cls, folder: Path) -> "ChurnInterval | None":
        """Nothing for a version that was trained before intervals were kept."""
        if not (folder / FILE).exists():
            return None
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            return cls(arrays["log_odds"], arrays["below"], arrays["above"])


def _log_odds(chance: Floats) -> Floats:
    known = np.clip(chance, _LEAST, 1 - _LEAST)
    odds: Floats = np.log(known / (1 - known))
    return odds


def _chance(log_odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-log_odds))
