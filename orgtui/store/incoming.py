"""What comes in over HTTP, by the letter: each value is written as its schema says, and in no other way."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from orgtui.domain.money import plain
from orgtui.store.contract.operation import LARGEST

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
# Strings of digits alone would be taken for seconds since 1970, and an instant without a zone is none.
_WORDS: Final[dict[str, tuple[type[Any], str, Callable[[str], Any], str]]] = {
    "date": (date, _DAY, date.fromisoformat, "a date, as 2026-11-23"),
    "datetime": (
        datetime,
        rf"{_DAY}[Tt]{_TIME}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})",
        lambda text: datetime.fromisoformat(text.upper()),
        "an instant with its zone (RFC 3339)",
    ),
    "bytes": (
        bytes,
        r"([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?",
        # Both alphabets of RFC 4648: pydantic writes the second, and everybody else the first.
        lambda text: b64decode(text.replace("-", "+").replace("_", "/")),
        "base64 with its padding",
    ),
    # A JSON number has passed through a float in somebody's hands; with an exponent a few letters are a billion digits.
    "decimal": (Decimal, r"-?[0-9]{1,24}(\.[0-9]{1,80})?", Decimal, "a decimal in a string, as “12.34”"),
}


class ByTheLetter:
    """An annotation under which what stands in a path or a query is read so."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema: core_schema.CoreSchema = narrowed(handler(source), handler, json=False)
        return schema


def narrowed(schema: Any, handler: GetCoreSchemaHandler, *, json: bool = True) -> Any:
    """The schema, in which every leaf is narrowed; what is not in JSON has integers of any length."""
    return _Narrowing(handler, json).of(schema)


class _Narrowing:
    def __init__(self, handler: GetCoreSchemaHandler, json: bool) -> None:
        self._handler, self._json, self._seen = handler, json, set[str]()

    def of(self, node: Any) -> Any:
        if isinstance(node, list | tuple):
            return type(node)(self.of(each) for each in node)
        if not isinstance(node, dict):
            return node
        kind = node.get("type")
        if kind == "definition-ref":
            self._elsewhere(node)
            return node
        if kind in _WORDS:
            return _word(kind, node)
        if kind == "int" and self._json:
            return core_schema.no_info_before_validator_function(_whole, node | {"ge": -LARGEST, "le": LARGEST})
        for key, value in node.items():
            if key not in ("metadata", "default", "serialization"):
                node[key] = self.of(value)
        return node

    def _elsewhere(self, node: Any) -> None:
        """What is used more than once stands by itself, and is changed where it stands."""
        if node["schema_ref"] not in self._seen:
            self._seen.add(node["schema_ref"])
            found: Any = self._handler.resolve_ref_schema(node)
            found.update(self.of(dict(found)))


def _word(kind: str, node: Any) -> Any:
    python, pattern, make, told = _WORDS[kind]
    read = _reader(python, re.compile(pattern), make, told)
    made: Any = core_schema.no_info_before_validator_function(read, node)
    if kind == "bytes":
        made["metadata"] = {"pydantic_js_updates": {"pattern": f"^{pattern}$"}}
    if kind == "decimal":
        made["metadata"] = {"pydantic_js_functions": [lambda *_: {"type": "string", "pattern": f"^{pattern}$"}]}
        made["serialization"] = core_schema.plain_serializer_function_ser_schema(plain, when_used="json")
    return made


def _reader(python: type[Any], pattern: re.Pattern[str], make: Callable[[str], Any], told: str) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        if isinstance(raw, python):
            return raw
        with suppress(ValueError):
            if isinstance(raw, str) and pattern.fullmatch(raw):
                return make(raw)
        raise PydanticCustomError("written", "Input should be {told}", {"told": told})

    return read


def _whole(raw: Any) -> Any:
    """In JSON 1.0 is an integer."""
    return int(raw) if isinstance(raw, float) and raw.is_integer() else raw
