"""How the demo says numbers and times, on the terminal and on the page alike."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from features.entities import Offer
from features.instant import parse, to_datetime
from training.demo.figures import DAYS
from training.demo.findings import Card, Comparison, Power, Standing, Trial


def day(iso: str | None) -> str:
    """
    >>> day("2017-11-23T18:00:00Z"), day(None)
    ('23 Nov 2017', 'unknown')
    """
    if iso is None:
        return "unknown"
    moment = to_datetime(parse(iso))
    return f"{moment.day} {moment:%b %Y}"


def moment(iso: str, timezone: str) -> str:
    """
    >>> moment("2017-11-23T18:00:00Z", "America/New_York")
    'Thu 23 Nov 2017, 13:00 local time'
    """
    local = to_datetime(parse(iso)).astimezone(ZoneInfo(timezone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} local time"


def when(answer: dict[str, Any], timezone: str) -> str:
    """How and when an answer is to reach the customer."""
    channel = answer["channel"] or "any channel"
    return f"{channel}, {moment(answer['send_at'], timezone)}" if answer["send_at"] else f"{channel}, at once"


def title(offer: Offer) -> str:
    return (offer.words or {}).get("en") or offer.name or offer.offer_id


def hour_of_week(hour: int) -> str:
    """
    >>> hour_of_week(41)
    'Tue 17:00'
    """
    return f"{DAYS[hour // 24]} {hour % 24}:00"


def words(code: str) -> str:
    """
    >>> words("not_bought_before")
    'not bought before'
    """
    return code.replace("_", " ")


def money(amount: float) -> str:
    return f"${amount:,.2f}"


def days(count: float) -> str:
    """
    >>> days(1.04), days(12.6)
    ('1 day', '13 days')
    """
    shown = f"{count:.1f}".removesuffix(".0") if count < 10 else f"{count:.0f}"
    return f"{shown} day" if shown == "1" else f"{shown} days"


def figure_of(comparison: Comparison, value: float) -> str:
    """A metric with as many decimals as it deserves."""
    return f"{value:.2f}" if "$" in comparison.metric else f"{value:.3f}"


def rhythm(standing: Standing) -> str:
    return f"usually every {days(standing.usual_gap_days)}, last {days(standing.days_since_last_order)} ago"


def interval(standing: Standing) -> str:
    return _interval(standing.lifetime_value, standing.lifetime_value_low, standing.lifetime_value_high)


def interval_of(row: dict[str, Any]) -> str:
    """Of a row of ``/score``."""
    return _interval(row["lifetime_value"], row["lifetime_value_low"], row["lifetime_value_high"])


def _interval(mean: float, low: float, high: float) -> str:
    return f"{money(mean)} (80 % interval {money(low)} to {money(high)})"


def time_taken(card: Card) -> str:
    """What the milliseconds hold."""
    told = []
    if card.is_put_back:
        told.append(
            "This household's events go on after the clock, so the service first had to put its profile back to the "
            "clock, from the log; most of the milliseconds are that. It does not happen where the clock is the present."
        )
    if card.usual is not None:
        usual = f"{card.usual.median_milliseconds:.1f} ms in the median, HTTP and its logging on disk included"
        told.append(f"For {card.usual.households} households asked one after the other an answer took {usual}.")
    return " ".join(told)


def enough(trials: Sequence[Trial], effect: float) -> str:
    """The gentlest trials that find an effect: of each control share the fewest weeks."""
    found: dict[float, int] = {}
    for trial in trials:
        if trial.detectable <= effect:
            found.setdefault(trial.control_share, trial.weeks)
    if not found:
        return f"none of these trials would find a change of {effect:.0%}"
    parts = [f"{share:.0%} of the households left unmailed for {weeks} weeks" for share, weeks in found.items()]
    return f"a change of {effect:.0%} is found with " + ", or with ".join(parts)


def needed(power: Power) -> str:
    parts = [f"{count:,} for {effect}" for effect, count in power.households_for.items()]
    asked = f"Households needed for {power.weeks} weeks, half of them in control"
    return f"{asked}: {', '.join(parts)}; there are {power.households:,}."
