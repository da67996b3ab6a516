from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import func, select, update

from features.entities import CapPerCustomer, Offer
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.schema import decisions, offer_usage, reservations
from features.store import Store
from serving.decision import Candidate, ChosenOffer, Decision, DecisionRequest, Predictions
from serving.decision_log import Entry, Kept, record
from serving.logged_decision import find
from serving.reservations import release_expired, sweep

NOW = 1_511_136_000_000_000
HOLD = 1_000_000


def entry(decision_id: str, *offers: Offer, customer_id: str = "c", at: Instant = NOW, key: str | None = None) -> Entry:
    """A decision that chose these offers by rank, each with 0.6 of the probability, for 2 currency units at most."""
    chosen = tuple(
        ChosenOffer(offer, None, rank, 0.6, 1.5, 0.1, None, ("because",), {"en": "Take it", "ru": "Берите"}, 20_000)
        for rank, offer in enumerate(offers, start=1)
    )
    share = 0.6 / max(len(offers), 1)
    candidates = (Candidate("none", 0, 0, 0.4), *(Candidate(offer.offer_id, 1.5, 0.1, share) for offer in offers))
    decision = Decision(
        decision_id=decision_id,
        decided_at=at,
        offers=chosen,
        none_probability=0.4,
        no_offer_reason=None if offers else "nothing_eligible",
        channel=None,
        send_at=None,
        expires_at=at + HOLD,
        excluded={},
        candidates=candidates,
        fallback=None,
    )
    request = DecisionRequest(customer_id, at, decision_id)
    return Entry(request, decision, Predictions(), "test", idempotency_key=key)


def kept(store: Store, *entries: Entry) -> list[Kept]:
    with store.writing() as connection:
        return record(connection, entries, lake=store.lake)


def offered(one: Kept) -> list[str]:
    return [offer["offer_id"] for offer in msgspec.json.decode(one.answer)["offers"]]


def usage(store: Store, offer_id: str) -> tuple[int, int]:
    query = select(offer_usage.c.issued, offer_usage.c.cost_reserved).where(offer_usage.c.offer_id == offer_id)
    with store.reading() as connection:
        return tuple(connection.execute(query).one())  # type: ignore[return-value]


def states(store: Store) -> list[str]:
    with store.reading() as connection:
        return sorted(connection.execute(select(reservations.c.state)).scalars())


def test_a_decision_is_found_as_it_was_answered(store: Store) -> None:
    (one,) = kept(store, entry("d1", Offer(offer_id="a")))

    with store.reading() as connection:
        found = find(connection, "d1")

    assert found is not None
    assert bytes(found.logged.answer) == one.answer  # as it has no targets
    assert found.logged.propensities == {"a": 0.6}
    assert found.customer_id == "c"


def test_the_row_of_a_decision_is_text_in_every_language(store: Store) -> None:
    kept(store, entry("d1", Offer(offer_id="a")))

    with store.reading() as connection:
        body = connection.execute(select(decisions.c.body)).scalar_one()

    assert isinstance(body, str)
    assert "Берите" in body


def test_a_request_whose_defaults_are_spelt_out_reads_the_same(store: Store) -> None:
    kept(store, entry("d1"))
    defaults = {"brand": "default", "channels": [], "placement": None, "limit": 1, "basket": None, "context": {}}

    with store.writing() as connection:
        before = find(connection, "d1")
        body = msgspec.json.decode(connection.execute(select(decisions.c.body)).scalar_one())
        body["request"] = defaults | body["request"]
        connection.execute(update(decisions).values(body=msgspec.json.encode(body).decode()))
        after = find(connection, "d1")

    assert after == before


def test_nothing_offered_is_logged_as_none_with_its_probability(store: Store) -> None:
    kept(store, entry("d1"))

    with store.reading() as connection:
        assert connection.execute(select(decisions.c.offer_id)).scalar() == "none"
        assert find(connection, "d1").logged.propensities == {"none": 0.4}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("limit", "reason"), [({"cap_total": 2}, "cap_total"), ({"stock": 2}, "stock"), ({"budget": 50_000}, "budget")]
)
def test_no_limit_is_passed_within_or_across_transactions(store: Store, limit: dict[str, int], reason: str) -> None:
    scarce = Offer(offer_id="scarce", **limit)  # type: ignore[arg-type]

    first = kept(store, entry("d1", scarce), entry("d2", scarce), entry("d3", scarce))
    then = kept(store, entry("d4", scarce))

    assert [offered(one) for one in (*first, *then)] == [["scarce"], ["scarce"], [], []]
    assert msgspec.json.decode(then[0].answer)["no_offer_reason"] == reason
    assert usage(store, "scarce") == (2, 40_000)


