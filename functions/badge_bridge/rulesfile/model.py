"""The shape of a rules file. Validation and the JSON Schema for editors come from these models.

What one entry cannot know of another (names that exist, codes that are unique, whose portal can attach) is checked in
`references` and `acting`, expressions and texts with placeholders in `compiling`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    Tag,
    create_model,
)

from badge_bridge.cel import MAX_EXPRESSION
from badge_bridge.rulesfile.entry import (
    Code,
    Duration,
    Entry,
    EventTypes,
    Name,
    SourceName,
    Text,
    not_blank,
    one_or_several,
    several,
)
from badge_bridge.rulesfile.portal_model import Portal

__all__ = [
    "OWNER_KINDS",
    "Attach",
    "Badge",
    "BadgeType",
    "Clear",
    "DocumentModel",
    "OwnerIds",
    "OwnerKind",
    "Retention",
    "Rule",
    "document_model",
]

BadgeType = Literal["success", "failure", "warning", "primary", "secondary"]

OwnerKind = Literal["deal", "lead", "contact", "company"]
"""A CRM item that can carry a badge."""

OWNER_KINDS: tuple[OwnerKind, ...] = get_args(OwnerKind)

_Expression = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EXPRESSION)]


class Badge(Entry):
    """A badge as the portal shall know it."""

    code: Code | None = Field(
        default=None,
        description="Its code in the portal. Default: the name with bb_ before it, since a portal has one registry for "
        "the badges of all applications.",
    )
    title: Text = Field(description="The small caption on the card: a text, or texts by language.")
    value: Text = Field(description="The text in the pill: a text, or texts by language.")
    type: BadgeType = Field(
        description="The pill's colour: success green, failure red, warning yellow, primary light blue, secondary grey."
    )


class OwnerIds(Entry):
    """Where the card's id is in the event, for events that name it."""

    deal: _Expression | None = Field(
        default=None, description="CEL that gives a deal's id, such as event.data.deal_id."
    )
    lead: _Expression | None = Field(default=None, description="CEL that gives a lead's id.")
    contact: _Expression | None = Field(default=None, description="CEL that gives a contact's id.")
    company: _Expression | None = Field(default=None, description="CEL that gives a company's id.")


_Icon = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(not_blank)]


class Attach(Entry):
    """The badge on a card: which card, and what its entry in the timeline says."""

    to: Annotated[tuple[OwnerKind, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})] = Field(
        default=OWNER_KINDS,
        description="Whose card: the first of these that the customer has. Default: [deal, lead, contact, company].",
    )
    owner: OwnerIds | None = Field(
        default=None,
        description="CEL that gives the card's id, where the event names it; an empty text or 0: it does not.",
    )
    title: Text | None = Field(
        default=None,
        description="The entry's heading, with fields of the event in braces: Missed call from {caller}. Default: the "
        "rule's name and {subject}.",
    )
    text: Text | None = Field(default=None, description="A line below the heading, with fields in braces as well.")
    on_missing: Literal["ignore", "lead"] = Field(
        default="ignore", description="Where the customer has no card: ignore the event, or make a lead."
    )
    icon: _Icon = Field(default="call", description="The entry's icon, a code of crm.timeline.icon.list.")
    logo: _Icon = Field(default="call-incoming", description="The entry's picture, a code of crm.timeline.logo.list.")
    button: bool = Field(default=True, description="Whether the entry has a button that calls the customer back.")


class Clear(Entry):
    """What takes the badge away again."""

    on: EventTypes = Field(
        default="call.answered",
        description="Types of the events that do, of any source of the same portal. Default: call.answered.",
    )
    same: _Expression | None = Field(
        default=None,
        description="CEL for both events, such as event.data.order_id: equal values belong together. Default: the "
        "same customer.",
    )

    @property
    def types(self) -> tuple[str, ...]:
        return several(self.on)


def _not_null(schema: dict[str, Any]) -> None:
    """`attach:` with nothing below it could mean its defaults as well as nothing at all; `acting` refuses it."""
    schema["anyOf"] = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]


class Rule(Entry):
    """Which events get which badge."""

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"clear": ["attach"]}})

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(not_blank)] = Field(
        description="How outcomes and logs call this rule; no two rules share a name."
    )
    on: EventTypes = Field(
        description="One or several event types, such as call.missed; a * at the end stands for any ending."
    )
    source: (
        Annotated[
            Annotated[SourceName, Tag("one")] | Annotated[tuple[SourceName, ...], Field(min_length=1), Tag("several")],
            one_or_several,
        ]
        | None
    ) = Field(default=None, description="One or several sources. Default: all.")
    when: _Expression | None = Field(
        default=None,
        description="A CEL condition over the fields of `event`, such as event.duration > 20. Default: always.",
    )
    badge: str = Field(description="The name of the badge.")
    portal: str | None = Field(
        default=None, description="The name of the portal. Default: the source's portal, or the only one."
    )
    attach: Attach | None = Field(
        default=None,
        json_schema_extra=_not_null,
        description="Put the badge on a card; {} for all defaults. Default: only make sure that it exists.",
    )
    clear: Clear | None = Field(
        default=None,
        json_schema_extra=_not_null,
        description="Take it away again; {} when the customer's call is answered. Default: never.",
    )

    @property
    def types(self) -> tuple[str, ...]:
        return several(self.on)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that the rule names; none where it takes all."""
        return several(self.source or ())


_DAY = 86_400.0
_UNITS = {"day": _DAY, "week": 7 * _DAY}


class Retention(Entry):
    """How long what came in is kept."""

    events: Duration = Field(
        description="How long an event is kept after it has ended, with all that is known of it: 90 days, 12 weeks; "
        "keep: for ever."
    )

    @property
    def seconds(self) -> float | None:
        """None: for ever."""
        number, _, unit = self.events.partition(" ")
        return float(number) * _UNITS[unit.removesuffix("s")] if unit else None


class DocumentModel(Entry):
    """Which webhooks are received, and which badges they put on the cards of which portal."""

    # The options of a source are validated by the model of its provider: see `shape` and `document_model`.
    portals: dict[Name, Portal] = Field(min_length=1, description="The Bitrix24 portals, by a name that you choose.")
    sources: dict[SourceName, Any] = Field(
        min_length=1, description="The webhook endpoints: each name is the end of its URL, /hooks/<name>."
    )
    badges: dict[Name, Badge] = Field(min_length=1, description="The badges, by a name that rules use.")
    rules: tuple[Rule, ...] = Field(
        min_length=1, description="The rules. All that match an event are carried out, in this order."
    )
    retention: Retention = Field(
        default=Retention(events="keep"), description="How long what came in is kept. Default: for ever."
    )


def document_model(providers: Mapping[str, type[BaseModel]]) -> type[DocumentModel]:
    """The model of a whole file whose sources may be of these providers: their options by the provider's name."""
    options: Any = Union[tuple(providers.values())]  # noqa: UP007 - made of a list
    if get_args(options):
        options = Annotated[options, Field(discriminator="provider")]
    sources = (dict[SourceName, options], DocumentModel.model_fields["sources"])
    return create_model("Rules", __base__=DocumentModel, __doc__=DocumentModel.__doc__, sources=sources)
