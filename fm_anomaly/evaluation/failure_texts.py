"""Labelled failure texts of generated projects: what `categorize --input` is held against in the tests.

A project is a stack of tools with its own words; each text is one failure as its tool reports it, between lines of a
build that tell nothing. Seeded; imports nothing of `core`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from random import Random

from fm_anomaly.evaluation.phrases import hex_digits, uuid4

_SYLLABLES = [
    "ba",
    "cor",
    "del",
    "fin",
    "gra",
    "hol",
    "jun",
    "kel",
    "lum",
    "mar",
    "nor",
    "pel",
    "quo",
    "ras",
    "sil",
    "tov",
]
_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_NOISE = (
    "$ {word} --version", "Setting environment variables", "cache: restored {n} MB in {sec}s", "Already up to date.",
    "section_end:{hex}", "Using worker: runner-{n}", "Done. The job exited with 1.", "Uploading logs",
    "{n} packages are looking for funding", "DEBUG {word}: {word} took {n} ms",
)  # fmt: skip
_DETAILS = ("    %", "  {word}: %", "{Word}({n}) %", "# %", "    '{word}' => '%',", "{word}.{word} = %")


@dataclass(frozen=True, slots=True)
class FailureText:
    """One failure as a tool reports it, and the kind that it is."""

    id: str
    text: str
    category: str


@dataclass(frozen=True, slots=True)
class Project:
    """The failures of one project, in the order in which they came."""

    name: str
    texts: tuple[FailureText, ...]


Kinds = tuple[tuple[str, str], ...]
"""Pairs of a category's name and its text with slots."""


@lru_cache(maxsize=1)
def tools() -> dict[str, Kinds]:
    """Return the kinds of failure of each stack of tools; those of "runner" may befall any."""
    text = files("fm_anomaly.evaluation").joinpath("failure_tools.txt").read_text(encoding="utf-8")
    out: dict[str, Kinds] = {}
    for block in text.split("\n=== ")[1:]:
        stack, *kinds = block.split("\n--- ")
        out[stack] = tuple((name, shape.rstrip("\n")) for name, _, shape in (each.partition("\n") for each in kinds))
    return out


def stacks() -> tuple[str, ...]:
    """Return the names of the stacks of tools."""
    return tuple(each for each in tools() if each != "runner")


def projects(seed: int, of: Sequence[str] | None = None) -> Iterator[Project]:
    """Yield one project a stack, with 8 to 60 failures each."""
    for stack in of or stacks():
        yield project(Random(f"failures/{seed}/{stack}"), stack)


def project(rng: Random, stack: str) -> Project:
    """Draw a project: its words, which kinds of failure befall it and how often."""
    words = ["".join(rng.sample(_SYLLABLES, rng.choice((2, 3)))) for _ in range(60)]
    name = rng.choice(words)
    kinds = [*tools()[stack], *rng.sample(tools()["runner"], rng.randrange(3))]
    kinds = rng.sample(kinds, max(2, round(len(kinds) * rng.uniform(0.6, 1.0))))
    weights = [1 / (at + 1) ** 0.8 for at in range(len(kinds))]
    n_texts = rng.choice((8, 12, 20, 35, 60))
    is_noisy, is_wordy = rng.random() < 0.5, rng.random() < 0.5
    drawn = [*kinds, *rng.choices(kinds, weights, k=max(0, n_texts - len(kinds)))]
    rng.shuffle(drawn)
    texts = []
    for number, (category, shape) in enumerate(drawn):
        lines = list(_lines(rng, shape, words, name))
        if is_wordy:
            lines = _with_details(rng, lines, words, name)
        if is_noisy:
            lines = [*_noise(rng, words, name), *lines, *_noise(rng, words, name)]
        texts.append(FailureText(f"{name}-{number}", "\n".join(lines), category))
    return Project(f"{stack}/{name}", tuple(texts))


def _lines(rng: Random, shape: str, words: list[str], name: str) -> Iterator[str]:
    repeated: list[str] = []
    n_times = rng.choice((1, 1, 1, 2, 3, 6))
    for line in [*shape.split("\n"), ""]:
        if line.startswith("* "):
            repeated.append(line[2:])
            continue
        for _ in range(n_times if repeated else 0):
            yield from (_filled(rng, each, words, name) for each in repeated)
        repeated = []
        if line:
            yield _filled(rng, line, words, name)


def _with_details(rng: Random, lines: list[str], words: list[str], name: str) -> list[str]:
    """Return `lines` with what a failing program printed itself in between: no two failures share its words."""
    out = list(lines)
    for _ in range(rng.randrange(5)):
        told = " ".join(rng.choice(words) for _ in range(rng.randrange(2, 9)))
        at = rng.randrange(1, len(out)) if len(out) > 1 else 0
        out.insert(at, _filled(rng, rng.choice(_DETAILS), words, name).replace("%", told))
    return out


def _noise(rng: Random, words: list[str], name: str) -> list[str]:
    return [_filled(rng, rng.choice(_NOISE), words, name) for _ in range(rng.randrange(6))]


def _filled(rng: Random, line: str, words: list[str], name: str) -> str:
    def draw(match: re.Match[str]) -> str:
        slot = match[1]
        if slot is None:
            return match[0][0]
        if slot == "project":
            return name
        return rng.choice(words) if slot == "word" else _value(rng, slot, words)

    return _SLOT.sub(draw, line)


def _value(rng: Random, slot: str, words: list[str]) -> str:
    if slot == "Word":
        return rng.choice(words).capitalize()
    return _VALUES[slot](rng)


_VALUES: dict[str, Callable[[Random], str]] = {
    "n": lambda rng: str(int(rng.paretovariate(0.5)) % 9000 + 1),
    "code": lambda rng: str(rng.randrange(100, 9999)),
    "sec": lambda rng: f"{rng.random() * 90:.2f}",
    "ver": lambda rng: f"{rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(20)}",
    "hex": lambda rng: "0x" + hex_digits(rng, 12),
    "uuid": uuid4,
    "date": lambda rng: f"2026-03-{rng.randrange(10, 28)} 0{rng.randrange(9)}:{rng.randrange(10, 59)}:11",
    "clock": lambda rng: f"00:0{rng.randrange(9)}:{rng.randrange(10, 59)}.{rng.randrange(10, 99)}",
}
