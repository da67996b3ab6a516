"""Which messages went to each customer, when, by which channel, and whether they were answered, by aggregation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from features.facts import message_key
from features.profile_tables import Messages, offsets_of
from features.statistics import ANSWERS, NEVER_FIRST, OF_MESSAGE, SENT
from features.zones import local_hours

Table = Any


def messages_by_row(facts: Table, n: int, zones: Sequence[str]) -> Messages:
    """The messages with an id of the customers numbered 0 to n - 1; zones are theirs."""
    named = facts.filter(facts.message_id.notnull() & facts.facet.isin((*SENT, *ANSWERS)))
    channel = named.channel.min(where=named.facet.isin(SENT)).fill_null("")
    statistics = {statistic.name: statistic.aggregate(named) for statistic in OF_MESSAGE}
    table = named.group_by("row", "message_id").aggregate(**statistics, channel=channel).to_pyarrow()
    rows, sent, answered = (table[name].to_numpy().astype(np.int64) for name in ("row", "sent_at", "answered_at"))
    key = np.array([message_key(text) for text in table["message_id"].to_pylist()], dtype=np.uint64)
    channels = table["channel"].combine_chunks().dictionary_encode()
    hour = np.where(sent == NEVER_FIRST, 0, local_hours(np.where(sent == NEVER_FIRST, 0, sent), rows, zones))
    order = np.lexsort((key, answered, sent, rows))
    return Messages(
        offsets_of(np.bincount(rows, minlength=n).astype(np.int64)),
        key[order],
        sent[order],
        answered[order],
        hour[order].astype(np.uint8),
        channels.indices.to_numpy()[order].astype(np.int32),
        channels.dictionary.to_pylist(),
    )
