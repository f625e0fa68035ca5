"""Text for a terminal that others may have had a part in."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text

__all__ = ["ENDLESS", "harmless", "json_shown", "plain"]

ENDLESS = 10_000
"""Cells: what is no terminal is as wide as its longest line."""


def harmless(text: str) -> str:
    """Without what a terminal would obey; lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def plain(text: str, style: str = "", *, lines: bool = False) -> Text:
    """No markup, and nothing that a terminal would obey. Without `lines` it stays on its line, so that nobody else's
    words can look like a line of ours.
    """
    shown = harmless(text)
    return Text(shown if lines else shown.replace("\n", " "), style=style)


def json_shown(value: Any) -> Text:
    """JSON for reading; in its texts, what a terminal would obey is written as an escape."""
    shown = json.dumps(value, ensure_ascii=False, indent=2)
    return Text("".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in shown))
