"""The command line: parse, call a verb, print. No logic."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from scenekeeper import cli_review, cli_world
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
    from scenekeeper.evaluate import Difference, Evaluation
    from scenekeeper.labeling import LabelReport

app = typer.Typer(
    name="scenekeeper",
    help="""Robot recordings in; tracked masks, a 3D scene graph and training labels out.

    \b
    scenekeeper demo                                  see it work, no data needed
    scenekeeper label day1.mcap --into lab.sk         label a recording
    scenekeeper show lab.sk                           what was found
    scenekeeper name lab.sk o7 "white mug"            name a thing in every frame
    scenekeeper world query lab.sk "the white mug"    where it is, how sure, since when
    scenekeeper review lab.sk --minutes 30            look at the few labels that matter
    scenekeeper export lab.sk coco labels.json        use the labels elsewhere
    scenekeeper simulate test/                        recordings with exact truth
    scenekeeper evaluate lab.sk --truth truth.sk      judge labels by the truth
    """,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_world.app, name="world")
cli_review.add_to(app)

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
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models", "-m", help="fast, best, or FAMILY:CHECKPOINT,...; see `scenekeeper doctor`."
        ),
    ] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(help="Words to look for as TOML, or `propose`: the describing model does."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where models run: cpu, cuda:0; a GPU if there is one.")
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="research or commercial: refuse models whose licence forbids it."),
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
    scenekeeper label day1.mcap --models fast        with models that see more, on a GPU
    """
    from scenekeeper import labeling
    from scenekeeper.report import write_report
    from scenekeeper.store import open_dataset

    target = into or Path(Path(recordings[0].partition("#")[0]).resolve().stem + ".sk")
    with progress_of(json, quiet) as progress:
        reports = labeling.label(
            recordings,
            target,
            session=session,
            models=models,
            vocabulary=vocabulary,
            device=device,
            purpose=purpose,
            workers=workers,
            progress=progress,
        )
        progress.say("writing the report page")
        page = write_report(open_dataset(target))
    failed = any(r.failures for r in reports)
    if json:
        print_json(
            {
                "dataset": str(target),
                "report": str(page),
                "sessions": [r.to_dict() for r in reports],
            }
        )
    else:
        _print_labelled(reports, target, page)
    open_page(page, open, json)
    if failed:
        chosen = {"--models": ",".join(models or ()), "--vocabulary": vocabulary}
        options = [part for name, value in chosen.items() if value for part in (name, value)]
        command = shlex.join(["scenekeeper", "label", *recordings, "--into", str(target), *options])
        print(f"some clips failed; try them again with:  {command}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path("scenekeeper-demo"),
    seconds: Annotated[float, typer.Option(min=1, help="Length of each visit.")] = 16.0,
    json: Json = False,
    quiet: Quiet = False,
    open: Open = None,
) -> None:
    """Simulate a robot that visits a flat twice, label what it saw, and score the labels.

    \b
    scenekeeper demo
    """
    from scenekeeper import verbs
    from scenekeeper.report import write_report
    from scenekeeper.store import open_dataset

    with progress_of(json, quiet) as progress:
        done = verbs.demo(folder, seconds, progress)
        page = write_report(open_dataset(done.dataset))
    if json:
        print_json(
            {
                "recordings": [str(p) for p in done.recordings],
                "dataset": str(done.dataset),
                "truth": str(done.truth),
                "report": str(page),
                "scores": str(done.page),
                "sessions": [r.to_dict() for r in done.reports],
                "changes": list(done.changes),
                "diff": done.found.to_dict(),
                "evaluation": done.evaluation.to_dict(),
            }
        )
    else:
        for report in done.reports:
            print_label(report)
        print()
        _print_scores(done.evaluation, _HEADLINES)
        print()
        print(done.found.headline)
        for change in done.found.changes:
            print(f"  {change.line}")
        print(f"\nthe scores:    {done.page}\nthe labels:    {page}")
    open_page(done.page, open, json)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("simulated"),
    rooms: Annotated[int, typer.Option(min=1, help="How many homes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first home.")] = 0,
    format: Annotated[
        str, typer.Option(help="mcap, rgbd, hdf5; lerobot or rlds, one dataset of all.")
    ] = "mcap",
    path: Annotated[
        Literal["drive", "orbit", "wrist"],
        typer.Option(help="On a mobile base, by hand, or on an arm that moves something."),
    ] = "drive",
    seconds: Annotated[float, typer.Option(help="Length of a visit.")] = 20.0,
    fps: Annotated[float, typer.Option(help="Pictures per second.")] = 10.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the pictures.")] = "640x480",
    visits: Annotated[int, typer.Option(min=1, help="Between them, things change.")] = 1,
    randomise: Annotated[float, typer.Option(min=0, max=1, help="Domain randomisation.")] = 0.0,
    clutter: Annotated[float, typer.Option(min=0, help="1 = about 35 things a room.")] = 1.0,
    pose_noise: Annotated[
        str, typer.Option(metavar="M,RAD", help="Standard deviations of the poses.")
    ] = "0,0",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write recordings of simulated homes, with the exact truth beside them.

    \b
    scenekeeper simulate test/ --rooms 3 --seed 7
    scenekeeper simulate visits/ --visits 2 --format rgbd
    scenekeeper simulate episodes/ --rooms 20 --format lerobot
    scenekeeper evaluate labels.sk --truth visits/truth.sk
    """
    from scenekeeper import verbs

    width, height = _numbers(size, "x", "--size")
    metres, radians = _numbers(pose_noise, ",", "--pose-noise")
    with progress_of(json, quiet) as progress:
        made = verbs.simulate(
            out,
            rooms,
            seed,
            format,
            say=progress.say,
            path=path,
            seconds=seconds,
            fps=fps,
            size=(int(width), int(height)),
            visits=visits,
            randomise=randomise,
            clutter=clutter,
            pose_noise=(metres, radians),
        )
    if json:
        print_json({"recordings": [str(p) for p in made], "truth": str(out / "truth.sk")})
    else:
        where = made[0] if len(made) < rooms * visits else out
        print(f"{rooms * visits} recordings in {where}, the truth about them in {out / 'truth.sk'}")
        one = "label one" if len(made) > 1 else "label"
        print(f"{one}:  scenekeeper label {shlex.quote(str(made[0]))} --into labels.sk")


@app.command()
def evaluate(
    labels: Annotated[Path, typer.Argument(help="A labelled dataset, or a COCO file.")],
    other: Annotated[
        Path | None, typer.Argument(help="A second one, to compare with the first.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What is really there: a dataset or a COCO file.")
    ] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="Synonyms as TOML; the truth's own by default.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the scores as a page with plots.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=GLOB", help="Score these sessions on their own, too."),
    ] = None,
    json: Json = False,
) -> None:
    """Judge labels by the truth; with two labelings, say where they differ and whether by chance.

    \b
    scenekeeper evaluate lab.sk --truth truth.sk
    scenekeeper evaluate old.sk new.sk --truth truth.sk
    scenekeeper evaluate detections.json --truth annotations.json --page scores.html
    scenekeeper evaluate lab.sk --truth truth.sk --split in='home-0*' --split out='home-1*'
    """
    from scenekeeper import verbs
    from scenekeeper.evaluate import compare, write_page

    if truth is None:
        raise typer.BadParameter("say what is true: --truth TRUTH")
    groups = _groups(split or [])
    first = verbs.evaluate(labels, truth, vocabulary, groups)
    if page is not None:
        write_page(first, page)
    if other is not None:
        second = verbs.evaluate(other, truth, vocabulary, groups)
        differences = compare(first, second)
        if json:
            print_json([d.to_dict() for d in differences])
        else:
            _print_differences(first.labels, second.labels, differences)
        return
    if json:
        print_json(first.to_dict())
        return
    print(f"{first.labels} against {first.truth}, {first.frames} frames")
    _print_scores(first)
    if page is not None:
        print(f"\nlook: {page}")


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
        open_page(written, None, json)
    if json:
        print_json(summary.to_dict())
        return
    for row in summary.sessions:
        print(
            f"{row['session']}  {row['format']}, {row['frames']} frames, {row['instances']}"
            f" instances, {row['objects']} objects, {row['flagged']} frames with quality flags"
        )
        for note in row["notes"]:
            print(f"  {note}")
    if summary.objects:
        print_table(
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
        print_json(done)
    elif phrase is None:
        print(f"o{done['object']} has no name any more")
    else:
        print(f"o{done['object']} is {done['phrase']!r} in {done['instances']} instances")


@app.command()
def export(
    dataset: DatasetPath,
    format: Annotated[
        str, typer.Argument(help="coco, yolo, lerobot, foxglove, rerun; or a labelling tool.")
    ],
    out: Annotated[Path, typer.Argument(help="File or folder to make.")],
    session: Annotated[list[str] | None, typer.Option(help="Only these sessions.")] = None,
    things_only: Annotated[
        bool, typer.Option("--things-only", help="Leave out floors, walls and supports.")
    ] = False,
    purpose: Annotated[
        Literal["training", "safety"],
        typer.Option(help="For safety, only what a person verified or corrected."),
    ] = "training",
    option: FormatOptions = None,
    json: Json = False,
) -> None:
    """Write the labels in another project's format.

    \b
    scenekeeper export lab.sk coco labels.json       instances with masks, tracks and scores
    scenekeeper export lab.sk yolo yolo/             pictures and boxes, split by clip
    scenekeeper export lab.sk lerobot lerobot/       LeRobot v3.0 with labels attached
    scenekeeper export lab.sk foxglove overlay.mcap  open beside the recording in Foxglove
    scenekeeper export lab.sk yolo yolo/ --things-only -O kind=polygon -O val=0.1

    \b
    For people to correct, with pictures; `scenekeeper import` takes the corrections back:
    scenekeeper export lab.sk cvat task/             or label-studio, labelbox, v7, roboflow
    scenekeeper export lab.sk cvat task/ -O minutes=30 -O masks=all
    """
    from scenekeeper import review_verbs, verbs

    options = dict(map(named_value, option or []))
    if format in review_verbs.tools():
        done = review_verbs.export_queue(dataset, format, out, session, **options)
    else:
        done = verbs.export(
            dataset, format, out, session, purpose=purpose, things_only=things_only, **options
        )
    if json:
        facts = {"path": str(done.path), "frames": done.frames, "instances": done.instances}
        print_json({**facts, "notes": list(done.notes)})
        return
    print(f"{done.path}: {done.frames} frames, {done.instances} instances")
    for note in done.notes:
        print(f"  {note}")


@app.command()
def convert(
    recording: Annotated[str, typer.Argument(help="Any recording that can be labelled.")],
    out: Annotated[Path, typer.Argument(help="File or folder to make.")],
    format: Annotated[
        str | None,
        typer.Option(help="mcap, rgbd, hdf5, lerobot or rlds; by the suffix of OUT by default."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write recordings in another format; pictures that are files are copied byte for byte.

    \b
    scenekeeper convert kitchen/ kitchen.mcap
    scenekeeper convert day1.mcap episode.hdf5             ALOHA, ACT
    scenekeeper convert g1_dataset rlds/ --format rlds     every episode, one dataset
    scenekeeper convert g1_dataset days/ --format mcap     one file per episode
    """
    from scenekeeper import verbs

    with progress_of(json, quiet) as progress:
        done = verbs.convert(recording, out, format, say=progress.say)
    size = _size(done.path)
    if json:
        facts = {"path": str(done.path), "bytes": size, "frames": done.frames}
        print_json({**facts, "notes": list(done.notes)})
        return
    print(f"{done.path}: {size / 1e6:.1f} MB, {done.frames} frames")
    for note in done.notes:
        print(f"  {note}")


