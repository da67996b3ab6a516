import msgspec
import pytest

from features.instant import parse
from serving.declared import declared
from serving.errors import BadRequestError
from serving.schemas import NextBestOfferAnswer, NextBestOfferRequest, ScoreRequest, decoded, parsed_instant

REQUEST = msgspec.json.Decoder(NextBestOfferRequest)


def test_fields_left_out_null_and_unheard_of_are_alike() -> None:
    bodies = (b'{"customer_id":"a"}', b'{"customer_id":"a","limit":null,"basket":null}', b'{"customer_id":"a","new":1}')

    assert len({decoded(REQUEST, body) for body in bodies}) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"customer_id": 5}', "customer_id"),
        (b'{"limit": 1000}', "limit"),
        (b'{"basket": [{"product_id": "p", "quantity": -1}]}', "basket[0].quantity"),
        (b'{"basket": [{}]}', "basket[0].product_id"),
        (b'{"identifiers": {"card": 1}}', "identifiers[...]"),
    ],
)
def test_an_error_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        decoded(REQUEST, body)

    assert caught.value.field == field


def test_more_rows_than_allowed_are_refused() -> None:
    body = msgspec.json.encode({"customer_ids": ["a"] * 1001})

    with pytest.raises(BadRequestError):
        decoded(msgspec.json.Decoder(ScoreRequest), body)


def test_what_is_no_json_has_a_code_of_its_own() -> None:
    with pytest.raises(BadRequestError) as caught:
        decoded(REQUEST, b"{")

    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(
    "text", ["2017-13-01", "0001-01-01", "0001-01-01T00:00+14:00", "1969-12-31", "2100-01-01", "9999-12-31T23:59-12:00"]
)
def test_what_names_no_time_of_ours_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequestError, match="expected an ISO 8601 time from 1970 to 2099") as caught:
        parsed_instant(text, "as_of")

    assert caught.value.field == "as_of"


@pytest.mark.parametrize("text", ["1970-01-01", "2099-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time_of_ours_may_be_asked_for(text: str) -> None:
    assert parsed_instant(text, "as_of") == parse(text)


@pytest.mark.parametrize("name", ["", " ", "\u00a0", "\u3000 \u2003", "x" * 257, "a\u2028"])
def test_a_name_that_no_event_could_have_is_refused(name: str) -> None:
    body = msgspec.json.encode({"customer_id": "a", "brand": name})

    with pytest.raises(BadRequestError) as caught:
        decoded(REQUEST, body)

    assert caught.value.field == "brand"


@pytest.mark.parametrize("struct", [NextBestOfferRequest, NextBestOfferAnswer])
def test_what_is_declared_has_the_fields_of_the_struct_and_refers_to_nothing(struct: type[msgspec.Struct]) -> None:
    schema = declared(struct).model_json_schema()

    assert list(schema["properties"]) == list(struct.__struct_fields__)
    assert "$ref" not in str(schema)
