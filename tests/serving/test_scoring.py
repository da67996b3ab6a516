"""The columns of ``score``, by models that say the same of everybody."""

import numpy as np
import pyarrow.parquet
import pytest

from features.entities import Offer, OfferKind
from features.events import EventType
from features.instant import to_datetime
from features.profiles import concatenate, empty
from features.replenishment import due_of_all
from features.vector import FEATURES
from serving import score_files
from serving.offer_table import BrandTerms, build_offer_table
from serving.policy import Policy
from serving.population import Population
from serving.predictions import NAMES, Models, predict, predict_each
from serving.score_columns import score_columns
from serving.score_files import write_offer_scores, write_scores
from serving.score_notes import REFUSED, fallbacks
from serving.score_offers import past_offers, score_offers
from serving.scoring import COLUMNS, rows_of
from tests.serving.constant_models import (
    CATEGORIES,
    DAY,
    NOW,
    WEEKLY,
    AlwaysMilk,
    Constant,
    event,
    models,
    profile,
    scored,
)


def test_each_column_comes_from_its_model():
    (row,) = scored(profile(*WEEKLY))

    assert (row.churn_probability, row.churn_risk_band is not None) == (0.4, True)
    assert (row.churn_probability_low, row.churn_probability_high) == pytest.approx((0.3, 0.5))
    assert (row.lifetime_value, row.lifetime_value_median) == (50.0, 40.0)
    assert (row.lifetime_value_low, row.lifetime_value_high) == (0.0, 90.0)
    assert (row.favourite_products, row.favourite_scores) == (["milk", "cheese", "tea"], [0.5, 0.3, 0.1])
    assert row.favourite_categories == ["dairy"]
    assert (row.best_send_hour, len(row.send_time_scores)) == (18, 168)
    assert row.horizon_days == 30
    assert row.model_versions == dict.fromkeys(NAMES, "3")


def test_without_models_their_columns_are_empty_and_said_to_be():
    (row,) = scored(profile(*WEEKLY), Models())

    empty_columns = {name for name in COLUMNS if getattr(row, name) is None}
    assert empty_columns == set(row.fallbacks)
    assert row.horizon_days == 90
    assert row.rfm_segment == "promising" or row.rfm_segment
    assert row.expected_next_purchase_at is not None


def test_money_at_risk_is_the_chance_of_churn_times_the_spend_at_the_pace_of_late():
    (row,) = scored(profile(*WEEKLY))

    decayed = sum(10.0 * 2 ** (-7 * n / 90) for n in range(1, 9))
    assert row.money_at_risk == pytest.approx(0.4 * decayed * 30 / (90 / np.log(2)))


def test_lifetime_values_are_given_for_the_horizons_that_the_history_supports():
    (row,) = scored(profile(*WEEKLY))

    assert (row.lifetime_value_30, row.lifetime_value_90, row.lifetime_value_365) == (50.0, 100.0, None)
    assert "820 days" in row.fallbacks["lifetime_value_365"]
    assert not {"lifetime_value_30", "lifetime_value_90"} & set(row.fallbacks)


def test_churn_is_also_told_against_the_customers_own_rhythm():
    (row,) = scored(profile(*WEEKLY))

    assert (row.churn_probability_own_rhythm, row.own_rhythm_days) == (0.2, 21.0)


def test_a_champion_trained_on_what_came_later_is_used_with_a_warning():
    notes = fallbacks(models(trained_until={"churn": NOW + 1}), NOW)

    assert notes["churn_probability"] == "the champion was trained on what came after as_of"
    assert "lifetime_value" not in notes


def test_churn_asked_long_after_what_its_champion_learned_from_is_told_with_a_warning():
    horizon = 30 * DAY

    near, far = (
        scored(profile(*WEEKLY), models(trained_until={"churn": NOW - 2 * horizon - later}))[0].fallbacks
        for later in (0, DAY)
    )

    reason = "extrapolated: asked 61 days after what the champion learned from, horizons of 30 days"
    assert far["churn_probability"] == far["churn_risk_band"] == far["money_at_risk"] == reason
    assert "churn_probability" not in near
    assert "lifetime_value" not in far


def test_of_an_empty_column_is_told_why_it_is_empty_whenever_it_is_asked():
    long_ago = {"churn": NOW - 1_000 * DAY}

    notes = fallbacks(models(churn_interval=None, trained_until=long_ago), NOW)

    assert notes["churn_probability"].startswith("extrapolated")
    assert notes["churn_probability_low"] == "the champion was trained before intervals were kept"


