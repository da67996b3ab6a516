"""Every feature has a name in both languages."""

import re

import pytest

from features.feature_words import feature_words
from features.vector import FEATURES


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_named_in_both_languages(feature: str) -> None:
    words = feature_words(feature)

    assert "_" not in words["en"]
    assert re.search("[а-я]", words["ru"])
    assert not re.search("[a-z]", words["ru"])


def test_a_column_of_a_shop_keeps_its_own_name() -> None:
    assert feature_words("shoe_size") == {"en": "shoe size", "ru": "shoe size"}
