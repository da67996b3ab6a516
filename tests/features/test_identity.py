import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.customer_links import CustomerLinks, members
from features.errors import FieldError
from features.identity import anonymous_id, is_anonymous, roots
from features.store import Store

NAMES = st.sampled_from("abcdef")


def test_an_anonymous_customer_is_named_by_the_first_kind_of_identifier() -> None:
    assert anonymous_id({"device": "d", "card": "7"}) == anonymous_id({"card": "7"})
    assert anonymous_id({"card": "7"}) != anonymous_id({"qr": "7"})
    assert is_anonymous(anonymous_id({"qr": "7"}))


def test_a_cutoff_sees_only_the_merges_before_it() -> None:
    merges = [("a", "b", 10), ("b", "c", 20)]

    assert roots(merges, before=10) == {}
    assert roots(merges, before=20) == {"a": "b"}
    assert roots(merges) == {"a": "c", "b": "c"}


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(0, 9)), max_size=12))
def test_merges_in_any_order_and_in_circles_lead_to_one_who_stays(merges: list[tuple[str, str, int]]) -> None:
    found = roots(merges)

    assert found == roots(merges[::-1])
    assert not set(found.values()) & set(found)
    assert all(found.get(ends, ends) == found.get(stays, stays) for ends, stays, _ in merges)


def test_an_anonymous_customer_becomes_the_one_whose_identifier_it_is(store: Store) -> None:
    anonymous = anonymous_id({"card": "7"})
    with store.writing() as connection:
        links = CustomerLinks(connection, "default")
        links.claim(anonymous, {"card": "7"}, 5)
        links.claim("anna", {"card": "7"}, 9)
        links.write()

    with store.reading() as connection:
        links = CustomerLinks(connection, "default")

        assert links.root(anonymous) == "anna"
        assert links.owner(("card", "7")) == "anna"
        assert members(connection, "default", ["anna"]) == {"anna": "anna", anonymous: "anna"}


def test_two_named_customers_cannot_share_an_identifier(store: Store) -> None:
    with store.writing() as connection:
        links = CustomerLinks(connection, "default")
        links.claim("anna", {"card": "7"}, 5)

        with pytest.raises(FieldError, match="identifiers of boris alone"):
            links.claim("boris", {"card": "7"}, 9)


def test_identifiers_seen_together_join_anonymous_customers(store: Store) -> None:
    with store.writing() as connection:
        links = CustomerLinks(connection, "default")
        card, device = anonymous_id({"card": "7"}), anonymous_id({"device": "d"})
        links.claim(card, {"card": "7"}, 1)
        links.claim(device, {"device": "d"}, 2)
        links.claim(card, {"card": "7", "device": "d"}, 3)

        assert links.root(card) == links.root(device)


def test_brands_know_nothing_of_each_other(store: Store) -> None:
    with store.writing() as connection:
        links = CustomerLinks(connection, "north")
        links.claim("anna", {"card": "7"}, 5)
        links.write()

        assert CustomerLinks(connection, "south").owner(("card", "7")) is None
