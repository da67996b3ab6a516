from rich.console import Console

from training.pipeline import Trained
from training.reports import trained


def shown(*results: Trained) -> list[str]:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(trained(results))
    return [" ".join(line.split()) for line in captured.get().splitlines() if line.strip()]


def test_metrics_stand_beside_their_baselines_and_a_difference_with_its_interval() -> None:
    metrics: dict[str, float | None] = {
        "auc": 0.9,
        "auc_difference": 0.1,
        "auc_difference_low": 0.05,
        "auc_difference_high": 0.15,
        "log_loss": None,
    }

    lines = shown(Trained("churn", "3", metrics=metrics, baselines={"recency": {"auc": 0.8}}, alias="champion"))

    assert lines == [
        "churn 3 (champion) ours recency",
        "auc 0.9 0.8",
        "auc difference 0.1 (+0.05 to +0.15)",
        "log loss –",
    ]


def test_a_note_is_said_once_for_all_models() -> None:
    results = [Trained(model, "1", alias="champion", notes=("horizon shortened",)) for model in ("churn", "send-time")]

    assert "churn, send-time: horizon shortened" in shown(*results)
