"""What experiments may ask of a customer before they take one in."""

from collections.abc import Mapping, Sequence

from experiments.design import Experiment
from features.instant import Instant
from features.segments import rfm_segments
from features.vector import vector
from serving.customer_facts import moment_of, state
from serving.decision import CustomerState


def facts_of(
    experiments: Sequence[Experiment], customer: CustomerState, channel: str | None, now: Instant
) -> Mapping[str, str | None]:
    """The facts that :class:`experiments.design.Experiment` names; the segment only where one asks for it."""
    tier = state(customer, "tier") or (customer.customer.tier if customer.customer else None)
    facts = {"channel": channel, "tier": None if tier is None else str(tier)}
    if customer.profile is not None and any("segment" in one.eligibility for one in experiments):
        facts["segment"] = rfm_segments(vector(customer.profile, moment_of(customer.profile, now)))[0]
    return facts
