import json
import random
import tracemalloc
from decimal import Decimal

import pytest

from orgtui.sources import json_stream
from orgtui.sources.fields import Unusable

CUT = "the input ends in the middle of it"


def read(data: bytes, size: int = 7) -> list[tuple[str, object]]:
    """The values, read in small chunks so that every boundary is met; reasons as text."""
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    values = json_stream.values(chunks)
    return [(place, f"!{value}" if isinstance(value, Unusable) else value) for place, value in values]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"", []),
        (b" \n\t\r\n", []),
        (b"[]", []),
        (b'{"data":[],"nextCursor":null}', []),
        (b'[{"a":1},{"a":2}]', [("record 1", {"a": 1}), ("record 2", {"a": 2})]),
        (b'[\n  {\n"a": 1\n}\n,\n{}\n]\n', [("record 1", {"a": 1}), ("record 2", {})]),
        (b'{"a":1}', [("line 1", {"a": 1})]),
        (b'\xef\xbb\xbf{"a":1}\n\n{"b":[2]}\n', [("line 1", {"a": 1}), ("line 3", {"b": [2]})]),
        (b'{\n  "a": 1\n}\n{"b": 2}', [("line 1", {"a": 1}), ("line 4", {"b": 2})]),
        (b'{"data":[1,2],"nextCursor":"x","n":{}}{"data":[3]}', [("record 1", 1), ("record 2", 2), ("record 3", 3)]),
        (b'{ "data" : [ {"a":1} ] }', [("record 1", {"a": 1})]),
        (b'{"next":null,"data":[{"a":1}]}', [("line 1 record 1", {"a": 1})]),
        (b"[1][2]\n[3]", [("record 1", 1), ("record 2", 2), ("record 3", 3)]),
        (b'{"data":{"a":[1]}}', [("line 1", {"data": {"a": [1]}})]),
        (b'{"a":"\\ud83d\\ude00 \xf0\x9f\x98\x80"}', [("line 1", {"a": "😀 😀"})]),
    ],
)
def test_every_framing(data, values):
    for size in (1, 2, 5, 1000):
        assert read(data, size) == values


def test_numbers_are_read_from_their_digits():
    [(_, value)] = read(b"[[0.1, 9e-05, 1.10, 12, -0.0, 34019400000000005e-18, " + b"9" * 40 + b"]]")
    assert [str(each) for each in value] == ["0.1", "0.00009", "1.10", "12", "-0.0", "0.034019400000000005", "9" * 40]
    assert type(value[3]) is int


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e99999999999999999999", b"9" * 5000])
def test_what_is_no_quantity_costs_one_field_and_not_the_array(number):
    (_, [value]), (_, second) = read(b"[[" + number + b"], 2]", 500)
    assert isinstance(value, Decimal)
    assert not value.is_finite()
    assert second == 2


@pytest.mark.parametrize(
    "broken",
    [b"{", b'{"a":', b'{"a":1,', b'{"a": "x', b"nonsense", b"}", b'{"a":1}}', b'{"a":\x00}', b'"\x00', b'{"a":1} x'],
)
def test_a_broken_line_is_named_and_the_rest_is_read(broken):
    values = read(b'{"n":1}\n' + broken + b'\n{"n":2}\n\n{"n":3}\n')
    assert [(place, value) for place, value in values if isinstance(value, dict) and "n" in value] == [
        ("line 1", {"n": 1}),
        ("line 3", {"n": 2}),
        ("line 5", {"n": 3}),
    ]
    assert [place for place, value in values if isinstance(value, str)] == ["line 2"]


def test_a_broken_first_line_is_named_and_the_rest_is_read():
    assert read(b'oops\n{"n":1}\n{"n":2}') == [
        ("line 1", "!is not JSON"),
        ("line 2", {"n": 1}),
        ("line 3", {"n": 2}),
    ]


@pytest.mark.parametrize("data", [b"a,b\n1,2\n3,4\n" * 50, b"<html>\n<body>\n", b"\x89PNG\r\n\x1a\n\x00\x00", b"x"])
def test_what_is_no_json_at_all_is_said_once(data):
    assert read(data) == [("line 1", "!is not JSON; the rest is not read")]


def test_a_broken_document_over_many_lines_is_said_once():
    data = json.dumps({"a": {"b": [1, 2, 3]}, "c": 4}, indent=2).encode()
    assert read(data.replace(b"2,", b"2")) == [("line 1", "!is not JSON; the rest is not read")]
    assert read(data[:-4]) == [("line 1", f"!{CUT}")]


