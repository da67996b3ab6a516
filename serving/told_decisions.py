"""Decisions kept, and those told who listen, in one transaction: what was answered is told, what was not is not."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from serving.decision_log import Entry, Kept, record
from serving.environment import system_clock
from serving.kept_contents import KeptContents
from serving.listeners import Listeners
from serving.told_events import DECISION_MADE, decision_made
from serving.webhook_outbox import enqueue


def record_and_tell(
    connection: Connection, entries: Sequence[Entry], *, lake: Path, contents: KeptContents, listeners: Listeners
) -> list[Kept]:
    """:func:`serving.decision_log.record`, told; of whoever must not be contacted nothing is told."""
    kept = record(connection, entries, lake=lake, contents=contents)
    if listeners.any():
        told = [
            decision_made(one.decision, entry.request.brand, entry.request.customer_id)
            for entry, one in zip(entries, kept, strict=True)
            if one.decision is not None
            and not one.decision.is_of_block
            and listeners.want(entry.request.brand, DECISION_MADE)
        ]
        enqueue(connection, told, system_clock())
    return kept
