"""The customers of a file's new rows: who they are, who may not be taken in, and what it adds to their profiles."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from features.assignments import Assignment, take_exposures, variants_by_experiment
from features.backfill import Whereabouts
from features.bulk_profiles import aggregate_segment, fold_anew, merge_in, roots_of, whereabouts
from features.customer_links import CustomerLinks
from features.decision_outcomes import OUTCOMES, DecisionOutcomes
from features.erasure import erase, erased_since, expected_after
from features.errors import FieldError
from features.event_fields import LAKE_COLUMNS
from features.event_novelty import remaining
from features.events import Event, EventType
from features.instant import Instant
from features.lake import DuckDB, Segment, event_of_row
from features.profiles import Profiles
from features.source_files import quoted

Claim = tuple[str, dict[str, str], Instant]
"""Identifiers that stood with a customer: (customer, identifiers, first time)."""
_FIELDS = ", ".join(LAKE_COLUMNS)


@dataclass(frozen=True, slots=True)
class FileCustomers:
    """Of one brand. ``roots`` is who they were when the file was read."""

    duck: DuckDB
    lake: Path
    brand: str
    customer_ids: Sequence[str]
    roots: dict[str, str]
    known: Whereabouts
    claims: Sequence[Claim]
    merged: Sequence[Event]
    erased: Sequence[Event]
    outcomes: Sequence[Event] = field(default_factory=list)
    exposed: Sequence[Assignment] = field(default_factory=list)

    def aggregate(self, segment: Segment) -> list[Profiles]:
        return list(aggregate_segment(self.duck, self.lake, segment, self.known, self.roots))

    def keep(self, connection: Connection, added: Iterable[Profiles], now: Instant) -> None:
        """Bring links, profiles and decisions up to the file."""
        links = CustomerLinks(connection, self.brand)
        links.look_up_all_merges(self.customer_ids)
        _learn(links, self.claims, self.merged)
        links.write()
        again = {person for merged, stays, _ in links.new_merges for person in (merged, links.root(stays))}
        now_roots = roots_of(links, self.customer_ids)
        again |= {root for name, root in now_roots.items() if self.roots.get(name) != root}
        again |= self._moved(whereabouts(connection, self.brand))
        for profiles in added:
            again.update(merge_in(connection, self.brand, profiles))
        fold_anew(connection, self.duck, self.lake, self.brand, {links.root(person) for person in again})
        DecisionOutcomes(connection).take(self.outcomes, links.root)
        take_exposures(connection, self.brand, self.exposed, links.root)
        for event in self.erased:
            erase(connection, self.lake, self.brand, event.customer_id, event.occurred_at, now)
            stays = CustomerLinks(connection, self.brand).root(event.customer_id)
            fold_anew(connection, self.duck, self.lake, self.brand, [stays])

    def _moved(self, present: Whereabouts) -> set[str]:
        """Whose time zone has changed since the file was read."""
        people = {self.roots.get(name, name) for name in self.customer_ids}
        return {person for person in people if present.timezone_of(person) != self.known.timezone_of(person)}


def customers_of(duck: DuckDB, connection: Connection, lake: Path) -> dict[str, FileCustomers]:
    """Of the rows that remain, by brand; refuses those whose customer was erased or whose identifiers are another's."""
    brands = [row[0] for row in duck.execute(f"SELECT DISTINCT brand FROM ({remaining()}) ORDER BY 1").fetchall()]
    return {brand: _customers(duck, connection, lake, brand) for brand in brands}


def _customers(duck: DuckDB, connection: Connection, lake: Path, brand: str) -> FileCustomers:
    mine = f"SELECT * FROM ({remaining()}) WHERE brand = {quoted(brand)}"
    ids = [row[0] for row in duck.execute(f"SELECT DISTINCT customer_id FROM ({mine})").fetchall()]
    _refuse_erased(duck, erased_since(connection, lake, brand, ids), mine)
    outcomes = DecisionOutcomes(connection)
    _refuse_contradictions(duck, outcomes, mine)
    links = CustomerLinks(connection, brand)
    links.look_up_all_merges(ids)
    roots = roots_of(links, ids)
    claims = list(_claims(duck, mine, links))
    return FileCustomers(
        duck,
        lake,
        brand,
        ids,
        roots,
        whereabouts(connection, brand),
        claims,
        _events(duck, f"{mine} AND type = '{EventType.CUSTOMER_MERGED}'"),
        _events(duck, f"{mine} AND type = '{EventType.CUSTOMER_ERASED}'"),
        outcomes.known(_events(duck, f"{mine} AND decision_id IS NOT NULL AND type IN {OUTCOMES}")),
        _exposed(duck, mine, list(variants_by_experiment(connection, brand))),
    )


