"""`orgtui access`: list, create, revoke the tokens by which people and programs come in through a server."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orgtui.cli.output import ask, print_json, say, table, write_csv
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Invalid, NotFound
from orgtui.domain.figures import NONE, ago
from orgtui.domain.months import zone_or_utc
from orgtui.domain.roles import Permission
from orgtui.domain.text import clean
from orgtui.store.contract import Store
from orgtui.store.contract.access import DAYS, Kind, NewSecret, NewToken, Token, TokensPage


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    listed = verbs.add_parser("list", help="the tokens there are; none of them can be shown again")
    listed.set_defaults(run=_list)
    create = verbs.add_parser("create", help="make a token; it is shown this once")
    create.add_argument("name", metavar="NAME", help="what it is for, as the list shows it")
    create.add_argument(
        "--kind",
        choices=[kind.value for kind in Kind],
        default=Kind.PERSON.value,
        help="yours (person), the platform's own, or for a program that only reads (automation)",
    )
    create.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="PERMISSION",
        help="one of the things it may (else all that its kind and you may); more than once for more",
    )
    create.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"how long it works ({DAYS})")
    create.set_defaults(run=_create)
    revoke = verbs.add_parser("revoke", help="make a token worthless at once")
    revoke.add_argument("token", metavar="TOKEN", help="its id, or its name where no other has it")
    revoke.set_defaults(run=_revoke)
    shape = listed.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="print CSV")
    shape.add_argument("--json", action="store_true", help="print one JSON value")
    for verb in (create, revoke):
        verb.add_argument("--json", action="store_true", help="print one JSON value")


def shown(token: Token, zone: ZoneInfo) -> dict[str, Any]:
    """A row under the names that scripts rely on; times are of *zone*."""

    def at(when: datetime | None) -> datetime | None:
        return when.astimezone(zone) if when else None

    return {
        "id": token.id,
        "name": token.name,
        "kind": token.kind,
        "scopes": list(token.scopes),
        "maker": token.maker,
        "role": token.role,
        "created": at(token.created),
        "expires": at(token.expires),
        "expired": token.expired,
        "last_used": at(token.last_used),
        "made_with": token.made_with,
    }


def _list(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> TokensPage:
        return await store.access.show()

    page = ask(arguments, question)
    zone, now = zone_or_utc(page.timezone), system_ambient().now()
    rows = [shown(token, zone) for token in page.tokens]
    if arguments.json:
        print_json({"timezone": page.timezone, "tokens": rows})
    elif arguments.csv:
        write_csv(rows, _COLUMNS, sys.stdout)
    elif not rows:
        say("There are no tokens. Make one: orgtui access create NAME")
    else:
        table(
            ("Name", "Kind", "May", "By", "Expires", "Last used", "Id"),
            [
                (
                    token.name,
                    token.kind,
                    ", ".join(token.scopes) or "all it can",
                    token.maker,
                    "expired" if token.expired else f"{token.expires.astimezone(zone):%-d %b %Y}",
                    ago(token.last_used, now, zone) if token.last_used else NONE,
                    token.id,
                )
                for token in page.tokens
            ],
        )


_COLUMNS = ("id", "name", "kind", "scopes", "maker", "role", "created", "expires", "expired", "last_used", "made_with")


def _create(arguments: argparse.Namespace) -> None:
    known = {permission.value: permission for permission in Permission}
    for word in arguments.scope:
        if word not in known:
            raise Invalid(f"There is no permission “{clean(word)}”. Known: {', '.join(known)}.", field="scope")
    scopes = tuple(known[word] for word in arguments.scope)
    token = NewToken(name=arguments.name, kind=Kind(arguments.kind), scopes=scopes, days=arguments.days)

    async def question(store: Store) -> tuple[NewSecret, str]:
        return await store.access.create(token), (await store.access.show()).timezone

    made, timezone = ask(arguments, question)
    zone = zone_or_utc(timezone)
    if arguments.json:
        print_json(shown(made.token, zone) | {"token": made.secret})
        return
    say(f"“{made.token.name}” works until {made.token.expires.astimezone(zone):%-d %b %Y, %H:%M} ({zone.key}).")
    say("Its token is shown this once:")
    say(f"    {made.secret}")


def _revoke(arguments: argparse.Namespace) -> None:
    async def question(store: Store) -> tuple[Token, TokensPage]:
        page = await store.access.show()
        return await store.access.revoke(_meant(page, arguments.token).id), page

    gone, page = ask(arguments, question)
    if arguments.json:
        print_json(shown(gone, zone_or_utc(page.timezone)))
        return
    say(f"“{gone.name}” is revoked: it is worthless from now on.")
    for other in page.going_with(gone.id):
        say(f"So is “{other.name}”, which was made with it ({other.id}).")


def _meant(page: TokensPage, word: str) -> Token:
    found = [token for token in page.tokens if word in (token.id, token.name)]
    if not found:
        raise NotFound(f"There is no token “{clean(word)}” here: give an id that orgtui access list has.")
    if len(found) > 1:
        raise Invalid(f"{len(found)} tokens are called “{clean(word)}”: give the id.", field="token")
    return found[0]
