"""Who comes in and what they may: every kind of token at every operation, over HTTP, by what the contract says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orgtui.billing.provider import ChangePreview, PortalPage
from orgtui.domain.codes import new_token
from orgtui.domain.errors import NotFound
from orgtui.domain.money import Money
from orgtui.domain.roles import PERMISSIONS, PLATFORM_TOKEN_PERMISSIONS, READING_PERMISSIONS, Permission, Role
from orgtui.secret import Secret
from orgtui.server.admission import TRIES, WINDOW
from orgtui.store.contract.access import PREFIXES, Kind, NewToken
from orgtui.store.contract.operation import Operation
from orgtui.store.contract.workspaces import NewWorkspace
from orgtui.store.remote import open_remote_store
from tests.contract.arguments import ABOVE_ADMINS, VALID, World
from tests.contract.conftest import wait
from tests.server.site import BY_ID, EVERY, NOW, Kit, Site, serving
from tests.store.test_isolation import CONFIRMING, NAMING, made_up

KEY = "sk-proj-" + "a" * 40
PREVIEW = ChangePreview("sub_1", "free", "pro", NOW, Money(4_900), (), Money(4_900), NOW, NOW)
# Of the services beside the store.
SERVICES: dict[str, Callable[[World], dict[str, Any]]] = {
    "payments.buy": lambda _: {"amount": Money(2_500), "short": False},
    "payments.subscribe": lambda _: {"plan": "pro"},
    "payments.look": lambda world: {"id": world.payment},
    "payments.withdraw": lambda world: {"id": world.payment},
    "payments.preview": lambda _: {"plan": "pro"},
    "payments.upgrade": lambda _: {"preview": PREVIEW},
    "payments.downgrade": lambda _: {"plan": "free"},
    "payments.manage": lambda _: {"page": PortalPage.HOME},
    "key_tests.add": lambda _: {"provider": "openai", "text": Secret(KEY), "unchecked": True},
    "key_tests.replace": lambda _: {"provider": "mistral", "text": Secret("n" * 32), "unchecked": False},
    "key_tests.test": lambda _: {"provider": "mistral"},
    "sign_in.enter": lambda _: {"id_token": Secret("no proof")},
    "sign_in.join": lambda world: {"code": world.code, "name": "Linus"},
}
ARGUMENTS = SERVICES | VALID
OUTSIDE = ("anonymous", "foreign", "expired", "revoked", "checksum")
SCOPES = {"narrow": frozenset({Permission.VIEW, Permission.MANAGE_MEMBERS})}
INSIDE = ("owner", "admin", "platform", "automation", "narrow")


def arguments(declared: Operation, world: World) -> dict[str, Any]:
    return ARGUMENTS.get(declared.id, lambda _: {})(world)


def may(whose: str, declared: Operation) -> bool:
    """Whether the call with the valid arguments is permitted, as roles and kinds of tokens say."""
    needed = declared.needs
    if needed is None:
        return True
    if whose == "platform":
        # What needs no more than to look, and writes, is about oneself.
        return needed in PLATFORM_TOKEN_PERMISSIONS and not (declared.writes and needed is Permission.VIEW)
    if whose == "automation":
        return needed in READING_PERMISSIONS and not declared.writes
    role = Role.ADMIN if whose == "admin" else Role.OWNER
    allowed = PERMISSIONS[role] & SCOPES.get(whose, PERMISSIONS[role])
    return needed in allowed and not (role is Role.ADMIN and declared.id in ABOVE_ADMINS)


def ask(site: Site, declared: Operation, whose: str | None, world: World | None = None) -> Any:
    token = None if whose == "anonymous" else whose
    # Each from an address of their own: that whoever guesses is stopped is another test.
    headers = {"X_Forwarded_For": f"10.1.{EVERY.index(declared)}.{len(whose or '')}"}
    return site.do(declared, arguments(declared, world or site.kit.world), token, **headers)


def kept(site: Site) -> Any:
    return site.rows("SELECT (SELECT count(*) FROM audit), (SELECT sum(revision) FROM organizations)")


@pytest.mark.parametrize("declared", EVERY, ids=lambda declared: declared.id)
def test_a_token_may_exactly_what_it_may(site: Site, declared: Operation) -> None:
    before, done = kept(site), set[int]()
    for whose in (*OUTSIDE, *INSIDE):
        answer = ask(site, declared, whose)
        known = whose in INSIDE or declared.needs is None
        if known and may(whose, declared):
            assert answer.status not in (401, 403), (whose, answer.body)
            done.add(answer.status)
            site.renew()
            continue
        expected = (403, "forbidden") if known else (401, "unauthenticated")
        assert (answer.status, answer.code) == expected, (whose, answer.body)
        assert (answer.headers.get("www-authenticate") == "Bearer") == (not known)
        assert answer.headers["content-type"] == "application/problem+json"
        assert kept(site) == before, whose
    if declared.section not in ("payments", "key_tests", "sign_in"):
        nothing = declared.hints["return"] is type(None)
        assert done <= {204 if nothing else 200}
    # Whoever may is answered the same.
    assert len(done) <= 1


@pytest.mark.parametrize("whose", ["owner", None])
def test_every_operation_is_found_where_it_says(site: Site, whose: str | None) -> None:
    """And not another one, in whose path a name of this one's could be an id."""
    for declared in EVERY:
        ask(site, declared, whose or "anonymous")
        assert json.loads(site.noted())["operation"] == declared.id
        site.renew()


