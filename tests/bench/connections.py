"""Requests a second with and without our bounds on connections: `python tests/bench/connections.py [--rounds 7]`.

An application that answers at once, 16 keep-alive connections over loopback, each with one request under way, clients
and server in one event loop, so that the share of the protocol is smaller than in the server alone. Rounds are
interleaved, so that a noisy machine treats all alike; the median and the best round are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

import uvloop

from badge_bridge.serving import Server, bind

CONNECTIONS, REQUESTS = 16, 400
HEAD = (
    "POST /hooks/reception HTTP/1.1\r\nHost: bridge.example\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
    "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nX-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=\r\n"
    "I-Twilio-Idempotency-Token: 3f2c9a1e-6c0b-4d6e-9d5b-1f0e2a7b9c11\r\nContent-Length: {size}\r\n\r\n"
)
SIZES = {"a call of 600 bytes": 600, "a body of 100 KiB": 100 * 1024}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def ask(port: int, request: bytes, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        writer.write(request)
        await reader.readuntil(b"\r\n\r\nok")
    writer.close()


async def rate(port: int, request: bytes) -> float:
    times = REQUESTS if len(request) < 4096 else REQUESTS // 4
    started = time.perf_counter()
    await asyncio.gather(*(ask(port, request, times) for _ in range(CONNECTIONS)))
    return CONNECTIONS * times / (time.perf_counter() - started)


async def measure(rounds: int) -> None:
    plain = Server(answer, bind("127.0.0.1", 0), http="httptools")
    bounded = Server(answer, bind("127.0.0.1", 0))
    await plain.start()
    await bounded.start()
    for name, size in SIZES.items():
        request = HEAD.format(size=size).encode() + b"a" * size
        rates: dict[str, list[float]] = {"uvicorn's protocol": [], "with our bounds": []}
        for _ in range(rounds):
            for server, found in zip((plain, bounded), rates.values(), strict=True):
                found.append(await rate(server.port, request))
        for way, found in rates.items():
            print(f"{name:<20} {way:<20} median {statistics.median(found):7.0f}  best {max(found):7.0f}  req/s")
    await bounded.stop()
    # The clients have left, so this one has no connection that only our protocol could end.
    await plain.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    uvloop.run(measure(parser.parse_args().rounds))
