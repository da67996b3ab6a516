"""Send times beside the field's references: hours of orders on real data, best hours in a simulation.

``python -m benchmarks.send_time [--workspace DIR] [--brand NAME] [--horizon-days N] [--seed N ...] [--last]``
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case, cases_of
from benchmarks.comparison import OURS, Answers, Bound, Finding, Measure, Skipped, compare
from benchmarks.simulated_sends import CHANNEL_SHARES, PLAIN, WORLDS, Simulated, World, simulate
from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY
from features.segments import rfm_segments
from features.store import open_store
from training.errors import NotEnoughData
from training.models.message_log import ANSWER_WINDOW_DAYS, message_log
from training.models.send_policy import best_hours
from training.models.send_time import SendTimeModel, evaluate
from training.models.send_time_evaluation import held_out_messages
from training.ranking_metrics import hour_log_loss, top_hours_hit

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MODEL = "send-time"
TOP_HOURS = 3
SEGMENTS = 8
MANY_SENDS = 30
LEAST_RECOVERED = 0.8
WEIGHTS = np.concatenate([np.linspace(0.0, 0.98, 50), [0.99]])
STRENGTHS = np.exp(np.linspace(-2.0, 6.0, 33))


def _per_event(column: int) -> Any:
    """The mean over events of what is summed by customer in that column."""

    def mean(events: Floats, sums: Floats) -> float:
        return float(sums[:, column].sum() / events.sum())

    return mean


MEASURES = (
    Measure("log_loss", _per_event(0), is_higher_better=False),
    Measure(f"top_{TOP_HOURS}_hours_hit_rate", _per_event(1)),
)


def compare_send_time(cases: Sequence[Case]) -> Iterator[Finding]:
    """The hours of the orders after each cutoff; every order weighs the same."""
    answers = []
    for case in cases:
        try:
            model = SendTimeModel.fit(case.training, {}, seed=0)
        except NotEnoughData as error:
            yield Skipped(case.data, MODEL, f"{case.label}: {error}")
            continue
        shares = {OURS: model.presence(case.test.profiles, case.test.as_of), **references(case)}
        offsets, hours = case.test.purchase_hours
        events = np.diff(offsets).astype(np.float64)
        predicted = {method: _sums(share, offsets, hours, events) for method, share in shares.items()}
        answers.append(Answers(case.label, case.test.profiles.customer_ids, events, predicted))
    if answers:
        yield from compare(cases[0].data, MODEL, MEASURES, answers)


def _sums(share: Floats, offsets: Integers, hours: NDArray[np.uint8], events: Floats) -> Floats:
    means = (hour_log_loss(share, offsets, hours), top_hours_hit(share, offsets, hours, TOP_HOURS))
    return np.stack([np.nan_to_num(mean) * events for mean in means], axis=1)


def references(case: Case) -> dict[str, Floats]:
    """(n, 168) each, rows summing to 1; numbers to choose are those that do best on the newest training cutoff.

    A histogram is smoothed by one order spread like everybody's, so that no hour is impossible.
    """
    newest = max(case.training, key=lambda snapshot: snapshot.as_of)
    weight = min(WEIGHTS, key=lambda w: _loss(_last_hour(newest, w), newest))
    strength = min(STRENGTHS, key=lambda s: _loss(_smoothed(_histograms(newest), _everyones(newest), s), newest))
    own, everyone = _histograms(case.test), _everyones(case.test)
    return {
        "global_histogram": np.tile(everyone, (len(own), 1)),
        "rfm_segment_histogram": _by_segment(own, np.array(rfm_segments(case.test.features)), everyone),
        "k_means_segment_histogram": _by_segment(own, _k_means(own), everyone),
        "own_histogram": _smoothed(own, everyone, 1.0),
        "own_histogram_best_smoothed": _smoothed(own, everyone, strength),
        "last_hour": _last_hour(case.test, weight),
    }


def _histograms(snapshot: "Snapshot") -> Floats:
    """(n, 168): orders known before the cutoff."""
    orders = snapshot.profiles.orders
    customer = np.repeat(np.arange(len(snapshot.profiles)), np.diff(orders.offsets))
    cells = np.bincount(customer * HOURS_PER_WEEK + orders.hour, minlength=len(snapshot.profiles) * HOURS_PER_WEEK)
    return cells.reshape(-1, HOURS_PER_WEEK).astype(np.float64)


def _everyones(snapshot: "Snapshot") -> Floats:
    counts = np.bincount(snapshot.profiles.orders.hour, minlength=HOURS_PER_WEEK) + 1.0
    return np.asarray(counts / counts.sum(), np.float64)


def _smoothed(counts: Floats, prior: Floats, strength: float) -> Floats:
    return np.asarray((counts + strength * prior) / (counts.sum(axis=1, keepdims=True) + strength), np.float64)


def _by_segment(own: Floats, segment: NDArray[Any], everyone: Floats) -> Floats:
    _, number = np.unique(segment, return_inverse=True)
    counts = np.zeros((number.max() + 1, HOURS_PER_WEEK))
    np.add.at(counts, number, own)
    return np.asarray(_smoothed(counts, everyone, 1.0)[number], np.float64)


def _k_means(own: Floats) -> Integers:
    from sklearn.cluster import KMeans

    share = own / np.maximum(own.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(KMeans(SEGMENTS, n_init=4, random_state=0).fit_predict(share), np.int64)


def _last_hour(snapshot: "Snapshot", weight: float) -> Floats:
    """That much for the hour of the last order, the rest as everybody's."""
    orders, everyone = snapshot.profiles.orders, _everyones(snapshot)
    shares = np.tile(everyone, (len(snapshot.profiles), 1))
    bought = np.flatnonzero(np.diff(orders.offsets))
    shares[bought] *= 1.0 - weight
    shares[bought, orders.hour[orders.offsets[bought + 1] - 1]] += weight
    return shares


