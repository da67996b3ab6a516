"""What a table of offers holds that a decision may depend on, as bytes, and the digest under which these are kept.

Of the products only what they make of an offer is in it: prices, margins and names may change without another version
as long as no offer is worth, or called, anything else. What a customer bought of a target is logged with the decision.
"""

import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.brand import QuietHours
from features.entities import Offer
from serving.policy import BrandTerms
from serving.words import Phrases

DIGEST_BYTES = 16
_COMPRESSION = 1
"""Of zlib: the fastest, as it is done while decisions wait."""

Column = tuple[str, bytes]
"""The type of the numbers, and the numbers."""


class Content(Struct, frozen=True, kw_only=True):
    """``columns`` have one number for each offer, in the order of ``offers``."""

    offers: tuple[Offer, ...]
    terms: dict[str, Any]
    phrases: tuple[Phrases, ...]
    columns: dict[str, Column]
    categories: tuple[tuple[str, ...], ...] = ()
    """Of each offer; of none where an earlier version kept the content."""

    def column(self, name: str) -> NDArray[Any]:
        """
        Raises
        ------
        KeyError
            If there was no such column when the content was kept.
        """
        kind, values = self.columns[name]
        return np.frombuffer(values, dtype=kind).copy()

    def brand_terms(self) -> BrandTerms:
        quiet = self.terms["quiet_hours"]
        return BrandTerms(**{**self.terms, "quiet_hours": quiet and QuietHours.model_validate(quiet)})


_decoder = msgspec.msgpack.Decoder(Content)
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def content_of(
    offers: Sequence[Offer],
    terms: BrandTerms,
    phrases: Sequence[Phrases],
    columns: Mapping[str, NDArray[Any]],
    categories: Sequence[tuple[str, ...]],
) -> bytes:
    """The content as bytes, which are the same wherever and whenever it is the same."""
    said = {name: getattr(terms, name) for name in BrandTerms.__slots__}
    quiet = terms.quiet_hours and terms.quiet_hours.model_dump(by_alias=True)
    kept = {name: (column.dtype.str, column.tobytes()) for name, column in columns.items()}
    return _encode(
        Content(
            offers=tuple(offers),
            terms={**said, "quiet_hours": quiet},
            phrases=tuple(phrases),
            columns=kept,
            categories=tuple(categories),
        )
    )


def version_of(content: bytes) -> str:
    return blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def compressed(content: bytes) -> bytes:
    return zlib.compress(content, _COMPRESSION)


def read_content(body: bytes) -> Content:
    """The content of a compressed body.

    Raises
    ------
    zlib.error, msgspec.MsgspecError
        If it is none.
    """
    return _decoder.decode(zlib.decompress(body))
