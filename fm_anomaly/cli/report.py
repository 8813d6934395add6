"""The object of `scan --json` as one self-contained HTML page: no script, no network, light and dark.

Every text of a log passes `display.html`; the policy in the head forbids scripts and anything loaded, should
one ever slip through. It knows nothing of pipelines or files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from importlib import resources
from typing import Any

from fm_anomaly.cli.charts import Bars, binned, lane, series_chart, share_bar
from fm_anomaly.cli.wording import Clockface, parse_time, plural, rate, share, size, span
from fm_anomaly.core.display import html as esc

MAX_TEMPLATES = 200
_MAX_ROWS = 50
_LOWEST = {"volume_drop", "silence"}

Scan = dict[str, Any]


def html_report(scan: Scan) -> str:
    """Return the page, as one string."""
    css = resources.files("fm_anomaly.cli").joinpath("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    source = scan["source"]
    face = Clockface.of(source["zone"]["name"], source["first"], source["last"])
    sections = (
        _head(scan, face),
        _health(scan),
        *(_incident(incident, scan, face) for incident in scan["incidents"]),
        _known(scan, face),
        _digest(scan, face),
        _services(scan),
        _templates(scan, face),
        _intake(scan),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{esc(_headline(scan))}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<footer>fm-anomaly {esc(scan['tool']['version'])} · times in {esc(source['zone']['name'])} · "
        "shaded: the expected range, tinted: while the incident lasted · "
        "secrets and e-mail addresses are redacted before anything is kept</footer>\n</body>\n</html>\n"
    )


def _headline(scan: Scan) -> str:
    names = scan["source"]["names"]
    where = names[0] if len(names) == 1 else plural(len(names), "log")
    n = len(scan["incidents"])
    return f"{plural(n, 'incident') if n else 'No incident'} in {where}"


def _head(scan: Scan, face: Clockface) -> str:
    source, intake = scan["source"], scan["intake"]
    day = ""
    if source["first"]:
        first = parse_time(source["first"]).astimezone(face.zone)
        lasted = (parse_time(source["last"]) - parse_time(source["first"])).total_seconds()
        day = f"{first:%d %B %Y} · <b>{face.show(source['first'])}–{face.show(source['last'])}</b> ({span(lasted)}) · "
    body = (
        f'<header><div class="brand">fm-anomaly scan</div><h1>{esc(_headline(scan))}</h1><p class="facts">{day}'
        f"{intake['lines']:,} lines → <b>{plural(intake['records'], 'record')}</b> of "
        f"{plural(len(scan['services']), 'service')} · {plural(len(scan['templates']), 'event type')}</p></header>"
    )
    if not scan["incidents"]:
        return body + _quiet(scan)
    return body + _overview(scan, face)


def _quiet(scan: Scan) -> str:
    if not scan["intake"]["records"]:
        return '<div class="card warn">Nothing could be judged: no record was read.</div>'
    errors = sum(s["errors"] for s in scan["services"])
    return (
        '<div class="card quiet">Rates, error shares, latencies and silences of '
        f"{plural(len(scan['services']), 'service')} and {plural(len(scan['templates']), 'event type')} "
        f"stayed within what was expected of them. {plural(errors, 'error record')} seen.</div>"
    )


def _overview(scan: Scan, face: Clockface) -> str:
    source = scan["source"]
    if not source["first"] or source["first"] == source["last"]:
        return ""
    first, last = parse_time(source["first"]), parse_time(source["last"])
    whole = (last - first).total_seconds()
    rows = []
    for incident in scan["incidents"][:30]:
        ends = parse_time(incident["end"]) if incident["end"] else last
        start_s, end_s = ((at - first).total_seconds() for at in (parse_time(incident["start"]), ends))
        name = f"#{incident['number']} {', '.join(incident['services'])}"
        bar = lane(max(0.0, start_s / whole), min(1.0, end_s / whole), esc(incident["severity"]))
        rows.append(f"<span>{esc(name)}</span>{bar}")
    axis = _axis(source["first"], whole, face)
    return f'<div class="card"><div class="overview">{"".join(rows)}{axis}</div></div>'


def _axis(start: str, seconds: float, face: Clockface, n: int = 5) -> str:
    zero = parse_time(start).astimezone(face.zone)
    form = "%b %d %H:%M" if face.has_dates else "%H:%M"
    marks = "".join(f"<span>{zero + timedelta(seconds=seconds * i / (n - 1)):{form}}</span>" for i in range(n))
    return f'<div class="axis" aria-hidden="true">{marks}</div>'


def _health(scan: Scan) -> str:
    sentences = scan["intake"]["health"]
    if not sentences:
        return ""
    return f'<div class="card warn"><ul>{"".join(f"<li>{esc(s)}</li>" for s in sentences)}</ul></div>'


def _incident(incident: dict[str, Any], scan: Scan, face: Clockface) -> str:
    severity = esc(incident["severity"])
    what = "".join(f"<li>{esc(text)}</li>" for text in incident["what"])
    first_id = incident["template_ids"][0] if incident["template_ids"] else None
    target = f"t:{first_id}" if first_id else f"--of {incident['services'][0]}"
    return (
        f'<article class="card {severity}"><div class="head"><span class="number">#{incident["number"]}</span>'
        f'<span class="severity">{severity}</span><span class="services">{esc(", ".join(incident["services"]))}</span>'
        f'<span class="kind">{esc(incident["kind"].replace("_", " "))}</span>'
        f'<span class="when">{esc(face.between(incident["start"], incident["end"], incident["state"]))}</span>'
        f"<h3>{esc(incident['title'])}</h3></div>"
        f'<p class="reason">{esc(incident["reason"])}</p><ul class="what">{what}</ul>'
        f"{_figure(incident, scan, face)}{_evidence(incident)}{_alerts(incident, face)}"
        f'<p class="see"><code>fm-anomaly lines {esc(target)} --around {face.typed(incident["start"])}</code></p>'
        "</article>"
    )


def _figure(incident: dict[str, Any], scan: Scan, face: Clockface) -> str:
    series = incident["series"]
    if not series or not series["values"]:
        return ""
    lowest = incident["kind"] in _LOWEST
    bars = binned(series["values"], series["low"], series["high"], series["step_s"], lowest=lowest)
    zero = parse_time(series["start"])
    seconds = series["step_s"] * len(series["values"])
    ends = incident["end"] or scan["source"]["last"]
    during = tuple((parse_time(at) - zero).total_seconds() for at in (incident["start"], ends))
    told = [v for v in series["values"] if v is not None]
    word, most = ("lowest", min(told, default=0)) if lowest else ("peak", max(told, default=0))
    extreme = f"{word} {most:,.4g} {series['unit']}{_expected(bars)}"
    label = f"series of {len(series['values'])} values, {esc(extreme)}"
    return (
        f"<figure><figcaption><span>{esc(series['name'])}</span><span>{esc(extreme)}</span></figcaption>"
        f"{series_chart(bars, (during[0], during[1]), label)}{_axis(series['start'], seconds, face)}</figure>"
    )


def _expected(bars: Bars) -> str:
    """Return ", expected 0 to 1": the range where it is widest; "" for a series without one."""
    low, high = ([v for v in band if v is not None] for band in (bars.low, bars.high))
    return f", expected {_number(min(low))} to {_number(max(high))}" if low and high else ""


def _number(value: float) -> str:
    return "<0.1" if 0 < value < 0.1 else f"{value:,.3g}"


def _evidence(incident: dict[str, Any]) -> str:
    lines = incident["evidence"]
    if not lines:
        return ""
    first, *rest = (
        f'<pre><span class="at">{esc(e["source"])} line {e["line"]:,}</span>{_text(e["text"])}</pre>' for e in lines
    )
    if not rest:
        return first
    more = plural(len(rest), "more line", "more lines")
    return f"{first}<details><summary>{more}</summary>{''.join(rest)}</details>"


def _text(text: str) -> str:
    """Return a record's lines escaped, the line ends kept."""
    return "\n".join(esc(line) for line in text.split("\n"))


