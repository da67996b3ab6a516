"""The customers of a file's new rows: who they are, who may not be taken in, and what it adds to their profiles."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from features.assignments import Assignment, take_exposures, variants_by_experiment
from features.backfill import Whereabouts
from features.bulk_profiles import Merged, aggregate_segments, fold_anew, merge, roots_of, whereabouts, write_merged
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
CUSTOMERS_A_PART = 10_000
ROWS_A_PART = 100_000
"""Kept in one transaction: while it is written, a fraction of a second, all others wait."""
_FIELDS = ", ".join(LAKE_COLUMNS)


@dataclass(frozen=True, slots=True)
class FileCustomers:
    """Of one brand. ``roots`` is who they were when the file was read, ``becomes`` who they are once it is in."""

    duck: DuckDB
    lake: Path
    brand: str
    customer_ids: Sequence[str]
    roots: dict[str, str]
    becomes: dict[str, str]
    known: Whereabouts
    claims: Sequence[Claim]
    merged: Sequence[Event]
    erased: Sequence[Event]
    outcomes: Sequence[Event] = field(default_factory=list)
    exposed: Sequence[Assignment] = field(default_factory=list)

    def in_parts(self, rows: int) -> list["FileCustomers"]:
        """The same customers by and by, in order of whom they become: each part can be kept by itself.

        ``rows`` is how many they have. What reaches further than to one person (merges, erasures, decisions) keeps
        all together.
        """
        if self.merged or self.erased or self.outcomes or self.exposed:
            return [self]
        persons = self.persons()
        count = max(-(-len(persons) // CUSTOMERS_A_PART), -(-rows // ROWS_A_PART))
        size = -(-len(persons) // count)
        part_of = {person: position // size for position, person in enumerate(persons)}
        ids: list[list[str]] = [[] for _ in range(part_of[persons[-1]] + 1)]
        claims: list[list[Claim]] = [[] for _ in ids]
        for name in self.customer_ids:
            ids[part_of[self.becomes.get(name, name)]].append(name)
        for claim in self.claims:
            claims[part_of[self.becomes.get(claim[0], claim[0])]].append(claim)
        return [replace(self, customer_ids=some, claims=said) for some, said in zip(ids, claims, strict=True)]

    def persons(self) -> list[str]:
        """Whom the customers become, in order."""
        return sorted({self.becomes.get(name, name) for name in self.customer_ids})

    def aggregate(self, segments: Sequence[Segment]) -> list[Profiles]:
        return list(aggregate_segments(self.duck, self.lake, segments, self.known, self.roots))

    def merge(self, connection: Connection, added: Iterable[Profiles]) -> list[Merged]:
        """The profiles of these customers with what the file adds to them; nothing is written yet."""
        mine = self._people()
        found: list[Merged] = []
        for profiles in added:
            rows = [row for row, name in enumerate(profiles.customer_ids) if name in mine]
            found += merge(connection, self.brand, profiles.take(rows))
        return found

    def keep(self, connection: Connection, merged: Iterable[Merged], now: Instant) -> None:
        """Bring links, profiles and decisions up to the file."""
        links = CustomerLinks(connection, self.brand)
        links.look_up_all_merges(self.customer_ids)
        _learn(links, self.claims, self.merged)
        links.write()
        again = {person for ends, stays, _ in links.new_merges for person in (ends, links.root(stays))}
        now_roots = roots_of(links, self.customer_ids)
        again |= {root for name, root in now_roots.items() if self.roots.get(name) != root}
        again |= self._moved(whereabouts(connection, self.brand, self._people()))
        for one in merged:
            again.update(write_merged(connection, self.brand, one))
        fold_anew(connection, self.duck, self.lake, self.brand, {links.root(person) for person in again})
        DecisionOutcomes(connection).take(self.outcomes, links.root)
        take_exposures(connection, self.brand, self.exposed, links.root)
        for event in self.erased:
            erase(connection, self.lake, self.brand, event.customer_id, event.occurred_at, now)
            stays = CustomerLinks(connection, self.brand).root(event.customer_id)
            fold_anew(connection, self.duck, self.lake, self.brand, [stays])

    def _people(self) -> set[str]:
        """Who the customers were when the file was read."""
        return {self.roots.get(name, name) for name in self.customer_ids}

    def _moved(self, present: Whereabouts) -> set[str]:
        """Whose time zone has changed since the file was read."""
        return {person for person in self._people() if present.timezone_of(person) != self.known.timezone_of(person)}


def customers_of(duck: DuckDB, connection: Connection, lake: Path) -> dict[str, FileCustomers]:
    """Of the rows that remain, by brand; refuses those whose customer was erased or whose identifiers are another's."""
    brands = [row[0] for row in duck.execute(f"SELECT DISTINCT brand FROM ({remaining()}) ORDER BY 1").fetchall()]
    found = {brand: _customers(duck, connection, lake, brand) for brand in brands}
    return {brand: customers for brand, customers in found.items() if customers.customer_ids}


def _customers(duck: DuckDB, connection: Connection, lake: Path, brand: str) -> FileCustomers:
    mine = f"SELECT * FROM ({remaining()}) WHERE brand = {quoted(brand)}"
    ids = _ids(duck, mine)
    _refuse_erased(duck, erased_since(connection, lake, brand, ids), mine)
    outcomes = DecisionOutcomes(connection)
    _refuse_contradictions(duck, outcomes, mine)
    links = CustomerLinks(connection, brand)
    links.look_up_all_merges(ids)
    roots = roots_of(links, ids)
    claims = list(_claims(duck, mine, links))
    accepted = _ids(duck, mine)
    return FileCustomers(
        duck,
        lake,
        brand,
        accepted,
        roots,
        roots_of(links, accepted),
        whereabouts(connection, brand),
        claims,
        _events(duck, f"{mine} AND type = '{EventType.CUSTOMER_MERGED}'"),
        _events(duck, f"{mine} AND type = '{EventType.CUSTOMER_ERASED}'"),
        outcomes.known(_events(duck, f"{mine} AND decision_id IS NOT NULL AND type IN {OUTCOMES}")),
        _exposed(duck, mine, list(variants_by_experiment(connection, brand))),
    )


def _ids(duck: DuckDB, mine: str) -> list[str]:
    return [row[0] for row in duck.execute(f"SELECT DISTINCT customer_id FROM ({mine})").fetchall()]


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
