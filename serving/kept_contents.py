"""Catalogues and policies that decisions name: in the store before, or together with, the first decision that does."""

from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy import Connection, Table, select

from features.instant import Instant
from features.schema import catalogues, policies
from features.store import insert_new
from serving.catalogue_content import Content, compressed, read_content
from serving.offer_evaluation import Case
from serving.offer_table import OfferTable, content
from serving.policy import Policy
from serving.policy_version import policy_body, policy_of, policy_version


class KeptContents:
    """Remembers what it found in the store, so that it looks but once."""

    def __init__(self) -> None:
        self._found: set[tuple[str, str, str]] = set()

    def keep(self, connection: Connection, cases: Iterable[Case], now: Instant) -> None:
        """Have what the cases were made of in the store when the transaction is.

        What was written here may be undone yet, so only what was there before is remembered.
        """
        for case in cases:
            brand, offers, policy = case.request.brand, case.offers, case.policy
            self._keep(connection, catalogues, brand, offers.version, partial(_catalogue_body, offers), now)
            self._keep(connection, policies, brand, policy_version(policy), partial(policy_body, policy), now)

    def _keep(
        self,
        connection: Connection,
        table: Table,
        brand: str,
        version: str,
        body: Callable[[], bytes | str],
        now: Instant,
    ) -> None:
        key = (table.name, brand, version)
        if key in self._found:
            return
        if _body(connection, table, brand, version) is not None:
            self._found.add(key)
            return
        row = {"brand": brand, "version": version, "body": body(), "created_at": now}
        connection.execute(insert_new(connection, table), row)


def _catalogue_body(offers: OfferTable) -> bytes:
    return compressed(content(offers))


def read_catalogue(connection: Connection, brand: str, version: str) -> Content | None:
    body = _body(connection, catalogues, brand, version)
    return None if body is None else read_content(body)


def read_policy(connection: Connection, brand: str, version: str) -> Policy | None:
    body = _body(connection, policies, brand, version)
    return None if body is None else policy_of(body)


def _body(connection: Connection, table: Table, brand: str, version: str) -> bytes | None:
    query = select(table.c.body).where(table.c.brand == brand, table.c.version == version)
    body: bytes | None = connection.execute(query).scalar()
    return body
