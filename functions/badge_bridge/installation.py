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
from badge_bridge.portal.oauth import Installer
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Reply
from badge_bridge.sources.fields import group_at, text_at

__all__ = ["MAX_BODY", "handle_install"]

logger = logging.getLogger("badge_bridge.install")

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
        InstallationBusy: too many forms lately; nothing was looked at.
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
    # By domain where one fits; a renamed portal is found by what its application token proves.
    domain = text_at(group_at(form, "auth"), "domain")
    for installer in sorted(installers, key=lambda one: not one.lives_at(domain)):
        try:
            await take(installer, form)
        except Unauthenticated as error:
            refusal = Unauthenticated(f"portal {installer.portal}: {error.reason}")
        except PortalError as error:
            # Bitrix24 does not send it again, so somebody has to know.
            logger.error("%s; if this was an installation: badge-bridge authorize %s", error, installer.portal)  # noqa: TRY400 - the message says it all
            return Reply(status=503, headers={"Retry-After": "10"})
        else:
            return Reply(status=200)
    raise refusal


async def _returned(delivery: Delivery, installers: Collection[Installer]) -> Reply:
    query = bodies.flat(bodies.query(delivery.query))
    code, state, domain = (text_at(query, name) for name in ("code", "state", "domain"))
    installer = next((one for one in installers if one.issued(state)), None)
    if installer is None:
        return _page(
            HTTPStatus.UNAUTHORIZED,
            "This link is not valid, or is older than 10 minutes.",
            "Run badge-bridge authorize and open the link that it prints.",
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
