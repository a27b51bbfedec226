"""One door for usage data: files, directories and standard input become runs, calls and reasons why not."""

from __future__ import annotations

import errno
import gzip
import io
import itertools
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from orgtui.domain.errors import Invalid
from orgtui.domain.text import clean
from orgtui.domain.usage import Call, Funding, Run
from orgtui.sources import json_stream, litellm, n8n, otlp
from orgtui.sources.fields import NoEvent, Uncounted, Unusable, mapping

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
SOURCES = ("litellm", "n8n")
_STDIN = "-"
_CHUNK = 2**20
_GZIP = b"\x1f\x8b"
_JSON_LINE = re.compile(rb'^\s*[{[]\s*["{}[\]]', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is no good, and why: `0002.body.json record 17`, `calls.jsonl line 12`."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is rightly no event, and why: a companion file, a run that has not started."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Options:
    """Which system's data it is, which of several instances, and who pays where a record does not say."""

    source: str
    instance: str | None = None
    funding: Funding = Funding.CREDITS


Item = Run | Call | Refused | Skipped
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class _Input:
    """`path` is None for standard input, `size` is None for what can be read only once."""

    label: str
    path: Path | None
    size: int | None
    walked: bool = False


def read(inputs: Sequence[str], options: Options, *, stdin: BinaryIO, progress: Progress) -> Iterator[Item]:
    """Everything the inputs hold, in their order; raises Invalid at once for one that cannot be read.

    *progress* is told how many bytes are done, and of how many (None when that is unknown).
    """
    if options.source not in SOURCES:
        raise Invalid(f"“{clean(options.source)}” is not a source; there are {', '.join(SOURCES)}.", field="source")
    found = [each for given in inputs for each in _inputs(given)]
    names = _workflow_names(found, stdin) if options.source == "n8n" else {}
    meter = _Meter(found, progress)

    def event(record: object) -> Run | Call:
        return _event(record, options, names)

    return itertools.chain.from_iterable(_items(each, options.source, event, stdin, meter) for each in found)


def workflows(
    inputs: Sequence[str], *, stdin: BinaryIO, progress: Progress
) -> Iterator[n8n.Workflow | Refused | Skipped]:
    """Every workflow of n8n's `/workflows` pages in the inputs; raises as `read` does."""
    found = [each for given in inputs for each in _inputs(given)]
    meter = _Meter(found, progress)
    return itertools.chain.from_iterable(_items(each, "n8n", _workflow, stdin, meter) for each in found)


def _inputs(given: str) -> list[_Input]:
    if given == _STDIN:
        return [_Input("stdin", None, None)]
    path = Path(given)
    try:
        if path.is_dir():
            return [_input(file, file.relative_to(path).as_posix(), walked=True) for file in _files_below(path)]
        return [_input(path, path.name)]
    except FileNotFoundError:
        raise Invalid(f"“{clean(given)}” does not exist.", field="inputs") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise Invalid(f"“{clean(given)}” cannot be read: {reason}.", field="inputs") from None


def _files_below(directory: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    folders = os.walk(directory, onerror=fail)
    files = (Path(folder, name) for folder, _, names in folders for name in names)
    return sorted(file for file in files if file.is_file())


def _input(path: Path, label: str, *, walked: bool = False) -> _Input:
    found = path.stat()
    size = found.st_size if stat.S_ISREG(found.st_mode) else None
    # Asked, not tried: opening a pipe to see whether it opens would end it.
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return _Input(clean(label), path, size, walked)


def _workflow_names(found: list[_Input], stdin: BinaryIO) -> dict[str, str]:
    """Names by workflow id, from the inputs that begin with a workflow: executions may come before them."""
    names: dict[str, str] = {}
    for each in found:
        if each.size is None:
            continue
        with closing(_records(each, "n8n", stdin, lambda _: None)) as records:
            for _, row in itertools.takewhile(lambda record: n8n.is_workflow(record[1]), records):
                n8n.remember(mapping(row), names)
    return names


def _items(
    found: _Input, source: str, make: Callable[[object], T], stdin: BinaryIO, meter: _Meter
) -> Iterator[T | Refused | Skipped]:
    """What *make* makes of each record, or why it makes nothing."""
    others: Counter[str] = Counter()
    empty = True
    for place, record in _records(found, source, stdin, meter.advance):
        empty = False
        where = f"{found.label} {place}".rstrip()
        try:
            yield make(record)
        except Unusable as verdict:
            yield Refused(where, str(verdict))
        except Uncounted as verdict:
            yield Skipped(where, str(verdict))
        except NoEvent as verdict:
            others[str(verdict)] += 1
    meter.finish(found)
    if empty:
        yield Skipped(found.label, "holds no records")
    for reason, count in others.items():
        yield Skipped(found.label, reason if count == 1 else f"{reason} ({count} records)")


def _event(record: object, options: Options, names: dict[str, str]) -> Run | Call:
    if isinstance(record, Unusable | NoEvent):
        raise record
    if isinstance(record, otlp.Span):
        return otlp.run(record, instance=options.instance)
    if not isinstance(record, dict):
        raise Unusable("is not an object")
    if options.source == "litellm":
        return litellm.call(record, source=options.instance or "litellm", funding=options.funding)
    return n8n.run(record, source=options.instance or "n8n", names=names)


def _workflow(record: object) -> n8n.Workflow:
    if isinstance(record, Unusable | NoEvent):
        raise record
    if isinstance(record, otlp.Span):
        raise NoEvent("is a trace")
    if not isinstance(record, dict):
        raise Unusable("is not an object")
    return n8n.workflow(record)


def _records(
    found: _Input, source: str, stdin: BinaryIO, advance: Callable[[int], None]
) -> Generator[tuple[str, object], None, None]:
    """The records of one input with their places, those that cannot be read as exceptions."""
    try:
        with found.path.open("rb") if found.path else nullcontext(stdin) as stream:
            chunks = _chunks(_Counted(stream, advance))
            first = next(chunks, b"")
            whole = itertools.chain([first], chunks)
            if source == "n8n" and otlp.is_traces(first):
                yield from otlp.spans(whole)
            elif found.walked and first and not _JSON_LINE.search(first):
                yield "", NoEvent("is neither JSON nor a trace")
            else:
                yield from json_stream.values(whole)
    except Unusable as damage:
        yield "", damage
    except OSError as error:
        yield "", Unusable(f"cannot be read: {error.strerror}")


def _chunks(raw: io.RawIOBase) -> Iterator[bytes]:
    """The bytes, unpacked if they are gzip; raises Unusable where they are damaged, after all that came before."""
    buffered = io.BufferedReader(raw, _CHUNK)
    try:
        stream = gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == _GZIP else buffered
        while chunk := stream.read1(_CHUNK):
            yield chunk
    except EOFError:
        raise Unusable("the gzip data ends too early") from None
    except (zlib.error, gzip.BadGzipFile):
        raise Unusable("the gzip data is damaged") from None
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from None


class _Counted(io.RawIOBase):
    """Says how many bytes went through, and leaves it to others to close what they come from."""

    def __init__(self, stream: BinaryIO, advance: Callable[[int], None]) -> None:
        self._stream, self._advance = stream, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        chunk = self._stream.read(len(view)) or b""
        view[: len(chunk)] = chunk
        self._advance(len(chunk))
        return len(chunk)


class _Meter:
    """Adds up the bytes of all inputs."""

    def __init__(self, found: list[_Input], progress: Progress) -> None:
        sizes = [each.size for each in found]
        self._total = None if None in sizes else sum(filter(None, sizes))
        self._progress, self._done, self._of_input = progress, 0, 0

    def advance(self, count: int) -> None:
        """So many bytes more."""
        self._of_input += count
        self._progress(self._done + self._of_input, self._total)

    def finish(self, found: _Input) -> None:
        """The input is done, even where reading stopped early."""
        self._done += found.size if found.size is not None else self._of_input
        self._of_input = 0
        self._progress(self._done, self._total)
