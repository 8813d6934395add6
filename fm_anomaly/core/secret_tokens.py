"""Secrets that give themselves away by their form: vendors' keys and tokens, JWTs, URL passwords, key blocks.

`TOKENS` is a table, one row a form: easy to extend. Each function takes one line and a counter by kind and
returns the line with `<redacted:kind>` in place. Everything is driven by a literal's position and matches
from there with bounded patterns, so a line costs time in proportion to its length. This module must not know
key names (see `secret_values`), columns or state.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

Counts = dict[str, int]


def mark(kind: str, counts: Counts) -> str:
    """Return the text that stands for a secret of `kind`, and count it."""
    counts[kind] = counts.get(kind, 0) + 1
    return f"<redacted:{kind}>"


@dataclass(frozen=True, slots=True)
class TokenForm:
    """A token that starts with `literal` and matches `pattern` there; group 1, if any, is kept."""

    literal: str
    kind: str
    pattern: re.Pattern[str]


def _forms(kind: str, literals: Iterable[str], tail: str) -> list[TokenForm]:
    end = r"(?![A-Za-z0-9])"
    return [TokenForm(lit, kind, re.compile(re.escape(lit) + tail + end, re.ASCII)) for lit in literals]


TOKENS: tuple[TokenForm, ...] = (
    *_forms("aws_key", ("AKIA", "ASIA"), r"[A-Z0-9]{16}"),
    *_forms("gcp_key", ("AIza",), r"[\w-]{35}"),
    *_forms("gcp_key", ("ya29.",), r"[\w.-]{20,2000}"),
    *_forms("gcp_key", ("GOCSPX-",), r"[\w-]{20,64}"),
    *_forms("azure_key", ("AccountKey=", "SharedAccessKey="), r"[A-Za-z0-9+/%]{20,200}={0,2}"),
    *_forms("azure_key", ("sig=",), r"[A-Za-z0-9+/%_-]{20,200}={0,2}"),
    *_forms("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"[A-Za-z0-9]{30,255}"),
    *_forms("github_token", ("github_pat_",), r"\w{22,255}"),
    *_forms("gitlab_token", ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-"), r"[\w.-]{20,255}"),
    *_forms("slack_token", ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe."), r"[\w.-]{10,400}"),
    *_forms("slack_token", ("hooks.slack.com/",), r"(?:services|workflows|triggers)/[\w/]{20,200}"),
    *_forms("stripe_key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_"), r"[A-Za-z0-9]{16,255}"),
    *_forms("stripe_key", ("whsec_",), r"[A-Za-z0-9+/]{24,128}={0,2}"),
    *_forms("llm_key", ("sk-",), r"(?=[A-Za-z_-]{0,60}[0-9])[\w-]{20,255}"),
    # a key of our own (storage.keys)
    *_forms("fm_anomaly_key", ("fma_",), r"[a-z2-7]{8}_[a-z2-7]{52}"),
    *_forms("npm_token", ("npm_",), r"[A-Za-z0-9]{36}"),
    *_forms("pypi_token", ("pypi-",), r"[\w-]{40,400}"),
    *_forms("sendgrid_key", ("SG.",), r"[\w-]{16,64}\.[\w-]{16,128}"),
    *_forms("twilio_key", ("SK",), r"[0-9a-f]{32}"),
    *_forms("huggingface_token", ("hf_",), r"[A-Za-z0-9]{30,64}"),
    *_forms("digitalocean_token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"[0-9a-f]{64}"),
    *_forms("shopify_token", ("shpat_", "shpss_", "shpca_"), r"[0-9a-fA-F]{32}"),
    *_forms("vault_token", ("hvs.", "hvb."), r"[\w-]{24,300}"),
    *_forms("databricks_token", ("dapi",), r"[0-9a-f]{32}(?:-\d)?"),
    *_forms("grafana_token", ("glsa_", "glc_"), r"[\w+/=]{30,400}"),
    *_forms("atlassian_token", ("ATATT3",), r"[\w=-]{60,400}"),
    *_forms("age_key", ("AGE-SECRET-KEY-1",), r"[A-Z0-9]{40,80}"),
    *_forms("jwt", ("eyJ",), r"[\w-]{8,8000}\.[\w-]{4,8000}(?:\.[\w-]{0,8000}){0,3}"),
)

_ESCAPE_END = re.compile(r"(?:\\[nrtbf]|\\u[0-9A-Fa-f]{4}|\[[\d;]{0,12}m)\Z")


def at_boundary(text: str, at: int) -> bool:
    """Whether a word may start at `at`: no letter or digit before it, escapes (\\n, colours) set apart."""
    if at == 0:
        return True
    before = text[at - 1]
    if not (before.isalnum() or before == "_"):
        return True
    return _ESCAPE_END.search(text[max(0, at - 14) : at]) is not None


TOKEN_PATTERN = "|".join(re.escape(form.literal).replace("\\-", "-") for form in TOKENS if len(form.literal) > 2)
"""Finds the literals of `TOKENS`, the short one apart; plain literals only, at most 64, see `secret_values`."""
_LITERAL = re.compile(TOKEN_PATTERN)


def literals_in(text: str) -> list[str]:
    """Return the literals of `TOKENS` in `text`; the same as matching `TOKEN_PATTERN` over a column."""
    return _LITERAL.findall(text)


def redact_tokens(text: str, counts: Counts, literals: list[str]) -> str:
    """Redact what `TOKENS` lists; `literals` are those in `text` (see `literals_in`)."""
    for literal in dict.fromkeys(literals):
        text = each(text, literal, _REPLACE[literal](counts))
    return each(text, "SK", _REPLACE["SK"](counts)) if _TWILIO.search(text) else text


_TWILIO = re.compile(r"SK[0-9a-f]{32}")


Replace = Callable[[str, int], tuple[int, int, str] | None]
"""Given a line and a literal's position: what to put in place of which span; None for nothing."""


