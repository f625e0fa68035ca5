"""The page `/install`: what Bitrix24 posts about the application itself, and where a browser comes back to.

`POST` takes the form of `ONAPPINSTALL`, `ONAPPUPDATE`, `ONAPPUNINSTALL` and `ONAPPTEST`; which portal it is about
shows in the form. `GET` takes `code`, `state` and `domain` from the link of `badge-bridge authorize` and answers with a
page for the person who opened it.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

from badge_bridge.errors import (
    AccessRefused,
    DeliveryRefused,
    Impossible,
    Malformed,
    MethodNotAllowed,
    PortalError,
    StoreUnavailable,
    Unauthenticated,
)
from badge_bridge.observability.floods import FloodGate
from badge_bridge.portal.oauth import InstallationBusy, Installer
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Reply
from badge_bridge.sources.fields import group_at, text_at

__all__ = ["MAX_BODY", "handle_install"]

logger = logging.getLogger("badge_bridge.install")

_gate = FloodGate()

MAX_BODY = 64 * 1024
"""Bytes; such a form has about 2 KiB."""

_EVENTS: Mapping[str, Callable[[Installer, Mapping[str, Any]], Awaitable[None]]] = {
    "ONAPPINSTALL": Installer.install,
    "ONAPPUPDATE": Installer.updated,
    "ONAPPUNINSTALL": Installer.uninstalled,
    "ONAPPTEST": Installer.proven_by_test,
}

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Badge Bridge</title>'
    '<meta name="viewport" content="width=device-width"><p>{first}</p><p>{second}</p></html>\n'
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # The address of this page has a code in it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def handle_install(delivery: Delivery, installers: Collection[Installer]) -> Reply:
    """Answer one request to `/install`.

    Raises:
        MethodNotAllowed: neither GET nor POST.
        Unauthenticated: a posted form that proves nothing; nothing was stored.
        Malformed, UnsupportedMediaType, Impossible: a body that cannot be read, or another event.
        InstallationBusy: too many forms at once; nothing was looked at.
        StoreUnavailable: nothing was stored.
    """
    if delivery.method == "POST":
        return await _posted(delivery, installers)
    if delivery.method == "GET":
        return await _returned(delivery, installers)
    raise MethodNotAllowed("this page takes GET and POST", allowed=("GET", "POST"))


async def _posted(delivery: Delivery, installers: Collection[Installer]) -> Reply:
    if bodies.media_type(delivery) != bodies.FORM:
        raise Malformed(f"the body must be {bodies.FORM}")
    form = bodies.nested(bodies.form(delivery.body))
    take = _EVENTS.get(text_at(form, "event").upper())
    if take is None:
        raise Impossible("is not one of an application's life", field="event")
    refusal = Unauthenticated("no portal of the rules file is reached by an OAuth application")
    busy: InstallationBusy | None = None
    silent = False
    # By domain where one is known; a renamed portal is found by what its tokens prove.
    domain = text_at(group_at(form, "auth"), "domain")
    for installer in [one for one in installers if one.is_named(domain)] or installers:
        try:
            await take(installer, form)
        except Unauthenticated as error:
            refusal = Unauthenticated(f"portal {installer.portal}: {error.reason}")
        except InstallationBusy as error:
            if _may_tell(installer.portal):
                _tell_lost(f"portal {installer.portal}: {error}", installer)
            busy = error
        except PortalError as error:
            _tell_lost(str(error), installer)
            silent = True
        else:
            return Reply(status=200)
    if silent:
        return Reply(status=503, headers={"Retry-After": "10"})
    raise busy or refusal


def _tell_lost(what: str, installer: Installer) -> None:
    """Bitrix24 does not send it again, so somebody has to know."""
    logger.error("%s; if this was an installation: badge-bridge authorize %s", what, installer.portal)


def _may_tell(kind: str) -> bool:
    """Whether a line that anybody can cause may be written; who is refused has a counted line in any case."""
    _gate.over()
    return _gate.passes(kind)


async def _returned(delivery: Delivery, installers: Collection[Installer]) -> Reply:
    query = bodies.flat(bodies.query(delivery.query))
    code, state, domain = (text_at(query, name) for name in ("code", "state", "domain"))
    installer = next((one for one in installers if one.issued(state)), None)
    if installer is None:
        if state and _may_tell(""):
            logger.warning(
                "somebody came back to /install with a link that is not valid: older than 10 minutes, or made with "
                "another ENCRYPTION_KEY than this process has; run badge-bridge authorize with the settings of serve"
            )
        return _page(
            HTTPStatus.UNAUTHORIZED,
            "This link is not valid, is older than 10 minutes, or was made with another ENCRYPTION_KEY than serve's.",
            "Run badge-bridge authorize with the settings of serve and open the link that it prints.",
        )
    again = f"Run badge-bridge authorize {installer.portal} and open the link that it prints."
    try:
        await installer.authorized(code, state, domain)
    except Unauthenticated as error:
        logger.warning("portal %s: an authorisation was refused: %s", installer.portal, error)
        return _page(HTTPStatus.UNAUTHORIZED, f"The application was not let in: {error.reason}.", again)
    except AccessRefused as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says it all
        return _page(HTTPStatus.BAD_GATEWAY, "Bitrix24 does not let the application in.", error.mend)
    except PortalError as error:
        logger.warning("%s", error)
        return _page(HTTPStatus.BAD_GATEWAY, "Bitrix24 did not answer.", again)
    except (DeliveryRefused, StoreUnavailable) as error:
        logger.warning("portal %s: an authorisation could not be taken: %s", installer.portal, error)
        return _page(
            HTTPStatus.SERVICE_UNAVAILABLE, "The application was let in, but this cannot be stored now.", again
        )
    return _page(
        HTTPStatus.OK,
        f"Badge Bridge may now act in portal {installer.portal}.",
        "You can close this page; the log says which events the portal sends.",
    )


def _page(status: HTTPStatus, first: str, second: str) -> Reply:
    page = _PAGE.format(first=html.escape(first), second=html.escape(second))
    return Reply(status=status, body=page.encode(), media_type="text/html; charset=utf-8", headers=_HEADERS)
