"""The HTTP client library, imported here and nowhere else.

httpx was last released in 2024; a maintained successor with the same interface exists. The day it is swapped, one
import line changes.
"""

from httpx import (
    ASGITransport,
    AsyncBaseTransport,
    AsyncClient,
    AsyncHTTPTransport,
    ConnectError,
    ConnectTimeout,
    DecodingError,
    HTTPError,
    InvalidURL,
    Limits,
    MockTransport,
    PoolTimeout,
    Request,
    Response,
    Timeout,
    TimeoutException,
    TransportError,
)

__all__ = [
    "ASGITransport",
    "AsyncBaseTransport",
    "AsyncClient",
    "AsyncHTTPTransport",
    "ConnectError",
    "ConnectTimeout",
    "DecodingError",
    "HTTPError",
    "InvalidURL",
    "Limits",
    "MockTransport",
    "PoolTimeout",
    "Request",
    "Response",
    "Timeout",
    "TimeoutException",
    "TransportError",
]
