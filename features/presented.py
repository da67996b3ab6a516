"""Offers that were presented, and what came of each within a window after it: what offer response is learned from.

A control is a presentation of ``none``: an event that says so, or an answer of ours without an offer that could have
had one. What came of a presentation does not depend on which offers were shown beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pyarrow
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from features.events import NO_OFFER
from features.identity import roots
from features.instant import Instant
from features.lake import open_duckdb
from features.log_table import make_log
from features.money import MONEY_SCALE
from features.presented_terms import Attribution, Outcome, ResponseTerms
from features.schema import decisions, merges
from features.store import Store

MOST_PRESENTATIONS = 400_000
"""Of more, those of some customers drawn by a hash are taken."""
_PARTS = 1_000_000
_CHUNK = 400


@dataclass(frozen=True, slots=True)
class Presented:
    """n presentations whose windows were over, by customer and time.

    ``offer_ids`` holds :data:`features.events.NO_OFFER` for controls. ``propensity`` is NaN where none was logged.
    ``response`` is 0 or 1, or in currency units. ``too_young`` counts the presentations whose windows were not over
    (``first_over_at`` is when the first of all windows ends), ``without_propensity`` those of which none is known.
    """

    customer_ids: Sequence[str]
    offer_ids: Sequence[str]
    decision_ids: Sequence[str | None]
    presented_at: NDArray[np.int64]
    propensity: NDArray[np.float64]
    response: NDArray[np.float64]
    too_young: int
    first_over_at: Instant | None

    def __len__(self) -> int:
        return len(self.customer_ids)

    @property
    def is_control(self) -> NDArray[np.bool_]:
        return np.array([offer_id == NO_OFFER for offer_id in self.offer_ids], dtype=np.bool_)

    @property
    def without_propensity(self) -> int:
        return int(np.isnan(self.propensity).sum())


def presented(store: Store, brand: str, as_of: Instant | None, terms: ResponseTerms) -> Presented:
    """What was presented before ``as_of`` (None: just after the last event) and what came of it before then."""
    with store.reading() as connection, TemporaryDirectory() as scratch:
        duck = open_duckdb(Path(scratch))
        try:
            make_log(duck, connection, store.lake, brand, before=as_of)
            end = as_of if as_of is not None else _just_after_last(duck)
            known_by_who_stays(duck, connection, brand, as_of)
            _presentations(duck, _answered_with_nothing(connection, brand, end))
            return _with_logged_propensities(connection, brand, _with_outcomes(duck, end, terms))
        finally:
            duck.close()


def _just_after_last(duck: Any) -> Instant:
    row = duck.execute("SELECT max(occurred_at) FROM log").fetchone()
    return 0 if row[0] is None else int(row[0]) + 1


def known_by_who_stays(duck: Any, connection: Connection, brand: str, as_of: Instant | None) -> None:
    """A view ``known`` of the log under the ids of those who stay."""
    rows = connection.execute(select(merges).where(merges.c.brand == brand)).all()
    of = roots([(row.merged_customer_id, row.customer_id, row.occurred_at) for row in rows], as_of)
    table = pyarrow.table({"id": pyarrow.array(list(of), "string"), "root": pyarrow.array(list(of.values()), "string")})
    duck.register("merged", table)
    duck.execute(
        "CREATE TEMP VIEW known AS SELECT log.* REPLACE (coalesce(merged.root, customer_id) AS customer_id) "
        "FROM log LEFT JOIN merged ON log.customer_id = merged.id"
    )


class _Answered(msgspec.Struct):
    """As much of the body of a decision as is asked for."""

    propensities: dict[str, float] = {}
    none_probability: float = 1.0


_decode = msgspec.json.Decoder(_Answered).decode


def _answered_with_nothing(connection: Connection, brand: str, end: Instant) -> Any:
    """Answers of ours without an offer, where there could have been one."""
    of = decisions.c
    query = select(of.decision_id, of.customer_id, of.decided_at, of.body).where(
        of.brand == brand, of.offer_id == NO_OFFER, of.decided_at < end
    )
    rows = []
    for row in connection.execute(query, execution_options={"yield_per": 2_000}):
        chance = _decode(row.body).none_probability
        if 0 < chance < 1:
            rows.append((row.decision_id, row.customer_id, row.decided_at, chance))
    names = ("decision_id", "customer_id", "occurred_at", "propensity")
    types = ("string", "string", "int64", "float64")
    arrays = [pyarrow.array([row[place] for row in rows], kind) for place, kind in enumerate(types)]
    return pyarrow.table(arrays, names=list(names))


def _presentations(duck: Any, answered: Any) -> None:
    """A table ``shown``, a row a presentation: what is told twice of one decision counts once."""
    duck.register("answered", answered)
    duck.execute(
        f"""
        CREATE TEMP TABLE shown AS
        WITH told AS (
            SELECT customer_id, offer_id, decision_id, occurred_at AS moment, propensity FROM known
            WHERE type = 'offer_presented'
            UNION ALL
            SELECT coalesce(merged.root, customer_id), '{NO_OFFER}', decision_id, occurred_at, propensity
            FROM answered LEFT JOIN merged ON answered.customer_id = merged.id
            WHERE decision_id NOT IN (
                SELECT decision_id FROM known WHERE type = 'offer_presented' AND decision_id IS NOT NULL
            )
        ), once AS (
            SELECT customer_id, offer_id, min(decision_id) AS decision_id, min(moment) AS moment,
                max(propensity) AS propensity
            FROM told GROUP BY customer_id, offer_id, coalesce('d' || decision_id, 'a' || moment)
        ), counted AS (SELECT count(*) AS n FROM once)
        SELECT row_number() OVER (ORDER BY customer_id, moment, offer_id, decision_id) - 1 AS row, once.*
        FROM once, counted
        WHERE n <= {MOST_PRESENTATIONS} OR hash(customer_id) % {_PARTS} < {_PARTS} * ({MOST_PRESENTATIONS} / n)
        """
    )


def _with_outcomes(duck: Any, end: Instant, terms: ResponseTerms) -> Presented:
    duck.execute(f"CREATE TEMP VIEW over AS SELECT * FROM shown WHERE moment + {terms.window} <= {end}")
    told = duck.execute(f"SELECT count(*) FILTER (moment + {terms.window} > {end}), min(moment) FROM shown").fetchone()
    table = duck.execute(
        f"SELECT over.*, coalesce(found.response, 0.0) AS response FROM over LEFT JOIN ({response_query(terms)}) found "
        "USING (row) ORDER BY row"
    ).to_arrow_table()
    propensity = table["propensity"].to_numpy(zero_copy_only=False).astype(np.float64)
    return Presented(
        table["customer_id"].to_pylist(),
        table["offer_id"].to_pylist(),
        table["decision_id"].to_pylist(),
        table["moment"].to_numpy().astype(np.int64),
        propensity,
        table["response"].to_numpy().astype(np.float64),
        int(told[0]),
        None if told[1] is None else int(told[1]) + terms.window,
    )


def response_query(terms: ResponseTerms) -> str:
    """An SQL query of ``row`` and ``response``, of the rows of ``over`` that have one."""
    if terms.outcome is Outcome.ACCEPTED:
        return _ACCEPTED.format(window=terms.window)
    amount = f"sum(happened.amount) / {MONEY_SCALE}.0" if terms.outcome is Outcome.SPEND else "1.0"
    happened = _VIEWS if terms.outcome is Outcome.VIEW else _PURCHASES
    pairs = (_LAST if terms.attribution is Attribution.LAST else _ANY).format(happened=happened, window=terms.window)
    return f"SELECT row, {amount} AS response FROM ({pairs}) AS happened GROUP BY row"


_VIEWS = "SELECT customer_id, occurred_at AS moment, 0 AS amount FROM known WHERE type = 'view'"
_PURCHASES = """
    SELECT customer_id, occurred_at AS moment, amount FROM known WHERE type = 'purchase' AND (order_id IS NULL OR
    (customer_id, order_id) NOT IN (
        SELECT (customer_id, order_id) FROM known WHERE type = 'order_cancelled' AND order_id IS NOT NULL
    ))
