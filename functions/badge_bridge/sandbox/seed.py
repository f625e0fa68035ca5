"""What a sandbox portal contains: the typed models, and the small company it starts with.

A seed is at once the starting point, the body of `POST /_sandbox/seed`, the content of a state file, and what
`GET /_sandbox/state` shows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from badge_bridge.sandbox.variants import Variants

__all__ = [
    "ADMINISTRATOR_SECRET",
    "ADMINISTRATOR_TOKEN",
    "EXPIRED_TOKEN",
    "MANAGER_SECRET",
    "MANAGER_TOKEN",
    "OUTSIDER_TOKEN",
    "TELEPHONY_ONLY_TOKEN",
    "Badge",
    "Company",
    "Contact",
    "Deal",
    "Lead",
    "Seed",
    "Text",
    "Token",
    "User",
    "Webhook",
    "default_seed",
]

ADMINISTRATOR_SECRET = "sandbox-admin-webhook"  # noqa: S105 - made up, and meant to be recognised as such
ADMINISTRATOR_TOKEN = "sandbox-admin-token"  # noqa: S105
MANAGER_SECRET = "sandbox-manager-webhook"  # noqa: S105
MANAGER_TOKEN = "sandbox-manager-token"  # noqa: S105
OUTSIDER_TOKEN = "sandbox-outsider-token"  # noqa: S105
EXPIRED_TOKEN = "sandbox-expired-token"  # noqa: S105
TELEPHONY_ONLY_TOKEN = "sandbox-telephony-token"  # noqa: S105

Id = Annotated[int, Field(ge=1)]
Secret = Annotated[str, Field(min_length=1, pattern=r"^[^/\s]+$")]
Moment = Annotated[float, Field(allow_inf_nan=False)]
"""Unix seconds."""
Text = str | dict[str, str]
"""One text, or texts by language code."""
Semantic = Literal["P", "S", "F"]
"""Of a stage: P in work, S won, F lost."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Record):
    """A user of the portal. `crm` is his right in the CRM section, `admin` the portal administrator's flag."""

    id: Id
    name: str
    last_name: str = ""
    admin: bool = False
    crm: Literal["administrator", "user", "none"] = "user"
    active: bool = True


class Webhook(_Record):
    """An inbound webhook: calls run as its user. `expires_at` is unix seconds, None for never."""

    user_id: Id
    secret: Secret
    scopes: tuple[str, ...]
    expires_at: Moment | None = None


class Token(_Record):
    """An OAuth access token of an application for one user. `expires_at` is unix seconds, None for never."""

    access_token: Secret
    user_id: Id
    client_id: str
    scopes: tuple[str, ...]
    expires_at: Moment | None = None


class Badge(_Record):
    """A registered badge, its texts as they were passed. `type` is a plain text: one variant accepts any."""

    code: str = Field(min_length=1)
    title: Text
    value: Text
    type: str


class Contact(_Record):
    id: Id
    name: str
    last_name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    company_id: Id | None = None
    assigned_by_id: Id = 1


class Company(_Record):
    id: Id
    title: str
    phones: tuple[str, ...] = ()
    assigned_by_id: Id = 1


class Deal(_Record):
    """The first of `contact_ids` is the main contact."""

    id: Id
    title: str
    category_id: int = 0
    stage_id: str = "NEW"
    semantic: Semantic = "P"
    contact_ids: tuple[Id, ...] = ()
    company_id: Id | None = None
    assigned_by_id: Id = 1


class Lead(_Record):
    id: Id
    title: str
    name: str = ""
    status_id: str = "NEW"
    semantic: Semantic = "P"
    phones: tuple[str, ...] = ()
    assigned_by_id: Id = 1


def _refuse_repeats(what: str, keys: Iterable[Hashable]) -> None:
    seen: set[Hashable] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"two {what} have the same key")
        seen.add(key)