@app.command()
def doctor(json: Json = False) -> None:
    """What this machine can run, what is missing, and how to get it."""
    from scenekeeper.doctoring import doctor as examine
    from scenekeeper.doctoring import doctor_models
    from scenekeeper.models.known import presets
    from scenekeeper.models.registry import families

    checks, models = examine(), doctor_models()
    if json:
        print_json(
            {
                "machine": [c.to_dict() for c in checks],
                "models": [m.to_dict() for m in models],
                "families": list(families()),
            }
        )
        return
    rows = [("ok" if c.ok else "--", c.what, c.found, c.remedy) for c in checks]
    print_table(("", "what", "found", "remedy"), rows)
    print("\nmodels, for label --models; any other checkpoint of a family will do as well")
    print_table(
        ("fits", "here", "model", "needs", "licence", "remedy"),
        [(_yes(m.fits), _yes(m.here), m.name, m.needs, m.licence, m.remedy) for m in models],
    )
    print(f"\nfamilies: {', '.join(families())}")
    for name, (parts, about) in presets().items():
        print(f"--models {name}: {', '.join(parts)} ({about})")


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


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
            print_json({"error": str(error)})
        else:
            print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _print_labelled(reports: list[LabelReport], dataset: Path, page: Path) -> None:
    for report in reports:
        print_label(report)
    print(f"\nlook at it:    {page}")
    for thing in [r.unnamed for r in reports if r.unnamed is not None][:1]:
        print(f'name a thing:  scenekeeper name {shlex.quote(str(dataset))} o{thing} "white mug"')


