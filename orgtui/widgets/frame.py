"""The frame around every section: masthead, sidebar with its hairline, and the foot with keys and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive

from orgtui.domain.plans import BY_KEY
from orgtui.domain.text import clean
from orgtui.themes import Ink
from orgtui.widgets.canvas import Canvas, fitted, spread

if TYPE_CHECKING:
    from orgtui.store.contract.general import Overview

WIDE, NARROW = 24, 3
SECTIONS = {
    "general": "General",
    "team": "Team",
    "usage": "Usage & Analytics",
    "billing": "Billing",
    "api_keys": "API Keys",
    "workspaces": "Workspaces",
}
# What has a screen of its own beside the six, reached by its key and from the palette.
ELSEWHERE = {"access": "Access", "audit": "Audit Log"}
TITLES = SECTIONS | ELSEWHERE
SMALLEST = (60, 20)


@dataclass(frozen=True, slots=True)
class Notice:
    """What stands at the right of a sidebar item: a mark that wants attention, and a figure."""

    mark: str = ""
    figure: str = ""


def notices(overview: Overview | None) -> dict[str, Notice]:
    """What an admin would want to notice, by section."""
    if overview is None:
        return {}
    return {
        "team": Notice("○", str(overview.pending)) if overview.pending else Notice(),
        "billing": Notice("!") if overview.attention else Notice(),
        "api_keys": Notice(figure=f"{overview.keys_connected}/5"),
        "workspaces": Notice(figure=str(overview.workspaces)),
    }


class Masthead(Canvas):
    """Row 0: whose settings, which section, and its right corner; row 1: the hairline."""

    overview: reactive[Any] = reactive(None, init=False, repaint=False)
    corner: reactive[Content | None] = reactive(None, init=False, repaint=False)
    # What of the section is open, as a workspace is.
    place: reactive[str] = reactive("", init=False, repaint=False)
    # What of the section lies between it and the place, as a tab does.
    way: reactive[str] = reactive("", init=False, repaint=False)

    def __init__(self, section: str) -> None:
        super().__init__(id="masthead")
        self._section = section

    def watch_overview(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_corner(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_place(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_way(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Title and hairline."""
        wide = self.screen.has_class("-wide")
        name = clean(self.overview.name) if self.overview else ""
        section = TITLES[self._section]
        if self.way:
            section = f"{section} › {self.way}"
        edge = 2 if width >= 80 else 1
        corner = Content.assemble(self._corner(width, ink), " " * edge)
        spine = WIDE if wide else NARROW
        rule = Content.assemble(("─" * spine + ("┼" if wide else "┬") + "─" * (width - spine - 1), ink.hair))
        if wide:
            left = Content.assemble(fitted(Content.assemble("  ", (name, ink.strong)), WIDE), ("│", ink.hair))
            path = (
                ((section, ink.dim), (" › ", ink.dim), (self.place, ink.strong))
                if self.place
                else ((section, ink.strong),)
            )
            title = spread(Content.assemble("  ", *path), corner, width - WIDE - 1)
            return [Content.assemble(left, title), rule]
        if self.place:
            name, section = section, clean(self.place)
        room = width - corner.cell_length - cell_len(section) - 6
        left = Content.assemble(
            " ", fitted(Content.assemble((name, ink.dim)), min(cell_len(name), max(room, 0))), (" › ", ink.dim)
        )
        return [spread(Content.assemble(left, (section, ink.strong)), corner, width), rule]

    def _corner(self, width: int, ink: Ink) -> Content:
        if self.corner is not None:
            return self.corner
        if self.overview is None:
            return Content("")
        role = self.overview.role.value
        known = BY_KEY.get(self.overview.plan)
        plan = known.name if known else clean(self.overview.plan)
        return Content.assemble((f"{plan} · {role}" if width >= 80 else role, ink.dim))


