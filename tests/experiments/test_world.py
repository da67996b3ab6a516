"""The world's truth is the truth: what it says of effects is what happens in it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.world import NOTHING, World, begin, live_through, make_world, present
from experiments.world_baskets import make_baskets
from experiments.world_effects import true_effects
from experiments.world_events import Decisions, instant_of, make_narrator, no_decisions
from experiments.world_terms import ContactTruth, CustomerTruth, Drift, OfferTruth, WorldTerms
from features.entities import OfferKind
from features.event_files import ingest_events
from features.store import Store

GIFT = OfferTruth(offer_id="gift", uplift=0.3, cost_amount=1.0)
CASHBACK = OfferTruth(offer_id="cashback", kind=OfferKind.CASHBACK, uplift=0.2, cost_rate=0.1, acceptance=0.6)
AMOUNT = OfferTruth(offer_id="amount", kind=OfferKind.DISCOUNT_AMOUNT, uplift=0.2, cost_amount=9.0, cost_rate=0.1)
ANNOYING = OfferTruth(offer_id="annoying", uplift=-0.4)


def world(*offers: OfferTruth, customers: int = 4_000, **terms: object) -> World:
    return make_world(WorldTerms(offers=offers or (GIFT,), **terms), customers, seed=3)  # type: ignore[arg-type]


def lived(made: World, offer: int, days: int, contacts: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By customer the realised margin, its expectation and the expected cost, where all get an offer on day 0."""
    state, everybody = begin(made), np.arange(len(made))
    state.contacts[:] = contacts
    present(made, state, 0, everybody, np.full(len(made), offer))
    happened = [live_through(made, state, day) for day in range(days)]
    margin = sum(made.terms.customers.margin_rate * one.amount - one.cost for one in happened)
    expected = np.sum([(one.expected.margin, one.expected.cost) for one in happened], axis=0)
    return np.asarray(margin), expected[0], expected[1]


@pytest.mark.parametrize("offer", [GIFT, CASHBACK, AMOUNT, ANNOYING])
def test_the_true_effect_is_the_difference_between_two_worlds_of_the_same_chance(offer: OfferTruth) -> None:
    """One in which everybody gets the offer, one in which nobody does, at 4 standard errors."""
    made = world(offer, customers=60_000)
    told = true_effects(made, begin(made), 0, np.arange(len(made)))

    treated, expected, cost = lived(made, 0, made.terms.contact.valid_days)
    untreated, _, _ = lived(made, NOTHING, made.terms.contact.valid_days)
    difference = treated - untreated
    error = difference.std() / np.sqrt(len(made))

    assert abs(difference.mean() - told.margin.mean()) < 4 * error
    assert expected.mean() == pytest.approx(treated.mean(), abs=4 * treated.std() / np.sqrt(len(made)))
    assert cost.mean() == pytest.approx(told.cost.mean(), rel=0.05)


def test_effects_differ_between_customers_around_the_mean_that_is_stated() -> None:
    effects = world(OfferTruth(offer_id="a", uplift=0.05, heterogeneity=0.8), customers=50_000).effects[:, 0]

    assert effects.mean() == pytest.approx(0.05, rel=0.03)
    assert np.log(effects).std() == pytest.approx(0.8, rel=0.02)


def test_what_the_brand_knows_tells_of_what_moves_customers_as_well_as_stated() -> None:
    made = world(customers=50_000)

    assert np.corrcoef(made.shown[:, 0], made.drivers[:, 0])[0, 1] == pytest.approx(
        made.terms.customers.shown, abs=0.01
    )


def test_contacts_tire_and_make_customers_leave() -> None:
    made = world(contact=ContactTruth(fatigue=0.3, leaving=5.0))
    fresh, tired = begin(made), begin(made)
    tired.contacts[:] = 3.0
    everybody = np.arange(len(made))

    assert (true_effects(made, tired, 0, everybody).orders < true_effects(made, fresh, 0, everybody).orders).all()
    for day in range(60):
        for state, offer in ((fresh, NOTHING), (tired, 0)):
            customers = made.decided_on(day)
            present(made, state, day, customers, np.full(len(customers), offer))
            live_through(made, state, day)
    assert tired.is_here.mean() < fresh.is_here.mean()


