"""The official SDK as the schema: its TypedDicts say what a request may hold, its resources what an answer must."""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired, Required, TypeVar, Union, get_args, get_origin

from stripe import ListObject, StripeObject
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

from tests.fake_stripe.refusals import Refused, invalid

Check = Callable[[Any, str], list[str]]

_UNIONS = (Union, types.UnionType)
_METADATA = {"keys": 50, "key": 40, "value": 500}


# Requests.


def accept(params: dict[str, Any], params_class: type) -> dict[str, Any]:
    """*params* in the types of an SDK parameter class; raises Refused in Stripe's words."""
    return _hash(params, params_class, "")


def _hash(value: Any, params_class: type, where: str) -> dict[str, Any]:
    fields = _fields(params_class)
    if not isinstance(value, dict):
        raise invalid(f"Invalid object: must be a hash, {where}", where)
    if unknown := [name for name in value if name not in fields]:
        raise _unknown(unknown, fields, where)
    for name, (_, required) in fields.items():
        if required and name not in value:
            raise invalid(f"Missing required param: {_path(where, name)}.", _path(where, name), "parameter_missing")
    return {name: _coerced(given, fields[name][0], _path(where, name)) for name, given in value.items()}


def _unknown(names: list[str], known: Mapping[str, Any], where: str) -> Refused:
    paths = ", ".join(_path(where, name) for name in names)
    said = f"Received unknown parameter{'s' if len(names) > 1 else ''}: {paths}"
    if near := difflib.get_close_matches(names[0], known, 1):
        said += f". Did you mean {near[0]}?"
    return invalid(said, _path(where, names[0]), "parameter_unknown")


def _coerced(value: Any, wanted: Any, where: str) -> Any:
    options = list(_options(wanted))
    if value == "":
        if any(get_origin(option) is Literal and "" in get_args(option) for option in options):
            return ""
        raise invalid(
            f"You passed an empty string for '{where}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{where}' cannot be unset. You should remove '{where}' from your request or supply a non-empty "
            "value.",
            where,
            "parameter_invalid_empty",
        )
    refusals: list[Refused] = []
    for option in _closed(options):
        try:
            return _one(value, option, where)
        except Refused as refusal:
            refusals.append(refusal)
    raise refusals[-1]


def _closed(options: list[Any]) -> list[Any]:
    """Enumerations are closed here, although the SDK leaves them open for what Stripe adds tomorrow."""
    if any(get_origin(option) is Literal and get_args(option) != ("",) for option in options):
        return [option for option in options if option is not str]
    return options


def _one(value: Any, option: Any, where: str) -> Any:
    origin, arguments = get_origin(option), get_args(option)
    if is_typeddict(option):
        return _hash(value, option, where)
    if origin in (dict, UntypedStripeObject):
        return _map(value, where)
    if origin is list:
        return [_coerced(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(_items(value, where))]
    if isinstance(value, dict):
        raise invalid(f"Invalid {'string' if option is str else 'value'}: {value}", where)
    if origin is Literal:
        return _chosen(value, [choice for choice in arguments if choice != ""], where)
    return _scalar(value, option, where)


def _chosen(value: str, choices: list[Any], where: str) -> Any:
    for choice in choices:
        if value == (str(choice).lower() if isinstance(choice, bool) else choice):
            return choice
    *others, last = (str(choice) for choice in choices) if choices else ("",)
    said = f"{', '.join(others)}, or {last}" if others else last
    raise invalid(f"Invalid {where}: must be one of {said}", where)


def _scalar(value: str, option: Any, where: str) -> Any:
    if option is str:
        return value
    if option is bool:
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value}", where)
        return value == "true"
    if option is int:
        if not value.removeprefix("-").isdecimal() or not value.isascii():
            raise invalid(f"Invalid integer: {value}", where, "parameter_invalid_integer")
        return int(value)
    if option in (float, Decimal):
        try:
            return option(value)
        except (ValueError, InvalidOperation):
            raise invalid(f"Invalid decimal: {value}", where) from None
    raise NotImplementedError(f"{where}: this fake cannot read {option}")


def _items(value: Any, where: str) -> list[Any]:
    if not isinstance(value, dict) or sorted(value) != sorted(map(str, range(len(value)))):
        raise invalid("Invalid array", where)
    return [value[str(index)] for index in range(len(value))]


