"""Two logs of one build, a good run and a bad one, for `diff`: small, and with the lines that explain the failure.

Timings, ids, order of tests and a harmless warning differ in both runs; what explains the bad one is told in
`ci.truth.json`. Seeded; imports nothing of `core`.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from fm_anomaly.evaluation.phrases import hex_digits
from fm_anomaly.evaluation.truth import iso_from_us

_PACKAGES = (
    *("alembic", "anyio", "attrs", "certifi", "click", "fastapi", "httpx", "jinja2", "numpy", "orjson", "pydantic"),
    *("redis", "sqlalchemy", "starlette", "structlog", "typer", "uvicorn"),
)
_MODULES = ("accounts", "cart", "checkout", "coupons", "invoices", "mailer", "orders", "payments", "refunds", "search")
_CASES = ("creates", "deletes", "expires", "lists_pages", "rejects_unknown", "rounds_totals", "sends_mail", "updates")
_START_US = 1_772_442_000_000_000  # 2 March 2026, 09:00

Entry = tuple[str, bool]
"""A line without its time, and whether it explains the failure."""


def write_ci_logs(seed: int, out_dir: Path) -> dict[str, object]:
    """Write good.log, bad.log and ci.truth.json into `out_dir` (made if absent), and return what the last one holds.

    ``lines`` are the 1-based numbers of the lines of bad.log that explain the failure.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    good = _run(Random(f"ci/{seed}/good"), is_bad=False)
    bad = _run(Random(f"ci/{seed}/bad"), is_bad=True)
    _write(out_dir / "good.log", good, Random(f"ci/{seed}/good-times"), _START_US)
    _write(out_dir / "bad.log", bad, Random(f"ci/{seed}/bad-times"), _START_US + 7_423_000_000)
    truth: dict[str, object] = {
        "schema": "fm-anomaly/ci-truth/1",
        "seed": seed,
        "before": "good.log",
        "after": "bad.log",
        "lines": [i for i, (_, is_cause) in enumerate(bad, 1) if is_cause],
        "description": "a migration is not applied: column orders.voucher_id does not exist, three tests fail",
    }
    text = json.dumps(truth, indent=1, ensure_ascii=False) + "\n"
    (out_dir / "ci.truth.json").write_text(text, encoding="utf-8", newline="\n")
    return truth


def _write(path: Path, entries: list[Entry], rng: Random, start_us: int) -> None:
    us, lines = start_us, []
    for text, _ in entries:
        us += int(rng.expovariate(1 / 120_000))
        lines.append(f"{iso_from_us(us)} {text}\n")
    path.write_bytes("".join(lines).encode())


def _run(rng: Random, *, is_bad: bool) -> list[Entry]:
    calm = [*_setup(rng), *_migrations(rng)]
    if is_bad:
        at = len(calm) - 1
        calm[at:at] = [("[migrate] WARNING revision 7f3c skipped: lock timeout after 30s", True)]
    return [*calm, *_tests(rng, is_bad=is_bad), *_end(rng, is_bad=is_bad)]


def _plain(*texts: str) -> list[Entry]:
    return [(text, False) for text in texts]


def _setup(rng: Random) -> list[Entry]:
    out = _plain(
        f"[runner] job {rng.randrange(10_000, 99_999)} on node ci-{rng.randrange(1, 30)}, attempt 1",
        f"[git] checkout {hex_digits(rng, 40)} of branch main",
        f"[git] {rng.randrange(900, 990)} files in {rng.random() * 3 + 1:.2f}s",
        f"[cache] restored key deps-{hex_digits(rng, 8)} ({rng.randrange(80, 140)} MB)",
    )
    for package in _PACKAGES:
        out += _plain(f"[deps] {package} {rng.randrange(1, 4)}.{rng.randrange(30)}.{rng.randrange(9)} is already there")
        if rng.random() < 0.25:
            size = rng.randrange(40, 900)
            out += _plain(f"[deps] downloading {package} wheel, {size} kB in {rng.random():.2f}s")
    out += _plain("[deps] WARNING package typer asks for a newer rich, ignored")
    for module in rng.sample(_MODULES, len(_MODULES)):
        out += _plain(f"[types] shop/{module}.py checked in {rng.randrange(20, 400)}ms")
    return out


def _migrations(rng: Random) -> list[Entry]:
    out = _plain(f"[migrate] connected to postgres://ci@127.0.0.1:{rng.randrange(30_000, 60_000)}/shop")
    for revision in ("1a2b", "4c5d", "5e6f"):
        out += _plain(f"[migrate] applied {revision} in {rng.randrange(5, 90)}ms")
    return [*out, *_plain("[migrate] schema is up to date")]


def _tests(rng: Random, *, is_bad: bool) -> list[Entry]:
    tests = [(m, c) for m in _MODULES for c in _CASES]
    rng.shuffle(tests)
    broken = ("orders", "coupons", "checkout") if is_bad else ()
    out: list[Entry] = []
    for module, case in tests:
        name = f"tests/test_{module}.py::test_{case}"
        if module in broken and case == "creates":
            out += _failure(rng, name, module)
            continue
        out += _plain(f"[test] {name} PASSED in {rng.randrange(2, 900)}ms")
        if rng.random() < 0.03:
            out += _plain(f"[test] slow: {name} took {rng.random() * 3 + 1:.1f}s")
        if rng.random() < 0.04:
            out += _plain(f"[app] WARNING connection pool exhausted, waited {rng.randrange(20, 90)}ms")
    return out


def _failure(rng: Random, name: str, module: str) -> list[Entry]:
    texts = (
        f"[test] {name} FAILED in {rng.randrange(2, 900)}ms",
        "Traceback (most recent call last):",
        f'  File "/ci/shop/{module}.py", line {rng.randrange(40, 300)}, in create',
        "    return self.session.execute(statement).scalar_one()",
        "sqlalchemy.exc.ProgrammingError: column orders.voucher_id does not exist",
    )
    return [(text, True) for text in texts]


def _end(rng: Random, *, is_bad: bool) -> list[Entry]:
    n_tests, took = len(_MODULES) * len(_CASES), f"{rng.random() * 30 + 40:.1f}s"
    if is_bad:
        return [
            (f"[test] 3 failed, {n_tests - 3} passed in {took}", True),
            ("[runner] step test ended with exit code 1", True),
            *_plain("[cache] nothing saved", "[runner] job is over"),
        ]
    return _plain(
        f"[test] {n_tests} passed in {took}",
        f"[package] built shop-2.{rng.randrange(20)}.0-py3-none-any.whl, {rng.randrange(200, 400)} kB",
        f"[cache] saved key deps-{hex_digits(rng, 8)}",
        "[runner] job is over",
    )
