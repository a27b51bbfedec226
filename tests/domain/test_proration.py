"""Proration to the cent: what Stripe's own answers show, and that the fake, written apart, agrees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.money import Money
from orgtui.domain.proration import Period, change, months_after, period_at, rest

NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
DAY = timedelta(days=1)


def left(period: Period, seconds: int) -> datetime:
    return period.end - timedelta(seconds=seconds)


class TestRest:
    def test_a_real_answer_of_stripes(self) -> None:
        """1000 cents, 881,112 of 2,419,200 seconds left: 364.2, and the line said −364."""
        period = Period(datetime(2015, 2, 1, tzinfo=UTC), datetime(2015, 3, 1, tzinfo=UTC))
        assert rest(Money(-1000), period, left(period, 881_112)) == Money(-364)

    @pytest.mark.parametrize(
        ("amount", "seconds", "expected"),
        [(-1000, 6480, -3), (1800, 6480, 4), (3000, 6480, 7), (-2000, 864_000, -667), (1000, 864_000, 333)],
    )
    def test_halves_go_down_on_both_sides(self, amount: int, seconds: int, expected: int) -> None:
        """A 400th of the month: −2.5 became −3, 4.5 became 4, 7.5 became 7; a third: −666.7 and 333.3."""
        assert rest(Money(amount), NOVEMBER, left(NOVEMBER, seconds)) == Money(expected)

    def test_all_and_nothing(self) -> None:
        assert rest(Money(4900), NOVEMBER, NOVEMBER.start) == Money(4900)
        assert rest(Money(4900), NOVEMBER, NOVEMBER.end) == Money(0)

    @pytest.mark.parametrize("at", [NOVEMBER.start - timedelta(seconds=1), NOVEMBER.end + timedelta(seconds=1)])
    def test_outside_the_period_there_is_no_price(self, at: datetime) -> None:
        with pytest.raises(Invalid, match="within the running period"):
            rest(Money(4900), NOVEMBER, at)


class TestChange:
    def test_pro_to_business_on_the_eleventh(self) -> None:
        """Line by line; rounding the sum (405.375) would have said €405.38."""
        cost = change(Money(4900), Money(67_000), NOVEMBER, datetime(2026, 11, 11, 10, tzinfo=UTC))
        assert (cost.credit, cost.charge, cost.due) == (Money(-3199), Money(43_736), Money(40_537))

    def test_currencies_do_not_mix(self) -> None:
        with pytest.raises(Invalid, match="EUR cannot become one in USD"):
            change(Money(4900), Money(4900, "USD"), NOVEMBER, NOVEMBER.start)

    @given(
        old=st.integers(0, 99_999_999),
        new=st.integers(0, 99_999_999),
        days=st.integers(28, 31),
        seconds=st.integers(0, 28 * 86_400),
    )
    def test_the_fake_stripe_counts_the_same(self, old: int, new: int, days: int, seconds: int) -> None:
        from tests.fake_stripe.subscriptions import prorated

        period = Period(NOVEMBER.start, NOVEMBER.start + days * DAY)
        at = left(period, seconds)
        item = {
            "current_period_start": int(period.start.timestamp()),
            "current_period_end": int(period.end.timestamp()),
        }
        cost = change(Money(old), Money(new), period, at)
        stamp = int(at.timestamp())
        assert (cost.credit.minor, cost.charge.minor) == (prorated(-old, item, stamp), prorated(new, item, stamp))
        # A line is never a cent off, and an unchanged price is never charged for.
        assert abs(cost.charge.minor * days * 86_400 - new * seconds) * 2 <= days * 86_400
        assert old != new or cost.due.minor in (0, -1)


class TestPeriods:
    def test_the_last_day_does_not_stick(self) -> None:
        anchor = datetime(2026, 1, 31, 12, tzinfo=UTC)
        assert [f"{months_after(anchor, count):%d %b}" for count in range(5)] == [
            "31 Jan",
            "28 Feb",
            "31 Mar",
            "30 Apr",
            "31 May",
        ]
        assert f"{months_after(datetime(2027, 1, 31, tzinfo=UTC), 13):%d %b %Y}" == "29 Feb 2028"

    @pytest.mark.parametrize(
        ("moment", "start", "end"),
        [
            (datetime(2026, 2, 28, 11, 59, tzinfo=UTC), "31 Jan", "28 Feb"),
            (datetime(2026, 2, 28, 12, tzinfo=UTC), "28 Feb", "31 Mar"),
            (datetime(2026, 1, 31, 12, tzinfo=UTC), "31 Jan", "28 Feb"),
            (datetime(2025, 12, 1, tzinfo=UTC), "30 Nov", "31 Dec"),
        ],
    )
    def test_the_period_around_a_moment(self, moment: datetime, start: str, end: str) -> None:
        period = period_at(datetime(2026, 1, 31, 12, tzinfo=UTC), moment)
        assert (f"{period.start:%d %b}", f"{period.end:%d %b}") == (start, end)

    @given(
        st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1)),
        st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1)),
    )
    def test_every_moment_is_in_its_period(self, anchor: datetime, moment: datetime) -> None:
        period = period_at(anchor.replace(tzinfo=UTC), moment.replace(tzinfo=UTC))
        assert period.start <= moment.replace(tzinfo=UTC) < period.end
        assert 28 * DAY <= period.end - period.start <= 31 * DAY
