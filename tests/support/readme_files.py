"""Files that the README has whole: each block that begins with its path, as it is to be pasted."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["README", "installed", "readme_file"]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def readme_file(path: str) -> str:
    found = re.findall(rf"^```\w+\n(# {re.escape(path)}\n.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"the README has {len(found)} blocks that begin with # {path}"
    return str(found[0])


def installed(text: str, places: dict[str, str]) -> str:
    """With the places of a test instead of those that the README names, each of which has to be there."""
    for named, place in places.items():
        assert named in text, f"the README's file does not name {named}"
        text = text.replace(named, place)
    return text
