"""The command line: parse, call a verb, print. No logic."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from scenekeeper.engine import Progress
    from scenekeeper.labeling import LabelReport

app = typer.Typer(
    name="scenekeeper",
    help="""Robot recordings in; tracked masks, a 3D scene graph and training labels out.

    \b
    scenekeeper demo                                  see it work, no data needed
    scenekeeper label day1.mcap --into lab.sk         label a recording
    scenekeeper show lab.sk                           what was found
    scenekeeper name lab.sk o7 "white mug"            name a thing in every frame
    scenekeeper export lab.sk coco labels.json        use the labels elsewhere
    """,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="A labelled dataset (*.sk).")]
Open = Annotated[
    bool | None,
    typer.Option("--open/--no-open", help="Open the report page; by default on a terminal."),
]


@app.command()
def label(
    recordings: Annotated[
        list[str],
        typer.Argument(metavar="RECORDING...", help="Files or folders; PATH#EPISODE picks one."),
    ],
    into: Annotated[
        Path | None, typer.Option("--into", "-o", help="Dataset folder; RECORDING.sk by default.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Name of the session; the recording's by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Encoding threads; one per core by default.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    open: Open = None,
) -> None:
    """Label recordings; continues where it was interrupted.

    \b
    scenekeeper label kitchen/                       an RGB-D folder -> kitchen.sk
    scenekeeper label day1.mcap day2.mcap -o lab.sk  two sessions, one dataset
    scenekeeper label g1_dataset#episode_000029      one LeRobot episode
    """
    from scenekeeper import labeling
    from scenekeeper.report import write_report
    from scenekeeper.store import open_dataset

    target = into or Path(Path(recordings[0].partition("#")[0]).resolve().stem + ".sk")
    with _progress(json, quiet) as progress:
        reports = labeling.label(
            recordings, target, session=session, workers=workers, progress=progress
        )
        progress.say("writing the report page")
        page = write_report(open_dataset(target))
    failed = any(r.failures for r in reports)
    if json:
        _print_json(
            {
                "dataset": str(target),
                "report": str(page),
                "sessions": [r.to_dict() for r in reports],
            }
        )
    else:
        _print_labelled(reports, target, page)
    _open_page(page, open, json)
    if failed:
        command = shlex.join(["scenekeeper", "label", *recordings, "--into", str(target)])
        print(f"some clips failed; try them again with:  {command}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path("scenekeeper-demo"),
    frames: Annotated[int, typer.Option(min=10, help="Length of the recording.")] = 90,
    json: Json = False,
    quiet: Quiet = False,
    open: Open = None,
) -> None:
    """Render a small room as an RGB-D recording, label it, and open the report.

    \b
    scenekeeper demo
    """
    from scenekeeper import verbs
    from scenekeeper.report import write_report
    from scenekeeper.store import open_dataset

    with _progress(json, quiet) as progress:
        report, dataset = verbs.demo(folder, frames, progress)
        page = write_report(open_dataset(dataset))
    if json:
        _print_json({"dataset": str(dataset), "report": str(page), "sessions": [report.to_dict()]})
    else:
        _print_labelled([report], dataset, page)
    _open_page(page, open, json)


@app.command()
def show(
    dataset: DatasetPath,
    session: Annotated[str | None, typer.Option(help="Only this session.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Write and open the report page.")] = False,
    json: Json = False,
) -> None:
    """What a dataset holds: sessions, objects, relations, failures.

    \b
    scenekeeper show lab.sk
    scenekeeper show lab.sk --page
    """
    from scenekeeper import verbs

    summary = verbs.show(dataset, session)
    if page:
        from scenekeeper.report import write_report
        from scenekeeper.store import open_dataset

        written = write_report(open_dataset(dataset))
        _open_page(written, None, json)
    if json:
        _print_json(summary.to_dict())
        return
    for row in summary.sessions:
        print(
            f"{row['session']}  {row['format']}, {row['frames']} frames, {row['instances']}"
            f" instances, {row['objects']} objects, {row['flagged']} frames with quality flags"
        )
        for note in row["notes"]:
            print(f"  {note}")
    if summary.objects:
        _table(
            ("object", "name", "status", "frames", "size cm", "relations"),
            [
                (
                    f"o{o['object']}",
                    o["phrase"],
                    o["status"],
                    o["frames"],
                    " x ".join(f"{100 * side:.0f}" for side in o["extent"]),
                    ", ".join(o["relations"]),
                )
                for o in summary.objects
            ],
        )
    for stage, failed, clip, reason in summary.failures:
        print(f"failed: {failed} clip {clip}, {stage}: {reason.splitlines()[-1]}")
    if page:
        print(f"\nlook: {written}")


@app.command()
def name(
    dataset: DatasetPath,
    object: Annotated[str, typer.Argument(help="Its id (o7), or the name it has.")],
    phrase: Annotated[str | None, typer.Argument(help="What it is, in a few words.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the name back.")] = False,
    json: Json = False,
) -> None:
    """Name an object once, in every frame and for good; labelling never overwrites it.

    \b
    scenekeeper name lab.sk o7 "white mug"
    scenekeeper name lab.sk o7 --clear
    """
    from scenekeeper import verbs

    if (phrase is None) == (not clear):
        raise typer.BadParameter("give a name, or --clear")
    done = verbs.name(dataset, object, phrase)
    if json:
        _print_json(done)
    elif phrase is None:
        print(f"o{done['object']} has no name any more")
    else:
        print(f"o{done['object']} is {done['phrase']!r} in {done['instances']} instances")


@app.command()
def export(
    dataset: DatasetPath,
    format: Annotated[str, typer.Argument(help="coco, yolo, lerobot, foxglove or rerun.")],
    out: Annotated[Path, typer.Argument(help="File or folder to make.")],
    session: Annotated[list[str] | None, typer.Option(help="Only these sessions.")] = None,
    things_only: Annotated[
        bool, typer.Option("--things-only", help="Leave out floors, walls and supports.")
    ] = False,
    purpose: Annotated[
        Literal["training", "safety"],
        typer.Option(help="For safety, only what a person verified or corrected."),
    ] = "training",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-O", metavar="NAME=VALUE", help="An option of the format."),
    ] = None,
    json: Json = False,
) -> None:
    """Write the labels in another project's format.

    \b
    scenekeeper export lab.sk coco labels.json       instances with masks, tracks and scores
    scenekeeper export lab.sk yolo yolo/             pictures and boxes, split by clip
    scenekeeper export lab.sk lerobot lerobot/       LeRobot v3.0 with labels attached
    scenekeeper export lab.sk foxglove overlay.mcap  open beside the recording in Foxglove
    scenekeeper export lab.sk yolo yolo/ --things-only -O kind=polygon -O val=0.1
    """
    from scenekeeper import verbs

    done = verbs.export(
        dataset,
        format,
        out,
        session,
        purpose=purpose,
        things_only=things_only,
        **dict(map(_named_value, option or [])),
    )
    if json:
        facts = {"path": str(done.path), "frames": done.frames, "instances": done.instances}
        _print_json({**facts, "notes": list(done.notes)})
        return
    print(f"{done.path}: {done.frames} frames, {done.instances} instances")
    for note in done.notes:
        print(f"  {note}")


@app.command()
def convert(
    recording: Annotated[str, typer.Argument(help="Any recording that can be labelled.")],
    out: Annotated[Path, typer.Argument(help="The MCAP file to make.")],
    json: Json = False,
) -> None:
    """Write a recording as MCAP; pictures are copied byte for byte.

    \b
    scenekeeper convert kitchen/ kitchen.mcap
    """
    from scenekeeper import verbs

    path = verbs.convert(recording, out)
    size = path.stat().st_size
    if json:
        _print_json({"path": str(path), "bytes": size})
    else:
        print(f"{path}: {size / 1e6:.1f} MB")


@app.command()
def doctor(json: Json = False) -> None:
    """What this machine can run, what is missing, and how to get it."""
    from scenekeeper.doctoring import doctor as examine

    checks = examine()
    if json:
        _print_json([c.to_dict() for c in checks])
        return
    rows = [("ok" if c.ok else "--", c.what, c.found, c.remedy) for c in checks]
    _table(("", "what", "found", "remedy"), rows)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from scenekeeper import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: our own errors become one line and exit code 2."""
    try:
        app()
    except Exception as error:
        from scenekeeper.errors import ScenekeeperError

        if not isinstance(error, ScenekeeperError):
            raise
        if "--json" in sys.argv:
            _print_json({"error": str(error)})
        else:
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


