"""The command ``lagniappe``: one screen that names the verbs and imports each only when it is called."""

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "demo": "training.demo.command:demo",
    "ingest": "features.commands:ingest",
    "train": "training.commands:train",
    "retrain": "training.commands:retrain",
    "compare": "training.commands:compare",
    "promote": "training.commands:promote",
    "rollback": "training.commands:rollback",
    "history": "training.commands:history",
    "drift": "training.drift_command:drift",
    "examples": "training.commands:examples",
    "score": "serving.score_command:score",
    "plan": "serving.plan_command:plan",
    "serve": "serving.commands:serve",
    "experiment": "experiments.commands:experiment",
    "evaluate-policy": "experiments.commands:evaluate_policy",
    "brand": "features.brand_commands:brand",
    "doctor": "serving.doctor:doctor",
}
"""Verb: module and the function, or the typer application, that is the verb."""


class Verbs(TyperGroup):
    """Looks a verb up when it is asked for, so that none waits for the libraries of another."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the same verbs in every context
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - likewise
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name].split(":")
        verb = getattr(import_module(module), name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command(cmd_name)(function)
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command


application = typer.Typer(
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Decide, for each loyalty customer and at request time, the one offer worth making, or none.",
)


@application.callback()
def _everywhere() -> None:
    """Every verb takes --workspace (else LAGNIAPPE_WORKSPACE, else ./workspace), --brand and --json."""


def main() -> None:
    # Threads of OpenMP that wait spinning make two trainings on two cores many times slower than one after the other.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    application(prog_name="lagniappe")


if __name__ == "__main__":
    main()