def test_the_profile_gives_segment_replenishment_next_purchase_and_channel():
    (row,) = scored(profile(*WEEKLY))

    assert row.rfm_segment == "promising"
    assert row.expected_next_purchase_at == NOW + 7 * DAY
    assert row.replenishment[0][0] == "milk"
    assert row.best_channel == "store"


def test_no_purchase_is_expected_within_a_horizon_in_which_most_buy_nothing():
    anna = profile(*WEEKLY)

    churned = {share: scored(anna, models(churn=Constant(share)))[0] for share in (0.5, 0.501, 0.999, np.nan)}
    short = scored(anna, models(churn=Constant(0.999), horizon_days={"churn": 7}))[0]

    expected = {share: row.expected_next_purchase_at for share, row in churned.items()}
    assert list(expected.values()) == [NOW + 7 * DAY, None, None, NOW + 7 * DAY]
    assert short.expected_next_purchase_at == NOW + 7 * DAY


def test_a_customer_known_only_from_a_row_is_scored():
    (row,) = scored(empty(["nobody"]))

    assert (row.customer_id, row.rfm_segment, row.best_channel) == ("nobody", "no_purchase", None)
    assert row.expected_next_purchase_at is None
    assert row.churn_probability == 0.4


def test_favourites_are_as_many_as_asked_for():
    (row,) = scored(profile(*WEEKLY), favourites=1)

    assert row.favourite_products == ["milk"]


def test_one_customer_is_predicted_like_many():
    offers = build_offer_table([Offer(offer_id="a")], [], BrandTerms(), Policy())
    anna = profile(*WEEKLY)

    one = predict(models(), anna, NOW, offers)
    many = predict_each(models(), concatenate([anna, empty(["nobody"])]), NOW, offers)

    assert one.churn_probability == many[0].churn_probability == 0.4
    assert one.lifetime_value == many[1].lifetime_value == 50.0
    assert one.affinity.tolist() == [0.25]
    assert one.features.shape == (len(FEATURES),)


def test_targets_are_made_ready_for_a_model_once():
    offers = build_offer_table([Offer(offer_id="a")], [], BrandTerms(), Policy())
    favourite = AlwaysMilk()

    for _ in range(3):
        predict(models(favourite_product=favourite), profile(*WEEKLY), NOW, offers)

    assert favourite.prepared == 1


def test_a_number_that_a_model_cannot_give_is_done_without():
    offers = build_offer_table([], [], BrandTerms(), Policy())

    assert predict(models(churn=Constant(np.nan)), profile(*WEEKLY), NOW, offers).churn_probability is None


