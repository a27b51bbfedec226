"""Commands of Billing that talk to the payment provider: who may, with what, and who closes it afterwards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orgtui.cli.output import settings_of
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Forbidden
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Permission, allows, refusal
from orgtui.domain.text import clean
from orgtui.store.contract import Store

if TYPE_CHECKING:
    from orgtui.billing.payments import Payments


@dataclass(frozen=True, slots=True)
class Desk:
    """Where business with the provider is done; `wait` waits for an answer of `service` or `store`."""

    service: Payments
    store: Store
    wait: Callable[[Any], Any]
    zone: ZoneInfo


@contextmanager
def serving(arguments: argparse.Namespace, *, to_look: bool = False) -> Iterator[Desk]:
    """Open the store and the provider; raises Forbidden for an admin, unless it is only *to_look*."""
    import asyncio

    from orgtui.composition import open_store

    settings, ambient = settings_of(arguments), system_ambient()
    opened = open_store(settings, ambient)
    try:
        with asyncio.Runner() as runner:
            you = runner.run(opened.store.general.overview())
            # Asked here, too, so that whoever may not change anything makes no request either.
            if not (to_look or allows(you.role, Permission.MANAGE_BILLING)):
                raise Forbidden(refusal(Permission.MANAGE_BILLING))
            yield Desk(opened.payments(), opened.store, runner.run, zone_or_utc(you.timezone))
    finally:
        opened.close()


def complain(line: str) -> None:
    """A line beside what the command prints."""
    print(f"orgtui: {clean(line)}", file=sys.stderr)
