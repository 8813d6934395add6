"""Message templates of the sample generator, with slots for the values that vary from line to line.

A `Phrase` is compiled once ("job {id} failed after {ms}ms") and filled millions of times. It knows nothing of
services, formats or faults, and imports nothing of `core`: what tests the parser must not share code with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Slot = Callable[[Random], str]

_WORDS = ("alma", "bruno", "chen", "dara", "emil", "farah", "goran", "hana", "ines", "jonas", "kira", "luca")
_SLOT = re.compile(r"\{(\w+)\}")


def uuid4(rng: Random) -> str:
    """Return a random UUID in the shape of version 4, drawn from `rng`."""
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def hex_digits(rng: Random, n: int) -> str:
    """Return `n` random lower-case hex digits."""
    return f"{rng.getrandbits(4 * n):0{n}x}"


def email(rng: Random) -> str:
    """Return an e-mail address under a reserved domain; put together here so that no scanner takes it for real."""
    return _WORDS[int(rng.random() * 12)] + "." + _WORDS[int(rng.random() * 12)] + "@" + "mail.example"


def token(rng: Random) -> str:
    """Return something in the shape of a bearer token that opens nothing."""
    return "Bearer" + " " + "ey" + hex_digits(rng, 20) + "." + "ey" + hex_digits(rng, 32) + "." + hex_digits(rng, 24)


def address(rng: Random) -> str:
    """Return a private IPv4 address."""
    n = rng.getrandbits(16)
    return f"10.42.{n >> 8 & 31}.{n & 255 or 1}"


def _ms(rng: Random) -> str:
    return str(int(rng.lognormvariate(3.5, 0.8)) + 1)


def _small(rng: Random) -> str:
    return str(int(rng.random() * rng.random() * 90) + 1)


SLOTS: dict[str, Slot] = {
    "id": lambda rng: str(1000 + int(rng.random() * 9_000_000)),
    "n": _small,
    "ms": _ms,
    "pct": lambda rng: f"{rng.random() * 60 + 5:.1f}",
    "mb": lambda rng: str(60 + int(rng.random() * 900)),
    "bytes": lambda rng: str(int(rng.lognormvariate(8.5, 1.0))),
    "sec": lambda rng: f"{rng.random() * 9 + 0.1:.2f}",
    "hex": lambda rng: hex_digits(rng, 8),
    "sha": lambda rng: hex_digits(rng, 7),
    "uuid": uuid4,
    "ip": address,
    "port": lambda rng: str(32768 + int(rng.random() * 28000)),
    "user": lambda rng: f"u-{1000 + int(rng.random() * 900)}",
    "email": email,
    "token": token,
    "attempt": lambda rng: str(1 + int(rng.random() * 3)),
}
"""What a slot's name stands for: a draw of one value as text."""


class Phrase:
    """A compiled message template.

    Parameters
    ----------
    text
        Literal text with slots in braces: those of `SLOTS`, and ``{took}``, a duration in ms that the caller gives.
    words
        Words put in for further names in braces, once, here: they are constant text of this template.

    Raises
    ------
    KeyError
        For a name in braces that is neither in `words` nor a slot.
    """

    __slots__ = ("_parts", "text")

    def __init__(self, text: str, words: dict[str, str] | None = None) -> None:
        known = words or {}
        self.text = _SLOT.sub(lambda m: known.get(m[1], m[0]), text)
        self._parts: list[str | Slot | None] = []
        for i, piece in enumerate(_SLOT.split(self.text)):
            if i % 2:
                self._parts.append(None if piece == "took" else SLOTS[piece])
            elif piece:
                self._parts.append(piece)

    def fill(self, rng: Random, took_ms: float = 0.0) -> str:
        """Return the text with every slot drawn from `rng`, left to right."""
        return "".join(
            [p if p.__class__ is str else f"{took_ms:.0f}" if p is None else p(rng) for p in self._parts]  # type: ignore[operator]
        )
