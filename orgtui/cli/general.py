"""`orgtui general`: show, set, logo, delete."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from orgtui.cli.output import ask, print_json, say
from orgtui.domain.errors import Invalid
from orgtui.domain.plans import BY_KEY
from orgtui.store.contract import Store
from orgtui.store.contract.general import GeneralChanges, GeneralPage, Losses


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    show = verbs.add_parser("show", help="name, description, logo, stats")
    show.set_defaults(run=_show)
    change = verbs.add_parser("set", help="change name or description")
    change.add_argument("--name", help="the display name")
    change.add_argument("--description", help="what the organization is; empty removes it")
    change.set_defaults(run=_set)
    logo = verbs.add_parser("logo", help="set or remove the logo")
    which = logo.add_mutually_exclusive_group(required=True)
    which.add_argument("path", nargs="?", type=Path, help="square PNG, JPEG or GIF, max 2 MB")
    which.add_argument("--remove", action="store_true", help="back to the coloured avatar")
    logo.set_defaults(run=_logo)
    delete = verbs.add_parser("delete", help="delete the organization and everything in it")
    delete.add_argument("--confirm", metavar="NAME", help="its exact name; without it, only what would be lost is told")
    delete.set_defaults(run=_delete)
    for verb in (show, change, logo, delete):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


def _page(page: GeneralPage) -> dict[str, object]:
    return {
        "id": page.organization_id,
        "organization_name": page.name,
        "description": page.description or None,
        "organization_logo": f"{len(page.logo)} bytes, image/png" if page.logo else None,
        "members": page.members,
        "workspaces": page.workspaces,
        "created": page.created,
        "timezone": page.timezone,
        "version": page.version,
    }


def _print(page: GeneralPage, as_json: bool) -> None:
    if as_json:
        print_json(_page(page))
        return
    say(f"{'Organization Name':<18}{page.name}")
    for number, line in enumerate((page.description or "—").split("\n")):
        say(f"{'' if number else 'Description':<18}{line}")
    say(f"{'Organization Logo':<18}{'an image' if page.logo else 'coloured avatar with the initial'}")
    say(f"{'Members':<18}{page.members}")
    say(f"{'Workspaces':<18}{page.workspaces}")
    say(f"{'Created':<18}{page.created:%-d %b %Y}")


def _show(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> GeneralPage:
        return await store.general.show()

    _print(ask(arguments, question), arguments.json)


def _set(arguments: argparse.Namespace) -> None:
    if arguments.name is None and arguments.description is None:
        raise Invalid("Say what to change: --name NAME, --description TEXT.")

    async def question(store: Store) -> GeneralPage:
        seen = (await store.general.show()).version
        return await store.general.save(
            GeneralChanges(seen=seen, name=arguments.name, description=arguments.description)
        )

    _print(ask(arguments, question), arguments.json)


def _logo(arguments: argparse.Namespace) -> None:
    from orgtui.images import load_logo

    image = None if arguments.remove else load_logo(arguments.path)

    async def question(store: Store) -> GeneralPage:
        return await store.general.set_logo(image)

    _print(ask(arguments, question), arguments.json)


def lost(losses: Losses) -> list[tuple[str, str]]:
    """What deleting takes away, as figure and words; only what is there."""
    words = (
        (losses.workspaces, "workspaces, with all their data and logs"),
        (losses.workflows, "workflows"),
        (losses.agents, "agents"),
        (losses.members + losses.invitations, "memberships and invitations"),
        (losses.api_keys, "API keys"),
        (losses.runs, "recorded runs"),
        (losses.calls, "recorded model calls"),
    )
    counted = [(f"{number:,}", text) for number, text in words if number]
    return counted + [(str(losses.credits), "of AI credits")] * (losses.credits.amount > 0)


def _end_charges(arguments: argparse.Namespace) -> None:
    """Without this, what is deleted would go on to be charged."""
    from orgtui.cli.billing_serving import serving

    with serving(arguments) as desk:
        desk.wait(desk.service.end())


def _delete(arguments: argparse.Namespace) -> None:
    async def look(store: Store) -> GeneralPage:
        return await store.general.show()

    page = ask(arguments, look)
    name, losses = page.name, page.losses
    if arguments.confirm is not None:
        # Only what will be deleted is not to be charged any more.
        if losses.plan is not None and arguments.confirm == name:
            _end_charges(arguments)
        losses = ask(arguments, lambda store: store.general.delete(arguments.confirm))
    told = arguments.confirm is None
    if arguments.json:
        print_json({"deleted": not told, "organization_name": name, "lost": losses})
        return
    say(f"Deleting {name} takes away at once, and for good:" if told else f"{name} is deleted. Gone with it:")
    for figure, text in lost(losses):
        say(f"{figure:>9}  {text}")
    if told and losses.plan is not None:
        say(f"The {BY_KEY[losses.plan].name} subscription ends with it, without a further charge.")
    if told:
        say(f"Nothing was deleted. To do it: orgtui general delete --confirm {shlex.quote(name)}")
