"""Laws of redaction: idempotent, whole secrets gone, JSON still JSON, cuts don't show; and tables of both errors.

Every secret here is made up, and put together from parts so that no scanner takes it for a real one.
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fm_anomaly.core.redaction import RedactionParams, Redactor
from fm_anomaly.core.redaction_guard import Guard
from fm_anomaly.core.secret_tokens import TOKEN_PATTERN
from fm_anomaly.core.secret_values import STEM_PATTERN
from fm_anomaly.errors import ConfigError

ALNUM = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
B64 = ALNUM + "+/" + ALNUM

TOKENS = {
    "aws access key": ("aws_key", "AK" + "IA" + "Z5QH7TRW2LMXK3PV"),
    "aws session key": ("aws_key", "AS" + "IA" + "Z5QH7TRW2LMXK3PV"),
    "gcp api key": ("gcp_key", "AI" + "za" + ALNUM + "-_x"),
    "gcp oauth": ("gcp_key", "ya" + "29." + ALNUM),
    "github": ("github_token", "gh" + "p_" + ALNUM + "abcd"),
    "github oauth": ("github_token", "gh" + "o_" + ALNUM + "abcd"),
    "github server": ("github_token", "gh" + "s_" + ALNUM + "abcd"),
    "github fine": ("github_token", "github" + "_pat_" + ALNUM + "_" + ALNUM),
    "gitlab": ("gitlab_token", "glp" + "at-" + ALNUM[:20]),
    "slack bot": ("slack_token", "xo" + "xb-1234567890-" + ALNUM[:24]),
    "own key": ("fm_anomaly_key", "fma" + "_k5xq2r7a_" + "qvowxal2g74u63pd" * 3 + "kxba"),
    "slack hook": ("slack_token", "hooks.slack" + ".com/services/T0AAAAAAA/B0BBBBBBB/" + ALNUM[:24]),
    "stripe": ("stripe_key", "sk_" + "live_" + ALNUM[:24]),
    "stripe restricted": ("stripe_key", "rk_" + "live_" + ALNUM[:24]),
    "openai": ("llm_key", "s" + "k-" + ALNUM),
    "openai project": ("llm_key", "s" + "k-proj-" + ALNUM),
    "anthropic": ("llm_key", "s" + "k-ant-api03-" + ALNUM),
    "npm": ("npm_token", "np" + "m_" + ALNUM + "abcd"),
    "pypi": ("pypi_token", "py" + "pi-" + ALNUM + ALNUM),
    "sendgrid": ("sendgrid_key", "S" + "G." + ALNUM[:22] + "." + ALNUM + "abcdefghijk"),
    "twilio": ("twilio_key", "S" + "K" + HEX),
    "hugging face": ("huggingface_token", "h" + "f_" + ALNUM + "ab"),
    "digitalocean": ("digitalocean_token", "dop" + "_v1_" + HEX + HEX),
    "vault": ("vault_token", "hv" + "s." + ALNUM),
    "databricks": ("databricks_token", "da" + "pi" + HEX),
    "jwt": ("jwt", "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + ALNUM),
}

# A line, and the secret in it that must be gone.
SECRETS = {
    "key=value": ("login user=bob password=hun+ter%2 ok", "hun+ter%2"),
    "key: value": ("Password: hunter2", "hunter2"),
    "weak word": ("password: letmein", "letmein"),
    "camel": ("clientSecret=Zq8xv", "Zq8xv"),
    "upper": ("DB_PASSWORD=Zq8xv HOST=db", "Zq8xv"),
    "quoted": ("passwd='two words' host=db", "two words"),
    "escaped quote": (r'{"password": "a\"b\\", "n": 1}', r"a\"b"),
    "json number": ('{"secret": 90210123, "n": 1}', "90210123"),
    "json object": ('{"credentials": {"user": "a", "pin": [1, "}"]}, "n": 1}', "pin"),
    "json array": ('{"api_keys": ["Zq8xv", "Wy7"], "n": 1}', "Zq8xv"),
    "json in json": (json.dumps({"body": json.dumps({"token": 'x"y\\Zq8xv', "n": 1})}), "Zq8xv"),
    "json in json in json": (json.dumps({"a": json.dumps({"b": json.dumps({"pwd": "Zq8xv", "n": 1})})}), "Zq8xv"),
    "object in json in json": (json.dumps({"a": json.dumps({"secret": {"b": "Zq8xv"}, "n": 1})}), "Zq8xv"),
    "cut off": ('{"event": "x", "password": "Zq8x', "Zq8x"),
    "hidden word": (r'{"event": "pass\u0077ord=Zq8xv"}', "Zq8xv"),
    "hidden key": (r'{"\u0070assword": "Zq8xv"}', "Zq8xv"),
    "hidden mail": (r'{"event": "bob\u0040example.com"}', "bob"),
    "bearer": ("Authorization: Bearer Zq8xv.abc_def rest", "Zq8xv"),
    "bearer alone": ("sent bearer Zq8xv.abc_def", "Zq8xv"),
    "bearer json": ('{"authorization": "Bearer Zq8xv"}', "Zq8xv"),
    "basic": (
        "Authorization: Basic " + base64.b64encode(b"bob:Zq8xv").decode(),
        base64.b64encode(b"bob:Zq8xv").decode(),
    ),
    "basic alone": ("retry with basic " + base64.b64encode(b"bob:Zq").decode(), base64.b64encode(b"bob:Zq").decode()),
    "splunk": ("authorization: Splunk 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "0a1b2c3d"),
    "header pair": ("headers=[(b'authorization', b'Bearer Zq8xv')]", "Zq8xv"),
    "cookie": ("Cookie: sid=Zq8xv; csrf=Wy7", "Wy7"),
    "set-cookie": ('{"set-cookie": "sid=Zq8xv; Path=/; HttpOnly"}', "Zq8xv"),
    "flag": ("run --password Zq8xv --host db", "Zq8xv"),
    "flag=": ("run --api-key=Zq8xv --host db", "Zq8xv"),
    "_pass": ("smtp_pass=Zq8xv host=db ok", "Zq8xv"),
    "_PASS": ("export DB_PASS='Zq8xv' HOST=db", "Zq8xv"),
    "-pass": ("run --db-pass Zq8xv --host db", "Zq8xv"),
    "--pass": ("run --pass=Zq8xv --host db", "Zq8xv"),
    "_password still": ('{"db_password": 90210123, "n": 1}', "90210123"),
    "json pass": ('{"user": "bob", "pass": "Zq8xv", "n": 1}', "Zq8xv"),
    "json _pass": ('{"db_pass": "90210123", "n": 1}', "90210123"),
    "passphrase": ("passphrase=Zq8xv ok", "Zq8xv"),
    "creds": ("creds=bob:Zq8xv ok", "Zq8xv"),
    "sessionid": ('{"sessionid": "Zq8xv", "n": 1}', "Zq8xv"),
    "session_token": ("session_token=Zq8xv ok", "Zq8xv"),
    "aws signature": ("GET /b?X-Amz-Sign" + f"ature={HEX}&state=1", HEX),
    "xml": ("<ns:password>Zq8xv</ns:password>".replace("ns:", ""), "Zq8xv"),
    "python dict": ("cfg {'db_password': 'Zq8xv', 'n': 1}", "Zq8xv"),
    "ruby hash": (':password=>"Zq8xv", :n=>1', "Zq8xv"),
    "connection string": ("Server=db;User Id=sa;Password=Zq8xv;Database=x", "Zq8xv"),
    "query string": ("GET /cb?access_token=Zq8xv&state=1", "Zq8xv"),
    "go json": (r'{"u": "/cb?a=1\u0026access_token=Zq8xv\u0026b=2"}', "Zq8xv"),
    "aws secret": ("aws_secret_access_key = " + B64[:40], B64[:40]),
    "azure storage": ("AccountName=x;Account" + "Key=" + B64 + "Zq8xv==;End=1", B64),
    "azure sas": ("https://x.blob/y?sv=1&si" + "g=" + ALNUM + "%3D&se=2", ALNUM),
    "url": ("redis://:Zq8xv@cache:6379/0", "Zq8xv"),
    "url with @": ("postgres://app:Zq@8xv@db/x", "8xv"),
    "url with /": ("postgres://app:Zq/8xv@db/x", "8xv"),
    "url, escaped slashes": (r'{"u": "amqp:\/\/app:Zq8xv@mq\/v"}', "Zq8xv"),
    "url token": ("clone https://" + ALNUM[:24] + "@git.example.org/a.git", ALNUM[:24]),
    "dsn": ("app:Zq8xv@tcp(db:3306)/shop", "Zq8xv"),
    "mail": ("mail from alice.b+c@mail.example.co.uk.", "alice"),
    "mail in json": (r'{"event": "to:\nbob@example.com"}', "ob@example"),
    "mail in url": ("GET /u?mail=bob%40example.com", "bob"),
    "mail with letters": ("von jörg@example.de", "jörg"),
    "visa": ("card 4111111111111111 ok", "4111111111111111"),
    "visa groups": ("card 4111 1111 1111 1111", "1111 1111"),
    "mastercard": ("card=5500-0000-0000-0004", "0000"),
    "amex": ("card 378282246310005.", "378282246310005"),
    "amex groups": ("card 3782 822463 10005", "822463"),
    "cards in a list": ("cards 5500000000000004,4111111111111111;", "4111111111111111"),
    "card in json": ('{"card": 4111111111111111, "n": 1}', "4111"),
    "card after escape": (r'{"event": "a\n4111111111111111"}', "4111"),
    "pem": (
        r'{"private_key": "-----BEGIN PRIVATE '
        + r"KEY-----\n"
        + B64
        + r"\n-----END PRIVATE "
        + r'KEY-----\n", "n": 1}',
        B64,
    ),
    "pem in text": ("key -----BEGIN RSA PRIVATE " + "KEY----- " + B64 + " -----END RSA PRIVATE " + "KEY----- ok", B64),
    "pem cut off": (r'{"k": "-----BEGIN EC PRIVATE ' + r"KEY-----\n" + B64 + '"}', B64),
}

HARMLESS = [
    "id 4d1c2f0e-6a1b-4a0c-9a55-0b8e2b1f7c11 41111111-1111-4111-8111-111111111111",
    "commit 9c1f4be2a0d94e7f8b3f6a5d4c3b2a190817263f on main",
    "start 1700000000123456789 end=1700000000123456 ms 1700000000123",
    "blk_-1608999687919862906 blk_4111111111111111 size 67108864",
    '{"total_tokens": 48211, "max_tokens": 4096, "token_count": 3, "token": null, "prompt_token": 12}',
    "total_tokens=48211 tokens: 12 spend_weighted_tokens=30120.5",
    "password reset requested",
    "first_pass=ok second-pass: done tests_pass=12 n_pass=3 gc_pass=major by-pass: on low-pass: filter2 -passthrough x",
    '{"result": "pass", "n": 1} {"pass": 3, "fail": 1} ("pass", "x") ["pass", "y"] {"pass": true}',
    "sessionid:0x14f05578bd80008 sessionid = 0x14ed93111f20027 sessionid=4711 no creds: expired",
    "gateway.api.middleware - WARNING - Token validation failed: Signature has expired",
    "jwt.exceptions.InvalidTokenError: Not enough segments",
    "InvalidToken: expired",
    "password: field required",
    "GET /api/v1/cases/case-88/turns?limit=10 HTTP/1.1",
    "read /var/lib/secrets/token and /home/app/.password",
    "upgrade react@18.2.0 lodash@4.17.21 to v1.2.3-rc.4+build.5",
    "Started user@1000.service, getty@tty1.service",
    "clone git@github.com:acme/shop.git",
    "com.zaxxer.hikari.pool.HikariPool@1a2b3c4d is full",
    "basic authentication failed, bearer authentication required",
    "PWD=/usr/src/app",
    '{"event": "password", "user": "bob", "keys": ["password", "case_id"]}',
    '{"api_key": null, "secret": "", "cookie": false, "password": "***"}',
    "password=${DB_PASSWORD} token=$TOKEN secret=%s",
    "secretary: bob, tokenizer: bert, keyboard=us, broken: yes",
    '{"operation_key": "service.operation.kb_search", "metric_key": "a.b"}',
    "order_id=4111111111111111 offset: 4111111111111111",
    "card 4111111111111112",
    "price 4111.1111 1111 1111 on 2026-03-02 09:46:11 10.42.0.17:51544",
    "sk-learn task-12345678901234567890 AKIAB ghp_short",
    "connect to http://cache:6379/0 and http://[::1]:8080/x?mail=1",
    "listening on akka.tcp://sparkExecutorActorSystem@mesos-slave-07:55904",
    "@app.route decorated, thanks @bob",
    r'{"event": "caf\u00e9 \u003cb\u003e \u001b[31mred"}',
]


def redact(*lines: str, params: RedactionParams | None = None) -> list[str]:
    redactor = Redactor(params or RedactionParams())
    return list(redactor.redact(pl.Series(list(lines), dtype=pl.String)).to_list())


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize(
    "around", ["x {} y", '{{"event": "x {} y"}}', r'{{"event": "x:\n{}"}}', "({})", "k={},z=1", "\x1b[31m{}"]
)
def test_tokens_are_named_and_gone(name: str, around: str) -> None:
    """A token goes wherever it stands, with a mark that names its kind; the text around it stays."""
    kind, token = TOKENS[name]
    assert redact(around.format(token)) == [around.format(f"<redacted:{kind}>")]


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_gone(name: str) -> None:
    """No trace of the secret stays, and what comes after it does."""
    line, secret = SECRETS[name]
    assert secret in line or name.startswith("hidden")
    (got,) = redact(line)
    assert secret not in got
    assert "<redacted:" in got
    for kept in ("ok", '"n": 1}', "HOST=db", "--host db", "Database=x", "state=1"):
        if line.endswith(kept):
            assert got.endswith(kept)


@pytest.mark.parametrize("line", [line for line, _ in SECRETS.values() if line.startswith("{")] + HARMLESS[4:5])
def test_json_stays_json(line: str) -> None:
    """What was an object with so many keys still is, JSON inside strings included."""
    try:
        before = json.loads(line)
    except ValueError:
        return
    after = json.loads(redact(line)[0])
    while isinstance(before, dict):
        assert list(after)[-1:] == list(before)[-1:]
        inner = [v for v in before.values() if isinstance(v, str) and v.startswith("{")]
        same = [v for v in after.values() if isinstance(v, str) and v.startswith("{")]
        before, after = (json.loads(inner[0]), json.loads(same[0])) if inner else (None, None)


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_text_is_untouched(line: str) -> None:
    """Ids, hashes, times, counts, paths, versions and sentences are evidence, not secrets."""
    assert redact(line) == [line]


KEY_BLOCK = [
    "2026-01-01 ERROR cannot load key",
    "-----BEGIN RSA PRIVATE " + "KEY-----",
    "Proc-Type: 4,ENCRYPTED",
    "",
    B64[:64],
    "2026-01-01 INFO request 9c1f4be2a0d94e7f8b3f6a5d4c3b2a19 done",
    B64[1:65],
    "q9Zk=",
    "-----END RSA PRIVATE " + "KEY-----",
    "q9Zk is not a key",
]


def test_a_key_over_many_lines_is_gone() -> None:
    """Every line of the key becomes a mark; another writer's line in between stays."""
    got = redact(*KEY_BLOCK)
    marked = [i for i, line in enumerate(got) if line == "<redacted:private_key>"]
    assert marked == [1, 2, 4, 6, 7, 8]
    assert [got[i] for i in (0, 3, 5, 9)] == [KEY_BLOCK[i] for i in (0, 3, 5, 9)]


