"""What waits for an app to be idle waits for what is still to be done, and for nothing else."""

from __future__ import annotations

import asyncio
import time

from textual.app import App
from textual.widgets import Static

from tests import idle
from tests.screens.harness import awaited


class Stage(App[None]):
    """An app that has nothing to do."""

    def compose(self) -> list[Static]:
        yield Static("before")


@awaited
async def test_what_is_changed_is_painted_before_it_is_idle() -> None:
    app = Stage()
    async with app.run_test():
        for word in ("first", "second", "longer\nby a line", "third"):
            app.query_one(Static).update(word)
            await idle.wait_for_idle()
            assert not app.screen._dirty_widgets
            assert not app.screen._layout_required
            assert app.query_one(Static).size.height == word.count("\n") + 1


@awaited
async def test_what_a_thread_is_asked_is_waited_for() -> None:
    answers = list[str]()

    async def ask() -> None:
        answers.append(await asyncio.to_thread(lambda: time.sleep(0.1) or "answer"))

    async with Stage().run_test() as pilot:
        asked = asyncio.ensure_future(ask())
        await pilot.pause()
        assert answers == ["answer"]
        await asked


@awaited
async def test_an_app_that_has_ended_is_idle() -> None:
    """A frame was due when it ended, and is due again and again until it is taken down."""
    app = Stage()
    async with app.run_test() as pilot:
        app.query_one(Static).update("after")
        await asyncio.sleep(0)
        app.exit()
        for _ in range(3):
            begin = time.monotonic()
            await pilot.pause()
            assert time.monotonic() - begin < idle._LONGEST / 3
