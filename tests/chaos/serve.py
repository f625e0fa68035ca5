"""`python -m chaos.serve FILE ...` is `badge-bridge ...`, and `serve` goes by the clocks in FILE."""

from __future__ import annotations

import sys
from pathlib import Path

from badge_bridge.cli import main
from chaos.clock import Clocks

if __name__ == "__main__":
    clocks = Clocks(Path(sys.argv.pop(1)))
    main(clock=clocks.wall, steady=clocks.steady)
