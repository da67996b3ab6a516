"""What came of each decision of the log within a window after it, whether or not its offer was ever seen.

A policy decides; whether the customer then sees the offer is part of what comes of it. So a decision's reward is asked
for from the moment that it was made for, and nothing is left out that could tell one action from another.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from numpy.typing import NDArray

from features.instant import Instant
from features.lake import open_duckdb
from features.log_table import make_log
from features.presented import known_by_who_stays, response_query
from features.presented_terms import ResponseTerms
from features.store import Store


class Decided(NamedTuple):
    """``moment`` is when the offer was made, or was to be sent."""

    decision_id: str
    customer_id: str
    offer_id: str
    moment: Instant


def rewards_of(
    store: Store, brand: str, decided: Sequence[Decided], as_of: Instant, terms: ResponseTerms
) -> NDArray[np.float64]:
    """The response to each decision by what happened before ``as_of``: 0 or 1, or currency units.

    NaN where the window is not over by then.
    """
    kinds = ("string", "string", "string", "int64")
    columns = [pyarrow.array([one[place] for one in decided], kind) for place, kind in enumerate(kinds)]
    rows = pyarrow.array(np.arange(len(decided)), "int64")
    table = pyarrow.table([rows, *columns], names=["row", "decision_id", "decided_for", "offer_id", "moment"])
    found = np.full(len(decided), np.nan)
    with store.reading() as connection, TemporaryDirectory() as scratch:
        duck = open_duckdb(Path(scratch))
        try:
            make_log(duck, connection, store.lake, brand, before=as_of)
            known_by_who_stays(duck, connection, brand, as_of)
            duck.register("decided", table)
            responses = _responses(duck, as_of, terms)
        finally:
            duck.close()
    found[responses["row"].to_numpy()] = responses["response"].to_numpy()
    return found


def _responses(duck: Any, as_of: Instant, terms: ResponseTerms) -> pyarrow.Table:
    """(row, response) of the decisions whose windows are over."""
    duck.execute(
        "CREATE TEMP TABLE shown AS SELECT decided.* EXCLUDE (decided_for), "
        "coalesce(merged.root, decided_for) AS customer_id "
        "FROM decided LEFT JOIN merged ON decided.decided_for = merged.id"
    )
    duck.execute(f"CREATE TEMP VIEW over AS SELECT * FROM shown WHERE moment + {terms.window} <= {as_of}")
    found = duck.execute(
        "SELECT over.row, coalesce(found.response, 0.0) AS response FROM over "
        f"LEFT JOIN ({response_query(terms)}) found USING (row)"
    )
    return found.to_arrow_table()
