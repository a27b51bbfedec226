import gzip
import io
import json
import os
import random
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.text import DANGEROUS
from orgtui.domain.usage import Call, Run
from orgtui.sources.reader import Options, Refused, Skipped, read

SAMPLES = Path(__file__).parent.parent / "samples"
N8N_PAGE = (SAMPLES / "n8n/api/executions_page3.json").read_bytes()
N8N_LINES = b"\n".join(json.dumps(row).encode() for row in json.loads(N8N_PAGE)["data"])
TRACES = (SAMPLES / "n8n/otlp/0005.body.pb").read_bytes()
BATCH = (SAMPLES / "litellm/retry/0003.body.json").read_bytes()
LINES = (SAMPLES / "litellm/ndjson/0002.body.ndjson").read_bytes()
SINGLE = (SAMPLES / "litellm/single/0001.body.json").read_bytes()
FORMATS = {
    "n8n page": ("n8n", N8N_PAGE),
    "n8n pretty page": ("n8n", json.dumps(json.loads(N8N_PAGE), indent=2).encode()),
    "n8n array": ("n8n", json.dumps(json.loads(N8N_PAGE)["data"]).encode()),
    "n8n lines": ("n8n", N8N_LINES),
    "n8n traces": ("n8n", TRACES),
    "litellm array": ("litellm", BATCH),
    "litellm lines": ("litellm", LINES),
    "litellm single": ("litellm", SINGLE),
}
FORMATS |= {f"{name}, gzip": (source, gzip.compress(data, mtime=0)) for name, (source, data) in FORMATS.items()}


def ignore(done, of):
    pass


def records_of(items):
    return [each for each in items if isinstance(each, Run | Call)]


@pytest.fixture(scope="module")
def whole(imported):
    return {name: imported(source, data) for name, (source, data) in FORMATS.items()}


def test_the_content_decides_and_not_the_name(imported, tmp_path, whole):
    for number, (name, (source, data)) in enumerate(FORMATS.items()):
        for suffix in (".json", ".jsonl", ".gz", ".pb", ""):
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(data)
            assert imported(source, path) == imported(source, data) or whole[name] == []
            assert records_of(imported(source, path)) == records_of(whole[name]), name


