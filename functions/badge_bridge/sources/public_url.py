"""The URL of a source as its provider calls it, from outside."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from pydantic import AfterValidator

__all__ = ["seen_from_outside"]


def seen_from_outside(whose: str) -> AfterValidator:
    """Makes an option the URL of its source: http or https, without query, fragment and user.

    As in `public_url: Annotated[str, seen_from_outside("as Twilio calls it")]`: what is no such URL is refused with a
    text that says what to write instead, and whose view of the URL counts.
    """
    return AfterValidator(partial(_check, whose=whose))


def _check(value: str, *, whose: str) -> str:
    example = f"this is not a URL; write it {whose}, such as https://host/hooks/name"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError(example) from error
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError(example)
    if url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError("the URL has a query or a fragment; write it without: the query is taken from each request")
    if url.username is not None:
        raise ValueError("the URL has a user; write it without")
    return value
