"""What all commands share: options that many take, tables, JSON, progress, opening a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scenekeeper.engine import Progress
    from scenekeeper.labeling import LabelReport

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="A labelled dataset (*.sk).")]
FormatOptions = Annotated[
    list[str] | None,
    typer.Option("--option", "-O", metavar="NAME=VALUE", help="An option of the format."),
]

SHOWN_CHANGES = 5
"""So many changes a summary tells; the rest is counted."""


@contextmanager
def progress_of(as_json: bool, quiet: bool) -> Iterator[Progress]:
    """The display that suits who watches; an interrupt says that the work is kept."""
    from scenekeeper import engine

    if quiet:
        shown = engine.no_progress()
    elif as_json:
        shown = engine.json_progress()
    else:
        shown = engine.rich_progress() if sys.stderr.isatty() else engine.plain_progress()
    try:
        with shown as progress:
            yield progress
    except KeyboardInterrupt:
        print("stopped; the same command continues from here", file=sys.stderr)
        raise typer.Exit(130) from None


def named_value(text: str) -> tuple[str, Any]:
    """``fps=15`` as a name and a value: JSON where it is JSON, else text."""
    name, given, value = text.partition("=")
    if not given:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def print_json(value: Any) -> None:
    """For machines."""
    print(json.dumps(value, indent=1))


def print_table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Columns as wide as their widest cell."""
    cells = [head, *[tuple(str(c) for c in row) for row in rows]]
    width = [max(len(row[k]) for row in cells) for k in range(len(head))]
    for row in cells:
        print("  ".join(c.ljust(w) for c, w in zip(row, width, strict=True)).rstrip())


def print_label(report: LabelReport) -> None:
    """What labelling one session came to, and what had changed when it came."""
    speed = f", {report.frames_per_second:.1f} frames/s" if report.frames_per_second else ""
    print(
        f"{report.session}: {report.frames} frames, {report.instances} instances,"
        f" {report.tracks} tracks, {report.objects} objects in {report.seconds:.1f} s{speed}"
    )
    if not report.done:
        print("  everything was labelled already")
    elif report.bottleneck:
        print(f"  bottleneck: {report.bottleneck}; resumed {report.kept}, did {report.done} pieces")
    for line in report.changes[: SHOWN_CHANGES + 1]:
        print(f"  {line}")
    if len(report.changes) > SHOWN_CHANGES + 1:
        print(f"  and {len(report.changes) - SHOWN_CHANGES - 1} more: scenekeeper world diff")
    for stage, clip, reason in report.failures:
        print(f"  failed: clip {clip}, {stage}: {reason.splitlines()[-1]}")


def open_page(page: Path, wanted: bool | None, as_json: bool) -> None:
    """Show a page in the browser; unless told, only to who sits at a terminal."""
    if wanted is False or (wanted is None and (as_json or not sys.stdout.isatty())):
        return
    import webbrowser

    webbrowser.open(page.resolve().as_uri())
