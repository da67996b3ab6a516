"""Not too much, and not again what was refused: what a customer was offered before bars some of what could be."""

from collections.abc import Sequence

import numpy as np

from features.instant import Instant
from serving.decision import OfferUse
from serving.eligibility import Declines
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.refusal import Codes, Refusal
from serving.rule_columns import Flags
from serving.rule_table import Labelled, OfferLimit, RuleTable


def refuse_overload(
    codes: Codes,
    table: RuleTable,
    offers: OfferTable,
    uses: Sequence[OfferUse],
    now: Instant,
    channel: str | None,
    most: int,
) -> tuple[int, tuple[Labelled, ...]]:
    """Refuse what the gaps and caps leave no room for.

    Of a menu of up to ``most`` offers it tells how many may be in it at all, and how many of some of them.
    """
    held = [use for use in uses if use.is_held_at(now)] if table.limits else []
    within: list[Labelled] = []
    for limit in table.limits:
        terms = limit.terms
        if terms.channels and channel not in terms.channels:
            continue
        left = terms.count - made_between(limit, offers, held, now - limit.window, now)
        if left <= 0:
            refusal = Refusal.TOO_SOON if terms.is_gap else Refusal.OFFERED_ENOUGH
            np.putmask(codes, (codes == 0) & limit.rows, refusal)
        elif not terms.is_gap and terms.scope.is_everything:
            most = min(most, left)
        elif not terms.is_gap and left < most:
            within.append(Labelled(limit.rows.astype(np.int64) - 1, left))
    return most, tuple(within)


def made_between(
    limit: OfferLimit, offers: OfferTable, held: Sequence[OfferUse], after: Instant, until: Instant
) -> int:
    """How many offers that the limit counts were made after one instant and until the other."""
    terms, index = limit.terms, offers.rules.index
    made = 0
    for use in held:
        if not after < use.decided_at <= until or (terms.channels and use.channel not in terms.channels):
            continue
        row = index.get(use.offer_id)
        made += terms.scope.is_everything or (row is not None and bool(limit.rows[row]))
    return made


def refuse_similar(
    codes: Codes, table: RuleTable, offers: OfferTable, declines: Declines, now: Instant, policy: Policy
) -> None:
    """Refuse what is like an offer that was declined, in what the policy says."""
    since = now - policy.decline_suppression
    for offer_id, at in declines:
        if since < at <= now:
            alike = _alike(table, offers, offers.rules.index.get(offer_id), policy)
            np.putmask(codes, (codes == 0) & alike, Refusal.SIMILAR_DECLINED)


def _alike(table: RuleTable, offers: OfferTable, row: int | None, policy: Policy) -> Flags:
    count = len(offers.offers)
    if policy.decline_scope == "all":
        return np.ones(count, dtype=np.bool_)
    found = np.zeros(count, dtype=np.bool_)
    if row is None:
        return found
    columns = {
        "category": [table.categories],
        "kind": [table.kinds],
        "group": [offers.group, *(group.labels for group in table.groups)],
    }
    for labels in columns.get(policy.decline_scope, []):
        if labels[row] >= 0:
            found |= labels == labels[row]
    return found
