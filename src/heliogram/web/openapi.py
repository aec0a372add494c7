"""The contract as OpenAPI 3.1, made from the types of commands: one path for each."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec

import heliogram
from heliogram.node import api
from heliogram.node.control.faults import Fault
from heliogram.web.calls import COMMANDS, Saved
from heliogram.web.scopes import Scope, may

_REFERENCE: Final = "#/components/schemas/{name}"


@cache
def document() -> dict[str, Any]:
    """The document. `docs/openapi.json` is the same."""
    kinds = list(COMMANDS.values())
    results = [Saved if one in (api.Export, api.Backup) else one.Result for one in kinds]
    schemas, components = msgspec.json.schema_components(
        [*kinds, *results, Fault, api.AnyNotice], ref_template=_REFERENCE
    )
    paths = {}
    for number, (name, kind) in enumerate(COMMANDS.items()):
        components[kind.__name__]["properties"].pop("do", None)
        required = components[kind.__name__].get("required", [])
        components[kind.__name__]["required"] = [one for one in required if one != "do"]
        paths[f"/api/call/{name}"] = {
            "post": {
                "operationId": name,
                "summary": (kind.__doc__ or "").partition("\n")[0],
                "x-scopes": [one.value for one in Scope if may(one, kind)],
                "requestBody": {"content": {"application/json": {"schema": schemas[number]}}},
                "responses": {
                    "200": _response("What the node gives.", schemas[len(kinds) + number]),
                    "default": {"$ref": "#/components/responses/Error"},
                },
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliogram's local API",
            "version": heliogram.__version__,
            "description": "Commands to the node on this machine. docs/local-api.md has the rest.",
        },
        "security": [{"secret": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Notice": schemas[-1]},
            "responses": {
                "Error": _response(
                    "What went wrong.",
                    {"type": "object", "properties": {"error": schemas[-2]}, "required": ["error"]},
                )
            },
            "securitySchemes": {
                "secret": {"type": "apiKey", "in": "header", "name": "Heliogram-Secret"}
            },
        },
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
