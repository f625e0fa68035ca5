"""Pages that are only read: what they answer to any other method."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["refused_unless_read"]


def refused_unless_read(request: Request) -> Response | None:
    """405 for a request that does not read; None for one that does."""
    if request.method in {"GET", "HEAD"}:
        return None
    return JSONResponse({"error": "this page takes GET"}, status_code=405, headers={"Allow": "GET, HEAD"})
