"""Dealing a unit to a variant: a salted hash, the same in any worker and any language.

The hash is GrowthBook's version 2, so that a front end with its SDK deals alike: FNV-1a (32 bits) over UTF-16 code
units of ``seed + unit_id``, its decimal digits hashed once more, modulo 10,000. A layer is GrowthBook's namespace,
which keeps hash version 1.
"""

from struct import unpack

from experiments.design import Experiment, Layer, Variant

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193
_MASK = 0xFFFFFFFF


def assign(experiment: Experiment, unit_id: str, stored: str | None = None) -> Variant | None:
    """The variant of a unit, or nothing when it is outside the experiment's layer part or share.

    ``stored`` is the variant the unit was dealt before, if any: it wins over the hash, whatever the weights are now.
    """
    kept = experiment.variant(stored)
    if kept is not None:
        return kept
    if experiment.layer is not None and not is_in_layer(experiment.layer, unit_id):
        return None
    return _deal(experiment, bucket(experiment.seed, unit_id))


def bucket(seed: str, unit_id: str) -> float:
    """One of 0, 0.0001, ..., 0.9999.

    >>> bucket("seed", "a")
    0.0505
    """
    return fnv1a_32(str(fnv1a_32(seed + unit_id))) % 10_000 / 10_000


def is_in_layer(layer: Layer, unit_id: str) -> bool:
    position = fnv1a_32(unit_id + "__" + layer.name) % 1_000 / 1_000
    return layer.low <= position < layer.high


def fnv1a_32(text: str) -> int:
    """FNV-1a over UTF-16 code units, each taken in as one number of 16 bits (as JavaScript's ``charCodeAt`` has it)."""
    value = _FNV_OFFSET
    for unit in _code_units(text):
        value = (value ^ unit) * _FNV_PRIME & _MASK
    return value


def _code_units(text: str) -> bytes | tuple[int, ...]:
    if text.isascii():
        return text.encode()
    encoded = text.encode("utf-16-le", "surrogatepass")
    return unpack(f"<{len(encoded) // 2}H", encoded)


def _deal(experiment: Experiment, position: float) -> Variant | None:
    low = 0.0
    for variant in experiment.variants:
        if low <= position < low + experiment.share * variant.weight:
            return variant
        low += variant.weight
    return None
