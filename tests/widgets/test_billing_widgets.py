"""The widgets of Billing by themselves: plans, packages, banners, links, the QR code."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget

from orgtui.domain.credits import PACKAGES
from orgtui.qr import QUIET, half_blocks, modules
from orgtui.themes import THEMES
from orgtui.widgets.banners import Banner, Banners
from orgtui.widgets.credit_packages import CreditPackages
from orgtui.widgets.link import Link
from orgtui.widgets.plan_table import PlanRow, PlanTable
from orgtui.widgets.qr import QrCode, cells
from tests.screens.harness import awaited, lines

ROWS = tuple(
    PlanRow(key, key.title(), f"€{number}/mo", f"{number}00/month", "Unlimited per workflow", "Cloud", "Upgrade")
    for number, key in enumerate(("one", "two", "three", "four", "five"))
)


class Stage(App[None]):
    """One widget in a page that scrolls; what it tells is kept."""

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self._widgets, self.told = widgets, list[Any]()
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = "dark"

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield from self._widgets

    def on_plan_table_pressed(self, event: PlanTable.Pressed) -> None:
        self.told.append(event.plan)

    def on_credit_packages_bought(self, _event: CreditPackages.Bought) -> None:
        self.told.append("bought")


@awaited
async def test_plans_are_walked_and_pressed_and_stay_in_sight() -> None:
    table = PlanTable(id="plans")
    table.styles.width = 70
    async with Stage(table).run_test(size=(72, 7)) as pilot:
        table.rows = ROWS
        table.focus()
        await pilot.pause()
        for key, name in (
            ("end", "Five"),
            ("k", "Four"),
            ("up", "Three"),
            ("home", "One"),
            ("j", "Two"),
            ("G", "Five"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert table.chosen is not None
            assert table.chosen.name == name
            assert any(line.startswith(f"▎ {name}") for line in lines(pilot))
        await pilot.press("down", "enter")
        assert pilot.app.told == ["five"]  # type: ignore[attr-defined]
        await pilot.press("home")
        await pilot.click(PlanTable, offset=(64, 4))
        await pilot.click(PlanTable, offset=(5, 2))
        assert pilot.app.told == ["five", "two"]  # type: ignore[attr-defined]


@awaited
async def test_the_current_plan_is_said_and_the_cursor_begins_there() -> None:
    table = PlanTable(id="plans")
    table.styles.width = 70
    async with Stage(table).run_test(size=(72, 16)) as pilot:
        current = PlanRow("three", "Three", "€3", "300/month", "Unlimited", "Cloud", current=True)
        table.rows = (*ROWS[:2], current, PlanRow(*("four",) * 6, said="from 1 Dec 2026"), ROWS[4])
        await pilot.pause()
        assert table.chosen is current
        seen = lines(pilot)
        assert "✓ Current plan" in next(line for line in seen if "Three" in line)
        assert sum("Upgrade" in line for line in seen) == 3
        assert any("from 1 Dec 2026" in line for line in seen)


@awaited
@pytest.mark.parametrize("width", [54, 72, 91, 120])
async def test_packages_are_chosen_by_arrow_and_by_mouse(width: int) -> None:
    packages = CreditPackages()
    packages.styles.width = width
    async with Stage(packages).run_test(size=(width + 2, 12)) as pilot:
        packages.focus()
        await pilot.pause()
        assert packages.package.key == "popular"
        seen = " ".join(" ".join(lines(pilot)).split())
        for package in PACKAGES:
            assert package.name in seen
            assert package.price in seen
        await pilot.press("left", "left")
        assert packages.package.key == "standard"
        await pilot.press("right", "right", "right", "right")
        assert packages.package.key == "custom"
        await pilot.press("home", "enter")
        assert pilot.app.told == ["bought"]  # type: ignore[attr-defined]
        await pilot.click(CreditPackages, offset=(width - 4, 1) if width > 60 else (10, 3))
        assert packages.package.key == "custom"
        assert {cell_len(line) for line in lines(pilot)[:4] if width > 60} <= set(range(width + 1))


@awaited
@pytest.mark.parametrize("width", [24, 40, 80])
async def test_a_banner_keeps_its_key_whole_and_hides_when_there_is_none(width: int) -> None:
    banners = Banners()
    banners.styles.width, banners.styles.height = width, "auto"
    async with Stage(banners).run_test(size=(width + 2, 20)) as pilot:
        assert not banners.display
        banners.banners = (Banner("err", "Past due", "€670.00 was not paid at the second try.", "m", "Manage"),)
        await pilot.pause()
        seen = [line.rstrip() for line in lines(pilot)]
        assert seen[0].startswith("✗ Past due")
        assert sum("m Manage" in line for line in seen) == 1
        assert "€670.00 was not paid at the second try." in " ".join(" ".join(seen).split())
        banners.banners = ()
        await pilot.pause()
        assert not banners.display


@awaited
async def test_a_link_is_cut_where_the_line_ends_and_nowhere_else() -> None:
    address = "https://pay.example/" + "x" * 100 + "#" + "y" * 29
    link = Link(address)
    link.styles.width, link.styles.height = 40, "auto"
    async with Stage(link).run_test(size=(42, 12)) as pilot:
        await pilot.pause()
        assert "".join(line.strip() for line in lines(pilot)) == address
        assert link.size.height == 4
        strips = pilot.app.screen._compositor.render_strips()
        assert {segment.style.link for strip in strips for segment in strip if segment.style} - {None} == {address}


@awaited
async def test_a_code_is_whole_or_not_there() -> None:
    code = QrCode()
    async with Stage(code).run_test(size=(60, 30)) as pilot:
        code.address = "https://pay.example/1"
        await pilot.pause()
        assert "█" in "".join(lines(pilot))
        code.styles.height = 10
        await pilot.pause()
        assert "█" not in "".join(lines(pilot))


@settings(deadline=None, max_examples=25)
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789/#_", max_size=400).map("https://pay.example/".__add__))
def test_codes_are_square_with_a_quiet_zone(address: str) -> None:
    rows = modules(address)
    size = len(rows)
    assert {len(row) for row in rows} == {size}
    edges = (*rows[:QUIET], *rows[-QUIET:], *zip(*(row[:QUIET] + row[-QUIET:] for row in rows), strict=True))
    assert not any(map(any, edges))
    blocks, inverse = half_blocks(address), half_blocks(address, light_ink=True)
    assert (len(blocks[0]), len(blocks)) == tuple(cells(address)) == (size, -(-size // 2))
    swapped = str.maketrans(" █▀▄", "█ ▄▀")
    assert [line.translate(swapped) for line in blocks] == inverse


def test_an_address_of_53_characters_fits_the_usual_terminal() -> None:
    assert tuple(cells("https://buy.stripe.com/test_" + "a" * 25)) == (33, 17)


def test_what_makes_codes_and_what_takes_payments_is_imported_only_when_it_is_needed() -> None:
    screens = "orgtui.app, orgtui.screens.billing, orgtui.screens.pay, orgtui.screens.ledger"
    script = f"import sys, {screens}; print({{'segno', 'stripe', 'httpx', 'sqlmodel'}} & {{*sys.modules}})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
