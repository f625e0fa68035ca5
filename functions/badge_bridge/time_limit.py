"""A time limit that costs nothing where nothing has to be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

__all__ = ["within"]

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled where it takes longer.

    The timer is set when the work waits for the first time, since to set one and to take it back costs as much as to
    read a small delivery, whose body is there with its head.

    Raises:
        TimeoutError: it took longer.
    """
    try:
        awaited = work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    async with asyncio.timeout(seconds):
        return await _going_on(work, awaited)


@coroutine
def _going_on(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The rest of work that has begun, and waits for what it has given."""
    while True:
        try:
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - it is the work's: a failed wait, or that it is cancelled
                awaited = work.throw(error)
            else:
                awaited = work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
