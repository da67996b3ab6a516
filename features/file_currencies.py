"""The amounts of a file in each brand's accounting currency: the SQL twin of ``accounting``."""

from collections.abc import Callable

from features.accounting import GIVEN_CURRENCY, converted_sql, expected_currency, expected_rate, is_foreign_sql
from features.event_fields import LAKE_COLUMNS
from features.event_objects import canonical_sql
from features.lake import DuckDB
from features.money import LARGEST_AMOUNT, MONEY_SCALE
from features.source_files import quoted

_LIMIT = LARGEST_AMOUNT * MONEY_SCALE
_AMOUNTS = tuple(converted_sql())


def offer_in_accounting_currency(duck: DuckDB, currency_of: Callable[[str], str | None]) -> dict[str, str]:
    """Make ``offered`` of the good rows of ``checked``, and refuse those in another currency without a rate.

    Gives each brand's accounting currency; where none was settled it is that of the file's first amount.
    """
    currencies = _currencies(duck, currency_of)
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE accounting AS "
        "SELECT unnest(?::VARCHAR[]) AS brand, unnest(?::VARCHAR[]) AS accounting",
        [list(currencies), list(currencies.values())],
    )
    good = "FROM checked LEFT JOIN accounting USING (brand) WHERE reason IS NULL"
    if not duck.execute(f"SELECT count(*) {good} AND {is_foreign_sql()}").fetchone()[0]:
        duck.execute(
            f"CREATE OR REPLACE VIEW offered AS SELECT position, {', '.join(LAKE_COLUMNS)} FROM checked "
            "WHERE reason IS NULL"
        )
        return currencies
    _convert(duck, good)
    return currencies


def _currencies(duck: DuckDB, currency_of: Callable[[str], str | None]) -> dict[str, str]:
    given = " OR ".join(f"{name} IS NOT NULL" for name in _AMOUNTS)
    first = duck.execute(
        f"SELECT brand, arg_min(currency, position) FROM checked WHERE reason IS NULL AND currency IS NOT NULL "
        f"AND ({given}) GROUP BY brand ORDER BY brand"
    ).fetchall()
    return {brand: currency_of(brand) or currency for brand, currency in first}


def _convert(duck: DuckDB, good: str) -> None:
    for brand, accounting in duck.execute("SELECT brand, accounting FROM accounting").fetchall():
        mine = f"brand = {quoted(brand)} AND {is_foreign_sql()}"
        duck.execute(
            "INSERT INTO refused SELECT position, 'currency', 'got ''' || currency || ''', expected ' || ? "
            f"{good} AND {mine} AND exchange_rate IS NULL",
            [expected_currency(accounting)],
        )
        too_large = " OR ".join(f"abs({sql}) >= {_LIMIT}" for sql in converted_sql().values())
        duck.execute(
            "INSERT INTO refused SELECT position, 'exchange_rate', 'got ' || exchange_rate || ', expected ' || ? "
            f"{good} AND {mine} AND exchange_rate IS NOT NULL AND coalesce({too_large}, false)",
            [expected_rate(accounting)],
        )
    foreign = is_foreign_sql()
    amounts = ", ".join(
        f"CASE WHEN {foreign} AND exchange_rate IS NOT NULL THEN {sql} ELSE {name} END AS {name}"
        for name, sql in converted_sql().items()
    )
    noted = f"json_merge_patch(coalesce(properties, '{{}}'), json_object('{GIVEN_CURRENCY}', currency))"
    kept = ", ".join(LAKE_COLUMNS)
    duck.execute(
        f"CREATE OR REPLACE TABLE offered AS SELECT position, {kept} FROM (SELECT * REPLACE ({amounts}, "
        f"CASE WHEN {foreign} THEN accounting ELSE currency END AS currency, "
        f"CASE WHEN {foreign} THEN {canonical_sql(noted)} ELSE properties END AS properties) {good}) "
        "ANTI JOIN refused USING (position)"
    )
