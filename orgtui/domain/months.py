"""Calendar months in the organization's timezone: the unit in which usage is read."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orgtui.domain.errors import Invalid

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    """The IANA timezone *name*; raises Invalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"“{name}” is not a timezone; write one like Europe/Berlin.", field="timezone") from error


def zone_or_utc(name: str) -> ZoneInfo:
    """The timezone to write a time in, with its name: UTC where this machine has never heard of *name*."""
    try:
        return zone(name)
    except Invalid:
        return ZoneInfo("UTC")


def micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC: how instants are stored."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant(since_epoch: int) -> datetime:
    """The instant of stored microseconds, in UTC."""
    return _EPOCH + timedelta(microseconds=since_epoch)


def local_day(when: datetime, timezone: ZoneInfo) -> date:
    """The calendar day *when* falls on in *timezone*."""
    return when.astimezone(timezone).date()


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, written `2026-11`."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """From `YYYY-MM`; raises Invalid."""
        match = _MONTH.fullmatch(text.strip())
        if not match or not 1 <= int(match[2]) <= 12 or int(match[1]) < 1:
            raise Invalid(f"“{text}” is not a month; write it as YYYY-MM, like 2026-10.", field="month")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Month:
        """The month of *day*."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return date(self.year, self.month, self.length)

    @property
    def length(self) -> int:
        """Its number of days."""
        return calendar.monthrange(self.year, self.month)[1]

    @property
    def days(self) -> list[date]:
        """All its days, in order."""
        return [date(self.year, self.month, day) for day in range(1, self.length + 1)]

    def shift(self, months: int) -> Month:
        """The month *months* later (earlier when negative)."""
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def title(self) -> str:
        """`November 2026`."""
        return f"{calendar.month_name[self.month]} {self.year}"

    @property
    def short(self) -> str:
        """`Nov 2026`."""
        return f"{calendar.month_abbr[self.month]} {self.year}"