def _loss(shares: Floats, snapshot: "Snapshot") -> float:
    offsets, hours = snapshot.purchase_hours
    events = np.diff(offsets)
    return float(np.nansum(hour_log_loss(shares, offsets, hours) * events) / max(events.sum(), 1))


def compare_simulated(seed: int, like: World = PLAIN) -> Iterator[Finding]:
    """Whether the true best hour of customers with 30 and more messages is found, and the lift over the habit."""
    world, data = simulate(seed, like), like.name
    training, held_out = world.snapshots()
    model = SendTimeModel.fit(training, {}, seed=0)
    as_of = world.end + (ANSWER_WINDOW_DAYS + 1) * MICROSECONDS_PER_DAY
    profiles = world.history.profiles(as_of)
    number = {customer: row for row, customer in enumerate(world.customers)}
    rows = np.array([number[customer] for customer in profiles.customer_ids])
    many = world.sends[rows] >= MANY_SENDS
    log = message_log(profiles, as_of, ())
    cells = log.customer * HOURS_PER_WEEK + log.hour
    counts = [np.bincount(cells, kind, len(rows) * HOURS_PER_WEEK) for kind in (None, log.is_answered)]
    sent, answered = (count.reshape(-1, HOURS_PER_WEEK).astype(np.float64) for count in counts)
    guesses = {
        OURS: model.predict(profiles, as_of).argmax(axis=1),
        "openings_by_hour": world.opened_hours[rows].argmax(axis=1),
        "answers_by_sending_hour": _of_day(answered).argmax(axis=1),
        "answers_per_message_by_sending_hour": _ratio(_of_day(answered), _of_day(sent)).argmax(axis=1),
    }
    customers = [profiles.customer_ids[row] for row in np.flatnonzero(many)]
    label = f"seed {seed}"
    of_day = {name: guess[many] % 24 for name, guess in guesses.items()}
    best = world.best_hour[rows][many]
    within = Measure(f"best_hour_within_1_{MANY_SENDS}_sends", _within_an_hour(24))
    yield from compare(data, MODEL, [within], [Answers(label, customers, best, of_day)])
    found = float(within.of(best, of_day[OURS]))
    yield Bound(data, MODEL, within.name, label, found, LEAST_RECOVERED, 1.0, f"{len(best)} customers")
    together = np.average(world.response, axis=1, weights=CHANNEL_SHARES)[rows][many].argmax(axis=1)
    of_week = {OURS: guesses[OURS][many], "answers_per_message_by_sending_hour": _ratio(answered, sent).argmax(1)[many]}
    within_week = Measure(f"best_hour_of_week_within_1_{MANY_SENDS}_sends", _within_an_hour(HOURS_PER_WEEK))
    yield from compare(data, MODEL, [within_week], [Answers(label, customers, together, of_week)])
    yield _lift(data, world, model, held_out, label)


