"""How far a storm has come, on standard error: a bar where that is a terminal, else a line for each round."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from badge_bridge.terminal_progress import progress

__all__ = ["Say", "in_lines", "nothing", "shown"]

Say = Callable[[int, int, str], None]
"""Is told how many rounds are over, how many there will be, and a sentence about it."""


def nothing(_done: int, _of: int, _sentence: str) -> None:
    """Says nothing."""


def in_lines(name: str = "") -> Say:
    """Says each sentence in a line, which `name` begins."""

    def say(_done: int, _of: int, sentence: str) -> None:
        print(f"{name}: {sentence}" if name else sentence, file=sys.stderr, flush=True)

    return say


@contextmanager
def shown(rounds: int) -> Iterator[Say]:
    """For one storm of so many rounds."""
    if not sys.stderr.isatty():
        yield in_lines()
        return
    with progress("rounds", rounds) as bar:
        yield lambda done, of, _: bar.at(done, of)