def test_a_key_over_many_json_lines_is_gone() -> None:
    """The same through a container's JSON log."""
    lines = [json.dumps({"log": line + "\n", "stream": "stderr"}) for line in KEY_BLOCK]
    got = redact(*lines)
    assert not any(B64[10:50] in line or "PRIVATE" in line for line in got)
    assert all(json.loads(line)["stream"] == "stderr" for line in got)


def test_an_open_key_block_is_bounded() -> None:
    """A block that never ends stops hiding lines after its bound."""
    lines = [KEY_BLOCK[1]] + ["abcdEFGH12345678"] * 10
    got = redact(*lines, params=RedactionParams(max_block_lines=4))
    assert got == ["<redacted:private_key>"] * 5 + lines[5:]


def fragments() -> st.SearchStrategy[str]:
    words = [
        *(
            "password",
            "token",
            "secret",
            "api_key",
            "Authorization",
            "cookie",
            "pwd",
            "bearer ",
            "basic ",
            "total_tokens",
        ),
        *(
            "=",
            ": ",
            ":",
            '"',
            "'",
            "\\",
            '\\"',
            "{",
            "}",
            "[",
            "]",
            ",",
            ";",
            "&",
            " ",
            "<",
            ">",
            "@",
            "/",
            "://",
            "\n",
        ),
        *(
            "-----BEGIN PRIVATE " + "KEY-----",
            "-----END PRIVATE " + "KEY-----",
            "<redacted:secret>",
            "\\u0040",
            "\\u0070",
        ),
        *(
            "bob@example.com",
            "4111111111111111",
            "4111 1111 1111 1111",
            "x",
            "7",
            "é",
            "İ",
            "null",
            "--",
            "Bearer Zq8xv123",
        ),
    ]
    tokens = [token for _, token in TOKENS.values()]
    piece = st.one_of(st.sampled_from(words), st.sampled_from(words), st.sampled_from(tokens), st.text(max_size=3))
    return st.lists(piece, max_size=14).map("".join).map(lambda s: s.encode("utf-8", "replace").decode())


