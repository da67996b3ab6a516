"""Put the former champion back, at once: nothing here knows of models, gates or MLflow."""

from features.instant import Instant
from features.store import Store
from training.promotion import UnknownVersionError, deploy_again
from training.registry import ROLLBACK, Deployment, former_champion, history


def rollback(store: Store, brand: str, model: str, now: Instant) -> Deployment:
    """Put the former champion back, whatever the gates say of it.

    Raises
    ------
    UnknownVersionError
        If there is none.
    """
    with store.writing() as connection:
        former = former_champion(history(connection, brand, model))
        if former is None:
            raise UnknownVersionError(f"{model}: no former champion to go back to")
        return deploy_again(connection, former, now, ROLLBACK)
