"""What a level missed of the newest horizon, knowing nothing of it, is expected of the next; and how surely is said."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.history import Snapshot, open_history
from features.instant import MICROSECONDS_PER_DAY
from features.store import open_store
from features.vector import FEATURES
from training.models.lifetime_value_outlook import Outlook, outlook
from training.models.spend_level import DECAYED, SpendLevel

HORIZON_DAYS = 84
SPACING_DAYS = 21
CUSTOMERS = 1500


@pytest.fixture(scope="module")
def template(shop_workspace: Path) -> Snapshot:
    store = open_store(shop_workspace)
    with open_history(store, "default") as history:
        snapshot = history.snapshot(history.cutoffs(14, count=1)[0], 14)
    store.close()
    return snapshot


def of_cohort(template: Snapshot, cutoffs: int, spend_at: Sequence[float]) -> list[Snapshot]:
    """Customers who all came at one time, alike but for what each spends by habit; ``spend_at`` is the usual spend."""
    generator = np.random.default_rng(0)
    habit = generator.gamma(2.0, 0.5, CUSTOMERS)
    found = []
    for number in range(cutoffs):
        features = np.full((CUSTOMERS, len(FEATURES)), np.nan)
        tenure = 60.0 + number * SPACING_DAYS
        features[:, FEATURES.index("tenure_days")] = tenure
        features[:, FEATURES.index("days_since_last_order")] = 10.0
        features[:, FEATURES.index("orders")] = 5.0
        for name, half_life in DECAYED:
            features[:, FEATURES.index(name)] = habit * (1.0 - 0.5 ** (tenure / half_life))
        found.append(
            replace(
                template,
                as_of=template.as_of + number * SPACING_DAYS * MICROSECONDS_PER_DAY,
                horizon_days=HORIZON_DAYS,
                features=features,
                spend=spend_at[number] * habit * generator.gamma(40.0, 0.025, CUSTOMERS),
            )
        )
    return found


def looked_ahead(snapshots: list[Snapshot]) -> Outlook:
    features = np.concatenate([snapshot.features for snapshot in snapshots])
    level = SpendLevel.of_mean(features, np.concatenate([snapshot.spend for snapshot in snapshots]))
    return outlook(snapshots, level)


def test_a_cohort_that_keeps_its_pace_is_expected_to_keep_it(template: Snapshot) -> None:
    ahead = looked_ahead(of_cohort(template, 10, [30.0] * 10))

    assert ahead.drift == pytest.approx(0.0, abs=0.03)


def test_a_cohort_that_fades_faster_and_faster_is_expected_to_fade_on(template: Snapshot) -> None:
    spend = [30.0 * np.exp(-0.01 * number**2) for number in range(10)]

    ahead = looked_ahead(of_cohort(template, 10, spend))

    assert ahead.drift < -0.1


def test_a_total_is_less_sure_where_no_horizon_was_over_in_time(template: Snapshot) -> None:
    steady = of_cohort(template, 10, [30.0] * 10)

    unseen, seen = looked_ahead(steady[:4]), looked_ahead(steady)

    assert unseen.drift == 0.0
    assert unseen.deviation > 1.5 * seen.deviation
