"""The life of an application in a portal: installed, updated, removed (Bitrix24 docs, "Application events")."""

from __future__ import annotations

from collections.abc import Sequence

from badge_bridge.sandbox.announcing import Announcer, Outgoing
from badge_bridge.sandbox.application_seed import Application

__all__ = ["NoSuchApplication", "install", "uninstall", "update"]


class NoSuchApplication(Exception):
    """There is none of this client_id, or several and none was named, or nobody can be told; says what to do."""


def install(announcer: Announcer, client_id: str, *, url: str | None, user_id: int) -> Outgoing:
    """Install with fresh tokens of the user who does it. The event goes to `url`, else to the application's own.

    Raises:
        NoSuchApplication: see there.
    """
    application = _find(announcer, client_id)
    target = url or application.install_url
    if target is None:
        raise NoSuchApplication(f"application {application.client_id} has no install_url: give a url")
    if user_id not in announcer.records.users:
        raise NoSuchApplication(f"there is no user {user_id} who could install it")
    application = _replace(announcer, application, installed=True)
    return announcer.installation(target, application, announcer.oauth.issue(announcer.records, application, user_id))


def update(announcer: Announcer, client_id: str, *, url: str | None, user_id: int) -> Sequence[Outgoing]:
    """Put the next version in place, with another application token; tells the bound handlers, or `url` alone.

    The vendor's pages contradict each other on whether handlers survive it, so a variant decides.

    Raises:
        NoSuchApplication: see there.
    """
    records = announcer.records
    application = _find(announcer, client_id)
    targets = _targets(announcer, application, "ONAPPUPDATE", url)
    application = _replace(
        announcer,
        application,
        version=application.version + 1,
        application_token=announcer.oauth.new_secret(),
    )
    records.meet("handlers_after_update")
    if records.variants.handlers_after_update == "dropped":
        _drop_handlers(announcer, application)
    return [
        announcer.update(target, application, announcer.oauth.issue(records, application, user_id))
        for target in targets
    ]


def uninstall(announcer: Announcer, client_id: str, *, url: str | None, clean: bool) -> Sequence[Outgoing]:
    """Remove it: its tokens die, its handlers are dropped, and those of ONAPPUNINSTALL are told.

    Raises:
        NoSuchApplication: see there.
    """
    application = _find(announcer, client_id)
    targets = _targets(announcer, application, "ONAPPUNINSTALL", url)
    _replace(announcer, application, installed=False)
    _drop_handlers(announcer, application)
    announcer.oauth.revoke(announcer.records, application.client_id)
    return [announcer.uninstallation(target, application, clean=clean) for target in targets]


def _find(announcer: Announcer, client_id: str) -> Application:
    applications = announcer.records.applications
    if not client_id and len(applications) == 1:
        return next(iter(applications.values()))
    if client_id not in applications:
        known = ", ".join(applications) or "none"
        raise NoSuchApplication(f"there is no application {client_id!r}; seed applications, or use one of {known}")
    return applications[client_id]


def _targets(announcer: Announcer, application: Application, event: str, url: str | None) -> list[str]:
    if url is not None:
        return [url]
    handlers = announcer.records.handlers.values()
    return [one.url for one in handlers if (one.client_id, one.event) == (application.client_id, event)]


def _replace(announcer: Announcer, application: Application, **changes: object) -> Application:
    changed = application.model_copy(update=changes)
    announcer.records.applications[application.client_id] = changed
    return changed


def _drop_handlers(announcer: Announcer, application: Application) -> None:
    records = announcer.records
    records.handlers = {
        key: handler for key, handler in records.handlers.items() if handler.client_id != application.client_id
    }
