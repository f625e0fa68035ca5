"""Regular expressions that an expression has written out: whether `matches` takes them is known before any event comes.

The engine compiles a pattern only when it is used, and a bad one then fails for every event. So each that no value has
a part in is tried by the engine itself when the expression is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from re import Pattern

from badge_bridge.cel.errors import CelFinding
from badge_bridge.cel.parts import closing, without_texts
from badge_bridge.cel.wording import position

__all__ = ["mistakes"]

_CALL = re.compile(r"\bmatches\s*\(")
_NAME = re.compile(r"[A-Za-z_]")
_SAID = re.compile(r"regular expression: (.*)|regular expression (too large)", re.DOTALL)


def mistakes(text: str, refused: Callable[[str], str]) -> Iterator[CelFinding]:
    """Where an expression that compiles has a pattern that cannot be used. `refused` evaluates an expression that reads
    no variable, and gives what the engine says against it, or nothing.
    """
    seen = without_texts(text)
    for call in _CALL.finditer(seen):
        end = closing(seen, call.end())
        start = _start_of_last(seen, call.end(), end)
        if _NAME.search(seen, start, end):
            continue  # texts are blanked in `seen`: a name means a value, which is not known yet
        pattern = text[start:end]
        # What stands in it may end with a comment.
        if match := _SAID.search(refused(f"''.matches({pattern}\n)")):
            blanks = len(pattern) - len(pattern.lstrip())
            yield CelFinding(*position(text, start + blanks), _explained(match[1] or match[2]))


def _start_of_last(seen: str, start: int, end: int) -> int:
    """Where the last argument begins: `matches(text, pattern)` may be written too."""
    depth, last = 0, start
    for offset in range(start, end):
        depth += (seen[offset] in "([{") - (seen[offset] in ")]}")
        if seen[offset] == "," and not depth:
            last = offset + 1
    return last


def _explained(reason: str) -> str:
    hint = next((hint for pattern, hint in _HINTS if pattern.search(reason)), "correct it")
    return f"invalid regular expression: {reason}; {hint}"


_HINTS: Sequence[tuple[Pattern[str], str]] = (
    (
        re.compile("repetition size"),
        "a part may be repeated up to 1,000 times, and repetitions inside of each other are multiplied",
    ),
    (re.compile("too large"), "make it smaller, most of all what it repeats"),
    (re.compile(r"perl operator: \(\?<?[=!]"), "there is no looking ahead or back; write two conditions with && or !"),
    (
        re.compile(r"missing \)|unexpected \)|missing \]"),
        "close each bracket, and write [(] for one that is meant itself",
    ),
    (re.compile(r"no argument for repetition"), "write [*] for the character itself"),
)
