import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving import drift_metrics
from serving.drift_metrics import DriftGauges
from training.drift import VERDICTS, DriftReport, Estimate, ModelDrift, Shift
from training.drift_check import FOLDER, keep


def report(verdict: str, psi: float = 0.3, brand: str = "default") -> DriftReport:
    score = Shift("score", psi, 0.01, 0.2, 0.0, verdict)
    estimate = Estimate("log_loss", 0.4, 0.45, 0.1)
    model = ModelDrift("churn", "3", verdict, ["scores"], score, 0.4, [score], [estimate])
    return DriftReport(brand, "2026-01-01T00:00:00Z", verdict, 100, 100, [model])


def values(gauge: Any) -> dict[tuple[str, ...], float]:
    [family] = gauge.collect()
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@pytest.fixture
def gauges(tmp_path: Path) -> DriftGauges:
    return DriftGauges(tmp_path)


def test_the_service_reads_what_the_verb_keeps(gauges: DriftGauges, tmp_path: Path) -> None:
    keep(tmp_path, report("watch"))

    gauges.look()

    assert values(gauges.verdict) == {("default", "churn"): 1.0}
    assert values(gauges.score_psi) == {("default", "churn"): 0.3}
    assert values(gauges.shifted_share) == {("default", "churn"): 0.4}
    assert values(gauges.estimated) == {("default", "churn", "log_loss"): 0.45}
    assert (drift_metrics.FOLDER, drift_metrics.VERDICTS) == (FOLDER, VERDICTS)


def test_a_newer_report_takes_the_place_of_the_one_before(gauges: DriftGauges, tmp_path: Path) -> None:
    for verdict, written_at in (("retrain", 10), ("none", 20)):
        os.utime(keep(tmp_path, report(verdict)), (written_at, written_at))
        gauges.look()

    assert values(gauges.verdict) == {("default", "churn"): 0.0}
    assert values(gauges.checked_at) == {("default", "churn"): 20.0}


def test_a_report_that_cannot_be_read_hides_no_other(gauges: DriftGauges, tmp_path: Path) -> None:
    keep(tmp_path, report("none", brand="whole"))
    (tmp_path / FOLDER / "broken.json").write_text(json.dumps({"brand": "broken"})[:-1])

    gauges.look()

    assert values(gauges.verdict) == {("whole", "churn"): 0.0}


def test_a_file_counts_as_seen_once_it_was_read(gauges: DriftGauges, tmp_path: Path) -> None:
    in_the_way = tmp_path / FOLDER / "default.json"
    in_the_way.mkdir(parents=True)
    os.utime(in_the_way, (10, 10))
    gauges.look()
    in_the_way.rmdir()
    os.utime(keep(tmp_path, report("watch")), (10, 10))

    gauges.look()

    assert values(gauges.verdict) == {("default", "churn"): 1.0}


def test_a_file_that_leads_nowhere_does_not_keep_the_service_from_starting(gauges: DriftGauges, tmp_path: Path) -> None:
    keep(tmp_path, report("watch"))
    (tmp_path / FOLDER / "another.json").symlink_to(tmp_path / "gone.json")

    gauges.start()

    assert values(gauges.verdict) == {("default", "churn"): 1.0}


def test_models_that_left_the_report_are_shown_no_more(gauges: DriftGauges, tmp_path: Path) -> None:
    churn = report("watch")
    both = replace(churn, models=[*churn.models, replace(churn.models[0], model="send-time")])
    for one, written_at in ((both, 10), (churn, 20)):
        os.utime(keep(tmp_path, one), (written_at, written_at))
        gauges.look()

    for gauge in (gauges.verdict, gauges.score_psi, gauges.shifted_share, gauges.checked_at):
        assert list(values(gauge)) == [("default", "churn")]
    assert list(values(gauges.estimated)) == [("default", "churn", "log_loss")]


def test_where_workers_share_files_what_left_is_not_known(
    gauges: DriftGauges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for one, written_at in ((report("watch"), 10), (replace(report("watch"), models=[]), 20)):
        os.utime(keep(tmp_path, one), (written_at, written_at))
        gauges.look()

    assert np.isnan(values(gauges.verdict)["default", "churn"])


def test_an_estimate_that_is_not_defined_hides_nothing_else(gauges: DriftGauges, tmp_path: Path) -> None:
    churn = report("watch")
    undefined = Estimate("auc", None, float("nan"), 0.0)
    keep(tmp_path, replace(churn, models=[replace(churn.models[0], estimates=[undefined])]))

    gauges.look()

    assert values(gauges.verdict) == {("default", "churn"): 1.0}
    assert values(gauges.estimated) == {}


def test_without_any_report_there_is_nothing_to_show(gauges: DriftGauges) -> None:
    gauges.start()

    assert values(gauges.verdict) == {}
