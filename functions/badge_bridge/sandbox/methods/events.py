"""`event.bind`, `event.get`, `event.unbind`, `event.test` (Bitrix24 docs, "Events"). For applications alone.

Parameter names count in any case, as the vendor's own samples write them both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from badge_bridge.sandbox.application_seed import Handler
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.loopback import check_loopback
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["EVENTS", "events"]

EVENTS: Mapping[str, str] = {
    **dict.fromkeys(("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPTEST"), ""),
    **dict.fromkeys(
        (
            "ONVOXIMPLANTCALLINIT",
            "ONVOXIMPLANTCALLSTART",
            "ONVOXIMPLANTCALLEND",
            "ONEXTERNALCALLSTART",
            "ONEXTERNALCALLBACKSTART",
        ),
        "telephony",
    ),
    **dict.fromkeys(
        (
            *(
                f"ONCRM{kind}{what}"
                for kind in ("LEAD", "DEAL", "CONTACT", "COMPANY")
                for what in ("ADD", "UPDATE", "DELETE")
            ),
            *("ONCRMACTIVITYADD", "ONCRMACTIVITYUPDATE", "ONCRMACTIVITYDELETE", "ONCRMTIMELINEITEMACTION"),
        ),
        "crm",
    ),
}
"""The events that can be bound, with the scope that each needs. Of the CRM's the sandbox raises none by itself."""

events = Methods("")


@events.method("event.bind", writes=True)
def bind(context: Context, params: Params) -> Reply:
    """Have an event sent to the URL `handler`; answers true. The sandbox takes URLs of this machine only."""
    application = _application(context)
    given = _Given(params)
    name = given.event()
    if EVENTS.get(name) not in ("", *context.caller.scopes):
        raise Refusal("ERROR_EVENT_NOT_FOUND")
    _refuse_offline(context, given, "binding")
    url = given.text("handler")
    if not url:
        raise Refusal("ERROR_ARGUMENT", "Argument 'HANDLER' is null or empty")
    _check_handler(url)
    user_id = _authorised_as(context, given, "binding")
    handlers = context.records.handlers
    if any(_key(one) == (application, name, url, user_id) for one in handlers.values()):
        raise Refusal("ERROR_CORE", "Unable to set event handler: Handler already binded")
    number = max(handlers, default=0) + 1
    handlers[number] = Handler(id=number, event=name, url=url, client_id=application, user_id=user_id)
    return Reply(result=True)


@events.method("event.get")
def get(context: Context, _params: Params) -> Reply:
    """The handlers of the calling application."""
    application = _application(context)
    return Reply(
        [
            {"event": one.event, "handler": one.url, "auth_type": str(one.user_id), "offline": 0}
            for one in context.records.handlers.values()
            if one.client_id == application
        ]
    )


@events.method("event.unbind", writes=True)
def unbind(context: Context, params: Params) -> Reply:
    """Forget the handlers of `event` at `handler`, whatever is left out counting as any; answers how many."""
    application = _application(context)
    given = _Given(params)
    name = given.event()
    _refuse_offline(context, given, "unbinding")
    user_id = _authorised_as(context, given, "unbinding") if given.has("auth_type") else None
    url = given.text("handler")
    records = context.records
    gone = {
        number
        for number, one in records.handlers.items()
        if (one.client_id, one.event) == (application, name) and url in ("", one.url) and user_id in (None, one.user_id)
    }
    records.handlers = {number: one for number, one in records.handlers.items() if number not in gone}
    return Reply({"count": len(gone)})


@events.method("event.test")
def test(context: Context, params: Params) -> Reply:
    """Raise ONAPPTEST for the calling application, with all parameters in `data[QUERY]`; answers 1."""
    _application(context)
    context.announce("ONAPPTEST", {"QUERY": dict(params), "LANGUAGE_ID": context.records.language})
    return Reply(1)


class _Given:
    """Parameters by their names in lower case."""

    def __init__(self, params: Params) -> None:
        self._params = {name.lower(): value for name, value in params.items()}

    def has(self, name: str) -> bool:
        return name in self._params

    def text(self, name: str) -> str:
        value = self._params.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def event(self) -> str:
        name = self.text("event").upper()
        if not name:
            raise Refusal("ERROR_ARGUMENT", "Argument 'EVENT' is null or empty")
        return name


def _application(context: Context) -> str:
    if context.caller.kind != "oauth":
        raise Refusal("WRONG_AUTH_TYPE")
    return context.caller.client_id


def _refuse_offline(context: Context, given: _Given, what: str) -> None:
    kind = given.text("event_type").lower() or "online"
    if kind not in ("online", "offline"):
        raise Refusal("ERROR_ARGUMENT", "Value must be one of {online|offline}")
    if kind == "online":
        return
    if not context.caller.user.admin:
        access = f"Access denied! Offline events {what} requires administrator access rights"
        raise Refusal("ACCESS_DENIED", access, status=403)
    raise Refusal("ERROR_ARGUMENT", "The sandbox has no offline events; bind with a handler and no event_type")


def _authorised_as(context: Context, given: _Given, what: str) -> int:
    """The user of `auth_type`; without it 0 for an administrator, who gets whoever causes the event, else oneself."""
    user = context.caller.user
    said: Any = given.text("auth_type")
    if said in ("", "0"):
        return 0 if user.admin or said == "0" else user.id
    if not (said.isascii() and said.isdecimal() and int(said[:12]) in context.records.users):
        raise Refusal("ERROR_ARGUMENT", "Argument 'AUTH_TYPE' is not a user")
    if int(said) != user.id and not user.admin:
        access = f"Access denied! Event {what} with AUTH_TYPE requires administrator access rights"
        raise Refusal("ACCESS_DENIED", access, status=403)
    return int(said)


def _check_handler(url: str) -> None:
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refusal("ERROR_UNSUPPORTED_PROTOCOL")
        check_loopback(url)
    except ValueError as error:
        # The real portal refuses just the opposite, a handler on its own machine, with the same code.
        raise Refusal("ERROR_WRONG_HANDLER_URL", f"Wrong handler URL: {error}") from error


def _key(handler: Handler) -> tuple[str, str, str, int]:
    return handler.client_id, handler.event, handler.url, handler.user_id
