"""The controlled experiment of the last days, ours against no offers, analysed as any other; the truth beside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.analysis import analyse
from experiments.assignment import assign
from experiments.design import Experiment, Variant
from experiments.experiment_log import opened_log
from experiments.world import Floats, World
from experiments.world_events import customer_ids, exposures, instant_of
from serving.proof.course import Course
from serving.proof.programme import Programme

CONTROL, OURS = "control", "ours"
METRIC = "revenue"


@dataclass(frozen=True, slots=True)
class Trial:
    """``truth`` is the true difference in expected revenue, over all who were exposed."""

    document: dict[str, Any]
    truth: float

    @property
    def covers_truth(self) -> bool | None:
        low, high = self.document["low"], self.document["high"]
        return None if low is None or high is None else bool(low <= self.truth <= high)


def designed(world: World, days: int) -> Experiment:
    return Experiment(
        name="ours-against-nothing",
        salt=f"ours-against-nothing-{world.seed}",
        variants=(Variant(name=CONTROL, weight=0.5), Variant(name=OURS, weight=0.5)),
        primary_metric=METRIC,
        pre_period_days=float(days),
        planned_units=len(world),
    )


def variants_of(world: World, experiment: Experiment) -> list[str]:
    """Of each customer."""
    dealt = (assign(experiment, customer_id) for customer_id in customer_ids(world))
    return [CONTROL if variant is None else variant.name for variant in dealt]


def tried(programme: Programme, treated: Course, untreated: Course, gain: Floats, first: int, end: int) -> Trial:
    """Each customer has the fate of the course that they were dealt to; ``gain`` (n) is what ours truly adds."""
    world = programme.world
    experiment = designed(world, first)
    variants = np.array(variants_of(world, experiment))
    ids = np.array(customer_ids(world))
    told = [*_of(treated.newly_told(), ids[variants == OURS]), *_of(untreated.newly_told(), ids[variants == CONTROL])]
    met = np.zeros(len(world), dtype=np.bool_)
    for day, decided in enumerate(treated.decided, first):
        new = decided.customers[~met[decided.customers]]
        met[new] = True
        told.append(exposures(day, ids[new].tolist(), experiment.name, variants[new].tolist()))
    programme.take_in(told, end)
    with opened_log(programme.store, programme.brand, instant_of(end)) as log:
        found = analyse(log.events, log.roots, experiment, log.as_of)
    (effect,) = [one.effect for one in found.metrics if one.metric == METRIC]
    truth = float(gain[met].mean())
    document: dict[str, Any] = {
        "experiment": experiment.name,
        "metric": METRIC,
        "units": found.units,
        "sample_ratio_p_value": found.sample_ratio_p_value,
        "control_mean": effect.control_mean,
        "variant_mean": effect.variant_mean,
        "difference": effect.difference,
        "low": effect.low,
        "high": effect.high,
        "p_value": effect.p_value,
        "variance_reduction": effect.variance_reduction,
        "verdict": found.verdict,
    }
    trial = Trial(document, truth)
    document["true_difference"] = truth
    document["covers_true_difference"] = trial.covers_truth
    return trial


def _of(told: list[pa.Table], ids: "np.ndarray[Any, Any]") -> list[pa.Table]:
    """The events of these customers."""
    wanted = pa.array(ids.tolist(), pa.string())
    return [table.filter(pc.is_in(table["customer_id"], wanted)) for table in told]
