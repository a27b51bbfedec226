"""Form bodies and query strings as Stripe reads them: `a[b][0]=c` is a tree."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from tests.fake_stripe.refusals import Refused

_PARTS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def parse(encoded: str) -> dict[str, Any]:
    """The tree of *encoded*; lists are dicts with the keys 0, 1, … until a type says that they are lists."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded)):
        match = _PARTS.fullmatch(name)
        if match is None:
            raise Refused(f"Invalid parameter name: {name}", stored=False)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        node = tree
        for step, below in pairwise(path):
            node = node.setdefault(_index(node, step), {})
            if not isinstance(node, dict):
                raise Refused(f"Invalid parameter: {name} is both a value and a hash ({below})", stored=False)
        node[_index(node, path[-1])] = value
    return tree


def _index(node: dict[str, Any], step: str) -> str:
    """`a[]=x` appends."""
    return step or str(len(node))
