"""Brings MLflow's champion aliases of a brand up to the deployments, in a process of its own that nobody waits for.

MLflow takes seconds to import, and a rollback must not. Whatever goes wrong here is put right by the next training, or
by the service's own look at the aliases.
"""

import os
import sys
from pathlib import Path

from features.instant import Instant


def start(workspace: Path, brand: str, now: Instant) -> int:
    """The process's id; it outlives this one. Settings besides the workspace reach it by the environment."""
    command = [sys.executable, "-m", __name__, str(workspace.resolve()), brand, str(now)]
    silent = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=silent, setsid=True)


def catch_up(workspace: Path, brand: str, now: Instant) -> None:
    from features.settings import read_settings
    from features.store import open_store
    from training import tracking
    from training.alias_follower import follow_once

    settings = read_settings(workspace)
    store = open_store(settings.workspace, settings.database_url)
    try:
        follow_once(store, tracking.connect(store.workspace, brand, settings.mlflow_tracking_uri), now)
    finally:
        store.close()


if __name__ == "__main__":
    catch_up(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
