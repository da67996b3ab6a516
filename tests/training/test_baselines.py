"""A version is held against the simple rules that are measured beside it."""

import pytest

from training.baselines import advantages, warnings
from training.gates import not_below_baselines
from training.version_record import DataWindow, VersionRecord


def metrics(value: float, difference: str = "recall_at_10_most_popular_difference") -> dict[str, float | None]:
    """Known to 0.02."""
    return {difference: value, f"{difference}_low": value - 0.02, f"{difference}_high": value + 0.02}


def record(value: float | None, model: str = "favourite-product") -> VersionRecord:
    window = DataWindow(0, 100, 30, (10,), 50, 3, 3, 9)
    return VersionRecord(model, "default", "same", window, {}, {} if value is None else metrics(value), {})


@pytest.mark.parametrize(
    ("challenger", "champion", "is_passed"),
    [
        (0.1, 0.2, True),  # better than the baseline, whatever it is against the champion
        (-0.01, 0.2, True),  # as chance has it
        (-0.05, 0.2, False),
        (-0.05, -0.01, False),
        (-0.05, -0.1, True),  # the champion loses more, and would go on serving
        (-0.05, None, False),
        (None, 0.2, True),
    ],
)
def test_who_loses_to_a_baseline_stays_out_unless_the_champion_loses_as_much(
    challenger: float | None, champion: float | None, is_passed: bool
) -> None:
    gate = not_below_baselines(record(champion), record(challenger))

    assert (gate.name, gate.is_passed, gate.amount) == ("baseline", is_passed, challenger)
    assert challenger is None or gate.finding.startswith(f"recall at 10 {challenger:+.4g} against most popular")


def test_less_is_better_of_a_loss() -> None:
    better, worse = (advantages("send-time", metrics(value, "log_loss_difference")) for value in (-0.1, 0.1))

    assert (better[0].is_beyond_chance, better[0].is_lost) == (True, False)
    assert (worse[0].is_beyond_chance, worse[0].is_lost) == (False, True)


def test_a_version_that_is_no_better_than_a_baseline_is_noted() -> None:
    found = [warnings("favourite-product", metrics(value)) for value in (0.1, 0.01, -0.1)]

    assert found[0] == ()
    assert found[1] == (
        "no better than its baseline: recall at 10 +0.01 against most popular (95 % from -0.01 to +0.03)",
    )
    assert found[2][0].startswith("worse than its baseline: recall at 10 -0.1 against most popular")
