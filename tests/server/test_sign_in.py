"""Signing in by an identity provider: a real one, strict and at times broken; the server, and the terminal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from orgtui.cli import signing_in
from orgtui.domain.ambient import system_ambient
from orgtui.domain.errors import Forbidden, Invalid, Unreachable
from orgtui.oidc.device import Asked, DeviceFlow, SignInEnded
from orgtui.oidc.issuer import Issuer
from orgtui.oidc.proofs import Verifier
from orgtui.oidc.service import SignInService
from orgtui.settings import Oidc, ServerUrl
from orgtui.sign_in import Provider as Told
from orgtui.sign_in import nonce_for
from orgtui.store.contract.team import NewInvitation
from orgtui.store.sql.founding import Founding, found
from orgtui.store.sql.sqlite import SqliteDatabase
from tests.conftest import OWNER
from tests.contract.conftest import ADMIN, STRANGER, join, wait
from tests.fault_proxy import Fault, FaultProxy
from tests.oidc_provider import CLIENT, Provider, providing
from tests.ptyharness import Terminal
from tests.server.site import Answer, Site

NOBODY = "Nobody here has that address; ask an owner or admin of the organization to invite you, and join first."
INVALID = "This sign-in is not valid; begin anew."
HERE = "https://orgtui.acme.example"
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(scope="module")
def listening() -> Iterator[Provider]:
    """Started once."""
    with providing(Provider()) as provider:
        yield provider


@pytest.fixture
def idp(listening: Provider, site: Site) -> Iterator[Provider]:
    """The provider, sound and by the site's clock, at which the site lets people sign in."""
    listening.clock = lambda: site.clock.now.timestamp()
    site.door = door(site, listening)
    yield listening
    for told in (listening.claims, listening.described, listening.granted, listening.broken, listening.asked):
        told.clear()
    listening.clock, listening.interval, listening.lifetime, listening.too_often = time.time, 1, 600, 0
    listening.devices.clear()


def door(site: Site, idp: Provider, *, public_url: str | None = HERE, seconds: float = 5) -> SignInService:
    issuer, ambient = Issuer(idp.url, seconds=seconds), site.clock.ambient()
    verifier = Verifier(issuer, CLIENT, ambient, public_url)
    return SignInService(
        Oidc(issuer=idp.url, client_id=CLIENT), verifier, site.opened.outside, site.opened.platform, ambient
    )


def enter(site: Site, token: str) -> Answer:
    return site.ask("POST", "/v1/sign-in", json.dumps({"id_token": token}).encode())


def refused(site: Site, token: str) -> str:
    """Why it opened nothing; and it left nothing."""
    before = left(site)
    answer = enter(site, token)
    assert (answer.status, answer.code) == (403, "sign_in_refused")
    assert left(site) == before
    words: str = answer.json["detail"]
    return words


def left(site: Site) -> list[tuple[Any, ...]]:
    tables = {"access_tokens": "id", "audit": "seq", "idempotency_keys": "key"}
    return [row for table, column in tables.items() for row in site.rows(f"SELECT {column} FROM {table}")]


# What the server gives.


def test_where_to_sign_in_is_told_to_everybody(site: Site, idp: Provider) -> None:
    assert site.get("/sign-in", None).json == {"issuer": idp.url, "client_id": CLIENT}
    assert idp.asked.total() == 0


def test_without_a_provider_only_tokens_open(site: Site) -> None:
    for answer in (site.get("/sign-in", None), enter(site, "x")):
        assert (answer.status, answer.code) == (404, "not_found")


