"""What was just done, told once: by the page to which a form leads, and not again when that is loaded anew.

The address says nothing of it, so that whoever keeps, sends or makes up an address tells nobody what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from badge_bridge.console.sessions import Session

__all__ = ["Done", "done_before", "lead_to"]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in sentences."""

    text: str
    redriven: int = 0
    """Events that are tried again."""


def lead_to(session: Session | None, path: str, query: str, done: Done, *, place: str = "") -> Response:
    """On to the page at this address, which tells what was done; `place` is where on it."""
    if session is not None:
        session.leave_word(f"{unquote(path)}?{query}", done)
    return RedirectResponse(f"{path}{'?' if query else ''}{query}{place}", 303)


def done_before(session: Session | None, request: Request) -> Done | None:
    """What was done by the form that has led to this page; None where none has, or it was told already. A script that
    looks at the page again is not told.
    """
    if session is None or request.method != "GET" or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return None
    word = session.take_word(f"{request.scope['path']}?{request.url.query}")
    return word if isinstance(word, Done) else None
