"""Text for a terminal that others may have had a part in."""

from __future__ import annotations

from rich.text import Text

__all__ = ["harmless", "plain"]


def harmless(text: str) -> str:
    """Without what a terminal would obey; lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def plain(text: str, style: str = "") -> Text:
    """No markup, and nothing that a terminal would obey."""
    return Text(harmless(text), style=style)
