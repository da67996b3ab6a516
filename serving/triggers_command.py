"""The verb ``triggers``: what a brand waits for, what came of it, and a look at everybody at once."""

from collections import Counter
from typing import Any

import typer
from rich.table import Table

from features.events import DEFAULT_BRAND
from features.verbs import Brand, Clock, Json, Workspace, answer, opened, refusing

triggers = typer.Typer(no_args_is_help=True, add_completion=False, help="What is waited for to make a decision of it.")


@triggers.command(name="list")
def list_(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """The triggers of the brand, and what came of their occasions so far."""
    from features.brand import read_brand
    from serving.trigger_store import counts

    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        settings, found = read_brand(connection, brand).triggers, counts(connection, brand)
    rows: list[dict[str, Any]] = [
        {
            "trigger": name,
            **trigger.model_dump(mode="json", exclude_none=True),
            "outcomes": found.get(name, {}),
        }
        for name, trigger in settings.items()
    ]
    table = Table("trigger", "kind", "settings", "outcomes")
    for row in rows:
        said = {name: value for name, value in row.items() if name not in ("trigger", "kind", "outcomes")}
        table.add_row(row["trigger"], row["kind"], _words(said), _words(row["outcomes"]))
    answer({"triggers": rows}, table, as_json=as_json)


@triggers.command()
def run(clock: Clock = None, workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """Look at every customer now, as the service does by night, and decide what is due: after an ingest, or by cron."""
    from features.settings import read_settings
    from features.verbs import now
    from serving.application import open_application
    from serving.environment import system_clock
    from serving.trigger_watch import run_now
    from serving.verbs import progress

    stands_at = None if clock is None else now(clock)
    with refusing(as_json=as_json), progress() as report:
        application = open_application(
            read_settings(workspace), system_clock if stands_at is None else lambda: stands_at, brand, is_serving=False
        )
        try:
            counted = run_now(application, brand, lambda taken: report("looking", taken, taken))
        finally:
            application.close()
    found: dict[str, dict[str, int]] = {}
    for (trigger, outcome), count in sorted(Counter(counted).items()):
        found.setdefault(trigger, {})[outcome] = count
    shown = "\n".join(f"{name}: {_words(outcomes)}" for name, outcomes in found.items()) or "nothing was due"
    answer({"outcomes": found}, shown, as_json=as_json)


def _words(said: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in said.items() if value not in ((), []))