def _alerts(incident: dict[str, Any], face: Clockface) -> str:
    alerts = incident["alerts"]
    if len(alerts) < 2:
        return ""
    rows = [
        f"<td>{esc(a['severity'])}</td><td>{esc(a['service'])}</td><td>{esc(a['kind'].replace('_', ' '))}</td>"
        f'<td>{esc(a["reason"])}</td><td class="t">{esc(face.show(a["start"]))}</td>'
        for a in alerts[:_MAX_ROWS]
    ]
    table = _table(("severity", "service", "kind", "why", "since"), rows)
    joined = "; ".join(incident.get("joined", [])[:5])
    why = f'<p class="see">One matter: {esc(joined)}</p>' if joined else ""
    return f"<details><summary>{plural(len(alerts), 'alert')} of this matter</summary>{table}{why}</details>"


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table; a head that begins with # is of a column of numbers."""
    cells = "".join(f'<th class="n">{h[1:]}</th>' if h.startswith("#") else f"<th>{h}</th>" for h in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(title: str, note: str, body: str) -> str:
    return f'<section><h2>{title}<small>{note}</small></h2><div class="card">{body}</div></section>'


def _known(scan: Scan, face: Clockface) -> str:
    rows = [
        f'<td>{esc(k["service"])}</td><td class="mono">{esc(k["template"])}</td><td class="n">{k["count"]:,}</td>'
        f'<td>{esc(k["reason"])}</td><td class="t">{esc(face.show(k["first"]))}–{esc(face.show(k["last"]))}</td>'
        for k in scan["known"][:_MAX_ROWS]
    ]
    if not rows:
        return ""
    table = _table(("service", "event type", "#count", "rate", "seen"), rows)
    return _section("Known, not alerted", "errors that are as frequent as ever", table)


def _digest(scan: Scan, face: Clockface) -> str:
    rows = [
        f'<td class="t">{esc(face.show(d["start"]))}</td><td>{esc(d["service"])}</td>'
        f'<td>{esc(d["kind"].replace("_", " "))}</td><td class="mono">{esc(d["title"])}</td><td>{esc(d["reason"])}</td>'
        for d in scan["digest"][:_MAX_ROWS]
    ]
    if not rows:
        return ""
    return _section(
        "Digest", "worth a look, not worth a page", _table(("since", "service", "kind", "what", "why"), rows)
    )


def _services(scan: Scan) -> str:
    services = scan["services"]
    if not services:
        return ""
    most = max(s["records"] for s in services) or 1
    rows = [
        f'<td>{esc(s["service"])}</td><td class="n">{s["records"]:,}</td>'
        f'<td class="bar">{share_bar(s["records"] / most)}</td><td class="n">{s["errors"]:,}</td>'
        f'<td class="n">{share(s["errors"], s["records"]) if s["records"] else "–"}</td>'
        f'<td class="n">{s["templates"]:,}</td><td class="t">{span(s["learned_s"])}</td><td>{esc(s["health"])}</td>'
        for s in services[:_MAX_ROWS]
    ]
    heads = ("service", "#records", "", "#errors", "#error share", "#event types", "learned", "health")
    return _section("Services", plural(len(services), "service"), _table(heads, rows))


def _templates(scan: Scan, face: Clockface) -> str:
    ordered = sorted(scan["templates"], key=lambda t: (-t["count"], t["template_id"]))
    if not ordered:
        return ""
    most = ordered[0]["count"] or 1
    rows = [
        f'<td class="n">{t["count"]:,}</td>'
        f'<td class="bar">{share_bar(t["count"] / most, "errors" if t["errors"] else "bar")}</td>'
        f'<td class="n">{f"""<span class="err">{t["errors"]:,}</span>""" if t["errors"] else ""}</td>'
        f'<td>{esc(t["service"])}</td><td class="mono">{esc(t["template"])}</td>'
        f'<td class="t">{esc(face.show(t["first"]))}</td><td class="t">{esc(face.show(t["last"]))}</td>'
        for t in ordered[:MAX_TEMPLATES]
    ]
    table = _table(("#count", "", "#errors", "service", "event type", "first", "last"), rows)
    note = plural(len(ordered), "event type")
    if len(ordered) > MAX_TEMPLATES:
        note += f", the {MAX_TEMPLATES} most frequent shown"
    return _section("Event types", note, table)


def _intake(scan: Scan) -> str:
    source, intake = scan["source"], scan["intake"]
    total = sum(intake["formats"].values())
    formats = ", ".join(
        f"{name} {share(n, total)}" for name, n in sorted(intake["formats"].items(), key=lambda x: (-x[1], x[0]))
    )
    redacted = ", ".join(f"{n:,} {kind}" for kind, n in sorted(intake["redacted"].items())) or "nothing"
    rejected = ", ".join(f"{n:,} {why}" for why, n in sorted(intake["rejects_by_reason"].items()))
    zone = source["zone"]
    facts = {
        "Read": f"{size(source['bytes'])} of {', '.join(source['names'][:5])} in {source['elapsed_s']:.1f} s, "
        f"{rate(source['lines_per_s'])}",
        "Lines": f"{intake['lines']:,} = {intake['records']:,} records + {intake['continuations']:,} continuations + "
        f"{intake['blanks']:,} blank + {intake['rejects']:,} set aside + {intake['skipped_own']:,} our own",
        "Records": f"{intake['counted']:,} counted + {intake['late']:,} late",
        "Formats": formats or "none recognised",
        "Set aside": rejected,
        "Tracebacks": f"{intake['tracebacks']:,} joined" if intake["tracebacks"] else "",
        "Redacted": redacted,
        "Time zone": f"{zone['name']}, assumed: the log names none" if zone["assumed"] else zone["name"],
    }
    body = "".join(f"<dt>{name}</dt><dd>{esc(text)}</dd>" for name, text in facts.items() if text)
    return _section("What was read", "", f"<dl>{body}</dl>")
