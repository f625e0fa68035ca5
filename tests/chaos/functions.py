"""The functions as they are deployed, by the clocks in the file that CHAOS_CLOCKS names.

A function is handed no clock, it has the platform's: so these are replaced, before anything of the package is loaded.
The event loop goes by them too. Else an attempt would outlive its lease wherever minutes pass, which no real one does:
it is cut off in time, by the event loop's clock. uvloop's cannot be replaced.
"""

import asyncio
import os
import runpy
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from chaos.clock import Clocks

clocks = Clocks(Path(os.environ["CHAOS_CLOCKS"]))
time.time = clocks.wall


def _steady(self: asyncio.BaseEventLoop) -> float:
    return clocks.steady()


asyncio.BaseEventLoop.time = _steady  # type: ignore[method-assign]
sys.modules["uvloop"] = None  # type: ignore[assignment]

package = find_spec("badge_bridge")
assert package is not None
assert package.origin is not None
globals().update(runpy.run_path(str(Path(package.origin).parents[1] / "main.py")))