def _lift(data: str, world: Simulated, model: SendTimeModel, held_out: "Snapshot", label: str) -> Finding:
    metrics = evaluate(model, held_out).metrics
    if "response_lift" not in metrics:
        return Skipped(data, MODEL, f"{label}: too few messages went out at our hours to estimate the lift")
    low, high = metrics["response_lift_low"], metrics["response_lift_high"]
    truth = _true_lift(world, model, held_out)
    note = (
        f"estimated {metrics['response_lift']:.3f}, habit {metrics['response_by_habit']:.3f}; limits are its interval"
    )
    return Bound(data, MODEL, "true_lift_over_habit", label, truth, low, high, note)


def _true_lift(world: Simulated, model: SendTimeModel, held_out: "Snapshot") -> float:
    messages = held_out_messages(model, held_out)
    if messages is None:
        return float("nan")
    number = {customer: row for row, customer in enumerate(world.customers)}
    who = np.array([number[customer] for customer in held_out.profiles.customer_ids])[messages.log.customer]
    chances = world.response[who, messages.log.channel]
    sent = messages.log.hour.astype(np.int64)
    ours = sent // 24 * 24 + best_hours(messages.expected, messages.propensity)
    every = np.arange(len(sent))
    return float((chances[every, ours] - chances[every, sent]).mean())


def _of_day(counts: Floats) -> Floats:
    return np.asarray(counts.reshape(-1, 7, 24).sum(axis=1), np.float64)


def _ratio(answered: Floats, sent: Floats) -> Floats:
    """Of hours that were never tried nothing is said; of two alike, the one that was tried more often."""
    return np.where(sent > 0, answered / np.maximum(sent, 1.0) + 1e-6 * sent, -1.0)


def _within_an_hour(circle: int) -> Any:
    def share(best: Integers, guess: Integers) -> float:
        away = np.abs((guess - best + circle // 2) % circle - circle // 2)
        return float((away <= 1).mean())

    return share


def main(arguments: Sequence[str]) -> int:
    from rich.console import Console

    from benchmarks.models import show

    parser = argparse.ArgumentParser(prog="benchmarks.send_time", description=__doc__)
    parser.add_argument("--workspace", type=Path, help="measure on the history of this workspace too")
    parser.add_argument("--brand", default="default")
    parser.add_argument("--horizon-days", type=int, default=30)
    parser.add_argument("--cutoffs", type=int, default=3)
    parser.add_argument("--seed", type=int, action="append", default=[], help="of simulations, instead of 0, 1, 2")
    parser.add_argument("--last", action="store_true", help="on the newest cutoff only, which is else kept aside")
    asked = parser.parse_args(arguments)
    found = [
        finding for seed in asked.seed or (0, 1, 2) for like in WORLDS for finding in compare_simulated(seed, like)
    ]
    if asked.workspace is not None:
        store = open_store(asked.workspace)
        name = f"{asked.workspace.name}, {asked.horizon_days} days"
        cases = list(cases_of(store, name, asked.brand, asked.horizon_days, asked.cutoffs, is_last=asked.last))
        found.extend(compare_send_time(cases))
        store.close()
    show(found, Console(width=180), is_every_cutoff=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
