"""What a customer does again and again, put into a sentence for them, in English and Russian."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from features.consent import with_consent
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, Instant
from features.profiles import Profiles
from features.replenishment import repurchased
from features.zones import zone_named

Words = Mapping[str, str]

USUAL_SHARE = 0.4
"""A weekday that holds so much of the orders is the usual one."""
FEWEST_ORDERS = 4
"""From which a weekday is read."""
SOON_DAYS = 14
"""What runs out later is not spoken of."""

_WEEKDAYS = (
    ("Mondays", "понедельникам"),
    ("Tuesdays", "вторникам"),
    ("Wednesdays", "средам"),
    ("Thursdays", "четвергам"),
    ("Fridays", "пятницам"),
    ("Saturdays", "субботам"),
    ("Sundays", "воскресеньям"),
)
_MONTHS = (
    ("January", "января"),
    ("February", "февраля"),
    ("March", "марта"),
    ("April", "апреля"),
    ("May", "мая"),
    ("June", "июня"),
    ("July", "июля"),
    ("August", "августа"),
    ("September", "сентября"),
    ("October", "октября"),
    ("November", "ноября"),
    ("December", "декабря"),
)


class Habit(NamedTuple):
    """A product that is bought again and again; ``weekday`` counts from Monday, ``None`` where none is usual."""

    product_id: str
    every_days: float
    due_at: Instant
    weekday: int | None


def habit_of(profile: Profiles, product_ids: Collection[str] | None, as_of: Instant) -> Habit | None:
    """Of one customer, who is in ``profile``: what of these products (``None``: of all) they buy most steadily.

    Nothing of who refused the use of their purchases, and nothing of what was bought fewer than three times or given
    up; the weekday is that of all orders, in the customer's time zone.
    """
    usable = with_consent(profile)
    products = usable.products
    _, entries, days = repurchased(products.offsets, products.lines, products.decayed, products.last_at, as_of)
    found = [
        (int(products.lines[entry]), products.vocabulary[products.code[entry]], float(every), entry)
        for entry, every in zip(entries.tolist(), days.tolist(), strict=True)
        if product_ids is None or products.vocabulary[products.code[entry]] in product_ids
    ]
    if not found:
        return None
    _, product_id, every_days, entry = max(found, key=lambda one: (one[0], one[1]))
    due_at = int(products.last_at[entry]) + int(every_days * MICROSECONDS_PER_DAY)
    return Habit(product_id, every_days, due_at, _usual_weekday(usable))


def _usual_weekday(profile: Profiles) -> int | None:
    hours = profile.orders.hour
    if len(hours) < FEWEST_ORDERS:
        return None
    counts = np.bincount(hours.astype(np.int64) // 24, minlength=7)
    return int(counts.argmax()) if counts.max() >= USUAL_SHARE * len(hours) else None


def habit_words(habit: Habit, name: str, as_of: Instant, timezone: str) -> Words:
    """A sentence to the customer; ``name`` is what the product is called.

    >>> habit_words(Habit("p", 6.9, 0, 5), "Coffee", 0, "UTC")["en"]
    'Because you buy “Coffee” about every 7 days, mostly on Saturdays, and it runs out about now'
    """
    days = max(round(habit.every_days), 1)
    every = "every day" if days == 1 else f"about every {days} days"
    english, russian = f"Because you buy “{name}” {every}", f"Потому что вы покупаете «{name}» {_every(days)}"
    if habit.weekday is not None and days > 1:
        weekday = _WEEKDAYS[habit.weekday]
        english, russian = f"{english}, mostly on {weekday[0]}", f"{russian}, чаще по {weekday[1]}"
    ends = _ends(habit.due_at, as_of, timezone)
    if ends is not None:
        english, russian = f"{english}, and it runs out about {ends[0]}", f"{russian}, и запас кончится {ends[1]}"
    return {"en": english, "ru": russian}


def _every(days: int) -> str:
    return "каждый день" if days == 1 else f"примерно раз в {days} дн."


def _ends(due_at: Instant, as_of: Instant, timezone: str) -> tuple[str, str] | None:
    if due_at > as_of + SOON_DAYS * MICROSECONDS_PER_DAY:
        return None
    if due_at <= as_of:
        return "now", "примерно сейчас"
    due = datetime.fromtimestamp(due_at / MICROSECONDS_PER_SECOND, UTC).astimezone(zone_named(timezone))
    english, russian = _MONTHS[due.month - 1]
    return f"{due.day} {english}", f"примерно {due.day} {russian}"