_HEADLINES = (
    "recall at IoU .5",
    "precision at IoU .5",
    "AP50 (mask, any name)",
    "AP50 (mask, right name)",
    "names that are right",
    "HOTA",
    "ECE of named labels",
    "objects found",
    "median position error, m",
)


def _print_scores(evaluation: Evaluation, only: Sequence[str] = ()) -> None:
    for note in evaluation.notes:
        print(f"note: {note}")
    rows = [r for r in evaluation.rows if not only or r.name in only]
    print_table(
        ("", "figure", "value", "95 % interval", "of"),
        [
            (
                r.section if k == 0 or rows[k - 1].section != r.section else "",
                r.name,
                _three(r.value),
                "" if r.low is None else f"{_three(r.low)} to {_three(r.high)}",
                r.n,
            )
            for k, r in enumerate(rows)
        ],
    )


def _print_differences(first: str, second: str, rows: Sequence[Difference]) -> None:
    print_table(
        ("figure", first, second, "difference", "p", ""),
        [
            (
                r.name,
                _three(r.first),
                _three(r.second),
                "" if r.difference is None else f"{r.difference:+.3f}",
                _three(r.p),
                r.verdict,
            )
            for r in rows
        ],
    )


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _groups(splits: Sequence[str]) -> dict[str, list[str]]:
    """Patterns of sessions per group, in the order in which groups are named first."""
    groups: dict[str, list[str]] = {}
    for text in splits:
        name, equals, pattern = text.partition("=")
        if not (name and equals and pattern):
            raise typer.BadParameter(f"--split {text!r} is not NAME=GLOB, such as in='home-0*'")
        groups.setdefault(name, []).append(pattern)
    return groups


def _numbers(text: str, between: str, option: str) -> tuple[float, float]:
    try:
        a, b = (float(part) for part in text.lower().split(between))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not two numbers with {between!r} between") from None
    return a, b


if __name__ == "__main__":
    main()
