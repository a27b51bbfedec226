"""A pasted key: what is around it goes, what cannot be it is refused with one line that tells nothing of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtui.domain.errors import Invalid
from orgtui.domain.provider_keys import LONGEST, SHORTEST, shape
from orgtui.domain.providers import BY_KEY
from orgtui.domain.text import harmless
from tests.provider_servers import KEYS, PROVIDERS

OLD_OPENAI = "sk-" + "Ab3" * 7 + "T3BlbkFJ" + "Cd4" * 7
NEW_GOOGLE = "AQ." + "Ab8RN6K" * 7
ADMIN = {"openai": "sk-admin-" + "Zq7" * 50, "anthropic": "sk-ant-admin01-" + "Wk9" * 31 + "AA"}
NAMES = {provider: BY_KEY[provider].name for provider in PROVIDERS}

providers = st.sampled_from(PROVIDERS)
# Letters in an order that no message has, so that a part of a key in a message is no accident.
tails = st.text("QXZJKVW0189_-", min_size=30, max_size=LONGEST - 20)
keys = providers.flatmap(
    lambda provider: tails.map(lambda tail: (provider, KEYS[provider][: 0 if provider == "mistral" else 4] + tail))
)
layers = st.lists(
    st.sampled_from(
        [
            "{}\n",
            "  {}\t",
            "\ufeff{}\u200b",
            '"{}"',
            "'{}",
            "“{}”",
            "`{}`",
            "{},",
            "{};",
            "Bearer {}",
            "bearer  {}",
            "Authorization: {}",
            "OPENAI_API_KEY={}",
            "export ANTHROPIC_AUTH_TOKEN={}",
            "x-api-key: {}",
            'apiKey": "{}',
            "mistral.key: {}",
            "SECRET = {}",
        ]
    ),
    max_size=5,
)


def refusal(provider: str, text: str) -> str:
    with pytest.raises(Invalid) as refused:
        shape(provider, text)
    assert refused.value.field == "key"
    assert refused.value.details == {"field": "key"}
    assert harmless(refused.value.message), "one line of plain text"
    return refused.value.message


def tells(message: str, key: str) -> bool:
    """Whether five characters of the key, in their order, stand in the message."""
    return any(key[start : start + 5] in message for start in range(len(key) - 4))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_as_its_provider_makes_it(provider: str) -> None:
    found = shape(provider, KEYS[provider])
    assert (found.key, found.stripped, found.warnings) == (KEYS[provider], (), ())
    assert KEYS[provider] not in repr(found)


@pytest.mark.parametrize(("provider", "key"), [("openai", OLD_OPENAI), ("google", NEW_GOOGLE)])
def test_keys_of_another_year_are_as_good(provider: str, key: str) -> None:
    assert shape(provider, key).warnings == ()


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("{}", ()),
        ("  {}\r\n", ("spaces",)),
        ("\u00a0{}\ufeff", ("spaces",)),
        ('"{}"', ("quotes",)),
        ("‘{}’", ("quotes",)),
        ("{}',", ("punctuation", "quotes")),
        ("Bearer {}", ("Bearer",)),
        ("BEARER\t{}", ("Bearer",)),
        ("OPENAI_API_KEY={}", ("the name before the key",)),
        ("export OPENAI_API_KEY='{}'", ("quotes", "the name before the key")),
        ("Authorization: Bearer {}", ("the name before the key", "Bearer")),
        ("  x-goog-api-key: {}\n", ("spaces", "the name before the key")),
        ('"apiKey": "{}",', ("quotes", "punctuation", "the name before the key")),
        ("key={}", ("the name before the key",)),
    ],
)
def test_what_was_pasted_around_a_key_is_taken_away_and_named(text: str, stripped: tuple[str, ...]) -> None:
    for provider, key in KEYS.items():
        found = shape(provider, text.format(key))
        assert found.key == key
        assert sorted(found.stripped) == sorted(stripped)


@given(keys, layers)
def test_stripping_gives_back_the_key_and_strips_no_more(made: tuple[str, str], around: list[str]) -> None:
    provider, key = made
    text = key
    for layer in around:
        text = layer.replace("{}", text)
    found = shape(provider, text)
    assert found.key == key
    assert bool(found.stripped) == bool(around)
    again = shape(provider, found.key)
    assert (again.key, again.stripped, again.warnings) == (key, (), found.warnings)


@given(providers, st.text(st.characters(codec=None) | st.sampled_from("sk-=: \"'Bearerkey*.…\n"), max_size=80))
def test_any_text_is_a_clean_key_or_refused(provider: str, text: str) -> None:
    try:
        found = shape(provider, text)
    except Invalid:
        refusal(provider, text)
        return
    assert harmless(found.key)
    assert " " not in found.key
    assert SHORTEST <= len(found.key) <= LONGEST
    assert found.key in text


@given(
    keys, st.sampled_from(["{} more", "{}\x07", "{}ключ", "{}***", "…{}", "sk_live_{}", "{0}{0}{0}{0}{0}{0}{0}{0}{0}"])
)
def test_no_message_tells_of_the_key(made: tuple[str, str], spoiled: str) -> None:
    key = made[1]
    for slot in PROVIDERS:
        for text in (key, spoiled.format(key), key[: SHORTEST - 1]):
            try:
                told = shape(slot, text).warnings
            except Invalid as refused:
                told = (refused.message, str(refused), repr(refused), str(refused.details))
            assert not any(tells(message, key) for message in told)


@pytest.mark.parametrize("text", ["", "   ", '""', "\n\t", "' '", ",", "\ufeff"])
def test_nothing_is_refused(text: str) -> None:
    assert refusal("openai", text) == "The key is empty; paste a key of OpenAI."


@pytest.mark.parametrize(
    "masked",
    [
        "sk-…wxyz",
        "sk-...wxyz",
        "sk-proj-..........................wxyz",
        "sk-***",
        "sk-proj-********************************wxyz",
        "••••",
        "sk-●●●●●●●●●●●●●●●●●●●●●●●wxyz",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AIza…wxyz",
    ],
)
def test_a_masked_key_is_refused(masked: str) -> None:
    for provider, name in NAMES.items():
        message = refusal(provider, masked)
        assert message == f"This is a masked key, as lists show it; copy the key itself where {name} shows it once."


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028"])
def test_a_space_within_is_refused(space: str) -> None:
    message = refusal("mistral", KEYS["mistral"][:16] + space + KEYS["mistral"][16:])
    assert message == "The key contains a space or a line break; paste the key alone."


@pytest.mark.parametrize("char", ["\0", "\x1b", "\x7f", "\u200b", "\u202e", "é", "К", "🔑", "\ud800"])
def test_a_character_that_no_key_has_is_refused(char: str) -> None:
    message = refusal("mistral", KEYS["mistral"][:16] + char + KEYS["mistral"][16:])
    assert message == "The key contains characters that no key has; copy it again."


def test_lengths() -> None:
    assert shape("grok", "k" * SHORTEST).key == "k" * SHORTEST
    assert shape("grok", "k" * LONGEST).key == "k" * LONGEST
    short = "The key is too short: keys have at least 20 characters. Copy the whole key."
    assert refusal("grok", "k" * (SHORTEST - 1)) == short
    long = "The key is 513 characters long; at most 512 are allowed. Paste the key alone."
    assert refusal("grok", "k" * (LONGEST + 1)) == long
    assert refusal("grok", "'" * 5_000_000) == "That is 5,000,000 characters long; paste the key of Grok alone."


@pytest.mark.parametrize(
    ("owner", "key"),
    [
        *((provider, key) for provider, key in KEYS.items() if provider != "mistral"),
        ("openai", OLD_OPENAI),
        ("openai", "sk-svcacct-" + "Zq7" * 40),
        ("google", NEW_GOOGLE),
        *ADMIN.items(),
    ],
)
def test_a_key_of_another_provider_is_refused_by_name(owner: str, key: str) -> None:
    """`sk-ant-` begins with `sk-`: the longer prefix counts."""
    for provider, name in NAMES.items():
        if provider == owner:
            assert shape(provider, key).key == key
        else:
            expected = f"This is a key of {NAMES[owner]}, not of {name}; add it to {NAMES[owner]}."
            assert refusal(provider, key) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sk_live_" + "4eC39" * 8, "a key of Stripe"),
        ("sk_test_" + "4eC39" * 8, "a key of Stripe"),
        ("rk_live_" + "4eC39" * 8, "a key of Stripe"),
        ("whsec_" + "4eC39" * 8, "a key of Stripe"),
        ("ghp_" + "Ab1" * 12, "a token of GitHub"),
        ("github_pat_" + "Ab1" * 20, "a token of GitHub"),
        ("AKIA" + "7QZ2" * 4, "a key of AWS"),
        ("xoxb-" + "123456789-" * 4, "a token of Slack"),
        ("orgtui_pat_" + "ab12" * 8, "an access token of orgtui"),
        ("gsk_" + "Ab1" * 17, "a key of Groq"),
        ("sk-or-v1-" + "ab12" * 16, "a key of OpenRouter"),
        ("hf_" + "Ab1" * 11, "a token of Hugging Face"),
        ("ya29." + "Ab1" * 40, "a sign-in token of Google, which lapses within the hour"),
        ("https://platform.openai.com/api-keys", "an address"),
    ],
)
def test_a_key_of_something_else_is_refused(text: str, what: str) -> None:
    for provider, name in NAMES.items():
        assert refusal(provider, text) == f"This is {what}, not a key of {name}."


@pytest.mark.parametrize("provider", ADMIN)
def test_an_admin_key_is_warned_of(provider: str) -> None:
    name = NAMES[provider]
    assert shape(provider, ADMIN[provider]).warnings == (
        f"This is an admin key: it manages the account at {name} and runs no models. Use an ordinary key.",
    )


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("openai", "sess-" + "Zq7" * 20),
        ("openai", "sk-" + "Zq7" * 8),
        ("anthropic", "sk-ant-oat01-" + "Wk9" * 31 + "AA"),
        ("anthropic", "sk-" + "Zq7" * 20),
        ("google", "AIza" + "Jx4Vb" * 6),
        ("google", "IQ." + "Jx4Vb" * 10),
        ("mistral", "Hy6Tn3Qw" * 5),
        ("grok", "Gp8Rd" * 16),
    ],
)
def test_an_unusual_key_is_warned_of_and_never_refused(provider: str, key: str) -> None:
    found = shape(provider, key)
    assert found.key == key
    assert found.warnings == (
        f"This does not look like the keys that {NAMES[provider]} gives out; check that it was copied whole.",
    )
