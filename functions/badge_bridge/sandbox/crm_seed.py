"""What a CRM contains: leads, deals, contacts, companies, their stages, and the activities on them.

Names and numbers are plain here; how the portal's methods spell them (strings, camelCase, owner type ids) is written
beside the methods.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from badge_bridge.sandbox.shapes import Id, Moment, Record

__all__ = [
    "OWNER_TYPES",
    "Activity",
    "Company",
    "Contact",
    "Deal",
    "Item",
    "ItemKind",
    "LastIds",
    "Lead",
    "Semantic",
    "Stage",
]

ItemKind = Literal["lead", "deal", "contact", "company"]
OWNER_TYPES: dict[int, ItemKind] = {1: "lead", 2: "deal", 3: "contact", 4: "company"}
"""The item kinds by their numbers in the portal's methods (Bitrix24 docs, "Object types of CRM")."""

Semantic = Literal["P", "S", "F"]
"""Of a stage: P in work, S won, F lost."""

_FOUNDED: Moment = 1_767_258_000.0
"""Items that do not say when they were made are of 1 January 2026, 09:00 UTC."""


class _Item(Record):
    """What every item has. `originator_id` and `origin_id` name it in the system that it came from."""

    id: Id
    assigned_by_id: Id = 1
    created_at: Moment = _FOUNDED
    originator_id: str | None = None
    origin_id: str | None = None


class _Reachable(_Item):
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


class _Staged(_Item):
    """What moves through a pipeline. `moved_at` is when it came to its stage; None is when it was made."""

    title: str
    semantic: Semantic = "P"
    opportunity: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    currency: str = "EUR"
    moved_at: Moment | None = None


class Contact(_Reachable):
    name: str
    last_name: str = ""
    company_id: Id | None = None


class Company(_Reachable):
    title: str


class Deal(_Staged):
    """The first of `contact_ids` is the main contact."""

    category_id: int = 0
    stage_id: str = "NEW"
    contact_ids: tuple[Id, ...] = ()
    company_id: Id | None = None


class Lead(_Staged, _Reachable):
    name: str = ""
    last_name: str = ""
    status_id: str = "NEW"


Item = Lead | Deal | Contact | Company


class Stage(Record):
    """A column of a kanban. A lead's stages have category 0."""

    kind: Literal["deal", "lead"]
    id: str
    name: str
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
    semantic: Semantic = "P"
    category_id: int = 0


class Activity(Record):
    """An activity of any kind on one item; `client_id` is the application that made a configurable one."""

    id: Id
    owner_type_id: Annotated[int, Field(ge=1, le=4)]
    owner_id: Id
    type_id: int = 6
    provider_id: str = "CONFIGURABLE_REST_APP"
    provider_type_id: str = "CONFIGURABLE"
    subject: str = ""
    completed: bool = False
    deadline: Moment | None = None
    ping_offsets: tuple[int, ...] = ()
    incoming: bool = False
    responsible_id: Id = 1
    badge_code: str = ""
    originator_id: str | None = None
    origin_id: str | None = None
    client_id: str = ""
    layout: dict[str, Any] = Field(default_factory=dict)
    created_at: Moment = _FOUNDED
    updated_at: Moment = _FOUNDED
    author_id: Id = 1
    editor_id: Id = 1

    @property
    def configurable(self) -> bool:
        return self.provider_id == "CONFIGURABLE_REST_APP"


class LastIds(Record):
    """The highest id that was ever given by kind, so that the id of what was deleted is not given again."""

    activity: int = 900
    lead: int = 0
    deal: int = 0
    contact: int = 0
    company: int = 0
