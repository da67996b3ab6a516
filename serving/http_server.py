"""The little that is known here of uvicorn, the HTTP server of a BentoML worker. Without it answers only cost more."""

import logging
from typing import Any


def leave_out_access_log() -> None:
    """Have uvicorn make no line of its access log for each request where that log's level shows none.

    uvicorn asks only whether there is a handler, of its own or above, not at which level; it asks for each connection.
    """
    access = logging.getLogger("uvicorn.access")
    if not access.isEnabledFor(logging.INFO):
        access.propagate = False


class OneWrite:
    """Stands in for a connection's transport while one answer is sent: its first write waits for its second.

    uvicorn writes the head and the body of an answer apart, and uvloop sends each at once: two system calls and two
    packets, for which the caller is woken twice.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""
        self._is_held = False

    def write(self, data: bytes) -> None:
        if not self._is_held:
            self._head, self._is_held = data, True
            return
        if not self._transport.is_closing():  # else the client has gone, and uvicorn not heard of it yet
            self._transport.write(self._head + data)
        self._head = b""

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def flush(self) -> None:
        """Send a head that no body follows, as of the answer to HEAD."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Whatever else another uvicorn may ask of a transport, nothing being held back any more."""
        self.flush()
        return getattr(self._transport, name)
