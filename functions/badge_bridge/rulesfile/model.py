"""The shape of a rules file. Validation and the JSON Schema for editors come from these models.

What one entry cannot know of another (names that exist, codes that are unique, conditions) is checked in `references`
and `expressions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
    create_model,
    model_validator,
)

from badge_bridge.cel import MAX_EXPRESSION
from badge_bridge.events import EXACT_TYPE
from badge_bridge.portal_address import check_portal_url, check_webhook_url, host_of, origin_of

__all__ = [
    "PATTERNS",
    "Badge",
    "BadgeType",
    "DocumentModel",
    "OAuth",
    "Portal",
    "Rule",
    "Text",
    "document_model",
]

BadgeType = Literal["success", "failure", "warning", "primary", "secondary"]

_LANGUAGE = r"^[a-z]{2,3}([_-][A-Za-z]{2,4})?$"
_EVENT_TYPE = rf"^(?:{EXACT_TYPE}(?:\.?\*)?|\*)$"
_SOURCE = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
_CODE = r"^[A-Za-z0-9_.:-]{1,30}$"
_URL = r"^(https://[^/]+/?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?/?|.*\$\{.*)$"
"""For editors; the loader's own check says more."""

PATTERNS: Mapping[str, str] = {
    _LANGUAGE: "this is no language code; write one such as en, de or br",
    _EVENT_TYPE: "this is no event type; write one such as call.missed, with * only at its end and no spaces",
    _SOURCE: "a source's name is part of a URL; write at most 63 small letters, digits, - and _",
    _NAME: "a name has at most 63 letters, digits, - and _; write it so",
    _CODE: "a badge's code has at most 30 letters, digits and the signs _ . : -; write it so",
}
"""The regular expressions of this module, each with its sentence."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _portal_url(value: str) -> str:
    check_portal_url(value)
    return value.rstrip("/")


def _webhook_url(value: SecretStr) -> SecretStr:
    check_webhook_url(value.get_secret_value())
    return value


class OAuth(_Entry):
    """An application's access to a portal."""

    access_token: SecretStr = Field(description="The access token as it is, written as ${NAME}; nothing refreshes it.")


