"""A terminal with a program in it, and somebody who types."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.programs import DEADLINE

__all__ = ["Terminal", "terminal"]

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])|\x07")


class Terminal:
    """What is on the screen, as far as it was read, and a keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self.process = process
        self._keyboard = keyboard
        self.screen = ""

    @property
    def text(self) -> str:
        """Without colours and movements."""
        return _ESCAPES.sub("", self.screen)

    @property
    def left(self) -> str:
        """What stands behind the last line that was taken back; all of it where none was."""
        return _ESCAPES.sub("", self.screen.rpartition("\x1b[2K")[2]).strip()

    def type(self, text: str) -> None:
        os.write(self._keyboard, text.encode())

    def find(self, pattern: str) -> re.Match[str]:
        """The first match on the screen, waiting for it."""
        end = time.monotonic() + DEADLINE
        while (found := re.search(pattern, self.text)) is None:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.text}")
        return found

    def end(self) -> int:
        """Wait for the program to end by itself; its exit code."""
        end = time.monotonic() + DEADLINE
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(end - time.monotonic(), 0.1))

    def _read(self, seconds: float) -> bool:
        """Whether something came in time."""
        if not select.select([self._keyboard], [], [], max(seconds, 0.0))[0]:
            return False
        try:
            came = os.read(self._keyboard, 65_536)
        except OSError:  # nobody has the other end open any more
            return False
        self.screen += came.decode("utf-8", "replace")
        return bool(came)


@contextmanager
def terminal(command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Iterator[Terminal]:
    """The program in a terminal of its own, whose Ctrl-C it gets; `env` is all of its environment."""
    keyboard, screen = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env={"TERM": "xterm", "COLUMNS": "160", "LINES": "50", **env},
        cwd=cwd,
        start_new_session=True,
        preexec_fn=lambda: _take(0),  # noqa: PLW1509 - one call to the system, which takes no lock
    )
    os.close(screen)
    try:
        yield Terminal(process, keyboard)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(DEADLINE)
        os.close(keyboard)


def _take(screen: int) -> None:
    """Make it the terminal of this session."""
    import fcntl  # noqa: PLC0415 - of the child alone
    import termios  # noqa: PLC0415

    fcntl.ioctl(screen, termios.TIOCSCTTY, 0)
