"""How far something long has come, as a bar on standard error that is gone when it is over.

Where standard error is no terminal there is none, so that logs and scripts see nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Bar", "progress"]


@dataclass(slots=True)
class Bar:
    """What is told while it goes on, from any thread."""

    _progress: Progress = field(repr=False)
    _task: TaskID

    def at(self, done: int, total: int | None = None) -> None:
        """So much is done of so much; None where that is not known."""
        self._progress.update(self._task, completed=done, total=total)

    def step(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def begin(self, what: str, total: int | None = None) -> None:
        """The next part begins."""
        self._progress.reset(self._task, description=what, total=total)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Bar]:
    """A bar for so many steps; one that only moves where it is not known how many there are."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # What is printed meanwhile goes above the bar; but not what goes to a file or another program.
        redirect_stdout=sys.stdout.isatty(),
    )
    with shown:
        yield Bar(shown, shown.add_task(what, total=total))
