import pytest

from experiments.off_policy import evaluate
from experiments.policy_log import read_policy_log
from features.errors import FieldError

HEADER = "decision_id,action,reward,propensity,target_probability"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_log_is_read_from_every_format(tmp_path, suffix):
    import duckdb

    path = tmp_path / f"log.{suffix}"
    rows = "SELECT 'd' || i AS decision_id, 'a' AS action, i AS reward, 0.5 AS propensity, 0.25 AS target_probability"
    form = {"csv": "CSV", "parquet": "PARQUET", "jsonl": "JSON"}[suffix]
    duckdb.sql(f"COPY ({rows} FROM range(3) t(i)) TO '{path}' (FORMAT {form})")

    log = read_policy_log(path)

    assert log.reward.tolist() == [0.0, 1.0, 2.0]
    assert log.weight.tolist() == [0.5, 0.5, 0.5]
    assert log.expected_reward_logged is None


def test_the_customers_of_a_log_are_read_and_those_of_rows_counted_twice_left_out(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"customer_id,{HEADER}\nc,d,a,1,0.5,0.5\n,e,a,1,0.5,0.5\nc,d,a,1,0.5,0.5\n")

    assert read_policy_log(path).customer.tolist() == ["c", None]


def test_decisions_without_an_id_are_each_one_of_their_own(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\nd,a,1,0.5,0.5\n,b,0,0.5,0.5\n,a,1,0.5,0.25\n")

    log = read_policy_log(path)

    assert log.decision_id.tolist() == ["d", None, None]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("decision_id,action,reward\nd,a,1\n", "propensity"),
        (f"{HEADER}\nd,a,1,0,0.5\n", r"propensity \(row 1\)"),
        (f"{HEADER}\nd,a,1,0.5,0.5\ne,a,1,1.5,0.5\n", r"propensity \(row 2\)"),
        (f"{HEADER}\nd,a,1,0.5,-0.1\n", r"target_probability \(row 1\)"),
        (f"{HEADER}\nd,a,much,0.5,0.5\n", r"reward \(row 1\)"),
        (f"{HEADER}\nd,a,,0.5,0.5\n", r"reward \(row 1\)"),
    ],
)
def test_wrong_log_names_column_and_row(tmp_path, content, field):
    path = tmp_path / "log.csv"
    path.write_text(content)

    with pytest.raises(FieldError, match=field):
        read_policy_log(path)


@pytest.mark.parametrize("name", ["absent.csv", "log.xlsx"])
def test_file_that_is_no_log_is_told(tmp_path, name):
    with pytest.raises(FieldError, match="log"):
        read_policy_log(tmp_path / name)


def written(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("e,a,1,1.5,0.5", "propensity (row 2): got 1.5, expected a probability in (0, 1]"),
        ("e,a,1,-0.5,0.5", "propensity (row 2): got -0.5, expected a probability in (0, 1]"),
        ("e,a,1,0,0.5", "propensity (row 2): got 0.0, expected a probability in (0, 1]"),
        ("e,a,1,,0.5", "propensity (row 2): missing, expected a probability in (0, 1]"),
        ("e,a,much,0.5,0.5", "reward (row 2): got 'much', expected a finite number"),
        ("e,a,inf,0.5,0.5", "reward (row 2): got inf, expected a finite number"),
        ("e,a,1,0.5,1.25", "target_probability (row 2): got 1.25, expected a probability in [0, 1]"),
    ],
)
def test_complaint_tells_column_row_value_and_what_was_expected(tmp_path, row, told):
    path = written(tmp_path / "log.csv", "d,a,1,0.5,0.5", row)

    with pytest.raises(FieldError) as raised:
        read_policy_log(path)

    assert str(raised.value) == told


def test_row_is_that_of_the_file_where_only_one_brand_is_read(tmp_path):
    header = f"brand,{HEADER}"
    path = written(tmp_path / "log.csv", "x,d,a,1,0.5,0.5", "y,e,a,1,0.5,0.5", "y,f,a,1,2,0.5", header=header)

    assert read_policy_log(path, "x").reward.tolist() == [1.0]
    with pytest.raises(FieldError, match=r"propensity \(row 3\): got 2.0"):
        read_policy_log(path, "y")


def test_decision_that_stands_there_twice_counts_once(tmp_path):
    path = written(tmp_path / "log.csv", "d,a,1,0.5,0.5", "e,b,2,0.5,0.5", "d,a,1,0.5,0.5")

    log = read_policy_log(path)

    assert (log.reward.tolist(), log.action.tolist()) == ([1.0, 2.0], ["a", "b"])
    assert log.notes == ("1 rows stand there twice and were counted once",)


@pytest.mark.parametrize(("again", "column"), [("d,b,1,0.5,0.5", "action"), ("d,a,2,0.5,0.5", "reward")])
def test_decision_with_two_contents_is_an_error_that_names_it(tmp_path, again, column):
    path = written(tmp_path / "log.csv", "d,a,1,0.5,0.5", "e,a,1,0.5,0.5", again)

    with pytest.raises(FieldError) as raised:
        read_policy_log(path)

    assert str(raised.value) == (
        "decision_id (row 3): got 'd', expected each decision once, or again with the same content; "
        f"row 1 of this decision has another {column}"
    )


def test_model_that_is_only_known_of_the_policy_allows_the_direct_method(tmp_path):
    header = f"{HEADER},expected_reward_target"
    path = written(tmp_path / "log.csv", *(f"d{row},a,1,0.5,0.5,0.7" for row in range(30)), header=header)

    found = evaluate(read_policy_log(path))

    assert [each.estimator for each in found.estimates] == ["dm", "ips", "snips"]
    assert found.notes[0] == "expected_reward_target without expected_reward_logged: dr and switch-dr are left out"
