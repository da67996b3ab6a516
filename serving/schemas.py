"""What the calls take and give, each stated once: decoded, checked and encoded by msgspec, shown in ``/docs.json``.

A request tolerates fields that nobody here knows and takes ``null`` for a field left out.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from features import instant
from features.fields import LONGEST_ID
from features.instant import Instant
from serving.errors import BadRequestError

MOST_ROWS = 1_000

_PRINTED = r"^(?=\s*\S)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$(?!\n)"
"""Not blank and without control characters, as the ids of events; PostgreSQL keeps no NUL."""

Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID, pattern=_PRINTED)]
Name = Annotated[str, Meta(min_length=1, max_length=512, pattern=_PRINTED)]
Quantity = Annotated[float, Meta(ge=0, le=1e12)]
Row = dict[str, Any]
Rows = Annotated[list[Row], Meta(max_length=MOST_ROWS)]


class BasketItem(Struct, frozen=True):
    product_id: Id
    quantity: Quantity | None = None
    amount: Quantity | None = None


class NextBestOfferRequest(Struct, frozen=True, kw_only=True):
    """Who is asking (``customer_id`` or ``identifiers``), where the answer may be shown and what is in the basket."""

    customer_id: Id | None = None
    identifiers: dict[Name, Id] | None = None
    brand: Id | None = None
    channel: Name | None = None
    channels: list[Name] | None = None
    placement: Name | None = None
    language: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=20)] | None = None
    basket: Annotated[list[BasketItem], Meta(max_length=MOST_ROWS)] | None = None
    context: dict[str, Any] | None = None
    idempotency_key: Id | None = None
    dry_run: bool | None = None
    as_of: Name | None = None


class TargetAnswer(Struct, frozen=True):
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class OfferAnswer(Struct, frozen=True, kw_only=True):
    """``propensity``: the probability, given the request and what was eligible, that this offer stood at this rank."""

    offer_id: str
    rank: int
    name: str | None
    kind: str
    value: float | None
    currency: str | None
    target: TargetAnswer | None
    propensity: float
    expected_value: float
    accept_probability: float
    valid_until: str | None
    reasons: tuple[str, ...]
    words: dict[str, str]


class ExperimentAnswer(Struct, frozen=True):
    experiment: str
    variant: str


class NextBestOfferAnswer(Struct, frozen=True, kw_only=True):
    """``decision_id`` is null for a dry run, which leaves no decision behind."""

    decision_id: str | None
    offers: list[OfferAnswer]
    no_offer_reason: str | None
    channel: str | None
    send_at: str | None
    expires_at: str | None
    experiments: list[ExperimentAnswer]
    model_versions: dict[str, str]
    fallback: str | None
    excluded: dict[str, int]


class ScoreRequest(Struct, frozen=True, kw_only=True):
    customer_ids: Annotated[list[Id], Meta(max_length=MOST_ROWS)]
    brand: Id | None = None


class EventsRequest(Struct, frozen=True, kw_only=True):
    """Events as rows of the contract; ``brand`` is that of the rows that name none."""

    events: Annotated[list[Any], Meta(max_length=MOST_ROWS)]
    brand: Id | None = None


class RejectedEvent(Struct, frozen=True):
    event_id: str | None
    field: str | None
    reason: str


class EventsAnswer(Struct, frozen=True, kw_only=True):
    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class RowsRequest(Struct, frozen=True, kw_only=True):
    rows: Annotated[list[Any], Meta(max_length=MOST_ROWS)]
    brand: Id | None = None


class RejectedRow(Struct, frozen=True):
    id: str | None
    field: str | None
    reason: str


class UpsertAnswer(Struct, frozen=True, kw_only=True):
    upserted: int
    rejected: list[RejectedRow]


class CustomerRequest(Struct, frozen=True, kw_only=True):
    customer_id: Id | None = None
    identifiers: dict[Name, Id] | None = None
    brand: Id | None = None


class AssignRequest(Struct, frozen=True, kw_only=True):
    unit_id: Id
    experiment: Name
    brand: Id | None = None


class ExplainRequest(Struct, frozen=True, kw_only=True):
    """``version`` is another one of a model, as ``churn:3``, or of all models that have it, as ``3``."""

    decision_id: Id
    brand: Id | None = None
    version: Id | None = None


class SubscribeRequest(Struct, frozen=True, kw_only=True):
    """``events`` are names as ``trigger.birthday``, groups of them as ``trigger.*``, or ``*``."""

    url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    events: Annotated[list[Name], Meta(min_length=1, max_length=100)]
    brand: Id | None = None


class SubscriptionAnswer(Struct, frozen=True, kw_only=True):
    subscription_id: str
    url: str
    events: list[str]
    created_at: str


class SubscribeAnswer(SubscriptionAnswer, frozen=True, kw_only=True):
    """``secret`` keys the signatures; it is shown this once."""

    secret: str


class SubscriptionsRequest(Struct, frozen=True, kw_only=True):
    brand: Id | None = None


class SubscriptionsAnswer(Struct, frozen=True):
    subscriptions: list[SubscriptionAnswer]


class UnsubscribeRequest(Struct, frozen=True, kw_only=True):
    subscription_id: Id
    brand: Id | None = None


class UnsubscribeAnswer(Struct, frozen=True):
    ended: str


class PlanRequest(Struct, frozen=True, kw_only=True):
    """Decisions for every customer as of an instant; the same ``name`` gives the same decisions."""

    as_of: Name
    brand: Id | None = None
    channels: Annotated[list[Name], Meta(min_length=1, max_length=20)] | None = None
    budget: Quantity | None = None
    name: Name | None = None


class PlanAnswer(Struct, frozen=True):
    job_id: str


class PersonRequest(Struct, frozen=True, kw_only=True):
    customer_id: Id
    brand: Id | None = None


class JobRequest(Struct, frozen=True, kw_only=True):
    job_id: Id
    brand: Id | None = None


class JobAnswer(Struct, frozen=True, kw_only=True):
    """``state`` is running, done or failed; ``file`` is the plan, once it is done."""

    job_id: str
    state: str
    file: str | None
    error: str | None
    customers: int | None
    offers: int | None


class AssignAnswer(Struct, frozen=True):
    """``variant`` is null for a unit that the experiment leaves out."""

    variant: str | None


Request = TypeVar("Request", bound=Struct)


def decoded(decoder: "msgspec.json.Decoder[Request]", body: bytes) -> Request:
    """The request in a body.

    >>> decoded(msgspec.json.Decoder(ScoreRequest), b'{"customer_ids": ["1", 2]}')
    Traceback (most recent call last):
        ...
    serving.errors.BadRequestError: customer_ids[1]: Expected `str`, got `int`

    Raises
    ------
    BadRequestError
        If it is no JSON or not of the request's shape; ``field`` names where.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `")
        field = ".".join(filter(None, (where.removeprefix("$").removesuffix("`").lstrip("."), _missing_field(what))))
        raise BadRequestError(f"{field}: {what}" if field else what, field=field or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is no JSON object: {error}", code="invalid_json") from None


def renamed(body: bytes, name: str) -> bytes:
    """A body of rows as a :class:`RowsRequest`: the rows may stand alone, under ``rows`` or under their own name.

    >>> renamed(b'[{}]', "offers")
    b'{"rows":[{}]}'
    """
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is no JSON: {error}", code="invalid_json") from None
    if isinstance(given, list):
        given = {"rows": given}
    elif isinstance(given, dict) and name in given:
        given["rows"] = given.pop(name)
    return msgspec.json.encode(given)


def _missing_field(what: str) -> str | None:
    """The name in ``Object missing required field `unit_id` ``, which msgspec places at the object."""
    return what.split("`")[1] if what.startswith("Object missing required field") else None


def parsed_instant(text: str | None, field: str) -> Instant | None:
    try:
        return None if text is None else instant.parse_asked(text)
    except ValueError:
        raise BadRequestError(f"{field}: got {text!r}, expected {instant.ASKED_FOR}", field=field) from None


def shown_instant(moment: Instant | None) -> str | None:
    return None if moment is None else instant.to_iso(moment)
