"""Where everything of the console is."""

from __future__ import annotations

__all__ = ["API", "ENTER", "HOME", "LEAVE", "STATIC"]

HOME, ENTER, LEAVE = "/console", "/console/enter", "/console/leave"

STATIC = "/console/static/"

API = "/console/api/v1"
"""Below it is the JSON twin of each page. The version grows where a field goes or changes its meaning."""
