"""Numbers for ids, looked up by the thousand: a request cannot wait for a dictionary that many times.

An id is looked up by a 64-bit hash of its own, the same in every process. Profiles keep the hashes of their products
beside the ids, so that a request need not even read the ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

Integers = NDArray[np.int64]
_EMPTY = -1
_decode_ids = msgspec.msgpack.Decoder(list[str]).decode
_encode_ids = msgspec.msgpack.Encoder().encode


class Ids(Sequence[str]):
    """Ids and their hashes; the ids stay packed, in one piece or several, until one of them is asked for."""

    __slots__ = ("_packed", "_texts", "hashes", "last_lookup")

    def __init__(self, packed: tuple[bytes, ...], hashes: Integers, texts: list[str] | None = None) -> None:
        self._packed = packed
        self._texts = texts
        self.hashes = hashes
        self.last_lookup: tuple[IdTable, Integers] | None = None
        """One request looks the same ids up in the same table more than once."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Ids":
        return texts if isinstance(texts, Ids) else cls((_encode_ids(texts),), hashes_of(texts), list(texts))

    @classmethod
    def joined(cls, parts: "Sequence[Ids]") -> "Ids":
        """One after the other, though an id may be in several."""
        return cls(
            tuple(packed for part in parts for packed in part._packed), np.concatenate([part.hashes for part in parts])
        )

    @property
    def texts(self) -> list[str]:
        if self._texts is None:
            self._texts = [text for packed in self._packed for text in _decode_ids(packed)]
        return self._texts

    @property
    def packed(self) -> bytes:
        """As MessagePack."""
        return self._packed[0] if len(self._packed) == 1 else _encode_ids(self.texts)

    def __len__(self) -> int:
        return len(self.hashes)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        return self.texts[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.texts == list(other)

    __hash__ = None  # type: ignore[assignment]


class IdTable(Mapping[str, int]):
    """A mapping from ids to numbers from 0 on.

    Two ids of the same 64-bit hash are told apart only by the mapping, not by :meth:`of`; among a million ids the
    chance that there are two is one in forty million.

    >>> IdTable({"milk": 0, "bread": 1}).of(["bread", "tea", "milk"]).tolist()
    [1, -1, 0]
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = dict(numbers)
        size = 1 << max(len(self._numbers) * 2, 2).bit_length()
        self._table = np.full((size, 2), _EMPTY, dtype=np.int64)  # hash and number side by side, in one line of memory
        _build(hashes_of(list(self._numbers)), np.array(list(self._numbers.values()), dtype=np.int64), self._table)

    def of(self, ids: Sequence[str]) -> Integers:
        """The number of each id, -1 for one that has none."""
        if not isinstance(ids, Ids):
            return self._find(hashes_of(ids))
        known = ids.last_lookup
        if known is None or known[0] is not self:
            known = ids.last_lookup = self, self._find(ids.hashes)
        return known[1]

    def _find(self, hashes: Integers) -> Integers:
        found = np.empty(hashes.size, dtype=np.int64)
        _find(hashes, self._table, found)
        return found

    def __getitem__(self, key: str) -> int:
        return self._numbers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def hashes_of(ids: Sequence[str]) -> Integers:
    """The 64-bit hash of each id (FNV-1a of its UTF-8, stirred as MurmurHash3 ends); stored, so it may never change.

    >>> hashes_of(["", "milk"]).tolist()
    [-1166397803181037274, -3313049444802396351]
    """
    if isinstance(ids, Ids):
        return ids.hashes
    encoded = [one.encode("utf-8", "surrogatepass") for one in ids]
    ends = np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
    hashes = np.empty(len(encoded), dtype=np.int64)
    _hash(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends, hashes)
    return hashes


@compiled
def _hash(letters: NDArray[np.uint8], ends: Integers, hashes: Integers) -> None:
    start = 0
    for i in range(ends.size):
        mixed = np.uint64(0xCBF29CE484222325)
        for at in range(start, ends[i]):
            mixed = (mixed ^ np.uint64(letters[at])) * np.uint64(0x100000001B3)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        hashes[i] = np.int64(mixed ^ (mixed >> np.uint64(33)))
        start = ends[i]


@compiled
def _build(hashes: Integers, numbers: Integers, table: Integers) -> None:
    last = len(table) - 1
    for i in range(hashes.size):
        at = hashes[i] & last
        while table[at, 1] != _EMPTY:
            at = (at + 1) & last
        table[at, 0] = hashes[i]
        table[at, 1] = numbers[i]


@compiled
def _find(hashes: Integers, table: Integers, found: Integers) -> None:
    last = len(table) - 1
    for i in range(hashes.size):
        at = hashes[i] & last
        while table[at, 1] != _EMPTY and table[at, 0] != hashes[i]:
            at = (at + 1) & last
        found[i] = table[at, 1]