def test_who_would_have_bought_anyway_takes_the_offer_too() -> None:
    """An offer without any effect still costs: all of it is subsidy."""
    made = world(OfferTruth(offer_id="a", uplift=0.0, cost_amount=2.0))
    told = true_effects(made, begin(made), 0, np.arange(9))

    assert (told.orders == 0).all()
    assert (told.cost > 0).all()
    assert (told.margin == -told.cost).all()


def test_drift_changes_effects_from_its_day_on() -> None:
    made = world(drift=Drift(day=5, factors={"gift": -0.5}))

    assert (made.effects_on(4) == made.effects).all()
    assert (made.effects_on(5) == -0.5 * made.effects).all()


def told(seed: int, days: int = 9) -> pa.Table:
    made = make_world(WorldTerms(), 300, seed)
    state, narrator = begin(made), make_narrator(made, make_baskets(made))
    parts = []
    for day in range(days):
        customers = made.decided_on(day)
        offers = np.arange(len(customers)) % (len(made.terms.offers) + 1) - 1
        present(made, state, day, customers, offers)
        decided = Decisions(customers, offers, np.full(len(customers), 1.0 / 7.0))
        parts.append(narrator.tell(day, decided, live_through(made, state, day)))
    return pa.concat_tables(parts)


def test_a_seed_gives_the_same_world_to_the_byte_and_another_another() -> None:
    assert told(1).equals(told(1))
    assert not told(1).equals(told(2))


def test_days_do_not_depend_on_what_was_decided() -> None:
    """Those who hold no offer do the same in both worlds."""
    made = world()
    ours, theirs = begin(made), begin(made)
    present(made, ours, 0, np.arange(100), np.zeros(100, np.int64))

    here, there = live_through(made, ours, 0), live_through(made, theirs, 0)

    assert (here.amount[100:] == there.amount[100:]).all()
    assert (here.amount[:100] >= there.amount[:100]).all()


def test_all_events_pass_the_border(sqlite_store: Store, tmp_path: Path) -> None:
    events = told(4)
    pq.write_table(events, tmp_path / "events.parquet")

    report = ingest_events(sqlite_store, [tmp_path / "events.parquet"], now=instant_of(10))

    assert (report.accepted, report.duplicates, report.rejected) == (len(events), 0, 0)
    assert set(events["type"].to_pylist()) == {
        "purchase", "offer_presented", "offer_accepted", "message_sent", "message_opened",
    }  # fmt: skip


def test_lines_come_to_what_the_order_came_to() -> None:
    made = world()
    amounts = np.array([12.34, 0.02, 250.0])

    lines = make_baskets(made).fill(0, np.array([5, 6, 7]), amounts)

    assert np.bincount(lines.order, weights=lines.amount) == pytest.approx(amounts, abs=0.2)
    assert len({(order, product) for order, product in zip(lines.order, lines.product, strict=True)}) == len(
        lines.order
    )


def test_what_was_just_bought_is_bought_again_only_later() -> None:
    made = make_world(WorldTerms(customers=CustomerTruth(lines_per_order=2.0)), 2_000, 0)
    everybody, amounts = np.arange(2_000), np.full(2_000, 30.0)

    def repeated(days: int) -> float:
        baskets = make_baskets(made)
        first, second = baskets.fill(0, everybody, amounts), baskets.fill(days, everybody, amounts)
        before = set(zip(first.order.tolist(), first.product.tolist(), strict=True))
        after = list(zip(second.order.tolist(), second.product.tolist(), strict=True))
        return sum(one in before for one in after) / len(after)

    assert repeated(30) > 2 * repeated(1)


def test_a_world_without_decisions_is_told_too() -> None:
    made = world()
    state = begin(made)

    table = make_narrator(made, make_baskets(made)).tell(0, no_decisions(), live_through(made, state, 0))

    assert set(table["type"].to_pylist()) == {"purchase"}
