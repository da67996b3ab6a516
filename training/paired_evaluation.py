"""Two versions measured on held-out cutoffs that neither of them was trained on.

Each version knows what it lost at several cutoffs, each time as it was trained on what was over by then, and keeps the
newest of these twins: the same model before it was trained again with its newest held-out cutoff. Where the versions'
cutoffs differ, the older one's twin is measured at those of the newer one that are new to it.
"""

import numpy as np

from features.store import Store
from training.errors import TrainingError
from training.held_out import HeldOut, Pair, customer_keys, held_out, load_held_out
from training.learners import OFFER_RESPONSE
from training.loading import load_version
from training.registry import Deployment
from training.sample import MOST_CUSTOMERS, take
from training.version_record import HELD_OUT_FOLDER, read_record

SEED = 0
"""That of training unless another is asked for: of very many customers the newer version's are the ones looked at."""


def measured_alike(store: Store, brand: str, champion: Deployment, challenger: Deployment) -> list[Pair]:
    """What the champion and the challenger lost, a pair a cutoff, newest first.

    Raises
    ------
    TrainingError
        If one of the versions was not measured at all.
    """
    first, second = _stored(store, champion), _stored(store, challenger)
    if first[0].as_of <= second[0].as_of:
        return _paired(store, brand, champion, first, challenger, second)
    turned = _paired(store, brand, challenger, second, champion, first)
    return [(later, former) for former, later in turned]


def _stored(store: Store, deployment: Deployment) -> list[HeldOut]:
    folder = store.workspace / deployment.path / HELD_OUT_FOLDER
    found = load_held_out(folder)
    if not found:
        raise TrainingError(f"{folder}: got no held-out losses, expected those of {deployment.model}")
    return found


def _paired(
    store: Store,
    brand: str,
    older: Deployment,
    older_measured: list[HeldOut],
    newer: Deployment,
    newer_measured: list[HeldOut],
) -> list[Pair]:
    known = {one.as_of: one for one in older_measured}
    new = [one for one in newer_measured if one.as_of not in known and one.as_of > older_measured[0].as_of]
    measured = known | {one.as_of: one for one in _measured_at(store, brand, older, newer, new)}
    return [(measured[one.as_of], one) for one in newer_measured if one.as_of in measured]


def _measured_at(
    store: Store, brand: str, older: Deployment, newer: Deployment, cutoffs: list[HeldOut]
) -> list[HeldOut]:
    """The older version's twin at those cutoffs, on the customers that the newer one was measured on."""
    if not cutoffs:
        return []
    from features.history import open_history

    record = read_record(store.workspace / newer.path)
    if record.model == OFFER_RESPONSE:
        from training.offer_comparison import measured_on

        return measured_on(store, brand, store.workspace / older.path, record)
    window = record.window
    twin = load_version(store.workspace, older, HELD_OUT_FOLDER)
    found = []
    with open_history(store, brand, before=window.as_of) as past:
        past.keep_sample(MOST_CUSTOMERS, np.random.default_rng(SEED))
        for wanted in sorted(cutoffs, key=lambda one: one.as_of):
            snapshot = past.snapshot(wanted.as_of, window.horizon_days)
            is_wanted = np.isin(customer_keys(snapshot.profiles.customer_ids), wanted.customer_keys)
            found.append(held_out(twin, take(snapshot, np.flatnonzero(is_wanted))))
    return found
