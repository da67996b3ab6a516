import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from experiments.assignment import assign
from experiments.design import Experiment, Variant
from features.batching import to_batch
from features.entities import CapPerCustomer, Offer, OfferKind
from features.errors import FieldError
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.packing import pack_row
from features.profile import fold
from features.profile_store import write_profiles
from features.profiles import concatenate
from features.schema import decisions, offer_usage, reservations
from serving.loading import BrandState
from serving.offer_table import BrandTerms, build_offer_table
from serving.plan import PlanTerms, begin, finish, planned
from serving.planning import decide_all
from serving.policy import Policy
from serving.population import Population, read_population

NIGHT = parse("2026-01-05T22:00:00")
DAY = MICROSECONDS_PER_DAY
TERMS = PlanTerms("default", "january", NIGHT, ("email",))
PERCENT = Offer(offer_id="percent", kind=OfferKind.DISCOUNT_PERCENT, value=5.0)


def silent(*_):
    pass


def state_of(*offers, policy=Policy(epsilon=0.0)):  # noqa: B008
    return BrandState(offers=build_offer_table(offers, [], BrandTerms(), policy), policy=policy)


def profile_of(customer_id, *events):
    return to_batch(customer_id, fold(events, "UTC"), "UTC")


def purchase(customer_id, amount=300_000):
    return Event(
        event_id=f"e-{customer_id}",
        type=EventType.PURCHASE,
        occurred_at=NIGHT - DAY,
        customer_id=customer_id,
        amount=amount,
    )


@pytest.fixture
def town():
    """Five customers with one purchase each, the later the larger."""
    profiles = [profile_of(f"c{n}", purchase(f"c{n}", 100_000 * (n + 1))) for n in range(5)]
    return Population(concatenate(profiles), {}, {})


def made(store, population, state, terms=TERMS):
    with store.writing() as connection:
        is_open = begin(connection, terms, NIGHT)
    if is_open:
        decide_all(store, terms, population, state, silent, now=NIGHT)
    with store.writing() as connection:
        rows = list(planned(connection, terms))
        finish(connection, terms, "plan.parquet")
    return rows


def test_everyone_is_decided_for_logged_and_reserved(store, town):
    rows = made(store, town, state_of(PERCENT))

    assert [row.customer_id for row in rows] == town.profiles.customer_ids
    assert {(row.offer_id, row.channel, row.propensity) for row in rows} == {("percent", "email", 1.0)}
    assert rows[0].words == {"en": "5% off your purchase", "ru": "Скидка 5 % на покупку"}
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(decisions)).scalar() == 5
        assert connection.execute(select(offer_usage.c.issued)).scalar() == 5


def test_the_same_name_gives_the_same_decisions_whatever_has_changed_since(store, town):
    exploring = Policy(epsilon=1.0)
    offers = [Offer(offer_id=f"o{n}") for n in range(5)]
    first = made(store, town, state_of(*offers, policy=exploring))

    again = made(store, town, state_of(PERCENT))

    assert again == first


def test_an_interrupted_plan_goes_on_where_it_stopped(store, town):
    state = state_of(*(Offer(offer_id=f"o{n}") for n in range(5)), policy=Policy(epsilon=1.0))

    def stop(*_):
        raise KeyboardInterrupt

    with store.writing() as connection:
        begin(connection, TERMS, NIGHT)
    with pytest.raises(KeyboardInterrupt):
        decide_all(store, TERMS, town, state, stop, batch_size=2, now=NIGHT)
    with store.reading() as connection:
        before = list(planned(connection, TERMS))
    after = made(store, town, state)

    assert len(before) == 2
    assert len(after) == 5
    assert [row for row in after if row in before] == before


def test_a_name_is_not_used_for_other_terms(store, town):
    made(store, town, state_of(PERCENT))

    with store.writing() as connection, pytest.raises(FieldError, match="name: got 'january'"):
        begin(connection, replace(TERMS, channels=("push",)), NIGHT)


def test_a_plan_is_held_until_a_day_after_its_messages_go_out(store, town):
    rows = made(store, town, state_of(PERCENT))

    with store.reading() as connection:
        expires = connection.execute(select(reservations.c.expires_at)).scalars().all()
    assert expires == [row.send_at + DAY for row in rows]


def test_a_plan_for_a_later_night_takes_nothing_that_is_held_now(store, town):
    few = state_of(replace(PERCENT, cap_total=5))
    made(store, town, few)

    later = made(store, town, few, replace(TERMS, name="february", as_of=NIGHT + 30 * DAY))

    assert {row.offer_id for row in later} == {"none"}


def test_without_a_message_channel_a_plan_is_held_for_a_day(store, town):
    rows = made(store, town, state_of(PERCENT), replace(TERMS, channels=("app",)))

    with store.reading() as connection:
        assert set(connection.execute(select(reservations.c.expires_at)).scalars()) == {NIGHT + DAY}
    assert {row.send_at for row in rows} == {None}


def test_a_budget_is_spent_where_it_is_worth_most_and_never_passed(store, town):
    half = Offer(offer_id="half", kind=OfferKind.DISCOUNT_AMOUNT, value=1.0)
    rows = made(store, town, state_of(half), replace(TERMS, budget=20_000))

    offered = [row.customer_id for row in rows if row.offer_id == "half"]
    assert offered == ["c3", "c4"]  # whose orders are the largest
    assert {row.propensity for row in rows} == {1.0}
    with store.reading() as connection:
        assert connection.execute(select(func.sum(reservations.c.cost))).scalar() == 20_000


def test_a_variant_decides_by_its_own_policy_and_is_logged(store, town):
    offering = Variant(name="offer", weight=0.5)
    holding_back = Variant(name="nothing", weight=0.5, policy={"least_value": 1000.0})
    experiment = Experiment(name="holdout", variants=(offering, holding_back), start=NIGHT)
    state = state_of(PERCENT)

    rows = made(store, town, BrandState(state.offers, policy=state.policy, experiments=(experiment,)))

    for row in rows:
        variant = assign(experiment, row.customer_id)
        assert row.offer_id == ("none" if variant is holding_back else "percent")
    assert {row.offer_id for row in rows} == {"none", "percent"}


def test_a_cap_on_everyone_holds_within_a_plan(store, town):
    rows = made(store, town, state_of(replace(PERCENT, cap_total=2)))

    assert sorted(row.offer_id for row in rows) == ["none"] * 3 + ["percent"] * 2


def test_what_was_reserved_before_counts_towards_a_customers_cap(store, town):
    once = replace(PERCENT, cap_per_customer=CapPerCustomer(count=1, days=30))
    made(store, town, state_of(once))
    with store.reading() as connection:
        later = read_population(connection, "default", town.profiles, NIGHT + 1)

    rows = made(store, later, state_of(once), replace(TERMS, name="second", as_of=NIGHT + 1))

    assert {row.offer_id for row in rows} == {"none"}


def test_who_was_blocked_after_the_plans_instant_gets_nothing(store, town):
    blocked = Event(
        event_id="b", type=EventType.CONTACT_BLOCKED, occurred_at=NIGHT + 1, customer_id="c1", source="desk"
    )
    now = profile_of("c1", purchase("c1"), blocked)
    with store.writing() as connection:
        write_profiles(connection, "default", [("c1", pack_row(now, 0), NIGHT + 1)])

    rows = made(store, town, state_of(PERCENT))

    assert [row.customer_id for row in rows if row.offer_id == "none"] == ["c1"]
