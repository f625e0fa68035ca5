"""The dependency rules of the package, read from its source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import badge_bridge

PACKAGE = Path(badge_bridge.__file__).parent
LEAVES = {
    "ahead",
    "badge_look",
    "certain_time",
    "events",
    "outcomes",
    "errors",
    "cel",
    "closeness",
    "doubts",
    "holding",
    "http",
    "meters",
    "misplaced",
    "moments",
    "noted",
    "number_fields",
    "plural",
    "portal_address",
    "secret_references",
    "store_room",
    "typed_times",
    "__init__",
}
# What each room may know besides itself.
ALLOWED = {
    **dict.fromkeys(LEAVES, LEAVES),
    "sources": LEAVES,
    "rulesfile": LEAVES,
    "portal": LEAVES,
    "gcp": LEAVES,
    "store": {*LEAVES, "gcp"},
    "observability": {*LEAVES, "settings"},
    "sandbox": {*LEAVES, "serving"},
    "dispatch": {*LEAVES, "gcp", "observability", "store"},
    "previews": LEAVES,
    "retry": LEAVES,
    "settling": {*LEAVES, "retry", "store"},
    "settings": LEAVES,
    "crowd": LEAVES,
    "door": {*LEAVES, "crowd", "observability"},
    "connections": {*LEAVES, "crowd", "door"},
    "body_budget": LEAVES,
    "whereabouts": {*LEAVES, "store"},
    "time_limit": LEAVES,
    "reading": LEAVES,
    "probes": {*LEAVES, "observability", "reading", "store"},
    "metrics": {*LEAVES, "store"},
    "service_manager": LEAVES,
    "serving": {*LEAVES, "connections", "door"},
    "filters": {*LEAVES, "rulesfile", "spellings", "store"},
    "life": {*LEAVES, "on_cards", "store"},
    "shell_words": LEAVES,
    "words": LEAVES,
    "curl_commands": {*LEAVES, "shell_words", "sources"},
    "delivery_files": {*LEAVES, "curl_commands", "sources"},
    "explain_json": {*LEAVES, "explain", "life", "on_cards", "rulesfile", "sources", "telling"},
    "terminal_findings": {*LEAVES, "terminal_text"},
    "terminal_progress": LEAVES,
    "terminal_stats": {*LEAVES, "store", "terminal_text"},
    "terminal_text": LEAVES,
    "following": {*LEAVES, "store"},
    "terminal_rows": {*LEAVES, "following", "store", "telling", "terminal", "terminal_text"},
    "terminal": {*LEAVES, "on_cards", "store", "telling"},
    "telling": {*LEAVES, "customers", "ignoring", "portal", "rulesfile", "store"},
    "terminal_event": {
        *LEAVES,
        "on_cards",
        "rulesfile",
        "store",
        "telling",
        "terminal",
        "terminal_explain",
        "terminal_text",
        "whole_life",
    },
    "terminal_explain": {
        *LEAVES,
        "explain",
        "on_cards",
        "rulesfile",
        "sources",
        "store",
        "telling",
        "terminal",
        "terminal_text",
    },
    "terminal_portal": {*LEAVES, "portal", "terminal_text"},
    "terminal_startup": {*LEAVES, "startup", "store", "terminal_text"},
    "rules_watch": LEAVES,
    "ensuring": {*LEAVES, "portal", "rulesfile"},
    "configuration": {*LEAVES, "gcp", "rulesfile", "settings", "sources"},
    "local_checks": {
        *LEAVES,
        "configuration",
        "portal",
        "rulesfile",
        "settings",
        "sources",
        "store",
        "telling",
    },
    "ignoring": {*LEAVES, "rulesfile"},
    "installation": {*LEAVES, "observability", "portal", "sources"},
    "customers": {*LEAVES, "portal", "rulesfile"},
    "attaching": {*LEAVES, "customers", "portal", "rulesfile", "store"},
    "on_cards": {*LEAVES, "portal", "store"},
    "cards": {*LEAVES, "attaching", "customers", "portal", "rulesfile", "store"},
    "calls": {*LEAVES, "rulesfile", "sources", "store"},
    "archive": {*LEAVES, "rulesfile", "sources", "store"},
    "redriving": {*LEAVES, "archive", "store"},
    "resuming": {*LEAVES, "portal", "store"},
    "accepting": {*LEAVES, "calls", "observability", "rulesfile", "sources", "store"},
    "backfill": {*LEAVES, "accepting", "observability", "portal", "rulesfile", "sources", "store"},
    "number_values": LEAVES,
    "spellings": {*LEAVES, "number_values", "rulesfile", "sources"},
    "erasure": {*LEAVES, "archive", "backfill", "on_cards", "rulesfile", "spellings", "store"},
    "retention": {*LEAVES, "archive", "observability", "rulesfile", "store"},
    "whole_life": {
        *LEAVES,
        "archive",
        "explain",
        "explain_json",
        "life",
        "on_cards",
        "portal",
        "previews",
        "redriving",
        "rulesfile",
        "sources",
        "store",
        "telling",
    },
    "pipeline": {
        *LEAVES,
        "accepting",
        "archive",
        "attaching",
        "calls",
        "cards",
        "ignoring",
        "observability",
        "portal",
        "retry",
        "rulesfile",
        "settling",
        "sources",
        "store",
    },
}
# What puts the rooms together may know all of them.
TOGETHER = {"access", "bridge", "explain", "reloading", "signing", "startup"}
CLI = {
    "cli",
    "cli_backup",
    "cli_check",
    "cli_clear",
    "cli_completion",
    "cli_console",
    "cli_erase",
    "cli_events",
    "cli_explain",
    "cli_fetch",
    "cli_filters",
    "cli_group",
    "cli_oauth",
    "cli_options",
    "cli_portal",
    "cli_redrive",
    "cli_resume",
    "cli_samples",
    "cli_serve",
    "cli_sign",
    "cli_stats",
    "cli_subjects",
    "cli_sync",
    "cli_tail",
}
TOP = {"__main__", *CLI, "admin", "server", "serverless", "demo", "console"}
MODULES = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("badge_bridge.")}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_one_way(path: Path) -> None:
    """A room imports only the rooms below it."""
    if room(path) in TOP | TOGETHER:
        return
    assert room(path) in ALLOWED, f"say in ALLOWED what the new room {room(path)} may know"
    assert rooms_of(imported(path)) - {room(path), "__version__"} <= ALLOWED[room(path)]


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) not in TOP], ids=str)
def test_nobody_below_imports_the_command_line_or_the_server(path: Path) -> None:
    """The command line, the server and the demo are known to nobody below them."""
    assert not rooms_of(imported(path)) & TOP


def test_http_client_library_is_imported_in_one_module() -> None:
    """Swapping the HTTP client library changes one import."""
    users = [room(path) for path in MODULES if any(name.split(".")[0] == "httpx" for name in imported(path))]
    assert users == ["http"]


def test_google_libraries_are_imported_in_their_adapter_alone() -> None:
    """Whatever does not speak to Google works without its libraries; protobuf is what CEL describes events with."""
    users = {str(path) for path in MODULES if any(name.startswith(("google.", "grpc")) for name in imported(path))}
    assert {user for user in users if not user.startswith(("cel/", "store/firestore/"))} <= {
        "gcp/tokens.py",
        "observability/gcp.py",
    }


def test_terminal_libraries_are_imported_by_the_command_line_alone() -> None:
    """A function is installed without the extra `cli`, so nothing that it uses may need it."""
    users = {room(path) for path in MODULES if {"rich", "typer"} & {name.split(".")[0] for name in imported(path)}}
    assert users <= {
        *CLI,
        "terminal",
        "terminal_event",
        "terminal_explain",
        "terminal_findings",
        "terminal_portal",
        "terminal_progress",
        "terminal_rows",
        "terminal_startup",
        "terminal_stats",
        "terminal_text",
        "demo",
    }


SERVING = {
    "serve": "bridge, badge_bridge.server, badge_bridge.admin",
    **{name: f"serverless.{name}" for name in ("receive", "process", "sweep", "install", "console")},
}


@pytest.mark.parametrize("name", SERVING)
def test_serving_imports_no_google_library_and_no_terminal_library(name: str) -> None:
    """What `serve` and the functions import before their first request is free of slow and optional packages; what
    takes deliveries is free of the portals too.

    Not rich: httpx imports its own command line wherever rich is installed, which is why a function does without.
    """
    slow = [
        "google.cloud.logging",
        "grpc",
        "typer",
        "phonenumbers",
        "cel_expr_python",
        "trustme",
        "cryptography",
        "jwt",
    ]
    if name == "receive":
        slow += [
            "badge_bridge.portal",
            "badge_bridge.sandbox",
            "badge_bridge.store.sqlite",
            "badge_bridge.store.memory",
        ]
    program = (
        f"import sys, badge_bridge.{SERVING[name]};"
        f"slow = [m for m in {slow} if m in sys.modules];"
        "print(slow); sys.exit(bool(slow))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
