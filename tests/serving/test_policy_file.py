"""Policy files: what they say, and how each thing that is wrong in one is told."""

import math
from pathlib import Path

import pytest

from features.entities import Offer, OfferKind, Target
from features.errors import FieldError
from features.instant import parse
from serving.policy import Policy
from serving.policy_file import parse_policy, read_policy_file, require_known, with_file
from serving.policy_rules import Boost, Limit, Scope, When
from serving.policy_version import policy_body, policy_of
from serving.rule_columns import require_some_left

WHOLE = {
    "name": "autumn",
    "epsilon": 0.1,
    "shortlist": 20,
    "exploration": {"kind": "thompson", "draws": 64, "learned_outcomes": 500},
    "suppression": {"decline_days": 14, "decline_scope": "category", "unsubscribe_days": 7},
    "diversity": {"most_per_category": 1},
    "weights": {"propensity": False, "value": 0.5},
    "pins": [{"offer": "a", "customers": {"tier": ["gold"]}, "placements": ["home"], "channels": "app"}],
    "boosts": [{"categories": ["tea"], "factor": 1.5, "from": "2026-12-01", "to": "2026-12-31T12:00:00+03:00"}],
    "contexts": [{"kinds": "gift", "add": 0.2}],
    "exclusions": [{"offers": ["b"], "yields_to": "a"}],
    "groups": [{"name": "drinks", "categories": ["tea", "coffee"]}],
    "gaps": [{"hours": 24}],
    "caps": [{"count": 3, "days": 7, "groups": ["drinks"], "channels": ["email"]}],
    "rules": {"present": [{"offer": "a", "customers": {"tier": "gold"}}, {"offer": "b"}]},
    "apprentice": {"rule": "present"},
}


def read(document: dict[str, object]) -> Policy:
    return with_file(Policy(), parse_policy(document))


def test_a_whole_file_becomes_a_policy() -> None:
    policy = read(WHOLE)

    assert (policy.version, policy.epsilon, policy.shortlist, policy.exploration) == ("autumn", 0.1, 20, "thompson")
    assert (policy.decline_suppression_days, policy.decline_scope, policy.unsubscribe_days) == (14.0, "category", 7.0)
    assert (policy.weights.propensity, policy.weights.context, policy.weights.value) == (0.0, 1.0, 0.5)
    assert policy.rules.pins[0].when == When('{"tier":["gold"]}', ("app",), ("home",))
    dates = When(starts=parse("2026-12-01"), ends=parse("2026-12-31T09:00:00"))
    assert policy.rules.boosts == (Boost(Scope(categories=("tea",)), 1.5, when=dates),)
    assert policy.rules.limits[1] == Limit(168.0, 3, scope=Scope(groups=("drinks",)), channels=("email",))
    assert policy.rules.apprentice is not None
    assert [step.offer for step in policy.rules.apprentice.steps] == ["a", "b"]


def test_it_is_kept_and_read_again_as_it_was() -> None:
    policy = read(WHOLE)

    assert policy_of(policy_body(policy)) == policy


def test_a_policy_of_before_there_were_files_is_read_as_it_was_meant() -> None:
    policy = policy_of('{"version": "prior-1", "epsilon": 0.2}')

    assert policy == Policy(epsilon=0.2, edition=1)


def test_what_is_not_said_stays_as_it_was() -> None:
    base = Policy(epsilon=0.3, typical_order=80.0)

    assert with_file(base, parse_policy({"least_value": 1})) == Policy(epsilon=0.3, typical_order=80.0, least_value=1.0)


