"""What a hostile body costs from the request to the answer, beside an ordinary delivery: a table of milliseconds.

Signed ones are sent by somebody who has the secret; the others are what anybody can send to the source that has to read
a body before it knows who sent it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery
from support.every_source import NOW, call
from support.fuzz_run import Surface
from support.hostile import BOMB, HOSTILE
from support.senders import SENDERS, Sender

MIB = 1024 * 1024
TIMES = 3
SENT_TO = ("generic-bearer", "aircall", "generic-form", "bitrix24")
"""JSON and a form whose sender is known first, and of each one that has to be read first."""


def filled(begin: bytes, repeated: bytes, end: bytes, size: int) -> bytes:
    """A body of about so many bytes."""
    return begin + repeated * ((size - len(begin) - len(end)) // len(repeated)) + end


def full(syntax: str, size: int) -> Mapping[str, bytes]:
    """Bodies as large as may be."""
    if syntax == "form":
        return {
            "full of fields": filled(b"a=1", b"&a=1", b"", size),
            "full of escapes": filled(b"a=", b"%41", b"", size),
            "full of ampersands": filled(b"a=1", b"&", b"", size),
        }
    return {
        "full of zeros": filled(b'{"a":[', b"0,", b"0]}", size),
        "full of brackets": filled(b'{"a":', b"[", b"", size),
        "full of members": filled(b"{", b'"a":1,', b'"b":1}', size),
        "full of escapes": filled(b'{"a":"', b"\\u0041", b'"}', size),
        "full of quotes": filled(b'{"a":"', b'\\"', b"", size),
        "one long number": filled(b'{"a":1.', b"1", b"}", size),
        "one long text": filled(b'{"a":"', b"x", b'"}', size),
    }


def hostile(sender: Sender) -> Iterator[tuple[str, Delivery]]:
    room = sender.source.max_body - 512  # for what the sender adds
    for name, content in {**HOSTILE[sender.syntax], **full(sender.syntax, room)}.items():
        yield name, sender.signed(content, NOW)
        if sender.reads_first:
            yield f"{name}, unsigned", unsigned(sender, content)
    bomb = sender.signed(BOMB, NOW)
    yield "gzip bomb", replace(bomb, headers=[*bomb.headers, ("content-encoding", "gzip")])


def unsigned(sender: Sender, content: bytes) -> Delivery:
    """What somebody sends who has no secret, with a signature of the right form: that of another body."""
    return replace(sender.signed(b"", NOW), body=content)


async def measured(surface: Surface, name: str, delivery: Delivery) -> tuple[int, float]:
    """The status, and the milliseconds of the quickest of some tries."""
    status, quickest = 0, float("inf")
    for _ in range(TIMES):
        bodies._pairs.cache_clear()  # which spares the form that was read a moment ago
        begun = time.perf_counter()
        status = await surface.send(name, delivery)
        quickest = min(quickest, time.perf_counter() - begun)
    return status, quickest * 1000


async def worst(surface: Surface) -> None:
    """Of every provider, format and way of signing, the body that costs most."""
    print(f"\n{'source':38}{'costs most':44}{'bytes':>10}{'answer':>8}{'ms':>9}{'ratio':>9}")
    for name, sender in SENDERS.items():
        (ordinary, *_) = sender.calls(call())
        _, usual = await measured(surface, name, ordinary)
        found = []
        for what, delivery in hostile(sender):
            status, took = await measured(surface, name, delivery)
            found.append((took, what, len(delivery.body), status))
        took, what, size, status = max(found)
        print(f"{name:38}{what:44}{size:>10,}{status:>8}{took:>9.2f}{took / usual:>9.1f}")


async def main() -> None:
    surface = Surface({name: sender.source for name, sender in SENDERS.items()})
    await surface.store.open()
    print(f"{'source':16}{'body':44}{'bytes':>10}{'answer':>8}{'ms':>9}{'ratio':>9}")
    for name in SENT_TO:
        (ordinary, *_) = SENDERS[name].calls(call())
        status, usual = await measured(surface, name, ordinary)
        print(f"{name:16}{'an ordinary delivery':44}{len(ordinary.body):>10,}{status:>8}{usual:>9.2f}{1:>9.1f}")
        for what, delivery in hostile(SENDERS[name]):
            status, took = await measured(surface, name, delivery)
            print(f"{name:16}{what:44}{len(delivery.body):>10,}{status:>8}{took:>9.2f}{took / usual:>9.1f}")
    await worst(surface)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
