"""How many decisions each version of a model had a part in, without reading all of the log.

Most decisions were made by the champion of their time, and are counted through an index. Only where that does not say
it (near a change of champion, while an experiment tried versions, before the first champion) are they read one by one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.schema import decisions, experiments
from training.registry import Served, served

BUCKET: Instant = 600 * MICROSECONDS_PER_SECOND
"""Ten minutes: decisions are counted in such parts of time."""
WORKERS_FOLLOW_WITHIN: Instant = 10 * MICROSECONDS_PER_SECOND
_ROWS_AT_A_TIME = 2_000

VersionCounts = dict[str, Counter[str]]
"""Decisions by model and version."""


class _Window(NamedTuple):
    start: Instant
    end: Instant | None

    def meets(self, start: Instant, end: Instant) -> bool:
        return self.start < end and (self.end is None or start < self.end)


class _Answer(msgspec.Struct):
    model_versions: dict[str, str] = {}


class _Logged(msgspec.Struct):
    """As much of a logged decision as is asked for."""

    answer: _Answer


_decoder = msgspec.json.Decoder(_Logged)


def decisions_by_version(connection: Connection, brand: str) -> VersionCounts:
    """A decision counts at the time it was made for, which for plans and replays is not when it was made."""
    spans = served(connection, brand)
    tried = _windows_of_experiments(connection, brand)
    counts: VersionCounts = {span.model: Counter() for span in spans}
    unclear: list[int] = []
    for bucket, count in _decisions_by_bucket(connection, brand):
        start, end = bucket * BUCKET, (bucket + 1) * BUCKET
        known = _champions_throughout(spans, start, end)
        if len(known) < len(counts) or any(window.meets(start, end) for window in tried):
            unclear.append(bucket)
            continue
        for model, version in known.items():
            counts[model][version] += count
    for versions in _read_versions(connection, brand, unclear):
        for model, version in versions.items():
            counts.setdefault(model, Counter())[version] += 1
    return counts


def _champions_throughout(spans: Sequence[Served], start: Instant, end: Instant) -> dict[str, str]:
    """Of each model the version that every worker answered with in all of [start, end)."""
    return {
        span.model: span.version
        for span in spans
        if span.served_from + WORKERS_FOLLOW_WITHIN <= start and (span.served_until is None or end <= span.served_until)
    }


def _windows_of_experiments(connection: Connection, brand: str) -> list[_Window]:
    """When experiments ran that let versions other than the champion decide."""
    if connection.execute(select(experiments.c.brand).where(experiments.c.brand == brand).limit(1)).first() is None:
        return []
    from experiments import experiment_store  # only here: brands' files take longer to import than to count

    return [
        _Window(stored.started_at, None if stored.stopped_at is None else stored.stopped_at + WORKERS_FOLLOW_WITHIN)
        for stored in experiment_store.listed(connection, brand)
        if stored.started_at is not None and any(variant.models for variant in stored.experiment.variants)
    ]


def _decisions_by_bucket(connection: Connection, brand: str) -> Iterable[tuple[int, int]]:
    """From an index that holds all that is asked for."""
    bucket = (decisions.c.decided_at // BUCKET).label("bucket")
    query = select(bucket, func.count()).where(decisions.c.brand == brand).group_by("bucket").order_by("bucket")
    return [(int(row[0]), int(row[1])) for row in connection.execute(query)]


def _read_versions(connection: Connection, brand: str, buckets: Sequence[int]) -> Iterator[dict[str, str]]:
    """What each decision in those parts of time says itself."""
    for start, end in _ranges(buckets):
        query = select(decisions.c.body).where(
            decisions.c.brand == brand, decisions.c.decided_at >= start * BUCKET, decisions.c.decided_at < end * BUCKET
        )
        for body in connection.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}).scalars():
            yield _decoder.decode(body).answer.model_versions


def _ranges(buckets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """
    >>> list(_ranges([3, 4, 5, 9]))
    [(3, 6), (9, 10)]
    """
    for _, together in groupby(enumerate(buckets), lambda pair: pair[1] - pair[0]):
        run = [bucket for _, bucket in together]
        yield run[0], run[-1] + 1
