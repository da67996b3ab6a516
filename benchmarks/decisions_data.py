"""Logged offers to decide on, as the offer response model takes them: files that users would bring, read directly.

A folder holds ``events.parquet``, ``customers.parquet`` and perhaps ``offers.parquet``, as ``ingest`` takes them. Only
what these files say is used: the customers have no history before their first presentation.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from features.events import NO_OFFER
from features.presented_terms import Outcome
from training.models.encoding import Encoding, Words
from training.models.offer_response import CONTROL, Presentations

Integers = NDArray[np.int64]

_PRESENTED = """
with shown as (
    select customer_id, offer_id, decision_id, propensity, epoch_us(occurred_at) as moment
    from '{folder}/events.parquet' where type = 'offer_presented'
), happened as ({happened})
select shown.*, coalesce(happened.response, 0.0) as response,
    (moment - epoch_us(joined_at::timestamp)) / 86400e6 as days_since_joined
from shown join '{folder}/customers.parquet' using (customer_id) left join happened using ({key})
order by moment, customer_id
"""
_HAPPENED = {
    Outcome.ACCEPTED: "select decision_id, 1.0 as response from '{folder}/events.parquet' "
    "where type = 'offer_accepted' group by all",
    Outcome.VIEW: "select customer_id, 1.0 as response from '{folder}/events.parquet' where type = 'view' group by all",
    Outcome.SPEND: "select customer_id, sum(amount)::double as response from '{folder}/events.parquet' "
    "where type = 'purchase' group by all",
}


def logged_offers(folder: Path, outcome: Outcome) -> Presentations:
    """Views and purchases are those of the customer after the only presentation, acceptances those of the decision."""
    key = "decision_id" if outcome is Outcome.ACCEPTED else "customer_id"
    query = _PRESENTED.format(folder=folder, happened=_HAPPENED[outcome].format(folder=folder), key=key)
    with duckdb.connect() as connection:
        customers = _rows(connection, f"from '{folder}/customers.parquet'")
        if not any("joined_at" in one for one in customers):
            query = query.replace("(moment - epoch_us(joined_at::timestamp)) / 86400e6", "null::double")
        shown = {name: np.ma.asarray(column) for name, column in connection.sql(query).fetchnumpy().items()}
        offers = _offers(connection, folder, sorted(set(shown["offer_id"].tolist()) - {NO_OFFER}))
    of = {str(one.pop("customer_id")): one for one in customers}
    attributes = Encoding.of([_plain(one) for one in of.values()])
    row_of = {customer_id: row for row, customer_id in enumerate(of)}
    known = attributes.encode([_plain(one) for one in of.values()])
    person = np.array([row_of[str(customer_id)] for customer_id in shown["customer_id"].tolist()])
    joined = np.ma.filled(shown["days_since_joined"].astype(float), np.nan)
    terms = Encoding.of(list(offers.values()))
    code = {offer_id: row for row, offer_id in enumerate(offers)} | {NO_OFFER: CONTROL}
    return Presentations(
        customers=np.column_stack([known[person], joined]),
        offer=np.array([code[str(offer_id)] for offer_id in shown["offer_id"].tolist()]),
        propensity=np.asarray(shown["propensity"], np.float64),
        response=np.asarray(shown["response"], np.float64),
        person=person.astype(np.int64),
        presented_at=np.asarray(shown["moment"], np.int64),
        terms=terms.encode(list(offers.values())),
        offer_ids=tuple(offers),
        columns=(*attributes.columns, "days since joined"),
        term_columns=terms.columns,
        outcome=outcome,
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.sql(query)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _plain(row: dict[str, Any]) -> Words:
    return {name: word for name, word in row.items() if name != "joined_at" and word is not None}


def _offers(connection: duckdb.DuckDBPyConnection, folder: Path, offer_ids: list[str]) -> dict[str, Words]:
    """The columns of the offers' file; channels are a column each."""
    found: dict[str, Words] = {offer_id: {} for offer_id in offer_ids}
    if not (folder / "offers.parquet").exists():
        return found
    for row in _rows(connection, f"from '{folder}/offers.parquet'"):
        channels = {f"channel {name}": True for name in str(row.pop("channels", "")).split(",")}
        offer_id = str(row.pop("offer_id"))
        found[offer_id] = {**row, **channels}
    return found


def rows_of(presentations: Presentations, rows: Integers) -> Presentations:
    columns = ("customers", "offer", "propensity", "response", "person", "presented_at")
    return replace(presentations, **{name: getattr(presentations, name)[rows] for name in columns})
