"""What the authorisation server's error codes mean, and who can mend it (Bitrix24 docs, "OAuth 2.0", "Error codes").

The statuses that they come with are not documented, so an answer is judged by its code, and by its status only where
the code is not known. `{portal}` is the portal's name in the rules file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["REFUSALS", "UNKNOWN", "Refusal"]


class Refusal(NamedTuple):
    """`says` is half a sentence, `mend` one or two sentences."""

    says: str
    mend: str


_AUTHORIZE = (
    "A portal administrator has to let the application in again: run badge-bridge authorize {portal} and open the link "
    "that it prints."
)
_KEYS = (
    "Compare client_id and client_secret at portals.{portal}.oauth in the rules file, or in the variables named there, "
    "with what Bitrix24 shows under Developer resources > Integrations for the application, and restart the bridge. An "
    "application that was removed and added again has others."
)
_PERMISSIONS = (
    "Whoever made the application, or a portal administrator, edits its permissions in Bitrix24 under Developer "
    "resources > Integrations; then run badge-bridge authorize {portal} and open the link that it prints."
)

REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "invalid_grant": Refusal(
            "the refresh token or code is used up or dead: not renewed for 180 days, replaced by a later one, or its "
            "user was dismissed",
            _AUTHORIZE,
        ),
        "invalid_client": Refusal("the application's keys are wrong, or the portal has no such application", _KEYS),
        "invalid_request": Refusal("the authorisation server does not understand the request", _KEYS),
        "unauthorized_client": Refusal("the application may not ask for this", _KEYS),
        "not_installed": Refusal("the application is not installed in the portal", _AUTHORIZE),
        "invalid_scope": Refusal("the application asks for permissions that it does not have", _PERMISSIONS),
        "insufficient_scope": Refusal("the application lacks permissions", _PERMISSIONS),
        "access_denied": Refusal("access is denied", _AUTHORIZE),
        "payment_required": Refusal(
            "the portal's plan or the application's subscription has run out",
            "The portal's owner or an administrator can see and extend the plan in Bitrix24 under Subscription; the "
            "bridge goes on by itself after that.",
        ),
    }
)

UNKNOWN = Refusal("the authorisation server refuses", _AUTHORIZE)
