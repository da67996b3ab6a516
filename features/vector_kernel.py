"""The arithmetic of the feature vector, compiled: one pass over each customer's orders, products and behaviour.

Every function fills columns of ``out`` (one row a customer); NaN stays where there is nothing to compute from.
"""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY, Instant
from features.money import MONEY_SCALE
from features.statistics import HALF_LIVES_DAYS, NEVER_LAST, PRODUCT_HALF_LIFE_DAYS

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

WINDOWS_DAYS = (14, 30, 60, 90, 180)

ORDER_FEATURES: tuple[str, ...] = (
    "tenure_days",
    "days_since_first_order",
    "days_since_last_order",
    "orders",
    "spend",
    "mean_order_amount",
    "order_amount_deviation",
    "last_order_amount",
    "mean_order_lines",
    "mean_gap_days",
    "gap_deviation_days",
    "last_gap_days",
    "mean_of_last_three_gaps_days",
    "longest_gap_days",
    "recency_over_mean_gap",
    "recency_over_longest_gap",
    "share_of_gaps_longer_than_recency",
    "discount_share",
    "refund_share",
    "weekend_share",
    "top_hour_share",
    *(f"orders_in_{days}_days" for days in WINDOWS_DAYS),
    *(f"spend_in_{days}_days" for days in WINDOWS_DAYS),
    *(f"orders_decayed_{half_life}" for half_life in HALF_LIVES_DAYS),
    *(f"spend_decayed_{half_life}" for half_life in HALF_LIVES_DAYS),
    *(f"refunded_decayed_{half_life}" for half_life in HALF_LIVES_DAYS),
    "trend_of_orders",
    "trend_of_spend",
)
PRODUCT_FEATURES: tuple[str, ...] = (
    "distinct_products",
    "repeat_product_share",
    "top_product_share",
    "products_decayed_90",
    "products_in_30_days",
)

_WINDOWS = np.array(WINDOWS_DAYS, dtype=np.float64)
_N_WINDOWS = len(WINDOWS_DAYS)
_N_HALF_LIVES = len(HALF_LIVES_DAYS)
_FIRST_WINDOW = ORDER_FEATURES.index(f"orders_in_{WINDOWS_DAYS[0]}_days")
_FIRST_DECAYED = ORDER_FEATURES.index(f"orders_decayed_{HALF_LIVES_DAYS[0]}")
_TREND = ORDER_FEATURES.index("trend_of_orders")
_SHORT, _LONG = HALF_LIVES_DAYS.index(30), HALF_LIVES_DAYS.index(365)
_DAY = float(MICROSECONDS_PER_DAY)
_MONEY = float(MONEY_SCALE)
_PRODUCT_HALF_LIFE = PRODUCT_HALF_LIFE_DAYS * _DAY
_SATURDAY = 120
_TINY = 1e-12


@compiled
def fill_order_features(
    out: Floats,
    offsets: Integers,
    first_at: Integers,
    amount: Integers,
    lines: Integers,
    refunded: Integers,
    hour: NDArray[np.uint8],
    integers: Integers,
    decayed: Floats,
    scalars: Integers,
    spend: Integers,
    half_lives: Floats,
    as_of: Instant,
) -> None:
    """``scalars`` and ``spend`` say which columns of ``integers`` and ``decayed`` hold what is needed here."""
    counts = np.zeros(HOURS_PER_WEEK, dtype=np.int64)
    for row in range(out.shape[0]):
        start, end = offsets[row], offsets[row + 1]
        features = out[row]
        first_event, last_event = integers[row, scalars[0]], integers[row, scalars[1]]
        if last_event == NEVER_LAST:
            continue
        features[0] = (as_of - first_event) / _DAY
        _fill_sums(features, start, end, first_at, amount, refunded, half_lives, as_of)
        for k in range(_N_HALF_LIVES):
            factor = 2.0 ** (-(as_of - last_event) / half_lives[k])
            features[_FIRST_DECAYED + _N_HALF_LIVES + k] = decayed[row, spend[k]] * factor / _MONEY
        if end == start:
            continue
        _fill_amounts(features, start, end, amount, lines, integers[row], scalars)
        _fill_gaps(features, start, end, first_at, as_of)
        _fill_hours(features, start, end, hour, counts)
        _fill_trends(features)


@compiled
def _fill_sums(
    features: Floats,
    start: int,
    end: int,
    first_at: Integers,
    amount: Integers,
    refunded: Integers,
    half_lives: Floats,
    as_of: Instant,
) -> None:
    """Counts and sums of orders in windows, and decayed."""
    features[3] = end - start
    for k in range(2 * _N_WINDOWS):
        features[_FIRST_WINDOW + k] = 0.0
    for k in range(3 * _N_HALF_LIVES):
        features[_FIRST_DECAYED + k] = 0.0
    for i in range(start, end):
        age = float(as_of - first_at[i])
        for k in range(_N_WINDOWS):
            if age <= _WINDOWS[k] * _DAY:
                features[_FIRST_WINDOW + k] += 1.0
                features[_FIRST_WINDOW + _N_WINDOWS + k] += amount[i] / _MONEY
        for k in range(_N_HALF_LIVES):
            weight = 2.0 ** (-age / half_lives[k])
            features[_FIRST_DECAYED + k] += weight
            if refunded[i] > 0:
                features[_FIRST_DECAYED + 2 * _N_HALF_LIVES + k] += weight * refunded[i] / _MONEY