@pytest.mark.parametrize("id", ["", "a/b", "..", ".", "a%2Fb", "a b", "ä", "?x=1", "#", "\\", "me/seen"])
def test_an_id_of_any_form_is_one_that_is_not_there(site: Site, id: str) -> None:
    remote = open_remote_store(site.url, Secret(site.kit.tokens["owner"]), site.clock.ambient())
    for work in (remote.store.workspaces.open, remote.store.team.remove, remote.store.team.resend):
        with pytest.raises(NotFound):
            wait(work(id))
    remote.close()


def test_refused_before_anything_is_read(site: Site) -> None:
    """Not even mistakes are told to whom is not let in."""
    for declared in EVERY:
        if declared.needs is not None and declared.verb not in ("GET", "DELETE"):
            answer = site.ask(declared.verb, f"/v1{declared.path.replace('{', '').replace('}', '')}", b"no JSON")
            assert answer.status == 401, declared.id


NAMED = sorted({*NAMING, "payments.look", "payments.withdraw", "sign_in.join"})


@pytest.mark.parametrize("id", NAMED)
def test_what_is_another_s_is_as_if_it_had_never_been(site: Site, id: str) -> None:
    declared, theirs, before = BY_ID[id], site.kit.theirs, kept(site)
    whose = next((whose for whose in INSIDE if may(whose, declared)), "platform")
    first, second = (ask(site, declared, whose, world) for world in (theirs, made_up(theirs)))
    assert (first.status, first.body) == (second.status, second.body)
    if id not in CONFIRMING:
        assert first.status == (404 if may(whose, declared) else 403)
    if first.status == 404:
        assert kept(site) == before


def test_every_operation_that_names_something_is_tried(site: Site) -> None:
    worlds = (site.kit.world, site.kit.theirs)
    naming = {each.id for each in EVERY if len({repr(arguments(each, world)) for world in worlds}) == 2}
    assert naming == set(NAMED)


def test_revoked_means_revoked_with_the_next_request(site: Site) -> None:
    made = site.do(BY_ID["access.create"], {"token": NewToken(name="Laptop")}, "owner").json
    assert site.get("/overview", made["secret"]).status == 200
    assert site.ask("DELETE", f"/v1/tokens/{made['token']['id']}", token="owner").status == 200
    began = time.perf_counter()
    assert site.get("/overview", made["secret"]).status == 401
    assert time.perf_counter() - began < 1


def test_it_lapses_while_it_is_used(site: Site) -> None:
    made = site.do(BY_ID["access.create"], {"token": NewToken(name="Laptop", days=1)}, "owner").json
    assert site.get("/overview", made["secret"]).status == 200
    site.clock.now += WINDOW * 12 * 24
    assert site.get("/overview", made["secret"]).status == 401


def test_what_a_token_makes_is_no_wider_than_itself(site: Site) -> None:
    narrow = site.do(BY_ID["access.create"], {"token": NewToken(name="N", scopes=(Permission.MANAGE_ACCESS,))}, "owner")
    create = BY_ID["access.create"]
    secret = narrow.json["secret"]
    assert site.do(create, {"token": NewToken(name="Wide")}, secret).status == 403
    wide = NewToken(name="Wide", scopes=(Permission.VIEW, Permission.MANAGE_ACCESS))
    assert site.do(create, {"token": wide}, secret).status == 403
    same = site.do(create, {"token": NewToken(name="Same", scopes=(Permission.MANAGE_ACCESS,))}, secret)
    assert same.status == 200
    assert site.get("/overview", same.json["secret"]).status == 403


# Guessing.


_numbers = count()


def nowhere() -> str:
    """An address from which nobody came yet: the server is one for all tests."""
    return f"guesser-{next(_numbers)}"


def guess(site: Site, address: str, secret: str = "") -> Any:
    wrong = secret or new_token(PREFIXES[Kind.PERSON], site.clock.ambient().random)
    return site.ask("GET", "/v1/overview", token=wrong, address=address)


