from sqlalchemy import Connection

from features.store import Store
from training.registry import (
    CHALLENGER,
    CHAMPION,
    ROLLBACK,
    current,
    deploy,
    find_version,
    former_champion,
    history,
    served,
)


def name(connection: Connection, version: str, now: int, alias: str = CHAMPION, reason: str | None = None) -> None:
    deploy(connection, "default", "churn", version, alias, f"run-{version}", f"models/{version}", now, reason)


def test_the_newest_deployment_is_the_champion(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=10)
        name(connection, "2", now=20)

    with store.reading() as connection:
        champion = current(connection, "default")["churn", CHAMPION]

    assert (champion.version, champion.run_id, champion.path) == ("2", "run-2", "models/2")


def test_brands_do_not_see_each_other(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=10)

    with store.reading() as connection:
        assert current(connection, "other") == {}


def test_a_promoted_challenger_is_no_challenger_any_more(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=10)
        name(connection, "2", now=20, alias=CHALLENGER)
        assert current(connection, "default")["churn", CHALLENGER].version == "2"

        name(connection, "2", now=30)

        assert ("churn", CHALLENGER) not in current(connection, "default")


def test_history_answers_which_version_served_when(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=10)
        name(connection, "2", now=15, alias=CHALLENGER)
        name(connection, "2", now=20)

        spans = served(connection, "default")

    assert [(span.version, span.served_from, span.served_until) for span in spans] == [("1", 10, 20), ("2", 20, None)]
    assert [[span.version for span in spans if span.is_at(at)] for at in (9, 10, 19, 20)] == [[], ["1"], ["1"], ["2"]]


def test_rollback_goes_back_and_further_back(store: Store) -> None:
    with store.writing() as connection:
        for now, version in enumerate(("1", "2", "3")):
            name(connection, version, now)
        first = former_champion(history(connection, "default", "churn"))
        assert first is not None
        assert first.version == "2"
        name(connection, "2", 10, reason=ROLLBACK)

        second = former_champion(history(connection, "default", "churn"))

        assert second is not None
        assert second.version == "1"


def test_the_first_champion_has_nothing_to_roll_back_to(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=10)

        assert former_champion(history(connection, "default", "churn")) is None


def test_time_never_runs_backwards_in_the_history(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "1", now=50)
        name(connection, "2", now=40)

        assert [row.deployed_at for row in history(connection, "default")] == [50, 50]


def test_a_version_is_found_whatever_its_alias(store: Store) -> None:
    with store.writing() as connection:
        name(connection, "7", now=10, alias=CHALLENGER)
        found = find_version(connection, "default", "churn", "7")

        assert found is not None
        assert found.path == "models/7"
        assert find_version(connection, "default", "churn", "8") is None
