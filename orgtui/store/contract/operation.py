"""How an operation is declared, and how faces are derived by walking the declarations."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from orgtui.domain.errors import Invalid, OrgtuiError
from orgtui.domain.roles import Permission
from orgtui.domain.text import keepable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")
T = TypeVar("T")
# The pydantic configuration of what comes in: a field that is not declared is refused, not ignored.
STRICT: Final[dict[str, Any]] = {"extra": "forbid"}
_DECLARED = "__operation__"
# What a float holds too, and so what every program means that reads it (RFC 7493); databases hold more.
LARGEST: Final = 2**53 - 1
# Bytes of one operation's texts: with the names of all fields, and the figures, they fit the body of a request.
MOST_TEXT: Final = 2 * 2**20
_NO_TEXT = {type(None), bool, int, Decimal, datetime, date, bytes}
_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)


@dataclass(frozen=True)
class Operation:
    """One declared operation: GET reads, every other verb writes.

    `path` may name parameters in braces. `needs` is None where the request carries its own right, as an invitation's
    code does. `keyed`: a write that carries an idempotency key happens once.
    """

    section: str
    name: str
    verb: str
    path: str
    needs: Permission | None
    raises: tuple[type[OrgtuiError], ...]
    keyed: bool
    signature: inspect.Signature
    method: Callable[..., Any]

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.verb != "GET"

    @property
    def id(self) -> str:
        """`section.name`, as audit rows and `--fail` spell it."""
        return f"{self.section}.{self.name}"

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of its parameters, and under `return` that of its answer."""
        return get_type_hints(self.method)

    @cached_property
    def answers(self) -> TypeAdapter[Any]:
        """How its answers become JSON and come back."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.hints["return"])


def operation(
    verb: str,
    path: str,
    *,
    needs: Permission | None,
    raises: tuple[type[OrgtuiError], ...] = (),
    keyed: bool = False,
) -> Callable[[F], F]:
    """Declare a method of a contract as an operation.

    All writes of the store are *keyed*, each being one transaction. What stands above the store does several things,
    one of which another service may do, and so has to say it.
    """

    def declare(method: F) -> F:
        package, _, section = method.__module__.rpartition(".")
        once = verb != "GET" and (keyed or package == __package__)
        signature = inspect.signature(method)
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        declared = Operation(section, method.__name__, verb, path, needs, raises, once, signature, method)
        setattr(method, _DECLARED, declared)
        return method

    return declare


def operations(contract: type[Any]) -> dict[str, Operation]:
    """The operations of a contract, by name, in the order of their declaration."""
    return {name: getattr(member, _DECLARED) for name, member in vars(contract).items() if hasattr(member, _DECLARED)}


Invoke = Callable[[Operation, dict[str, Any]], Awaitable[Any]]


def face(contract: type[C], invoke: Invoke) -> C:
    """An object with the contract's methods, each of which sends its operation and arguments through *invoke*."""

    def method(declared: Operation) -> Callable[..., Any]:
        @wraps(getattr(contract, declared.name))
        async def call(_self: object, *args: Any, **kwargs: Any) -> Any:
            bound = declared.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            _refuse_what_no_store_keeps(bound.arguments)
            return await invoke(declared, dict(bound.arguments))

        return call

    members = {name: method(declared) for name, declared in operations(contract).items()}
    made: C = type(f"{contract.__name__}Face", (contract,), members)()
    return made


def _refuse_what_no_store_keeps(arguments: Mapping[str, Any]) -> None:
    """Here, so that no store and no operation has to think of it; raises Invalid on the field.

    What is too large for a request is refused by the stores that need none, too: they are the same to whoever asks.
    """
    size = 0
    for name, value in arguments.items():
        if type(value) is int and abs(value) > LARGEST:
            raise Invalid(f"“{name}” is too large a number.", field=name)
        if type(value) is bytes:
            _refuse_large_images(len(value))
        for field, text in _texts(name, value):
            if not keepable(text):
                raise Invalid(f"There is a NUL or half a character in “{field}”, which no text has.", field=field)
            size += _size(text)
    if size > MOST_TEXT:
        raise Invalid(f"This is more than {MOST_TEXT // 2**20} MB of text at once; send it in parts.")


def in_parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Lists of at most *most* items, with no more text in each than one operation takes."""
    part, size = list[T](), 0
    for item in items:
        more = sum(_size(text) for _, text in _texts("", item))
        if part and size + more > MOST_TEXT:
            yield part
            part, size = [], 0
        part.append(item)
        size += more
        # At once: the next one may be long in coming.
        if len(part) == most:
            yield part
            part, size = [], 0
    if part:
        yield part


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _refuse_large_images(size: int) -> None:
    from orgtui.images import check_size

    check_size(size)


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """All texts in a value, each with the name of the field it stands in."""
    left = [(field, value)]
    while left:
        field, value = left.pop()
        if isinstance(value, str):
            yield field, value
            continue
        parts: Iterable[tuple[str, Any]]
        if isinstance(value, tuple | list | frozenset | set):
            parts = ((field, part) for part in value)
        elif isinstance(value, Mapping):
            parts = ((field, part) for pair in value.items() for part in pair)
        else:
            parts = ((name, getattr(value, name)) for name in getattr(value, "__dataclass_fields__", ()))
        # Of thousands of events most is no text: each turn that is not made is felt.
        left += [part for part in parts if type(part[1]) not in _NO_TEXT]


@contextmanager
def idempotency_key(key: str) -> Iterator[None]:
    """Writes inside carry *key*: the same key with the same request answers what it answered before."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def current_key() -> str | None:
    """The key set by `idempotency_key`, if any."""
    return _key.get()
