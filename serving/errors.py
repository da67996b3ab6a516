"""What can go wrong with a request, as the caller is told it.

ServiceError
├── BadRequestError          400  the request itself is wrong; ``field`` names where
├── NotFoundError            404
├── MethodNotAllowedError    405
├── ConflictError            409  the idempotency key belongs to another request
├── TooLargeError            413
└── RetryLaterError               with ``Retry-After``
    ├── OverloadedError      429  more is waiting than is worth waiting for
    └── UnavailableError     503  not ready, or unable to make it durable
"""

from http import HTTPStatus

import msgspec

RETRY_AFTER_SECONDS = 1


class ErrorDetail(msgspec.Struct, frozen=True):
    code: str
    message: str
    field: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The one shape of an error, on every route and method."""

    error: ErrorDetail


class ServiceError(Exception):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal"

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code or type(self).code

    def body(self) -> bytes:
        return msgspec.json.encode(ErrorBody(ErrorDetail(self.code, self.message, self.field)))

    def headers(self) -> list[tuple[bytes, bytes]]:
        return []


class BadRequestError(ServiceError):
    status = HTTPStatus.BAD_REQUEST
    code = "invalid_request"


class NotFoundError(ServiceError):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class MethodNotAllowedError(ServiceError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"allow", b"POST")]


class ConflictError(ServiceError):
    status = HTTPStatus.CONFLICT
    code = "conflict"


class TooLargeError(ServiceError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class RetryLaterError(ServiceError):
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"retry-after", str(RETRY_AFTER_SECONDS).encode())]


class OverloadedError(RetryLaterError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "overloaded"


class UnavailableError(RetryLaterError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
