from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orgtui.sources import fields
from orgtui.sources.fields import Unusable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Operations", "Operations"),
        ("  Données & Récherche ", "Données & Récherche"),
        ("cust-\x1b[31m-99", "cust-\ufffd[31m-99"),
        ("a\u202eb\x00c\ud800", "a\ufffdb\ufffdc\ufffd"),
        ("x" * 300, "x" * 199 + "…"),
        ("", None),
        (" \n ", None),
        (None, None),
        (7, None),
        ({"a": 1}, None),
    ],
)
def test_names_are_shown_clean_and_short(value, shown):
    assert fields.name(value) == shown


@pytest.mark.parametrize("value", ["chatcmpl-1", " padded", "=SUM(A1)", "é", "x" * 512])
def test_an_id_stays_as_it_came(value):
    assert fields.identity(value, "id") == value


def test_old_n8n_numbers_its_executions():
    assert fields.identity(17, "id") == "17"


@pytest.mark.parametrize(
    "value", [None, "", "  ", True, 1.5, Decimal(1), [], {}, "x" * 513, "a\x1bb", "a\nb", "a\ud800"]
)
def test_no_id_no_record(value):
    with pytest.raises(Unusable, match="id"):
        fields.identity(value, "id")


def test_two_ids_that_look_alike_stay_two():
    assert fields.identity("e\u0301", "id") != fields.identity("é", "id")


@pytest.mark.parametrize(("value", "count"), [(None, 0), (0, 0), (250_000, 250_000), (10**12, 10**12)])
def test_tokens(value, count):
    assert fields.tokens(value, "prompt_tokens") == count


@pytest.mark.parametrize("value", [-1, 10**12 + 1, 10**40, True, "12", Decimal("1.5"), Decimal("NaN"), [], {}])
def test_tokens_that_are_no_count_are_refused(value):
    with pytest.raises(Unusable, match="prompt_tokens"):
        fields.tokens(value, "prompt_tokens")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (None, None),
        (0, Decimal(0)),
        (Decimal("-0.0"), Decimal(0)),
        (Decimal("0.034019400000000005"), Decimal("0.034019400000000005")),
        (Decimal("9e-05"), Decimal("0.00009")),
        (3, Decimal(3)),
    ],
)
def test_costs_are_kept_to_the_last_digit(value, amount):
    assert fields.cost(value, "spend") == amount


@pytest.mark.parametrize(
    "value",
    [Decimal("-0.01"), Decimal("NaN"), Decimal("-Infinity"), Decimal("1e400"), Decimal("1e-400"), "0.1", True, [1]],
)
def test_costs_that_are_no_amount_are_refused(value):
    with pytest.raises(Unusable, match="spend"):
        fields.cost(value, "spend")


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (Decimal("1795442866.644609"), datetime(2026, 11, 23, 14, 7, 46, 644609, tzinfo=UTC)),
        (1795442866, datetime(2026, 11, 23, 14, 7, 46, tzinfo=UTC)),
        ("2026-11-23T13:59:30.026Z", datetime(2026, 11, 23, 13, 59, 30, 26000, tzinfo=UTC)),
        ("2026-11-23T01:30:00+02:00", datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),
        ("2026-11-23 13:59:30", datetime(2026, 11, 23, 13, 59, 30, tzinfo=UTC)),
    ],
)
def test_instants(value, instant):
    assert fields.moment(value, "startTime") == instant


@pytest.mark.parametrize("digits", ["9", "99999999", "9" * 40, "9" * 900])
def test_an_instant_is_never_rounded_into_the_next_day(digits):
    last = fields.moment(Decimal(f"1795478399.999999{digits}"), "startTime")
    assert last == datetime(2026, 11, 23, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        0,
        -1,
        1795442866644,
        10**30,
        Decimal("NaN"),
        Decimal("1e999999"),
        "",
        "yesterday",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2100-01-01T00:00:00Z",
        "3000-01-01T00:00:00.000Z",
        "2026-11-31",
        "9" * 100_000,
    ],
)
def test_instants_that_cannot_be_are_refused(value):
    with pytest.raises(Unusable, match="startTime"):
        fields.moment(value, "startTime")
