"""Text for a terminal that others may have had a part in."""

from __future__ import annotations

from rich.text import Text

__all__ = ["harmless", "plain"]


def harmless(text: str) -> str:
    """Without what a terminal would obey; lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def plain(text: str, style: str = "", *, lines: bool = False) -> Text:
    """No markup, and nothing that a terminal would obey. Without `lines` it stays on its line, so that nobody else's
    words can look like a line of ours.
    """
    shown = harmless(text)
    return Text(shown if lines else shown.replace("\n", " "), style=style)
