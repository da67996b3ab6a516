"""What several customers did is summed at once, for each as it would be alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.batching import to_batch
from features.entities import Offer, Target
from features.events import Event, EventType
from features.profile import fold
from features.profiles import Profiles, concatenate
from serving.customer_history import CustomerHistory, histories
from serving.offer_table import BrandTerms, build_offer_table
from serving.policy import Policy

OFFERS = build_offer_table(
    [Offer(offer_id="all"), Offer(offer_id="tea", target=Target(products=("tea",)))], [], BrandTerms(), Policy()
)


def profile(*events: Event) -> Profiles:
    return to_batch("anna", fold(events, "UTC"), "UTC")


def event(at: int, kind: EventType = EventType.PURCHASE, **fields: object) -> Event:
    return Event(event_id=str(at), type=kind, customer_id="anna", occurred_at=at, **fields)  # type: ignore[arg-type]


TEA = event(1, product_id="tea", order_id="o", amount=30_000, quantity=1.0)
MILK = event(2, product_id="milk", order_id="p", amount=50_000, quantity=1.0)
REFUSAL = event(3, EventType.CONSENT_CHANGED, purpose="purchases", granted=False)
DECLINES = [event(at, EventType.OFFER_DECLINED, offer_id="tea") for at in (4, 5)]
CUSTOMERS = (None, profile(), profile(TEA, MILK), profile(TEA, MILK, REFUSAL), profile(MILK, *DECLINES))


def told(history: CustomerHistory) -> tuple[object, ...]:
    spend = [None if np.isnan(one) else one for one in history.target_spend]
    return history.orders, history.mean_order, history.target_lines.tolist(), spend, list(history.declines)


def test_purchases_are_told_by_target_and_declines_with_their_times() -> None:
    bought, declined = histories([CUSTOMERS[2], CUSTOMERS[4]], OFFERS)

    assert told(bought) == (2, 4.0, [2.0, 1.0], [4.0, 3.0], [])
    assert told(declined) == (1, 5.0, [1.0, 0.0], [5.0, None], [("tea", 4), ("tea", 5)])
    assert bought.target_share.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_purchases_whose_use_was_refused_are_not_told() -> None:
    (refused, nobody) = histories([CUSTOMERS[3], None], OFFERS)

    assert told(refused) == told(nobody) == (0, None, [0.0, 0.0], [None, None], [])


@given(st.lists(st.sampled_from(CUSTOMERS), max_size=8), st.booleans())
def test_of_several_each_is_told_as_alone(customers: list[Profiles | None], lie_in_one_batch: bool) -> None:
    asked = customers
    if lie_in_one_batch:
        views = iter(concatenate([one for one in customers if one is not None]).apart())
        asked = [None if one is None else next(views) for one in customers]

    together = histories(asked, OFFERS)

    assert [told(one) for one in together] == [told(histories([one], OFFERS)[0]) for one in customers]
