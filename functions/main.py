"""Entry points of the cloud functions, and nothing else.

The framework executes this module in gunicorn's master process and then forks: nothing that owns a connection, a
thread or an event loop may be made here at import time. Each process opens its bridge on its first request.
"""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from badge_bridge import serverless


@functions_framework.aio.http
async def receive(request: Request) -> Response:
    """`POST /hooks/{source}`: take a signed delivery."""
    return await serverless.receive(request)
