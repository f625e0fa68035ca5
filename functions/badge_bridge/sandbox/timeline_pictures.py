"""The icons and logos that the portal brings along for timeline entries (Bitrix24 docs, "Icon", "Body")."""

from __future__ import annotations

__all__ = ["ICONS", "LOGOS"]

ICONS = (
    *("call", "call-incoming", "call-outcoming", "call-completed", "call-incoming-missed"),
    *("sms", "telegram", "whatsapp", "IM", "mail-outcome"),
    *("document", "task", "info", "check", "circle-check", "complete", "clock"),
    *("stage-change", "pipeline", "arrow-down"),
)
LOGOS = ("call", "call-incoming", "notification", "document", "arrow-down", "info")
