"""The lines of a `serve` that has started: for people one by one, for programs all in the fields of one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["log_started"]

_log = logging.getLogger("badge_bridge.serve")


def log_started(
    *, url: str, state: str, rules: str, sources: Iterable[tuple[str, str]], fields: Mapping[str, Any]
) -> None:
    """Log where it listens; `sources` are names and providers, `rules` is the hash, `fields` say everything."""
    for name, provider in sources:
        _log.info("source %s (%s) takes POST %s/hooks/%s", name, provider, url, name)
    _log.info(
        "listening on %s, events in %s, rules %s",
        url,
        state,
        rules,
        extra={"json_fields": dict(fields), "console_fields": {}},
        stacklevel=2,
    )