class Seed(_Record):
    """A whole portal. Codes and ids are unique, and nothing refers to what is not there."""

    language: str = "en"
    """The portal's interface language."""
    languages: tuple[str, ...] = (
        *("ar", "br", "de", "en", "fr", "id", "in", "it", "ja", "kz", "la", "ms"),
        *("pl", "ru", "sc", "tc", "th", "tr", "ua", "vn"),
    )
    """Language codes that the portal recognises in texts."""
    variants: Variants = Variants()
    users: tuple[User, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    tokens: tuple[Token, ...] = ()
    badges: tuple[Badge, ...] = ()
    companies: tuple[Company, ...] = ()
    contacts: tuple[Contact, ...] = ()
    deals: tuple[Deal, ...] = ()
    leads: tuple[Lead, ...] = ()

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Seed:
        _refuse_repeats("users", (user.id for user in self.users))
        _refuse_repeats("webhooks", ((hook.user_id, hook.secret) for hook in self.webhooks))
        _refuse_repeats("tokens", (token.access_token for token in self.tokens))
        _refuse_repeats("badges", (badge.code for badge in self.badges))
        _refuse_repeats("companies", (company.id for company in self.companies))
        _refuse_repeats("contacts", (contact.id for contact in self.contacts))
        _refuse_repeats("deals", (deal.id for deal in self.deals))
        _refuse_repeats("leads", (lead.id for lead in self.leads))
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Seed:
        users = {user.id for user in self.users}
        contacts = {contact.id for contact in self.contacts}
        companies = {company.id for company in self.companies}
        for owner in (*(hook.user_id for hook in self.webhooks), *(token.user_id for token in self.tokens)):
            if owner not in users:
                raise ValueError(f"a credential belongs to user {owner}, who is not among the users")
        for contact in self.contacts:
            if contact.company_id is not None and contact.company_id not in companies:
                raise ValueError(f"contact {contact.id} belongs to company {contact.company_id}, which does not exist")
        for deal in self.deals:
            if deal.company_id is not None and deal.company_id not in companies:
                raise ValueError(f"deal {deal.id} belongs to company {deal.company_id}, which does not exist")
            if not contacts.issuperset(deal.contact_ids):
                raise ValueError(f"deal {deal.id} has a contact that does not exist")
        return self


def default_seed() -> Seed:
    """A small company: three users, their credentials, and a CRM whose numbers no real telephone has."""
    application = "local.sandbox-application"
    return Seed(
        users=(
            User(id=1, name="Ada", last_name="Admin", admin=True, crm="administrator"),
            User(id=7, name="Max", last_name="Manager"),
            User(id=9, name="Olga", last_name="Outsider", crm="none"),
        ),
        webhooks=(
            Webhook(user_id=1, secret=ADMINISTRATOR_SECRET, scopes=("crm", "telephony")),
            Webhook(user_id=7, secret=MANAGER_SECRET, scopes=("crm",)),
        ),
        tokens=(
            Token(access_token=ADMINISTRATOR_TOKEN, user_id=1, client_id=application, scopes=("crm", "telephony")),
            Token(access_token=MANAGER_TOKEN, user_id=7, client_id=application, scopes=("crm", "telephony")),
            Token(access_token=OUTSIDER_TOKEN, user_id=9, client_id=application, scopes=("crm",)),
            Token(access_token=EXPIRED_TOKEN, user_id=1, client_id=application, scopes=("crm",), expires_at=0.0),
            Token(access_token=TELEPHONY_ONLY_TOKEN, user_id=1, client_id=application, scopes=("telephony",)),
        ),
        companies=(
            Company(id=1, title="Nordwind Logistics", phones=("+493023125001",), assigned_by_id=7),
            Company(id=2, title="Alder & Finch Interiors", phones=("+442079460100",), assigned_by_id=7),
        ),
        contacts=(
            Contact(id=1, name="Anna", last_name="Berger", phones=("+4917139200011",), company_id=1, assigned_by_id=7),
            Contact(id=2, name="Tom", last_name="Finch", phones=("+442079460123",), company_id=2, assigned_by_id=7),
            Contact(id=3, name="Grace", last_name="Miller", phones=("+12025550143", "+12025550144"), assigned_by_id=7),
            Contact(id=4, name="Iris", last_name="Novak", phones=("+12025550187",)),
        ),
        deals=(
            Deal(id=41, title="Fleet tracking", stage_id="PREPARATION", contact_ids=(1,), company_id=1),
            Deal(id=42, title="Office refit", stage_id="NEW", contact_ids=(2,), company_id=2, assigned_by_id=7),
            Deal(id=43, title="Kitchen showroom", stage_id="WON", semantic="S", contact_ids=(2,), company_id=2),
            Deal(id=44, title="Garden house", stage_id="LOSE", semantic="F", contact_ids=(3,), assigned_by_id=7),
            Deal(id=45, title="Winter garden", stage_id="NEW", contact_ids=(3, 4), assigned_by_id=7),
        ),
        leads=(
            Lead(id=11, title="Call from the web site", name="Paul Stone", phones=("+12025550190",), assigned_by_id=7),
            Lead(id=12, title="Fair visitor", name="Lena Wolf", status_id="JUNK", semantic="F"),
        ),
    )
