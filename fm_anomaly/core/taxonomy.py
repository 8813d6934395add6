"""The taxonomy: what sort of thing an error is, by rules that anybody can read, then by a small classifier.

Thirteen classes. A rule is a phrase that programs use for one thing; the first that fits decides, and says which it
was. Where none fits, a linear classifier trained on phrases of our own gives a class with a probability, or
`unknown` where that is low. Knows messages and exception types, not clusters; needs numpy alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.error_terms import plain_words
from fm_anomaly.errors import ModelError

STATE_VERSION = 1
MIN_PROBABILITY = 0.5
"""Below it the classifier's word is `unknown`."""


class ErrorKind(StrEnum):
    """The classes."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not found"
    VALIDATION = "validation"
    RESOURCE = "resource exhausted"
    RATE_LIMIT = "rate limit"
    DATA = "data"
    CONFIGURATION = "configuration"
    DEPENDENCY = "dependency"
    BUG = "bug"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Classified:
    """A class, its probability in [0, 1] (1 where a rule decided), and what decided: the phrase, or "classifier"."""

    kind: ErrorKind
    probability: float
    by: str


# In this order: the more particular first ("connection timed out" is a timeout, "quota exceeded" no validation).
_RULES: tuple[tuple[ErrorKind, str], ...] = (
    (
        ErrorKind.RATE_LIMIT,
        r"too ?many ?requests|rate.?limit|throttl|\b429\b|slow ?down",
    ),
    (
        ErrorKind.RESOURCE,
        r"out ?of ?memory|\boom\b|oom.?kill|no space left|disk (?:is |was )?full|too many open files"
        r"|heap space|enospc|emfile"
        r"|(?:pool|quota|limit|memory|capacity|buffers?|descriptors?|handles?)"
        r" (?:is |was |has been )?(?:exhausted|exceeded)"
        r"|resource ?exhausted|cannot allocate|unable to (?:allocate|create new native thread)|memoryerror"
        r"|stackoverflow|queue (?:is )?full|insufficient (?:memory|storage|space|resources)|mailbox full"
        r"|image too big",
    ),
    (
        ErrorKind.TIMEOUT,
        r"time[ds]?.?out|deadline.?(?:exceeded|expired)|took too long|not respond(?:ing|ed)? (?:in|within)",
    ),
    (
        ErrorKind.AUTHENTICATION,
        r"authenticat|unauthori[sz]ed|\b401\b"
        r"|(?:invalid|bad|wrong|incorrect|expired) (?:\w+ )?(?:credentials?|password|token|login)"
        r"|(?:token|signature|session|certificate|password|credentials?) (?:has |is |was )?(?:expired|revoked|rejected)"
        r"|login (?:failed|refused|incorrect)|expiredsignature|invalid user|failed password|handshake fail",
    ),
    (
        ErrorKind.PERMISSION,
        r"permission ?denied|access ?(?:is )?denied|forbidden|\b403\b"
        r"|not (?:authori[sz]ed|permitted|allowed) to|eacces|eperm|operation not permitted"
        r"|insufficient (?:privilege|permission|rights)|read-only file ?system|unsafe repository",
    ),
    (
        ErrorKind.CONNECTION,
        r"connection (?:was |is |has been )?(?:refused|reset|closed|aborted|lost|dropped|terminated|broken|failed)"
        r"|econn|broken pipe|unreachable|no route to host|(?:could|can) ?not (?:connect|reach)"
        r"|unable to connect|failed to connect|connection ?(?:error|exception)|connectexception"
        r"|noroutetohost|unknown ?host|name resolution|getaddrinfo"
        r"|(?:link|socket|stream|channel) (?:has been |was |is )?(?:severed|closed|down)|lost connection"
        r"|disconnected|no brokers|error contacting|in contacting|network is down|unable to access",
    ),
    (
        ErrorKind.DEPENDENCY,
        r"no module named|modulenotfound|importerror|cannot load such file|could not resolve depend"
        r"|unresolved depend|unable to find package|no matching (?:distribution|package)"
        r"|could not find (?:gem|artifact|a version|compatible)|class ?not ?found|noclassdeffound"
        r"|unsupportedclassversion|version conflict|incompatible version|\b50[234]\b|bad gateway"
        r"|service ?unavailable|upstream|circuit ?breaker|overloaded|internal server error",
    ),
    (
        ErrorKind.CONFIGURATION,
        r"(?:mis|not |un)configured|configuration (?:error|file|is|invalid|missing)"
        r"|invalid (?:config|setting|option)"
        r"|(?:environment variable|setting|option|property) .{0,40}(?:not set|missing|unknown|undefined|required)"
        r"|unknown (?:option|setting|directive|argument|flag)|could not find a package configuration",
    ),
    (
        ErrorKind.DATA,
        r"corrupt|checksum|crc|duplicate (?:key|entry)|constraint|integrity|deadlock|parity|ecc\b|truncated"
        r"|unexpected end of|(?:could|can) ?not (?:parse|decode|deserialize)"
        r"|(?:parse|decode|syntax|encoding|json|unicode)\w*error|malformed"
        r"|(?:column|table|relation|schema) \S+ (?:does not|doesn't) exist|bad message header"
        r"|out of range value",
    ),
    (
        ErrorKind.NOT_FOUND,
        r"not ?found|no such (?:file|\w+)|does not exist|doesn't exist|cannot find (?!symbol)|could not find"
        r"|\b404\b|enoent|missing (?:file|object|record|key in)"
        r"|unknown (?:container|id|topic|table|database)|nosuch|lookup failed",
    ),
    (
        ErrorKind.VALIDATION,
        r"validation|\b4(?:00|22)\b|bad request|unprocessable"
        r"|invalid (?:argument|value|input|parameter|format|request|literal)|illegalargument|is required"
        r"|must (?:be|have|not)|should not be|out of (?:range|bounds for)|rejected|too (?:long|short|large)"
        r"|unsupported (?:type|format|media)|line is too long|missing semicolon|offenses?",
    ),
    (
        ErrorKind.BUG,
        r"null ?pointer|nullreference|nil pointer|is not a function|undefined|keyerror|typeerror"
        r"|attributeerror|indexerror|nameerror|zerodivision|division by zero|index ?out ?of ?bounds|assert"
        r"|panic|segmentation fault|segfault|sigsegv|not ?implemented|cannot find symbol|mismatched types"
        r"|incompatible types|data race|stack trace|illegalstate|core dump|unhandled|uncaught|failed test"
        r"|tests? failed|not declared|trap|interrupt|internal error",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _RULES)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def by_rules(message: str, exc_type: str = "") -> Classified | None:
    """Return what the rules say, None where none fits. The exception's type is asked before the message.

    >>> by_rules("could not connect to cache: Connection refused")
    Classified(kind=<ErrorKind.CONNECTION: 'connection'>, probability=1.0, by='could not connect')
    """
    for text in (exc_type, message):
        spelled = f"{text} {_CAMEL.sub(' ', text)}" if text is exc_type and text else text
        for kind, pattern in _COMPILED:
            found = pattern.search(spelled)
            if found is not None:
                return Classified(kind, 1.0, found[0].lower())
    return None


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Rules and the fitted classifier: a weight for each word of the vocabulary and class.

    `temperature` divides the scores, so that of a hundred answers with probability .8 some eighty are right.
    """

    kinds: tuple[ErrorKind, ...]
    column: Mapping[str, int] = field(repr=False)
    weight: npt.NDArray[np.float64] = field(repr=False)
    bias: npt.NDArray[np.float64] = field(repr=False)
    temperature: float = 1.0

    def classify(self, message: str, exc_type: str = "") -> Classified:
        """Return the class of an error. Cost: about 30 µs."""
        found = by_rules(message, exc_type)
        if found is not None:
            return found
        probability = self.probabilities([f"{exc_type} {message}"])[0]
        best = int(probability.argmax())
        if probability[best] < MIN_PROBABILITY:
            return Classified(ErrorKind.UNKNOWN, float(probability[best]), "classifier")
        return Classified(self.kinds[best], float(probability[best]), "classifier")

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the classifier's probabilities, one row a text, without rules."""
        score = np.tile(self.bias, (len(texts), 1))
        for row, text in enumerate(texts):
            columns = [at for feature in features(text) if (at := self.column.get(feature)) is not None]
            if columns:
                score[row] += self.weight[:, columns].sum(axis=1) / np.sqrt(len(columns))
        score = (score - score.max(axis=1, keepdims=True)) / self.temperature
        odds: npt.NDArray[np.float64] = np.exp(score)
        shares: npt.NDArray[np.float64] = np.round(odds / odds.sum(axis=1, keepdims=True), 9)
        return shares

    def to_state(self) -> dict[str, Any]:
        """Return the taxonomy's classifier as plain values and arrays."""
        return {
            "version": STATE_VERSION,
            "kinds": [str(each) for each in self.kinds],
            "words": list(self.column),
            "weight": self.weight,
            "bias": self.bias,
            "temperature": self.temperature,
        }

    @classmethod
    def from_state(cls, state: object) -> Taxonomy:
        """Return the taxonomy of a state. Raises ModelError where it is of another version or none."""
        if not isinstance(state, Mapping) or state.get("version") != STATE_VERSION:
            raise ModelError("taxonomy of another version: install fm-anomaly again")
        return cls(
            kinds=tuple(ErrorKind(each) for each in state["kinds"]),
            column={word: at for at, word in enumerate(state["words"])},
            weight=np.asarray(state["weight"], dtype=np.float64),
            bias=np.asarray(state["bias"], dtype=np.float64),
            temperature=float(state["temperature"]),
        )


def features(text: str) -> list[str]:
    """Return what the classifier looks at: distinct stems of words, those of compound names apart.

    >>> features("HeartbeatLost: the node's lease is stale")
    ['heart', 'lost', 'node', 'lease', 'stale']
    """
    words = (word.lower() for part in plain_words(text) for word in _CAMEL.split(part))
    return list(dict.fromkeys(word[:5] for word in words if len(word) > 1 and word not in _SMALL))


_SMALL = frozenset(
    [
        "the",
        "of",
        "to",
        "in",
        "is",
        "was",
        "and",
        "an",
        "it",
        "its",
        "this",
        "that",
        "for",
        "on",
        "with",
        "from",
        "be",
        "has",
        "are",
        "by",
        "at",
        "were",
        "one",
        "two",
        "only",
        "other",
        "than",
        "more",
        "after",
        "before",
        "as",
        "but",
        "or",
        "so",
    ]
)
