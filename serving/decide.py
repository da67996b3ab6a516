"""The decision: from one customer, one instant and the live offers to at most a few of them, or none."""

from serving.decision import CustomerState, Decision, DecisionRequest, Predictions
from serving.offer_table import OfferTable
from serving.policy import Policy

__all__ = ["CustomerState", "Decision", "DecisionRequest", "Predictions", "decide"]


def decide(
    request: DecisionRequest, customer: CustomerState, offers: OfferTable, predictions: Predictions, policy: Policy
) -> Decision:
    """The offers for one customer at ``request.decided_at``, drawn with a known probability; the same inputs give the same answer."""
    raise NotImplementedError
