"""Where and when a message goes out."""

import numpy as np
from msgspec.structs import replace

from features.brand import QuietHours
from features.entities import Schedule
from features.events import EventType
from features.instant import parse
from serving.decision import CustomerState, Predictions
from serving.offer_table import BrandTerms
from tests.serving.deciding import HOUR, NOW, REQUEST, customer, decided, event, ids, information, table


def test_on_the_spot_an_answer_holds_half_an_hour_and_nothing_is_sent():
    decision = decided(table(information("a")), request=replace(REQUEST, channels=("web",)))

    assert (decision.channel, decision.send_at) == ("web", None)
    assert decision.expires_at == NOW + HOUR // 2


def test_a_message_goes_out_at_the_best_hour_and_is_held_for_a_day_after():
    best = np.full(168, 0.001)
    best[24 + 18] = 0.5  # Tuesday, 18:00

    decision = decided(
        table(information("a")), request=replace(REQUEST, channels=("email",)), predictions=Predictions(send_time=best)
    )

    assert decision.send_at == parse("2026-01-06T18:00:00")
    assert decision.expires_at == parse("2026-01-07T18:00:00")


def test_a_message_goes_out_at_the_best_hour_of_its_channel():
    evening, noon = np.eye(168)[[24 + 18, 24 + 12]]
    hours = Predictions(send_time=evening, send_time_by_channel={"push": noon})

    sent = [
        decided(table(information("a")), request=replace(REQUEST, channels=(channel,)), predictions=hours).send_at
        for channel in ("push", "email")
    ]

    assert sent == [parse("2026-01-06T12:00:00"), parse("2026-01-06T18:00:00")]


def test_a_message_keeps_out_of_quiet_hours_on_the_customers_clock():
    quiet = QuietHours.model_validate({"from": "09:00", "to": "21:30"})
    offers = table(information("a"), terms=BrandTerms(quiet_hours=quiet))

    decision = decided(offers, CustomerState(timezone="Europe/Riga"), replace(REQUEST, channels=("email",)))

    assert decision.send_at == parse("2026-01-05T20:00:00")  # 22:00 in Riga


def test_a_message_goes_out_while_its_offer_is_valid():
    best = np.zeros(168)
    best[24 + 18] = 1.0

    decision = decided(
        table(information("a", valid_to=NOW + 3 * HOUR)),
        request=replace(REQUEST, channels=("email",)),
        predictions=Predictions(send_time=best),
    )

    assert decision.send_at == NOW


def test_a_schedule_of_a_message_binds_the_moment_of_sending():
    offers = table(information("a", schedule=Schedule(weekdays=(2,), hours=(7,))))

    sent = decided(offers, request=replace(REQUEST, channels=("email",)))
    shown = decided(offers, request=replace(REQUEST, channels=("web",)))

    assert sent.send_at == parse("2026-01-07T07:00:00")
    assert shown.no_offer_reason == "schedule"


def test_the_channel_is_that_of_the_most_valuable_offer():
    offers = table(information("a", channels=("web",)), information("b", channels=("app",), priority=5))

    decision = decided(offers, request=replace(REQUEST, channels=("web", "app")))

    assert (decision.channel, ids(decision)) == ("app", ["b"])
    assert decision.excluded == {"channel": 1}


def test_between_equal_channels_the_one_that_reached_the_customer_is_taken():
    opens = [event(n, EventType.MESSAGE_OPENED, channel="push", message_id=str(n)) for n in range(1, 4)]

    decision = decided(table(information("a")), customer(*opens), replace(REQUEST, channels=("email", "push")))

    assert decision.channel == "push"


def test_an_unsubscribed_channel_is_not_used():
    left = event(1, EventType.UNSUBSCRIBED, channel="email")

    both = decided(table(information("a")), customer(left), replace(REQUEST, channels=("email", "web")))
    alone = decided(table(information("a")), customer(left), replace(REQUEST, channels=("email",)))

    assert both.channel == "web"
    assert alone.no_offer_reason == "no_consent"