def test_a_member_is_given_a_token_of_their_own(site: Site, idp: Provider) -> None:
    made = enter(site, idp.token(ADMIN.upper(), nonce=nonce_for(HERE))).json
    token = made["token"]
    assert (token["kind"], token["name"], token["maker"]) == ("person", "Sign-in at 127.0.0.1", ADMIN)
    assert (token["role"], token["scopes"]) == ("admin", [])
    assert token["expires"] == (site.clock.now + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert site.get("/general", made["secret"]).status == 200
    listed = site.get("/tokens").json["tokens"]
    assert token["id"] in [each["id"] for each in listed]
    assert site.ask("DELETE", f"/v1/tokens/{token['id']}", token="owner").status == 200
    assert site.get("/general", made["secret"]).status == 401


def test_the_audit_log_says_who_and_by_whom(site: Site, idp: Provider) -> None:
    token = enter(site, idp.token(ADMIN)).json["token"]
    newest = site.get("/audit").json["entries"][0]
    assert (newest["actor"], newest["role"], newest["operation"]) == (ADMIN, "admin", "access.admit")
    assert (newest["subject"], newest["after"]["issuer"]) == (token["id"], idp.url)


def test_who_is_removed_is_out_at_once(site: Site, idp: Provider) -> None:
    secret = enter(site, idp.token(ADMIN)).json["secret"]
    member = next(each for each in site.get("/members").json["members"] if each["email"] == ADMIN)
    assert site.ask("DELETE", f"/v1/members/{member['id']}", token="owner").status == 200
    assert site.get("/general", secret).status == 401
    assert refused(site, idp.token(ADMIN)) == NOBODY


@pytest.mark.parametrize("token", ["owner", "platform"])
def test_no_token_says_who_somebody_is(site: Site, token: str) -> None:
    """Else one token would be everybody's."""
    body = json.dumps({"email": ADMIN, "issuer": "https://id.acme.example", "attempt": "1"}).encode()
    answer = site.ask("POST", "/v1/tokens/signed-in", body, token=token)
    assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("email", ["", "no address", f"{ADMIN} ", "x" * 5000, "linus@acme.example"])
def test_every_stranger_is_told_the_same(site: Site, idp: Provider, email: str) -> None:
    assert refused(site, idp.token(STRANGER, email=email or STRANGER)) == NOBODY


def test_letters_that_only_fold_alike_are_another_mailbox(site: Site, idp: Provider) -> None:
    """ſ folds to s: who has the one mailbox has not the other."""
    for plain, alike in (("s", "ſ"), ("k", "\u212a"), ("ss", "ß")):
        address = f"{plain}am@acme.example"
        wait(join(site.opened.store, address, "Sam"))
        assert address == f"{alike}am@acme.example".casefold()
        assert refused(site, idp.token(f"{alike}am@acme.example")) == NOBODY
        assert enter(site, idp.token(address)).status == 200


def test_who_has_joined_signs_in_where_there_is_a_provider_and_has_a_token_where_there_is_none(
    site: Site, idp: Provider
) -> None:
    for provided in (True, False):
        site.door = site.door if provided else site.no_provider
        invitation = NewInvitation(email=f"new{provided}@acme.example")
        code = wait(site.opened.store.team.invite(invitation)).code
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        said = site.ask("POST", f"/join/{code}", b"name=New", headers=form).body.decode()
        assert ("Sign in with this address" in said, "orgtui_pat_" in said) == (provided, not provided)


# What the server refuses.

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "audience": ({"aud": "another"}, "This sign-in was made for another application."),
    "no audience": ({"aud": None}, "This sign-in was made for another application."),
    "several audiences": ({"aud": [CLIENT, "another"]}, "This sign-in was made for another application."),
    "party": ({"azp": "another"}, "This sign-in was made for another application."),
    "issuer": (
        {"iss": "https://id.evil.example"},
        "This sign-in is from another identity provider than this server's.",
    ),
    "no issuer": ({"iss": None}, "This sign-in is from another identity provider than this server's."),
    "expired": ({"exp": -120}, "This sign-in has lapsed; begin anew."),
    "no end": ({"exp": None}, "This sign-in has lapsed; begin anew."),
    "end is no time": ({"exp": "tomorrow"}, "This sign-in has lapsed; begin anew."),
    "old": ({"iat": -700, "exp": 9_000}, "This sign-in is too old, or from the future: are the clocks right?"),
    "future": ({"iat": 120}, "This sign-in is too old, or from the future: are the clocks right?"),
    "no beginning": ({"iat": None}, "are the clocks right?"),
    "not yet": ({"nbf": 120}, "This sign-in is from the future: are the clocks right?"),
    "other server": ({"nonce": nonce_for("https://evil.example")}, f"for another server; log in to {HERE}"),
    "not verified": ({"email_verified": False}, "has not verified your e-mail address."),
    "verified in words": ({"email_verified": "true"}, "has not verified your e-mail address."),
    "verified is not told": ({"email_verified": None}, "has not verified your e-mail address."),
    "no address": ({"email": None}, "does not tell your e-mail address."),
    "address with a NUL": ({"email": f"{ADMIN}\0"}, "does not tell your e-mail address."),
    "half a character": ({"email": "\ud800"}, "does not tell your e-mail address."),
    "address is a list": ({"email": [ADMIN]}, "does not tell your e-mail address."),
}
TIMES = ("exp", "iat", "nbf")


