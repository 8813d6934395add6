"""The object of `scan --json` as lines for a terminal: the head, one card an incident, what is known.

Takes plain values and returns `rich` Text, never markup; every text of a log passes `display` first. It
knows nothing of pipelines, files or options.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from fm_anomaly.cli.wording import Clockface, clipped, parse_time, plural, rate, share, span, sparkline
from fm_anomaly.core.display import terminal

MAX_CARDS = 8
_MAX_KNOWN = 5
_MAX_DIGEST = 3
_TIME_COLUMN = 62
_MAX_TIME_COLUMN = 96
_LABEL = "dim"
_STYLE = {"critical": "bold white on red", "high": "bold red", "medium": "bold yellow", "low": "bold cyan"}
_LOWEST = {"volume_drop", "silence"}

Scan = dict[str, Any]


def scan_lines(scan: Scan, *, show_all: bool = False, verbose: bool = False) -> Iterator[Text]:
    """Yield the lines of a whole scan: head, incidents (folded beyond eight), what is known, the digest.

    `verbose` adds the evidence of each incident: its first line and up to two more.
    """
    yield from head_lines(scan)
    yield Text()
    incidents = scan["incidents"]
    if not incidents:
        yield from _nothing_found(scan)
    else:
        yield Text(plural(len(incidents), "INCIDENT", "INCIDENTS"), style="bold")
    shown = incidents if show_all else incidents[:MAX_CARDS]
    face, short = face_of(scan), short_ids([t["template_id"] for t in scan["templates"]])
    for incident in shown:
        yield from incident_lines(incident, face, short, column=_time_column(shown), verbose=verbose)
    if len(shown) < len(incidents):
        yield _folded(incidents[len(shown) :])
    yield from _known_lines(scan)


def head_lines(scan: Scan, verb: str = "scan") -> Iterator[Text]:
    """Yield what was read: size and span, formats, templates, and each warning of the intake."""
    source, intake, face = scan["source"], scan["intake"], face_of(scan)
    when = f"{face.show(source['first'])}–{face.show(source['last'])}" if source["first"] else "no time told"
    speed = f"{source['elapsed_s']:.1f} s ({rate(source['lines_per_s'])})"
    numbers = f"{intake['lines']:,} lines → {plural(intake['records'], 'record')}"
    yield Text.assemble((f"{verb} ", _LABEL), (_names(source["names"]), "bold"), f"   {numbers}   {when}   {speed}")
    yield _row("format", " · ".join(_format_facts(scan)))
    yield _row("templates", " · ".join(_template_facts(scan)))
    for sentence in intake["health"]:
        yield Text.assemble(("health     ", _LABEL), (terminal(sentence), "yellow"))


def incident_lines(
    incident: dict[str, Any],
    face: Clockface,
    short: dict[str, str],
    *,
    column: int = _TIME_COLUMN,
    verbose: bool = False,
) -> Iterator[Text]:
    """Yield one incident as a card of about six lines; its time stands at `column`."""
    severity = incident["severity"]
    title = _title(incident)
    title.truncate(column - 2, overflow="ellipsis", pad=True)
    title.append(f"  {face.between(incident['start'], incident['end'], incident['state'])}", style=_LABEL)
    yield title
    yield from _labelled("what", [text for text in incident["what"] if text != incident["title"]])
    yield from _labelled("why", [incident["reason"]])
    if category := incident.get("category"):
        yield from _labelled("kind", [f"{category['name']} ({category['category_id']})"])
    if verbose:
        yield from _labelled("line", [_evidence(e) for e in incident["evidence"]])
    if series := incident["series"]:
        bars = sparkline(series["values"], lowest=incident["kind"] in _LOWEST)
        yield Text.assemble(("   rate  ", _LABEL), (bars, _STYLE[severity].removeprefix("bold ")))
    yield Text.assemble(("   see   ", _LABEL), _see(incident, face, short))


def _title(incident: dict[str, Any]) -> Text:
    severity = incident["severity"]
    services = incident["services"]
    more = f" +{len(services) - 3}" if len(services) > 3 else ""
    return Text.assemble(
        (f"#{incident['number']} ", "bold"),
        (severity.upper(), _STYLE[severity]),
        (f"  {terminal(', '.join(services[:3]))}{more}", "bold cyan"),
        (f"  {incident['kind'].replace('_', ' ').upper()}", "bold"),
        f"  {terminal(clipped(incident['title'], 72))}",
    )


def _time_column(incidents: Sequence[dict[str, Any]]) -> int:
    """Return where the times stand, the same for all cards: behind the longest title, within bounds."""
    longest = max((_title(incident).cell_len for incident in incidents), default=0)
    return min(max(longest + 2, _TIME_COLUMN), _MAX_TIME_COLUMN)


def is_timeless(intake: dict[str, Any]) -> bool:
    """Whether most records tell no time, so that rates, shares and silences say nothing."""
    return bool(intake.get("timeless", 0) > 0.5 * intake["records"])


def timeless_sentence(intake: dict[str, Any]) -> str:
    """Return how many records tell no time."""
    return f"{intake['timeless']:,} of {plural(intake['records'], 'record')} tell no time"


def face_of(scan: Scan) -> Clockface:
    """Return how the times of this scan are written."""
    source = scan["source"]
    return Clockface.of(source["zone"]["name"], source["first"], source["last"])


def short_ids(ids: Sequence[str], at_least: int = 6) -> dict[str, str]:
    """Return the shortest unique prefix of each id, of six characters or more.

    >>> short_ids(["abcdefgh", "abcdefzz", "qqqqqqqq"])
    {'abcdefgh': 'abcdefg', 'abcdefzz': 'abcdefz', 'qqqqqqqq': 'qqqqqq'}
    """
    ordered = sorted(set(ids))
    out: dict[str, str] = {}
    for i, text in enumerate(ordered):
        beside = [ordered[j] for j in (i - 1, i + 1) if 0 <= j < len(ordered)]
        n = at_least
        while n < len(text) and any(other.startswith(text[:n]) for other in beside):
            n += 1
        out[text] = text[:n]
    return {text: out[text] for text in ids}


def _row(label: str, text: str) -> Text:
    return Text.assemble((f"{label:<11}", _LABEL), terminal(text))


def _labelled(label: str, texts: Sequence[str]) -> Iterator[Text]:
    for i, text in enumerate(texts):
        yield Text.assemble((f"   {label if i == 0 else '':<6}", _LABEL), terminal(text))


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return terminal(", ".join(names[:3])) + more


def _format_facts(scan: Scan) -> Iterator[str]:
    intake, zone = scan["intake"], scan["source"]["zone"]
    total = sum(intake["formats"].values())
    by_size = sorted(intake["formats"].items(), key=lambda item: (-item[1], item[0]))
    for i, (name, n) in enumerate(by_size[:4]):
        if i == 0 or n >= 0.01 * total:
            yield f"{name} {share(n, total)}"
    if not by_size:
        yield "none recognised"
    if intake["tracebacks"]:
        yield f"{plural(intake['tracebacks'], 'traceback')} joined"
    if intake["rejects"]:
        yield f"{plural(intake['rejects'], 'line')} set aside"
    if intake["truncated"]:
        yield f"{plural(intake['truncated'], 'line')} cut"
    if intake["late"]:
        yield f"{plural(intake['late'], 'record')} late"
    if zone["assumed"]:
        yield f"no zone in file, {zone['name']} assumed (--tz)"


def _template_facts(scan: Scan) -> Iterator[str]:
    types = len(scan["exception_types"])
    yield f"{len(scan['templates']):,}" + (f" + {plural(types, 'exception type')}" if types else "")
    sick = [f"{s['service']}: {s['health']}" for s in scan["services"] if s["health"] != "good"]
    yield f"health {'good' if not sick else '; '.join(sick[:3])}"
    names = [s["service"] for s in scan["services"]]
    if names:
        listed = f"{', '.join(names[:6])}{f' and {len(names) - 6:,} more' if len(names) > 6 else ''}"
        yield f"{'service' if len(names) == 1 else 'services'} {listed}"
    redacted = scan["intake"]["redacted"]
    mails = redacted.get("email", 0)
    yield f"redacted {plural(sum(redacted.values()) - mails, 'secret')}, {plural(mails, 'e-mail')}"


def _nothing_found(scan: Scan) -> Iterator[Text]:
    source, intake = scan["source"], scan["intake"]
    yield Text("NO INCIDENT", style="bold green")
    if not intake["records"]:
        yield Text("   nothing could be judged: no record was read (fm-anomaly doctor says why)")
        return
    if is_timeless(intake):
        yield Text(f"   nothing could be judged over time: {timeless_sentence(intake)}")
        yield Text("   compare it with one of a good run: fm-anomaly diff good.log bad.log")
        return
    errors = sum(s["errors"] for s in scan["services"])
    lasted = (
        span((parse_time(source["last"]) - parse_time(source["first"])).total_seconds()) if source["first"] else "?"
    )
    services = plural(len(scan["services"]), "service")
    types = plural(len(scan["templates"]), "event type")
    yield Text(f"   looked at {services} over {lasted}: {types}, {plural(errors, 'error record')},")
    yield Text("   their rates, error shares, latencies and silences; none left what was expected of it")


def _folded(rest: Sequence[dict[str, Any]]) -> Text:
    severities = Counter(i["severity"] for i in rest)
    named = ", ".join(f"{severities[s]} {s}" for s in _STYLE if severities[s])
    services = Counter(s for i in rest for s in i["services"])
    most = ", ".join(f"{terminal(name)} {n}" for name, n in sorted(services.items(), key=lambda x: (-x[1], x[0]))[:4])
    return Text.assemble((f"+ {len(rest):,} MORE", "bold"), f"  {named} · {most}  ", ("(--all shows them)", _LABEL))


def _evidence(evidence: dict[str, Any]) -> str:
    return f"{evidence['source']}:{evidence['line']}  {clipped(evidence['text'], 160)}"


def _see(incident: dict[str, Any], face: Clockface, short: dict[str, str]) -> str:
    around = f"--around {face.typed(incident['start'])}"
    if incident["template_ids"]:
        first = incident["template_ids"][0]
        return f"fm-anomaly lines t:{short.get(first, first)} {around}"
    return terminal(f"fm-anomaly lines --of {incident['services'][0]} {around}")


def _known_lines(scan: Scan) -> Iterator[Text]:
    for label, entries, limit, show in (
        ("KNOWN, NOT ALERTED  ", scan["known"], _MAX_KNOWN, _known),
        ("DIGEST, NOT ALERTED ", scan["digest"], _MAX_DIGEST, _noted),
    ):
        for i, entry in enumerate(entries[:limit]):
            yield Text.assemble((label if i == 0 else " " * len(label), "bold" if i == 0 else ""), show(entry))
        if len(entries) > limit:
            yield Text(f"{'':<{len(label)}}and {len(entries) - limit:,} more (--json has all)", style=_LABEL)


def _known(entry: dict[str, Any]) -> str:
    template = clipped(entry["template"], 72)
    return terminal(f'{entry["service"]} "{template}"  {entry["count"]:,} ×, {entry["reason"]}')


def _noted(entry: dict[str, Any]) -> str:
    kind = entry["kind"].replace("_", " ")
    return terminal(f'{entry["service"]} {kind} "{clipped(entry["title"], 56)}"  {entry["reason"]}')