@pytest.mark.parametrize(
    ("document", "field", "expected"),
    [
        ({"epsilom": 0.1}, "epsilom", "one of the names"),
        ({"epsilon": 1.5}, "epsilon", "a number from 0 to 1"),
        ({"epsilon": "0.1"}, "epsilon", "a number from 0 to 1"),
        ({"epsilon": True}, "epsilon", "a number from 0 to 1"),
        ({"shortlist": 2.5}, "shortlist", "a whole number from 1 to 1000"),
        ({"exploration": {"kind": "greedy"}}, "exploration.kind", "one of epsilon_greedy, softmax, thompson"),
        ({"exploration": {"temperature": 0}}, "exploration.temperature", "a number from"),
        ({"epsilon": 0.1, "exploration": {"epsilon": 0.2}}, "exploration.epsilon", "set beside it"),
        ({"weights": {"propensity": 2}}, "weights.propensity", "a number from 0 to 1"),
        ({"weights": [1]}, "weights", "settings by name"),
        ({"pins": {"offer": "a"}}, "pins", "a list"),
        ({"pins": [{"customers": {"tier": "gold"}}]}, "pins[0].offer", "a value: it is required"),
        ({"pins": [{"offer": "a", "customers": {"age": {"least": 3}}}]}, "pins[0].customers", "any of min, max"),
        ({"pins": [{"offer": "a", "from": "soon"}]}, "pins[0].from", "an ISO 8601 time"),
        ({"pins": [{"offer": "a", "from": 20261201}]}, "pins[0].from", "a date or an ISO 8601 time"),
        ({"pins": [{"offer": "a", "from": "2026-02-01", "to": "2026-01-01"}]}, "pins[0].to", "a time after 'from'"),
        ({"boosts": [{"offers": ["a"]}]}, "boosts[0].factor", "a factor, or an amount to add"),
        ({"boosts": [{"offers": ["a"], "factor": 0}]}, "boosts[0].factor", "a number above 0"),
        ({"boosts": [{"kinds": ["coupon"], "factor": 2}]}, "boosts[0].kinds[0]", "one of discount_percent"),
        ({"exclusions": [{}]}, "exclusions[0]", "exclude every offer for everybody"),
        ({"exclusions": [{"kinds": "gift", "yields_to": ["a"]}]}, "exclusions[0].offers", "the offers that yield"),
        ({"groups": [{"name": "g"}]}, "groups[0].offers", "the offers, kinds or categories"),
        ({"groups": [{"name": "g", "offers": "a"}] * 2}, "groups[1].name", "no other group"),
        ({"gaps": [{"hours": -1}]}, "gaps[0].hours", "a number above 0"),
        ({"caps": [{"count": 1}]}, "caps[0].days", "either days or hours"),
        ({"caps": [{"count": 1.5, "days": 1}]}, "caps[0].count", "a whole number"),
        ({"apprentice": {"rule": "spring"}}, "apprentice.rule", "a name of 'rules': there is none"),
        ({"apprentice": {"rule": ["spring"]}, "rules": {"spring": []}}, "apprentice.rule", "an id"),
        ({"epsilon": 10**400}, "epsilon", "a number from 0 to 1"),
        ({"epsilon": 10**5000}, "epsilon", "a number from 0 to 1"),
        ({"shortlist": math.inf}, "shortlist", "a whole number from 1 to 1000"),
        ({"gaps": [{"hours": 10**400}]}, "gaps[0].hours", "a number above 0"),
        ({"gaps": [{"hours": math.nan}]}, "gaps[0].hours", "a number above 0"),
        ({"pins": [{"offer": "a", "customers": {"age": {"max": math.nan}}}]}, "pins[0].customers", "expected a number"),
        ({"pins": [{"offer": "a", "customers": {"age": {"max": 10**400}}}]}, "pins[0].customers", "expected a number"),
        ({"pins": [{"offer": "a", "customers": {"age": [math.nan]}}]}, "pins[0].customers", "expected a text"),
        ({"pins": [{"offer": "a", "customers": {"age": {"max": None}}}]}, "pins[0].customers", "any of min, max"),
        ({"pins": [{"offer": "a", "customers": {"age": {"min": 50, "max": 17}}}]}, "pins[0].customers", "min up to"),
        ({"diversity": {"most_per_category": 21}}, "diversity.most_per_category", "a whole number from 0 to 20"),
    ],
)
def test_what_is_wrong_is_told_with_its_field_and_what_was_expected(
    document: dict[str, object], field: str, expected: str
) -> None:
    with pytest.raises(FieldError) as told:
        parse_policy(document)

    assert told.value.field == field
    assert expected in told.value.expected


def test_a_number_too_long_to_write_out_is_told_all_the_same() -> None:
    with pytest.raises(FieldError) as told:
        parse_policy({"epsilon": 10**5000})

    assert str(told.value) == "epsilon: got a value of int too long to write out, expected a number from 0 to 1"


