"""Entry points of the cloud functions, and nothing else.

The framework executes this module in gunicorn's master process and then forks: nothing that owns a connection, a
thread or an event loop may be made here at import time. Each process opens what its own entry point needs on its first
request, and imports nothing else.
"""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import gc
import os
from importlib import import_module

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

# Looking for garbage among what is being loaded takes a twentieth of the time to the first answer, after which
# `serverless/opening.py` enables it.
gc.disable()

# Else pydantic looks through everything that is installed for plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


@functions_framework.aio.http
async def receive(request: Request) -> Response:
    """`POST /hooks/{source}`: take a signed delivery."""
    from badge_bridge.serverless import receive as function

    return await function.answer(request)


@functions_framework.aio.http
async def process(request: Request) -> Response:
    """Pushed by Pub/Sub: work on one event."""
    from badge_bridge.serverless import process as function

    return await function.answer(request)


@functions_framework.aio.http
async def sweep(request: Request) -> Response:
    """Called by Cloud Scheduler every minute: work on what is due."""
    from badge_bridge.serverless import sweep as function

    return await function.answer(request)


@functions_framework.aio.http
async def install(request: Request) -> Response:
    """`/install`: let an OAuth application into its portal."""
    from badge_bridge.serverless import install as function

    return await function.answer(request)


@functions_framework.aio.http
async def console(request: Request) -> Response:
    """`GET /console` and below: show an operator what is stored."""
    from badge_bridge.serverless import console as function

    return await function.answer(request)


# Where the platform says which one this is, it is imported before the first request comes.
if os.environ.get("FUNCTION_TARGET") in {"receive", "process", "sweep", "install", "console"}:
    import_module(f"badge_bridge.serverless.{os.environ['FUNCTION_TARGET']}")
