"""`badge-bridge`, and `python -m badge_bridge`: the command line, which Ctrl-C ends quietly while it loads, too."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> NoReturn:
    """Load the command line and run it. Ctrl-C is exit code 130 and no traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # a shell lets what runs in its background ignore Ctrl-C
        # Not an exception: modules that are half loaded turn it into others. Nothing has begun that would have to end.
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from badge_bridge.cli import main as run

    signal.signal(signal.SIGINT, handler)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
