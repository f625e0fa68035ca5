"""The Bitrix24 portal: credentials, calls and their limits, badges."""

from badge_bridge.portal.badges import Badge, Badges, Difference, Ensured
from badge_bridge.portal.client import PortalClient
from badge_bridge.portal.commands import Page
from badge_bridge.portal.credentials import AccessToken, Credential, InboundWebhook
from badge_bridge.portal.portal import Portal, open_portal

__all__ = [
    "AccessToken",
    "Badge",
    "Badges",
    "Credential",
    "Difference",
    "Ensured",
    "InboundWebhook",
    "Page",
    "Portal",
    "PortalClient",
    "open_portal",
]