def test_packing_changes_nothing(whole):
    for name, items in whole.items():
        assert items == whole[name.removesuffix(", gzip")]
        assert records_of(items)


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_gives_what_came_before_it_and_says_so_once(name, imported, whole):
    source, data = FORMATS[name]
    everything = records_of(whole[name])
    step = max(1, len(data) // 60)
    best = 0
    for cut in sorted({*range(1, 12), *range(12, len(data), step), *range(len(data) - 12, len(data))}):
        items = imported(source, data[:cut])
        found = records_of(items)
        assert found == everything[: len(found)], cut
        assert len(found) >= best, cut
        best = len(found)
        reasons = items[len(found) :]
        assert len(reasons) <= 1, cut
        if len(found) < len(everything) and (b"\n" not in data[cut : cut + 1] or "lines" not in name):
            assert len(reasons) == 1, cut
            assert isinstance(reasons[0], Refused | Skipped)
    assert best >= len(everything) - 1 or "traces" in name


def test_a_cut_array_names_the_record_and_a_cut_line_the_line(imported):
    assert imported("litellm", BATCH[: len(BATCH) // 2])[-1] == Refused(
        "stdin record 5", "the input ends in the middle of it"
    )
    assert imported("litellm", LINES[:-9])[-1] == Refused("stdin line 5", "the input ends in the middle of it")
    assert imported("litellm", gzip.compress(BATCH)[:-4])[-1].reason == "the gzip data ends too early"


def test_damaged_gzip(imported):
    packed = bytearray(gzip.compress(LINES + b"\n"))
    packed[-6] ^= 255
    items = imported("litellm", bytes(packed))
    assert len(records_of(items)) == 5
    assert items[-1] == Refused("stdin line 6", "the gzip data is damaged")
    assert imported("litellm", b"\x1f\x8bnonsense") == [Refused("stdin", "the gzip data is damaged")]
    assert imported("litellm", b"\x1f\x8b") == [Refused("stdin", "the gzip data ends too early")]


def test_a_broken_line_is_named_and_the_rest_is_read(imported):
    lines = LINES.split(b"\n")
    lines[2] = lines[2][:500] + b"\x00" + lines[2][500:]
    items = imported("litellm", b"\n".join(lines))
    assert len(records_of(items)) == 4
    assert [each for each in items if isinstance(each, Refused)] == [Refused("stdin line 3", "is not JSON")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[null]", "is not an object"),
        (b"[[1]]", "is not an object"),
        (b"[7]", "is not an object"),
        (b'["lorem ipsum"]', "is not an object"),
        (b'[{"startTime":1}]', "has no id"),
        (b'[{"id":"1","startTime":NaN}]', "startTime is not a finite number"),
        (b'[{"id":"1","startTime":1e999}]', "startTime is out of range"),
        (b'[{"id":"a\\u0000b","startTime":1795442866}]', "id contains control characters"),
        (b'[{"id":"1","startTime":1795442866,"model":"\xff"}]', "is not UTF-8"),
    ],
)
def test_wrong_types_are_refused(imported, data, reason):
    assert imported("litellm", data) == [Refused("stdin record 1", reason)]


def test_files_directories_and_stdin_in_their_order(imported, tmp_path):
    inner = tmp_path / "export" / "b"
    inner.mkdir(parents=True)
    (inner / "1.json").write_bytes(SINGLE)
    (tmp_path / "export" / "c.jsonl.gz").write_bytes(gzip.compress(LINES))
    (tmp_path / "export" / "a.json").write_bytes(b"[{]")
    (tmp_path / "export" / "README.md").write_text("# Notes\n\nNot data.\n")
    (tmp_path / "export" / "empty.json").touch()
    (tmp_path / "export" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "one\x1b[31m.json").write_bytes(b"{}")
    items = imported("litellm", tmp_path / "export", tmp_path / "one\x1b[31m.json", BATCH)
    assert [each for each in items if isinstance(each, Refused | Skipped)] == [
        Skipped("README.md", "is neither JSON nor a trace"),
        Refused("a.json record 1", "is not JSON; the rest is not read"),
        Skipped("empty.json", "holds no records"),
        Skipped("one\ufffd[31m.json", "holds no LiteLLM calls"),
    ]
    assert records_of(items) == [
        *imported("litellm", SINGLE),
        *imported("litellm", LINES),
        *imported("litellm", BATCH),
    ]


def test_a_pipe_is_read_once(imported, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(N8N_PAGE,))
    writer.start()
    told = []
    items = list(read([str(pipe)], Options("n8n"), stdin=io.BytesIO(), progress=lambda *at: told.append(at)))
    writer.join()
    assert len(items) == 37
    assert told[-1] == (len(N8N_PAGE), None)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.json", "“nowhere.json” does not exist."),
        ("bad\x1b[31m.json", "“bad\ufffd[31m.json” does not exist."),
        ("good.json/inside", "cannot be read: Not a directory."),
        ("x" * 5000, "cannot be read: File name too long."),
        ("a\0b", "cannot be read: it is not a path."),
    ],
)
def test_a_path_that_is_none_is_invalid_before_anything_is_read(path, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.json").write_bytes(SINGLE)
    with pytest.raises(Invalid) as invalid:
        read(["good.json", path], Options("litellm"), stdin=io.BytesIO(), progress=ignore)
    assert invalid.value.message.endswith(reason)
    assert not DANGEROUS.search(invalid.value.message)


def test_a_file_one_may_not_read_is_invalid(tmp_path, monkeypatch):
    (tmp_path / "secret.json").write_bytes(SINGLE)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for given_path in (tmp_path, tmp_path / "secret.json"):
        with pytest.raises(Invalid, match="cannot be read: Permission denied"):
            read([str(given_path)], Options("litellm"), stdin=io.BytesIO(), progress=ignore)


def test_a_file_that_goes_away_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(SINGLE)
    items = read([str(path)], Options("litellm"), stdin=io.BytesIO(), progress=ignore)
    path.unlink()
    assert list(items) == [
        Refused("a.json", "cannot be read: No such file or directory"),
    ]


def test_an_unknown_source_is_invalid():
    with pytest.raises(Invalid, match="litellm, n8n"):
        read([], Options("zapier"), stdin=io.BytesIO(), progress=ignore)


def test_progress_counts_bytes_to_the_end(tmp_path):
    for name, data in {"a.json": BATCH, "b.gz": gzip.compress(LINES), "c.txt": b"x" * 3_000_000}.items():
        (tmp_path / name).write_bytes(data)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    told = []
    list(read([str(tmp_path)], Options("litellm"), stdin=io.BytesIO(), progress=lambda *at: told.append(at)))
    assert told == sorted(told)
    assert told[-1] == (size, size)
    list(read(["-"], Options("litellm"), stdin=io.BytesIO(BATCH), progress=lambda *at: told.append(at)))
    assert told[-1] == (len(BATCH), None)


def test_stdin_stays_open(imported):
    stdin = io.BytesIO(BATCH)
    list(read(["-"], Options("litellm"), stdin=stdin, progress=ignore))
    assert not stdin.closed


def test_traces_are_no_calls(imported):
    assert imported("litellm", TRACES) == [Refused("stdin line 2", "is not JSON; the rest is not read")]


REASONS = (
    "is ", "has ", "the ", "id ", "startTime ", "model ", "status ", "response_cost ", "prompt_tokens ",
    "completion_tokens ", "total_tokens ", "cached_tokens ", "startedAt ", "stoppedAt ", "workflowId ", "n8n.",
    "start_time", "end_time", "not started yet", "holds no ", "names ",
)  # fmt: skip


def check_harmless(items):
    for each in items:
        if isinstance(each, Refused | Skipped):
            assert each.reason.startswith(REASONS), each
            assert "lorem" not in each.reason.lower()
            continue
        for text in (each.source, each.id, each.workspace, *shown(each)):
            assert text is None or (not DANGEROUS.search(text) and len(text) <= 512 and text.encode())
        if isinstance(each, Call):
            assert all(
                0 <= count <= 10**12
                for count in (each.input_tokens, each.output_tokens, each.total_tokens, each.cached_tokens)
            )
            assert all(cost is None or 0 <= cost < Decimal(10**9) for cost in (each.billed, each.estimated))


def shown(each):
    return (each.model, each.provider) if isinstance(each, Call) else (each.status, each.mode, each.workflow)


def mutated(data, rng):
    """A few bytes changed, cut out, doubled or swapped for something that means something to a parser."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 8, 200])
        piece = rng.choice(
            [b"", b"\x00", b"\xff", b'"', b"{", b"]", b"\n", b"1e99999", b"-", b"NaN", b"\\ud800", b"\x1b["]
        )
        action = rng.randrange(3)
        if action == 0:
            data[at : at + length] = piece
        elif action == 1:
            data[at:at] = data[at : at + length]
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_bytes_never_raise(name, imported):
    source, data = FORMATS[name]
    rng = random.Random(name)
    for _ in range(40):
        check_harmless(imported(source, mutated(data, rng)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("success"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
LITELLM_FIELDS = (
    "id", "request_id", "startTime", "model", "custom_llm_provider", "status", "cache_hit", "prompt_tokens",
    "completion_tokens", "total_tokens", "response_cost", "spend", "metadata", "request_tags", "team_id",
)  # fmt: skip
N8N_FIELDS = ("id", "status", "mode", "startedAt", "stoppedAt", "workflowId", "name", "nodes", "message", "data")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(st.sampled_from(LITELLM_FIELDS), JSON, max_size=4))
def test_calls_with_any_values_never_raise(imported, record, fields):
    row = {key: value for key, value in record.items() if key in LITELLM_FIELDS}
    check_harmless(imported("litellm", json.dumps([row | fields, fields]).encode()))


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(N8N_FIELDS), JSON, max_size=4))
def test_runs_with_any_values_never_raise(imported, fields):
    row = json.loads(N8N_PAGE)["data"][0]
    check_harmless(imported("n8n", json.dumps([row | fields, fields]).encode()))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_never_raise(imported, data):
    for source in ("litellm", "n8n"):
        check_harmless(imported(source, data))


def test_hostile_values_of_the_recording_stay_harmless(imported, samples):
    items = imported("litellm", samples / "litellm/json_array") + imported("n8n", samples / "n8n")
    check_harmless(items)
    assert Counter(type(each) for each in items)[Call] == 300