@pytest.mark.parametrize("what", WRONG)
def test_what_is_signed_must_be_meant_for_here_and_now(site: Site, idp: Provider, what: str) -> None:
    claims, why = WRONG[what]
    now = int(idp.clock())
    told = {name: now + value if name in TIMES and isinstance(value, int) else value for name, value in claims.items()}
    assert refused(site, idp.token(ADMIN, **told)).endswith(why)


GOOD: dict[str, dict[str, Any]] = {
    "a list of one": {"aud": [CLIENT]},
    "several, and made for us": {"aud": [CLIENT, "another"], "azp": CLIENT},
    "no nonce": {"nonce": None},
    "clocks a little apart": {"iat": 30},
}


@pytest.mark.parametrize("what", GOOD)
def test_other_ways_to_say_the_same_open(site: Site, idp: Provider, what: str) -> None:
    told = {name: int(idp.clock()) + value if name in TIMES else value for name, value in GOOD[what].items()}
    assert enter(site, idp.token(ADMIN, **told)).status == 200


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def headed(header: bytes) -> Callable[[Provider, str], str]:
    """The same token under another header."""
    return lambda _, token: f"{part(header)}.{token.partition('.')[2]}"


def unsigned(_idp: Provider, token: str) -> str:
    return f"{part(json.dumps({'alg': 'none'}).encode())}.{token.split('.')[1]}."