"""
_ANY = """
    SELECT over.row, what.amount FROM over JOIN ({happened}) what
    ON what.customer_id = over.customer_id AND what.moment >= over.moment AND what.moment < over.moment + {window}
"""
_LAST = """
    SELECT last.row, last.amount FROM (
        SELECT shown.row, shown.moment, what.moment AS happened_at, what.amount FROM ({happened}) what
        ASOF JOIN shown ON what.customer_id = shown.customer_id AND what.moment >= shown.moment
    ) last WHERE last.happened_at < last.moment + {window}
"""
_ACCEPTED = """
    WITH accepted AS (
        SELECT customer_id, offer_id, decision_id, occurred_at AS moment FROM known WHERE type = 'offer_accepted'
    ), named AS (
        SELECT over.row FROM over JOIN accepted USING (customer_id, offer_id, decision_id)
        WHERE accepted.moment >= over.moment AND accepted.moment < over.moment + {window}
    ), unnamed AS (
        SELECT shown.row, shown.moment, accepted.moment AS happened_at FROM (
            SELECT * FROM accepted WHERE decision_id IS NULL
            OR (customer_id, offer_id, decision_id) NOT IN (
                SELECT (customer_id, offer_id, decision_id) FROM shown WHERE decision_id IS NOT NULL
            )
        ) accepted
        ASOF JOIN shown ON accepted.customer_id = shown.customer_id AND accepted.offer_id = shown.offer_id
        AND accepted.moment >= shown.moment
    )
    SELECT DISTINCT row, 1.0 AS response FROM (
        SELECT row FROM named UNION ALL SELECT row FROM unnamed WHERE happened_at < moment + {window}
    )
"""


def _with_logged_propensities(connection: Connection, brand: str, found: Presented) -> Presented:
    """What our log says of a decision of ours goes before what an event may have left out."""
    unknown = [row for row in np.flatnonzero(np.isnan(found.propensity)).tolist() if found.decision_ids[row]]
    logged = _logged(connection, brand, sorted({str(found.decision_ids[row]) for row in unknown}))
    propensity = found.propensity.copy()
    for row in unknown:
        answered = logged.get(str(found.decision_ids[row]))
        if answered is not None:
            propensity[row] = answered.propensities.get(found.offer_ids[row], np.nan)
    return replace(found, propensity=propensity)


def _logged(connection: Connection, brand: str, decision_ids: Sequence[str]) -> Mapping[str, _Answered]:
    of = decisions.c
    found: dict[str, _Answered] = {}
    for start in range(0, len(decision_ids), _CHUNK):
        mine = of.decision_id.in_(decision_ids[start : start + _CHUNK])
        for row in connection.execute(select(of.decision_id, of.body).where(of.brand == brand, mine)):
            found[row.decision_id] = _decode(row.body)
    return found
