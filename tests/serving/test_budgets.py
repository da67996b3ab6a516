"""Budgets that several offers share hold to the last unit, through the whole life of a reservation."""

from sqlalchemy import select

from features.brand import apply_brand, parse_brand
from features.budget_schema import brand_revenues, budget_usage
from features.budget_usage import BudgetKey, Spending, read_spending
from features.catalogue import upsert_offers
from features.decision_outcomes import DecisionOutcomes
from features.entities import Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.money import to_money
from features.revenue import read_revenue, reckon_revenue
from features.schema import events
from features.store import Store, upsert
from serving.limits import Limits, limits_of
from serving.loading import Loader
from serving.refusal import Refusal
from serving.reservations import Reservation, release_expired, reserve

NOW = parse("2026-03-05T12:00:00")
DAY = MICROSECONDS_PER_DAY
SPRING = BudgetKey("default", "campaign", "spring")


def limits(**settings: object) -> Limits:
    return limits_of(parse_brand({"brand": "default", **settings}))


def offer(offer_id: str, campaign_id: str | None = "spring", **terms: object) -> Offer:
    return Offer(offer_id=offer_id, campaign_id=campaign_id, kind=OfferKind.DISCOUNT_AMOUNT, value=2.0, **terms)  # type: ignore[arg-type]


def wanted(number: int, under: Limits, of: Offer | None = None, at: int = NOW, cost: float = 2.0) -> Reservation:
    made = of or offer(f"o{number % 2}")
    of_offer = under.of(made, at)
    return Reservation(f"d{number}", made, "default", f"c{number}", at, at + DAY, to_money(cost), 100, of_offer)


def reserved(store: Store, *some: Reservation, now: int = NOW) -> list[Refusal | None]:
    with store.writing() as connection:
        return reserve(connection, some, now)


def spending(store: Store, key: BudgetKey = SPRING) -> Spending:
    with store.reading() as connection:
        return read_spending(connection, [key])[key]


def told(store: Store, kind: EventType, number: int, **fields: object) -> None:
    event = Event(
        event_id=f"{kind}{number}", type=kind, occurred_at=NOW, customer_id=f"c{number}", decision_id=f"d{number}",
        offer_id=f"o{number % 2}", **fields,
    )  # type: ignore[arg-type]  # fmt: skip
    with store.writing() as connection:
        DecisionOutcomes(connection).take([event], lambda customer_id: customer_id)


def test_offers_of_a_campaign_share_its_budget_and_no_more(store: Store) -> None:
    under = limits(campaigns={"spring": {"amount": 7}})

    refusals = reserved(store, *(wanted(number, under) for number in range(5)))

    assert refusals == [None, None, None, Refusal.CAMPAIGN_BUDGET, Refusal.CAMPAIGN_BUDGET]
    assert spending(store) == Spending(reserved=60_000, expected=300)


def test_the_budget_of_a_brand_bounds_all_its_campaigns(store: Store) -> None:
    under = limits(budget={"amount": 4}, campaigns={"spring": {"amount": 100}})
    some = [wanted(0, under), wanted(1, under, offer("other", "autumn")), wanted(2, under, offer("third", None))]

    assert reserved(store, *some) == [None, None, Refusal.BRAND_BUDGET]


def test_an_acceptance_is_charged_what_it_cost_and_the_rest_is_free_again(store: Store) -> None:
    under = limits(campaigns={"spring": {"amount": 4}})
    reserved(store, wanted(0, under), wanted(1, under))
    told(store, EventType.OFFER_PRESENTED, 0)
    assert spending(store).committed == to_money(4)

    told(store, EventType.OFFER_ACCEPTED, 0, discount_amount=5_000)

    assert spending(store) == Spending(reserved=20_000, charged=5_000, expected=100)
    assert reserved(store, wanted(2, under, cost=1.5), wanted(3, under, cost=0.1)) == [None, Refusal.CAMPAIGN_BUDGET]


def test_what_expires_unseen_is_free_again(store: Store) -> None:
    under = limits(campaigns={"spring": {"amount": 2}})
    reserved(store, wanted(0, under))
    assert reserved(store, wanted(1, under)) == [Refusal.CAMPAIGN_BUDGET]

    assert reserved(store, wanted(2, under, at=NOW + DAY), now=NOW + DAY) == [None]
    assert spending(store).committed == to_money(2)


def test_what_expired_gives_way_to_all_who_come_together(store: Store) -> None:
    under, later = limits(campaigns={"spring": {"amount": 4}}), NOW + 2 * DAY
    reserved(store, wanted(1, under))

    refusals = reserved(store, wanted(2, under, at=later), wanted(3, under, at=later), now=later)

    assert refusals == [None, None]


def test_a_declined_offer_gives_its_share_back(store: Store) -> None:
    under = limits(campaigns={"spring": {"amount": 2}})
    reserved(store, wanted(0, under))

    told(store, EventType.OFFER_DECLINED, 0)

    assert spending(store) == Spending()


def test_a_budget_lowered_below_what_is_spent_refuses_and_takes_nothing_back(store: Store) -> None:
    reserved(store, wanted(0, limits(campaigns={"spring": {"amount": 10}})))
    lower = limits(campaigns={"spring": {"amount": 1}})

    assert reserved(store, wanted(1, lower)) == [Refusal.CAMPAIGN_BUDGET]
    assert spending(store).committed == to_money(2)


def test_an_offer_that_costs_nothing_is_under_no_budget(store: Store) -> None:
    under = limits(budget={"amount": 0}, campaigns={"spring": {"amount": 0}})

    assert reserved(store, wanted(0, under, cost=0.0)) == [None]