def test_gaps_leave_the_caps_of_the_policy_extended_as_they_are_and_the_other_way_round() -> None:
    base = read({"gaps": [{"hours": 24}], "caps": [{"count": 3, "days": 7}]})

    caps = with_file(base, parse_policy({"caps": [{"count": 1, "days": 1}]})).rules.limits
    gaps = with_file(base, parse_policy({"gaps": [{"hours": 2}]})).rules.limits

    assert caps == (Limit(24.0, 1, is_gap=True), Limit(24.0, 1))
    assert gaps == (Limit(2.0, 1, is_gap=True), Limit(168.0, 3))
    assert with_file(base, parse_policy({"gaps": [], "caps": []})).rules.limits == ()


def test_a_cycle_of_offers_that_yield_to_one_another_is_named() -> None:
    cycle = [{"offers": [a], "yields_to": [b]} for a, b in ("ab", "bc", "ca")]

    with pytest.raises(FieldError, match="a → b → c → a"):
        parse_policy({"exclusions": cycle})


OFFERS = [
    Offer(offer_id="a", kind=OfferKind.GIFT, target=Target(categories=("tea",))),
    Offer(offer_id="b", kind=OfferKind.CASHBACK, exclusive_group="g"),
]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"pins": [{"offer": "c"}]}, "pins[0].offer"),
        ({"boosts": [{"categories": ["wine"], "factor": 2}]}, "boosts[0].categories"),
        ({"gaps": [{"hours": 1}, {"hours": 2, "groups": ["h"]}]}, "gaps[1].groups"),
        ({"caps": [{"count": 1, "days": 2, "offers": ["c"]}]}, "caps[0].offers"),
        ({"exclusions": [{"offers": ["a"], "yields_to": ["c"]}]}, "exclusions[0].yields_to"),
        ({"rules": {"r": [{"offer": "c"}]}, "apprentice": {"rule": "r"}}, "rules.r[0].offer"),
    ],
)
def test_what_the_catalogue_does_not_know_is_refused(document: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError, match="of the catalogue") as told:
        require_known(read(document).rules, OFFERS, ["tea"], ["g"])

    assert told.value.field == field


def test_exclusions_that_together_leave_no_offer_are_refused() -> None:
    both = [{"categories": ["tea"]}, {"groups": ["g"]}]

    with pytest.raises(FieldError, match="exclude every one"):
        require_some_left(read({"exclusions": both}).rules, OFFERS, {})
    require_some_left(read({"exclusions": [both[0], {**both[1], "channels": "sms"}]}).rules, OFFERS, {})


def test_a_pin_of_what_is_always_excluded_is_refused() -> None:
    document = {"exclusions": [{"offers": "a"}], "pins": [{"offer": "b"}, {"offer": "a"}]}

    with pytest.raises(FieldError, match=r"pins\[1\].offer"):
        require_some_left(read(document).rules, OFFERS, {})


@pytest.mark.parametrize("text", ["epsilon: 0.1\nepsilon: 0.2\n", "pins: [{offer: a, offer: b}]", "pins: []\npins: []"])
def test_nothing_is_said_twice(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)

    with pytest.raises(FieldError, match="each name but once"):
        read_policy_file(tmp_path / "p.yaml")


def test_dates_of_a_file_are_in_the_time_zone_of_the_brand(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("pins: [{offer: a, from: 2026-12-01, to: 2026-12-01T12:00:00Z}]")

    given = read_policy_file(tmp_path / "p.yaml", "Europe/Moscow")

    when = given.rules["pins"][0].when
    assert (when.starts, when.ends) == (parse("2026-11-30T21:00:00"), parse("2026-12-01T12:00:00"))
    assert parse_policy(given.document, "Europe/Moscow") == given


@pytest.mark.parametrize("text", ["", "- a", "epsilon: [", "\xff", "epsilon: 2026-13-45", "? [a]\n: b"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_bytes(text.encode("latin-1"))

    with pytest.raises(FieldError, match=r"policy|epsilon"):
        read_policy_file(tmp_path / "p.yaml")
    with pytest.raises(FieldError, match="a file that can be read"):
        read_policy_file(tmp_path / "missing.yaml")
