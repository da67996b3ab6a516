"""Which household the card is about, and what is known of it: chosen by a rule that sees neither answer nor future."""

from typing import TYPE_CHECKING, Any

import numpy as np

from features.entities import Customer
from features.profiles import Profiles
from features.vector import FEATURES
from training.demo.findings import Standing
from training.demo.future import Predictions

if TYPE_CHECKING:
    from features.history import Snapshot

RULE = (
    "Chosen by a rule: of the households that redeemed a coupon before the clock and run a medium risk "
    "of staying away, the one expected to spend most."
)
WITHOUT_RULE = "No household fits the demo's rule: this is the one expected to spend most."
SHOWN = 5
_ACCEPTED = "offers_accepted"
_FEATURE = {name: FEATURES.index(name) for name in ("mean_gap_days", "days_since_last_order", "mean_order_amount")}


def choose_household(snapshot: "Snapshot", predicted: Predictions) -> tuple[str, str]:
    """The customer's id, and how it was chosen."""
    spend, medium = np.asarray(predicted.spend.mean), np.array([band == "medium" for band in predicted.bands])
    fitting = np.flatnonzero(medium & (snapshot.profiles.column(_ACCEPTED) > 0))
    rows = fitting if fitting.size else np.arange(len(spend))
    household = snapshot.profiles.customer_ids[int(rows[np.argmax(spend[rows])])]
    return household, RULE if fitting.size else WITHOUT_RULE


def standing(row: dict[str, Any], snapshot: "Snapshot", customer: Customer | None, timezone: str) -> Standing:
    """From the household's row of ``/score`` and its profile at the clock."""
    position = snapshot.profiles.customer_ids.index(row["customer_id"])
    features = snapshot.features[position]
    attributes = (customer.attributes if customer else None) or {}
    favourites = zip(row["favourite_products"], row["favourite_scores"], strict=True)
    return Standing(
        customer_id=row["customer_id"],
        segment=row["rfm_segment"],
        attributes={name.replace("_", " "): str(value) for name, value in attributes.items() if value is not None},
        orders=_orders(snapshot.profiles, position),
        usual_gap_days=float(features[_FEATURE["mean_gap_days"]]),
        days_since_last_order=float(features[_FEATURE["days_since_last_order"]]),
        spend_per_order=float(features[_FEATURE["mean_order_amount"]]),
        expected_next_purchase_at=row["expected_next_purchase_at"],
        churn_probability=row["churn_probability"],
        risk_band=row["churn_risk_band"],
        lifetime_value=row["lifetime_value"],
        lifetime_value_low=row["lifetime_value_low"],
        lifetime_value_high=row["lifetime_value_high"],
        hours=row["send_time_scores"],
        timezone=(customer.timezone if customer else None) or timezone,
        running_out=[(due["product_id"], due["due_at"]) for due in row["replenishment"][:SHOWN]],
        favourites=list(favourites)[:SHOWN],
    )


def _orders(profiles: Profiles, position: int) -> int:
    return int(profiles.orders.offsets[position + 1] - profiles.orders.offsets[position])
