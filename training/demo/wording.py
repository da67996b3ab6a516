"""How the demo says numbers and times, on the terminal and on the page alike."""

from collections.abc import Sequence

from features.instant import Instant, to_datetime
from training.demo.figures import DAYS
from training.demo.findings import Comparison, Power, Standing, Trial


def day(iso: str | None) -> str:
    """
    >>> day("2017-11-23T18:00:00Z"), day(None)
    ('23 Nov 2017', 'unknown')
    """
    if iso is None:
        return "unknown"
    moment = to_datetime(_instant(iso))
    return f"{moment.day} {moment:%b %Y}"


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
    low, high = money(standing.lifetime_value_low), money(standing.lifetime_value_high)
    return f"{money(standing.lifetime_value)} (80 % interval {low} to {high})"


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


def _instant(iso: str) -> Instant:
    from features.instant import parse

    return parse(iso)