def by_public_key(idp: Provider, token: str) -> str:
    """HS256, whose secret would be what everybody knows: the public key, as PEM."""
    head = part(json.dumps({"alg": "HS256", "kid": idp.keys[0].kid}).encode())
    signed = f"{head}.{token.split('.')[1]}"
    pem = idp.keys[0].as_pem(private=False)
    return f"{signed}.{part(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def by_own_key(idp: Provider, token: str) -> str:
    """A key that the token brings along."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    header = {"alg": "RS256", "kid": idp.keys[0].kid, "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)


def altered(idp: Provider, token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{part(json.dumps(claims | {'email': OWNER}).encode())}.{signature}"


def stronger(idp: Provider, token: str) -> str:
    """Signed by the right key, in a way that is not allowed."""
    return idp.token(ADMIN, algorithm="RS384")


FORGED: dict[str, Callable[[Provider, str], str]] = {
    "unsigned": unsigned,
    "none in capitals": headed(b'{"alg": "NONE"}'),
    "HS256 with the public key": by_public_key,
    "a key of its own": by_own_key,
    "altered": altered,
    "RS384": stronger,
    "nothing": lambda _, token: "",
    "garbage": lambda _, token: "garbage",
    "dots": lambda _, token: "..",
    "not ASCII": lambda _, token: token + "é",
    "half a signature": lambda _, token: token[:-40],
    "long": lambda _, token: token + "A" * 20_000,
    "not JSON": headed(b"{"),
    "a list": headed(b"[]"),
    "deep": headed(b"[" * 9_000),
    "no algorithm": headed(b"{}"),
    "a list of algorithms": headed(b'{"alg": ["RS256"]}'),
    "ES256 by name": headed(b'{"alg": "ES256"}'),
    "a key id that is none": headed(b'{"alg": "RS256", "kid": {}}'),
    "not encoded": headed(b'{"alg": "RS256", "kid": "key-1", "b64": false, "crit": ["b64"]}'),
    "critical": headed(b'{"alg": "RS256", "kid": "key-1", "crit": ["exp"]}'),
}


@pytest.mark.parametrize("how", FORGED)
def test_what_the_provider_did_not_sign_opens_nothing(site: Site, idp: Provider, how: str) -> None:
    assert refused(site, FORGED[how](idp, idp.token(ADMIN))) == INVALID


def test_each_proof_opens_once_wherever_it_is_shown(site: Site, idp: Provider) -> None:
    token = idp.token(ADMIN)
    assert enter(site, token).status == 200
    assert refused(site, token) == "This sign-in was used already; begin anew."
    # Another process, which has heard of nothing.
    site.door = door(site, idp)
    assert refused(site, token) == "This sign-in was used already; begin anew."
    assert enter(site, idp.token(ADMIN)).status == 200


def test_the_same_proof_with_its_signature_written_otherwise_is_the_same(site: Site, idp: Provider) -> None:
    """Of an ECDSA signature (r, s) everybody can make (r, n - s), which is as good."""
    idp.rotate("EC")
    token = idp.token(ADMIN)
    assert enter(site, token).status == 200
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = raw[:32] + (P256 - int.from_bytes(raw[32:])).to_bytes(32)
    assert refused(site, f"{signed}.{part(other)}") == "This sign-in was used already; begin anew."
    idp.rotate()


def test_two_at_the_same_time_are_one(site: Site, idp: Provider) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = idp.token(ADMIN)
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.status for answer in pool.map(lambda _: enter(site, token), range(8))]
    assert sorted(answers) == [200] + [403] * 7


# Keys that change, and a provider that fails.


def test_keys_are_asked_for_once_an_hour(site: Site, idp: Provider) -> None:
    for _ in range(3):
        assert enter(site, idp.token(ADMIN)).status == 200
    assert idp.asked["/jwks"] == 1
    site.clock.now += timedelta(hours=1, seconds=1)
    assert enter(site, idp.token(ADMIN)).status == 200
    assert idp.asked["/jwks"] == 2


def test_a_key_that_is_taken_back_opens_nothing_after_an_hour(site: Site, idp: Provider) -> None:
    assert enter(site, idp.token(ADMIN)).status == 200
    stolen = idp.keys
    idp.rotate()
    published, site.clock.now = idp.keys, site.clock.now + timedelta(hours=1, seconds=1)
    idp.keys = stolen
    token = idp.token(ADMIN)
    idp.keys = published
    assert refused(site, token) == INVALID


def test_a_new_key_is_known_at_its_first_use(site: Site, idp: Provider) -> None:
    assert enter(site, idp.token(ADMIN)).status == 200
    idp.rotate("EC", keep=True)
    site.clock.now += timedelta(seconds=11)
    assert enter(site, idp.token(ADMIN)).status == 200
    assert idp.asked["/jwks"] == 2
    idp.rotate()


def test_unknown_keys_make_the_server_ask_only_so_often(site: Site, idp: Provider) -> None:
    """Anybody can write a key's name on a token."""
    site.clock.now += timedelta(seconds=11)
    head, body, signature = idp.token(ADMIN).split(".")
    for number in range(20):
        made_up = part(json.dumps({"alg": "RS256", "kid": f"made-up-{number}"}).encode())
        assert refused(site, f"{made_up}.{body}.{signature}") == INVALID
    assert idp.asked["/jwks"] == 1
    assert enter(site, f"{head}.{body}.{signature}").status == 200


