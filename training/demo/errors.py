"""What stops the demo."""


class DemoError(Exception):
    """A step that failed, in the words of whoever failed; ``said`` is the end of what the command wrote."""

    def __init__(self, what: str, said: str = "") -> None:
        super().__init__(what)
        self.said = said
