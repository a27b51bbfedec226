"""Plain pages for browsers: words, perhaps a form, all of it escaped, and nothing that is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from typing import Literal

from starlette.responses import HTMLResponse, RedirectResponse, Response

# What a browser says of a page's address elsewhere; these addresses are rights, so at most to ourselves.
Referrer = Literal["no-referrer", "same-origin"]

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#16181d;--dim:#565c68;--line:#8a909c;--tint:#f0f1f4;--key:#2348c7;
--on-key:#fff;--bad:#b3161f}
@media(prefers-color-scheme:dark){:root{--paper:#14161a;--ink:#e8eaee;--dim:#a2a9b6;--line:#747c8a;--tint:#22252b;
--key:#9db4ff;--on-key:#10131a;--bad:#ff9b96}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1.125rem/1.55 system-ui,sans-serif}
main{max-width:40rem;margin:0 auto;padding:clamp(1.5rem,8vh,6rem) 1.25rem 2rem}
h1{margin:0 0 1rem;font-size:1.75rem;line-height:1.25;overflow-wrap:anywhere}
p{margin:0 0 1rem;overflow-wrap:anywhere}
.dim{color:var(--dim);font-size:1rem}
.bad{color:var(--bad);font-weight:600}
label{display:block;margin:1.5rem 0 .375rem;font-weight:600}
input,button{font:inherit;width:100%;min-height:3rem;padding:.5rem .875rem;border-radius:.5rem}
input{border:1px solid var(--line);background:var(--paper);color:var(--ink)}
button{margin:1rem 0;border:0;background:var(--key);color:var(--on-key);font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--key);outline-offset:2px}
ol{margin:0 0 1rem;padding-left:1.5rem}
li{margin-bottom:.75rem}
code{display:block;margin-top:.25rem;padding:.5rem .75rem;border-radius:.375rem;background:var(--tint);
font:1rem/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
"""


class Markup(str):
    """HTML as it is to be sent; any other text is escaped before it becomes part of it."""

    __slots__ = ()


def line(text: str, kind: Literal["", "dim", "bad"] = "") -> Markup:
    """A paragraph."""
    role = ' role="alert"' if kind == "bad" else ""
    return Markup(f'<p class="{kind}"{role}>{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>")


def steps(*each: tuple[str, str]) -> Markup:
    """What to do, in order: words, and the command that does it."""
    items = (f"<li>{escape(words)}<code>{escape(command)}</code></li>" for words, command in each)
    return Markup(f"<ol>{''.join(items)}</ol>")


def copied(text: str) -> Markup:
    """Something to be copied as it is."""
    return Markup(f"<p><code>{escape(text)}</code></p>")


def form(label: str, name: str, value: str, *, longest: int, button: str, hidden: dict[str, str]) -> Markup:
    """One question that is sent back to where the page is."""
    kept = "".join(f'<input type="hidden" name="{escape(key)}" value="{escape(held)}">' for key, held in hidden.items())
    return Markup(
        f'<form method="post">{kept}<label for="{escape(name)}">{escape(label)}</label>'
        f'<input id="{escape(name)}" name="{escape(name)}" value="{escape(value)}" maxlength="{longest}" '
        f'autocomplete="{escape(name)}" required autofocus><button>{escape(button)}</button></form>'
    )


def page(title: str, *parts: Markup, status: int = 200, referrer: Referrer = "no-referrer") -> Response:
    """A whole page."""
    head = f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
    body = f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main>"
    text = f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}<style>{_STYLE}</style></head>'
    return HTMLResponse(f"{text}<body>{body}</body></html>", status, _headers(referrer))


def elsewhere(url: str) -> Response:
    """The way to another site, which is not told where it was come from."""
    return RedirectResponse(url, 303, _headers("no-referrer"))


def _headers(referrer: Referrer) -> dict[str, str]:
    return {
        "Content-Security-Policy": _policy(),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": referrer,
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }


@cache
def _policy() -> str:
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    ours = "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; style-src 'sha256-{style}'; {ours}"
