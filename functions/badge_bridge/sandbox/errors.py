"""What goes wrong in the sandbox: for the one who runs it, and for the one who calls the portal.

`SandboxError` is for the operator (a port is taken, a state file cannot be read). `Refusal` is the portal's own "no" to
one call and becomes its answer; `ERRORS` is the one table of the codes that the real portal is known to use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from badge_bridge.errors import BridgeError

__all__ = ["ERRORS", "KnownError", "Refusal", "SandboxError", "system_status"]


class SandboxError(BridgeError):
    """The sandbox cannot start or keep its state; the message names the file or port and says what to do."""


@dataclass(frozen=True, slots=True)
class KnownError:
    """An error code of the real portal with the HTTP status it comes with and a description."""

    code: str
    status: int
    description: str


def _table(*errors: KnownError) -> Mapping[str, KnownError]:
    return {error.code: error for error in errors}


ERRORS: Mapping[str, KnownError] = _table(
    # Errors of the REST layer itself, possible with any method (Bitrix24 docs, "Statuses and system error codes").
    KnownError("INTERNAL_SERVER_ERROR", 500, "Internal server error"),
    KnownError("ERROR_UNEXPECTED_ANSWER", 500, "Server returned an unexpected response"),
    KnownError("QUERY_LIMIT_EXCEEDED", 503, "Too many requests"),
    KnownError("OPERATION_TIME_LIMIT", 429, "Method is blocked due to operation time limit"),
    KnownError("OVERLOAD_LIMIT", 503, "REST API is blocked due to overload"),
    KnownError("ERROR_BATCH_METHOD_NOT_ALLOWED", 405, "Method is not allowed for batch usage"),
    KnownError("ERROR_BATCH_LENGTH_EXCEEDED", 400, "Max batch length exceeded"),
    KnownError("NO_AUTH_FOUND", 401, "Wrong authorization data"),
    KnownError("INVALID_REQUEST", 400, "Https required"),
    KnownError("INVALID_CREDENTIALS", 403, "Invalid request credentials"),
    KnownError("insufficient_scope", 403, "The request requires higher privileges than provided by the access token"),
    KnownError("expired_token", 401, "The access token provided has expired"),
    KnownError("user_access_error", 403, "The user does not have access to the application"),
    KnownError("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, "Manifest is not available"),
    KnownError("PORTAL_DELETED", 500, "Portal was deleted"),
    KnownError("ERROR_METHOD_NOT_FOUND", 404, "Method not found!"),
    KnownError("METHOD_CONFIRM_WAITING", 401, "Waiting for confirmation"),
    KnownError("METHOD_CONFIRM_DENIED", 403, "Method call denied"),
    KnownError("WRONG_AUTH_TYPE", 403, "Current authorization type is denied for this method"),
    # The system errors use ACCESS_DENIED with 403 for "not on this plan"; methods use it with 400 for a missing right.
    KnownError("ACCESS_DENIED", 400, "Access denied."),
    # Errors of methods (Bitrix24 docs, "crm.activity.badge.*" and "crm.activity.configurable.*").
    KnownError("NOT_FOUND", 400, "Not found."),
    KnownError("REQUIRED_ARG_MISSING", 400, "Required fields are not filled"),
    KnownError("WRONG_TYPE_VALUE", 400, "Wrong type value"),
    KnownError("BX_INVALID_VALUE", 400, "Code must be unique"),
    KnownError("0", 400, "The length of the code field must not exceed 30 characters"),
    KnownError("100", 400, "Could not find value for parameter {code}"),
    KnownError("ERROR_WRONG_CONTEXT", 400, "Application context required"),
    KnownError("ERROR_WRONG_APPLICATION", 400, "The activity was created by another application"),
    KnownError("WRONG_FIELD_VALUE", 400, "Wrong field value"),
    KnownError("INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE", 400, "An incoming activity can not have a deadline"),
    KnownError("ERROR_EMPTY_LAYOUT", 400, "The layout is empty"),
    KnownError("FIELD_IS_REQUIRED", 400, "A required field of the layout is missing"),
    KnownError("FIELD_IS_REDUNDANT", 400, "The layout has an unknown field"),
    KnownError("ENUM_FIELD", 400, "A field of the layout has a value that is not in its list"),
    KnownError("TOO_MANY_ITEMS", 400, "The layout has too many items"),
    KnownError("KEY_CONTAIN_WRONG_SYMBOLS", 400, "A key of the layout has characters that are not allowed"),
    KnownError("CANT_CHANGE_PROVIDER_TYPE_ID", 400, "The type of an activity can not be changed"),
    KnownError("WRONG_LANG", 400, "The language is not installed"),
    KnownError("INVALID_ARG_VALUE", 400, "Invalid value of an argument"),
    KnownError("allowed_only_intranet_user", 403, "Only for intranet users"),
    KnownError("ERROR_CORE", 400, "Internal error of a module"),
    # Errors of binding events (Bitrix24 docs, "event.bind").
    KnownError("ERROR_EVENT_NOT_FOUND", 400, "Event not found"),
    KnownError("ERROR_ARGUMENT", 400, "Argument is null or empty"),
    KnownError("ERROR_WRONG_HANDLER_URL", 400, "Wrong handler URL"),
    KnownError("ERROR_UNSUPPORTED_PROTOCOL", 400, "Unsupported handler protocol"),
    # Errors of the authorisation server (Bitrix24 docs, "OAuth error codes", which gives no statuses).
    KnownError("invalid_request", 400, "The request is missing a parameter or has a wrong one"),
    KnownError("invalid_client", 400, "The application is unknown, not installed, or its secret is wrong"),
    KnownError("invalid_grant", 400, "The code or the refresh token is not valid"),
    KnownError("invalid_scope", 400, "The requested scope is not the application's"),
    KnownError("PAYMENT_REQUIRED", 401, "The subscription has ended"),
)
"""Every code that a fault may name, and what the portal itself answers with."""

_UNAUTHORISED = frozenset(
    {
        "INVALID_REQUEST",
        "OVERLOAD_LIMIT",
        "INVALID_CREDENTIALS",
        "insufficient_scope",
        "user_access_error",
    }
)


def system_status(error: KnownError, *, all_401: bool) -> int:
    """The HTTP status of a system error in one of its two documented editions.

    The vendor's table of system errors was changed: an earlier edition gives each kind its own status, a later one
    gives 401 to most refusals and 403 to `PORTAL_DELETED`.
    """
    if all_401 and error.code in _UNAUTHORISED:
        return 401
    if all_401 and error.code == "PORTAL_DELETED":
        return 403
    return error.status


def has_two_editions(code: str) -> bool:
    """Whether the two editions differ in the status of this error, or in which error it is (a wrong webhook code)."""
    return code in _UNAUTHORISED or code in ("PORTAL_DELETED", "NO_AUTH_FOUND")


class Refusal(Exception):
    """The portal refuses one call: HTTP `status` and `{"error": code, "error_description": description}`."""

    def __init__(self, code: str, description: str | None = None, *, status: int | None = None) -> None:
        known = ERRORS.get(code)
        self.code = code
        self.description = description if description is not None else (known.description if known else code)
        self.fixed_status = status
        super().__init__(f"{code}: {self.description}")

    def status(self, *, all_401: bool) -> int:
        if self.fixed_status is not None:
            return self.fixed_status
        known = ERRORS.get(self.code)
        return system_status(known, all_401=all_401) if known else 400
