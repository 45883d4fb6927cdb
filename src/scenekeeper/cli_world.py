"""The commands of the world: parse, call a verb, print. No logic."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenekeeper.printing import (
    DatasetPath,
    FormatOptions,
    Json,
    Quiet,
    named_value,
    open_page,
    print_json,
    print_label,
    print_table,
    progress_of,
)

if TYPE_CHECKING:
    from scenekeeper.world.difference import Difference
    from scenekeeper.world.query import Answer

WIDTH = 150
"""Of tables that go to no terminal."""

app = typer.Typer(
    help="""The world: what is where, how sure, since when, and what has changed.

    \b
    scenekeeper world show lab.sk --html world.html     what is believed
    scenekeeper world query lab.sk "the white mug"      where it is
    scenekeeper world diff lab.sk                       what the last visit changed
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Place = Annotated[
    int | None, typer.Option(min=0, help="Which map, where sessions do not fit together.")
]


@app.command()
def show(
    dataset: DatasetPath,
    tree: Annotated[bool, typer.Option("--tree", help="As a tree of what is on what.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a page: plan, 3D view, pictures.")
    ] = None,
    rerun: Annotated[
        Path | None, typer.Option(metavar="OUT.rrd", help="Write it for the Rerun viewer.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Believe at this moment: now, a date, or +8h after the last visit."
        ),
    ] = None,
    place: Place = None,
    all: Annotated[
        bool, typer.Option("--all", help="With what is not believed to be there.")
    ] = False,
    json: Json = False,
) -> None:
    """What is believed of the world: things with belief, position, age and place.

    \b
    scenekeeper world show lab.sk
    scenekeeper world show lab.sk --tree
    scenekeeper world show lab.sk --at +3d            how belief fades
    scenekeeper world show lab.sk --html world.html
    """
    from scenekeeper import world_verbs
    from scenekeeper.report.world_table import world_json, world_table, world_tree
    from scenekeeper.report.world_words import moment

    shown = world_verbs.world_show(
        dataset, at=at, place=place, everything=all, html=html, rerun=rerun
    )
    if json:
        files = {"written": [str(p) for p in shown.written], "notes": list(shown.notes)}
        print_json({**world_json(shown.scene), "left_out": shown.left_out, **files})
        return
    print(
        f"{len(shown.scene)} things as believed {moment(shown.scene.t_ns)},"
        f" by sessions: {len(shown.scene.sessions)}"
    )
    _print_rich(world_tree(shown.scene) if tree else world_table(shown.scene))
    if shown.left_out:
        print(f"{shown.left_out} more are not believed to be there; with them: --all")
    for note in shown.notes:
        print(f"note: {note}")
    for file in shown.written:
        print(f"look: {file}")
    if html is not None:
        open_page(html, None, json)


