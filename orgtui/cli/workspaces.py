"""`orgtui workspaces`: list, show, create, set, members, archive, restore, delete, import."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from orgtui.cli.output import ask, print_json, say, table, write_csv
from orgtui.domain import figures
from orgtui.domain.errors import Invalid, NotFound
from orgtui.domain.figures import some
from orgtui.domain.months import Month, zone_or_utc
from orgtui.domain.roles import WorkspaceRole
from orgtui.domain.text import clean
from orgtui.store.contract import Store
from orgtui.store.contract.operation import in_parts
from orgtui.store.contract.workspaces import (
    Inventory,
    NewWorkspace,
    Workspace,
    WorkspaceChanges,
    WorkspaceMember,
    WorkspacePage,
    WorkspacesPage,
)

_SHOWN = 20
_HERE = "workspace"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    listing = verbs.add_parser("list", help="all workspaces, with this month's runs and spend")
    listing.add_argument("--archived", action="store_true", help="the archived ones too")
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--json", action="store_true", help="print one JSON value")
    listing.set_defaults(run=_list)
    show = verbs.add_parser("show", help="one workspace and its people")
    show.set_defaults(run=_show)
    create = verbs.add_parser("create", help="make a workspace")
    create.add_argument("--description", default="", help="what it is for")
    create.set_defaults(run=_create)
    change = verbs.add_parser("set", help="change name, description or logo")
    change.add_argument("--name", dest="title", metavar="NAME", help="the new name")
    change.add_argument("--description", help="what it is for; empty removes it")
    logo = change.add_mutually_exclusive_group()
    logo.add_argument("--logo", type=Path, metavar="PATH", help="square PNG, JPEG or GIF, max 2 MB")
    logo.add_argument("--no-logo", action="store_true", help="back to the coloured avatar")
    change.set_defaults(run=_set)
    members = verbs.add_parser("members", help="who is in it, as what, and where that comes from")
    which = members.add_mutually_exclusive_group()
    which.add_argument("--add", metavar="EMAIL", help="give somebody a role, or another role")
    which.add_argument("--remove", metavar="EMAIL", help="take back a role that was given here")
    members.add_argument("--role", choices=[role.value for role in WorkspaceRole], help="the role to give")
    members.add_argument("--name", dest="called", metavar="NAME", help="their name (else the part before the @)")
    members.set_defaults(run=_members)
    archive = verbs.add_parser("archive", help="set it aside: hidden, its name kept, nothing lost")
    archive.set_defaults(run=_archive)
    restore = verbs.add_parser("restore", help="bring an archived one back")
    restore.set_defaults(run=_restore)
    delete = verbs.add_parser(
        "delete", help="delete a workspace; its runs and costs stay in the organization's figures"
    )
    delete.add_argument("--confirm", metavar="NAME", help="its exact name; without it, only what would be lost is told")
    delete.set_defaults(run=_delete)
    load = verbs.add_parser("import", help="add the workflows of n8n's list (GET /api/v1/workflows)")
    load.add_argument("files", nargs="+", metavar="FILE", help="pages as files or directories; - is standard input")
    load.add_argument("--workspace", dest="name", metavar="NAME", required=True, help="whose they are, by name or id")
    load.set_defaults(run=_import)
    create.add_argument("name", metavar="NAME", help="its name")
    for verb in (show, change, members, archive, restore, delete):
        verb.add_argument("name", metavar="NAME", help="its name, whatever the case, or its id")
    for verb in (show, create, change, members, archive, restore, delete, load):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


async def named(store: Store, name: str) -> Workspace:
    """The workspace of that id or name, an archived one too; raises NotFound."""
    spaces = (await store.workspaces.show(archived=True)).workspaces
    key = name.strip().casefold()
    for found in (space for space in spaces if space.id == name.strip()):
        return found
    for found in (space for space in spaces if space.name.casefold() == key):
        return found
    raise NotFound(f"There is no workspace “{clean(name)}”; see: orgtui workspaces list --archived")


# What they print.


def _card(space: Workspace, timezone: str) -> dict[str, Any]:
    """A workspace under the names that scripts rely on; times are of *timezone*."""
    zone = zone_or_utc(timezone)
    return {
        "id": space.id,
        "workspace_name": space.name,
        "workspace_logo": "image/png" if space.icon else None,
        "description": space.description or None,
        "members": space.members,
        "workflows": space.workflows,
        "agents": space.agents,
        "runs": space.runs,
        "spend": space.spend,
        "created": space.created.astimezone(zone),
        "archived": space.archived.astimezone(zone) if space.archived else None,
    }


def _page(page: WorkspacePage) -> dict[str, Any]:
    logo = f"{len(page.logo)} bytes, image/png" if page.logo else None
    return (
        _card(page.workspace, page.timezone)
        | {"workspace_logo": logo, "success_rate": page.success_rate, "month": page.month}
        | {"timezone": page.timezone, "version": page.version, "people": _people(page)}
    )


def _people(page: WorkspacePage) -> list[WorkspaceMember]:
    zone = zone_or_utc(page.timezone)
    return [replace(person, since=person.since.astimezone(zone)) for person in page.people]


def _print(page: WorkspacePage, as_json: bool) -> None:
    if as_json:
        print_json(_page(page))
        return
    space, zone = page.workspace, zone_or_utc(page.timezone)
    say(f"{'Workspace Name':<18}{space.name}")
    for number, line in enumerate((space.description or figures.NONE).split("\n")):
        say(f"{'' if number else 'Description':<18}{line}")
    say(f"{'Workspace Logo':<18}{'an image' if page.logo else 'coloured avatar with the initial'}")
    say(f"{'Workflows':<18}{space.workflows:,}")
    say(f"{'Agents':<18}{space.agents:,}")
    say(f"{'Created':<18}{space.created.astimezone(zone):%-d %b %Y}")
    if space.archived:
        say(f"{'Archived':<18}{space.archived.astimezone(zone):%-d %b %Y}")
    month = f"{figures.count(space.runs)} runs, {figures.percent(page.success_rate)} success"
    say(f"{Month.parse(page.month).short:<18}{month}, {figures.cost(space.spend)} spend")
    say(f"{'Members':<18}{space.members:,}")
    say()
    _print_people(page)


def _print_people(page: WorkspacePage) -> None:
    rows = [
        (person.name, person.email, person.role.value, person.source, f"{person.since:%-d %b %Y}")
        for person in _people(page)
    ]
    table(("Name", "Email", "Role", "From", "Since"), rows)


# The commands.


def _list(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacesPage:
        return await store.workspaces.show(archived=arguments.archived)

    page = ask(arguments, question)
    if arguments.json:
        shown = [_card(space, page.timezone) for space in page.workspaces]
        print_json({"workspaces": shown, "archived": page.archived, "month": page.month, "timezone": page.timezone})
    elif arguments.csv:
        _print_csv(page)
    else:
        _print_list(page)


def _print_csv(page: WorkspacesPage) -> None:
    rows = [
        # A cell is one line.
        _card(space, page.timezone) | {"description": " ".join(space.description.split("\n")), "month": page.month}
        for space in page.workspaces
    ]
    columns = [column for name in rows[0] for column in ((name, f"{name}_currency") if name == "spend" else (name,))]
    write_csv(rows, columns, sys.stdout)


def _print_list(page: WorkspacesPage) -> None:
    zone, month = zone_or_utc(page.timezone), Month.parse(page.month).short
    rows = [
        (
            space.name,
            f"{space.members:,}",
            f"{space.workflows:,}",
            f"{space.agents:,}",
            figures.count(space.runs),
            figures.cost(space.spend),
            f"archived {space.archived.astimezone(zone):%-d %b %Y}" if space.archived else "",
        )
        for space in page.workspaces
    ]
    table(
        ("Workspace", "Members", "Workflows", "Agents", f"Runs {month}", f"Spend {month}", ""),
        rows,
        right=(1, 2, 3, 4, 5),
    )
    if hidden := page.archived - sum(space.archived is not None for space in page.workspaces):
        say(f"{hidden:,} archived; --archived shows them too.")


def _show(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacePage:
        return await store.workspaces.open((await named(store, arguments.name)).id)

    _print(ask(arguments, question), arguments.json)


def _create(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacePage:
        made = await store.workspaces.create(NewWorkspace(name=arguments.name, description=arguments.description))
        return await store.workspaces.open(made.id)

    page = ask(arguments, question)
    _tell(page, f"is made ({page.workspace.id}).", arguments.json)


def _set(arguments: argparse.Namespace) -> None:
    if arguments.title is None and arguments.description is None and not arguments.logo and not arguments.no_logo:
        raise Invalid("Say what to change: --name NAME, --description TEXT, --logo PATH, --no-logo.")
    image = _logo(arguments.logo) if arguments.logo else None

    async def question(store: Store) -> WorkspacePage:
        id_ = (await named(store, arguments.name)).id
        page = await store.workspaces.open(id_)
        if arguments.title is not None or arguments.description is not None:
            changes = WorkspaceChanges(seen=page.version, name=arguments.title, description=arguments.description)
            page = await store.workspaces.save(id_, changes)
        if image or arguments.no_logo:
            page = await store.workspaces.set_logo(id_, image)
        return page

    _print(ask(arguments, question), arguments.json)


def _logo(path: Path) -> bytes:
    """The image, looked at before anything is changed: what is refused shall not leave half of a command done."""
    from orgtui.images import accept_logo, load_logo

    image = load_logo(path)
    accept_logo(image)
    return image


def _members(arguments: argparse.Namespace) -> None:
    if bool(arguments.add) != bool(arguments.role) or (arguments.called and not arguments.add):
        raise Invalid("Give a role with --add EMAIL --role ROLE [--name NAME], take it back with --remove EMAIL.")

    async def question(store: Store) -> WorkspacePage:
        id_ = (await named(store, arguments.name)).id
        if arguments.add:
            role = WorkspaceRole(arguments.role)
            return await store.workspaces.set_member(id_, arguments.add, role, arguments.called or "")
        if arguments.remove:
            return await store.workspaces.remove_member(id_, arguments.remove)
        return await store.workspaces.open(id_)

    page = ask(arguments, question)
    if arguments.json:
        print_json({"workspace_name": page.workspace.name, "members": page.workspace.members, "people": _people(page)})
        return
    _print_people(page)
    for person in page.people:
        if arguments.add and person.email.casefold() == arguments.add.strip().casefold() and person.source != _HERE:
            say(f"{person.email} is {person.source}, which is as much or more; the role given here is kept beside it.")


def _archive(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacePage:
        id_ = (await store.workspaces.archive((await named(store, arguments.name)).id)).id
        return await store.workspaces.open(id_)

    _tell(ask(arguments, question), "is archived.", arguments.json)


def _restore(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacePage:
        id_ = (await store.workspaces.restore((await named(store, arguments.name)).id)).id
        return await store.workspaces.open(id_)

    _tell(ask(arguments, question), "is active.", arguments.json)


def _tell(page: WorkspacePage, words: str, as_json: bool) -> None:
    if as_json:
        print_json(_page(page))
    else:
        say(f"{page.workspace.name} {words}")


def _delete(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> WorkspacePage:
        page = await store.workspaces.open((await named(store, arguments.name)).id)
        if arguments.confirm is not None:
            await store.workspaces.delete(page.workspace.id, arguments.confirm)
        return page

    page = ask(arguments, question)
    space, told = page.workspace, arguments.confirm is None
    lost = {
        "workflows": space.workflows,
        "agents": space.agents,
        "roles": sum(person.source == _HERE for person in page.people),
        "logo": bool(page.logo),
    }
    if arguments.json:
        print_json({"deleted": not told, "workspace_name": space.name, "lost": lost})
        return
    say(
        f"Deleting {space.name} takes away at once, and for good:"
        if told
        else f"{space.name} is deleted. Gone with it:"
    )
    for number, words in (
        (lost["workflows"], "workflows"),
        (lost["agents"], "agents"),
        (lost["roles"], "roles that were given in it"),
        (int(lost["logo"]), "logo"),
    ):
        if number:
            say(f"{number:>9,}  {words}")
    say(f"{'':>9}  its settings; what it ran and cost stays in the organization's figures")
    if told:
        words = shlex.join(["orgtui", "workspaces", "delete", space.name, "--confirm", space.name])
        say(f"Nothing was deleted. To do it: {words}")


def _import(arguments: argparse.Namespace) -> int:
    from orgtui.sources.n8n import Workflow
    from orgtui.sources.reader import Refused, workflows

    found: dict[str, str] = {}
    skipped, refused = 0, list[str]()
    for item in workflows(arguments.files, stdin=sys.stdin.buffer, progress=lambda _done, _of: None):
        if isinstance(item, Workflow):
            found[item.id] = item.name
        elif isinstance(item, Refused):
            refused.append(f"{item.where}: {item.reason}")
        else:
            skipped += 1
    if not found and not refused:
        raise Invalid("There are no workflows in what was given; n8n lists them at GET /api/v1/workflows.")

    async def question(store: Store) -> tuple[Workspace, int]:
        before = await named(store, arguments.name)
        after = before
        for part in in_parts(found.items(), len(found)):
            inventory = Inventory(workflows=dict(part), agents={})
            after = await store.workspaces.set_inventory(before.id, inventory, replace=False)
        return after, after.workflows - before.workflows

    space, new = ask(arguments, question)
    if arguments.json:
        print_json(
            {"workspace_name": space.name, "read": len(found), "new": new, "skipped": skipped}
            | {"refused": len(refused), "workflows": space.workflows, "agents": space.agents}
            | {"reasons": refused[:_SHOWN]}
        )
        return 1 if refused else 0
    parts = [f"{new:,} new", f"{len(found) - new:,} known already"]
    parts += [f"{skipped:,} skipped (no workflows in them)"] if skipped else []
    say(f"Imported: {', '.join(parts)}, {len(refused):,} refused.")
    say(f"{space.name} holds {some(space.workflows, 'workflow')} and {some(space.agents, 'agent')}.")
    for reason in refused[:_SHOWN]:
        print(f"orgtui: refused {clean(reason)}", file=sys.stderr)
    if len(refused) > _SHOWN:
        print(f"orgtui: and {len(refused) - _SHOWN:,} more refused", file=sys.stderr)
    return 1 if refused else 0
