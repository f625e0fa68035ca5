"""The activities that carry badges: added exactly once, found again, completed when the call was returned.

The portal would take the same activity twice, whatever its `originId` says (Bitrix24 docs,
"crm.activity.configurable.add"). So an add whose outcome is unknown is never repeated here: it is raised, and whoever
tries again asks for a look first.

Only the application that made an activity may change it, which is why there is a clear word for that refusal.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from badge_bridge.errors import CallRefused, NotFound, PortalError
from badge_bridge.outcomes import Exchange
from badge_bridge.portal.activity_lookup import GET, LIST, ActivityLookup
from badge_bridge.portal.badges import Badges, WantedBadge
from badge_bridge.portal.calling import Calls
from badge_bridge.portal.codes import CODES, OF_OTHER_METHODS
from badge_bridge.portal.concessions import Concession, Concessions
from badge_bridge.portal.layout import Layout
from badge_bridge.portal.origins import ORIGINATOR, origin_of
from badge_bridge.portal.owners import Owner
from badge_bridge.portal.rows import inside, misread, one_id

__all__ = ["METHODS", "Activities", "Added", "NewActivity", "OwnerGone", "content", "origin_of"]

logger = logging.getLogger("badge_bridge.portal")

_ADD = "crm.activity.configurable.add"
_UPDATE = "crm.activity.configurable.update"

METHODS = (_ADD, _UPDATE, GET, LIST)
"""The methods that are called here."""

_Content = dict[str, dict[str, Any]]
T = TypeVar("T")


class OwnerGone(NotFound):
    """The item that was to carry the badge is not there, or not any more; another owner may be looked for."""


@dataclass(frozen=True, slots=True)
class NewActivity:
    """An activity to add: on whose card, with which badge, under which mark (`origin_of`), and its `content`."""

    owner: Owner
    badge: WantedBadge
    origin_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Added:
    """An activity that is in the portal. `doubles` are the ids of others with the same mark, which is a fault."""

    id: int
    how: Literal["added", "found"]
    doubles: tuple[int, ...] = ()


def content(*, badge: str, origin_id: str, responsible: int | None, layout: Layout) -> str:
    """What an activity consists of, as JSON: `{"fields": {...}, "layout": {...}}`.

    It is kept, because completing the activity needs all of it again. `badge` is a code, `responsible` a user's id.
    """
    fields: dict[str, Any] = {
        "badgeCode": badge,
        "completed": "N",
        "isIncomingChannel": "Y",
        "originatorId": ORIGINATOR,
        "originId": origin_id,
    }
    if responsible is not None:
        fields["responsibleId"] = responsible
    return json.dumps({"fields": fields, "layout": layout.wire()}, ensure_ascii=False, separators=(",", ":"))


class Activities:
    """Adds and completes activities in one portal."""

    def __init__(self, client: Calls, badges: Badges) -> None:
        self._client = client
        self._badges = badges
        self._lookup = ActivityLookup(client)
        self._concessions = Concessions(client.name)

    async def add(self, new: NewActivity, *, look_first: bool, asked: list[Exchange] | None = None) -> Added:
        """Add an activity; with `look_first` only where it is not there already, as after an unknown outcome.

        Where the portal refuses it, the badge is ensured anew, then what a layout can do without is left out.

        Raises:
            OwnerGone: there is no such item.
            OutcomeUnknown: it may have been added; try again with `look_first`.
            PortalError: as `PortalClient.call`; nothing was added.
            StoreUnavailable: as `PortalClient.call`; nothing was added.
        """
        if look_first:
            owner = new.owner
            known = await self.find(new.origin_id, owner_type=owner.type_id, owner_id=owner.id, asked=asked)
            if known is not None:
                return known
        return Added(await self._add(new, asked), "added")

    async def find(
        self, origin_id: str, *, owner_type: int, owner_id: int, asked: list[Exchange] | None = None
    ) -> Added | None:
        """The activity with this mark, or None. `owner_type` and `owner_id` are the card that it was to be on.

        Raises:
            PortalError, StoreUnavailable: as `PortalClient.call`.
        """
        ids = await self._lookup.find(origin_id, owner_type=owner_type, owner_id=owner_id, asked=asked)
        if not ids:
            return None
        first, *doubles = ids
        if doubles:
            others = ", ".join(map(str, doubles))
            logger.warning("portal %s: activity %d is there more than once: %s", self._client.name, first, others)
        return Added(first, "found", tuple(doubles))

    async def complete(
        self, activity: int, content: str, *, asked: list[Exchange] | None = None
    ) -> Literal["completed", "gone"]:
        """Complete an activity, which takes its badge off the card. `content` is what it was added with.

        An activity that somebody has deleted or completed already is `gone`. What the portal says to completing one
        twice is not documented, and of one that another application has made it says that and no more; so whatever is
        refused is read.

        Raises:
            PortalError: as `PortalClient.call`; `CallRefused` where another application has made the activity.
            StoreUnavailable: as `PortalClient.call`.
        """

        async def update(sent: _Content) -> None:
            await self._client.call(_UPDATE, {"id": activity, **sent}, asked=asked)

        async def without_badge(sent: _Content) -> _Content:
            """A badge that was deleted must not keep its activity open."""
            return {**sent, "fields": {name: value for name, value in sent["fields"].items() if name != "badgeCode"}}

        parsed = json.loads(content)
        completed = {**parsed, "fields": {**parsed["fields"], "completed": "Y"}}
        try:
            await self._persist(update, completed, about_the_badge=without_badge)
        except NotFound:
            return "gone"
        except CallRefused as refusal:
            if await self._lookup.is_over(activity, asked):
                return "gone"
            if refusal.code.casefold() == "error_wrong_application":
                raise self._of_another_application(activity, refusal) from refusal
            raise
        return "completed"

    async def is_over(self, activity: int, *, asked: list[Exchange] | None = None) -> bool:
        """Whether somebody has completed or deleted an activity, as far as the portal says it.

        Raises:
            PortalError, StoreUnavailable: as `PortalClient.call`; a refusal to say so is none.
        """
        return await self._lookup.is_over(activity, asked)

    async def _add(self, new: NewActivity, asked: list[Exchange] | None) -> int:
        async def add(sent: _Content) -> int:
            owner = {"ownerTypeId": new.owner.type_id, "ownerId": new.owner.id}
            return self._id_of(await self._client.call(_ADD, {**owner, **sent}, asked=asked))

        async def with_badge(sent: _Content) -> _Content:
            """Present is as good as added: somebody else may have added it between our refusal and our look."""
            self._badges.forget(new.badge.code)
            await self._badges.ensure(new.badge, asked=asked)
            return sent

        try:
            return await self._persist(add, json.loads(new.content), about_the_badge=with_badge)
        except NotFound as refusal:
            raise OwnerGone(
                f"portal {refusal.portal}: there is no {new.owner} to add an activity to",
                portal=refusal.portal,
                method=refusal.method,
                code=refusal.code,
                status=refusal.status,
            ) from refusal

    async def _persist(
        self,
        send: Callable[[_Content], Awaitable[T]],
        whole: _Content,
        *,
        about_the_badge: Callable[[_Content], Awaitable[_Content]],
    ) -> T:
        """Send, and after a refusal try what may mend it, each thing once: first the badge, then concessions.

        A refusal means that nothing was carried out, so sending again adds nothing twice.
        """
        sent = {**whole, "layout": self._concessions.apply(whole["layout"])}
        badge_is_in_question = True
        made: list[Concession] = []
        while True:
            try:
                result = await send(sent)
            except (CallRefused, NotFound) as refusal:
                if badge_is_in_question and _may_be_about_the_badge(refusal):
                    badge_is_in_question = False
                    sent = await about_the_badge(sent)
                    continue
                concession = self._concessions.after(refusal, sent["layout"])
                if concession is None:
                    raise
                made.append(concession)
                sent = {**sent, "layout": concession.without(sent["layout"])}
            else:
                self._concessions.learn(made)
                return result

    def _id_of(self, result: Any) -> int:
        activity = one_id(inside(result, "activity").get("id"))
        if activity is None:
            raise misread(self._client.name, _ADD, "was answered without an id", code="no id")
        return activity

    def _of_another_application(self, activity: int, refusal: CallRefused) -> CallRefused:
        return CallRefused(
            f"portal {refusal.portal}: activity {activity} was made by another application, and only that one may "
            "change it; a local application that was deleted and made anew is another one. Somebody has to complete "
            "the activity by hand in Bitrix24",
            portal=refusal.portal,
            method=refusal.method,
            code=refusal.code,
            status=refusal.status,
        )


def _may_be_about_the_badge(refusal: PortalError) -> bool:
    """What the portal says to a badge that it does not know is not documented; `WRONG_FIELD_VALUE` comes nearest."""
    code = refusal.code.casefold()
    return isinstance(refusal, NotFound) or code == "wrong_field_value" or code in OF_OTHER_METHODS or code not in CODES