def test_the_file_reads_back_with_dictionaries_lists_and_times(tmp_path):
    path = tmp_path / "s.parquet"
    both = concatenate([profile(*WEEKLY), empty(["nobody"])])
    found = score_columns(both, "default", NOW, models(), CATEGORIES, 10)
    rows = list(rows_of(found))

    assert write_scores(path, [found], NAMES) == 2

    first, second = pyarrow.parquet.read_table(path).to_pylist()
    assert list(first) == list(COLUMNS)
    assert first["as_of"] == to_datetime(NOW)
    assert first["model_versions"] == dict.fromkeys(NAMES, "3")
    assert [told(row) for row in (first, second)] == [row.fallbacks for row in rows]
    assert {name: first[name] for name in COLUMNS if isinstance(getattr(rows[0], name), float | str)} == {
        name: getattr(rows[0], name) for name in COLUMNS if isinstance(getattr(rows[0], name), float | str)
    }
    assert set(first["replenishment"][0]) == {"product_id", "due_at"}
    assert sum(first["send_time_scores"]) == pytest.approx(1.0)
    assert second["replenishment"] == []


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_batches_are_written_some_at_a_time_and_none_is_left_out(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(score_files, "WRITTEN_AT_ONCE", at_once)
    people = [empty([f"{batch}-{number}" for number in range(2)]) for batch in range(5)]
    batches = [score_columns(some, "default", NOW, models(), CATEGORIES, 10) for some in people]

    assert write_scores(tmp_path / "s.parquet", batches, NAMES) == 10

    written = pyarrow.parquet.read_table(tmp_path / "s.parquet")["customer_id"].to_pylist()
    assert written == [one for some in people for one in some.customer_ids]


def told(row):
    """Of a row of the file, the reasons that there are."""
    return {output: reason for output, reason in row["fallbacks"].items() if reason is not None}


def test_of_each_customer_it_is_told_what_was_told_without_purchases():
    refused = profile(*WEEKLY, event(1, EventType.CONSENT_CHANGED, purpose="purchases", granted=False))

    known, nobody, opted_out = (scored(one)[0].fallbacks for one in (profile(*WEEKLY), empty(["nobody"]), refused))

    assert not {"favourite_products", "churn_probability", "send_time_scores"} & set(known)
    assert nobody["favourite_products"] == "no purchase is known: popular products"
    assert nobody["churn_probability_low"].startswith("no purchase is known")
    assert nobody["send_time_scores"] == "not enough data: everyone"
    assert nobody["expected_next_purchase_at"] == "fewer than two purchases are known"
    assert opted_out["favourite_products"] == opted_out["lifetime_value"] == opted_out["best_send_hour"] == REFUSED


def test_a_missing_model_is_told_and_not_what_it_would_have_been_told_from():
    (row,) = scored(empty(["nobody"]), models(churn=None))

    assert row.fallbacks["churn_probability"] == "no churn model has been trained"


def test_both_reasons_are_told_where_there_are_two():
    (row,) = scored(empty(["nobody"]), models(trained_until={"churn": NOW + 1}))

    both = "the champion was trained on what came after as_of; no purchase is known: what became of others without any"
    assert row.fallbacks["churn_probability"] == both


def test_a_champion_without_an_interval_leaves_it_empty():
    (row,) = scored(profile(*WEEKLY), models(churn_interval=None))

    assert (row.churn_probability, row.churn_probability_low) == (0.4, None)
    assert row.fallbacks["churn_probability_low"] == "the champion was trained before intervals were kept"


def test_customers_together_have_the_rows_that_each_has_alone():
    people = [profile(*WEEKLY), empty(["nobody"]), profile(*WEEKLY[:3], event(1, product_id="tea", channel="web"))]

    together = scored(concatenate(people))

    assert together == [row for one in people for row in scored(one)]


def test_what_is_due_is_what_the_profile_says_of_each():
    rhythms = [[event(days * n + 0.1 * days, product_id=f"p{days}", amount=100_000, order_id=f"{days}-{n}")
                for days in some for n in range(1, 6)] for some in ((3, 5, 9), (2,), (30, 7, 11, 14, 4))]  # fmt: skip
    people = concatenate([profile(*of) for of in rhythms])

    for limit in (2, 10):
        alone = [due_of_all(people.take([row]), NOW, limit).pairs()[0] for row in range(3)]
        assert due_of_all(people, NOW, limit).pairs() == alone


def test_a_file_of_nobody_has_all_columns(tmp_path):
    path = tmp_path / "s.parquet"

    assert write_scores(path, [], []) == 0
    assert pyarrow.parquet.read_schema(path).names == list(COLUMNS)


def test_every_customer_is_scored_for_every_offer_also_for_those_that_only_the_past_names(tmp_path):
    anna = profile(*WEEKLY, event(2, EventType.OFFER_ACCEPTED, offer_id="gone"))
    population = Population(concatenate([anna, empty(["nobody"])]), {}, {})
    catalogue = [
        Offer(offer_id="now", kind=OfferKind.DISCOUNT_PERCENT, value=5.0),
        Offer(offer_id="over", valid_to=NOW),
    ]
    past = past_offers(population.profiles, catalogue)
    offers = build_offer_table((*catalogue, *past), [], BrandTerms(), Policy())
    path = tmp_path / "s.offers.parquet"

    batches = score_offers(population, "default", NOW, models(), offers, {one.offer_id for one in past}, Policy())
    assert write_offer_scores(path, batches) == 6

    rows = {(row["customer_id"], row["offer_id"]): row for row in pyarrow.parquet.read_table(path).to_pylist()}
    assert rows["anna", "now"]["eligible"] is True
    assert rows["anna", "over"]["reasons"][0] == "expired"
    assert rows["nobody", "gone"]["reasons"][0] == "not_in_catalogue"
    assert all(row["uplift"] is None and "uplift_not_learned" in row["reasons"] for row in rows.values())
    assert all(0 < row["accept_probability"] < 1 for row in rows.values())
