"""Two versions measured on one held-out cutoff that neither of them was trained on.

Each version keeps a twin from before it was trained again with its held-out cutoff. The later of the two held-out
cutoffs is new to both twins, so that is where they are compared.
"""

from features.store import Store
from training.held_out import HeldOut, held_out, load_held_out
from training.learners import learner
from training.registry import Deployment
from training.version_record import HELD_OUT_FOLDER, read_record


def measured_alike(
    store: Store, brand: str, model: str, champion: Deployment, challenger: Deployment
) -> tuple[HeldOut, HeldOut]:
    """What the champion and the challenger lose on the later of their held-out cutoffs."""
    first, second = _stored(store, champion), _stored(store, challenger)
    if first.is_comparable_with(second):
        return first, second
    if first.as_of < second.as_of:
        return _measured_at(store, brand, model, champion, challenger), second
    return first, _measured_at(store, brand, model, challenger, champion)


def _stored(store: Store, deployment: Deployment) -> HeldOut:
    return load_held_out(store.workspace / deployment.path / HELD_OUT_FOLDER)


def _measured_at(store: Store, brand: str, model: str, older: Deployment, newer: Deployment) -> HeldOut:
    """The older version's twin on the newer one's cutoff, seeing what the newer one saw."""
    from features.history import open_history

    window = read_record(store.workspace / newer.path).window
    twin = learner(model).load(store.workspace / older.path / HELD_OUT_FOLDER)
    with open_history(store, brand, before=window.as_of) as past:
        return held_out(twin, past.snapshot(window.validation_cutoff, window.horizon_days))
