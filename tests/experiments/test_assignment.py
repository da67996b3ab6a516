"""Dealing units to variants; the reference below is written from GrowthBook's description, not from our code."""

import math

import pytest

from experiments.assignment import assign, bucket, fnv1a_32, is_in_layer
from experiments.design import Experiment, Layer, Variant

# seed, unit, FNV-1a of both together, bucket, position in the layer named as the seed: worked out by GrowthBook's
# JavaScript formulas in Node.
VECTORS = [
    ("seed", "a", 717764279, 0.0505, 0.387),
    ("seed", "b", 734541898, 0.2696, 0.030),
    ("foo", "ab", 514738336, 0.2575, 0.824),
    ("foo", "def", 3396809734, 0.2019, 0.818),
    ("", "a", 3826002220, 0.0216, 0.474),
    ("offers", "покупатель-17", 4288000616, 0.9718, 0.044),
    ("скидка", "Иванов", 2701203245, 0.8329, 0.523),
    ("offers", "🎁", 1431450841, 0.0516, 0.771),
    ("🎁🎁", "клиент 🛒", 2975712537, 0.5523, 0.359),
    ("offers", "1234567", 1421249638, 0.8243, 0.882),
    ("offers", "é", 3435870393, 0.1258, 0.509),
]


def two_variants(**fields):
    variants = (Variant(name="control", weight=0.5), Variant(name="treated", weight=0.5))
    return Experiment(**{"name": "offers", "variants": variants, **fields})


def reference_hash(text):
    """FNV-1a by shifts over surrogate pairs computed by hand."""
    value = 0x811C9DC5
    for character in text:
        point = ord(character)
        pair = [point] if point < 0x10000 else [0xD800 + (point - 0x10000 >> 10), 0xDC00 + (point - 0x10000 & 0x3FF)]
        for unit in pair:
            value ^= unit
            value = (value + (value << 1) + (value << 4) + (value << 7) + (value << 8) + (value << 24)) % 2**32
    return value


@pytest.mark.parametrize(("seed", "unit_id", "hashed", "dealt", "position"), VECTORS)
def test_hash_equals_growthbook_vectors(seed, unit_id, hashed, dealt, position):
    assert fnv1a_32(seed + unit_id) == hashed == reference_hash(seed + unit_id)
    assert bucket(seed, unit_id) == dealt == reference_hash(str(hashed)) % 10_000 / 10_000
    layer = Layer(name=seed, low=position, high=position + 0.0005)
    assert is_in_layer(layer, unit_id)


@pytest.mark.parametrize("text", ["", "a" * 1000, "ё", "\ud83c", "👩‍👩‍👧", "Ω≈ç√"])
def test_hash_equals_reference_on_odd_texts(text):
    assert fnv1a_32(text) == reference_hash(text)


def test_stored_assignment_wins_over_hash():
    experiment = two_variants()
    dealt = assign(experiment, "7")
    other = next(variant for variant in experiment.variants if variant != dealt)

    assert assign(experiment, "7", stored=other.name) == other


def test_stored_variant_that_is_gone_is_dealt_anew():
    experiment = two_variants()

    assert assign(experiment, "7", stored="removed") == assign(experiment, "7")


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.1, 0.2, 0.7), (0.01, 0.99)])
def test_dealt_shares_are_the_weights(weights):
    variants = tuple(Variant(name=str(index), weight=weight) for index, weight in enumerate(weights))
    experiment = Experiment(name="shares", variants=variants)
    units = 20_000

    dealt = [assign(experiment, f"customer-{unit}") for unit in range(units)]

    for variant in variants:
        spread = math.sqrt(variant.weight * (1 - variant.weight) / units)
        assert abs(dealt.count(variant) / units - variant.weight) < 3.9 * spread  # 99.99 %


def test_two_experiments_deal_independently():
    first, second = two_variants(), two_variants(name="other")
    units = [str(unit) for unit in range(20_000)]

    both = sum(
        assign(first, unit) == first.variants[0] and assign(second, unit) == second.variants[0] for unit in units
    )

    assert abs(both / len(units) - 0.25) < 3.9 * math.sqrt(0.25 * 0.75 / len(units))


def test_raising_the_share_moves_nobody():
    small, large = two_variants(share=0.2), two_variants(share=0.8)
    units = [str(unit) for unit in range(2_000)]

    before = {unit: assign(small, unit) for unit in units if assign(small, unit)}

    assert 300 < len(before) < 500
    assert all(assign(large, unit) == variant for unit, variant in before.items())


def test_parts_of_one_layer_are_mutually_exclusive():
    first = two_variants(layer=Layer(name="page", low=0.0, high=0.4))
    second = two_variants(name="other", layer=Layer(name="page", low=0.4, high=1.0))
    units = [str(unit) for unit in range(2_000)]

    assert all((assign(first, unit) is None) != (assign(second, unit) is None) for unit in units)


def test_same_salt_deals_two_experiments_alike():
    first, second = two_variants(salt="shared"), two_variants(name="other", salt="shared")

    assert all(assign(first, str(unit)).name == assign(second, str(unit)).name for unit in range(200))
