"""What is compared, each as its users start it, with one worker process: `serve` and what else takes webhooks.

`serve` has its worker on and the rules of the product's own job: each delivery is a missed call that gets a badge on a
card of the portal, the sandbox in a process beside it, with the portal's limits.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from bench.speed.deliveries import KEY, PATH, SECRET
from bench.speed.processes import Running, free_port, importable, running

__all__ = [
    "EMPTY_FUNCTION",
    "NODE_RED",
    "empty_function",
    "install_node_red",
    "least",
    "node_red",
    "rules",
    "serve",
    "versions",
    "webhook",
]

EMPTY_FUNCTION = """
import functions_framework.aio
from starlette.responses import Response


@functions_framework.aio.http
async def empty(request):
    return Response(status_code=204)
"""
NODE_RED = "4.1.15"

_SOURCE = PATH.rpartition("/")[2]
_RULES = f"""
portals:
  main:
    url: ${{PORTAL_URL}}
    limits: LIMITS
    oauth: {{client_id: local.sandbox-application, client_secret: "${{CLIENT_SECRET}}", server: "${{PORTAL_URL}}"}}
sources:
  {_SOURCE}:
    provider: generic
    verify: {{scheme: standard-webhooks}}
    secrets: ["${{PBX_SECRET}}"]
    event: {{type: "'call.' + body.outcome", id: body.id, caller: body.from, time: body.time, direction: "'inbound'"}}
badges:
  missedCall: {{title: Call status, value: Missed, type: failure}}
rules:
  - name: missed call
    on: ON
    badge: missedCall
    attach: {{title: "Missed call from {{caller}}"}}
    clear: {{on: [call.answered]}}
"""


def rules(*, on: str = "call.missed", limits: str = "standard") -> str:
    """A rules file with one source of signed calls, and one rule, which is for events of type `on`."""
    return _RULES.replace("ON", on).replace("LIMITS", limits)


@contextmanager
def serve(
    folder: Path,
    *,
    state: Path,
    on: str = "call.missed",
    limits: str = "standard",
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """`badge-bridge serve`, installed in a sandbox portal of its own; events of type `on` are those with a rule.

    `limits` are the portal's in the rules file. The sandbox has its own, and is the helper that comes with the server.
    """
    program, portal_port, port = (sys.executable, "-m", "badge_bridge"), free_port(), free_port()
    written = folder / f"rules-{port}.yaml"
    written.write_text(rules(on=on, limits=limits), "utf-8")
    portal = f"http://127.0.0.1:{portal_port}"
    environ = {
        "PORTAL_URL": portal,
        "CLIENT_SECRET": APPLICATION_SECRET,
        "PBX_SECRET": SECRET,
        "ENCRYPTION_KEY": new_key(),
        **(env or {}),
    }
    command = [
        *program,
        "serve",
        "--rules",
        str(written),
        "--state",
        f"sqlite:///{state}",
        "--port",
        str(port),
        "--admin",
        "127.0.0.1:0",
    ]
    with (
        running([*program, "sandbox", "--port", str(portal_port)], portal_port, folder=folder) as sandbox,
        running(command, port, folder=folder, env=environ) as server,
    ):
        installed = httpx.post(
            f"{portal}/_sandbox/install", json={"url": f"http://127.0.0.1:{port}/install"}, timeout=30
        )
        assert installed.json()["status"] == 200, installed.text
        server.helpers = (sandbox,)
        yield server


@contextmanager
def empty_function(folder: Path) -> Iterator[Running]:
    """The functions framework with a handler that does nothing, in its own server (uvicorn's worker with uvloop)."""
    source = folder / "empty.py"
    source.write_text(EMPTY_FUNCTION, "utf-8")
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--asgi", "--target", "empty", "--source", str(source)]
    env = {"WORKERS": "1", "PORT": str(port), "HOST": "127.0.0.1"}
    with running([*command, "--port", str(port), "--host", "127.0.0.1"], port, folder=folder, env=env) as server:
        yield server


@contextmanager
def least(folder: Path, *, state: Path) -> Iterator[Running]:
    """What does nothing but check a signature and store a row (`least.py`)."""
    port = free_port()
    command = [sys.executable, "-m", f"{__package__}.least", str(port), str(state)]
    with running(command, port, folder=folder, env=importable()) as server:
        yield server


@contextmanager
def webhook(folder: Path) -> Iterator[Running]:
    """Debian's webhook with a rule that checks the HMAC and answers when its command has ended."""
    signature = {"source": "header", "name": "X-Signature"}
    match = {"type": "payload-hmac-sha256", "secret": KEY.decode(), "parameter": signature}
    hook = {
        "id": _SOURCE,
        "execute-command": "/bin/true",
        "include-command-output-in-response": True,
        "trigger-rule": {"match": match},
    }
    hooks = folder / "hooks.json"
    hooks.write_text(json.dumps([hook]), "utf-8")
    port = free_port()
    command = ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)]
    with running(command, port, folder=folder) as server:
        yield server


@contextmanager
def node_red(folder: Path, installed: Path) -> Iterator[Running]:
    """Node-RED with a flow that answers each delivery at once: it checks nothing, and stores nothing."""
    port = free_port()
    flow = [
        {"id": "t", "type": "tab", "label": "bench"},
        {"id": "in", "type": "http in", "z": "t", "url": PATH, "method": "post", "wires": [["out"]]},
        {"id": "out", "type": "http response", "z": "t", "statusCode": "204", "headers": {}, "wires": []},
    ]
    data = folder / "node-red"
    data.mkdir(exist_ok=True)
    (data / "flows.json").write_text(json.dumps(flow), "utf-8")
    (data / "settings.js").write_text(
        f'module.exports = {{uiPort: {port}, uiHost: "127.0.0.1", flowFile: "flows.json", disableEditor: true}};\n',
        "utf-8",
    )
    red = installed / "node_modules" / "node-red" / "red.js"
    command = ["node", str(red), "--userDir", str(data), "--settings", str(data / "settings.js")]
    with running(command, port, folder=folder) as server:
        # It listens before its flows have started.
        for _ in range(100):
            if httpx.post(f"http://127.0.0.1:{port}{PATH}", json={}).status_code == 204:
                break
        yield server


def install_node_red(folder: Path, *, may_fetch: bool) -> str:
    """Put Node-RED into a folder, unless it is there; why there is none, or nothing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not installed"
    if (folder / "node_modules" / "node-red" / "red.js").exists():
        return ""
    if not may_fetch:
        return f"Node-RED is not in {folder} yet; make bench without QUICK fetches it"
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", f"node-red@{NODE_RED}"]
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return "npm did not install Node-RED within ten minutes"
    return "" if ran.returncode == 0 else f"npm could not install Node-RED: {ran.stderr.strip()[-200:]}"


def versions() -> dict[str, str]:
    """Of the programs that are not Python's."""
    found = {}
    for name, command in (
        ("wrk", ["wrk", "-v"]),
        ("webhook", ["webhook", "-version"]),
        ("node", ["node", "--version"]),
    ):
        if shutil.which(name):
            ran: Sequence[str] = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
            found[name] = " ".join(ran[1:3] if name != "node" else ran[:1]).strip()
    return found
