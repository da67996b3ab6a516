import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.id_table import Ids, IdTable

IDS = st.lists(st.text(), max_size=200, unique=True)


@given(known=IDS, asked=st.lists(st.text(), max_size=50))
def test_it_gives_what_a_dictionary_gives(known: list[str], asked: list[str]) -> None:
    numbers = {one: number for number, one in enumerate(known)}

    found = IdTable(numbers).of([*asked, *known])

    assert found.tolist() == [numbers.get(one, -1) for one in [*asked, *known]]


def test_it_is_a_mapping_too() -> None:
    table = IdTable({"milk": 0, "bread": 1})

    assert (table["bread"], table.get("tea"), len(table), list(table)) == (1, None, 2, ["milk", "bread"])
    with pytest.raises(KeyError):
        table["tea"]


@given(known=IDS)
def test_packed_ids_are_looked_up_and_read_alike(known: list[str]) -> None:
    ids, table = Ids.of(known), IdTable({one: number for number, one in enumerate(known)})
    packed = Ids((ids.packed,), ids.hashes)

    assert table.of(packed).tolist() == table.of(packed).tolist() == list(range(len(known)))
    assert IdTable({}).of(packed).tolist() == [-1] * len(known)
    assert list(packed) == known
    assert list(Ids.joined([packed, packed])) == known + known
    assert table.of(Ids.joined([packed, packed])).tolist() == [*range(len(known))] * 2
