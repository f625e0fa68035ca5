"""The cheap calls that tell what a credential is good for: `profile`, `scope`, `method.get`, `app.info`.

All are in the base scope, which every credential has (Bitrix24 docs, "REST API: common methods").
"""

from __future__ import annotations

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["base"]

base = Methods("")


@base.method("profile")
def profile(context: Context, _params: Params) -> Reply:
    """The calling user; `ID` is a string here, `ADMIN` a real boolean."""
    user = context.caller.user
    return Reply(
        {
            "ID": str(user.id),
            "ADMIN": user.admin,
            "NAME": user.name,
            "LAST_NAME": user.last_name,
            "PERSONAL_GENDER": "",
            "TIME_ZONE": "",
        }
    )


@base.method("scope")
def scope(context: Context, params: Params) -> Reply:
    """The scopes of the credential, the base scope left out; with `full` those that the portal has at all.

    In a form the text "false" counts as true, as PHP reads it; only "" and "0" are false.
    """
    if params.get("full") in (None, False, 0, "", "0"):
        return Reply(sorted(context.caller.scopes))
    known = {method.scope for method in context.methods.values()} - {""}
    return Reply(sorted(known | context.caller.scopes))


@base.method("method.get")
def method_get(context: Context, params: Params) -> Reply:
    """Whether a method exists and the credential's scopes allow it. Here the name counts in lower case only."""
    method = context.methods.get(str(params.get("name", "")))
    available = method is not None and (not method.scope or method.scope in context.caller.scopes)
    return Reply({"isExisting": method is not None, "isAvailable": available})


@base.method("app.info")
def app_info(context: Context, _params: Params) -> Reply:
    """The calling application, a local one; a webhook belongs to none."""
    if context.caller.kind != "oauth":
        raise Refusal("ACCESS_DENIED", "Access denied! Application context required")
    return Reply(
        {
            "ID": 1,
            "CODE": context.caller.client_id,
            "VERSION": 1,
            "STATUS": "L",
            "INSTALLED": True,
            "PAYMENT_EXPIRED": "N",
            "DAYS": None,
            "LANGUAGE_ID": context.records.language,
            "LICENSE": "en_demo",
            "LICENSE_TYPE": "demo",
            "LICENSE_FAMILY": "demo",
        }
    )
