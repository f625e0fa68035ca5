"""The HTTP client library, imported here and nowhere else.

httpx was last released in 2024; a maintained successor with the same interface exists. The day it is swapped, one
import line changes.
"""

import functools
import logging
import ssl

from httpx import (
    URL,
    AsyncBaseTransport,
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    InvalidURL,
    Limits,
    PoolTimeout,
    Response,
    Timeout,
    TimeoutException,
    create_ssl_context,
)

__all__ = [
    "URL",
    "AsyncBaseTransport",
    "AsyncClient",
    "ConnectError",
    "ConnectTimeout",
    "HTTPError",
    "InvalidURL",
    "Limits",
    "PoolTimeout",
    "Response",
    "Timeout",
    "TimeoutException",
    "authorities",
    "create_ssl_context",
    "keep_addresses_out_of_logs",
]


def keep_addresses_out_of_logs() -> None:
    """Call before the first request: the library logs every address at INFO, and some of ours are passwords."""
    for name, level in (("httpx", logging.WARNING), ("httpcore", logging.INFO)):
        library = logging.getLogger(name)
        if library.level < level:
            library.setLevel(level)


@functools.cache
def authorities() -> ssl.SSLContext:
    """The authorities that are trusted, read once for all of Google's APIs: it takes 30 ms, and a first delivery waits
    for the metadata server, Firestore and Pub/Sub one after the other.
    """
    return create_ssl_context()
