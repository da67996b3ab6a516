from features.batching import to_batch
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.profile import fold
from features.profiles import Profiles, concatenate, empty
from features.replenishment import UNKNOWN, due_of_all, expected_next_purchase_at
from features.segments import rfm_segments
from features.vector import vector

START = parse("2016-01-01")
DAY = MICROSECONDS_PER_DAY


def bought_on(*days: float) -> Profiles:
    events = [
        Event(
            event_id=str(day), type=EventType.PURCHASE, customer_id="c", product_id="coffee", amount=10_000,
            occurred_at=START + int(day * DAY),
        )
        for day in days
    ]  # fmt: skip
    return to_batch("c", fold(events, "UTC"), "UTC")


def segment_at(day: float, profiles: Profiles) -> str:
    return rfm_segments(vector(profiles, START + int(day * DAY)))[0]


def test_segments_follow_the_customers_own_rhythm() -> None:
    weekly, yearly = bought_on(*range(0, 365, 7)), bought_on(0, 365, 730)

    assert segment_at(366, weekly) == "champion"
    assert segment_at(380, weekly) == "needs_attention"
    assert segment_at(400, weekly) == "cannot_lose"
    assert segment_at(600, weekly) == "lost"
    assert segment_at(731 + 366, yearly) == "promising"


def test_who_bought_once_or_never_has_a_segment_too() -> None:
    assert segment_at(10, bought_on(0)) == "new"
    assert segment_at(90, bought_on(0)) == "one_time"
    assert segment_at(0, empty(["nobody"])) == "no_purchase"


def test_what_is_bought_every_two_weeks_runs_out_after_two() -> None:
    profiles = bought_on(0, 14, 28, 42)

    [[(product, due_at)]] = due_of_all(profiles, START + 45 * DAY).pairs()

    assert product == "coffee"
    assert abs(due_at - (START + 56 * DAY)) < DAY / 100


def test_what_was_given_up_is_not_due() -> None:
    assert due_of_all(bought_on(0, 14, 28, 42), START + 71 * DAY).pairs() == [[]]


def test_next_purchase_waits_for_the_median_gap_that_is_still_possible() -> None:
    profiles = concatenate([bought_on(0, 5, 25, 35), bought_on(3)])

    soon = expected_next_purchase_at(profiles, START + 36 * DAY)
    late = expected_next_purchase_at(profiles, START + 50 * DAY)

    assert soon.tolist() == [START + 45 * DAY, UNKNOWN]
    assert late.tolist() == [START + 55 * DAY, UNKNOWN]