@app.command()
def query(
    dataset: DatasetPath,
    text: Annotated[str, typer.Argument(help="What is looked for, as one would say it.")],
    viewer: Annotated[
        str | None,
        typer.Option(
            metavar="SESSION/FRAME_ID", help="The frame that left and right are meant in."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Find a thing by what is said of it; asks back rather than guess.

    Ends with 0 when one answer is meant, with 1 when it is ambiguous, lost, or nothing fits.

    \b
    scenekeeper world query lab.sk "the white mug on the table"
    scenekeeper world query lab.sk "how many chairs are there"
    scenekeeper world query lab.sk "the jar left of the basket" --viewer day2/40
    """
    from scenekeeper import world_verbs

    answer = world_verbs.world_query(dataset, text, viewer=viewer)
    if json:
        print_json(answer.as_dict())
    else:
        _print_answer(answer)
    if answer.status != "unique":
        raise typer.Exit(1)


@app.command()
def diff(
    dataset: DatasetPath,
    session: Annotated[
        str | None, typer.Argument(help="What it changed; the last one by default.")
    ] = None,
    json: Json = False,
) -> None:
    """What had changed when a session came, and what was not looked at.

    \b
    scenekeeper world diff lab.sk
    scenekeeper world diff lab.sk tuesday
    """
    from scenekeeper import world_verbs

    found = world_verbs.world_diff(dataset, session)
    if json:
        print_json(found.to_dict())
    else:
        _print_difference(found)


@app.command()
def events(
    dataset: DatasetPath,
    object: Annotated[str | None, typer.Option(help="Only of this object: o7.")] = None,
    session: Annotated[str | None, typer.Option(help="Only of this session.")] = None,
    json: Json = False,
) -> None:
    """Everything that happened to objects, in order; nothing is ever taken out.

    \b
    scenekeeper world events lab.sk --object o7
    """
    from scenekeeper import world_verbs

    found = world_verbs.world_events(dataset, object, session)
    if json:
        print_json([{**asdict(e), "detail": dict(e.detail)} for e in found])
        return
    rows = [
        (
            e.event,
            e.session,
            e.kind,
            "" if e.object is None else f"o{e.object}",
            "" if e.other is None else f"o{e.other}",
            "" if e.score is None else f"{e.score:.2f}",
            e.author,
            _detail(e.detail),
        )
        for e in found
    ]
    print_table(("event", "session", "what", "object", "other", "p", "by", "detail"), rows)


@app.command()
def export(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Argument(help="File or folder to make.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="glb, ply, foxglove, kitti, nuscenes, dsg or rerun; by the suffix by default."
        ),
    ] = None,
    place: Place = None,
    option: FormatOptions = None,
    json: Json = False,
) -> None:
    """Write the world in another project's format.

    \b
    scenekeeper world export lab.sk world.glb                 Blender, three.js: a node per thing
    scenekeeper world export lab.sk world.ply                 points with the id of their thing
    scenekeeper world export lab.sk world.mcap                Foxglove
    scenekeeper world export lab.sk world.json                spark_dsg, Hydra
    scenekeeper world export lab.sk boxes/ --format kitti     boxes as every frame sees them
    scenekeeper world export lab.sk world.glb -O gone=true    with what is believed to be gone
    """
    from scenekeeper import world_verbs

    options = dict(map(named_value, option or []))
    done = world_verbs.world_export(dataset, out, format, place=place, **options)
    if json:
        facts = {"path": str(done.path), "frames": done.frames, "boxes": done.instances}
        print_json({**facts, "notes": list(done.notes)})
        return
    what = f"boxes in {done.frames} frames" if done.frames > 1 else "things"
    print(f"{done.path}: {done.instances} {what}")
    for note in done.notes:
        print(f"  {note}")


@app.command()
def build(
    dataset: DatasetPath,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Encoding threads; one per core by default.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the world of labels that are there, whoever made them, and fuse them by it.

    \b
    scenekeeper world build lab.sk
    """
    from scenekeeper import world_verbs

    with progress_of(json, quiet) as progress:
        reports = world_verbs.world_build(dataset, workers=workers, progress=progress)
    if json:
        print_json([r.to_dict() for r in reports])
    else:
        for report in reports:
            print_label(report)
    if any(r.failures for r in reports):
        raise typer.Exit(1)


def _print_answer(answer: Answer) -> None:
    print(answer.sentence)
    rows = [
        (
            f"o{hit.object}",
            hit.phrase,
            f"{hit.p:.2f}",
            f"{hit.existence:.2f}",
            " ".join(f"{v:.2f}" for v in hit.center),
            ", ".join(f"{session}/{frame}" for session, frame in hit.views[:3]),
        )
        for hit in answer.hits
    ]
    if rows:
        head = ("object", "name", "meant", "there", "position, m", "best views")
        print_table(head, rows)


def _print_difference(found: Difference) -> None:
    print(found.headline)
    if found.since is not None:
        print(found.reason)
    for change in found.changes:
        print(f"  {change.line}")
    for line in found.rest:
        print(line)


def _detail(detail: Mapping[str, Any]) -> str:
    """Plain values on one line."""
    return "; ".join(
        f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in detail.items()
    )


def _print_rich(renderable: Any) -> None:
    """A table or tree; plain lines without colour where nobody sits at a terminal."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(renderable)
        return
    console = Console(width=WIDTH, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