def _map(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise invalid(f"Invalid hash: {where}", where)
    if len(value) > _METADATA["keys"]:
        raise invalid(f"Invalid {where}: at most {_METADATA['keys']} keys.", where)
    for key, item in value.items():
        if len(key) > _METADATA["key"] or len(item) > _METADATA["value"]:
            raise invalid(f"Invalid {where}[{key}]: keys have up to 40 characters, values up to 500.", where)
    return value


def _path(where: str, name: str) -> str:
    return f"{where}[{name}]" if where else name


@cache
def _fields(params_class: type) -> dict[str, tuple[Any, bool]]:
    """What a parameter class holds: the type of each, and whether it must be there."""
    own = {
        name: hint for name, hint in params_class.__annotations__.items() if name not in RequestOptions.__annotations__
    }
    hints = _evaluated(params_class, own)
    required = params_class.__required_keys__  # type: ignore[attr-defined]
    return {name: _optional(hint, name in required) for name, hint in hints.items()}


def _optional(hint: Any, required: bool) -> tuple[Any, bool]:
    if get_origin(hint) in (NotRequired, Required):
        return get_args(hint)[0], get_origin(hint) is Required
    return hint, required


def _options(wanted: Any) -> Iterator[Any]:
    if get_origin(wanted) in _UNIONS:
        for option in get_args(wanted):
            yield from _options(option)
    else:
        yield wanted


# Answers.


def findings(value: Any, resource: type[StripeObject], where: str = "") -> list[str]:
    """How *value* differs from what the SDK says of *resource*: undocumented, missing or badly typed fields."""
    where = where or resource.__name__
    if not isinstance(value, dict):
        return [f"{where} is {value!r}, not an object"]
    found: list[str] = []
    fields, needed = _documented(resource)
    for name, given in value.items():
        check = fields.get(name)
        if check is None:
            found.append(f"{where}.{name} is not documented")
        elif given is not None or name in needed:
            found += check(given, f"{where}.{name}")
    return found + [f"{where}.{name} is missing" for name in needed if name not in value]


def skeleton(resource: type[StripeObject]) -> dict[str, Any]:
    """Every documented field that can be null, null: so that none is missing by accident."""
    fields, needed = _documented(resource)
    return {name: None for name in fields if name not in needed and name != "deleted"}


def field_names(resource: type[StripeObject]) -> frozenset[str]:
    """What fields a resource is documented to have."""
    return frozenset(_annotations(resource))


@cache
def _documented(resource: type[StripeObject]) -> tuple[dict[str, Check], list[str]]:
    """A check for each field, and the names of those that cannot be null."""
    hints = _annotations(resource)
    needed = [name for name, hint in hints.items() if types.NoneType not in _options(hint)]
    return {name: _check(hint) for name, hint in hints.items()}, needed


@cache
def _check(wanted: Any) -> Check:
    """What tells how a value differs from a type."""
    options = _closed(list(_options(wanted)))
    nullable = types.NoneType in options
    checks = [_check_one(option) for option in options if option is not types.NoneType]

    def run(value: Any, where: str) -> list[str]:
        if value is None:
            return [] if nullable else [f"{where} is null"]
        results: list[list[str]] = []
        for check in checks:
            if not (found := check(value, where)):
                return found
            results.append(found)
        # Of several possibilities the one that came nearest is worth telling.
        return min(results, key=len)

    return run


def _check_one(option: Any) -> Check:
    origin, arguments = get_origin(option), get_args(option)
    if origin is Literal:
        return lambda value, where: [] if value in arguments else [f"{where} is {value!r}, not one of {arguments}"]
    if origin is list:
        return _check_list(_check(arguments[0]))
    if origin is ListObject:
        return _check_list_object(_check_list(_check(arguments[0])))
    if isinstance(option, TypeVar) or option is Any:
        return lambda _value, _where: []
    if isinstance(option, type) and issubclass(option, StripeObject):
        return _check_object(option)
    kind = {UntypedStripeObject: dict, dict: dict}.get(origin, {Decimal: str}.get(option, option))
    kinds = (float, int) if kind is float else (kind,)
    return lambda value, where: [] if type(value) in kinds else [f"{where} is {value!r}, not {option}"]


def _check_list(check: Check) -> Check:
    def run(value: Any, where: str) -> list[str]:
        if not isinstance(value, list):
            return [f"{where} is {value!r}, not a list"]
        return [said for index, item in enumerate(value) for said in check(item, f"{where}[{index}]")]

    return run


def _check_list_object(check: Check) -> Check:
    def run(value: Any, where: str) -> list[str]:
        if (
            not isinstance(value, dict)
            or {*value} != {"object", "data", "has_more", "url"}
            or value["object"] != "list"
        ):
            return [f"{where} is not a list object"]
        return check(value["data"], f"{where}.data")

    return run


def _check_object(option: type[StripeObject]) -> Check:
    name = getattr(option, "OBJECT_NAME", None)

    def run(value: Any, where: str) -> list[str]:
        if not isinstance(value, dict) or (name and value.get("object") != name):
            return [f"{where} is {value!r}, not a {name or option.__name__}"]
        return findings(value, option, where)

    return run


@cache
def _annotations(resource: type[StripeObject]) -> dict[str, Any]:
    """The fields of a resource."""
    hints = _evaluated(resource, inspect.get_annotations(resource))
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar and name != "OBJECT_NAME"}


def _evaluated(owner: type, annotations: dict[str, Any]) -> dict[str, Any]:
    """*annotations* of *owner*, whose module may name types that it imports for type checkers only."""
    bare = type(owner.__name__, (), {"__annotations__": annotations, "__module__": owner.__module__})
    module = sys.modules[owner.__module__]
    return typing.get_type_hints(bare, vars(module), _CheckedNames(module), include_extras=True)


class _CheckedNames(Mapping[str, Any]):
    """What a module imports under `if TYPE_CHECKING`, by name."""

    def __init__(self, module: types.ModuleType) -> None:
        self._sources = _checked_imports(str(module.__file__))

    def __getitem__(self, name: str) -> Any:
        source, original = self._sources[name]
        return getattr(import_module(source), original)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


@cache
def _checked_imports(path: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    found |= {alias.asname or alias.name: (statement.module, alias.name) for alias in statement.names}
    return found
