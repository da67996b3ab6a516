"""What the demo shows: complete, self-contained, and the same on the page, the terminal and in JSON."""

import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from training.demo.findings import (
    Call,
    Card,
    Change,
    Comparison,
    CouponRanks,
    FavouriteHits,
    Findings,
    Future,
    Interval,
    Mailing,
    Money,
    Power,
    Rejected,
    RiskBand,
    Standing,
    Step,
    Trial,
    Usual,
)
from training.demo.page import render
from training.demo.terminal import show

OFFER = {
    "offer_id": "coupon-1",
    "value": 1.0,
    "propensity": 0.955,
    "expected_value": 0.42,
    "accept_probability": 0.12,
    "valid_until": "2017-12-24T00:00:00Z",
    "reasons": ["often_bought", "response_is_a_prior"],
    "words": {"en": "$1.00 off: Tea & biscuits", "ru": "Скидка 1.00 $: чай"},
}
STANDING = Standing(
    customer_id="1229",
    segment="champion",
    attributes={"age": "45-54"},
    orders=112,
    usual_gap_days=2.7,
    days_since_last_order=1.2,
    spend_per_order=41.2,
    expected_next_purchase_at="2017-11-22T18:00:00Z",
    churn_probability=0.31,
    risk_band="medium",
    lifetime_value=214.3,
    lifetime_value_low=120.1,
    lifetime_value_high=330.9,
    hours=[1 / 168] * 168,
    timezone="America/New_York",
    running_out=[("milk", "2017-11-21T00:00:00Z")],
    favourites=[("milk", 0.61)],
)


def answer(*offers: dict[str, Any]) -> dict[str, Any]:
    reason = None if offers else "nothing_worth_its_cost"
    return {"offers": list(offers), "no_offer_reason": reason, "channel": "email", "send_at": "2017-11-21T22:00:00Z"}


def findings_of(*offers: dict[str, Any]) -> Findings:
    card = Card(
        chosen_by="Chosen by a rule.",
        standing=STANDING,
        first=Call("/next_best_offer", {}, answer(*offers), 2.3),
        rejected=[Rejected("coupon-2", "$2.00 off: <Coffee>", "expired", "it ended 5 Nov 2017")],
        purchase=Call("/events", {}, {"accepted": 1}, 1.4),
        purchased="Tea, $3.99",
        again=Call("/next_best_offer", {}, answer(*offers), 2.1),
        changes=[Change("Offer", "$1.00 off: Tea", "$2.00 off: Rye")],
        is_put_back=False,
        usual=Usual(100, 1.2),
    )
    future = Future(
        horizon_days=30,
        households=2459,
        models=[Comparison("churn", "AUC", "days since last purchase", 0.87, 0.8, Interval(0.07, 0.05, 0.09), 2459)],
        favourites=FavouriteHits(2021, 0.571, 0.551, 0.354),
        bands=[RiskBand("low", 1900, 0.02, 0.03, 0.05)],
        coupons=CouponRanks(221, 2, [1.0, 12.0], [30.0, 2.0], [5.0, 200.0]),
    )
    power = Power(2459, 35.6, [Trial(0.5, 4, 0.088), Trial(0.5, 8, 0.068)], 8, 0.73, {"5%": 4604})
    money = Money([Mailing("8", "2017-05-08T00:00:00Z", 1076, 452.1, 149.6)], 56, 2.7, 1609, 0.59, 90, power)
    return Findings(
        clock="2017-11-20T00:00:00Z",
        horizon_days=30,
        campaigns=3,
        coupons=221,
        steps=[Step("lagniappe train churn", 20.0, "churn 1")],
        card=card,
        future=future,
        money=money,
        held_out=[{"model": "churn", "version": "1", "alias": "champion"}],
        addresses={"the service": "http://127.0.0.1:3000"},
        seconds=200.0,
        product_names={"milk": "Milk, 1 gal"},
    )


FINDINGS = findings_of(OFFER)


class Tags(HTMLParser):
    """Which tags stand open, and which were met."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.met.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_from_anywhere() -> None:
    page = render(FINDINGS)

    assert not re.search(r"(src|href)=|url\(|@import|<script|<link|<iframe|<img", page)


def test_the_page_is_well_formed() -> None:
    tags = Tags()

    tags.feed(render(FINDINGS))

    assert tags.open == []
    assert {"svg", "table", "figure"} <= tags.met


def test_what_comes_from_data_is_escaped() -> None:
    page = render(FINDINGS)

    assert "&lt;Coffee&gt;" in page
    assert "Tea &amp; biscuits" in page


@pytest.mark.parametrize("said", ["Скидка 1.00 $: чай", "coupon-1", "expired", "medium", "Milk, 1 gal", "2.7 times"])
def test_the_page_says_what_was_found(said: str) -> None:
    assert said in render(FINDINGS)


def test_the_page_says_that_mailings_cannot_be_judged() -> None:
    assert "cannot be learned from this data" in render(FINDINGS)


def test_no_offer_is_shown_as_an_answer_with_its_reason() -> None:
    page = render(findings_of())

    assert "No offer" in page
    assert "nothing worth its cost" in page


def test_the_terminal_shows_both_languages_and_the_effect_of_the_purchase() -> None:
    console = Console(file=StringIO(), width=140)

    show(FINDINGS, console)

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(said in shown for said in ("Tea & biscuits", "чай", "$2.00 off: Rye", "2.3 ms before"))


def test_findings_are_one_json_document() -> None:
    document = msgspec.json.decode(msgspec.json.encode(FINDINGS))

    assert document["card"]["standing"]["customer_id"] == "1229"
