import shutil
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from sqlalchemy import delete, update

from experiments import experiment_store
from experiments.design import Experiment, Variant
from features import schema
from features.catalogue import upsert_offers
from features.entities import Offer
from features.profiles import empty
from features.store import Store
from features.vector import FEATURES, FINGERPRINT
from serving.loading import Loader
from serving.predictions import predict
from serving.score_notes import fallbacks
from training.models.calibration import Blend, Platt
from training.models.churn import ChurnModel
from training.models.recency_frequency import RecencyFrequency
from training.models.season import NO_SEASON
from training.models.trees import flatten
from training.registry import CHALLENGER, CHAMPION, deploy
from training.version_record import DataWindow, VersionRecord, write_record

NOW = 1_511_136_000_000_000
Deploy = Callable[..., None]


@pytest.fixture(scope="module")
def churn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of churn as training leaves it."""
    folder = tmp_path_factory.mktemp("churn")
    rows = np.random.default_rng(0).normal(size=(60, len(FEATURES)))
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1},
                             lightgbm.Dataset(rows, np.arange(60) % 2), 2)  # fmt: skip
    ChurnModel(RecencyFrequency.silent(), flatten(booster), Blend(0.0, *Platt()), NO_SEASON, 0, 30, {}).save(folder)
    window = DataWindow(0, NOW, 30, (), 0, 0, 0, 0)
    write_record(VersionRecord("churn", "default", FINGERPRINT, window, {}, {}, {}), folder)
    return folder


@pytest.fixture
def deploy_churn(sqlite_store: Store, churn_folder: Path) -> Deploy:
    def deploy_version(version: str, alias: str = CHAMPION, path: Path | None = None) -> None:
        path = path or sqlite_store.models / version
        if not path.name.startswith("gone"):
            shutil.copytree(churn_folder, path, dirs_exist_ok=True)
        with sqlite_store.writing() as connection:
            deploy(connection, "default", "churn", version, alias, None, f"{path}", NOW, None)

    return deploy_version


def loaded(store: Store, complaints: list[str] | None = None) -> Loader:
    loader = Loader(store, report=lambda line: None if complaints is None else complaints.append(line))
    loader.refresh()
    return loader


def test_without_anything_there_is_a_state_that_says_so(sqlite_store: Store) -> None:
    state = loaded(sqlite_store).state("never heard of")

    assert state.offers.offers == ()
    assert set(state.models.missing) == {"churn", "lifetime-value", "favourite-product", "send-time"}


def test_a_champion_that_moves_is_followed_and_the_state_in_use_stays_whole(
    sqlite_store: Store, deploy_churn: Deploy
) -> None:
    deploy_churn("1")
    loader = loaded(sqlite_store)
    before = loader.state("default")

    deploy_churn("2")
    loader.refresh()
    after = loader.state("default")

    assert (before.models.versions, after.models.versions) == ({"churn": "1"}, {"churn": "2"})
    said = [predict(state.models, empty(["c"]), NOW, state.offers).churn_probability for state in (before, after)]
    assert said[0] == said[1]


def test_a_store_that_has_not_changed_is_not_loaded_again(sqlite_store: Store, deploy_churn: Deploy) -> None:
    deploy_churn("1")
    loader = loaded(sqlite_store)
    models = loader.state("default").models

    loader.refresh()

    assert loader.state("default").models is models


def test_a_version_that_cannot_be_loaded_is_reported_and_missing(
    sqlite_store: Store, deploy_churn: Deploy, tmp_path: Path
) -> None:
    complaints: list[str] = []
    deploy_churn("1", path=sqlite_store.workspace / "gone")

    state = loaded(sqlite_store, complaints).state("default")

    reason = state.models.missing["churn"]
    assert reason.startswith("churn version 1 cannot be loaded: FileNotFoundError: ")
    assert "'gone/" in reason
    assert str(tmp_path) not in reason, "clients are told where the server keeps its files"
    assert complaints == [reason]
    assert state.models.missing["send-time"] == "no send-time model has been trained"
    assert fallbacks(state.models, NOW)["churn_probability"] == reason


def test_an_answer_names_the_champion_that_cannot_be_loaded(
    sqlite_store: Store, deploy_churn: Deploy, tmp_path: Path
) -> None:
    deploy_churn("4", path=tmp_path / "gone")
    state = loaded(sqlite_store).state("default")

    said = predict(state.models, empty(["c"]), NOW, state.offers)

    assert said.missing_versions == {"churn": "4"}
    assert said.fallbacks["churn"].startswith("churn version 4 cannot be loaded")


def test_a_variant_that_can_be_loaded_stands_in_for_a_champion_that_cannot(
    sqlite_store: Store, deploy_churn: Deploy, tmp_path: Path
) -> None:
    deploy_churn("5", CHALLENGER)
    deploy_churn("4", path=tmp_path / "gone")
    variant = Variant(name="next", weight=1.0, models={"churn": "5"})
    with sqlite_store.writing() as connection:
        experiment_store.create(connection, "default", Experiment(name="e", variants=(variant,)), NOW)
        experiment_store.start(connection, "default", "e", NOW)
    state = loaded(sqlite_store).state("default")

    models, _ = state.treated(((state.experiments[0], variant),))

    assert (models.versions, models.missing_versions) == ({"churn": "5"}, {})
    assert "churn" not in models.missing


def test_champion_and_variant_of_one_version_share_its_memory(sqlite_store: Store, deploy_churn: Deploy) -> None:
    deploy_churn("1")
    deploy_churn("1", CHALLENGER)
    variants = (Variant(name="now", weight=0.5), Variant(name="next", weight=0.5, models={"churn": "challenger"}))
    with sqlite_store.writing() as connection:
        experiment_store.create(connection, "default", Experiment(name="e", variants=variants), NOW)
        experiment_store.start(connection, "default", "e", NOW)

    state = loaded(sqlite_store).state("default")

    (experiment,) = state.experiments
    models, _ = state.treated(((experiment, variants[1]),))
    assert models.churn is state.models.churn


def test_a_version_that_a_variant_names_in_vain_is_said_once(sqlite_store: Store, deploy_churn: Deploy) -> None:
    complaints: list[str] = []
    deploy_churn("9", CHALLENGER)
    deploy_churn("1")
    with sqlite_store.writing() as connection:
        variant = Variant(name="next", weight=1.0, models={"churn": "9"})
        experiment_store.create(connection, "default", Experiment(name="e", variants=(variant,)), NOW)
        experiment_store.start(connection, "default", "e", NOW)
        connection.execute(delete(schema.deployments).where(schema.deployments.c.version == "9"))

    loader = loaded(sqlite_store, complaints)
    deploy_churn("2")
    loader.refresh()

    state = loader.state("default")
    models, _ = state.treated(((state.experiments[0], variant),))
    assert (models.versions, models.missing_versions) == ({"churn": "2"}, {"churn": "9"})
    assert complaints == ["experiment 'e', variant 'next': there is no churn version '9', its champion answers instead"]


def test_a_later_experiment_may_name_a_version_that_is_there(sqlite_store: Store, deploy_churn: Deploy) -> None:
    deploy_churn("1")
    experiments = [
        Experiment(name=name, variants=(Variant(name="only", weight=1.0, models={"churn": version}),))
        for name, version in (("first", "7"), ("second", "1"))
    ]
    with sqlite_store.writing() as connection:
        deploy(connection, "default", "churn", "7", CHALLENGER, None, "gone", NOW, None)
        for experiment in experiments:
            experiment_store.create(connection, "default", experiment, NOW)
            experiment_store.start(connection, "default", experiment.name, NOW)

    state = loaded(sqlite_store, []).state("default")

    first, second = ((one, one.variants[0]) for one in state.experiments)
    assert state.treated((first,))[0].missing_versions == {"churn": "7"}
    assert state.treated((first, second))[0].missing_versions == {}


def test_a_policy_of_a_variant_holds_for_its_units_alone(sqlite_store: Store) -> None:
    bold = Variant(name="bold", weight=1.0, policy={"epsilon": 0.4})
    experiment = Experiment(name="e", variants=(bold,))

    state = loaded(sqlite_store).state("default")
    _, policy = state.treated(((experiment, bold),))

    assert (policy.epsilon, state.policy.epsilon) == (0.4, 0.05)
    assert policy.version != state.policy.version


def test_offers_are_followed(sqlite_store: Store) -> None:
    loader = loaded(sqlite_store)

    with sqlite_store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id="a")], NOW)
    loader.refresh()

    assert [offer.offer_id for offer in loader.state("default").offers.offers] == ["a"]


def test_a_damaged_catalogue_of_one_brand_is_said_once_and_stops_no_other(sqlite_store: Store) -> None:
    complaints: list[str] = []
    damaged = update(schema.offers).where(schema.offers.c.offer_id == "b").values(body="{")
    with sqlite_store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id="a"), Offer(offer_id="b", brand="other")], NOW)
    loader = loaded(sqlite_store, complaints)

    for number in range(2):
        with sqlite_store.writing() as connection:
            upsert_offers(connection, [Offer(offer_id=f"c{number}")], NOW + number)
            connection.execute(damaged)
        loader.refresh()

    assert [offer.offer_id for offer in loader.state("default").offers.offers] == ["a", "c0", "c1"]
    assert [offer.offer_id for offer in loader.state("other").offers.offers] == ["b"]
    assert len(complaints) == 1
