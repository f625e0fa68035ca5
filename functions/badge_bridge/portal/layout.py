"""The layout of a configurable activity, as the portal takes it: how it looks in a card's timeline.

The portal's schema is strict, and one mistake refuses the whole activity: an unknown key, a third tag or button, a dot
in a key (Bitrix24 docs, "crm.activity.configurable: layout"). So these models refuse the same, before anything is sent.

Every value survives the query string that a command in a `batch` becomes: flags are the texts "true" and "false", as
in the documentation's samples, and there is nothing empty, which a query string cannot say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

__all__ = [
    "Action",
    "Block",
    "Body",
    "Button",
    "DeadlineBlock",
    "Footer",
    "Header",
    "Icon",
    "LargeTextBlock",
    "Layout",
    "LineOfBlocks",
    "LinkBlock",
    "Logo",
    "Menu",
    "MenuItem",
    "OpenApplication",
    "Redirect",
    "RestEvent",
    "SliderParams",
    "Tag",
    "Text",
    "TextBlock",
    "WithTitle",
]

NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
"""An id of ours in a collection; `KEY_CONTAIN_WRONG_SYMBOLS` is the portal's word for any other."""

Text = NonEmpty | Annotated[dict[Key, NonEmpty], Field(min_length=1)]
"""One text, or texts by language; a language that the portal does not have is refused with `WRONG_LANG`."""

Flag = Literal["true", "false"]
Scope = Literal["web", "mobile"]
"""Where a part is shown; everywhere, where it is not given."""


class Part(BaseModel):
    """A part of a layout: strict as the portal is, its keys in camelCase on the wire."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Redirect(Part):
    """Opens an address: a known page of the portal in a slider, another one in a new tab."""

    type: Literal["redirect"] = "redirect"
    uri: NonEmpty


class RestEvent(Part):
    """Sends `onCrmTimelineItemAction` to the application that made the activity."""

    type: Literal["restEvent"] = "restEvent"
    id: NonEmpty
    action_params: Annotated[dict[Key, str | int], Field(min_length=1)] | None = None
    animation_type: Literal["disable", "loader"] | None = None


class SliderParams(Part):
    """`width` in pixels or `left_boundary`, not both."""

    width: int | None = None
    left_boundary: int | None = None
    title: NonEmpty | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> SliderParams:
        if self.width is not None and self.left_boundary is not None:
            raise ValueError("width and leftBoundary exclude each other")
        return _not_empty(self)


class OpenApplication(Part):
    """Opens the application that made the activity; not in the mobile app."""

    type: Literal["openRestApp"] = "openRestApp"
    action_params: Annotated[dict[Key, str | int], Field(min_length=1)] | None = None
    slider_params: SliderParams | None = None


Action = Annotated[Redirect | RestEvent | OpenApplication, Field(discriminator="type")]


class Icon(Part):
    """`code` is one of `crm.timeline.icon.list`."""

    code: NonEmpty


class Logo(Part):
    """`code` is one of `crm.timeline.logo.list`."""

    code: NonEmpty
    action: Action | None = None


class Tag(Part):
    """A coloured word beside the title; `lavender`, which the portal itself uses, is refused over REST."""

    title: Text
    type: Literal["success", "failure", "warning", "primary", "secondary"]
    action: Action | None = None
    scope: Scope | None = None
    hide_if_readonly: Flag | None = None


class Header(Part):
    title: Text
    title_action: Action | None = None
    tags: Annotated[dict[Key, Tag], Field(min_length=1, max_length=2)] | None = None


class TextProperties(Part):
    value: Text
    multiline: Flag | None = None
    title: Text | None = None
    bold: Flag | None = None
    size: Literal["xs", "sm", "md"] | None = None
    color: Literal["base_50", "base_60", "base_70", "base_90"] | None = None
    scope: Scope | None = None


class TextBlock(Part):
    type: Literal["text"] = "text"
    properties: TextProperties


class LargeTextProperties(Part):
    value: Text
    scope: Scope | None = None


class LargeTextBlock(Part):
    type: Literal["largeText"] = "largeText"
    properties: LargeTextProperties


class LinkProperties(Part):
    text: Text
    action: Action
    bold: Flag | None = None
    scope: Scope | None = None


class LinkBlock(Part):
    type: Literal["link"] = "link"
    properties: LinkProperties


class DeadlineProperties(Part):
    """Nothing to set is said by leaving all of it out."""

    readonly: Flag | None = None
    scope: Scope | None = None

    @model_validator(mode="after")
    def _something(self) -> DeadlineProperties:
        return _not_empty(self)


class DeadlineBlock(Part):
    """Hidden for an incoming activity and for one without a deadline."""

    type: Literal["deadline"] = "deadline"
    properties: DeadlineProperties | None = None


SmallBlock = Annotated[TextBlock | LinkBlock | DeadlineBlock, Field(discriminator="type")]
"""What can stand in another block."""


class WithTitleProperties(Part):
    title: Text
    block: SmallBlock
    inline: Flag | None = None
    scope: Scope | None = None


class WithTitle(Part):
    """A block behind or below a caption."""

    type: Literal["withTitle"] = "withTitle"
    properties: WithTitleProperties


class LineProperties(Part):
    blocks: Annotated[dict[Key, SmallBlock], Field(min_length=1)]
    scope: Scope | None = None


class LineOfBlocks(Part):
    """Blocks side by side."""

    type: Literal["lineOfBlocks"] = "lineOfBlocks"
    properties: LineProperties


Block = Annotated[
    TextBlock | LargeTextBlock | LinkBlock | WithTitle | LineOfBlocks | DeadlineBlock, Field(discriminator="type")
]


class Body(Part):
    """The documentation's table says 1 to 20 blocks, one of its samples has none: at least one is always right."""

    logo: Logo
    blocks: Annotated[dict[Key, Block], Field(min_length=1, max_length=20)]


class Button(Part):
    title: Text
    type: Literal["primary", "secondary"]
    action: Action
    scope: Scope | None = None
    hide_if_readonly: Flag | None = None


class MenuItem(Part):
    title: Text
    action: Action
    scope: Scope | None = None
    hide_if_readonly: Flag | None = None


class Menu(Part):
    """The menu behind the three dots; pinning, postponing and deleting are in it unless switched off."""

    show_pin_item: Flag | None = None
    show_postpone_item: Flag | None = None
    show_delete_item: Flag | None = None
    items: Annotated[dict[Key, MenuItem], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Menu:
        return _not_empty(self)


class Footer(Part):
    buttons: Annotated[dict[Key, Button], Field(min_length=1, max_length=2)] | None = None
    menu: Menu | None = None

    @model_validator(mode="after")
    def _something(self) -> Footer:
        return _not_empty(self)


class Layout(Part):
    """A whole layout. `wire` is what the portal is sent."""

    icon: Icon
    header: Header
    body: Body
    footer: Footer | None = None

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


P = TypeVar("P", bound=Part)


def _not_empty(part: P) -> P:
    """An empty object vanishes in a query string, and the portal would not see the same as we."""
    if all(value is None for value in dict(part).values()):
        raise ValueError("nothing is set; leave it out instead")
    return part
