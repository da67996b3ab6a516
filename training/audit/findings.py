"""All that an audit found, and what it has to say that it cannot know."""

from dataclasses import dataclass

from features.store import Store
from training.audit.randomisation import Randomisation, randomisation_of
from training.audit.selection import Selection, selection_of
from training.audit.sure_buyers import SureBuyers, sure_buyers_of
from training.audit.waves import Log, Panel, opened_log, read_log, read_panel
from training.telling import Telling

RANDOM_AUC = 0.55
"""Up to here who was treated looks like chance."""
UNLIKE = 0.1
"""A standardised difference of means from here on is one (Austin 2009)."""
CALIBRATED = 0.05


@dataclass(frozen=True, slots=True)
class Findings:
    brand: str
    currency: str | None
    log: Log
    panel: Panel
    selection: Selection
    sure_buyers: SureBuyers
    randomisation: Randomisation
    margin_rate: float
    unknown: tuple[str, ...]


def find(
    store: Store,
    brand: str,
    currency: str | None,
    *,
    horizon_days: int,
    margin_rate: float,
    most_customers: int,
    seed: int,
    tell: Telling,
) -> Findings:
    """
    Raises
    ------
    NotEnoughData
        If nobody was treated, nobody bought, or no week of treatments has enough before and after it.
    """
    tell("reading the log")
    with opened_log(store, brand) as duck:
        log = read_log(duck)
        tell("what was known before each wave, and what came after")
        panel = read_panel(store, brand, duck, log, horizon_days, most_customers, seed)
    tell("who was treated, and who would have bought anyway")
    selection = selection_of(panel, seed)
    sure_buyers = sure_buyers_of(panel, selection.learned)
    randomisation = randomisation_of(panel, selection.learned, selection.adjusted, margin_rate)
    unknown = tuple(unknowns(log, panel, selection, sure_buyers))
    return Findings(brand, currency, log, panel, selection, sure_buyers, randomisation, margin_rate, unknown)


def unknowns(log: Log, panel: Panel, selection: Selection, sure_buyers: SureBuyers) -> list[str]:
    """What cannot be known from this log, most important first."""
    found = [*_unknown_of_treatment(log, selection), *_unknown_of_cost(log, sure_buyers)]
    if panel.wave.max() == 0:
        found.append("Whether this week was like others: only one wave has enough before and after it.")
    if panel.drawn < 1:
        found.append(
            f"Sums over everybody: {panel.drawn:.1%} of the customers were drawn by chance to be looked at, and what "
            "was given away is counted of them alone."
        )
    return found


def _unknown_of_treatment(log: Log, selection: Selection) -> list[str]:
    found = []
    if not log.controls:
        found.append(
            "Whether any offer changed anything. Nobody was left alone by chance, so those without an offer differ "
            "from those with one in ways that the log may not show; what follows allows only for what it does show."
        )
    if not log.with_propensity:
        found.append(
            "What another way of choosing would have earned. That takes the probability of each offer at the time, and "
            "none was logged."
        )
    if log.treatment == "offer_accepted":
        found.append(
            "Who was offered anything. Only acceptances are logged: those who saw an offer and left it look like those "
            "who never saw one, so every effect below is too large."
        )
    if log.treatment == "message_sent":
        found.append("What the messages offered: they are taken as offers, all alike.")
    if selection.auc > 0.95 or selection.comparable < 0.5:
        found.append(
            f"Anything about {1 - selection.comparable:.0%} of the treated: a rule chose them, and nobody like them "
            "went without."
        )
    return found


def _unknown_of_cost(log: Log, sure_buyers: SureBuyers) -> list[str]:
    found = []
    if not sure_buyers.knows_costs:
        found.append("What the offers cost: no purchase says its discount_amount.")
    elif not log.names_offers:
        found.append(
            "Which discount belongs to which offer: no purchase names its offer_id, so all discounts of the treated "
            "count."
        )
    if sure_buyers.calibration_error > CALIBRATED:
        found.append(
            f"Exactly who would have bought anyway: the chances are off by {sure_buyers.calibration_error:.1%} on "
            "average where they can be checked."
        )
    return found


def verdict(selection: Selection) -> str:
    """On how customers were chosen, in a sentence."""
    if selection.auc <= RANDOM_AUC:
        return "Who was chosen looks like chance, as far as the log shows."
    unlike = sum(abs(one.difference) >= UNLIKE for one in selection.balance)
    return (
        f"Who was chosen can be told beforehand (AUC {selection.auc:.2f}; 0.5 would be chance), and the chosen differ "
        f"clearly in {unlike} of {len(selection.balance)} habits compared."
    )
