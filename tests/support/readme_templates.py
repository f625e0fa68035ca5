"""The README's halves for telephone systems that have no webhook of their own: what stands there, and nothing else."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

__all__ = ["SYSTEMS", "halves", "rules_half"]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
SYSTEMS = ("Asterisk", "Kamailio", "3CX", "CloudTalk", "UIS")


def halves(system: str, language: str) -> list[str]:
    """The code blocks of a language in a system's part, as they are to be pasted."""
    (part,) = re.findall(rf"<summary><b>{re.escape(system)}</b>.*?</details>", README, re.DOTALL)
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    assert blocks, f"the README has no {language} for {system}"
    return [str(block) for block in blocks]


def rules_half(system: str) -> str:
    """The `sources:` block."""
    (block,) = halves(system, "yaml")
    return textwrap.dedent(block)