def each(text: str, literal: str, replace: Replace, searched: str | None = None) -> str:
    """Apply `replace` at each place of `literal`, left to right, never inside what was replaced.

    The literal is looked for in `searched`: `text` itself, or its lower case of the same length.
    """
    searched = text if searched is None else searched
    out: list[str] = []
    done = 0
    at = searched.find(literal)
    while at >= 0:
        found = replace(text, at) if at >= done else None
        after = at + len(literal)
        if found is not None and found[0] >= done:
            start, end, new = found
            out.append(text[done:start])
            out.append(new)
            done = end
            after = max(after, end)
        at = searched.find(literal, after)
    if not out:
        return text
    out.append(text[done:])
    return "".join(out)


def _token_at(form: TokenForm, counts: Counts) -> Replace:
    keep = len(form.literal) if form.literal.endswith("=") else 0

    def replace(text: str, at: int) -> tuple[int, int, str] | None:
        match = form.pattern.match(text, at) if at_boundary(text, at) else None
        return (at + keep, match.end(), mark(form.kind, counts)) if match is not None else None

    return replace


_REPLACE = {form.literal: partial(_token_at, form) for form in TOKENS}

# Passwords in URLs and DSNs ---------------------------------------------------------------------------------

_USER = r":(?:\\?/){2}[^\s:/?#@\"'<>\\]{0,64}:"
_URL_FORMS = (
    re.compile(_USER + r"([^\s\"'<>\\/?#]{1,256})@"),
    re.compile(_USER + r"(?!\d{1,5}[/?#])([^\s\"'<>\\@]{1,256})@"),
    re.compile(r":(?:\\?/){2}(?=[^\s:/?#@\"'<>\\]{0,255}\d)([^\s:/?#@\"'<>\\]{20,256})@"),
)
_DSN_BEFORE = re.compile(r"[\w.-]{1,64}:([^\s\"'<>:/]{1,128})\Z")


def redact_urls(text: str, counts: Counts) -> str:
    """Redact the password of `scheme://user:password@host` and of `user:password@tcp(host)`."""

    def replace(text: str, at: int) -> tuple[int, int, str] | None:
        span = _dsn_span(text, at) if text.startswith(("tcp(", "unix("), at + 1) else _url_span(text, at)
        return (*span, mark("password", counts)) if span is not None else None

    return each(text, "@", replace)


def _url_span(text: str, at: int) -> tuple[int, int] | None:
    first = max(0, at - 330)
    start = max(text.rfind("://", first, at), text.rfind(":\\/\\/", first, at))
    if start < 0:
        return None
    for form in _URL_FORMS:
        match = form.match(text, start)
        if match is not None:
            return match.span(1)
    return None


def _dsn_span(text: str, at: int) -> tuple[int, int] | None:
    start = max(0, at - 194)
    match = _DSN_BEFORE.search(text[start:at])
    return (start + match.start(1), at) if match is not None else None


# E-mail addresses -------------------------------------------------------------------------------------------

