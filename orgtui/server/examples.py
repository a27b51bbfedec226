"""Examples for the documentation: a value for everything that comes in, made from its schema and its name."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

_TEXTS = {
    "email": "grace@acme.example",
    "name": "Staging",
    "month": "2026-11",
    "day": "2026-11-23",
    "provider": "openai",
    "description": "Orders, invoices and the newsletter",
    "confirm": "Acme",
    "currency": "EUR",
    "plan": "pro",
    "secret": "sk-proj-0000000000000000000000000000000000000000",
    "code": "orgtui_inv_0000000000000000000000000000000000000000000",
    "status": "success",
    "mode": "webhook",
    "model": "openai/gpt-4o",
    "source": "n8n",
    "verdict": "valid",
    "note": "",
}
_FORMATS = {"date-time": "2026-11-23T12:00:00Z", "date": "2026-11-23"}
_PLAIN: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}


def example(hint: Any, name: str = "") -> Any:
    """A JSON value of the type *hint*, as it might stand under *name*."""
    schema = TypeAdapter(hint).json_schema()
    return _of(schema, name, schema.get("$defs", {}))


def _of(schema: dict[str, Any], name: str, others: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _of(others[schema["$ref"].rpartition("/")[2]], name, others)
    if "enum" in schema or "const" in schema:
        return schema.get("default", schema.get("const", schema.get("enum", [None])[0]))
    if "anyOf" in schema:
        return _of(next(one for one in schema["anyOf"] if one.get("type") != "null"), name, others)
    if schema.get("type") == "object":
        return _object(schema, others)
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        return [_of(item, name.removesuffix("s"), others) for item in items]
    if schema.get("type") == "string":
        if schema.get("pattern", "").startswith("^-?[0-9]"):
            return "0.0123"
        if "binary" in schema.get("format", "") or "base64" in schema.get("format", ""):
            return "iVBORw0KGgo="
        return _FORMATS.get(schema.get("format", "")) or _TEXTS.get(name) or schema.get("default", name)
    return schema.get("default") or _PLAIN[schema["type"]]


def _object(schema: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return {"id_1": _of(schema["additionalProperties"], "name", others)}
    return {name: _of(part, name, others) for name, part in schema["properties"].items()}