class Sidebar(Canvas, can_focus=True):
    """The six sections in their order, what is to be noticed at their right, and the hairline beside them."""

    BINDINGS = [
        Binding("up,k", "step(-1)", "Previous section", id="sidebar.previous", show=False),
        Binding("down,j", "step(1)", "Next section", id="sidebar.next", show=False),
        Binding("g,home", "go('general')", "First section", id="sidebar.first", show=False),
        Binding("G,end", "go('workspaces')", "Last section", id="sidebar.last", show=False),
        Binding("enter", "enter", "Into the section", id="sidebar.enter", show=False),
    ]
    HELP = "The six sections: arrows or their numbers switch, enter goes into the section."

    overview: reactive[Any] = reactive(None, init=False, repaint=False)

    def __init__(self, section: str) -> None:
        super().__init__(id="sidebar")
        self._section = section
        self._joins: frozenset[int] = frozenset()

    def on_mount(self) -> None:
        """Watch where the section's hairlines come to stand, to join them."""
        self.screen.screen_layout_refresh_signal.subscribe(self, self._join)

    def watch_overview(self) -> None:
        """Redraw."""
        self.redraw()

    def watch_has_focus(self, _focused: bool) -> None:
        """The bar says who has the keys."""
        self.redraw()

    def _join(self, _screen: object = None) -> None:
        top = self.region.y
        body = self.screen.query_one(Body).region
        joins = frozenset(
            row - top
            for joined in self.screen.query(".joins")
            if joined.display and body.y <= (row := joined.region.bottom - 1) < body.bottom
        )
        if joins != self._joins:
            self._joins = joins
            self.redraw()

    @property
    def _top(self) -> int:
        return 0 if self.screen.has_class("-tiny") else 1

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """A line for each row of the sidebar."""
        marks = notices(self.overview)
        rows = [Content("")] * self._top
        for number, (key, title) in enumerate(SECTIONS.items(), 1):
            draw = self._wide if width > NARROW + 1 else self._narrow
            rows.append(draw(number, title, marks.get(key, Notice()), key == self._section, ink))
        rows += [Content("")] * (height - len(rows))
        if width > NARROW + 1 and self.overview and height >= 12:
            actor = fitted(Content.assemble("  ", (clean(self.overview.actor), ink.dim)), width - 2)
            rows[height - 2] = actor
        return [
            Content.assemble(fitted(row, width - 1), ("├" if y in self._joins else "│", ink.hair))
            for y, row in enumerate(rows[:height])
        ]

    def _wide(self, number: int, title: str, notice: Notice, here: bool, ink: Ink) -> Content:
        figure = Content.assemble(
            (f"{notice.mark} ", ink.warn if ink.colours or not here else ink.dim) if notice.mark else "",
            (notice.figure, ink.dim),
            "  ",
        )
        if not here:
            left = Content.assemble("  ", (str(number), ink.dim), "  ", (title, ink.text))
            return spread(left, figure, WIDE)
        if not ink.colours:
            left = Content.assemble(f"▎ {number}  {title}")
            return spread(left, Content(figure.plain), WIDE).stylize(ink.tint).stylize("bold")
        bar = ink.accent if self.has_focus else ink.dim
        left = Content.assemble(("▎", bar), " ", (str(number), ink.key), "  ", (title, ink.strong))
        return spread(left, figure, WIDE).stylize_before(ink.tint)

    def _narrow(self, number: int, _title: str, notice: Notice, here: bool, ink: Ink) -> Content:
        mark = Content.assemble((notice.mark or " ", ink.warn))
        if not here:
            return Content.assemble(" ", (str(number), ink.dim), mark)
        if not ink.colours:
            return Content(f"▎{number}{notice.mark or ' '}").stylize(ink.tint).stylize("bold")
        bar = ink.accent if self.has_focus else ink.dim
        return Content.assemble(("▎", bar), (str(number), ink.strong), mark).stylize_before(ink.tint)

    async def action_step(self, by: int) -> None:
        """The section above or below."""
        keys = list(SECTIONS)
        # From beside the six, up and down lead to the first.
        index = keys.index(self._section) + by if self._section in keys else 0
        if 0 <= index < len(keys):
            await self.action_go(keys[index])

    async def action_go(self, section: str) -> None:
        """That section, with the keys left here."""
        await cast("Any", self.app).action_section(section)

    def action_enter(self) -> None:
        """Into the section."""
        cast("Any", self.screen).action_enter_section()

    async def on_click(self, event: events.Click) -> None:
        """The section under the mouse."""
        index = event.y - self._top
        if 0 <= index < len(SECTIONS):
            await self.action_go(list(SECTIONS)[index])


class Body(VerticalScroll, can_focus=False):
    """Where the section stands."""

    def __init__(self) -> None:
        super().__init__(id="body")


