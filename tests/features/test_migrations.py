from base64 import b64decode

from sqlalchemy import insert, select, text

from features import outgoing_schema
from features.batching import to_profile
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY
from features.packing import unpack
from features.profile import fold
from features.schema import profiles
from features.store import Store, open_store

PACKED_BY_THE_FIRST_REVISION = b64decode(
    """
mgHEfPvhUKAHAAAAAAAAAABg1x0UAAAAAGCSDLUAAAACAAAAAAAAAFDDAAAAAAAAAGDXHRQAAAAA4DSVZAAAAAIAAAAAAAAAIE4AAAAAAAABAAAAAAAA
AAEAAAAAAAAAAQAAAAAAAAAAYJIMtQAAAACg49CMAAAAAAC77qAAAADEpv/wAA8PACyMflRvj9xAki2x1w155UAkJa5z2mLnQB/Ux8XtJ+hASRpiXlMD
8j/yOqhtKuP7P4EaAYn9jv4/pX8gND+j/z8AAAAAAADwPwAAAAAAAPA/AAAAAAAA8D8AAAAAAADwPzPFue4vQOo/Pfm0+g+O7j9Ov3eDyILvP7+oz/vx
4O8/pUGnMbD77D/XVWz75ETvP+Rlg4kmwe8/HPusN3Xw7z+WxBCgT+K892OnK/rdVDocXBd2xBAAYNcdFAAAAADgNJVkAAAAxBAgTgAAAAAAADB1AAAA
AAAAxAgBAAAAAQAAAMQQAAAAAAAAAAAQJwAAAAAAAMQCYBiTxAjI4Qv6nSbvEMQIECcAAAAAAADECAAAAAAAAAAAlZKkbWlsa6bRh9Cw0LnECAEAAAAB
AAAAxBAgTgAAAAAAADB1AAAAAAAAxBAAYNcdFAAAAADgNJVkAAAAxBAAAAAAAADwPwAAAAAAAPA/k8QBeMQIAQAAAAAAAADECAAAAAAAAAAAkpGjd2Vi
xBgAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAACWkqJvMaJvMsQIAAAAAAEAAADEAgACxBAAoOPQjAAAAAAAu+6gAAAAxAIAAMQIAQAAAAEAAACA
"""
)


def event(number: int, kind: EventType, **fields: object) -> Event:
    return Event(
        event_id=str(number), type=kind, occurred_at=number * MICROSECONDS_PER_DAY, customer_id="anna", **fields
    )  # type: ignore[arg-type]


EVENTS = [
    event(1, EventType.PURCHASE, product_id="milk", amount=20_000, order_id="a", channel="web"),
    event(5, EventType.PURCHASE, product_id="чай", amount=30_000, order_id="b"),
    event(6, EventType.REFUND, product_id="чай", amount=10_000, order_id="b"),
    event(6, EventType.REFUND, amount=10_000, order_id="c"),
    event(7, EventType.OFFER_PRESENTED, offer_id="o1", channel="email"),
    event(8, EventType.OFFER_DECLINED, offer_id="o2"),
    event(9, EventType.VIEW, product_id="milk"),
]


def test_profiles_of_the_first_revision_are_packed_anew(store: Store) -> None:
    with store.writing() as connection:
        row = {"brand": "b", "customer_id": "anna", "body": PACKED_BY_THE_FIRST_REVISION, "last_event_at": 0}
        connection.execute(insert(profiles).values(row))
        connection.execute(text("DROP INDEX decisions_by_idempotency_key"))
        connection.execute(
            text("CREATE UNIQUE INDEX decisions_by_idempotency_key ON decisions (brand, idempotency_key)")
        )
        connection.execute(text("DROP INDEX reservations_by_customer"))
        connection.execute(text("CREATE INDEX reservations_by_customer ON reservations (brand, customer_id)"))
        connection.execute(text("CREATE INDEX reservations_by_offer ON reservations (brand, offer_id)"))
        connection.execute(text("DROP TABLE catalogues"))
        connection.execute(text("DROP TABLE policies"))
        connection.execute(text("DROP TABLE applied_policies"))
        for table in ("budget_usage", "budget_prices", "brand_revenues", "leases", "lease_holders"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("ALTER TABLE offer_usage DROP COLUMN cost_expected"))
        connection.execute(text("ALTER TABLE reservations DROP COLUMN cost_expected"))
        connection.execute(text("ALTER TABLE reservations DROP COLUMN campaign_id"))
        for table in reversed(outgoing_schema.TABLES):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text("ALTER TABLE decisions DROP COLUMN evidence"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    url = None if store.is_sqlite else store.engine.url.render_as_string(hide_password=False)

    again = open_store(store.workspace, url)

    with again.reading() as connection:
        body = connection.execute(select(profiles.c.body)).scalar_one()
    again.close()
    assert to_profile(unpack("anna", body)) == fold(EVENTS, "UTC")
