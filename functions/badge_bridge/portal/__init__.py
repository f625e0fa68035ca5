"""The Bitrix24 portal: credentials, calls and their limits, badges, and the cards that carry them."""

from badge_bridge.portal.activities import Activities, Added, NewActivity, OwnerGone, content, origin_of
from badge_bridge.portal.badges import Badge, Badges, Difference, Ensured
from badge_bridge.portal.card import Facts, build_layout
from badge_bridge.portal.client import PortalClient
from badge_bridge.portal.codes import refusal_in
from badge_bridge.portal.commands import Page
from badge_bridge.portal.credentials import AccessToken, Credential, InboundWebhook
from badge_bridge.portal.crm_items import OwnerKind, kind_of
from badge_bridge.portal.owners import Customer, Found, Owner, Owners, WantedOwner
from badge_bridge.portal.phone_variants import E164
from badge_bridge.portal.portal import Portal, open_portal

__all__ = [
    "E164",
    "AccessToken",
    "Activities",
    "Added",
    "Badge",
    "Badges",
    "Credential",
    "Customer",
    "Difference",
    "Ensured",
    "Facts",
    "Found",
    "InboundWebhook",
    "NewActivity",
    "Owner",
    "OwnerGone",
    "OwnerKind",
    "Owners",
    "Page",
    "Portal",
    "PortalClient",
    "WantedOwner",
    "build_layout",
    "content",
    "kind_of",
    "open_portal",
    "origin_of",
    "refusal_in",
]
