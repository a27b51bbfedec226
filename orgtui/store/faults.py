"""A store that is slow or failing on purpose, to see those states: any store behind the same contract."""

from __future__ import annotations

import asyncio
from typing import Any

from orgtui.domain.errors import Forbidden, Unreachable
from orgtui.store.contract import CONTRACTS, Store
from orgtui.store.contract.operation import Operation, face, operations


def operation_ids() -> list[str]:
    """All operations as `--fail` spells them."""
    return [declared.id for contract in CONTRACTS.values() for declared in operations(contract).values()]


def faulty(store: Store, *, slow: float = 0.0, fail: frozenset[str] = frozenset()) -> Store:
    """*store*, each answer *slow* seconds late, with the operations in *fail* (`general.save`, `usage`) failing."""

    async def invoke(operation: Operation, arguments: dict[str, Any]) -> Any:
        await asyncio.sleep(slow)
        if {operation.id, operation.section} & fail:
            raise Unreachable(f"The store did not answer ({operation.id} fails on purpose).")
        if {f"{operation.id}:forbidden", f"{operation.section}:forbidden"} & fail:
            raise Forbidden(f"Your role does not allow this ({operation.id} is forbidden on purpose).")
        return await getattr(getattr(store, operation.section), operation.name)(**arguments)

    return Store(lambda contract: face(contract, invoke), store.label)
