"""A world's file is read as it is meant, and what is wrong in it is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.world_file import parse_world, read_world
from experiments.world_terms import DRIVERS, OFFERS, WorldTerms
from features.entities import OfferKind
from features.errors import FieldError


def test_an_empty_file_is_the_world_that_ships(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text("")

    assert read_world(tmp_path / "world.yaml") == WorldTerms()


def test_what_a_file_sets_is_set_and_the_rest_is_as_shipped() -> None:
    text = """
    budget: 0.2
    contact: {every_days: 14}
    offers:
      - {offer_id: 10, kind: cashback, uplift: 0.3, cost_rate: 0.05, appeals_to: novelty}
    drift: {day: 20, factors: {"10": 0.5}}
    """

    terms = parse_world(yaml.safe_load(text))

    assert (terms.budget, terms.contact.every_days, terms.contact.valid_days) == (0.2, 14, 3)
    assert terms.customers == WorldTerms().customers
    assert [(one.offer_id, one.kind, one.acceptance) for one in terms.offers] == [("10", OfferKind.CASHBACK, 1.0)]


OFFER = {"offer_id": "a"}
WRONG: list[tuple[Any, str, str]] = [
    ({"ofers": []}, "ofers", "offers"),
    ({"budget": "much"}, "budget", "a number from 0"),
    ({"budget": float("nan")}, "budget", "a number"),
    ({"budget": -1}, "budget", "a number from 0"),
    ({"customers": {"margin_rate": 25}}, "customers.margin_rate", "a number from 0 to 1"),
    ({"customers": {"orders": 1}}, "customers.orders", "orders_per_day"),
    ({"customers": 5}, "customers", "settings by name"),
    ({"contact": {"every_days": 7.5}}, "contact.every_days", "a whole number from 1"),
    ({"contact": {"every_days": 2}}, "contact.valid_days", "at most every_days (2)"),
    ({"offers": []}, "offers", "at least one"),
    ({"offers": [{}]}, "offers[0].offer_id", "required"),
    ({"offers": [OFFER, OFFER]}, "offers[1].offer_id", "no other offer"),
    ({"offers": [{"offer_id": "none"}]}, "offers[0].offer_id", "another id"),
    ({"offers": [{**OFFER, "uplift": 2}]}, "offers[0].uplift", "a number from -1 to 1"),
    ({"offers": [{**OFFER, "kind": "coupon"}]}, "offers[0].kind", "one of discount_percent"),
    ({"offers": [{**OFFER, "appeals_to": "luck"}]}, "offers[0].appeals_to", DRIVERS[0]),
    ({"offers": [{**OFFER, "reverse": 1}]}, "offers[0].reverse", "true or false"),
    ({"season": {"weekdays": [1, 1]}}, "season.weekdays", "seven"),
    ({"drift": {"day": 3}}, "drift.factors", "required"),
    ({"drift": {"day": 3, "factors": {"x": 1}}}, "drift.factors", OFFERS[0].offer_id),
    ([1], "world", "settings by name"),
]


@pytest.mark.parametrize(("document", "field", "expected"), WRONG)
def test_what_is_wrong_is_named_with_what_was_expected(document: Any, field: str, expected: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_world(document)

    assert refused.value.field == field
    assert expected in refused.value.expected


@pytest.mark.parametrize("content", [None, "budget: [", b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "world.yaml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(FieldError, match="world"):
        read_world(file)
