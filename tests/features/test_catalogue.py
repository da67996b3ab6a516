from features.catalogue import (
    catalogue_version,
    read_customer,
    read_customers,
    read_offers,
    read_products,
    upsert_customers,
    upsert_offers,
    upsert_products,
)
from features.entities import CapPerCustomer, Customer, Offer, OfferKind, Product, Schedule, Target
from features.store import Store

NOW = 1_700_000_000_000_000

EVERYTHING = Offer(
    offer_id="o",
    kind=OfferKind.CASHBACK,
    value=5.0,
    depths=(5.0, 10.0),
    target=Target(products=("p1",), categories=("dairy",)),
    valid_from=NOW,
    schedule=Schedule(weekdays=(0, 6), hours=(9,)),
    cap_per_customer=CapPerCustomer(count=1, days=7.0),
    budget=10_000_000,
    words={"en": "Five per cent back", "ru": "Вернём пять процентов"},
    properties={"note": ["any", {"thing": 1}]},
)


def test_offer_comes_back_as_it_was_written(store: Store) -> None:
    with store.writing() as connection:
        assert upsert_offers(connection, [EVERYTHING], NOW) == 1

    with store.reading() as connection:
        assert read_offers(connection, "default") == [EVERYTHING]


def test_later_row_takes_the_place_of_the_former(store: Store) -> None:
    with store.writing() as connection:
        upsert_products(connection, [Product(product_id="a", name="old"), Product(product_id="b")], NOW)
        upsert_products(connection, [Product(product_id="a", name="older"), Product(product_id="a", name="new")], NOW)

    with store.reading() as connection:
        assert read_products(connection, "default") == [Product(product_id="a", name="new"), Product(product_id="b")]


def test_nothing_crosses_brands(store: Store) -> None:
    with store.writing() as connection:
        upsert_products(connection, [Product(product_id="a", brand="north")], NOW)
        upsert_customers(connection, [Customer(customer_id="a", brand="north")], NOW)

    with store.reading() as connection:
        assert read_products(connection, "south") == []
        assert read_customer(connection, "south", "a") is None


def test_of_several_brands_the_first_gives_the_product(store: Store) -> None:
    rows = [Product(product_id=name, brand=brand) for name, brand in (("a", "child"), ("a", "parent"), ("b", "parent"))]
    with store.writing() as connection:
        upsert_products(connection, rows, NOW)

    with store.reading() as connection:
        assert read_products(connection, "child", "parent") == [rows[0], rows[2]]


def test_customers_are_read_one_by_one(store: Store) -> None:
    customers = [Customer(customer_id=str(number), attributes={"n": float(number)}) for number in range(30)]
    with store.writing() as connection:
        upsert_customers(connection, customers, NOW)

    with store.reading() as connection:
        assert sorted(read_customers(connection, "default"), key=lambda row: int(row.customer_id)) == customers
        assert read_customer(connection, "default", "7") == customers[7]


def test_catalogue_version_grows_though_the_clock_stands_still(store: Store) -> None:
    versions = []
    for offer_id in ("a", "b", "b"):
        with store.writing() as connection:
            upsert_offers(connection, [Offer(offer_id=offer_id)], NOW)
            versions.append(catalogue_version(connection))

    assert versions == sorted(set(versions))


def test_no_rows_are_no_write(store: Store) -> None:
    with store.writing() as connection:
        assert upsert_customers(connection, [], NOW) == 0
