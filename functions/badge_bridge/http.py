"""The HTTP client library, imported here and nowhere else.

httpx was last released in 2024; a maintained successor with the same interface exists. The day it is swapped, one
import line changes.
"""

from httpx import (
    AsyncBaseTransport,
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    Limits,
    PoolTimeout,
    Response,
    Timeout,
    TimeoutException,
)

__all__ = [
    "AsyncBaseTransport",
    "AsyncClient",
    "ConnectError",
    "ConnectTimeout",
    "HTTPError",
    "Limits",
    "PoolTimeout",
    "Response",
    "Timeout",
    "TimeoutException",
]