@settings(max_examples=200, deadline=None)
@given(st.lists(fragments(), min_size=1, max_size=6))
@example(["password: bearer " + TOKENS["gcp oauth"][1]])
@example(["bob@example.com" + "password" * 2 + TOKENS["anthropic"][1] + "bob@example.com"])
def test_redaction_is_idempotent(lines: list[str]) -> None:
    """What is redacted once is not changed by a second time."""
    once = redact(*lines)
    assert len(once) == len(lines)
    assert redact(*once) == once


values = st.text(string.ascii_letters + string.digits + " \\\"'/{}[],:=@éß\n\t", max_size=12)
objects = st.recursive(
    st.one_of(values, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["password", "user", "token", "n", "api_key", "cookie", "x"]), inner, max_size=3
        ),
        inner.map(json.dumps),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@example({"event": [], "body": {"cookie": None, "password": None}})
@given(st.dictionaries(st.sampled_from(["event", "password", "secret_token", "body", "mail"]), objects, max_size=4))
def test_any_json_stays_json(record: dict[str, object]) -> None:
    """An object is an object with the same keys afterwards, and no secret's value survives."""
    for ascii_only in (True, False):
        after = json.loads(redact(json.dumps(record, ensure_ascii=ascii_only))[0])
        assert list(after) == list(record)
        for name in ("password", "secret_token"):
            if isinstance(record.get(name), str) and len(str(record[name]).strip(" *.x•-")) > 9:
                assert after[name].endswith(">")