def test_ten_wrong_tokens_in_five_minutes_and_no_more(site: Site) -> None:
    here, there = nowhere(), nowhere()
    assert site.ask("GET", "/v1/overview", token="admin", address=here).status == 200
    for number in range(TRIES):
        assert guess(site, here).status == 401, number
        assert site.ask("GET", "/v1/overview", address=here).status == 401, "nobody guesses with no token"
    stopped = guess(site, here)
    assert (stopped.status, stopped.code) == (429, "too_many")
    wait = int(stopped.headers["retry-after"])
    assert wait == stopped.json["retry_after"]
    assert 0 < wait <= WINDOW.total_seconds() + 1
    # A right one would not be found out by trying on; whoever came in before still does; others are not concerned.
    assert site.ask("GET", "/v1/overview", token="owner", address=here).status == 429
    assert site.ask("GET", "/v1/overview", token="admin", address=here).status == 200
    assert guess(site, there).status == 401
    site.clock.now += WINDOW - WINDOW / 300
    assert guess(site, here).status == 429
    site.clock.now += WINDOW / 300
    assert site.ask("GET", "/v1/overview", token="owner", address=here).status == 200
    assert [guess(site, here).status for _ in range(TRIES + 1)] == [401] * TRIES + [429]


def test_what_is_revoked_is_a_guess_like_another_and_only_one(site: Site) -> None:
    """A screen that was left open asks again and again, and shuts out nobody else."""
    address = nowhere()
    made = site.do(BY_ID["access.create"], {"token": NewToken(name="Laptop")}, "owner").json
    assert guess(site, address, made["secret"]).status == 200
    site.ask("DELETE", f"/v1/tokens/{made['token']['id']}", token="owner")
    assert [guess(site, address, made["secret"]).status for _ in range(2 * TRIES)] == [401] * 2 * TRIES
    assert site.ask("GET", "/v1/overview", token="owner", address=address).status == 200
    assert [guess(site, address).status for _ in range(TRIES)] == [401] * (TRIES - 1) + [429]
    assert guess(site, address, made["secret"]).status == 401


def test_an_address_is_the_socket_s_where_no_proxy_is_said_to_be(made: Kit, tmp_path: Path) -> None:
    with serving(made, tmp_path, behind_proxy=False) as site:
        found = [guess(site, f"192.0.2.{number}").status for number in range(TRIES + 1)]
        assert found == [401] * TRIES + [429]


def test_of_a_proxy_counts_what_it_added_itself(site: Site) -> None:
    added = nowhere()
    found = [guess(site, f"192.0.2.{number}, {added}").status for number in range(TRIES + 1)]
    assert found == [401] * TRIES + [429]


@pytest.mark.parametrize("addresses", ["198.51.100.7:{}", "2001:db8:7:7::{}", "[2001:db8:8:8::{}]:443"])
def test_neither_ports_nor_the_addresses_of_one_network_are_others(site: Site, addresses: str) -> None:
    found = [guess(site, addresses.format(number + 1)).status for number in range(TRIES + 1)]
    assert found == [401] * TRIES + [429]


# Where a secret may not be.


def test_no_secret_is_told(site: Site) -> None:
    """In no line of the log, no answer but that which makes it, no figure; wherever a client put it by mistake."""
    told = [""]
    secrets = list(site.kit.tokens.values())
    for number, secret in enumerate(secrets):
        address = f"203.0.113.{number}"
        for path in ("/v1/overview", f"/v1/overview?token={secret}", f"/v1/{secret}", f"/v1/workspaces/{secret}"):
            told.append(repr(site.ask("GET", path, token=secret, address=address)))
        for headers in ({"Authorization": f"Basic {secret}"}, {"Authorization": secret}, {"X-Token": secret}):
            told.append(repr(site.ask("GET", "/v1/overview", headers=headers, address=address)))
        told.append(repr(site.ask(secret[:20], f"/v1/overview#{secret}", token=secret, address=address)))
        body = f'{{"name": "{secret}", "{secret}": 1, "days": "{secret}"}}'.encode()
        told.append(repr(site.ask("POST", "/v1/tokens", body, token="owner")))
        told.append(repr(site.ask("POST", "/v1/tokens", body[:-1], token="owner")))
    new = site.do(BY_ID["access.create"], {"token": NewToken(name="Laptop")}, "owner").json["secret"]
    told.append(repr(site.get("/tokens")))
    site.do(BY_ID["workspaces.create"], {"workspace": NewWorkspace(name="Staging")}, new, Idempotency_Key=new)
    told += [site.ask("GET", "/metrics").body.decode(), *site.log]
    assert len(site.log) > 9 * len(secrets)
    everything = "".join(told)
    for secret in (*secrets, new):
        # What is left of it would be enough to know which it was.
        assert secret[12:30] not in everything
        assert secret[-16:] not in everything
