"""How things stand with each customer (blocked, consents, balances), by aggregation: the latest word wins."""

import json
from typing import Any

import ibis

from features.events import EventType
from features.instant import Instant
from features.profile import State

Table = Any


def states_by_row(facts: Table, n: int) -> list[dict[str, tuple[Instant, State]]]:
    """The states of the customers numbered 0 to n - 1, as :func:`features.profile.states_of` names them."""
    said = ibis.union(_texts(facts), _numbers(facts))
    latest = said.group_by("row", "name").aggregate(at=said.at.max())
    standing = said.join(latest, ["row", "name", "at"])
    words = standing.group_by("row", "name", "at").aggregate(text=standing.text.max(), number=standing.number.max())
    states: list[dict[str, tuple[Instant, State]]] = [{} for _ in range(n)]
    for word in words.to_pyarrow().to_pylist():
        value = word["text"] if word["text"] is not None else word["number"]
        states[word["row"]][word["name"]] = (word["at"], value)
    _add_tiers(facts, states)
    return states


def _texts(facts: Table) -> Table:
    kind = facts.facet
    is_block = kind.isin([EventType.CONTACT_BLOCKED.value, EventType.CONTACT_UNBLOCKED.value])
    is_consent = (kind == EventType.CONSENT_CHANGED.value) & facts.purpose.notnull()
    is_unsubscription = kind == EventType.UNSUBSCRIBED.value
    name = ibis.cases(
        (is_block, "blocked"),
        (is_consent, "consent:" + facts.purpose),
        else_="consent:" + facts.channel.fill_null("messages"),
    )
    text = ibis.cases(
        (kind == EventType.CONTACT_BLOCKED.value, "yes"),
        (kind == EventType.CONTACT_UNBLOCKED.value, "no"),
        (is_consent & facts.granted.fill_null(False), "granted"),
        else_="refused",
    )
    return facts.filter(is_block | is_consent | is_unsubscription).select(
        "row", "at", name=name, text=text, number=ibis.null("float64")
    )


def _numbers(facts: Table) -> Table:
    is_survey = facts.facet == EventType.SURVEY_ANSWERED.value
    columns = {
        "survey_score": ibis.ifelse(is_survey, facts.score, ibis.null("float64")),
        "points_balance": facts.points_balance,
        "points_expire_at": facts.points_expire_at,
    }
    return ibis.union(
        *(
            facts.filter(value.notnull()).select(
                "row", "at", name=ibis.literal(name), text=ibis.null("string"), number=value.cast("float64")
            )
            for name, value in columns.items()
        )
    )


def _add_tiers(facts: Table, states: list[dict[str, tuple[Instant, State]]]) -> None:
    changes = facts.filter((facts.facet == EventType.TIER_CHANGED.value) & facts.properties.notnull())
    for change in changes.select("row", "at", "properties").to_pyarrow().to_pylist():
        tier = json.loads(change["properties"]).get("tier")
        if isinstance(tier, str):
            word = (change["at"], tier)
            states[change["row"]]["tier"] = max(states[change["row"]].get("tier", word), word)