def _refuse_erased(duck: DuckDB, erased: dict[str, Instant], mine: str) -> None:
    """What happened before its customer was erased; to erase once more is nothing new."""
    for customer_id, erased_at in erased.items():
        duck.execute(
            f"INSERT INTO repeats SELECT position FROM ({mine}) "
            "WHERE customer_id = ? AND occurred_at <= ? AND type = ?",
            [customer_id, erased_at, EventType.CUSTOMER_ERASED.value],
        )
        duck.execute(
            f"INSERT INTO refused SELECT position, 'customer_id', ? FROM ({mine}) "
            "WHERE customer_id = ? AND occurred_at <= ?",
            [FieldError("customer_id", customer_id, expected_after(erased_at)).reason, customer_id, erased_at],
        )


def _refuse_contradictions(duck: DuckDB, outcomes: DecisionOutcomes, mine: str) -> None:
    query = f"{mine} AND decision_id IS NOT NULL AND propensity IS NOT NULL AND type IN {OUTCOMES}"
    rows = duck.execute(f"SELECT position, {_FIELDS} FROM ({query})").fetchall()
    for position, event in [(row[0], event_of_row(row[1:])) for row in rows]:
        try:
            outcomes.check(event)
        except FieldError as error:
            duck.execute("INSERT INTO refused VALUES (?, ?, ?)", [position, error.field, error.reason])


def _claims(duck: DuckDB, mine: str, links: CustomerLinks) -> Iterator[Claim]:
    """Identifiers with their customers, in file order; rows whose identifiers are another's are refused."""
    rows = duck.execute(
        f"SELECT customer_id, identifiers, min(occurred_at) FROM ({mine}) WHERE identifiers IS NOT NULL "
        "GROUP BY customer_id, identifiers ORDER BY min(position)"
    ).fetchall()
    found = [(customer_id, msgspec.json.decode(text, type=dict[str, str]), at) for customer_id, text, at in rows]
    links.look_up(item for _, given, _ in found for item in given.items())
    for (customer_id, given, at), (_, text, _) in zip(found, rows, strict=True):
        try:
            links.claim(customer_id, given, at)
            yield customer_id, given, at
        except FieldError as error:
            duck.execute(
                f"INSERT INTO refused SELECT position, 'identifiers', ? FROM ({mine}) "
                "WHERE customer_id = ? AND identifiers = ?",
                [error.reason, customer_id, text],
            )


def _exposed(duck: DuckDB, mine: str, experiments: Sequence[str]) -> list[Assignment]:
    """The first variant of each unit in these experiments."""
    rows = duck.execute(
        f"SELECT customer_id, experiment, arg_min(variant, (occurred_at, event_id)), min(occurred_at) FROM ({mine}) "
        f"WHERE type = '{EventType.EXPOSURE}' AND experiment IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY customer_id, experiment ORDER BY min(occurred_at), customer_id, experiment",
        [experiments],
    ).fetchall()
    return [Assignment(*row) for row in rows]


def _learn(links: CustomerLinks, claims: Sequence[Claim], merged: Sequence[Event]) -> None:
    links.look_up(item for _, given, _ in claims for item in given.items())
    for customer_id, given, at in claims:
        links.claim(customer_id, given, at)
    for event in merged:
        links.take(event)


def _events(duck: DuckDB, query: str) -> list[Event]:
    rows: list[Any] = duck.execute(f"SELECT {_FIELDS} FROM ({query}) ORDER BY occurred_at").fetchall()
    return [event_of_row(row) for row in rows]
