"""The whole loop: begin with nothing, collect, learn, pass the gate, decide, learn again, compare with the truth."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.world import Floats, begin, make_world
from experiments.world_baskets import make_baskets
from experiments.world_events import make_narrator
from experiments.world_terms import WorldTerms
from features.store import open_store
from serving.proof.course import Choice, Course, DayValue, Decide, Totals, no_totals
from serving.proof.exploring import Exploring, most_popular
from serving.proof.judging import Judgement, judge
from serving.proof.ledger import open_ledger
from serving.proof.ours import EARNING, LEARNING, Ours
from serving.proof.programme import Known, Programme, found
from serving.proof.rivals import Chooser, Morning, always, at_random, greedy, nothing, oracle
from serving.proof.schedule import Schedule, check_customers, schedule
from serving.proof.trial import Trial, tried
from serving.verbs import Report

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Proof:
    """``totals`` are of the last days, by policy; ``values`` of every day of our course."""

    schedule: Schedule
    totals: dict[str, Totals]
    values: list[DayValue]
    judgement: Judgement
    trial: Trial
    limit: float
    spent: float
    notes: list[str] = field(default_factory=list)
    events: int = 0
    after: float = 0.0
    """The margin that our policy made for each decision of the last days."""


def prove(terms: WorldTerms, customers: int, days: int, seed: int, brand: str, report: Report) -> Proof:
    """Everything that happens is decided by the arguments; the store lives in a folder that is deleted.

    Raises
    ------
    FieldError
    """
    check_customers(customers)
    plan = schedule(days, terms.contact.every_days)
    with tempfile.TemporaryDirectory(prefix="lagniappe-world-") as folder:
        store = open_store(Path(folder) / "workspace")
        try:
            world = make_world(terms, customers, seed)
            baskets = make_baskets(world)
            programme = found(world, baskets, store, brand, Path(folder), seed)
            course = Course(world, begin(world), open_ledger(world, days), make_narrator(world, baskets))
            return _Loop(programme, course, plan, report).run()
        finally:
            store.close()


@dataclass(slots=True)
class _Loop:
    programme: Programme
    course: Course
    plan: Schedule
    report: Report
    notes: list[str] = field(default_factory=list)
    judgement: Judgement = field(init=False)

    def run(self) -> Proof:
        plan = self.plan
        self._live(range(plan.switch), Exploring(self.course))
        self._take_in(plan.switch)
        self._learn(plan.tested_from)
        self.judgement = self._judged(self.programme.known(plan.tested_from), plan.switch)
        self._learn(plan.switch)
        self._earn_while_learning()
        self._take_in(plan.fork)
        self._learn(plan.fork)
        totals, treated, untreated = self._futures(self.programme.known(plan.fork))
        gain = totals[OURS].revenue - totals["nothing"].revenue
        self.report("analysing the experiment", plan.days, plan.days)
        trial = tried(self.programme, treated, untreated, gain, plan.fork, plan.days)
        if self.programme.rejected:
            self.notes.append(f"{self.programme.rejected} events of the world were rejected at the border")
        return Proof(
            plan,
            totals,
            [*self.course.values, *treated.values],
            self.judgement,
            trial,
            self.course.ledger.limit,
            treated.ledger.charged,
            self.notes,
            self.programme.accepted,
            _margin_each(treated),
        )

    def _live(self, days: range, decide: Decide) -> None:
        for day in days:
            self.report("living", day, self.plan.days)
            self.course.live(day, decide)

    def _take_in(self, day: int) -> None:
        self.report("taking in events", day, self.plan.days)
        self.programme.take_in(self.course.newly_told(), day)

    def _learn(self, day: int) -> None:
        self.report("learning", day, self.plan.days)
        reason = self.programme.learn(day)
        if reason is not None:
            self.notes.append(f"day {day}: the response to offers was not learned: {reason}")

    def _ours(self, known: Known, course: Course, ends: int, *, is_learning: bool) -> Ours:
        policy = LEARNING if is_learning else EARNING
        return Ours(self.programme, known, policy, course.ledger, known.day, ends)

    def _judged(self, known: Known, day: int) -> Judgement:
        """On a day, of the model that knew only what came before the decisions by which it is judged."""
        self.report("judging", day, self.plan.days)
        ours = self._ours(known, self.course, self.plan.days, is_learning=False)
        last = max(day - self.course.world.terms.contact.valid_days, known.day)
        judged = judge(self.course, ours, known, range(known.day, last + 1))
        if not judged.verdict.is_passed:
            self.notes.append(
                f"the gate was not passed on day {day} ({judged.verdict.finding}): chance goes on to decide, and our "
                "policy is compared in the last days all the same"
            )
        return judged

    def _earn_while_learning(self) -> None:
        """Where the gate was not passed it is tried again before each retraining, by what chance decided since."""
        plan, every = self.plan, self.course.world.terms.contact.every_days
        known = self.programme.known(plan.switch)
        for start in range(plan.switch, plan.fork, every):
            if start > plan.switch:
                self._take_in(start)
                if any(start - every < day <= start for day in plan.retrain):
                    self._judge_again(known, start)
                    self._learn(start)
            days = range(start, min(start + every, plan.fork))
            if not self.judgement.verdict.is_passed:
                self._live(days, Exploring(self.course))
                continue
            known_now = known if start == plan.switch else self.programme.known(start)
            ours = self._ours(known_now, self.course, plan.fork, is_learning=True)
            self._live(days, ours)

    def _judge_again(self, known: Known, day: int) -> None:
        if not self.judgement.verdict.is_passed:
            self.judgement = self._judged(known, day)

    def _futures(self, known: Known) -> tuple[dict[str, Totals], Course, Course]:
        """Of each policy its own, from the same morning; with those of ours and of nothing, which are told."""
        accept = accept_of(known, self.programme)
        choosers: dict[str, Chooser] = {
            "nothing": nothing,
            "random": at_random,
            "most-popular": always(most_popular(self.course)),
            "greedy-response": greedy(accept),
            "oracle": oracle,
        }
        courses: dict[str, Course] = {}
        totals: dict[str, Totals] = {}
        for name in ("nothing", "random", "most-popular", "greedy-response", OURS, "oracle"):
            self.report(f"the last days: {name}", len(totals), 6)
            course = courses[name] = self.course.copy(is_told=name in ("nothing", OURS))
            totals[name] = no_totals(len(course.world))
            decide = (
                certainly(choosers[name])
                if name != OURS
                else self._ours(known, course, self.plan.days, is_learning=False)
            )
            for day in range(self.plan.fork, self.plan.days):
                course.live(day, decide, totals[name])
        return totals, courses[OURS], courses["nothing"]


def certainly(choose: Chooser) -> Decide:
    """A policy that leaves nothing to a chance that anybody would want to know of."""

    def decide(morning: Morning) -> Choice:
        offers = choose(morning)
        return Choice(offers, np.full(len(offers), np.nan))

    return decide


def accept_of(known: Known, programme: Programme) -> Floats:
    """(n, m): how likely each customer responds to each offer, as learned; the same for all where nothing was."""
    ids = [offer.offer_id for offer in programme.offers.offers]
    places = [ids.index(one.offer_id) for one in programme.world.terms.offers]
    responses: list[Any] = [one.response for one in known.predictions]
    if any(one is None for one in responses):
        return np.full((len(responses), len(places)), 0.5)
    return np.array([one.accept for one in responses])[:, places]


def _margin_each(course: Course) -> float:
    """Realised, over the days of validity, for each decision whose days are over."""
    valid = course.world.terms.contact.valid_days
    made, margin = 0, 0.0
    for day, decided in enumerate(course.decided[: len(course.margins) - valid + 1]):
        margin += float(np.sum(course.margins[day : day + valid], axis=0)[decided.customers].sum())
        made += len(decided.customers)
    return margin / made if made else 0.0
