from features.point_query import Questions
from features.profile_store import (
    all_profiles,
    delete_profiles,
    read_profile,
    read_profiles,
    write_profiles,
)
from features.store import Store


def test_profile_comes_back_as_it_was_written(store: Store) -> None:
    with store.writing() as connection:
        assert write_profiles(connection, "default", [("a", b"\x00\xff", 5), ("b", b"", 6)]) == 2

    with store.reading() as connection:
        assert read_profile(connection, "default", "a") == b"\x00\xff"
        assert read_profile(connection, "default", "c") is None
        assert read_profile(connection, "other", "a") is None


def test_later_profile_takes_the_place_of_the_former(store: Store) -> None:
    with store.writing() as connection:
        write_profiles(connection, "default", [("a", b"old", 5)])
        write_profiles(connection, "default", [("a", b"new", 6)])

    with store.reading() as connection:
        assert list(all_profiles(connection, "default")) == [("a", b"new")]


def test_many_profiles_are_written_and_read_in_chunks(store: Store) -> None:
    rows = [(f"customer {number}", str(number).encode(), number) for number in range(10_500)]
    with store.writing() as connection:
        assert write_profiles(connection, "default", iter(rows)) == len(rows)

    with store.reading() as connection:
        found = read_profiles(connection, "default", [customer_id for customer_id, _, _ in rows] + ["unknown"])
        assert found == {customer_id: body for customer_id, body, _ in rows}
        assert dict(all_profiles(connection, "default")) == found


def test_deleted_profile_is_gone(store: Store) -> None:
    with store.writing() as connection:
        write_profiles(connection, "default", [("a", b"1", 5), ("b", b"2", 5)])
        delete_profiles(connection, "default", ["a"])

    with store.reading() as connection:
        assert dict(all_profiles(connection, "default")) == {"b": b"2"}


def test_a_question_sees_what_was_last_committed(store: Store) -> None:
    read = Questions(store).value("SELECT body FROM profiles WHERE brand = ? AND customer_id = ?")

    seen = [read("default", "a")]
    for body in (b"one", b"two"):
        with store.writing() as connection:
            write_profiles(connection, "default", [("a", body, 5)])
        seen.append(read("default", "a"))

    assert seen == [None, b"one", b"two"]


def test_a_question_is_answered_after_the_server_dropped_the_connection(store: Store) -> None:
    read = Questions(store).value("SELECT body FROM profiles WHERE brand = ? AND customer_id = ?")
    with store.writing() as connection:
        write_profiles(connection, "default", [("a", b"one", 5)])
        if not store.is_sqlite:
            drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
            connection.exec_driver_sql(f"{drop}current_database()")

    assert read("default", "a") == b"one"
