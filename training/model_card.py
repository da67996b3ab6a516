"""The page that goes with a version: what it predicts, from what, how well, and what it must not be used for."""

from collections.abc import Iterable, Mapping

from features.instant import to_iso
from training.version_record import DataWindow, VersionRecord

_PURPOSES = {
    "churn": "the probability that a customer makes no purchase within the horizon",
    "lifetime-value": "what a customer spends within the horizon before refunds: mean, median and an 80 % interval",
    "favourite-product": "which products are most likely in a customer's next order, repeats included",
    "send-time": "in which of the 168 hours of the local week a customer is most likely to be active",
    "offer-response": "how likely a customer responds to an offer, and how much of that is because of it",
}
_LIMITS = {
    "churn": "It says who may leave, not whom an offer would keep.",
    "lifetime-value": "The mean is for sums over many customers; for one customer look at the median and the interval.",
    "favourite-product": "It knows nothing of products launched since it was trained.",
    "send-time": "It is learned from purchases where no messages were logged: when people shop, not when they read.",
    "offer-response": "The uplift rests on presentations left to chance: it is as good as their propensities.",
}


def model_card(record: VersionRecord) -> str:
    """The card as Markdown."""
    sections = [
        f"# {record.model} of {record.brand}",
        f"Predicts {_PURPOSES[record.model]}.\n\nHorizon: {record.window.horizon_days} days.",
        f"## Data\n\n{_data(record.window)}",
        f"## How well, on the held-out cutoff\n\n{_table(record.metrics, record.baselines)}",
        f"## Parameters\n\n{_bullets(f'{name}: {value}' for name, value in record.parameters.items())}",
        f"## Limits\n\n{_LIMITS[record.model]}",
        f"## Notes\n\n{_bullets(record.notes)}",
    ]
    return "\n\n".join(sections) + "\n"


def _data(window: DataWindow) -> str:
    if not window.training_cutoffs:
        return _bullets(
            [
                f"presentations from {to_iso(window.first_at)} to just before {to_iso(window.as_of)}",
                f"measured on {window.validation_rows} of them, from {to_iso(window.validation_cutoff)} on, by what "
                f"the other {window.training_rows} taught; then trained again on all",
                f"{window.orders_in_windows} responses in the windows after them",
            ]
        )
    cutoffs = ", ".join(to_iso(cutoff) for cutoff in window.training_cutoffs)
    return _bullets(
        [
            f"events from {to_iso(window.first_at)} to just before {to_iso(window.as_of)}",
            f"trained on {window.training_rows} customers × cutoffs: {cutoffs}",
            f"measured on {window.validation_rows} customers at the later cutoff {to_iso(window.validation_cutoff)}, "
            "then trained again with it included",
            f"{window.orders_in_windows} orders in the windows after the cutoffs",
        ]
    )


def _table(metrics: Mapping[str, float | None], baselines: Mapping[str, Mapping[str, float | None]]) -> str:
    """
    >>> print(_table({"auc": 0.8}, {"recency": {"auc": 0.75}}))
    | metric | ours | recency |
    |---|---|---|
    | auc | 0.8 | 0.75 |
    """
    rows = [["metric", "ours", *baselines], ["---"] * (2 + len(baselines))]
    rows += [
        [name, _number(ours), *(_number(b.get(name)) for b in baselines.values())] for name, ours in metrics.items()
    ]
    return "\n".join("|" + "|".join(row) + "|" if row[0] == "---" else f"| {' | '.join(row)} |" for row in rows)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "None."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
