"""Behaviours of the portal that its documentation leaves open, or gives differently in two editions.

A client has to work either way, so each of them is a switch. They are part of the seed and can be changed while the
sandbox runs: `POST /_sandbox/seed {"variants": {"badge_texts": "resolved"}}`. `GET /_sandbox/state` counts how often an
answer has hung on each since the content was set (`variants_met`): a client that never meets a variant proves nothing
about it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Variants"]


class Variants(BaseModel):
    """The switches. The defaults follow the vendor's later pages where the earlier ones are silent."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    duplicate_code_error: str = "BX_INVALID_VALUE"
    """The error code of adding a badge whose code is taken. Any text, the empty one and digits included."""

    badges_by_webhook: Literal["allowed", "refused"] = "allowed"
    """Whether `crm.activity.badge.*` may be called through an inbound webhook; refused is `ERROR_WRONG_CONTEXT`."""

    badge_texts: Literal["as-passed", "resolved"] = "as-passed"
    """How `title` and `value` come back: as they were passed (a text, or a map of languages), or as one text: in the
    portal's language, else English, else the first of the map."""

    unknown_badge_type: Literal["refused", "accepted"] = "refused"
    """A `type` outside the five documented ones; refused is `WRONG_TYPE_VALUE`."""

    unknown_language: Literal["refused", "accepted"] = "refused"
    """A language code in `title` or `value` that the portal does not know; refused is error `0`."""

    badge_code_limit: Annotated[int, Field(ge=1)] | None = 30
    """How many characters a badge code may have; more is error `0`; null for no limit."""

    missing_parameter_error: Literal["REQUIRED_ARG_MISSING", "100"] = "REQUIRED_ARG_MISSING"
    """The error of `crm.activity.badge.add` for a parameter that is absent. An empty one is always
    `REQUIRED_ARG_MISSING`."""

    unknown_badge_code: Literal["WRONG_FIELD_VALUE", "NOT_FOUND", "accepted"] = "WRONG_FIELD_VALUE"
    """What `crm.activity.configurable.add` and `update` say to a `badgeCode` that is not registered."""

    partial_update: Literal["accepted", "refused"] = "accepted"
    """Whether `crm.activity.configurable.update` may be called without `fields` or without `layout`; what is not named
    keeps its value then. Refused is `ERROR_EMPTY_LAYOUT`, and 100 where `fields` is missing."""

    completing_twice: Literal["accepted", "NOT_FOUND", "WRONG_FIELD_VALUE"] = "accepted"
    """What `crm.activity.configurable.update` says to completing an activity that is already completed."""

    configurable_in_batch: Literal["allowed", "refused"] = "allowed"
    """Whether `crm.activity.configurable.add` may be a command of a `batch`; refused is
    `ERROR_BATCH_METHOD_NOT_ALLOWED`."""

    empty_blocks: Literal["refused", "accepted"] = "refused"
    """A layout whose body has `blocks` without a block: the table wants 1 to 20, an example beside it has none. Refused
    is `WRONG_FIELD_VALUE`."""

    unknown_picture: Literal["refused", "accepted"] = "refused"
    """An icon or logo code that the portal does not list; refused is `ENUM_FIELD`."""

    tel_links: Literal["accepted", "refused"] = "accepted"
    """Whether the `uri` of a redirect action may be a `tel:` link; refused is `WRONG_FIELD_VALUE`."""

    origin_filter: Literal["works", "ignored", "refused"] = "works"
    """What `crm.activity.list` does with `ORIGINATOR_ID` and `ORIGIN_ID` in its filter. Ignored answers as if they were
    not there; refused is status 400 with an empty error code."""

    origin_in_lists: Literal["carried", "left-out"] = "carried"
    """Whether rows of `crm.activity.list` have `ORIGINATOR_ID` and `ORIGIN_ID` when these are selected."""

    contact_ids_filter: Literal["works", "refused"] = "works"
    """Whether `crm.item.list` takes `contactIds` in the filter of deals; refused is `INVALID_ARG_VALUE`."""

    system_errors: Literal["by-kind", "all-401"] = "by-kind"
    """The statuses of system errors, which the vendor's table gives in two editions. `by-kind`: 403
    `insufficient_scope`, 503 `OVERLOAD_LIMIT`, ..., and a wrong webhook code is `NO_AUTH_FOUND`. `all-401`: 401 for
    most of them, and a wrong webhook code is `INVALID_CREDENTIALS`."""

    old_refresh_token: Literal["dies", "lives"] = "dies"  # noqa: S105 - a word
    """Whether a refresh token that was used is dead at once, or can be used again."""

    code_answer: Literal["as-refresh", "as-documented"] = "as-refresh"
    """Whether tokens got with a code come with `expires` and `user_id`. The documentation leaves them out; the vendor's
    own Python SDK does not work without."""

    oauth_error_status: Annotated[int, Field(ge=200, le=599)] | None = None
    """The HTTP status of every error of `/oauth/token/`; null for each code's own."""

    auth_host: Literal["oauth.bitrix24.tech", "oauth.bitrix.info"] = "oauth.bitrix24.tech"
    """The authorisation server's name in events and token answers; the vendor's pages show both."""

    handlers_after_update: Literal["dropped", "kept"] = "dropped"
    """Whether an update of an application drops its event handlers."""

    https_required: bool = False
    """Refuse plain HTTP with `INVALID_REQUEST`, as the real portal does. Off, since a sandbox on loopback mostly has
    no certificate."""
