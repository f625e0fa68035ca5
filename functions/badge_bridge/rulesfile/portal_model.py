"""The shape of `portals`: how each is reached, how fast it may be asked, and where it may move to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, SecretStr, Tag, model_validator

from badge_bridge.portal_address import (
    check_install_url,
    check_portal_url,
    check_webhook_url,
    host_of,
    on_this_machine,
    origin_of,
)
from badge_bridge.rulesfile.entry import Entry, HostName

__all__ = ["LIMITS", "SERVERS", "OAuth", "OwnLimits", "Portal"]

_URL = r"^(https://[^/]+/?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?/?|.*\$\{.*|sm://.*)$"
"""For editors; the loader's own check says more."""

_PAGE = r"^(https://[^/]+/[^?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?/[^?#]+|.*\$\{.*|sm://.*)$"

SERVERS = ("https://oauth.bitrix24.tech", "https://oauth.bitrix.info")
"""The authorisation servers of Bitrix24, the current one first (Bitrix24 docs, "Full OAuth 2.0 authorization
protocol"). The client secret is sent there, so no other is taken; towards this machine (a sandbox) any."""

_SERVER = r"^(https://oauth\.bitrix24\.tech/?|https://oauth\.bitrix\.info/?|https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?/?|.*\$\{.*|sm://.*)$"


def _portal_url(value: str) -> str:
    check_portal_url(value)
    return value.rstrip("/")


def _webhook_url(value: SecretStr) -> SecretStr:
    check_webhook_url(value.get_secret_value())
    return value


def _install_url(value: str) -> str:
    check_install_url(value)
    return value


def _server_url(value: str) -> str:
    server = value.rstrip("/")
    if server not in SERVERS and not on_this_machine(server):
        raise ValueError(
            "the client secret is sent to this address, so it must be one of Bitrix24's authorisation servers; "
            f"write {' or '.join(SERVERS)}, or remove server:"
        )
    check_portal_url(server)
    return server


class OAuth(Entry):
    """An application's access to a portal: the application itself, or an access token as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["client_id", "client_secret"], "not": {"required": ["access_token"]}},
                {
                    "required": ["access_token"],
                    "properties": {"client_id": False, "client_secret": False, "server": False},
                },
            ]
        }
    )

    client_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The application's client_id, such as local.6512af….; tokens come with its installation.",
    )
    client_secret: SecretStr | None = Field(
        default=None, description="The application's client_secret, written as ${NAME}."
    )
    server: Annotated[str, AfterValidator(_server_url), Field(json_schema_extra={"pattern": _SERVER})] | None = Field(
        default=None, description=f"The authorisation server. Default: {SERVERS[0]}."
    )
    access_token: SecretStr | None = Field(
        default=None,
        description="Instead: an access token as it is, written as ${NAME}; it lasts an hour and nothing refreshes it.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> OAuth:
        application = [key for key in ("client_id", "client_secret", "server") if getattr(self, key) is not None]
        if self.access_token is not None and application:
            raise ValueError(
                f"oauth has an access_token or an application, not both; remove {' and '.join(application)}"
            )
        if self.access_token is None and self.client_id is None:
            raise ValueError("oauth needs client_id and client_secret of an application, or an access_token; add them")
        if self.access_token is None and self.client_secret is None:
            raise ValueError('client_id needs the application\'s client_secret; add client_secret: "${NAME}"')
        return self


class OwnLimits(Entry):
    """Limits in numbers."""

    rate: float = Field(gt=0, le=1000, description="Requests a second that the portal takes for ever.")
    burst: int = Field(ge=1, le=100_000, description="Requests that it takes at once.")


LIMITS = {"standard": OwnLimits(rate=2.0, burst=50), "enterprise": OwnLimits(rate=5.0, burst=250)}
"""What a portal takes from one address, by its plan (Bitrix24 docs, "Limits", request intensity)."""


def _limits_kind(value: Any) -> str | None:
    """None for what is neither, so that the message names all that may be written."""
    return "plan" if isinstance(value, str) and value in LIMITS else "own" if isinstance(value, dict) else None


_Limits = Annotated[
    Annotated[Literal["standard", "enterprise"], Tag("plan")] | Annotated[OwnLimits, Tag("own")],
    Discriminator(
        _limits_kind,
        custom_error_type="limits",
        custom_error_message="limits are a plan's or your own; write standard, enterprise or {rate: 2, burst: 50}",
    ),
]


class Portal(Entry):
    """One Bitrix24 account and how to reach it: `webhook`, or `url` with `oauth`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["webhook"],
                    "not": {"required": ["oauth"]},
                    "properties": {"install_url": False},
                },
                {"required": ["url", "oauth"], "not": {"required": ["webhook"]}},
            ]
        }
    )

    url: Annotated[str, AfterValidator(_portal_url), Field(json_schema_extra={"pattern": _URL})] | None = Field(
        default=None, description="The portal's address, such as https://acme.bitrix24.com. A webhook already has it."
    )
    webhook: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = Field(
        default=None,
        description="The whole URL of an inbound webhook, written as ${NAME}. It can make badges, not attach them.",
    )
    oauth: OAuth | None = Field(
        default=None, description="An application, or its token; needs url. It can attach badges to cards."
    )
    install_url: Annotated[str, AfterValidator(_install_url), Field(json_schema_extra={"pattern": _PAGE})] | None = (
        Field(
            default=None,
            description="With an application: the URL by which the portal reaches this bridge's /install. Default: "
            "beside a source whose public_url ends in /hooks/<its name>.",
        )
    )
    limits: _Limits = Field(
        default="standard",
        description="How fast the portal may be asked: standard (2 requests a second, 50 at once), enterprise (5, 250) "
        "or {rate: 2, burst: 50}.",
    )
    trusted_hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Host names beside those of Bitrix24 itself that the portal may be renamed to; credentials follow.",
    )

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
        if self.install_url and not (self.oauth and self.oauth.client_id):
            raise ValueError("install_url is for an application's installation; remove it, or give oauth a client_id")
        return self

    @property
    def address(self) -> str:
        """Scheme and host of the portal."""
        if self.url:
            return self.url
        assert self.webhook is not None
        return origin_of(self.webhook.get_secret_value())