class Rule(Canvas):
    """A hairline across the section, joined to the sidebar's."""

    def __init__(self, *, id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=f"joins {classes}")

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """The line."""
        return [Content.assemble(("─" * width, ink.hair))]


class Foot(Canvas):
    """A hairline, then the keys that work now, and since when the figures stand."""

    overview: reactive[Any] = reactive(None, init=False, repaint=False)
    updated: reactive[str] = reactive("", init=False, repaint=False)
    KEPT = ("help", "palette")

    def __init__(self) -> None:
        super().__init__(id="foot")
        self._hits: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Follow the focus: the keys that work change with it."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _screen: object) -> None:
        self.redraw()

    def watch_updated(self) -> None:
        """Redraw."""
        self.redraw()

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """Hairline and keys."""
        spine = WIDE if self.screen.has_class("-wide") else NARROW
        rule = Content.assemble(("─" * spine + "┴" + "─" * (width - spine - 1), ink.hair))
        edge = 2 if width >= 80 else 1
        right = self._right(width, ink)
        room = width - edge * 2 - right.cell_length - (2 if right else 0)
        keys = Content.assemble(" " * edge, self._keys(room, ink))
        return [rule, spread(keys, Content.assemble(right, " " * edge), width)]

    def _right(self, width: int, ink: Ink) -> Content:
        if not self.updated or width < 80:
            return Content("")
        label = getattr(self.app, "label", "")
        return Content.assemble((f"{self.updated} · {label}" if width >= 100 and label else self.updated, ink.dim))

    def _keys(self, room: int, ink: Ink) -> Content:
        hints = self._hints()
        always = [hint for hint in hints if hint[2] in self.KEPT]
        first = [hint for hint in hints if hint[2] not in self.KEPT]
        gap = 3
        if self._width(first + always, gap) > room:
            always = always[:1]
        while first and self._width(first + always, gap) > room:
            first.pop()
        shown, x = [], 0
        self._hits = []
        edge = 2 if self.size.width >= 80 else 1
        for keys, words, action in first + always:
            self._hits.append((edge + x, edge + x + len(keys) + 1 + len(words), action))
            shown.append(Content.assemble((keys, ink.key), " ", (words, ink.dim)))
            x += len(keys) + 1 + len(words) + gap
        return Content(" " * gap).join(shown)

    @staticmethod
    def _width(hints: list[tuple[str, str, str]], gap: int) -> int:
        return sum(len(keys) + 1 + len(words) + gap for keys, words, _ in hints) - gap

    def _hints(self) -> list[tuple[str, str, str]]:
        """Keys, words and action of everything to be shown; bindings of one group become one hint."""
        order = {getattr(binding, "id", None): index for index, binding in enumerate(type(self.screen).BINDINGS)}
        found: dict[str, tuple[list[str], str, str]] = {}
        bindings = self.screen.active_bindings.values()
        for active in sorted(bindings, key=lambda active: order.get(active.binding.id, -1)):
            binding = active.binding
            said = getattr(active.node, "hint", None)
            words = said(binding.action.partition("(")[0]) if said else None
            if not active.enabled or not (binding.show or words):
                continue
            group = binding.group.description if binding.group else None
            display = self.app.get_key_display(binding)
            keys, _, _ = found.setdefault(
                group or binding.action, ([], words or group or binding.description, binding.action)
            )
            if display not in keys and (binding.group or not keys):
                keys.append(display)
        return [(" ".join(keys), words, action) for keys, words, action in found.values()]

    async def on_click(self, event: events.Click) -> None:
        """The key under the mouse."""
        if event.y != 1:
            return
        for start, end, action in self._hits:
            if start <= event.x < end:
                await self.screen.run_action(action)


class TooSmall(Canvas):
    """The one line that says which size the terminal must have."""

    def lines(self, width: int, height: int, ink: Ink) -> list[Content]:
        """One line."""
        return [fitted(Content(f"orgtui wants {SMALLEST[0]}×{SMALLEST[1]} or more."), width)]


def frame(section: str, body: ComposeResult) -> ComposeResult:
    """Masthead, sidebar, the section's own widgets, foot."""
    from textual.containers import Horizontal

    yield Masthead(section)
    with Horizontal(id="middle"):
        yield Sidebar(section)
        with Body():
            yield from body
    yield Foot()
    yield TooSmall(id="too-small")
