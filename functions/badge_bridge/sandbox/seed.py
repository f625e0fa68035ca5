"""What a sandbox portal contains: the typed models, and the small company it starts with.

A seed is at once the starting point, the body of `POST /_sandbox/seed`, the content of a state file, and what
`GET /_sandbox/state` shows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from badge_bridge.sandbox import small_company
from badge_bridge.sandbox.application_seed import Application, Grant, Handler, OutgoingWebhook, Sending
from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.crm_seed import Activity, Company, Contact, Deal, LastIds, Lead, Stage
from badge_bridge.sandbox.metering import Limits
from badge_bridge.sandbox.shapes import Id, Moment, Record, Text
from badge_bridge.sandbox.timeline_pictures import ICONS, LOGOS
from badge_bridge.sandbox.variants import Variants

__all__ = [
    "ADMINISTRATOR_SECRET",
    "ADMINISTRATOR_TOKEN",
    "APPLICATION_SECRET",
    "APPLICATION_TOKEN",
    "CLIENT_ID",
    "CLIENT_URL",
    "EXPIRED_TOKEN",
    "MANAGER_SECRET",
    "MANAGER_TOKEN",
    "OUTSIDER_TOKEN",
    "REFRESH_TOKEN",
    "TELEPHONY_ONLY_TOKEN",
    "Activity",
    "Badge",
    "CallRow",
    "Company",
    "Contact",
    "Deal",
    "LastIds",
    "Lead",
    "Seed",
    "Stage",
    "Text",
    "Token",
    "User",
    "Webhook",
    "default_seed",
]

CLIENT_ID = "local.sandbox-application"
CLIENT_URL = "http://127.0.0.1:8080/install"
"""Where a bridge listens that is started as it comes."""
APPLICATION_SECRET = "sandbox-application-secret"  # noqa: S105 - made up, and meant to be recognised as such
APPLICATION_TOKEN = "sandbox-application-token"  # noqa: S105
REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105
ADMINISTRATOR_SECRET = "sandbox-admin-webhook"  # noqa: S105 - made up, and meant to be recognised as such
ADMINISTRATOR_TOKEN = "sandbox-admin-token"  # noqa: S105
MANAGER_SECRET = "sandbox-manager-webhook"  # noqa: S105
MANAGER_TOKEN = "sandbox-manager-token"  # noqa: S105
OUTSIDER_TOKEN = "sandbox-outsider-token"  # noqa: S105
EXPIRED_TOKEN = "sandbox-expired-token"  # noqa: S105
TELEPHONY_ONLY_TOKEN = "sandbox-telephony-token"  # noqa: S105

Secret = Annotated[str, Field(min_length=1, pattern=r"^[^/\s]+$")]


class User(Record):
    """A user of the portal. `crm` is his right in the CRM section, `admin` the portal administrator's flag,
    `call_statistics` whether he may read the calls of all.
    """

    id: Id
    name: str
    last_name: str = ""
    admin: bool = False
    crm: Literal["administrator", "user", "none"] = "user"
    call_statistics: bool = True
    active: bool = True


class Webhook(Record):
    """An inbound webhook: calls run as its user. `expires_at` is unix seconds, None for never."""

    user_id: Id
    secret: Secret
    scopes: tuple[str, ...]
    expires_at: Moment | None = None


class Token(Record):
    """An OAuth access token of an application for one user. `expires_at` is unix seconds, None for never."""

    access_token: Secret
    user_id: Id
    client_id: str
    scopes: tuple[str, ...]
    expires_at: Moment | None = None


class Badge(Record):
    """A registered badge, its texts as they were passed. `type` is a plain text: one variant accepts any."""

    code: str = Field(min_length=1)
    title: Text
    value: Text
    type: str


def _refuse_repeats(what: str, keys: Iterable[Hashable]) -> None:
    seen: set[Hashable] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"two {what} have the same key")
        seen.add(key)


class Seed(Record):
    """A whole portal. Codes and ids are unique, and nothing refers to what is not there."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    language: str = "en"
    """The portal's interface language."""
    languages: tuple[str, ...] = (
        *("ar", "br", "de", "en", "fr", "id", "in", "it", "ja", "kz", "la", "ms"),
        *("pl", "ru", "sc", "tc", "th", "tr", "ua", "vn"),
    )
    """Language codes that the portal recognises in texts."""
    member_id: str = "a223c6b9410f85df78e9377d6c4f7213"
    """What names the portal over all its renamings."""
    renamed_to: Annotated[str, Field(pattern=r"^https?://[^/\s?#]+$")] | None = None
    """The address that the portal has moved to, such as https://new.example: any other host only points there."""
    limits: Limits | None = Limits()
    """How much the portal lets its callers do; null for a portal that takes whatever comes."""
    sending: Sending = Sending()
    """How unreliable the sending of events is, which goes to each handler once."""
    variants: Variants = Variants()
    users: tuple[User, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    tokens: tuple[Token, ...] = ()
    applications: tuple[Application, ...] = ()
    grants: tuple[Grant, ...] = ()
    handlers: tuple[Handler, ...] = ()
    outgoing_webhooks: tuple[OutgoingWebhook, ...] = ()
    badges: tuple[Badge, ...] = ()
    companies: tuple[Company, ...] = ()
    contacts: tuple[Contact, ...] = ()
    deals: tuple[Deal, ...] = ()
    leads: tuple[Lead, ...] = ()
    stages: tuple[Stage, ...] = ()
    """Columns of the kanbans, from left to right. An item may be in a stage that is not among them."""
    activities: tuple[Activity, ...] = ()
    """One whose item is not there goes with the item, as in the portal."""
    calls: tuple[CallRow, ...] = ()
    last_ids: LastIds = LastIds()
    icons: tuple[str, ...] = ICONS
    """Codes that a layout's icon may have."""
    logos: tuple[str, ...] = LOGOS
    """Codes that a layout's logo may have."""
    crm_mode: Literal[1, 2] = 1
    """1 is the classic CRM, 2 the simple one, which has no leads."""

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Seed:
        _refuse_repeats("users", (user.id for user in self.users))
        _refuse_repeats("webhooks", ((hook.user_id, hook.secret) for hook in self.webhooks))
        _refuse_repeats("tokens", (token.access_token for token in self.tokens))
        _refuse_repeats("applications", (application.client_id for application in self.applications))
        _refuse_repeats("grants", (grant.refresh_token for grant in self.grants))
        _refuse_repeats("handlers", (handler.id for handler in self.handlers))
        _refuse_repeats("badges", (badge.code for badge in self.badges))
        _refuse_repeats("companies", (company.id for company in self.companies))
        _refuse_repeats("contacts", (contact.id for contact in self.contacts))
        _refuse_repeats("deals", (deal.id for deal in self.deals))
        _refuse_repeats("leads", (lead.id for lead in self.leads))
        _refuse_repeats("stages", ((stage.kind, stage.category_id, stage.id) for stage in self.stages))
        _refuse_repeats("activities", (activity.id for activity in self.activities))
        _refuse_repeats("calls", (call.id for call in self.calls))
        _refuse_repeats("calls", (call.call_id for call in self.calls))
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Seed:
        users = {user.id for user in self.users}
        contacts = {contact.id for contact in self.contacts}
        companies = {company.id for company in self.companies}
        holders = [*(hook.user_id for hook in self.webhooks), *(token.user_id for token in self.tokens)]
        for owner in (*holders, *(grant.user_id for grant in self.grants)):
            if owner not in users:
                raise ValueError(f"a credential belongs to user {owner}, who is not among the users")
        applications = {application.client_id for application in self.applications}
        for client in (*(grant.client_id for grant in self.grants), *(one.client_id for one in self.handlers)):
            if client not in applications:
                raise ValueError(f"a grant or handler belongs to application {client}, which does not exist")
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
    application = CLIENT_ID
    scopes = ("crm", "telephony")
    return Seed(
        users=(
            User(id=1, name="Ada", last_name="Admin", admin=True, crm="administrator"),
            User(id=7, name="Max", last_name="Manager"),
            User(id=9, name="Olga", last_name="Outsider", crm="none", call_statistics=False),
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
        companies=small_company.COMPANIES,
        contacts=small_company.CONTACTS,
        deals=small_company.DEALS,
        leads=small_company.LEADS,
        stages=small_company.STAGES,
        activities=small_company.ACTIVITIES,
        calls=small_company.CALLS,
        applications=(
            Application(
                client_id=application,
                client_secret=APPLICATION_SECRET,
                application_token=APPLICATION_TOKEN,
                scopes=scopes,
                handler=CLIENT_URL,
                install_url=CLIENT_URL,
            ),
        ),
        grants=(Grant(refresh_token=REFRESH_TOKEN, client_id=application, user_id=1, scopes=scopes),),
    )
