import numpy as np
import pytest

from features.brand import QuietHours
from features.instant import MICROSECONDS_PER_HOUR, parse, to_iso
from serving.send_slots import best_slot, send_slots

HOUR = MICROSECONDS_PER_HOUR
NIGHT = QuietHours.model_validate({"from": "22:30", "to": "08:00"})


def test_the_first_slot_is_now_and_the_others_full_hours():
    slots = send_slots(parse("2026-01-05T10:20:00"), "UTC", None, 3)

    assert [to_iso(at)[11:16] for at in slots.at.tolist()] == ["10:20", "11:00", "12:00"]
    assert slots.hour.tolist() == [10, 11, 12]


def test_hours_are_full_on_the_local_clock_where_zones_differ_by_half_an_hour():
    slots = send_slots(parse("2026-01-05T10:00:00"), "Asia/Kolkata", None, 2)

    assert [to_iso(at)[11:16] for at in slots.at.tolist()] == ["10:00", "10:30"]
    assert slots.hour.tolist() == [15, 16]


@pytest.mark.parametrize(("now", "first"), [("22:20", "22:20"), ("22:40", "08:00"), ("07:59", "08:00")])
def test_nothing_goes_out_in_quiet_hours(now, first):
    slots = send_slots(parse(f"2026-01-05T{now}:00"), "UTC", NIGHT, 24)

    assert to_iso(int(slots.at[0]))[11:16] == first


def test_within_a_quarter_of_an_hour_only_the_first_slot_moves():
    one, other = (send_slots(parse(f"2026-01-05T22:{minute}:00"), "UTC", NIGHT, 24) for minute in (16, 29))

    assert other.at[0] - one.at[0] == 13 * HOUR // 60
    assert one.at[1:].tolist() == other.at[1:].tolist()


def test_the_earliest_of_the_best_allowed_slots_is_taken():
    slots = send_slots(parse("2026-01-05T10:00:00"), "UTC", None, 24)
    scores = np.zeros(168)
    scores[[12, 15, 18]] = [0.9, 0.5, 0.5]
    allowed = slots.hour != 12

    assert best_slot(slots, scores, allowed) == slots.at[5]
    assert best_slot(slots, None, allowed) == slots.at[0]
    assert best_slot(slots, scores, np.zeros(24, dtype=np.bool_)) is None