def cuts(lines: list[str], step: int) -> Iterator[list[str]]:
    return (lines[i : i + step] for i in range(0, len(lines), step))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(KEY_BLOCK), fragments()), max_size=30), st.sampled_from([1, 3, 7]))
def test_cuts_do_not_show(lines: list[str], step: int) -> None:
    """However the lines come, text and counts are the same, with a snapshot and restore at every cut."""
    whole = Redactor()
    expected = whole.redact(pl.Series(lines, dtype=pl.String)).to_list()
    redactor, got = Redactor(), []
    for part in cuts(lines, step):
        series = pl.Series(part, dtype=pl.String)
        text = "".join(line + "\n" for line in part).encode()
        redacted, after = redactor.redact_block(series, text)
        assert after == "".join(line + "\n" for line in redacted).encode()
        got += redacted.to_list()
        redactor = Redactor.restore(redactor.snapshot(), RedactionParams())
    assert got == expected
    assert redactor.counts == whole.counts


@settings(max_examples=200, deadline=None)
@given(st.lists(fragments().map(lambda s: s.replace("-----BEGIN", "")), min_size=2, max_size=5))
def test_lines_are_redacted_each_by_itself(lines: list[str]) -> None:
    """Without a key block, a line's neighbours do not matter."""
    assert redact(*lines) == [redact(line)[0] for line in lines]


