"""What the last look at drift found, as gauges on ``/metrics``; whoever answers requests does nothing for them.

``lagniappe drift`` leaves a report of each brand in the workspace. A thread looks every few seconds whether there is a
newer one.
"""

import logging
import math
import os
import threading
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import msgspec

FOLDER = "drift"
LOOK_EVERY_SECONDS = 5.0
VERDICTS = ("none", "watch", "retrain")
_LABELS = ("brand", "model")

log = logging.getLogger(__name__)


class _Score(msgspec.Struct):
    psi: float
    distance: float


class _Estimate(msgspec.Struct):
    metric: str
    estimated: float | None


class _Model(msgspec.Struct):
    model: str
    verdict: str
    shifted_share: float = 0.0
    score: _Score | None = None
    estimates: list[_Estimate] = []


class _Report(msgspec.Struct):
    """As much of a report as is shown."""

    brand: str
    models: list[_Model]


class DriftGauges:
    """``workspace`` is where the reports are; the thread ends with this object."""

    def __init__(self, workspace: Path) -> None:
        # Not sooner: BentoML names the folder that its workers share before it makes the service.
        from prometheus_client import Gauge

        def gauge(name: str, said: str, *further: str) -> Any:
            labels = [*_LABELS, *further]
            return Gauge(f"lagniappe_drift_{name}", said, labels, registry=None, multiprocess_mode="mostrecent")

        self._folder = workspace / FOLDER
        self._seen: dict[Path, int] = {}
        self._out_of_reach: set[Path] = set()
        self._shown: dict[Path, set[tuple[Any, tuple[str, ...]]]] = {}
        self.verdict = gauge("verdict", "Of the last look at drift: 0 none, 1 watch, 2 retrain.")
        self.score_psi = gauge("score_psi", "Population stability index of the model's scores.")
        self.score_distance = gauge("score_distance", "Kolmogorov-Smirnov distance of the model's scores.")
        self.shifted_share = gauge("shifted_share", "Share of the model's gain by features that have shifted.")
        self.estimated = gauge("estimated_performance", "Before labels arrive, by metric.", "metric")
        self.checked_at = gauge("checked_at_seconds", "When the last look was, since 1970.")

    def start(self) -> None:
        self.look()
        threading.Thread(target=_keep_looking, args=(ref(self),), name="drift", daemon=True).start()

    def look(self) -> None:
        """Bring the gauges up to the reports; one that cannot be read is said once, and left out.

        A file counts as seen once it was read: one that was out of reach is tried again at the next look.
        """
        for path in self._reports():
            try:
                changed_at = path.stat().st_mtime_ns
                if self._seen.get(path) == changed_at:
                    continue
                written = path.read_bytes()
            except OSError as error:
                if path not in self._out_of_reach:
                    log.warning("%s: the report on drift is out of reach: %s", path.name, type(error).__name__)
                self._out_of_reach.add(path)
                continue
            self._seen[path] = changed_at
            self._out_of_reach.discard(path)
            try:
                self._show(path, msgspec.json.decode(written, type=_Report), changed_at)
            except (ValueError, msgspec.MsgspecError) as error:
                log.warning("%s: the report on drift cannot be read: %s", path.name, error)

    def _reports(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("*.json"))
        except OSError as error:  # the folder may be there at the next look
            log.warning("the reports on drift cannot be looked at: %s", type(error).__name__)
            return []

    def _show(self, path: Path, report: _Report, changed_at: int) -> None:
        shown = self._found(report, changed_at)
        labelled = {(gauge, labels) for gauge, found in shown.items() for labels in found}
        for gauge, labels in self._shown.get(path, set()) - labelled:
            _drop(gauge, labels)
        for gauge, found in shown.items():
            for labels, value in found.items():
                gauge.labels(*labels).set(value)
        self._shown[path] = labelled

    def _found(self, report: _Report, changed_at: int) -> dict[Any, dict[tuple[str, ...], float]]:
        """By gauge, by labels."""
        models = {(report.brand, one.model): one for one in report.models}
        scores = {labels: one.score for labels, one in models.items() if one.score is not None}
        return {
            self.verdict: {labels: float(VERDICTS.index(one.verdict)) for labels, one in models.items()},
            self.shifted_share: {labels: one.shifted_share for labels, one in models.items()},
            self.checked_at: dict.fromkeys(models, changed_at / 1e9),
            self.score_psi: {labels: score.psi for labels, score in scores.items()},
            self.score_distance: {labels: score.distance for labels, score in scores.items()},
            self.estimated: {
                (*labels, estimate.metric): estimate.estimated
                for labels, one in models.items()
                for estimate in one.estimates
                if estimate.estimated is not None
            },
        }


def _drop(gauge: Any, labels: tuple[str, ...]) -> None:
    """Where workers share their numbers in files none can be taken away: there it says that it is not known."""
    gauge.labels(*labels).set(math.nan)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        gauge.remove(*labels)


def _keep_looking(gauges: "ReferenceType[DriftGauges]") -> None:
    wait = threading.Event()
    while not wait.wait(LOOK_EVERY_SECONDS):
        known = gauges()
        if known is None:
            return
        known.look()
        del known