BROKEN = {
    "slow": "it does not answer in time",
    "huge": "its answer has no end",
    "redirect": "(HTTP 302)",
    "garbage": "(HTTP 200)",
    "list": "(HTTP 200)",
    "deep": "(HTTP 200)",
    "500": "(HTTP 500)",
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_provider_that_fails_opens_nothing_and_is_told(site: Site, idp: Provider, path: str, how: str) -> None:
    site.door, idp.broken[path] = door(site, idp, seconds=0.4), how
    token = idp.token(ADMIN)
    began = time.monotonic()
    answer = enter(site, token)
    assert (answer.status, answer.code) == (503, "unreachable")
    assert BROKEN[how] in answer.json["detail"]
    assert time.monotonic() - began < 2
    assert "/elsewhere" not in idp.asked
    # It is left alone for a moment, and the same proof is good when it is back.
    asked = idp.asked.total()
    assert "try again soon" in enter(site, token).json["detail"]
    assert idp.asked.total() == asked
    idp.broken.clear()
    site.clock.now += timedelta(seconds=11)
    assert enter(site, token).status == 200


def test_a_provider_whose_header_has_no_end_keeps_few_threads(idp: Provider) -> None:
    began = threading.active_count()
    with FaultProxy(idp.url) as proxy, proxy.failing(Fault(drip=True)):
        issuer = Issuer(proxy.url, seconds=0.1)
        for _ in range(8):
            with pytest.raises(Unreachable, match="cannot be reached"):
                wait(issuer.described())
        # One more is the line's own.
        assert threading.active_count() - began <= 5


def test_a_provider_that_is_gone_is_told(site: Site, idp: Provider) -> None:
    site.door = door(site, Provider(url="http://127.0.0.1:9"))
    answer = enter(site, idp.token(ADMIN))
    assert (answer.status, answer.json["detail"]) == (503, "127.0.0.1:9 cannot be reached: the connection was refused.")


ELSEWHERE = ["http://evil.example/jwks", "https://127.0.0.1/jwks", "http://127.0.0.1:1/jwks", "file:///etc/passwd", 7]


@pytest.mark.parametrize("url", [*ELSEWHERE, "http://user@{host}/jwks", "http://[", "//{host}/jwks", "/jwks"])
def test_a_document_sends_the_server_nowhere_else(site: Site, idp: Provider, url: Any) -> None:
    host = idp.url.removeprefix("http://")
    idp.described["jwks_uri"] = url.replace("{host}", host) if isinstance(url, str) else url
    assert enter(site, idp.token(ADMIN)).status == 503
    assert "/jwks" not in idp.asked


def test_a_document_of_another_issuer_is_not_believed(site: Site, idp: Provider) -> None:
    idp.described["issuer"] = f"{idp.url}/"
    answer = enter(site, idp.token(ADMIN))
    assert (answer.status, "another issuer" in answer.json["detail"]) == (503, True)


# The device flow, by a clock of its own.


class Hours:
    """Time that passes when somebody sleeps; `then` happens after so many sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()
        self.then: dict[int, Callable[[], object]] = {}

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.then.get(len(self.slept), lambda: None)()


@pytest.fixture
def hours(listening: Provider, idp: Provider) -> Hours:
    made = Hours()
    listening.clock = lambda: 1_800_000_000 + made.now
    return made


def flow(idp: Provider, hours: Hours, *, seconds: float = 5, client: str = CLIENT) -> DeviceFlow:
    issuer = Issuer(idp.url, seconds=seconds)
    return DeviceFlow(issuer, client, nonce_for(HERE), sleep=hours.sleep, clock=lambda: hours.now)


def claims_of(token: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return told


def test_whoever_signs_in_meanwhile_is_told_of(idp: Provider, hours: Hours) -> None:
    idp.interval, signing = 5, flow(idp, hours)
    asked = wait(signing.begin())
    assert asked.address == f"{idp.url}/activate"
    assert asked.complete == f"{idp.url}/activate?user_code={asked.code}"
    hours.then[3] = lambda: idp.approve(asked.code, ADMIN)
    claims = claims_of(wait(signing.wait()).reveal())
    assert (claims["email"], claims["nonce"], claims["aud"]) == (ADMIN, nonce_for(HERE), CLIENT)
    assert hours.slept == [5, 5, 5]
    assert idp.too_often == 0


def test_slow_down_is_five_seconds_more_from_then_on(idp: Provider, hours: Hours) -> None:
    """The provider says every second, and then thinks better of it: four, and five more for who did not know."""
    idp.interval, idp.granted["interval"] = 4, 1
    signing = flow(idp, hours)
    asked = wait(signing.begin())
    # After which it wants nine, and is asked in six, and then in eleven.
    hours.then[2] = lambda: idp.approve(asked.code, ADMIN)
    hours.then[3] = lambda: setattr(idp.devices[next(iter(idp.devices))], "earliest", 0)
    wait(signing.wait())
    assert hours.slept == [1, 6, 11]
    assert idp.too_often == 2


def test_an_interval_of_nothing_is_a_second(idp: Provider, hours: Hours) -> None:
    idp.interval = 0
    signing = flow(idp, hours)
    asked = wait(signing.begin())
    hours.then[2] = lambda: idp.deny(asked.code)
    with pytest.raises(Forbidden, match="declined"):
        wait(signing.wait())
    assert hours.slept == [1, 1]


def test_without_an_interval_it_is_five_seconds(idp: Provider, hours: Hours) -> None:
    idp.interval, idp.granted["interval"] = 5, None
    signing = flow(idp, hours)
    idp_code = wait(signing.begin()).code
    hours.then[1] = lambda: idp.approve(idp_code, ADMIN)
    wait(signing.wait())
    assert hours.slept == [5]


@pytest.mark.parametrize("told", [60, 10_000])
def test_a_code_that_nobody_used_ends(idp: Provider, hours: Hours, told: int) -> None:
    """By our clock, and by the provider's word where that is sooner."""
    idp.interval, idp.lifetime, idp.granted["expires_in"] = 5, 60, told
    signing = flow(idp, hours)
    wait(signing.begin())
    with pytest.raises(SignInEnded, match="Nobody signed in"):
        wait(signing.wait())
    assert hours.now == 60


def test_a_long_interval_is_kept_until_the_end(idp: Provider, hours: Hours) -> None:
    idp.interval, idp.lifetime = 90, 200
    signing = flow(idp, hours)
    wait(signing.begin())
    with pytest.raises(SignInEnded):
        wait(signing.wait())
    assert hours.slept == [90, 90, 20]
    assert idp.too_often == 0


def test_a_provider_that_comes_back_is_asked_again_and_later(idp: Provider, hours: Hours) -> None:
    idp.interval = 5
    signing = flow(idp, hours, seconds=1)
    asked = wait(signing.begin())
    idp.approve(asked.code, ADMIN)
    idp.broken["/token"] = "garbage"
    hours.then[3] = idp.broken.clear
    assert claims_of(wait(signing.wait()).reveal())["email"] == ADMIN
    assert hours.slept == [5, 10, 20]


def test_a_refusal_is_told_in_the_providers_words_without_its_orders(idp: Provider, hours: Hours) -> None:
    with pytest.raises(SignInEnded, match=r"refused the sign-in \(invalid_client: there is no such client\)"):
        wait(flow(idp, hours, client="another").begin())


HOSTILE: dict[str, dict[str, Any]] = {
    "address elsewhere": {"verification_uri": "https://evil.example/activate"},
    "address is no web address": {"verification_uri": "javascript:alert(1)"},
    "address with orders": {"verification_uri_complete": "{url}/activate?\x1b]52;c;aGFja2Vk\x07"},
    "address to run into": {"verification_uri_complete": "{url}.evil.example/activate"},
    "no address": {"verification_uri": None},
    "no code": {"user_code": None},
    "code is a number": {"user_code": 7},
    "long code": {"user_code": "x" * 65},
    "no device code": {"device_code": None},
    "no end": {"expires_in": None},
    "end is a word": {"expires_in": "soon"},
    "end is true": {"expires_in": True},
    "interval below nothing": {"interval": -1},
    "interval for ever": {"interval": 10**400},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_provider_says_is_not_shown(idp: Provider, hours: Hours, what: str) -> None:
    idp.granted |= {
        name: value.replace("{url}", idp.url) if isinstance(value, str) else value
        for name, value in HOSTILE[what].items()
    }
    with pytest.raises(Unreachable):
        wait(flow(idp, hours).begin())


def test_a_code_gives_the_terminal_no_orders(idp: Provider, hours: Hours) -> None:
    idp.granted["user_code"] = "AB\x1b]0;owned\x07CD"
    asked: Asked = wait(flow(idp, hours).begin())
    assert asked.code.isprintable()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/device"])
@pytest.mark.parametrize("how", BROKEN)
def test_the_terminal_is_told_what_is_wrong(idp: Provider, hours: Hours, path: str, how: str) -> None:
    idp.broken[path] = how
    with pytest.raises(Unreachable, match=re.escape(BROKEN[how])):
        wait(flow(idp, hours, seconds=0.4).begin())
    assert "/elsewhere" not in idp.asked


@pytest.mark.parametrize("name", ["token_endpoint", "device_authorization_endpoint"])
def test_a_document_sends_the_terminal_nowhere_else(idp: Provider, hours: Hours, name: str) -> None:
    idp.described[name] = "https://evil.example/token"
    with pytest.raises(Unreachable, match="sends us elsewhere"):
        wait(flow(idp, hours).begin())


# The whole of it, as it is used.


class Program:
    """`orgtui login` to the server at *url*, from terminals of somebody whose files are in *folder*."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.env = {f"XDG_{name.upper()}_HOME": f"{folder}/{name}" for name in ("config", "data", "cache")}

    def login(self, *more: str, size: tuple[int, int] = (120, 40)) -> Terminal:
        return Terminal.python("-m", "orgtui", "login", self.url, *more, env=self.env, size=size)

    def kept(self) -> list[Path]:
        return list((self.folder / "data").glob("orgtui/tokens/*"))


@pytest.fixture
def program(tmp_path: Path, site: Site, idp: Provider) -> Program:
    """To the site, where people sign in at a provider that goes by the real time, as processes do."""
    idp.clock, site.clock.now = time.time, datetime.now(UTC)
    site.door = door(site, idp, public_url=None)
    return Program(tmp_path, site.url)


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[str]:
    """The URL of `orgtui serve`, a process with an organization of its own."""
    found(SqliteDatabase(folder / "acme.db"), Founding(name="Acme", owner=OWNER), system_ambient())
    words = [sys.executable, "-m", "orgtui", "--store", f"sqlite:///{folder}/acme.db", "serve", "--port", "0"]
    with subprocess.Popen(words, env=os.environ | settings, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield json.loads(process.stderr.readline())["url"]
        finally:
            process.terminate()
            process.stderr.read()


def shown_code(terminal: Terminal) -> str:
    terminal.until("Waiting for you to sign in")
    code = re.search(r"shows this code:  ([0-9A-F-]{9})", terminal.text)
    assert code
    return code[1]


def test_a_login_is_a_sign_in_and_the_token_is_kept(tmp_path: Path, idp: Provider) -> None:
    idp.clock = time.time
    with served(tmp_path, ORGTUI_OIDC_ISSUER=idp.url, ORGTUI_OIDC_CLIENT_ID=CLIENT) as url:
        program = Program(tmp_path, url)
        with program.login() as terminal:
            code = shown_code(terminal)
            page = f"{idp.url}/activate?user_code={code}"
            assert f"Sign in at {idp.url.removeprefix('http://')} to open {url}" in terminal.text
            assert f"\x1b]8;;{page}\x1b\\{page}\x1b]8;;\x1b\\".encode() in terminal.raw
            assert "▀" in terminal.text
            assert code in httpx.get(page).text
            httpx.post(f"{idp.url}/activate", data={"user_code": code, "answer": "approve", "email": OWNER})
            terminal.until(f"You are {OWNER} at Acme.")
            assert terminal.wait()[0] == 0
            assert terminal.leftovers() == set()
            assert b"orgtui_pat_" not in terminal.raw
        (kept,) = program.kept()
        assert kept.stat().st_mode & 0o077 == 0
        bearer = {"Authorization": f"Bearer {kept.read_text().strip()}"}
        (token,) = httpx.get(f"{url}/v1/tokens", headers=bearer).json()["tokens"]
        assert (token["maker"], token["name"]) == (OWNER, "Sign-in at 127.0.0.1")
    assert idp.too_often == 0


def test_who_declines_is_not_in(program: Program, idp: Provider) -> None:
    with program.login() as terminal:
        httpx.post(f"{idp.url}/activate", data={"user_code": shown_code(terminal), "answer": "deny"})
        terminal.until("The sign-in was declined at")
        assert terminal.wait()[0] == 3
    assert program.kept() == []


def test_a_stranger_is_told_what_to_do(program: Program, idp: Provider) -> None:
    with program.login() as terminal:
        idp.approve(shown_code(terminal), STRANGER)
        terminal.until(f"orgtui: {NOBODY}")
        assert terminal.wait()[0] == 3
    assert program.kept() == []


def test_programs_get_one_value(program: Program, idp: Provider) -> None:
    with program.login("--json") as terminal:
        idp.approve(shown_code(terminal), ADMIN)
        terminal.until(f'"actor": "{ADMIN}"')
        assert terminal.wait()[0] == 0
    assert len(program.kept()) == 1


def test_ctrl_c_ends_the_waiting_at_once(program: Program) -> None:
    """Here on a terminal that has no room for a picture."""
    with program.login(size=(60, 12)) as terminal:
        shown_code(terminal)
        assert "▀" not in terminal.text
        terminal.send("ctrl+c")
        code, took = terminal.wait()
        assert (code, took < 2) == (130, True)
        assert b"Traceback" not in terminal.raw
    assert program.kept() == []


def test_a_token_from_standard_input_asks_no_provider(program: Program, idp: Provider) -> None:
    words = [sys.executable, "-m", "orgtui", "login", program.url]
    env = os.environ | program.env
    done = subprocess.run(words, env=env, input="orgtui_pat_none", capture_output=True, text=True)
    assert done.returncode == 3
    assert idp.asked.total() == 0


@pytest.mark.parametrize("more", [("--stdin",), ()])
def test_elsewhere_a_token_is_asked_for_and_not_shown(program: Program, site: Site, more: tuple[str, ...]) -> None:
    """Where one says so, and where nobody signs in."""
    if not more:
        site.door = site.no_provider
    with program.login(*more) as terminal:
        terminal.until("Token for 127.0.0.1")
        terminal.send("orgtui_pat_none", "enter")
        assert terminal.wait()[0] == 3
        assert b"orgtui_pat_none" not in terminal.raw


def test_a_server_elsewhere_sends_nobody_to_their_own_machine() -> None:
    far = ServerUrl(url="https://orgtui.acme.example", host="orgtui.acme.example")
    assert signing_in._trusted(Told("https://id.acme.example", "orgtui"), far).issuer == "https://id.acme.example"
    for issuer in (
        "http://127.0.0.1:8080",
        "https://localhost",
        "http://id.acme.example",
        "",
        "file:///etc",
        "\x1b[2J",
    ):
        with pytest.raises(Invalid) as said:
            signing_in._trusted(Told(issuer, "orgtui"), far)
        assert said.value.message.isprintable()
    with pytest.raises(Invalid):
        signing_in._trusted(Told("https://id.acme.example", "two words"), far)