_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}([A-Za-z]{2,24})(?![\w(-])", re.ASCII)
# What stands after an @ and a dot without being a domain: systemd units, files, names inside a cluster.
_NO_DOMAIN = frozenset(
    re.findall(
        r"\w+",
        "service socket timer mount target slice scope device path so jar js ts py rb go java local localdomain lan"
        " internal svc",
    )
)
_NO_MAILBOX = frozenset(["git"])


def redact_emails(text: str, counts: Counts) -> str:
    """Redact e-mail addresses, `%40` for @ included."""
    text = _redact_emails_at("@", text, counts)
    return _redact_emails_at("%40", text, counts) if "%40" in text else text


def _redact_emails_at(at_sign: str, text: str, counts: Counts) -> str:
    """Go from right to left: whether a domain ends where it must depends on what stands after it in the end."""
    out: list[str] = []
    upto = len(text)
    at = text.rfind(at_sign)
    while at >= 0:
        domain = _DOMAIN.match(text, at + len(at_sign), upto)
        start = _mailbox_start(text, at) if domain is not None and domain[1].lower() not in _NO_DOMAIN else at
        if domain is not None and start < at and text[start:at] not in _NO_MAILBOX:
            out.append(text[domain.end() : upto])
            out.append(mark("email", counts))
            upto = start
        at = text.rfind(at_sign, 0, min(at, upto))
    if not out:
        return text
    out.append(text[:upto])
    return "".join(reversed(out))


_MAILBOX_CHARS = string.ascii_letters + string.digits + "._%+-"
_ESCAPE = re.compile(r"u[0-9A-Fa-f]{4}|[nrtbf]")


def _mailbox_start(text: str, at: int) -> int:
    first = max(0, at - 64)
    start = first + len(text[first:at].rstrip(_MAILBOX_CHARS))
    while start > first and text[start - 1].isalnum():  # letters beyond ASCII
        start = first + len(text[first : start - 1].rstrip(_MAILBOX_CHARS))
    if start > 0 and text[start - 1] == "\\":
        escape = _ESCAPE.match(text, start, at)
        start = escape.end() if escape is not None else start
    while start < at and text[start] in ".%+-":
        start += 1
    return start


# Card numbers -----------------------------------------------------------------------------------------------

_CARD_BODY = (
    r"(?:^|[^0-9])(?:"
    r"(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2}|35[2-8][0-9])"
    r"(?:[0-9]{12}|(?:-[0-9]{4}){3}|(?: [0-9]{4}){3})"
    r"|3[47][0-9]{2}(?:[0-9]{11}|-[0-9]{6}-[0-9]{5}| [0-9]{6} [0-9]{5}))"
)
CARD_PATTERN = _CARD_BODY + r"(?-u:\b)"
"""Issuer prefix and length (ISO/IEC 7812): Visa, Mastercard, Discover, UnionPay, JCB; then American Express.

With the character before, where there is one: that keeps Rust's automaton small (20 times faster than without).
"""
_CARD = re.compile(_CARD_BODY + r"(?![0-9A-Za-z_])")
_CARD_END = re.compile(r"[0-9A-Za-z_-]|\.[0-9]")
# Keys whose numbers are ids, times or sizes, however they look.
_NO_CARD_KEYS = (
    *("id", "ids", "ts", "time", "timestamp", "epoch", "nanos", "seq", "sequence", "offset", "block"),
    *("version", "count", "total", "size", "bytes"),
)


def cards_in(text: str) -> list[str]:
    """Return what looks like a card number, and the character before; as matching `CARD_PATTERN` over a column."""
    return _CARD.findall(text)


def redact_cards(text: str, counts: Counts, numbers: list[str]) -> str:
    """Redact the `numbers` (see `cards_in`) that stand alone and pass the Luhn sum."""

    def replace(text: str, at: int) -> tuple[int, int, str] | None:
        end = at + len(number)
        before = text[max(0, at - 40) : at]
        if before[-1:] in _NO_CARD_BEFORE or not at_boundary(text, at) or _CARD_END.match(text, end):
            return None
        if _names_no_card(before):
            return None
        quote = _quote_for_number(text, at, end)
        return at, end, quote + mark("card", counts) + quote

    for number in dict.fromkeys(found if found[0] in _DOUBLED else found[1:] for found in numbers):
        if _luhn(number):
            text = each(text, number, replace)
    return text


_NO_CARD_BEFORE = frozenset("./#+-")


def _names_no_card(before: str) -> bool:
    """Whether the text before a number is a key such as `order_id=` or `"ts": `."""
    key = before.rstrip(" \t\"'\\")
    return key.endswith((":", "=")) and key[:-1].rstrip(" \t\"'\\").lower().endswith(_NO_CARD_KEYS)


_NO_GROUPS = {ord(" "): None, ord("-"): None}
_DOUBLED = {str(d): sum(divmod(2 * d, 10)) for d in range(10)}


def _luhn(number: str) -> bool:
    digits = number.translate(_NO_GROUPS)
    return (sum(map(int, digits[::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


_KEY_BEFORE = re.compile(r"(\\{0,15}\")\s{0,3}:\s{0,3}\Z")
_QUOTE = re.compile(r"\\.|\"")


def _quote_for_number(text: str, start: int, end: int) -> str:
    """Return the quotes that a JSON number's replacement needs; "" inside a string or in plain text."""
    if text[:1] not in "{[" or text[end : end + 1] not in ("", ",", "}", "]", " "):
        return ""
    key = _KEY_BEFORE.search(text[max(0, start - 24) : start])
    if key is not None:
        return key[1]
    inside = sum(1 for m in _QUOTE.finditer(text, 0, start) if m[0] == '"') % 2
    return "" if inside else '"'
