"""The functions as they are deployed, by the clocks in the file that CHAOS_CLOCKS names."""

import os
import runpy
import time
from pathlib import Path

import chaos.clock

clocks = chaos.clock.Clocks(Path(os.environ["CHAOS_CLOCKS"]))
# Before anything of the package is loaded: a function is handed no clock, it has the platform's.
time.time = clocks.wall

import badge_bridge.doubts  # noqa: E402 - see above

badge_bridge.doubts.loop_time = clocks.steady

globals().update(runpy.run_path(str(Path(badge_bridge.__file__).parents[1] / "main.py")))
