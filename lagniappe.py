"""The command ``lagniappe``: one screen that names the verbs and imports each only when it is called."""

import os
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """``place``: module and the function, or the typer application, that is the verb; ``words``: its help's first."""

    place: str
    words: str


VERBS = {
    "demo": Verb(
        "training.demo.command:demo",
        "Real data once round the loop: load, train, serve, ask for an offer; shown here and as an HTML page.",
    ),
    "ingest": Verb(
        "features.commands:ingest",
        "Take in files of Parquet, CSV or JSON lines, by their endings; the same file twice changes nothing.",
    ),
    "train": Verb(
        "training.commands:train",
        "Train models on what happened before T, measure them on a later cutoff, register the versions.",
    ),
    "retrain": Verb(
        "training.commands:retrain",
        "Train every model again, compare with the champions, judge by the gates, and report.",
    ),
    "compare": Verb(
        "training.commands:compare",
        "The champion and a challenger side by side, on a cutoff that neither was trained on.",
    ),
    "promote": Verb("training.commands:promote", "Let a version be champion, if the gates let it."),
    "rollback": Verb(
        "training.commands:rollback",
        "Put the former champion back; the service follows within a second or two, MLflow's alias soon after.",
    ),
    "history": Verb("training.commands:history", "Which version served when, and how many decisions each one made."),
    "drift": Verb(
        "training.drift_command:drift",
        "Compare the customers of now with those that the champions learned from: none, watch or retrain.",
    ),
    "examples": Verb(
        "training.commands:examples", "The point-in-time training examples as a Parquet file, for notebooks."
    ),
    "score": Verb("serving.score_command:score", "Score every customer as of T by the champions, into a Parquet file."),
    "plan": Verb(
        "serving.plan_command:plan",
        "Decide for every customer as of T, reserve what was decided, and write it to a Parquet file.",
    ),
    "explain": Verb(
        "serving.explain_command:explain", "Make a decision of the log again, and say what it was made of and why."
    ),
    "serve": Verb("serving.commands:serve", "Answer requests until told to stop."),
    "experiment": Verb("experiments.commands:experiment", "Controlled experiments."),
    "decisions": Verb("serving.decisions_command:decisions", "The log of decisions with what came of each, as a file."),
    "evaluate-policy": Verb(
        "experiments.off_policy_command:evaluate_policy",
        "What another policy would have earned, estimated from decisions that were logged with their propensities.",
    ),
    "simulate-policy": Verb(
        "serving.simulate_policy_command:simulate_policy",
        "Say what a policy file would offer to every customer, at what cost, and who gets less; as an HTML page too.",
    ),
    "simulate": Verb(
        "serving.simulate_command:simulate",
        "Prove the loop in a world with a known truth: collect, learn, decide, and compare with who knows the truth.",
    ),
    "policy": Verb("serving.policy_command:policy", "How decisions are made: put a policy file in force, look back."),
    "triggers": Verb("serving.triggers_command:triggers", "What is waited for to make a decision of it."),
    "webhooks": Verb(
        "serving.webhooks_command:webhooks", "Who is told of what by webhooks, and what could not be delivered."
    ),
    "audit": Verb(
        "training.audit.command:audit",
        "Say of past campaigns who was chosen, what went to sure buyers, and what would tell more; as an HTML page.",
    ),
    "forget": Verb("serving.person_command:forget", "Erase a person for good, and give a signed receipt of what went."),
    "export": Verb("serving.person_command:export", "Everything that is held on one person, table by table, as JSON."),
    "check-parity": Verb(
        "training.parity_command:check_parity",
        "Compare what the service knows of customers with their history; exit status 1 if they differ anywhere.",
    ),
    "brand": Verb("features.brand_commands:brand", "Settings of a brand."),
    "doctor": Verb(
        "serving.doctor:doctor",
        "Say what is wrong and what to do; exit status 1 if anything keeps the service from its work.",
    ),
}


class Verbs(TyperGroup):
    """Looks a verb up when it is asked for, so that none waits for the libraries of another."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the same verbs in every context
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - likewise
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name].place.split(":")
        verb = getattr(import_module(module), name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command(cmd_name)(function)
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Of the verbs it says only what is written here: the modules of all of them take seconds to import."""
        listed: dict[str, Any] = {name: TyperCommand(name, help=verb.words) for name, verb in VERBS.items()}
        TyperGroup(
            name=self.name,
            commands=listed,
            params=self.params,
            help=self.help,
            rich_markup_mode=self.rich_markup_mode,
        ).format_help(ctx, formatter)


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
