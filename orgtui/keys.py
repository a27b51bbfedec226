"""Whether the config file's keys are keys, and its bindings bindings."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys

# Screens that a section opens; the sections themselves are imported by then.
_BEYOND_SECTIONS = ("workspace", "pay", "ledger")
_NAMED = {key.value for key in Keys}


def unknown(keymap: Mapping[str, str]) -> Iterator[str]:
    """One line for each entry that binds nothing or to nothing."""
    if not keymap:
        return
    from orgtui.screens import dialogs

    for module in iter_modules(dialogs.__path__):
        import_module(f"{dialogs.__name__}.{module.name}")
    for screen in _BEYOND_SECTIONS:
        import_module(f"orgtui.screens.{screen}")
    known = set(_ids(DOMNode))
    for binding, keys in keymap.items():
        if binding not in known:
            yield f"There is no binding “{binding}”; ? and ctrl+p name what there is."
        for key in keys.split(","):
            if not _is_key(key.strip()):
                yield f"“{key}” is not a key ({binding}); write f5, ctrl+r, or a letter."


def _ids(kind: type[Any]) -> Iterator[str]:
    for binding in vars(kind).get("BINDINGS", ()):
        if isinstance(binding, Binding) and binding.id:
            yield binding.id
    for below in kind.__subclasses__():
        yield from _ids(below)


def _is_key(key: str) -> bool:
    name = key.split("+")[-1]
    if len(name) == 1 or key in _NAMED or name in _NAMED:
        return True
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return True
