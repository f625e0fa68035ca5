"""Where everything of the console is."""

from __future__ import annotations

__all__ = ["API", "ENTER", "HOME", "LEAVE", "LEFT", "STATIC", "TRY"]

HOME, ENTER, LEAVE = "/console", "/console/enter", "/console/leave"

LEFT = "/console/left"
"""Where one is after that."""

TRY = "/console/try"

STATIC = "/console/static/"

API = "/console/api/v1"
"""Below it is the JSON twin of each page. The version grows where a field goes or changes its meaning."""
