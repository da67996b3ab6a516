import json
from collections.abc import Callable

import numpy as np
import pytest

from features.store import Store
from training.held_out import HeldOut, load_held_out, save_held_out
from training.paired_difference import paired_differences
from training.promotion import GateRefusedError, UnknownVersionError, compare, promote
from training.registry import CHALLENGER, CHAMPION, Deployment, current, history
from training.rollback import rollback

MakeVersion = Callable[..., Deployment]
LOSSES = [0.2, 0.4, 0.6, 0.8] * 10
SLIGHTLY_BETTER = [loss - 0.01 for loss in LOSSES]
WORSE = [loss + 0.05 for loss in LOSSES]


def measured(losses: list[float], keys: list[int] | None = None) -> HeldOut:
    known = np.array(keys if keys is not None else range(len(losses)), dtype=np.uint64)
    return HeldOut(50, 30, known, {"log_loss": np.array(losses)}, {"calibration_error_beyond_chance": 0.01})


def champion_version(store: Store) -> str:
    with store.reading() as connection:
        return current(connection, "default")["churn", CHAMPION].version


def test_paired_difference_by_hand() -> None:
    [difference] = paired_differences([(measured([1.0, 2.0, 3.0]), measured([2.0, 2.0, 5.0]))])

    half_width = 1.959964 * np.std([1.0, 0.0, 2.0], ddof=1) / 3**0.5
    assert (difference.champion, difference.challenger, difference.difference) == (2.0, 3.0, 1.0)
    assert (difference.low, difference.high) == pytest.approx((1 - half_width, 1 + half_width))


def test_only_customers_that_count_for_both_are_paired() -> None:
    [difference] = paired_differences([(measured([1.0, np.nan, 3.0], [1, 2, 3]), measured([9.0, 1.0, 4.0], [7, 2, 3]))])

    assert (difference.customers, difference.difference) == (1, 1.0)


def test_held_out_losses_survive_saving(sqlite_store: Store) -> None:
    before = measured([0.1, np.nan])
    save_held_out([before, measured([0.3])], sqlite_store.workspace)

    after, earlier = load_held_out(sqlite_store.workspace)

    assert (after.as_of, after.horizon_days, after.calibration) == (50, 30, before.calibration)
    assert earlier.losses["log_loss"].tolist() == [0.3]
    np.testing.assert_array_equal(after.losses["log_loss"], before.losses["log_loss"])


def test_a_better_challenger_is_promoted(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", SLIGHTLY_BETTER)

    deployment, _ = promote(sqlite_store, "default", "churn", "2", now=10)

    assert (deployment.alias, deployment.reason) == (CHAMPION, "promoted")
    assert champion_version(sqlite_store) == "2"


def test_a_worse_challenger_is_refused_with_gate_and_amount(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", WORSE)

    with pytest.raises(GateRefusedError, match=r"gate not_worse_log_loss: \+10.00% against the champion's 0.5"):
        promote(sqlite_store, "default", "churn", "2", now=10)

    assert champion_version(sqlite_store) == "1"


def test_force_promotes_and_is_recorded(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", WORSE)

    deployment, _ = promote(sqlite_store, "default", "churn", "2", now=10, forced_by="anna")

    assert deployment.reason == "forced past not_worse_log_loss by anna"


def test_a_difference_that_chance_explains_passes(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", [loss + (0.11 if number % 2 else -0.1) for number, loss in enumerate(LOSSES)])

    assert compare(sqlite_store, "default", "churn", "2").is_passed


def test_other_features_are_refused(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", SLIGHTLY_BETTER, fingerprint="of-another-time")

    with pytest.raises(GateRefusedError, match="gate fingerprint: trained on features of-another-time"):
        promote(sqlite_store, "default", "churn", "2", now=10)


def test_a_miscalibrated_challenger_is_refused(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", SLIGHTLY_BETTER, miscalibration=0.2)

    with pytest.raises(GateRefusedError, match=r"gate calibration_error_beyond_chance: 0.2000, at most 0.05 passes"):
        promote(sqlite_store, "default", "churn", "2", now=10)


def test_another_horizon_answers_another_question(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES, horizon_days=90)
    make_version("2", SLIGHTLY_BETTER, horizon_days=30)

    with pytest.raises(GateRefusedError, match="gate same_horizon: 30 days, the champion's is 90 days"):
        promote(sqlite_store, "default", "churn", "2", now=10)


def of_other_features(store: Store, version: Deployment) -> None:
    """What an upgrade makes of versions from before it."""
    manifest = store.workspace / version.path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"features": "former"}))


def test_a_champion_that_cannot_be_loaded_is_followed_by_what_can(
    sqlite_store: Store, make_version: MakeVersion
) -> None:
    of_other_features(sqlite_store, make_version("1", LOSSES, horizon_days=90))
    make_version("2", WORSE)

    deployment, comparison = promote(sqlite_store, "default", "churn", "2", now=10)

    [finding] = [gate.finding for gate in comparison.gates if gate.name == "champion_loadable"]
    assert finding.startswith("the champion cannot be loaded: ")
    assert "features: got 'former'" in finding
    assert comparison.differences == []
    assert (deployment.reason, champion_version(sqlite_store)) == ("promoted", "2")


def test_force_replaces_a_champion_that_cannot_be_loaded(sqlite_store: Store, make_version: MakeVersion) -> None:
    [*_, arrays] = (sqlite_store.workspace / make_version("1", LOSSES).path).glob("*.npz")
    arrays.unlink()
    make_version("2", LOSSES, fingerprint="of-another-time")

    promote(sqlite_store, "default", "churn", "2", now=10, forced_by="anna")

    assert champion_version(sqlite_store) == "2"


def test_a_version_that_cannot_be_loaded_is_refused(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    of_other_features(sqlite_store, make_version("2", SLIGHTLY_BETTER))

    with pytest.raises(GateRefusedError, match=r"gate loadable: the version cannot be loaded: .* got 'former'"):
        promote(sqlite_store, "default", "churn", "2", now=10)


def test_rollback_puts_the_former_champion_back(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)
    make_version("2", SLIGHTLY_BETTER)
    promote(sqlite_store, "default", "churn", "2", now=10)

    rollback(sqlite_store, "default", "churn", now=20)

    assert champion_version(sqlite_store) == "1"
    with sqlite_store.reading() as connection:
        assert current(connection, "default")["churn", CHALLENGER].version == "2"


def test_nothing_to_roll_back_to_is_said(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)

    with pytest.raises(UnknownVersionError, match="churn: no former champion to go back to"):
        rollback(sqlite_store, "default", "churn", now=20)


def test_an_unknown_version_is_answered_with_the_known_ones(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)

    with pytest.raises(UnknownVersionError, match="got version 9, expected one of 1"):
        promote(sqlite_store, "default", "churn", "9", now=20)


def test_promoting_the_champion_changes_nothing(sqlite_store: Store, make_version: MakeVersion) -> None:
    make_version("1", LOSSES)

    promote(sqlite_store, "default", "churn", "1", now=20)

    with sqlite_store.reading() as connection:
        assert len(history(connection, "default")) == 1
