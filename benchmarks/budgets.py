"""Budgets paced by shadow prices against the best that could have been done, knowing everybody who came.

    python -m benchmarks.budgets [--seeds 1 2 3] [--customers 20000]

Customers arrive one after the other; each could be made one of several offers. An offer draws on its own budget, on
that of its campaign, and on the brand's. Who is made an offer accepts it by chance and is charged what it costs then;
what is held is the most that it may cost, as in the service, for a while. ``spent`` is what was charged of the budgets
that the optimum would use up, as a share of them; ``value`` is the expected value of what was offered, as a share of
the linear programme over the same arrivals (which may split customers, and knows them all). Without pacing offers are
made by value alone until a budget refuses.
"""

import argparse
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, identity, kron, vstack

from features.money import to_money
from serving.shadow_price import Pace, next_pace

Floats = NDArray[np.float64]
OFFERS, CAMPAIGNS = 8, 2
STEPS = 2_000
HELD_STEPS = 2
"""For how long an offer that is not accepted holds the most that it may cost."""


@dataclass(frozen=True, slots=True)
class World:
    """By customer and offer: ``value`` of making the offer, ``chance`` of acceptance, ``cost`` of one.

    ``at`` is the share of the time at which each customer comes, ``draws`` (budgets by offers) which offer draws on
    which budget, and ``budget`` the amounts, in currency units.
    """

    value: Floats
    chance: Floats
    cost: Floats
    at: Floats
    draws: Floats
    budget: Floats

    @property
    def expected_cost(self) -> Floats:
        return self.chance * self.cost


def steady(rng: np.random.Generator, customers: int) -> World:
    """The same mixture of customers all the time."""
    return _world(rng, customers, np.sort(rng.random(customers)), np.ones(customers))


def drifting(rng: np.random.Generator, customers: int) -> World:
    """Customers become worth more by half, steadily, from the first to the last."""
    at = np.sort(rng.random(customers))
    return _world(rng, customers, at, 1.0 + 0.5 * at)


def rushing(rng: np.random.Generator, customers: int) -> World:
    """Waves of arrivals, four days of them, by night a tenth of what comes by day."""
    at = rng.random(customers * 4)
    is_kept = rng.random(at.size) < 0.55 + 0.45 * np.sin(8.0 * np.pi * at)
    at = np.sort(at[is_kept][:customers])
    return _world(rng, at.size, at, np.ones(at.size))


def _world(rng: np.random.Generator, customers: int, at: Floats, worth: Floats) -> World:
    shape = (customers, OFFERS)
    cost = rng.uniform(2.0, 6.0, OFFERS) * rng.uniform(0.7, 1.3, shape)
    chance = rng.uniform(0.1, 0.5, OFFERS) * rng.uniform(0.5, 1.0, shape)
    margin = cost * rng.lognormal(0.6, 0.5, shape) * worth[:, np.newaxis]
    draws = np.zeros((OFFERS + CAMPAIGNS + 1, OFFERS))
    draws[:OFFERS] = np.eye(OFFERS)
    draws[OFFERS + np.arange(OFFERS) % CAMPAIGNS, np.arange(OFFERS)] = 1.0
    draws[-1] = 1.0
    best = (chance * (margin - cost)).argmax(axis=1)
    wanted = (chance * cost)[np.arange(customers), best].sum()
    share = np.concatenate([rng.uniform(0.03, 0.12, OFFERS), rng.uniform(0.18, 0.3, CAMPAIGNS), [0.45]])
    return World(chance * (margin - cost), chance, cost, at, draws, wanted * share)


WORLDS: dict[str, Callable[[np.random.Generator, int], World]] = {
    "steady": steady,
    "drifting": drifting,
    "rushing": rushing,
}


@dataclass(frozen=True, slots=True)
class Optimum:
    value: float
    is_used_up: NDArray[np.bool_]
    """Which budgets bind."""


def optimum(world: World) -> Optimum:
    """The linear programme of expectations over all who came, by HiGHS."""
    customers = len(world.value)
    each = kron(identity(customers), np.ones((1, OFFERS)))
    rows, cells = np.nonzero(world.draws)
    columns = (np.arange(customers)[:, np.newaxis] * OFFERS + cells).ravel()
    costs = world.expected_cost[:, cells].ravel()
    spend = coo_matrix((costs, (np.tile(rows, customers), columns)), (len(world.budget), customers * OFFERS))
    limits = np.concatenate([np.ones(customers), world.budget])
    found = linprog(-world.value.ravel(), A_ub=vstack([each, spend]).tocsr(), b_ub=limits, method="highs")
    assert found.status == 0, found.message
    return Optimum(-found.fun, spend @ found.x >= world.budget * (1 - 1e-6))


@dataclass(frozen=True, slots=True)
class Outcome:
    value: float
    charged: Floats
    """By budget."""


def play(world: World, rng: np.random.Generator, *, is_paced: bool) -> Outcome:
    """Everybody decided for as they come, knowing of nobody who comes later."""
    budgets = len(world.budget)
    prices, value = np.zeros(OFFERS), 0.0
    charged, held, expected = np.zeros(budgets), np.zeros(budgets), np.zeros(budgets)
    paces = [Pace(0.0, 0, 0, 0)] * budgets
    step_of = np.minimum((world.at * STEPS).astype(int), STEPS - 1)
    luck = rng.random(len(step_of))
    open_: deque[tuple[int, Floats, Floats, Floats]] = deque()
    now = 0
    for customer, step in enumerate(step_of):
        if step > now:
            while open_ and open_[0][0] <= step:
                _, holds, expects, pays = open_.popleft()
                held, expected, charged = held - holds, expected - expects, charged + pays
            if is_paced:
                paces = [_next(pace, world.budget[b], charged[b] + expected[b], step) for b, pace in enumerate(paces)]
                prices = np.array([pace.price for pace in paces]) @ world.draws
            now = step
        scores = world.value[customer] - prices * world.expected_cost[customer]
        most = world.cost[customer] * world.draws
        scores[((charged + held)[:, np.newaxis] + most > world.budget[:, np.newaxis]).any(axis=0)] = -np.inf
        best = int(scores.argmax())
        if scores[best] <= 0.0:
            continue
        value += world.value[customer, best]
        holds = most[:, best]
        expects, pays = holds * world.chance[customer, best], holds * (luck[customer] < world.chance[customer, best])
        held, expected = held + holds, expected + expects
        open_.append((int(step) + HELD_STEPS, holds, expects, pays))
    for _, _, _, pays in open_:
        charged = charged + pays
    assert (charged <= world.budget).all()
    return Outcome(value, charged)


def _next(pace: Pace, budget: float, spent: float, step: int) -> Pace:
    return next_pace(pace, to_money(budget), to_money(spent), step, STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--customers", type=int, default=20_000)
    given = parser.parse_args()
    print(f"{'world':<10} {'seed':>4} {'policy':<10} {'spent, least':>12} {'mean':>7} {'of':>3} {'value':>7}")
    for name, make in WORLDS.items():
        for seed in given.seeds:
            world = make(np.random.default_rng(seed), given.customers)
            best = optimum(world)
            for is_paced in (True, False):
                found = play(world, np.random.default_rng([seed, 1]), is_paced=is_paced)
                spent = (found.charged / world.budget)[best.is_used_up]
                said = "paced" if is_paced else "not paced"
                print(
                    f"{name:<10} {seed:>4} {said:<10} {spent.min():>12.4f} {spent.mean():>7.4f} {spent.size:>3} "
                    f"{found.value / best.value:>7.4f}"
                )


if __name__ == "__main__":
    main()
