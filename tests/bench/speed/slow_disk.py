"""A disk that takes longer: a library, loaded before the C library's, that waits before each sync.

`strace` could delay the calls as well, but stops the process twice for each call of every kind. Needs a C compiler.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

__all__ = ["fdatasync_median", "slow_sync", "sync_times"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int wait_and(const char *name, int file) {
    struct timespec left = {0, %d};
    int (*sync)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
    nanosleep(&left, 0);
    return sync(file);
}

int fdatasync(int file) { return wait_and("fdatasync", file); }
int fsync(int file) { return wait_and("fsync", file); }
"""


def slow_sync(folder: Path, milliseconds: float) -> Path | None:
    """The library to preload (LD_PRELOAD), or None where it cannot be made."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source, library = folder / "slow_sync.c", folder / "slow_sync.so"
    source.write_text(_SOURCE % int(milliseconds * 1e6), "utf-8")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return library if ran.returncode == 0 else None


def sync_times(folder: Path) -> list[float]:
    """Milliseconds that the disk takes to make 4 KiB durable, each of 200 times."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def fdatasync_median(folder: Path) -> float:
    """The median of `sync_times`."""
    return statistics.median(sync_times(folder))