def test_counts_by_kind() -> None:
    """Each replacement is counted under its kind."""
    redactor = Redactor()
    redactor.redact(pl.Series(["bob@example.com ann@example.com", "password=x1 ok", "nothing"]))
    assert redactor.counts == {"email": 2, "secret": 1}


def test_addresses_only_where_asked() -> None:
    """Public addresses are evidence by default; where asked they go, private ones stay."""
    line = "from 8.8.8.8 via 10.0.0.7 and 2001:4860:4860::8888 at 12:30:45 v1.2.3.4.5 ::1"
    assert redact(line) == [line]
    asked = redact(line, params=RedactionParams(redact_ips=True))
    assert asked == ["from <redacted:ip> via 10.0.0.7 and <redacted:ip> at 12:30:45 v1.2.3.4.5 ::1"]


def test_pseudonyms_are_stable_keyed_and_everywhere_in_the_line() -> None:
    """One person is one pseudonym under one key, another under another, and is not named beside it."""
    line = '{"user_id": "u-10421", "session_id": null, "event": "x [user: u-10421]", "superuser_id": "u-2"}'
    one, two = (RedactionParams(pseudonymise=("user_id", "session_id"), pseudonym_key=bytes([k]) * 16) for k in (1, 2))
    first = json.loads(redact(line, params=one)[0])
    assert first["event"] == f"x [user: {first['user_id']}]"
    assert "10421" not in str(first)
    assert first["superuser_id"] == "u-2"
    assert redact("user_id=u-10421", params=one) == [f"user_id={first['user_id']}"]
    assert redact("user_id=u-10421", params=two) != redact("user_id=u-10421", params=one)
    assert redact(redact(line, params=one)[0], params=one) == redact(line, params=one)
    assert json.loads(redact('{"user_id": 77}', params=one)[0])["user_id"].startswith("<id:")