def test_a_dated_budget_counts_its_own_days_only(store: Store) -> None:
    under = limits(budget={"amount": 3, "from": "2026-03-05", "to": "2026-03-07"})
    yesterday, tomorrow, after = NOW - DAY, NOW + DAY, NOW + 3 * DAY

    assert reserved(store, wanted(0, under, at=yesterday), now=yesterday) == [None]
    assert reserved(store, wanted(1, under)) == [None]
    assert reserved(store, wanted(2, under, at=tomorrow), now=NOW) == [Refusal.BRAND_BUDGET]
    assert reserved(store, wanted(3, under, at=after), now=NOW) == [None]


def test_offers_cost_no_more_than_their_share_of_the_revenue_of_the_window(store: Store) -> None:
    found = limits(offer_cost_share={"share": 0.04, "days": 2}).cost_share
    assert found is not None
    under = Limits("default", cost_share=type(found)(found.share, found.days, revenue=to_money(100)))

    assert reserved(store, *(wanted(number, under) for number in range(3))) == [None, None, Refusal.OFFER_COST_SHARE]
    assert reserved(store, wanted(3, under, at=NOW + 2 * DAY), now=NOW) == [None]  # out of the window by then


def test_without_known_revenue_nothing_that_costs_is_offered(store: Store) -> None:
    assert reserved(store, wanted(0, limits(offer_cost_share={"share": 0.04}))) == [Refusal.OFFER_COST_SHARE]


def test_revenue_is_purchases_less_refunds_of_the_window(store: Store) -> None:
    rows = [
        ("purchase", NOW - 1, 700),
        ("purchase", NOW - 3 * DAY, 5),
        ("refund", NOW - DAY, 100),
        ("view", NOW - 1, 9),
    ]
    with store.writing() as connection:
        for number, (kind, at, amount) in enumerate(rows):
            key = {"brand": "default", "source": "s", "event_id": f"e{number}", "customer_id": "c", "type": kind}
            row = key | {"occurred_at": at, "received_at": at, "order_id": None, "body": f'{{"amount": {amount}}}'}
            connection.execute(upsert(connection, events), row)

    assert reckon_revenue(store, "default", 2, NOW) == 600
    with store.reading() as connection:
        assert (read_revenue(connection, "default", 2), read_revenue(connection, "default", 3)) == (600, None)


def test_a_service_refuses_before_the_draw_what_no_budget_has_room_for(store: Store) -> None:
    document = {"brand": "default", "campaigns": {"spring": {"amount": 3}}, "offer_cost_share": {"share": 0.5}}
    with store.writing() as connection:
        apply_brand(connection, parse_brand(document), NOW)
        upsert_offers(connection, [offer("o0"), offer("other", "autumn"), Offer(offer_id="free")], NOW)
        row = {"brand": "default", "revenue": to_money(1_000), "days": 30, "until": NOW}
        connection.execute(upsert(connection, brand_revenues), row)
    loader = Loader(store, clock=lambda: NOW)
    loader.refresh()
    assert loader.state("default").offers.used_up == {}

    reserved(store, wanted(0, loader.state("default").offers.limits))
    loader.refresh()

    table = loader.state("default").offers
    assert {table.offers[row].offer_id: code for row, code in table.used_up.items()} == {"o0": Refusal.CAMPAIGN_BUDGET}


def test_counters_agree_with_the_reservations_whatever_became_of_them(store: Store) -> None:
    under = limits()
    reserved(store, *(wanted(number, under, cost=number) for number in range(8)))
    told(store, EventType.OFFER_PRESENTED, 1)
    told(store, EventType.OFFER_ACCEPTED, 2)
    told(store, EventType.OFFER_DECLINED, 3)
    told(store, EventType.OFFER_ACCEPTED, 3)
    with store.writing() as connection:
        release_expired(connection, NOW + DAY)

    with store.reading() as connection:
        held = dict(connection.execute(select(budget_usage.c.scope, budget_usage.c.cost_reserved)).all())
        charged = set(connection.execute(select(budget_usage.c.cost_charged)).scalars())
    assert held == {"brand": 10_000, "day": 10_000, "campaign": 10_000}
    assert charged == {20_000 + 30_000}


def test_what_may_be_spent_follows_what_is_earned(store: Store) -> None:
    """The loader reckons the revenue itself, and again an hour later."""
    moment = [NOW]

    def bought(number: int, amount: float) -> None:
        event = Event(event_id=f"b{number}", type=EventType.PURCHASE, occurred_at=NOW - DAY, customer_id="c",
                      amount=to_money(amount))  # fmt: skip
        with store.writing() as connection:
            append(connection, [event], moment[0], lake=store.lake)

    with store.writing() as connection:
        apply_brand(connection, parse_brand({"brand": "default", "offer_cost_share": {"share": 0.05}}), NOW)
        upsert_offers(connection, [offer("o", None)], NOW)
    loader = Loader(store, clock=lambda: moment[0])

    def is_refused() -> bool:
        loader.refresh()
        return Refusal.OFFER_COST_SHARE in loader.state("default").offers.used_up.values()

    assert is_refused()  # nothing was earned
    bought(1, 10.0)
    assert is_refused()  # not yet reckoned again
    moment[0] += 3_600 * 1_000_000
    assert is_refused()  # a twentieth of 10 is less than the 2 that the offer costs
    bought(2, 90.0)
    moment[0] += 3_600 * 1_000_000
    assert not is_refused()
