"""The portal's error codes: what each means, which of our errors it is, and who can mend it.

One row per code, in lower case (Bitrix24 docs, "System errors", "crm.activity.badge.*", "crm.activity.configurable.*",
"crm.item.list", "event.bind", "OAuth 2.0", "Method confirmation"). A `mend` sentence names the right or scope, who
grants it and where, or what else a person does; `{portal}` in it is the portal's name in the rules file, `{scope}` the
scope that the method belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from badge_bridge.errors import AccessRefused, CallRefused, LimitReached, NotFound, OutcomeUnknown, PortalError

__all__ = [
    "ASK_FOR_CRM_ADMIN",
    "ASK_FOR_PLAN",
    "ASK_FOR_STATISTICS",
    "CODES",
    "OF_OTHER_METHODS",
    "STATISTICS",
    "Meaning",
    "refusal_in",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """`says` is half a sentence; `mend`, one or two sentences, is there unless the trouble passes by itself."""

    error: type[PortalError]
    says: str
    mend: str = ""


_SET_IT = "set it in the variable that portals.{portal} names in the rules file, and restart the bridge."
"""Secrets are in the environment, which is read at the start and not again."""

_AUTHORISE = (
    "A portal administrator installs the application in Bitrix24 again, or authorises the bridge with: badge-bridge "
    "authorize {portal}"
)
_NEW_CREDENTIAL = (
    "The token or webhook may have been revoked or have expired, or its user dismissed. Where an application is named "
    f"at portals.{{portal}}.oauth: {_AUTHORISE}. Otherwise an administrator makes a new webhook or token in Bitrix24 "
    f"under Developer resources: {_SET_IT}"
)
_APPLICATION = (
    "An inbound webhook cannot do this. A portal administrator makes a local application in Bitrix24 under "
    "Developer resources > Other > Local application; write its client id and secret at portals.{portal}.oauth in the "
    "rules file instead of the webhook, the secret in a variable, and restart the bridge."
)

ASK_FOR_CRM_ADMIN = (
    "The user behind the credential needs CRM administrator access. A portal administrator grants it in Bitrix24 "
    "under CRM > Settings > Access permissions."
)
STATISTICS = "voximplant.statistic.get"
"""The method that tells of calls, and needs a right of its own."""

ASK_FOR_STATISTICS = (
    "The user behind the credential needs the right to view the call statistics. A portal administrator grants it in "
    "Bitrix24 under Telephony > Configure telephony > Access permissions."
)
ASK_FOR_PLAN = (
    "REST needs a commercial plan with the Bitrix24 Marketplace subscription (or a trial of it). The portal's owner or "
    "an administrator can see and change the plan in Bitrix24 under Subscription."
)

_REPORT = "report it with the event's key and the line of the log that tells of it."
_FAULT = f"This is a fault of the bridge: {_REPORT}"
_ELSE_FAULT = f"Otherwise it is a fault of the bridge: {_REPORT}"
_AS_IT_SAYS = (
    "Mend what the portal names, and try the event again with badge-bridge events redrive; where it names nothing, ask "
    "the Bitrix24 support, with the time and the method."
)
_PICTURES = (
    "Take icon and logo of the rule's attach from crm.timeline.icon.list and crm.timeline.logo.list: badge-bridge "
    "doctor names those that the portal does not have."
)
_FROM_OUTSIDE = "Let public_url of the bitrix24 source begin with https:// and be reachable from outside."

_REFUSED_FOR_GOOD: Mapping[str, tuple[str, str]] = {
    "required_arg_missing": (
        "a required parameter is missing",
        f"Where it is one of a badge, give it a text under badges in the rules file. {_ELSE_FAULT}",
    ),
    "100": ("a required parameter is missing", _FAULT),
    "0": (
        "a value is not accepted",
        (
            "Correct what the portal names, under badges in the rules file: a code that is too long, or texts in a "
            "language that the portal does not have."
        ),
    ),
    "error_method_not_found": (
        "the portal has no such method",
        (
            "An on-premise portal may need an update, which its administrator makes under Settings > Module updates; "
            "in the cloud the plan may lack the CRM. badge-bridge doctor names the methods that are missing."
        ),
    ),
    "error_manifest_is_not_available": ("the manifest is not available", _FAULT),
    "invalid_request": (
        "the request is not one that is taken: not by https, or malformed",
        (
            "Let the address at portals.{portal} in the rules file, or in the variable named there, begin with "
            f"https://, and restart the bridge. {_ELSE_FAULT}"
        ),
    ),
    "error_batch_method_not_allowed": (
        "this method cannot be called in a batch",
        f"The bridge sends it alone then. Where it was alone, it is a fault of the bridge: {_REPORT}",
    ),
    "error_batch_length_exceeded": (
        "a batch takes at most 50 commands",
        f"The bridge sends fewer then. Where it was alone, it is a fault of the bridge: {_REPORT}",
    ),
    "error_wrong_application": (
        "another application made the activity, and only that one may change it",
        (
            "A local application that was deleted and made anew is another one. Somebody has to complete the activity "
            "by hand in Bitrix24."
        ),
    ),
    "wrong_field_value": (
        "a field has a value that the portal does not take",
        f"Where the portal names it, correct it at the rule's attach or at its badge in the rules file. {_PICTURES}",
    ),
    "incoming_activity_can_not_be_with_deadline": ("an incoming activity cannot have a deadline", _FAULT),
    "cant_change_provider_type_id": ("an activity cannot become one of another type", _FAULT),
    "error_empty_layout": ("the layout is empty", _FAULT),
    "field_is_required": ("the layout lacks a required key", _FAULT),
    "field_is_redundant": ("the layout has a key that the portal does not know", _FAULT),
    "enum_field": ("a value is not one of those allowed", f"{_PICTURES} {_ELSE_FAULT}"),
    "too_many_items": ("the layout has too many items", _FAULT),
    "key_contain_wrong_symbols": ("a key has characters other than letters, digits, _ and -", _FAULT),
    "wrong_lang": (
        "a text is in a language that the portal does not have",
        (
            "Install the language in the portal, or remove it from the texts of the badge and of the rule's attach in "
            "the rules file."
        ),
    ),
    "wrong_type_value": (
        "a badge cannot have this type",
        "Write success, failure, warning, primary or secondary as the badge's type in the rules file.",
    ),
    "bx_invalid_value": (
        "a value is not accepted, or a badge of this code is there already",
        "badge-bridge sync shows whether it is there; else give the badge another code in the rules file.",
    ),
    "invalid_arg_value": (
        "a parameter has a value that the portal does not take",
        f"Where attach.owner of the rule names the card, let it give the id of one. {_ELSE_FAULT}",
    ),
    "invalid_argument": (
        "a parameter has a value that the portal does not take",
        f"Where attach.owner of the rule names the card, let it give the id of one. {_ELSE_FAULT}",
    ),
    "error_argument": ("a parameter is missing or has a value that the portal does not take", _FAULT),
    "error_core": ("the portal could not do it, for the reason that it gives", _AS_IT_SAYS),
    "error_event_not_found": (
        "the portal has no event of this name",
        (
            "A portal administrator edits the application in Bitrix24 under Developer resources, adds the permission "
            "telephony and installs it again."
        ),
    ),
    "unable to set event handler": (
        "this address is bound to the event already, or may not be",
        f"Where the portal's calls arrive, nothing is to be done. {_FROM_OUTSIDE}",
    ),
    "error_wrong_handler_url": ("the portal does not send events to this address", _FROM_OUTSIDE),
    "error_unsupported_protocol": ("the portal does not send events by this protocol", _FROM_OUTSIDE),
}

OF_OTHER_METHODS = frozenset(
    {
        "0",
        "bx_invalid_value",
        "error_argument",
        "error_unsupported_protocol",
        "error_wrong_handler_url",
        "wrong_type_value",
    }
)
"""Refusals of adding badges and of binding events; said of an activity they may mean anything, as an unknown one."""

_ACCESS: Mapping[str, Meaning] = {
    "access_denied": Meaning(
        AccessRefused,
        "access is denied",
        "Either the user behind the credential lacks the right to the CRM item or method, which a portal administrator "
        "grants in Bitrix24 under CRM > Settings > Access permissions, or the portal's plan has no REST.",
    ),
    "invalid_credentials": Meaning(
        AccessRefused,
        "the user behind the credential lacks rights, or the credential is wrong",
        "A portal administrator checks that the user is active and gives rights in Bitrix24 under CRM > Settings > "
        f"Access permissions. Where the credential is wrong, take the right one: {_SET_IT}",
    ),
    "no_auth_found": Meaning(AccessRefused, "the token or webhook is not known to the portal", _NEW_CREDENTIAL),
    "expired_token": Meaning(
        AccessRefused,
        "the credential has expired: an access token does so an hour after it was issued, an inbound webhook on the "
        "date that it was given, if any",  # Bitrix24 docs, "How to call REST"
        "The token of an application is renewed by the bridge itself: where that does not help, a portal administrator "
        "authorises it again with: badge-bridge authorize {portal}. A webhook, or a token given as it is, cannot be "
        f"renewed: a portal administrator can make a webhook in Bitrix24 under Developer resources; {_SET_IT}",
    ),
    "insufficient_scope": Meaning(
        AccessRefused,
        "the credential lacks the scope of this method",
        "Whoever made the webhook or application, or a portal administrator, edits it in Bitrix24 under Developer "
        "resources and adds the permission {scope}.",
    ),
    "user_access_error": Meaning(
        AccessRefused,
        "the application is not open to this user",
        "A portal administrator opens the application to the user behind the credential in Bitrix24 under "
        "Applications, in the access settings of the application.",
    ),
    "portal_deleted": Meaning(
        AccessRefused,
        "the portal's public part is closed or the portal was deleted",
        "A portal administrator opens the public part again. Where the address is wrong, correct it at "
        "portals.{portal} in the rules file, or in the variable named there, and restart the bridge.",
    ),
    "method_confirm_waiting": Meaning(
        AccessRefused,
        "the method waits for an administrator to confirm it",
        "A portal administrator confirms the request in the Bitrix24 notification about this method.",
    ),
    "method_confirm_denied": Meaning(
        AccessRefused,
        "an administrator has denied this method to the credential",
        "The denial holds for this token only: a portal administrator makes a new credential and confirms the method. "
        f"Take the new one: {_SET_IT}",
    ),
    "allowed_only_intranet_user": Meaning(
        AccessRefused,
        "the user behind the credential is not an employee of the portal's company",
        "A portal administrator makes the credential as an employee, not as a guest of a group or an outside user. "
        f"Take the new one: {_SET_IT}",
    ),
    "invalid_client": Meaning(
        AccessRefused,
        "the authorisation server does not know the application, or it is not installed",
        "Compare client_id and client_secret at portals.{portal}.oauth with those of the application in Bitrix24 under "
        "Developer resources, and install it there if it is not. A portal administrator can see them.",
    ),
    "invalid_grant": Meaning(
        AccessRefused, "the authorisation is over: its token was used, withdrawn or is older than 180 days", _AUTHORISE
    ),
    "invalid_scope": Meaning(AccessRefused, "the application asks for a scope that it was not given", _AUTHORISE),
    "payment_required": Meaning(AccessRefused, "the portal's plan or the application is not paid for", ASK_FOR_PLAN),
    "wrong_auth_type": Meaning(AccessRefused, "the method takes application tokens only", _APPLICATION),
    "error_wrong_context": Meaning(AccessRefused, "the method takes application tokens only", _APPLICATION),
}

_PASSING: Mapping[str, Meaning] = {
    "internal_server_error": Meaning(OutcomeUnknown, "the portal failed; whether it was carried out is not known"),
    "error_unexpected_answer": Meaning(OutcomeUnknown, "the portal failed; whether it was carried out is not known"),
    "query_limit_exceeded": Meaning(LimitReached, "too many calls in a short time; it was not carried out"),
    "operation_time_limit": Meaning(
        LimitReached, "this method has used up the run time that the portal grants it; it was not carried out"
    ),
    "overload_limit": Meaning(
        LimitReached,
        "Bitrix24 has blocked the portal's REST by hand because of overload. Only Bitrix24 support can lift this; "
        "a portal administrator has to contact them",
    ),
    "not_found": Meaning(
        NotFound,
        "the portal has no such thing",
        "It may have been deleted meanwhile: badge-bridge events redrive lets the bridge look again. Where the rule's "
        "attach.owner names the card, let it give the id of one that is there.",
    ),
}

CODES: Mapping[str, Meaning] = MappingProxyType(
    {**_PASSING, **_ACCESS, **{code: Meaning(CallRefused, *told) for code, told in _REFUSED_FOR_GOOD.items()}}
)


def refusal_in(answer: str) -> type[PortalError] | None:
    """What an exchange's `answer` refuses by a code that is known, so that nothing was carried out; None for others."""
    meaning = CODES.get(answer.casefold())
    return None if meaning is None or meaning.error is OutcomeUnknown else meaning.error
