"""What the last look at drift found, as gauges on ``/metrics``; whoever answers requests does nothing for them.

``lagniappe drift`` leaves a report of each brand in the workspace. A thread looks every few seconds whether there is a
newer one.
"""

import logging
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
    estimated: float


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
        """Bring the gauges up to the reports; one that cannot be read is said once, and left out."""
        for path in sorted(self._folder.glob("*.json")):
            changed_at = path.stat().st_mtime_ns
            if self._seen.get(path) == changed_at:
                continue
            self._seen[path] = changed_at
            try:
                self._show(msgspec.json.decode(path.read_bytes(), type=_Report), changed_at)
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                log.warning("%s: the report on drift cannot be read: %s", path.name, error)

    def _show(self, report: _Report, changed_at: int) -> None:
        for one in report.models:
            labels = (report.brand, one.model)
            self.verdict.labels(*labels).set(VERDICTS.index(one.verdict))
            self.shifted_share.labels(*labels).set(one.shifted_share)
            self.checked_at.labels(*labels).set(changed_at / 1e9)
            if one.score is not None:
                self.score_psi.labels(*labels).set(one.score.psi)
                self.score_distance.labels(*labels).set(one.score.distance)
            for estimate in one.estimates:
                self.estimated.labels(*labels, estimate.metric).set(estimate.estimated)


def _keep_looking(gauges: "ReferenceType[DriftGauges]") -> None:
    wait = threading.Event()
    while not wait.wait(LOOK_EVERY_SECONDS):
        known = gauges()
        if known is None:
            return
        try:
            known.look()
        except OSError as error:  # the folder may be there at the next look
            log.warning("the reports on drift cannot be looked at: %s", type(error).__name__)
        del known
