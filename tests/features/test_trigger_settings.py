"""What a brand file may say of triggers."""

from typing import Any

import pytest

from features.brand import apply_brand, parse_brand, read_brand
from features.errors import FieldError
from features.store import Store
from features.trigger_settings import TriggerKind


@pytest.mark.parametrize(
    ("triggers", "field"),
    [
        (["purchase"], "triggers"),
        ({"a": {}}, "triggers.a"),
        ({"a": "purchase"}, "triggers.a"),
        ({"a": {"kind": "weather"}}, "triggers.a.kind"),
        ({"a": {"kind": "purchase", "points": 5}}, "triggers.a.points"),
        ({"a": {"kind": "points_threshold"}}, "triggers.a.points"),
        ({"a": {"kind": "points_threshold", "points": 0}}, "triggers.a.points"),
        ({"a": {"kind": "churn_risk", "probability": 1.5}}, "triggers.a.probability"),
        ({"a": {"kind": "birthday", "hour": 24}}, "triggers.a.hour"),
        ({"a": {"kind": "purchase", "within_minutes": "soon"}}, "triggers.a.within_minutes"),
        ({"a": {"kind": "purchase", "cooldown_days": -1}}, "triggers.a.cooldown_days"),
        ({" ": {"kind": "purchase"}}, "triggers"),
        ({str(number): {"kind": "purchase"} for number in range(51)}, "triggers"),
    ],
)
def test_a_wrong_setting_is_named(triggers: Any, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_brand({"brand": "default", "triggers": triggers})

    assert refused.value.field == field


def test_what_is_not_said_has_the_defaults_of_its_kind(store: Store) -> None:
    given = {"a": {"kind": "birthday"}, "b": {"kind": "replenishment", "lead_days": 3, "channels": ["email"]}}
    with store.writing() as connection:
        apply_brand(connection, parse_brand({"brand": "default", "triggers": given}), 1)
        apply_brand(connection, parse_brand({"brand": "daughter", "extends": "default"}), 1)
        found = [read_brand(connection, brand).triggers for brand in ("default", "daughter")]

    birthday, refill = found[0]["a"], found[0]["b"]
    assert (birthday.kind, birthday.hour, birthday.days_before) == (TriggerKind.BIRTHDAY, 9, 0.0)
    assert (refill.lead_days, refill.cooldown_days, refill.channels, refill.hour) == (3.0, 7.0, ("email",), None)
    assert found[1] == found[0]
