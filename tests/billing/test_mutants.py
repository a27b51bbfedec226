"""The tests of money under test: each rule is broken on purpose, and they must say so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

SERVICE, STRIPE, DEMO = "orgtui/billing/service.py", "orgtui/billing/stripe.py", "orgtui/billing/demo.py"
OBJECTS, WEBHOOK = "orgtui/billing/stripe_objects.py", "orgtui/billing/stripe_webhook.py"
BOOKS, LEDGER = "orgtui/store/sql/billing.py", "orgtui/store/sql/ledger.py"
SUITE = ("tests/billing/test_service.py", "tests/billing/test_exactly_once.py", "tests/billing/test_money_machine.py")


@dataclass(frozen=True)
class Mutant:
    """A rule, and the lines that keep it, as they are and broken: (file, from, to)."""

    name: str
    edits: tuple[tuple[str, str, str], ...]


MUTANTS = (
    Mutant("no idempotency key", ((STRIPE, 'return {"idempotency_key": key}', "return {}"),)),
    Mutant(
        "another key each time",
        ((SERVICE, 'key = f"orgtui:payment:{payment.id}"', 'key = self._ambient.new_id("key")'),),
    ),
    Mutant(
        "the ledger's references are not looked at",
        ((LEDGER, "if amount_of(rows, organization, entry.ref) is not None:", "if False:"),),
    ),
    Mutant(
        "the ledger's references are not unique",
        (
            (LEDGER, "if amount_of(rows, organization, entry.ref) is not None:", "if False:"),
            (
                LEDGER,
                "    seq, before = rows",
                '    rows.run("DROP INDEX IF EXISTS ledger_ref")\n    seq, before = rows',
            ),
        ),
    ),
    Mutant(
        "complete is taken for paid",
        ((OBJECTS, 'if session.payment_status in ("paid", "no_payment_required"):', "if True:"),),
    ),
    Mutant(
        "payments are not listed",
        ((SERVICE, "await aside(lambda: list(self.provider.checkouts(since=since)))", "list[Checkout]()"),),
    ),
    Mutant(
        "a page that was never written down is not looked for",
        (
            (
                SERVICE,
                "checkout = await aside(lambda: self.provider.find_checkout(payment.id, since=since))",
                "checkout = None",
            ),
        ),
    ),
    Mutant(
        "webhooks are not verified",
        (
            (
                WEBHOOK,
                "if not any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures):",
                "if False:",
            ),
        ),
    ),
    Mutant("old webhooks are taken", ((WEBHOOK, "if abs(now.timestamp() - stamp) > TOLERANCE:", "if False:"),)),
    Mutant(
        "an empty secret will do",
        (
            (WEBHOOK, "if secret is None or not secret.reveal().strip():", "if False:"),
            (WEBHOOK, "hmac.new(secret.reveal().encode(),", 'hmac.new(secret.reveal().encode() if secret else b" ",'),
        ),
    ),
    Mutant(
        "other applications' sessions are trusted",
        ((OBJECTS, 'if getattr(held, "app", None) != APP:', "if held is None:"),),
    ),
    Mutant(
        "other organizations' sessions are trusted",
        (
            (SERVICE, "if checkout is not None and checkout.organization == books.organization:", "if checkout:"),
            (SERVICE, "if checkout.organization != books.organization:", "if False:"),
            (SERVICE, "if found is None or found.organization != books.organization:", "if found is None:"),
        ),
    ),
    Mutant(
        "the sum is not compared",
        (
            (
                BOOKS,
                "if told.amount != (ordered := Money(row.minor, row.currency)):",
                "if not (ordered := Money(row.minor, row.currency)):",
            ),
        ),
    ),
    Mutant(
        "refunds are keyed by payment",
        ((BOOKS, 'ref = f"{reversal.kind}:{clean(reversal.id)[:_NOTE]}"', 'ref = f"{reversal.kind}:{row.id}"'),),
    ),
    Mutant(
        "purchases are keyed by order",
        (
            (BOOKS, "ref=_credited(told.payment)", "ref=_credited(row.id)"),
            (BOOKS, "_credited(reversal.money)) is None", "_credited(row.id)) is None"),
        ),
    ),
    Mutant(
        "what goes back before it came is not looked for",
        (
            (
                SERVICE,
                "await self._take_checkout(books, await aside(lambda: self.provider.checkout_of(found.payment)))",
                "pass",
            ),
        ),
    ),
    Mutant(
        "money that came back is not given again",
        (
            (
                BOOKS,
                "if (taken is None) != reversal.taken:",
                "if (taken is None) != reversal.taken or not reversal.taken:",
            ),
        ),
    ),
    Mutant(
        "what gave no credits takes some",
        (
            (
                BOOKS,
                "if ledger.amount_of(tx.rows, tx.organization, _credited(reversal.money)) is None:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "disputes that were won are taken",
        ((SERVICE, "taken=found.status in (DisputeStatus.OPEN, DisputeStatus.LOST),", "taken=True,"),),
    ),
    Mutant(
        "refunds that failed are taken",
        ((SERVICE, "taken=found.status in (RefundStatus.PENDING, RefundStatus.SUCCEEDED),", "taken=True,"),),
    ),
    Mutant(
        "a withdrawn page stays open",
        ((SERVICE, "payment.status.waits and not payment.withdrawn and payment.expires", "payment.expires"),),
    ),
    Mutant("a page is not closed with its time", ((SERVICE, " and payment.expires > self._ambient.now()", ""),)),
    Mutant(
        "refunds are not listed",
        ((SERVICE, "await aside(lambda: list(self.provider.refunds(since=since - _REFUNDS_AGAIN)))", "[]"),),
    ),
    Mutant(
        "disputes are not listed",
        ((SERVICE, "await aside(lambda: list(self.provider.disputes(since=since - _DISPUTES_AGAIN)))", "[]"),),
    ),
    Mutant(
        "only the first page of a list is read",
        ((STRIPE, "            if not page.has_more:\n", "            if True:\n"),),
    ),
    Mutant(
        "a declined upgrade leaves a debt", ((STRIPE, '            "payment_behavior": "error_if_incomplete",\n', ""),)
    ),
    Mutant("an old preview is charged", ((SERVICE, "if not now - _PREVIEW_LIVES <= preview.at <= now:", "if False:"),)),
    Mutant(
        "each agreement to a preview is charged",
        (
            (
                SERVICE,
                'key = f"orgtui:change:{preview.subscription}:{preview.plan}:{int(preview.at.timestamp())}"',
                'key = self._ambient.new_id("key")',
            ),
            (STRIPE, "        check_preview(self._whole(thing), preview)\n", ""),
        ),
    ),
)


def copy(to: Path) -> None:
    """The program and its tests, without what they once wrote."""
    for name in ("orgtui", "tests"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, to / name)


def verdict(directory: Path) -> tuple[bool, str]:
    """Whether the tests pass there, and the last that they said."""
    words = [sys.executable, "-m", "pytest", *SUITE, "-x", "-q", "-n0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, timeout=600)
    told = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert done.returncode in (0, 1), done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.returncode == 0, told[0] if told else ""


@pytest.mark.soak
def test_as_it_is_the_copy_passes(tmp_path: Path) -> None:
    copy(tmp_path)
    assert verdict(tmp_path)[0]


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_rule_that_is_broken_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    copy(tmp_path)
    broken(tmp_path, mutant)
    passed, told = verdict(tmp_path)
    print(f"{mutant.name}: {told}")
    assert not passed


def broken(directory: Path, mutant: Mutant) -> None:
    """Break the copy; a rule that has moved is an error here, not a mutant that lives."""
    for name, before, after in mutant.edits:
        source = (directory / name).read_text()
        assert source.count(before) == 1, f"{name} has {source.count(before)} of: {before}"
        (directory / name).write_text(source.replace(before, after))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_rules_are_where_the_soak_looks_for_them(mutant: Mutant) -> None:
    for name, before, _ in mutant.edits:
        assert (ROOT / name).read_text().count(before) == 1