@contextmanager
def _progress(as_json: bool, quiet: bool) -> Iterator[Progress]:
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


def _named_value(text: str) -> tuple[str, Any]:
    """``fps=15`` as a name and a value: JSON where it is JSON, else text."""
    name, given, value = text.partition("=")
    if not given:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))


def _print_labelled(reports: list[LabelReport], dataset: Path, page: Path) -> None:
    for report in reports:
        _print_label(report)
    print(f"\nlook at it:    {page}")
    for thing in [r.unnamed for r in reports if r.unnamed is not None][:1]:
        print(f'name a thing:  scenekeeper name {shlex.quote(str(dataset))} o{thing} "white mug"')


def _print_label(report: LabelReport) -> None:
    speed = f", {report.frames_per_second:.1f} frames/s" if report.frames_per_second else ""
    print(
        f"{report.session}: {report.frames} frames, {report.instances} instances,"
        f" {report.tracks} tracks, {report.objects} objects in {report.seconds:.1f} s{speed}"
    )
    if not report.done:
        print("  everything was labelled already")
    elif report.bottleneck:
        print(f"  bottleneck: {report.bottleneck}; resumed {report.kept}, did {report.done} pieces")
    for stage, clip, reason in report.failures:
        print(f"  failed: clip {clip}, {stage}: {reason.splitlines()[-1]}")


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    cells = [head, *[tuple(str(c) for c in row) for row in rows]]
    width = [max(len(row[k]) for row in cells) for k in range(len(head))]
    for row in cells:
        print("  ".join(c.ljust(w) for c, w in zip(row, width, strict=True)).rstrip())


def _open_page(page: Path, wanted: bool | None, as_json: bool) -> None:
    if wanted is False or (wanted is None and (as_json or not sys.stdout.isatty())):
        return
    import webbrowser

    webbrowser.open(page.resolve().as_uri())


if __name__ == "__main__":
    main()
