"""The style sheets and scripts of the pages. Their addresses hold a hash, so that a browser asks for each once."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge import badge_look
from badge_bridge.console.paths import STATIC

__all__ = ["asset", "serve_asset"]

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes = field(repr=False)
    media_type: str
    hash: str


def asset(name: str) -> str:
    """The address of a file of `console/static`, with its hash."""
    return f"{STATIC}{name}?v={_files()[name].hash}"


def serve_asset(request: Request) -> Response | None:
    """The file that a request names; None where there is none. Nothing in it is anybody's secret."""
    file = _files().get(request.scope["path"].removeprefix(STATIC))
    if file is None or request.method not in {"GET", "HEAD"}:
        return None
    # Asked for without its hash, or by a page of another version, it must not be kept under that address.
    is_this_version = request.query_params.get("v") == file.hash
    headers = {"Cache-Control": _FOR_EVER if is_this_version else "no-cache"}
    return Response(file.content, headers=headers, media_type=file.media_type)


@functools.cache
def _files() -> Mapping[str, _File]:
    found = {"badge.css": _file(badge_look.STYLE.encode(), "text/css")}
    for entry in resources.files("badge_bridge.console").joinpath("static").iterdir():
        media_type = _TYPES.get(entry.name[entry.name.rfind(".") :])
        if media_type is not None:
            found[entry.name] = _file(entry.read_bytes(), media_type)
    return found


def _file(content: bytes, media_type: str) -> _File:
    return _File(content, media_type, hashlib.sha256(content).hexdigest()[:16])