def test_a_broken_array_is_read_up_to_there():
    assert read(b"[1, 2, x, 4]") == [
        ("record 1", 1),
        ("record 2", 2),
        ("record 3", "!is not JSON; the rest is not read"),
    ]


def test_what_is_not_utf8_costs_one_record():
    assert read(b'[{"a":"\xff"},{"a":"\xe9t\xe9"},{"a":"\xc3\xa9"}]') == [
        ("record 1", "!is not UTF-8"),
        ("record 2", "!is not UTF-8"),
        ("record 3", {"a": "é"}),
    ]
    assert read(b'{"a":"\xed\xa0\x80"}\n{"a":1}\n') == [("line 1", "!is not UTF-8"), ("line 2", {"a": 1})]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_endless_nesting_is_refused(opening):
    assert "nested too deeply" in str(read(b'{"n":1}\n' + opening * 100_000, 10_000)[-1])


ROWS = [{"id": str(number), "text": 'é "\\ \u2028 😀\n', "n": [1.5, -2, True, None, {}]} for number in range(4)]


def test_an_array_cut_anywhere_gives_what_came_before_the_cut():
    for opening, closing in ((b"[", b"]"), (b'{"data": [', b'], "nextCursor": null}')):
        encoded = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
        data = opening + b", ".join(encoded) + closing
        ends = [len(opening) + sum(map(len, encoded[: n + 1])) + 2 * n for n in range(len(encoded))]
        for cut in range(len(opening), len(data)):
            complete = sum(end <= cut for end in ends)
            *values, (place, reason) = read(data[:cut], 50)
            assert [value for _, value in values] == ROWS[:complete], cut
            assert reason == f"!{CUT}", cut
            if cut < ends[-1]:
                assert place == f"record {complete + 1}", cut


def test_lines_cut_anywhere_give_what_came_before_the_cut():
    encoded = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
    data = b"\n".join(encoded)
    ends = [sum(map(len, encoded[: n + 1])) + n for n in range(len(encoded))]
    for cut in range(len(data) + 1):
        complete = sum(end <= cut for end in ends)
        values = read(data[:cut], 50)
        assert [value for _, value in values[:complete]] == ROWS[:complete], cut
        in_the_middle = data[:cut].splitlines()[complete:] if cut not in ends else []
        assert values[complete:] == [(f"line {complete + 1}", f"!{CUT}")] * len(in_the_middle), cut


def test_chunks_of_any_size_give_the_same():
    data = (
        json.dumps(ROWS, ensure_ascii=False, indent=1).encode()
        + b"\n"
        + b"\n".join(json.dumps(row).encode() for row in ROWS)
    )
    whole = read(data, len(data))
    assert len(whole) == 8
    for size in range(1, 40):
        assert read(data, size) == whole


@pytest.mark.parametrize("piece", [b"x", "😀".encode(), b"[],", b" "], ids=["text", "emoji", "lists", "blanks"])
@pytest.mark.parametrize(
    "lines_before", [b"", b'{"n":0}\n', b'{"n":0}\nbroken\n'], ids=["first", "second", "after-broken"]
)
def test_a_giant_line_is_refused_in_bounded_memory(monkeypatch, piece, lines_before):
    monkeypatch.setattr(json_stream, "LARGEST", 2**17)
    opening, closing = (b'{"a":[', b"1]}") if piece == b"[]," else (b'{"a":"' + piece, piece + b'"}')

    def chunks():
        yield lines_before + opening
        for _ in range(200):
            yield piece * (2**16 // len(piece))
        yield closing + b'\n{"n":1}\n'

    tracemalloc.start()
    values = list(json_stream.values(chunks()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert values[-1][1] == {"n": 1}
    assert str(values[-2][1]) == "is larger than 0 MiB"
    assert peak < 2**17 * 60


def test_damage_is_told_once_and_after_the_records():
    def damaged(data):
        yield from filter(None, [data])
        raise Unusable("the gzip data ends too early")

    for data, count in (
        (b'{"n":1}\n{"n":2}\n', 2),
        (b'{"n":1}\n{"n":', 1),
        (b'[{"n":1},{"n', 1),
        (b'[{"n":1}]', 1),
        (b"", 0),
    ):
        values = list(json_stream.values(damaged(data)))
        assert [str(value) for _, value in values[:count]] == [str({"n": n + 1}) for n in range(count)]
        [(_, reason)] = values[count:]
        assert "gzip data ends too early" in str(reason)


def test_random_bytes_never_raise():
    rng = random.Random(7)
    alphabet = b'{}[]":,0123456789.eE+-truefalsn\\u \n\xff\x00data'
    for _ in range(3000):
        read(bytes(rng.choices(alphabet, k=rng.randrange(60))), rng.randrange(1, 20))
