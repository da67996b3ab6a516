"""A process of its own beside the workers: a champion alias moved in MLflow becomes a deployment that they follow."""

import signal
import sys
import threading

from sqlalchemy import select

from features.events import DEFAULT_BRAND
from features.schema import deployments
from features.settings import read_settings
from features.store import Store, open_store
from serving.environment import system_clock


def main() -> None:
    from training.alias_follower import follow_mlflow_aliases

    settings = read_settings()
    store = open_store(settings.workspace, settings.database_url)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    follow_mlflow_aliases(
        store,
        _brands(store),
        settings.mlflow_tracking_uri,
        clock=system_clock,
        wait=stopping.wait,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    store.close()


def _brands(store: Store) -> list[str]:
    with store.reading() as connection:
        return sorted({DEFAULT_BRAND, *connection.execute(select(deployments.c.brand).distinct()).scalars()})


if __name__ == "__main__":
    main()
