from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from features.instant import parse, to_datetime
from training.datasets.complete_journey import CompleteJourneyFiles, live_offers, write_complete_journey

DEMO_CLOCK = parse("2017-11-20")


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> CompleteJourneyFiles:
    return write_complete_journey(tmp_path_factory.mktemp("journey"), known_until=DEMO_CLOCK)


def ask(query: str, file: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(query, [str(file)]).fetchall()


def offers_of(journey: CompleteJourneyFiles) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in journey.offers.read_bytes().splitlines()]


def test_every_line_mailing_and_redemption_becomes_one_event(journey: CompleteJourneyFiles) -> None:
    counts = dict(ask("select type, count(distinct event_id) from read_parquet(?) group by type", journey.events))

    assert counts == {"purchase": 1_469_307, "offer_presented": 6_589, "offer_accepted": 2_102}


def test_money_adds_up_to_what_the_shops_received(journey: CompleteJourneyFiles) -> None:
    [(amount, discount)] = ask("select sum(amount)::double, sum(discount_amount) from read_parquet(?)", journey.events)

    assert amount == pytest.approx(4_596_039.58)
    assert discount > 0


def test_strange_quantities_are_kept(journey: CompleteJourneyFiles) -> None:
    query = "select count_if(quantity = 0), count_if(quantity > 10000) from read_parquet(?)"

    assert ask(query, journey.events) == [(8_869, 7_686)]


def test_times_are_utc_instants(journey: CompleteJourneyFiles) -> None:
    query = "select epoch_us(max(occurred_at)) from read_parquet(?) where type = 'purchase'"

    [(last,)] = ask(query, journey.events)

    assert last == parse("2018-01-01T04:01:20Z")


def test_mailings_present_the_campaign_without_propensity(journey: CompleteJourneyFiles) -> None:
    query = "select distinct offer_id from read_parquet(?) where type = 'offer_presented'"

    presented = {offer for (offer,) in ask(query, journey.events)}

    assert presented == {f"campaign-{number}" for number in range(1, 28)}


def test_redemptions_accept_an_offer_of_the_catalogue_in_a_basket_of_the_household(
    journey: CompleteJourneyFiles,
) -> None:
    query = """
        with events as (from read_parquet($1)),
        baskets as (select distinct customer_id, order_id, occurred_at from events where type = 'purchase')
        select offer_id from events join baskets using (customer_id, order_id, occurred_at)
        where type = 'offer_accepted'
    """
    accepted = ask(query, journey.events)

    assert len(accepted) == 2_102
    assert {offer for (offer,) in accepted} <= {offer["offer_id"] for offer in offers_of(journey)}


def test_three_campaigns_and_221_coupons_are_live_at_the_demo_clock(journey: CompleteJourneyFiles) -> None:
    live = live_offers(journey.offers, DEMO_CLOCK)

    assert (live.campaigns, live.coupons) == (3, 221)


def test_a_coupon_is_never_live_twice(journey: CompleteJourneyFiles) -> None:
    offers = sorted(offers_of(journey), key=lambda offer: (offer["name"], offer["valid_from"]))

    overlapping = [
        later["offer_id"]
        for earlier, later in pairwise(offers)
        if earlier["name"] == later["name"] and parse(later["valid_from"]) < parse(earlier["valid_to"])
    ]

    assert overlapping == []


def test_targets_hold_each_product_once(journey: CompleteJourneyFiles) -> None:
    for offer in offers_of(journey):
        products = offer["target"]["products"]

        assert len(products) == len(set(products)) > 0


def test_face_values_learn_nothing_from_the_future(tmp_path: Path) -> None:
    early = write_complete_journey(tmp_path, known_until=parse("2017-01-01"))

    values = {offer["value"] for offer in offers_of(early)}

    assert values == {1.0}


def test_households_live_by_the_clock_of_the_shops(journey: CompleteJourneyFiles) -> None:
    query = "select timezone, count(*), count(age) from read_parquet(?) group by timezone"

    assert ask(query, journey.customers) == [("America/New_York", 2_469, 801)]


def test_the_last_moment_of_a_campaign_is_the_end_of_its_last_day(journey: CompleteJourneyFiles) -> None:
    ends = {to_datetime(parse(offer["valid_to"])).time().isoformat() for offer in offers_of(journey)}

    assert ends == {"00:00:00"}
