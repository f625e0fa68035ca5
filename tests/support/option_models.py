"""Two small providers for tests of the rules file: a phone and a form with CEL expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from badge_bridge.cel import CelType, compile_expression

__all__ = ["ENVIRON", "PROVIDERS"]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Source(_Options):
    portal: str | None = None
    country: str | None = None


class Phone(_Source):
    provider: Literal["phone"]
    secrets: list[SecretStr] = Field(min_length=1)
    public_url: str | None = None
    timeout: int = 30


class HmacVerify(_Options):
    scheme: Literal["hmac"]
    header: str


class BearerVerify(_Options):
    scheme: Literal["bearer"]


def _compiles(text: str) -> str:
    compile_expression(text, {"body": CelType.DYN, "headers": CelType.MAP})
    return text


class FormEvent(_Options):
    type: Annotated[str, AfterValidator(_compiles)]
    id: Annotated[str, AfterValidator(_compiles)] | None = None


class Form(_Source):
    names_types: ClassVar[bool] = True

    provider: Literal["form"]
    verify: Annotated[HmacVerify | BearerVerify, Field(discriminator="scheme")]
    secrets: tuple[SecretStr, ...] = Field(min_length=1)
    event: FormEvent


PROVIDERS: Mapping[str, type[BaseModel]] = {"phone": Phone, "form": Form}

ENVIRON: Mapping[str, str] = {
    "B24_WEBHOOK_URL": "https://acme.bitrix24.com/rest/1/hook-secret-8472/",
    "B24_ACCESS_TOKEN": "token-secret-1933",
    "B24_CLIENT_SECRET": "client-secret-6604",
    "PHONE_SECRET": "phone-secret-5521",
    "PHONE_SECRET_OLD": "phone-secret-0004",
    "SHOP_SECRET": "shop-secret-7719",
}
