"""What is read of a customer for a decision."""

from sqlalchemy import insert

from features.schema import decisions, reservations
from features.store import Store
from serving.customer_reader import CustomerReader, Named
from serving.decision import OfferUse


def test_the_channels_of_earlier_offers_are_told_where_they_are_asked_for(store: Store) -> None:
    at = {"brand": "default", "customer_id": "anna", "decided_at": 5}
    with store.writing() as connection:
        for decision_id, channel in (("d1", "email"), ("d2", None)):
            decided = {"decision_id": decision_id, "expires_at": 9, "offer_id": "a", "channel": channel, "body": "{}"}
            connection.execute(insert(decisions).values({**at, **decided}))
            held = {"decision_id": decision_id, "offer_id": "a", "state": "reserved", "expires_at": 9, "cost": 0}
            connection.execute(insert(reservations).values({**at, **held}))
    reader = CustomerReader(store)

    ((_, plain),) = reader.people([Named("default", "anna", {})])
    ((_, told),) = reader.people([Named("default", "anna", {})], with_channels=True)

    use = OfferUse("a", 5, "reserved", 9)
    assert list(plain.uses) == [use, use]
    assert sorted(one.channel or "" for one in told.uses) == ["", "email"]