@compiled
def _fill_amounts(
    features: Floats, start: int, end: int, amount: Integers, lines: Integers, integers: Integers, scalars: Integers
) -> None:
    n = end - start
    total, squares, line_count = 0.0, 0.0, 0.0
    for i in range(start, end):
        value = amount[i] / _MONEY
        total += value
        squares += value * value
        line_count += lines[i]
    mean = total / n
    features[4] = total
    features[5] = mean
    features[6] = np.sqrt(max(squares / n - mean * mean, 0.0))
    features[7] = amount[end - 1] / _MONEY
    features[8] = line_count / n
    discount = integers[scalars[3]] / _MONEY
    if total + discount > 0.0:
        features[17] = discount / (total + discount)
    if total > 0.0:
        features[18] = integers[scalars[4]] / _MONEY / total


@compiled
def _fill_gaps(features: Floats, start: int, end: int, first_at: Integers, as_of: Instant) -> None:
    """Days between the first times of successive orders, and how the time since the last one compares."""
    recency = (as_of - first_at[end - 1]) / _DAY
    features[1] = (as_of - first_at[start]) / _DAY
    features[2] = recency
    gaps = end - start - 1
    if gaps < 1:
        return
    total, squares, longest, longer = 0.0, 0.0, 0.0, 0.0
    for i in range(start + 1, end):
        gap = (first_at[i] - first_at[i - 1]) / _DAY
        total += gap
        squares += gap * gap
        longest = max(longest, gap)
        longer += 1.0 if gap > recency else 0.0
    mean = total / gaps
    features[9] = mean
    features[10] = np.sqrt(max(squares / gaps - mean * mean, 0.0))
    features[11] = (first_at[end - 1] - first_at[end - 2]) / _DAY
    recent = min(gaps, 3)
    features[12] = (first_at[end - 1] - first_at[end - 1 - recent]) / _DAY / recent
    features[13] = longest
    features[14] = recency / max(mean, _TINY)
    features[15] = recency / max(longest, _TINY)
    features[16] = longer / gaps


@compiled
def _fill_hours(features: Floats, start: int, end: int, hour: NDArray[np.uint8], counts: Integers) -> None:
    """``counts`` is scratch, left as it came: all zeros."""
    weekend, top = 0, 0
    for i in range(start, end):
        counts[hour[i]] += 1
        top = max(top, counts[hour[i]])
        weekend += 1 if hour[i] >= _SATURDAY else 0
    for i in range(start, end):
        counts[hour[i]] = 0
    features[19] = weekend / (end - start)
    features[20] = top / (end - start)


@compiled
def _fill_trends(features: Floats) -> None:
    """The recent rate over the long-run one; 1 is steady."""
    orders, spend = _FIRST_DECAYED, _FIRST_DECAYED + _N_HALF_LIVES
    scale = 365.0 / 30.0
    features[_TREND] = scale * features[orders + _SHORT] / max(features[orders + _LONG], _TINY)
    features[_TREND + 1] = scale * features[spend + _SHORT] / max(features[spend + _LONG], _TINY)


@compiled
def fill_product_features(
    out: Floats,
    column: int,
    offsets: Integers,
    lines: Integers,
    last_at: Integers,
    decayed: Floats,
    as_of: Instant,
) -> None:
    for row in range(out.shape[0]):
        start, end = offsets[row], offsets[row + 1]
        if end == start:
            continue
        repeats, total, top, fading, recent = 0, 0, 0, 0.0, 0
        for i in range(start, end):
            repeats += 1 if lines[i] > 1 else 0
            total += lines[i]
            top = max(top, lines[i])
            age = float(as_of - last_at[i])
            fading += decayed[i] * 2.0 ** (-age / _PRODUCT_HALF_LIFE)
            recent += 1 if age <= 30.0 * _DAY else 0
        out[row, column] = end - start
        out[row, column + 1] = repeats / (end - start)
        out[row, column + 2] = top / total
        out[row, column + 3] = fading
        out[row, column + 4] = recent


@compiled
def fill_behaviour_features(
    out: Floats,
    column: int,
    integers: Integers,
    decayed: Floats,
    counts: Integers,
    lasts: Integers,
    decayed_columns: Integers,
    half_lives: Floats,
    last_event: int,
    as_of: Instant,
) -> None:
    """Per behaviour: its count, the days since the last one, its decayed counts."""
    for row in range(out.shape[0]):
        last = integers[row, last_event]
        if last == NEVER_LAST:
            continue
        for b in range(counts.size):
            at = column + b * (2 + half_lives.size)
            out[row, at] = integers[row, counts[b]]
            if integers[row, lasts[b]] != NEVER_LAST:
                out[row, at + 1] = (as_of - integers[row, lasts[b]]) / _DAY
            for k in range(half_lives.size):
                factor = 2.0 ** (-(as_of - last) / half_lives[k])
                out[row, at + 2 + k] = decayed[row, decayed_columns[b, k]] * factor
