"""What every answer of the console says to the browser, and how it refuses: a page for a person, JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from badge_bridge.console.paths import API
from badge_bridge.console.rendering import render

__all__ = ["HEADERS", "NotThere", "Senseless", "Shown", "refused", "shielded", "wants_page"]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: a browser says then that our own forms come from "null" (Fetch, "request Origin header").
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer: what is shown is a customer's, and an address may hold a ticket."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The data of a page with another status than 200."""

    data: Mapping[str, Any]
    status: int = 200


class Senseless(ValueError):
    """A parameter that makes no sense: the text says why, `field` which one."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class NotThere(LookupError):
    """What the address names is not there; the text says so."""


def shielded(response: Response) -> Response:
    """The answer with `HEADERS`, as far as it does not say otherwise itself: a style sheet is no secret."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks: programs name no HTML, and what is JSON is JSON for everybody."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith(f"{API}/")


def refused(
    request: Request,
    status: int,
    error: str,
    *,
    allow: str = "",
    details: Mapping[str, Any] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says why there is nothing, in the words of `error`; `details` are further fields of the JSON, and
    `typed` is what somebody has written for nothing, so that he can copy it from the page.
    """
    headers = {"Allow": allow} if allow else None
    if wants_page(request):
        told = {"status": status, "phrase": HTTPStatus(status).phrase, "error": error, "typed": typed or {}}
        return HTMLResponse(render("refused.html", told), status, headers)
    return JSONResponse({"error": error, **(details or {})}, status, headers)
