"""The JSON Schema of the rules file, for editors: made of the models that the loader validates with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from badge_bridge.rulesfile.model import document_model
from badge_bridge.rulesfile.secrets import WRITTEN_PATTERN

__all__ = ["json_schema"]


def json_schema(providers: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The schema (draft 2020-12) of a file with these providers.

    It describes the file as it is written: secrets are `${NAME}` or `sm://NAME`, and so may be texts under portals and
    sources.
    """
    schema = document_model(providers).model_json_schema()
    adapted: dict[str, Any] = _adapt(schema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **adapted}


def _adapt(schema: Any) -> Any:
    """Secrets as they are written, and names that fit no pattern as mistakes."""
    if isinstance(schema, list):
        return [_adapt(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    adapted = {key: _adapt(item) for key, item in schema.items() if key != "discriminator"}
    if adapted.get("format") == "password" and adapted.get("writeOnly"):
        del adapted["format"], adapted["writeOnly"]
        adapted["pattern"] = WRITTEN_PATTERN
    if "patternProperties" in adapted:
        adapted.setdefault("additionalProperties", False)
    return adapted
