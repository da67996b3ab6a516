from pathlib import Path

from features.catalogue import upsert_offers
from features.entities import Offer, OfferKind
from features.instant import MICROSECONDS_PER_DAY
from features.schema import segments
from features.store import Store
from serving.applied_policy import apply_policy
from serving.doctor import check_events, check_models, check_offers, check_policy, check_store, examine
from serving.policy_file import parse_policy
from training.registry import CHAMPION, deploy

NOW = 1_511_136_000_000_000


def statuses(found: object) -> list[str]:
    return [one.status for one in found]  # type: ignore[attr-defined]


def test_a_workspace_that_cannot_be_written_is_a_problem_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    (found,) = examine(tmp_path / "file" / "workspace", "default")

    assert found.status == "problem"
    assert found.remedy


def test_a_new_store_is_well(sqlite_store: Store) -> None:
    assert statuses(check_store(sqlite_store, "default", NOW)) == ["ok"]


def test_a_lost_file_of_the_lake_is_a_problem(sqlite_store: Store) -> None:
    row = {"segment_id": "s", "path": "gone.parquet", "rows": 1, "first_at": 0, "last_at": 0, "sources": "[]",
           "brands": "[]", "loaded_at": 0}  # fmt: skip
    with sqlite_store.writing() as connection:
        connection.execute(segments.insert(), row)

    (found,) = check_events(sqlite_store, "default", NOW)

    assert (found.status, "gone.parquet" in found.message) == ("problem", True)


def test_a_champion_that_cannot_be_loaded_is_a_problem(sqlite_store: Store) -> None:
    with sqlite_store.writing() as connection:
        deploy(connection, "default", "churn", "1", CHAMPION, None, "models/gone", NOW, None)

    found = list(check_models(sqlite_store, "default", NOW))

    assert [one.status for one in found if "churn" in one.message] == ["problem"]


def test_points_without_a_price_are_a_problem(sqlite_store: Store) -> None:
    points = Offer(offer_id="points", kind=OfferKind.BONUS_POINTS, value=100.0)
    past = Offer(offer_id="past", valid_to=NOW - MICROSECONDS_PER_DAY)
    with sqlite_store.writing() as connection:
        upsert_offers(connection, [points, past], NOW)

    assert statuses(check_offers(sqlite_store, "default", NOW)) == ["ok", "problem"]


def test_a_rule_on_an_offer_that_is_gone_is_told(sqlite_store: Store) -> None:
    assert statuses(check_policy(sqlite_store, "default", NOW)) == ["ok"]
    with sqlite_store.writing() as connection:
        apply_policy(connection, "default", parse_policy({"pins": [{"offer": "gone"}]}), "anna", NOW)
    assert statuses(check_policy(sqlite_store, "default", NOW)) == ["ok"]  # without a catalogue nobody can tell
    with sqlite_store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id="here")], NOW)

    (found,) = check_policy(sqlite_store, "default", NOW)

    assert (found.status, "pins[0].offer: got 'gone'" in found.message) == ("warning", True)