def test_pseudonyms_without_a_key_are_refused() -> None:
    """An unkeyed hash of an id can be looked up, so it is not offered."""
    with pytest.raises(ConfigError, match="pseudonym_key"):
        Redactor(RedactionParams(pseudonymise=("user_id",)))


def test_no_lines_are_fine() -> None:
    """An empty column comes back."""
    assert redact() == []


LITERALS = [p.replace("\\", "") for p in (STEM_PATTERN + "|" + TOKEN_PATTERN).split("|")]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_guard_of_large_batches_misses_nothing(data: st.DataObject) -> None:
    """Whatever a line is flagged for by itself, it is flagged for in a batch that is looked at block by block."""
    odd = [*(f"x{literal}y" for literal in LITERALS), *(s for _, s in TOKENS.values())]
    odd += ["a@b", "4111111111111111", "\\u0040"]
    lines = ["2026-03-02 ok " + "plain words of a line " * 8] * 800
    for row, text in data.draw(st.dictionaries(st.integers(0, 799), st.sampled_from(odd), max_size=40)).items():
        lines[row] = data.draw(st.sampled_from(["{}", "é {} z", "session_id {}"])).format(text)
    guard = Guard()
    text = "".join(line + "\n" for line in lines).encode()
    assert len(text) > 100_000
    flags = guard.flags(pl.Series(lines), text)
    seen = {line: int(guard.flags(pl.Series([line]), None)[0]) for line in set(lines)}
    assert flags.tolist() == [seen[line] for line in lines]


def test_a_raised_digit_is_no_digit() -> None:
    """What Unicode calls a digit and Python cannot count with stands before a number: nothing breaks."""
    for line in ("paid\N{SUPERSCRIPT TWO}4111 1111 1111 1111 ok", "\N{SUPERSCRIPT TWO}4111111111111111"):
        assert len(redact(line)) == 1
