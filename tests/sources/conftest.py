"""What every test of the sources starts from: the recorded samples and a short way to read them."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orgtui.sources.reader import Item, Options, read

SAMPLES = Path(__file__).parent.parent / "samples"
Imported = Callable[..., list[Item]]


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    return json.loads((SAMPLES / "EXPECTED.json").read_text())


@pytest.fixture(scope="session")
def imported() -> Imported:
    """Everything that the inputs, or the bytes on standard input, are read as."""

    def imported(source: str, *inputs: str | Path | bytes, **options: Any) -> list[Item]:
        stdin = b"".join(each for each in inputs if isinstance(each, bytes))
        paths = ["-" if isinstance(each, bytes) else str(each) for each in inputs]
        return list(read(paths, Options(source, **options), stdin=io.BytesIO(stdin), progress=lambda done, of: None))

    return imported


@pytest.fixture(scope="session")
def records() -> list[dict[str, Any]]:
    """The 300 records of the callback's default format, as LiteLLM wrote them."""
    lines = gzip.decompress((SAMPLES / "litellm/json_array.respread.jsonl.gz").read_bytes()).splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def record(records: list[dict[str, Any]]) -> dict[str, Any]:
    """One ordinary success, free to change."""
    ordinary = next(each for each in records if each["status"] == "success" and each["response_cost"] > 0)
    return json.loads(json.dumps(ordinary))
