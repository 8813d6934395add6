"""Plots of frames and results, for notebooks: volumes, incidents, one series with its band, categories, a backtest.

Each function draws into one matplotlib figure and returns it. Labels are texts of logs, shown as they stand. matplotlib
comes with the extra ``notebooks`` and is imported when something is drawn. This module reads no store and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fm_anomaly.core.display import clip

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from fm_anomaly.core.categories import CategoryModel, DistinctError
    from fm_anomaly.evaluation.backtest import Outcome

SEVERITY_COLORS = {"low": "#1c7c8c", "medium": "#b8690b", "high": "#c92a2a", "critical": "#7a0f33"}
_INK, _SOFT, _BAND = "#1d2125", "#8a9299", "#3f7cac"
_WIDE = (11.0, 3.4)


def volume(counts: pd.DataFrame) -> Figure:
    """Draw records by service, and below them errors; `counts` as `StoreFrames.counts` gives them."""
    figure, (upper, lower) = _figure(2, height=4.6, sharex=True)
    for column, axes in (("count", upper), ("errors", lower)):
        table = counts.pivot_table(index="start", columns="service", values=column, aggfunc="sum").fillna(0)
        axes.stackplot(table.index, table.to_numpy().T, labels=list(table.columns), alpha=0.85)
        axes.set_ylabel("records" if column == "count" else "errors")
    upper.legend(loc="upper left", ncols=4, frameon=False, fontsize=9)
    return figure


def lanes(incidents: pd.DataFrame) -> Figure:
    """Draw when each incident was, a lane a service, coloured by severity; numbers are those of the list."""
    services = sorted({service for names in incidents["services"] for service in names})
    figure, (axes,) = _figure(1, height=0.6 + 0.5 * max(len(services), 1))
    end = incidents["end"].fillna(incidents["start"].max())
    for n, (row, until) in enumerate(zip(incidents.itertuples(), end, strict=True), start=1):
        for service in row.services:
            at, width = row.start, max(until - row.start, _minute())
            axes.barh(services.index(service), width, left=at, height=0.55, color=SEVERITY_COLORS[str(row.severity)])
        axes.annotate(str(n), (row.start, services.index(row.services[0]) + 0.3), fontsize=8, color=_INK)
    axes.set_yticks(range(len(services)), services)
    return figure


def series(
    frame: pd.DataFrame, *, since: Any, until: Any, title: str, markers: Sequence[tuple[Any, str]] = ()
) -> Figure:
    """Draw one series with the band that was usual before.

    Parameters
    ----------
    frame
        Columns `start`, `value`, `low`, `high`, as `StoreFrames.series` gives them.
    since, until
        The span of the incident, shaded.
    markers
        (time, title) of deploys and changes.
    """
    figure, (axes,) = _figure(1)
    axes.axvspan(since, until, color="#d9480f", alpha=0.10, lw=0)
    axes.fill_between(frame["start"], frame["low"], frame["high"], color=_BAND, alpha=0.22, lw=0, label="usual before")
    axes.plot(frame["start"], frame["value"], color=SEVERITY_COLORS["high"], lw=1.4)
    for at, text in markers:
        axes.axvline(at, color=_BAND, lw=1)
        axes.annotate(text, (at, 1), xycoords=("data", "axes fraction"), fontsize=8, va="top")
    axes.set_ylim(bottom=0)
    axes.set_title(clip(title, 90), loc="left", fontsize=11)
    if frame["high"].notna().any():
        axes.legend(frameon=False, fontsize=9)
    return figure


def templates(frame: pd.DataFrame, n: int = 15) -> Figure:
    """Draw the most frequent templates, errors in red; `frame` as `StoreFrames.templates` gives it."""
    top = frame.nlargest(n, "count").iloc[::-1]
    figure, (axes,) = _figure(1, height=0.6 + 0.28 * max(len(top), 1))
    names = [clip(f"{row.service}  {row.template}", 80) for row in top.itertuples()]
    axes.barh(names, top["count"], color="#8fa3b5")
    axes.barh(names, top["errors"], color=SEVERITY_COLORS["high"])
    axes.set_xscale("log")
    axes.set_xlabel("records (log scale)")
    axes.tick_params(axis="y", labelsize=8)
    return figure


def category_map(model: CategoryModel, errors: Sequence[DistinctError]) -> Figure:
    """Draw distinct errors in the plane where alike ones are near, coloured by category, sized by count."""
    from sklearn.decomposition import TruncatedSVD

    from fm_anomaly.core.category_model import terms_of_errors

    figure, (axes,) = _figure(1, height=5.0)
    vectors = model.weights.vectors(terms_of_errors(errors))
    plane = (
        TruncatedSVD(2, random_state=0).fit_transform(vectors)
        if len(errors) > 2
        else [[n, 0.0] for n in range(len(errors))]
    )
    by_id = {category.category_id: n for n, category in enumerate(model.categories)}
    found = [each.category.category_id if each.category else "" for each in model.predict(errors)]
    for (x, y), error, category_id in zip(plane, errors, found, strict=True):
        color = f"C{by_id[category_id] % 10}" if category_id in by_id else _SOFT
        axes.scatter(x, y, s=18 + 6 * error.count**0.5, color=color, alpha=0.75, lw=0)
    for n, category in enumerate(model.categories[:10]):
        axes.scatter([], [], color=f"C{n % 10}", label=clip(f"{category.count:,} × {category.name}", 70))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return figure


def sensitivities(outcomes: Sequence[Outcome]) -> Figure:
    """Draw alerts a day at each sensitivity and, where a truth is known, what part was found."""
    figure, (axes,) = _figure(1, height=2.8)
    names = [f"{o.name}\n{o.false_alarms_per_series_day:g} a series-day" for o in outcomes]
    axes.bar(names, [len(o.incidents) / o.days for o in outcomes], color="#8fa3b5", width=0.5)
    axes.set_ylabel("incidents a day")
    judged = [o.judged for o in outcomes]
    if all(judged):
        other = axes.twinx()
        other.plot(names, [j.recall for j in judged if j is not None], "o-", color=SEVERITY_COLORS["high"])
        other.set_ylim(0, 1.05)
        other.set_ylabel("recall")
    return figure


def _figure(n: int, height: float = _WIDE[1], **options: Any) -> tuple[Figure, Sequence[Any]]:
    """Return a figure of `n` axes below each other, in the look of all of them."""
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axes = plt.subplots(n, 1, figsize=(_WIDE[0], height), layout="constrained", **options)
    every = list(np.atleast_1d(axes))
    for each in every:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(axis="y", color="#e2dfd8", lw=0.6)
        each.set_axisbelow(True)
    plt.close(figure)  # shown as the value of its cell, not a second time by the backend
    return figure, every


def _minute() -> Any:
    import pandas as pd

    return pd.Timedelta(minutes=3)