def test_limits_count_what_was_decided_before_they_were_known_of(store: Store) -> None:
    before = Offer(offer_id="a")
    capped = Offer(offer_id="a", cap_total=1)
    once = Offer(offer_id="a", cap_per_customer=CapPerCustomer(count=1, days=7))

    (_, *later) = kept(store, entry("d1", before), entry("d2", capped, customer_id="other"), entry("d3", once))

    assert [offered(one) for one in later] == [[], []]


def test_a_customer_never_gets_more_than_the_cap(store: Store) -> None:
    once = Offer(offer_id="once", cap_per_customer=CapPerCustomer(count=1, days=7))
    week = 7 * MICROSECONDS_PER_DAY

    now = kept(store, entry("d1", once), entry("d2", once), entry("d3", once, customer_id="other"))
    later = kept(store, entry("d4", once, at=NOW + week + 1))

    assert [offered(one) for one in (*now, *later)] == [["once"], [], ["once"], ["once"]]


def test_the_probability_of_what_could_not_be_reserved_counts_as_none(store: Store) -> None:
    gone = Offer(offer_id="gone", cap_total=0)

    kept(store, entry("d1", gone))

    with store.reading() as connection:
        logged = find(connection, "d1").logged  # type: ignore[union-attr]
    assert logged.none_probability == pytest.approx(1.0)
    assert {one.offer_id: one.probability for one in logged.candidates} == {"none": pytest.approx(1.0), "gone": 0.0}


def test_the_others_of_a_menu_keep_their_ranks(store: Store) -> None:
    menu = [Offer(offer_id="gone", cap_total=0), Offer(offer_id="there")]

    (one,) = kept(store, entry("d1", *menu))

    assert [(offer["offer_id"], offer["rank"]) for offer in msgspec.json.decode(one.answer)["offers"]] == [("there", 2)]


def test_an_expired_reservation_gives_its_place_to_the_next(store: Store) -> None:
    single = Offer(offer_id="single", cap_total=1)

    first = kept(store, entry("d1", single))
    early = kept(store, entry("d2", single, at=NOW + HOLD - 1))
    late = kept(store, entry("d3", single, at=NOW + HOLD))

    assert [offered(one) for one in (*first, *early, *late)] == [["single"], [], ["single"]]
    assert states(store) == ["released", "reserved"]


def test_a_decision_for_a_later_time_takes_nothing_that_is_held_now(store: Store) -> None:
    single = Offer(offer_id="single", cap_total=1)
    kept(store, entry("d1", single))
    tomorrow = NOW + MICROSECONDS_PER_DAY

    with store.writing() as connection:
        (early,) = record(connection, [entry("d2", single, at=tomorrow)], lake=store.lake, now=NOW + HOLD - 1)
        (late,) = record(connection, [entry("d3", single, at=tomorrow)], lake=store.lake, now=NOW + HOLD)

    assert [offered(one) for one in (early, late)] == [[], ["single"]]


def test_a_sweep_releases_what_has_expired_and_only_that(store: Store) -> None:
    offer = Offer(offer_id="a")
    kept(store, entry("d1", offer), entry("d2", offer, at=NOW + 5))

    assert sweep(store, NOW + HOLD) == 1
    assert sweep(store, NOW + HOLD) == 0
    assert usage(store, "a") == (1, 20_000)


def test_the_same_key_is_decided_once_for_a_day(store: Store) -> None:
    offer, other = Offer(offer_id="a"), Offer(offer_id="b")

    first, beside = kept(store, entry("d1", offer, key="k"), entry("d2", other, key="k"))
    (again,) = kept(store, entry("d3", other, key="k", at=NOW + MICROSECONDS_PER_DAY - 1))
    (new,) = kept(store, entry("d4", other, key="k", at=NOW + MICROSECONDS_PER_DAY))

    assert first.answer == beside.answer == again.answer
    assert (offered(first), offered(new)) == (["a"], ["b"])
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(decisions)).scalar() == 2


def test_a_key_is_not_another_customers(store: Store) -> None:
    first, conflicting, other = kept(
        store, entry("d1", key="k"), entry("d2", customer_id="other", key="k"), entry("d3", customer_id="third")
    )

    assert conflicting.conflict is not None
    assert conflicting.conflict.field == "idempotency_key"
    assert (first.conflict, other.conflict) == (None, None)
    assert kept(store, entry("d4", customer_id="other", key="k"))[0].conflict is not None


def test_a_transaction_undone_reserves_nothing(store: Store) -> None:
    def fail(entries: Sequence[Entry]) -> None:
        with store.writing() as connection:
            record(connection, entries, lake=store.lake)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail([entry("d1", Offer(offer_id="a"))])
    assert states(store) == []


def test_releasing_is_done_once(store: Store) -> None:
    kept(store, entry("d1", Offer(offer_id="a")))

    with store.writing() as connection:
        counts = [release_expired(connection, NOW + HOLD) for _ in range(2)]

    assert counts == [1, 0]
    assert usage(store, "a") == (0, 0)
