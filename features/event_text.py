"""Any value that comes in as text, so that one value means the same however it came."""

import math
import re
from datetime import date, datetime
from decimal import Decimal

import msgspec

LONGEST_ID = 256
BLANKS = " \t"
UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]"
"""For DuckDB; text there holds no lone surrogates."""
NO_ID = rf"{UNPRINTABLE}|^[ \x{{a0}}\x{{1680}}\x{{2000}}-\x{{200a}}\x{{202f}}\x{{205f}}\x{{3000}}]*$"
"""For DuckDB: something unprintable, or nothing but what Python's ``str.strip`` takes away."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LARGEST_WHOLE_FLOAT = 2**63


def text_of(value: object) -> str | None:
    """A value of a JSON document or a Python row as text; None where there is nothing in it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None if value is None else "nan"
    if isinstance(value, str):
        return value if value.strip(BLANKS) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float | int | Decimal):
        return repr(value) if isinstance(value, float) else str(value)
    return msgspec.json.encode(value).decode()


def digits_of(value: object) -> str | None:
    """A numeric id as its decimal digits: 1.0, of a column of floats, is ``1``; NaN there is no id."""
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        if math.isfinite(value) and -_LARGEST_WHOLE_FLOAT < value < _LARGEST_WHOLE_FLOAT and value == int(value):
            return str(int(value))
    return text_of(value)


def read_id(text: str, _: str = "") -> str | None:
    return text if len(text) <= LONGEST_ID and not _UNPRINTABLE.search(text) and text.strip() else None
