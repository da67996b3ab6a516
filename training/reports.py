"""What the verbs of training show: tables for people, plain documents for programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from features.instant import to_iso
from training.deployment_report import Document, deployed, deployment_document
from training.registry import Deployment, Served

if TYPE_CHECKING:
    from training.data_report import ModelData
    from training.decision_counts import VersionCounts
    from training.pipeline import Trained
    from training.promotion import Comparison
    from training.retraining import Retrained

_ENDS = ("_difference_low", "_difference_high")
"""The interval of a difference, which is shown beside it or not at all."""


def trained(results: "Sequence[Trained]") -> RenderableType:
    """Of each version every metric beside that of each baseline; then what was skipped, and why."""
    tables = [_metrics(result) for result in results if result.skipped is None]
    notes = _by_reason((result.model, note) for result in results for note in result.notes)
    skipped = _by_reason((result.model, f"skipped: {result.skipped}") for result in results if result.skipped)
    return Group(*tables, *notes, *skipped)


def data_of(found: "Mapping[str, ModelData]") -> RenderableType:
    """What there is, what each model needs of it and, where something is missing, what serves instead."""
    if not found:
        return Text("")
    one = next(iter(found.values()))
    has = one.holdings
    head = (
        f"{one.brand}: {has.customers:,} customers, {has.events:,} events ({has.purchases:,} purchases, "
        f"{has.messages_sent:,} messages sent) in {has.days:.0f} days"
    )
    table = _table("model", "needs", "has", "at least", "")
    for model, data in found.items():
        for number, need in enumerate(data.needs):
            verdict = "" if need.is_met else "missing"
            table.add_row("" if number else model, need.what, f"{need.have:g}", f"{need.needed:g}", verdict)
    lines = [Text(f"{model}: meanwhile {data.fallback}") for model, data in found.items() if data.fallback]
    return Group(Text(head), table, *lines)


def _metrics(result: "Trained") -> Table:
    table = _table(f"{result.model} {result.version} ({result.alias})", "ours", *map(_words, result.baselines))
    for metric, value in result.metrics.items():
        if metric.endswith(_ENDS):
            continue
        low, high = (result.metrics.get(f"{metric}_{end}") for end in ("low", "high"))
        interval = "" if low is None or high is None else f" ({low:+.4g} to {high:+.4g})"
        beside = [_number(values[metric]) if metric in values else "" for values in result.baselines.values()]
        table.add_row(_words(metric), _number(value) + interval, *beside)
    return table


def _by_reason(reasons: Iterable[tuple[str, str]]) -> list[Text]:
    """A line a reason, with all the models that it is about."""
    models: dict[str, list[str]] = {}
    for model, reason in reasons:
        models.setdefault(reason, []).append(model)
    return [Text(f"{', '.join(names)}: {reason}") for reason, names in models.items()]


def compared(comparisons: "Sequence[Comparison]") -> RenderableType:
    if not comparisons:
        return Text("Nothing has been trained yet.")
    return Group(*(_compared(comparison) for comparison in comparisons))


def comparison_document(comparison: "Comparison") -> Document:
    return {
        "model": comparison.model,
        "champion": _side(comparison.champion, comparison.champion_record),
        "challenger": _side(comparison.challenger, comparison.challenger_record),
        "differences": comparison.differences,
        "held_out_cutoffs": [to_iso(cutoff) for cutoff in comparison.cutoffs],
        "gates": comparison.gates,
        "passed": comparison.is_passed,
    }


def retrained(results: "Sequence[Retrained]") -> RenderableType:
    comparisons = [result.comparison for result in results if result.comparison is not None]
    return Group(trained([result.trained for result in results]), *(_compared(each) for each in comparisons))


def retrained_document(result: "Retrained") -> Document:
    comparison = None if result.comparison is None else comparison_document(result.comparison)
    return {"trained": result.trained, "comparison": comparison, "promotable": result.is_promotable}


def promoted(deployment: Deployment, comparison: "Comparison") -> RenderableType:
    return Group(_gates(comparison), deployed(deployment))


def served(documents: Sequence[Document]) -> RenderableType:
    table = _table("model", "version", "served from", "until", "decisions", "because")
    for row in documents:
        began = row["served_from"] or "–"
        until = row["served_until"] or ("now" if row["served_from"] else "–")
        table.add_row(row["model"], row["version"], began, until, str(row["decisions"]), row["reason"] or "")
    return table


def served_document(span: Served, counts: "VersionCounts") -> Document:
    """``decisions`` is of the version, in all the times that it served."""
    return {
        "model": span.model,
        "version": span.version,
        "served_from": to_iso(span.served_from),
        "served_until": None if span.served_until is None else to_iso(span.served_until),
        "reason": span.reason,
        "decisions": counts[span.model][span.version],
    }


def never_champion(spans: Sequence[Served], counts: "VersionCounts", model: str | None) -> list[Document]:
    """The versions that decided as a variant of an experiment only."""
    champions = {(span.model, span.version) for span in spans}
    return [
        {
            "model": name,
            "version": version,
            "served_from": None,
            "served_until": None,
            "reason": "variant of an experiment",
            "decisions": decided,
        }
        for name, versions in counts.items()
        for version, decided in versions.items()
        if model in (None, name) and (name, version) not in champions
    ]


def _compared(comparison: "Comparison") -> RenderableType:
    champion = comparison.champion
    if champion is None or champion.version == comparison.challenger.version:
        return Text(f"{comparison.model}: version {comparison.challenger.version} stands alone.")
    head = f"champion {champion.version}", f"challenger {comparison.challenger.version}"
    table = _table(comparison.model, *head, "difference (95 %)")
    before = comparison.champion_record.metrics if comparison.champion_record else {}
    for metric, value in comparison.challenger_record.metrics.items():
        if metric.endswith(_ENDS):
            continue
        table.add_row(_words(metric) + " (own held-out cutoff)", _number(before.get(metric)), _number(value), "")
    for paired in comparison.differences:
        interval = f"{paired.difference:+.4g} ({paired.low:+.4g} to {paired.high:+.4g})"
        table.add_row(_words(paired.metric), _number(paired.champion), _number(paired.challenger), interval)
    return Group(table, _gates(comparison))


def _gates(comparison: "Comparison") -> RenderableType:
    table = _table("gate", "verdict", "finding")
    for gate in comparison.gates:
        table.add_row(_words(gate.name), "passed" if gate.is_passed else "refused", gate.finding)
    return table


def _side(deployment: Deployment | None, record: Any) -> Document | None:
    if deployment is None:
        return None
    known = {} if record is None else {"metrics": record.metrics, "baselines": record.baselines}
    return {**deployment_document(deployment), **known}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
