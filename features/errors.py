"""What goes wrong at a border: a field, the value that came, and what was expected instead."""

import re

LONGEST_SHOWN = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class FieldError(ValueError):
    """``amount: got 'abc', expected a decimal number ≥ 0``; ``code`` is a short word for machines."""

    def __init__(self, field: str, value: object, expected: str, code: str = "invalid") -> None:
        super().__init__(field, value, expected, code)
        self.field = field
        self.value = value
        self.expected = expected
        self.code = code

    @property
    def reason(self) -> str:
        """The message without the field's name; a value that did not come at all is ``missing``."""
        return f"{'missing' if self.value is None else f'got {shown(self.value)}'}, expected {self.expected}"

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def shown(value: object) -> str:
    """The value on one line, cut where it is long.

    >>> shown("a\\nb"), shown(1.5)
    ("'a?b'", '1.5')
    """
    text = f"'{_CONTROL.sub('?', value)}'" if isinstance(value, str) else _CONTROL.sub("?", _repr(value))
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes out no integer of more than some thousand digits
        return f"a value of {type(value).__name__} too long to write out"
