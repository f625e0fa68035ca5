"""The URL of a source as its provider calls it, from outside."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["check_public_url"]


def check_public_url(value: str, *, whose: str) -> str:
    """The URL, which is http or https and has no query, fragment or user.

    Raises:
        ValueError: says what to write instead; `whose` tells where it can be seen: `as Twilio calls it`.
    """
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
