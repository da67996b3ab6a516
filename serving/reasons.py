"""Why an offer was chosen, why none was, and what had to be done without."""

from serving.customer_history import CustomerHistory
from serving.decision import CustomerState, Predictions
from serving.offer_table import OfferTable
from serving.refusal import WORDS, Codes, Refusal
from serving.words import BASES, BEFORE, EXPLORED, FIRST, FREE, LIKELY, NEW, OFTEN, PRIOR, RISK

OFTEN_LINES = 3
LIKELY_AFFINITY = 0.25
HIGH_RISK = 0.5

NO_OFFERS = "no_offers"
NOTHING_ELIGIBLE = "nothing_eligible"
NOTHING_WORTH_IT = "nothing_worth_its_cost"
NO_RULE_MATCHES = "no_rule_matches"
"""Where a present rule is imitated."""


def reasons_for(
    row: int,
    offers: OfferTable,
    history: CustomerHistory,
    predictions: Predictions,
    *,
    is_explored: bool,
    by_rule: str | None = None,
) -> tuple[str, ...]:
    """The reasons for one offer, the one that speaks most for it first; what its response rests on always last.

    ``by_rule`` is the reason where it is no model's but a rule's.
    """
    reasons = [] if by_rule is None else [by_rule]
    if not offers.targets.is_everything[row]:
        lines = history.target_lines[row]
        reasons.append(OFTEN if lines >= OFTEN_LINES else BEFORE if lines else NEW)
        if predictions.affinity is not None and predictions.affinity[row] >= LIKELY_AFFINITY:
            reasons.append(LIKELY)
    if (predictions.churn_probability or 0.0) >= HIGH_RISK:
        reasons.append(RISK)
    if offers.worth.cost_fixed[row] == 0 and offers.worth.cost_share[row] == 0:
        reasons.append(FREE)
    if offers.offers[row].priority > 0:
        reasons.append(FIRST)
    if is_explored:
        reasons.append(EXPLORED)
    response = predictions.response
    return (*reasons, PRIOR if response is None else BASES[int(response.basis[row])])


def no_offer_reason(codes: Codes, *, is_blocked: bool, is_explored: bool) -> str:
    """Why the answer is empty: the one refusal that all offers met, where it was one."""
    if is_blocked:
        return Refusal.CONTACT_BLOCKED.word
    if is_explored:
        return EXPLORED
    if not codes.size:
        return NO_OFFERS
    if (codes == 0).any():
        return NOTHING_WORTH_IT
    first = codes[0]
    return WORDS[first] if (codes == first).all() else NOTHING_ELIGIBLE


def fallback_of(customer: CustomerState, offers: OfferTable, predictions: Predictions) -> str | None:
    """What the decision had to do without, or ``None``."""
    missing = []
    if customer.profile is None:
        missing.append("unknown_customer" if customer.customer is None else "no_history")
    if not offers.offers:
        missing.append("no_offers")
    if not predictions.model_versions:
        missing.append("no_models")
    elif predictions.fallbacks:
        missing.append("missing: " + ", ".join(sorted(predictions.fallbacks)))
    if predictions.missing_versions:
        named = (f"{model} {version}" for model, version in sorted(predictions.missing_versions.items()))
        missing.append("missing version: " + ", ".join(named))
    return "; ".join(missing) or None
