"""What goes wrong at a border: a field, the value that came, and what was expected instead."""


class FieldError(ValueError):
    """``amount: got 'abc', expected a decimal number ≥ 0``; ``code`` is a short word for machines."""

    def __init__(self, field: str, value: object, expected: str, code: str = "invalid") -> None:
        super().__init__(field, value, expected, code)
        self.field = field
        self.value = value
        self.expected = expected
        self.code = code

    def __str__(self) -> str:
        shown = repr(self.value)
        return f"{self.field}: got {shown if len(shown) <= 100 else shown[:99] + '…'}, expected {self.expected}"
