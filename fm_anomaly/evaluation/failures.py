"""Failures of the sample generator: an error's message, its exception class and its traceback, in Python or Java.

Draws from a vocabulary's dependencies and bugs. It knows nothing of formats (a traceback is given as text of many
lines; a format may put it into one field) and nothing of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fm_anomaly.evaluation.phrases import Phrase
from fm_anomaly.evaluation.vocabulary import Bug, Dependency, Vocabulary


@dataclass(frozen=True, slots=True)
class Frame:
    """One stack frame; `code` is its source line (Python only)."""

    file: str
    line: int
    function: str
    code: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail.

    `text` is what the exception says, `intro` what the log message puts before it. `client` is the dependency's client
    module or the failing module, `target` the dependency's name.
    """

    text: Phrase
    intro: str
    error_type: str
    frames: tuple[Frame, ...]
    language: str
    operation: str
    client: str
    target: str
    status: int

    def traceback(self, message: str) -> str:
        """Return the traceback of this failure with `message`: lines joined by newlines, none at the end."""
        if self.language == "java":
            at = [f"\tat {f.function}({f.file}:{f.line})" for f in self.frames]
            cause = f"Caused by: {self.error_type}: {message}"
            return "\n".join(
                [f"java.lang.RuntimeException: {self.operation} failed", *at[1:], cause, at[0], "\t... 14 more"]
            )
        stack = [f'  File "{f.file}", line {f.line}, in {f.function}\n    {f.code}' for f in self.frames]
        return "\n".join(["Traceback (most recent call last):", *stack, f"{self.error_type}: {message}"])


def words_for(rng: Random, vocabulary: Vocabulary) -> dict[str, str]:
    """Return words for the names of the message shapes: two different nouns and one deed."""
    noun, other = rng.sample(vocabulary.nouns, 2)
    base, past, gerund = rng.choice(vocabulary.deeds)
    return {
        "noun": noun,
        "nouns": plural(noun),
        "Noun": noun.capitalize(),
        "other": other,
        "others": plural(other),
        "base": base,
        "past": past,
        "gerund": gerund,
    }


def plural(noun: str) -> str:
    """Return the plural of a vocabulary's noun.

    >>> [plural(n) for n in ("order", "address", "hypothesis", "gateway", "query")]
    ['orders', 'addresses', 'hypotheses', 'gateways', 'queries']
    """
    if noun.endswith("sis"):
        return noun[:-2] + "es"
    if noun.endswith("ss"):
        return noun + "es"
    return noun[:-1] + "ies" if noun[-1] == "y" and noun[-2] not in "aeiou" else noun + "s"


def dependency_failure(
    rng: Random, vocabulary: Vocabulary, service: str, language: str, dependency: Dependency
) -> Failure:
    """Draw how `service` fails when `dependency` is down."""
    words = {**words_for(rng, vocabulary), "host": dependency.host, "port": str(dependency.port)}
    operation = f"{rng.choice(('get', 'load', 'save', 'fetch', 'publish'))}_{words['noun']}"
    return Failure(
        text=Phrase(rng.choice(dependency.failures), words),
        intro=rng.choice(("", "", f"{operation} failed: ")),
        error_type=dependency.java_error if language == "java" else dependency.python_error,
        frames=_frames(rng, vocabulary.package, service, language, dependency.client, operation),
        language=language,
        operation=operation,
        client=dependency.client,
        target=dependency.name,
        status=rng.choice((500, 503, 504)),
    )


def bug_failure(rng: Random, vocabulary: Vocabulary, service: str, language: str, bug: Bug) -> Failure:
    """Draw how `service` fails by a `bug` of its own."""
    words = words_for(rng, vocabulary)
    operation = f"{words['base']}_{words['noun']}"
    module = f"{words['noun']}_rules"
    return Failure(
        text=Phrase(bug.message, words),
        intro=rng.choice((f"{operation} failed: ", f"unhandled error in {operation}: ", f"{words['noun']} dropped: ")),
        error_type=bug.java_error if language == "java" else bug.python_error,
        frames=_frames(rng, vocabulary.package, service, language, module, operation),
        language=language,
        operation=operation,
        client=module,
        target=service,
        status=500,
    )


def caller_failure(rng: Random, vocabulary: Vocabulary, service: str, language: str, root: str) -> Failure:
    """Draw how `service` fails because the service `root`, which it calls, does."""
    words = words_for(rng, vocabulary)
    shapes = (
        "{root} answered 503 for {noun} {id}",
        "call to {root} failed after {ms} ms: 500 Internal Server Error",
        "cannot {base} {noun} {id}: upstream {root} unavailable",
    )
    operation = f"call_{root.replace('-', '_')}"
    return Failure(
        text=Phrase(rng.choice(shapes), {**words, "root": root}),
        intro="",
        error_type="java.io.IOException" if language == "java" else f"{vocabulary.package}.errors.UpstreamError",
        frames=_frames(rng, vocabulary.package, service, language, "http_client", operation),
        language=language,
        operation=operation,
        client="http_client",
        target=root,
        status=rng.choice((502, 503)),
    )


def _frames(rng: Random, package: str, service: str, language: str, module: str, function: str) -> tuple[Frame, ...]:
    part = service.replace("-", "_")
    if language == "java":
        camel = "".join(w.capitalize() for w in part.split("_"))
        names = ("".join(w.capitalize() for w in module.split("_")), f"{camel}Service", f"{camel}Controller")
        inner = "".join(w.capitalize() if i else w for i, w in enumerate(function.split("_")))
        functions = (inner, "handle", "dispatch")
        return tuple(
            Frame(f"{n}.java", rng.randrange(30, 420), f"com.{package}.{part}.{n}.{f}", "")
            for n, f in zip(names, functions, strict=True)
        )
    deep = (
        Frame(
            f"/app/{package}/{part}/api.py", rng.randrange(40, 200), "dispatch", "response = await call_next(request)"
        ),
        Frame(
            f"/app/{package}/{part}/service.py", rng.randrange(60, 400), "handle", f"return await self.{function}(item)"
        ),
        Frame(
            f"/app/{package}/infrastructure/{module}.py",
            rng.randrange(30, 300),
            function,
            "return await self._send(payload)",
        ),
    )
    library = Frame(
        "/usr/local/lib/python3.11/site-packages/anyio/_core/_tasks.py", rng.randrange(20, 120), "__exit__", "raise exc"
    )
    kept = deep[rng.randrange(3) :]
    return (*kept, library) if rng.random() < 0.3 else kept
