import pytest

from experiments.design import Experiment, Layer
from experiments.experiment_file import parse_experiment, read_experiment
from features import instant
from features.errors import FieldError

FULL = """
name: churn model 4
unit: customer
salt: autumn
layer: {name: offers, low: 0, high: 0.5}
share: 0.2
start: 2026-10-01
stop: 2026-11-01T00:00:00+03:00
primary_metric: revenue
outcome_days: 14
eligibility: {channel: [app, web], tier: gold}
variants:
  - {name: control, weight: 50}
  - name: challenger
    weight: 50
    models: {churn: 4, lifetime-value: challenger}
    policy: {epsilon: 0.1}
"""


def minimal(**fields):
    return {"name": "trial", "variants": [{"name": "a"}, {"name": "b"}], **fields}


def test_file_gives_the_experiment_it_states(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(FULL, encoding="utf-8")

    experiment = read_experiment(path)

    assert experiment.layer == Layer(name="offers", low=0.0, high=0.5)
    assert experiment.start == instant.parse("2026-10-01")
    assert experiment.stop == instant.parse("2026-10-31T21:00:00Z")
    assert experiment.variants[1].models == {"churn": "4", "lifetime-value": "challenger"}
    assert [variant.weight for variant in experiment.variants] == [0.5, 0.5]
    assert experiment.eligibility == {"channel": ("app", "web"), "tier": ("gold",)}
    assert experiment.control_name == "control"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((None, None), (0.5, 0.5)),
        ((0.9, 0.1), (0.9, 0.1)),
        ((90, 10), (0.9, 0.1)),
        ((2, 1), (2 / 3, 1 / 3)),
        ((33.4, 66.6), (0.334, 0.666)),
    ],
)
def test_weights_are_shares_per_cents_or_parts(weights, expected):
    rows = [{"name": name, "weight": weight} for name, weight in zip("ab", weights, strict=True)]

    experiment = parse_experiment(minimal(variants=rows))

    assert [variant.weight for variant in experiment.variants] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "experiment"),
        ({}, "name"),
        (minimal(name="  "), "name"),
        (minimal(name=True), "name"),
        (minimal(wieght=1), "wieght"),
        (minimal(variants=[{"name": "a"}]), "variants"),
        (minimal(variants=[{"name": "a"}, {"name": "b", "policy": {"epsilom": 0.1}}]), "variants[1].policy"),
        (minimal(variants=[{"name": "a"}, {"name": "b", "policy": {"epsilon": 5}}]), "variants[1].policy.epsilon"),
        (minimal(variants=[{"name": "a"}, {"name": "a"}]), "variants[1].name"),
        (minimal(variants=[{"name": "a"}, {"weight": 1}]), "variants[1].name"),
        (minimal(variants=[{"name": "a", "model": {}}, {"name": "b"}]), "variants[0].model"),
        (minimal(variants=[{"name": "a", "weight": 0.5}, {"name": "b"}]), "variants[1].weight"),
        (minimal(variants=[{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.6}]), "variants"),
        (minimal(variants=[{"name": "a", "weight": 60}, {"name": "b", "weight": 50}]), "variants"),
        (minimal(variants=[{"name": "a", "weight": 0}, {"name": "b", "weight": 1}]), "variants[0].weight"),
        (minimal(variants=[{"name": "a", "weight": -1}, {"name": "b", "weight": 2}]), "variants[0].weight"),
        (minimal(variants=[{"name": "a", "weight": float("nan")}, {"name": "b"}]), "variants[0].weight"),
        (minimal(variants=[{"name": "a", "weight": 10**400}, {"name": "b"}]), "variants[0].weight"),
        (minimal(control="c"), "control"),
        (minimal(unit="household"), "unit"),
        (minimal(share=0), "share"),
        (minimal(share=1.1), "share"),
        (minimal(layer={"name": "x", "low": 0.5, "high": 0.5}), "layer.high"),
        (minimal(start="2026-02-30"), "start"),
        (minimal(start="2026-02-02", stop="2026-02-01"), "stop"),
        (minimal(primary_metric="happiness"), "primary_metric"),
        (minimal(outcome_days=0), "outcome_days"),
        (minimal(planned_units=0.5), "planned_units"),
        (minimal(eligibility={"planet": ["earth"]}), "eligibility.planet"),
    ],
)
def test_wrong_field_is_named(document, field):
    with pytest.raises(FieldError) as caught:
        parse_experiment(document)

    assert caught.value.field == field


def test_weights_that_do_not_add_up_are_told_their_sum():
    with pytest.raises(FieldError, match=r"add up to 1\.1"):
        parse_experiment(minimal(variants=[{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.6}]))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name: [unclosed", b"{"])
def test_unreadable_file_is_told(tmp_path, content):
    path = tmp_path / "experiment.yaml"
    path.write_bytes(content)

    with pytest.raises(FieldError, match="YAML or JSON"):
        read_experiment(path)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(FieldError, match="No such file"):
        read_experiment(tmp_path / "absent.yaml")


def test_experiment_runs_from_start_until_before_stop():
    experiment = parse_experiment(minimal(start="2026-01-01", stop="2026-01-02"))

    assert experiment.runs_at(experiment.start)
    assert not experiment.runs_at(experiment.start - 1)
    assert not experiment.runs_at(experiment.stop)


def test_unknown_fact_is_not_admitted():
    experiment = parse_experiment(minimal(eligibility={"channel": ["app"]}))

    assert experiment.admits({"channel": "app"})
    assert not experiment.admits({"channel": None})
    assert not experiment.admits({})
    assert isinstance(experiment, Experiment)
