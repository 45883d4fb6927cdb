"""One page for an evaluation: the figures, and pictures of those that are curves.

In: an :class:`~scenekeeper.evaluate.evaluation.Evaluation`. Out: one HTML file without scripts.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from scenekeeper.errors import ExportError
from scenekeeper.evaluate.evaluation import Evaluation
from scenekeeper.evaluate.rows import Row
from scenekeeper.store import atomic

_STYLE = """
:root { --ink: #1d2329; --soft: #66707a; --line: #e2e6ea; --bar: #3f7cac; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #98a3ad; --line: #333b43; --bar: #6ba8d6; --paper: #16191d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1060px; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p, ul { color: var(--soft); margin: .2rem 0 1rem; } ul { padding-left: 1.2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.5rem; } .tile span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1.2rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--line); } .curve { fill: none; stroke: var(--bar); stroke-width: 2; }
.dot { fill: var(--bar); } .even { stroke: var(--soft); stroke-dasharray: 3 3; }
.bar { fill: var(--bar); } .whisker { stroke: var(--ink); }
"""

_TILES = (
    "recall at IoU .5",
    "precision at IoU .5",
    "AP50 (mask, any name)",
    "names that are right",
    "HOTA",
    "ECE of named labels",
    "objects found",
)
_SIDE, _EDGE = 300, 38


def write_page(
    evaluation: Evaluation, path: Path, told: Sequence[str] = (), title: str = ""
) -> Path:
    """Write the page; it appears whole or not at all.

    Args:
        evaluation: what to show.
        path: the HTML file.
        told: sentences for the top, such as what was changed between two visits.
        title: headline; one that names both sides when empty.

    Raises:
        ExportError: the file cannot be written.
    """
    headline = title or f"{evaluation.labels} against {evaluation.truth}"
    body = "".join(_body(evaluation, headline, told))
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(headline)}</title><style>{_STYLE}</style><body>{body}</body></html>\n"
    )
    try:
        atomic.write_text(path, page)
    except OSError as error:
        raise ExportError(
            f"the page cannot be written ({error})", path=path, remedy="Check space and rights."
        ) from error
    return path


def _body(evaluation: Evaluation, headline: str, told: Sequence[str]) -> Iterator[str]:
    yield f"<h1>{html.escape(headline)}</h1>"
    yield f"<p>{evaluation.frames} frames. Intervals are 95 %, over clips drawn again.</p>"
    for line in evaluation.notes:
        yield f"<p>{html.escape(line)}</p>"
    if told:
        yield f"<ul>{''.join(f'<li>{html.escape(line)}' for line in told)}</ul>"
    yield "<div class=tiles>"
    rows = {r.name: r for r in evaluation.rows}
    for name in _TILES:
        if name in rows and rows[name].value is not None:
            label = html.escape(name)
            yield f"<div class=tile><b>{_figure(rows[name])}</b><span>{label}</span></div>"
    yield "</div><div class=plots>"
    yield from _plots(evaluation)
    yield "</div>"
    for section, group in groupby(evaluation.rows, key=lambda r: r.section):
        yield f"<h2>{html.escape(section)}</h2><table>"
        yield "<tr><th>figure<th class=n>value<th class=n>95 % interval<th class=n>of</tr>"
        for row in group:
            span = "" if row.low is None else f"{row.low:.3f} &ndash; {row.high:.3f}"
            yield (
                f"<tr><td>{html.escape(row.name)}<td class=n>{_figure(row)}"
                f"<td class=n>{span}<td class=n>{row.n}</tr>"
            )
        yield "</table>"
    yield from _counts(evaluation)


def _counts(evaluation: Evaluation) -> Iterator[str]:
    """How many there are of each class, folded away."""
    counts = evaluation.plots.get("counts")
    if not counts:
        return
    yield "<details><summary>Counts per class</summary><table>"
    yield "<tr><th>class<th class=n>true<th class=n>found<th class=n>frames<th class=n>exact</tr>"
    for name, c in sorted(counts.items(), key=lambda item: (-item[1]["true"], item[0])):
        cells = "".join(f"<td class=n>{c[k]}" for k in ("true", "found", "frames", "exact"))
        yield f"<tr><td>{html.escape(name)}{cells}</tr>"
    yield "</table></details>"


def _figure(row: Row) -> str:
    if row.value is None:
        return "&ndash;"
    return f"{row.value:.3f}" if abs(row.value) < 10 else f"{row.value:.1f}"


def _plots(evaluation: Evaluation) -> Iterator[str]:
    for kind in ("mask", "box"):
        curve = evaluation.plots.get(f"precision_{kind}")
        if curve:
            yield _axes(
                f"Precision over recall at IoU .5 ({kind}, any name)",
                "recall",
                f"<polyline class=curve points='{_points(curve)}'/>",
            )
            break
    if bins := evaluation.plots.get("reliability"):
        most = max(n for _, _, n in bins)
        dots = "".join(
            f"<circle class=dot cx='{_x(c):.1f}' cy='{_y(a):.1f}'"
            f" r='{2 + 7 * (n / most) ** 0.5:.1f}'>"
            f"<title>{n} labels of confidence {c:.2f}: {a:.2f} right</title></circle>"
            for c, a, n in bins
        )
        even = f"<line class=even x1='{_x(0)}' y1='{_y(0)}' x2='{_x(1)}' y2='{_y(1)}'/>"
        yield _axes("Right names over confidence (dots: labels)", "confidence", even + dots)
    causes = [r for r in evaluation.rows if r.section == "missed, by cause" and r.value is not None]
    if causes:
        yield _bars("Missed things, by cause", causes)


def _axes(title: str, across: str, inside: str) -> str:
    lines = "".join(
        f"<line class=grid x1='{_x(0)}' x2='{_x(1)}' y1='{_y(k / 4)}' y2='{_y(k / 4)}'/>"
        f"<text x='{_EDGE - 6}' y='{_y(k / 4) + 4}' text-anchor=end>{k / 4:g}</text>"
        f"<text x='{_x(k / 4)}' y='{_y(0) + 16}' text-anchor=middle>{k / 4:g}</text>"
        for k in range(5)
    )
    label = f"<text x='{_x(0.5)}' y='{_y(0) + 30}' text-anchor=middle>{across}</text>"
    return (
        f"<figure role=img aria-label='{html.escape(title, quote=True)}'>"
        f"<svg viewBox='0 0 {_SIDE} {_SIDE - 40}'>{lines}{label}{inside}</svg>"
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def _bars(title: str, rows: Sequence[Row]) -> str:
    step, left = 24, 130
    out = []
    for k, row in enumerate(rows):
        y, wide = 8 + k * step, (_SIDE - left - 20)
        name = html.escape(row.name.removeprefix("missed: "))
        value = row.value or 0.0
        out.append(
            f"<text x='{left - 8}' y='{y + 12}' text-anchor=end>{name}</text>"
            f"<rect class=bar x='{left}' y='{y}' width='{wide * value:.1f}' height=14 />"
        )
        if row.low is not None and row.high is not None:
            a, b = left + wide * row.low, left + wide * row.high
            out.append(f"<line class=whisker x1='{a:.1f}' x2='{b:.1f}' y1='{y + 7}' y2='{y + 7}'/>")
    height = 16 + step * len(rows)
    return (
        f"<figure role=img aria-label='{title}'><svg viewBox='0 0 {_SIDE} {height}'>"
        f"{''.join(out)}</svg><figcaption>{title}</figcaption></figure>"
    )


def _points(curve: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{_x(r):.1f},{_y(p):.1f}" for r, p in curve)


def _x(share: float) -> float:
    return _EDGE + share * (_SIDE - _EDGE - 12)


def _y(share: float) -> float:
    return 14 + (1 - share) * (_SIDE - 40 - 14 - _EDGE)