class Portal(_Entry):
    """One Bitrix24 account and how to reach it: `webhook`, or `url` with `oauth`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["webhook"], "not": {"required": ["oauth"]}},
                {"required": ["url", "oauth"], "not": {"required": ["webhook"]}},
            ]
        }
    )

    url: Annotated[str, AfterValidator(_portal_url), Field(json_schema_extra={"pattern": _URL})] | None = Field(
        default=None, description="The portal's address, such as https://acme.bitrix24.com. A webhook already has it."
    )
    webhook: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = Field(
        default=None, description="The whole URL of an inbound webhook, written as ${NAME}."
    )
    oauth: OAuth | None = Field(default=None, description="An application's token; needs url.")

    @model_validator(mode="after")
    def _one_way_in(self) -> Portal:
        if self.webhook and self.oauth:
            raise ValueError("a portal is reached by webhook or by oauth, not both; remove one of them")
        if not self.webhook and not self.oauth:
            raise ValueError('a portal needs webhook or oauth; add webhook: "${NAME}", or url and oauth')
        if self.oauth and not self.url:
            raise ValueError("oauth needs the portal's address; add url: https://...")
        if self.webhook and self.url and host_of(self.url) != host_of(self.webhook.get_secret_value()):
            raise ValueError("url and webhook name different hosts; remove url, the webhook has the address")
        return self

    @property
    def address(self) -> str:
        """Scheme and host of the portal."""
        if self.url:
            return self.url
        assert self.webhook is not None
        return origin_of(self.webhook.get_secret_value())


def _text_kind(value: Any) -> str | None:
    return "text" if isinstance(value, str) else "languages" if isinstance(value, dict) else None


def _one_or_several(value: Any) -> str | None:
    return "one" if isinstance(value, str) else "several" if isinstance(value, list | tuple) else None


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("this must not be empty; write a text")
    return value


_Words = Annotated[str, StringConstraints(min_length=1), AfterValidator(_not_blank)]
_Language = Annotated[str, StringConstraints(pattern=_LANGUAGE)]

Text = Annotated[
    Annotated[_Words, Tag("text")] | Annotated[dict[_Language, _Words], Field(min_length=1), Tag("languages")],
    Discriminator(
        _text_kind,
        custom_error_type="text_or_languages",
        custom_error_message="this must be a text or texts by language; write 'Missed' or {en: Missed, de: Verpasst}",
    ),
]

_EventType = Annotated[str, StringConstraints(pattern=_EVENT_TYPE)]
SourceName = Annotated[str, StringConstraints(pattern=_SOURCE)]
_Name = Annotated[str, StringConstraints(pattern=_NAME)]
_Code = Annotated[str, StringConstraints(pattern=_CODE)]

_several = Discriminator(
    _one_or_several,
    custom_error_type="one_or_several",
    custom_error_message="this must be a text or a list of texts; put quotes around a number",
)


class Badge(_Entry):
    """A badge as the portal shall know it."""

    code: _Code | None = Field(
        default=None,
        description="Its code in the portal. Default: the name with bb_ before it, since a portal has one registry for "
        "the badges of all applications.",
    )
    title: Text = Field(description="The small caption on the card: a text, or texts by language.")
    value: Text = Field(description="The text in the pill: a text, or texts by language.")
    type: BadgeType = Field(
        description="The pill's colour: success green, failure red, warning yellow, primary light blue, secondary grey."
    )


class Rule(_Entry):
    """Which events get which badge."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_not_blank)] = Field(
        description="How outcomes and logs call this rule; no two rules share a name."
    )
    on: Annotated[
        Annotated[_EventType, Tag("one")] | Annotated[tuple[_EventType, ...], Field(min_length=1), Tag("several")],
        _several,
    ] = Field(description="One or several event types, such as call.missed; a * at the end stands for any ending.")
    source: (
        Annotated[
            Annotated[SourceName, Tag("one")] | Annotated[tuple[SourceName, ...], Field(min_length=1), Tag("several")],
            _several,
        ]
        | None
    ) = Field(default=None, description="One or several sources. Default: all.")
    when: Annotated[str, StringConstraints(min_length=1, max_length=MAX_EXPRESSION)] | None = Field(
        default=None,
        description="A CEL condition over the fields of `event`, such as event.duration > 20. Default: always.",
    )
    badge: str = Field(description="The name of the badge.")
    portal: str | None = Field(
        default=None, description="The name of the portal. Default: the source's portal, or the only one."
    )

    @property
    def types(self) -> tuple[str, ...]:
        return (self.on,) if isinstance(self.on, str) else self.on

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that the rule names; none where it takes all."""
        if self.source is None:
            return ()
        return (self.source,) if isinstance(self.source, str) else self.source


class DocumentModel(_Entry):
    """Which webhooks are received, and which badges they put on the cards of which portal."""

    # The options of a source are validated by the model of its provider: see `shape` and `document_model`.
    portals: dict[_Name, Portal] = Field(min_length=1, description="The Bitrix24 portals, by a name that you choose.")
    sources: dict[SourceName, Any] = Field(
        min_length=1, description="The webhook endpoints: each name is the end of its URL, /hooks/<name>."
    )
    badges: dict[_Name, Badge] = Field(min_length=1, description="The badges, by a name that rules use.")
    rules: tuple[Rule, ...] = Field(
        min_length=1, description="The rules. All that match an event are carried out, in this order."
    )


def document_model(providers: Mapping[str, type[BaseModel]]) -> type[DocumentModel]:
    """The model of a whole file whose sources may be of these providers: their options by the provider's name."""
    options: Any = Union[tuple(providers.values())]  # noqa: UP007 - made of a list
    if get_args(options):
        options = Annotated[options, Field(discriminator="provider")]
    sources = (dict[SourceName, options], DocumentModel.model_fields["sources"])
    return create_model("Rules", __base__=DocumentModel, __doc__=DocumentModel.__doc__, sources=sources)
