"""What a sandbox tells about itself at `GET /_sandbox/`: all that can be seen, changed and broken.

Meanings and values are those of the models (`FaultOrder`, `Variants`) and tables (`KINDS`, `METHODS`), so that a new
fault, variant or method is listed without further work.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from badge_bridge.sandbox.application_seed import Sending
from badge_bridge.sandbox.faults import KINDS, FaultOrder
from badge_bridge.sandbox.metering import Limits
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.registry import Method, Right
from badge_bridge.sandbox.seed import Seed
from badge_bridge.sandbox.telephony import CallOrder
from badge_bridge.sandbox.variants import Variants

__all__ = ["SECRET_NAME", "Control", "describe", "portals_block"]

SECRET_NAME = "SANDBOX_SECRET"  # noqa: S105 - the variable's name
"""The variable that holds the application's secret in the lines for a rules file, where no secret may be written."""


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that a user of the sandbox can do."""

    verb: str
    path: str
    does: str


def describe(portal: SandboxPortal, controls: Iterable[Control], base_url: str) -> dict[str, Any]:
    """The page as JSON. `base_url` is where the caller reached the sandbox; the credentials are the present ones."""
    seed = portal.seed
    return {
        "sandbox": "a local portal that behaves like Bitrix24; nothing in it is real, its credentials included",
        "controls": {f"{control.verb} {control.path}": control.does for control in controls},
        "pages": {
            "/kanban": "deal and lead cards with their badges; ?board=deals or leads, ?lang=de, ?category=0",
            "/kanban.json": "the same as values",
            "/crm/deal/details/41/": "a card by itself, where the portal has it; a lead, contact or company as well",
        },
        "rules_file": portals_block(portal, base_url),
        "environment": {SECRET_NAME: seed.applications[0].client_secret} if seed.applications else {},
        "credentials": _credentials(portal, seed, base_url),
        "settings": _settings(seed),
        "methods": {method.name: _about(method) for method in METHODS.values()},
        "call_parameters": _parameters(CallOrder),
        "fault_parameters": _parameters(FaultOrder),
        "faults": {kind.name: kind.meaning for kind in KINDS.values()},
        "variants": {
            name: {**parameter, "now": getattr(seed.variants, name)}
            for name, parameter in _parameters(Variants).items()
        },
    }


def portals_block(portal: SandboxPortal, base_url: str) -> list[str]:
    """The lines of a rules file by which a bridge reaches this portal as its first application; none without one."""
    if not portal.seed.applications:
        return []
    address, client_id = base_url.rstrip("/"), portal.seed.applications[0].client_id
    return [
        "portals:",
        "  main:",
        f"    url: {address}",
        f'    oauth: {{client_id: {client_id}, client_secret: "${{{SECRET_NAME}}}", server: "{address}"}}',
    ]


def _settings(seed: Seed) -> dict[str, Any]:
    """What the portal as a whole is like, and is replaced as a whole by `POST /_sandbox/seed`."""
    fields = _parameters(Seed, ("renamed_to", "crm_mode", "limits", "sending"))
    fields["limits"]["values"] = _parameters(Limits)
    fields["sending"]["values"] = _parameters(Sending)
    now = seed.model_dump(mode="json", include=set(fields))
    return {name: {**field, "now": now[name]} for name, field in fields.items()}


def _credentials(portal: SandboxPortal, seed: Seed, base_url: str) -> dict[str, Any]:
    rights = {user.id: f"{user.name} {user.last_name}".strip() + f", CRM right: {user.crm}" for user in seed.users}
    return {
        "webhooks": [
            {
                "user": hook.user_id,
                "who": rights[hook.user_id],
                "scopes": hook.scopes,
                "url": f"{base_url.rstrip('/')}/rest/{hook.user_id}/{hook.secret}/",
                "expired": portal.is_over(hook.expires_at),
            }
            for hook in seed.webhooks
        ],
        "tokens": [
            {
                "user": token.user_id,
                "who": rights[token.user_id],
                "scopes": token.scopes,
                "access_token": token.access_token,
                "expired": portal.is_over(token.expires_at),
            }
            for token in seed.tokens
        ],
        "applications": [application.model_dump(mode="json") for application in seed.applications],
        "refresh_tokens": [
            {
                "client_id": grant.client_id,
                "user": grant.user_id,
                "who": rights[grant.user_id],
                "refresh_token": grant.refresh_token,
                "expired": portal.is_over(grant.expires_at),
            }
            for grant in seed.grants
        ],
    }


_CALLERS: Mapping[Right, str] = {
    "any": "any user",
    "crm": "users of the CRM",
    "crm-administrator": "CRM administrators",
}


def _about(method: Method) -> str:
    scope = f" with the scope {method.scope}" if method.scope else ""
    meaning = " ".join((inspect.getdoc(method.run) or "").partition("\n\n")[0].split())
    return f"for {_CALLERS[method.right]}{scope}. {meaning}".rstrip()


def _parameters(model: type[BaseModel], names: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """The fields of a model, or those named: meaning (its docstring), values, and default where it has one."""
    properties = model.model_json_schema()["properties"]
    schema = {name: properties[name] for name in names or properties}
    return {
        name: {
            "meaning": " ".join(field["description"].split()),
            "values": _values(field),
            **({"default": field["default"]} if "default" in field else {}),
        }
        for name, field in schema.items()
    }


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "object": "numbers by name",
    "null": "null",
}


def _values(field: Mapping[str, Any]) -> list[Any] | str:
    """All values where they can be counted, else what they are."""
    if "enum" in field:
        return list(field["enum"])
    if field.get("type") == "boolean":
        return [False, True]
    return " or ".join(_bounded(choice) for choice in field.get("anyOf", [field]))


def _bounded(field: Mapping[str, Any]) -> str:
    words = _TYPES[field.get("type", "object")]
    if "maximum" in field:
        return f"{words} from {field['minimum']} to {field['maximum']}"
    if "exclusiveMinimum" in field:
        return f"{words} above {field['exclusiveMinimum']:g}"
    return f"{words} from {field['minimum']}" if "minimum" in field else words
