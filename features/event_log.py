"""The log of events as they arrive: appended once, with the profiles, identities and decisions that they change.

Everything happens in the caller's transaction: after any crash the profiles equal the fold of the log. What only bulk
history needs (DuckDB, Ibis) is imported where it is met.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_

from features.accounting import in_accounting_currency
from features.assignments import Assignment, assignment_of, take_exposures
from features.brand import settle_currency
from features.decision_outcomes import DecisionOutcomes
from features.erasure import erase, erased_since, expected_after
from features.errors import FieldError
from features.event_json import body_of, event_of
from features.events import Event, EventType
from features.instant import Instant
from features.kept_profiles import KeptProfiles, zones_of
from features.lake import Segment, events_by_key, read_segments
from features.schema import events
from features.store import Store

CONFLICT = "conflict: the same event_id came before with other content"
ZoneOf = Callable[[str], str]
"""The time zone of a customer of the brand in hand."""
Rejection = tuple[str, str, str]
"""(event_id, field, reason)."""
_CHUNK = 300


@dataclass(slots=True)
class AppendResult:
    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def append(
    connection: Connection,
    arrived: Sequence[Event],
    received_at: Instant,
    *,
    lake: Path,
    zone_of: Callable[[str, str], str] | None = None,
) -> AppendResult:
    """Append events, in the caller's transaction, and bring up to them all that they change.

    An event that is known already counts as a duplicate, one that contradicts what is known is rejected; the others
    are durable once the transaction is. ``zone_of(brand, customer_id)`` defaults to what the store knows.
    """
    result = AppendResult()
    for brand in dict.fromkeys(event.brand for event in arrived):
        mine = [event for event in arrived if event.brand == brand]
        zone = None if zone_of is None else _of_brand(zone_of, brand)
        _Appending(connection, lake, brand, received_at, zone, result).take(mine)
    return result


def refold(connection: Connection, lake: Path, brand: str, customer_ids: Sequence[str]) -> None:
    """Fold customers anew from the log, as after a change of their time zone."""
    profiles = KeptProfiles(connection, lake, brand, zones_of(connection, brand))
    profiles.fold_anew(customer_ids)
    profiles.write()


def log_table(store: Store, connection: Any, brand: str, before: Instant | None = None) -> Any:
    """The brand's whole log as an Ibis table, its columns as in ``event_fields.LAKE_COLUMNS``; merges not applied.

    ``connection`` is Ibis's, to DuckDB; the table lives as long as it does.
    """
    from features.log_table import make_log

    with store.reading() as reading:
        make_log(connection.con, reading, store.lake, brand, before=before)
    return connection.table("log")


def _of_brand(zone_of: Callable[[str, str], str], brand: str) -> ZoneOf:
    return lambda customer_id: zone_of(brand, customer_id)


class _Appending:
    """One batch of one brand's events."""

    def __init__(
        self,
        connection: Connection,
        lake: Path,
        brand: str,
        received_at: Instant,
        zone: ZoneOf | None,
        result: AppendResult,
    ) -> None:
        self.connection = connection
        self.lake = lake
        self.brand = brand
        self.received_at = received_at
        self.result = result
        self.profiles = KeptProfiles(connection, lake, brand, zone or zones_of(connection, brand))
        self.customer_ids: list[str] = []
        self.erased: dict[str, Instant] = {}
        self.outcomes = DecisionOutcomes(connection)
        self.segments = read_segments(connection, brand)
        self.exposed: list[Assignment] = []
        self.rows: list[dict[str, object]] = []
        self.currency = settle_currency(connection, brand, None, received_at)

    def take(self, arrived: Sequence[Event]) -> None:
        known = self._known(arrived)
        self.profiles.look_up(arrived)
        self.customer_ids = [event.customer_id for event in arrived]
        self.erased = erased_since(self.connection, self.lake, self.brand, self.customer_ids)
        for event in arrived:
            try:
                self._take_one(event, known)
            except FieldError as error:
                self.result.rejected.append((event.event_id, error.field, error.reason))
        self._write()

    def _take_one(self, given: Event, known: dict[tuple[str, str], Event]) -> None:
        event = self._in_accounting_currency(given)
        before = known.get((event.source, event.event_id))
        if before is not None:
            self._compare(event, before)
            return
        if self._was_erased(event):
            self.result.duplicates += 1
            return
        self.outcomes.check(event)
        self.profiles.take_identity(event)
        known[event.source, event.event_id] = event
        self.rows.append(self._row(event))
        self.result.accepted += 1
        if event.type is EventType.CUSTOMER_ERASED:
            self._erase(event)
        else:
            self.profiles.take(event)
            self.outcomes.take([event], self.profiles.root)
            self._note_exposure(event)

    def _compare(self, event: Event, before: Event) -> None:
        if event == before:
            self.result.duplicates += 1
        else:
            self.result.rejected.append((event.event_id, "event_id", CONFLICT))

    def _in_accounting_currency(self, event: Event) -> Event:
        if event.amount is None and event.list_amount is None and event.discount_amount is None:
            return event
        if self.currency is None:
            self.currency = settle_currency(self.connection, self.brand, event.currency, self.received_at)
        return in_accounting_currency(event, self.currency)

    def _was_erased(self, event: Event) -> bool:
        """Whether it says once more that its customer was erased; anything else before an erasure is refused."""
        erased_at = self.erased.get(event.customer_id)
        if erased_at is None or event.occurred_at > erased_at:
            return False
        if event.type is not EventType.CUSTOMER_ERASED:
            raise FieldError("customer_id", event.customer_id, expected_after(erased_at), "erased")
        return True

    def _note_exposure(self, event: Event) -> None:
        if event.type is EventType.EXPOSURE:
            self.exposed.append(assignment_of(event))

    def _row(self, event: Event) -> dict[str, object]:
        return {
            "brand": event.brand,
            "source": event.source,
            "event_id": event.event_id,
            "customer_id": event.customer_id,
            "type": event.type.value,
            "occurred_at": event.occurred_at,
            "received_at": self.received_at,
            "order_id": event.order_id,
            "body": body_of(event),
        }

    def _erase(self, event: Event) -> None:
        self._write()
        erase(self.connection, self.lake, self.brand, event.customer_id, event.occurred_at, self.received_at)
        self.erased = erased_since(self.connection, self.lake, self.brand, self.customer_ids)
        self.profiles.forget(event.customer_id)

    def _write(self) -> None:
        if self.rows:
            self.connection.execute(insert(events), self.rows)
            self.rows = []
        self.profiles.write()
        take_exposures(self.connection, self.brand, self.exposed, self.profiles.root)
        self.exposed = []

    def _known(self, arrived: Sequence[Event]) -> dict[tuple[str, str], Event]:
        """What the log and the lake hold under the keys of these events."""
        keys = [(event.source, event.event_id) for event in arrived]
        known: dict[tuple[str, str], Event] = {}
        for start in range(0, len(keys), _CHUNK):
            mine = (events.c.brand == self.brand) & tuple_(events.c.source, events.c.event_id).in_(
                keys[start : start + _CHUNK]
            )
            for body in self.connection.execute(select(events.c.body).where(mine)).scalars():
                event = event_of(body)
                known[event.source, event.event_id] = event
        return known | self._known_in_lake(keys)

    def _known_in_lake(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Event]:
        known: dict[tuple[str, str], Event] = {}
        for source in dict.fromkeys(source for source, _ in keys):
            held: list[Segment] = [segment for segment in self.segments if source in segment.sources]
            ids = [event_id for of_source, event_id in keys if of_source == source]
            known |= {(e.source, e.event_id): e for e in events_by_key(self.lake, held, source, ids)}
        return known
