"""The verbs besides ``label``: each is what the command of the same name does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenekeeper.errors import DatasetError, ScenekeeperError
from scenekeeper.exchange.base import Exported, Purpose
from scenekeeper.exchange.base import export as export_labels
from scenekeeper.labeling import LabelReport, describe_again, label
from scenekeeper.store import Dataset, ledger, open_dataset
from scenekeeper.vocabulary import FILE as VOCABULARY
from scenekeeper.vocabulary import read_vocabulary
from scenekeeper.world.difference import Difference, difference
from scenekeeper.world.recall import open_world

if TYPE_CHECKING:
    from scenekeeper.evaluate import Evaluation

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Summary:
    """What a dataset holds.

    Attributes:
        path: its folder.
        sessions: per session its frames, instances, objects and notes.
        objects: per object id, phrase, status, kind, frames it is seen in, centre and extent in
            metres, and relations in words.
        failures: ``(stage, session, clip, reason)`` of what last failed.
    """

    path: str
    sessions: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    failures: list[tuple[str, str, int, str]]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def show(dataset: PathLike, session: str | None = None) -> Summary:
    """Summarise a dataset.

    Raises:
        DatasetError: there is none, or no such session.
    """
    opened = open_dataset(dataset)
    if session is not None:
        opened.session(session)
    chosen = [session] if session else opened.sessions()
    failures = [f for f in ledger.failures(opened.path) if f[1] in chosen]
    return Summary(
        str(opened.path),
        [_session_row(opened, name) for name in chosen],
        [row for name in chosen for row in _object_rows(opened, name)],
        failures,
    )


def name(dataset: PathLike, object: str | int, phrase: str | None) -> dict[str, Any]:
    """Name an object in every frame, for good; ``None`` takes the name back.

    Args:
        dataset: the dataset's folder.
        object: its id (``7`` or ``"o7"``), or the name it has if only one object has it.
        phrase: a few words, as one would say them.

    Returns:
        The object's id, its new name, and the number of instances it now names.

    Raises:
        DatasetError: no such object, or an empty name.
    """
    opened = open_dataset(dataset)
    number = _object_id(opened, object)
    if phrase is not None:
        phrase = " ".join(phrase.split())
        if not phrase:
            raise DatasetError("the name is empty", remedy='Say what it is: "white mug".')
    opened.name_object(number, phrase)
    describe_again(opened)
    rows = opened.sql("SELECT count(*) AS n FROM instances WHERE object = ?", [number])
    return {"object": number, "phrase": phrase, "instances": rows["n"][0].as_py()}


def export(
    dataset: PathLike,
    format: str,
    out: PathLike,
    sessions: list[str] | None = None,
    *,
    purpose: Purpose = "training",
    things_only: bool = False,
    **options: Any,
) -> Exported:
    """Write a dataset's labels in another project's format.

    Args:
        dataset: the dataset's folder.
        format: ``coco``, ``yolo``, ``lerobot``, ``foxglove``, ``rerun``, or a plugin's.
        out: file or folder to make; must not exist.
        sessions: the sessions to take; all when absent.
        purpose: ``"safety"`` leaves out every instance that no person verified or corrected.
        things_only: leave out floors, walls and what else carries things.
        options: what the format's own exporter takes.

    Raises:
        ExportError: see :func:`scenekeeper.exchange.base.export`.
    """
    opened = open_dataset(dataset)
    for session in sessions or []:
        opened.session(session)
    return export_labels(
        opened,
        format,
        Path(out),
        sessions,
        purpose=purpose,
        things_only=things_only,
        **options,
    )


def convert(
    recording: PathLike,
    out: PathLike,
    format: str | None = None,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Write any recording in another format; JPEG and PNG pictures are copied where it has files.

    Args:
        recording: a path, as :func:`scenekeeper.open_recordings` takes it.
        out: a file named for ``mcap`` (``.mcap``) or ``hdf5`` (``.hdf5``, ``.h5``) gets the one
            recording. A folder of ``lerobot`` or ``rlds`` gets all recordings as its episodes, of
            ``rgbd`` the one recording; else it gets one file or folder for each. Must not exist.
        format: one of :data:`scenekeeper.exchange.recordings.FORMATS`; by ``out`` when absent.
        say: is told of every recording that is ready.

    Returns:
        What was written, and notes on what was left out.

    Raises:
        ExportError: no such format, ``out`` exists or cannot be written, or the format cannot
            hold the recordings.
        RecordingError: the recording cannot be opened or read.
    """
    from scenekeeper.exchange import recordings
    from scenekeeper.recording import open_recording, open_recordings

    target = Path(out)
    if target.exists():
        raise ScenekeeperError("is in the way", path=target, remedy="Choose another name.")
    wanted = recordings.format_of(target, format)
    known = recordings.find_format(wanted)
    if target.suffix.lower() in known.suffixes:
        return recordings.write_recording(open_recording(recording), wanted, target)
    opened = open_recordings(recording)
    if len(opened) == 1 and not known.suffixes:
        return recordings.write_recording(opened[0], wanted, target)
    return recordings.write_recordings(opened, wanted, target, say)


def simulate(
    out: PathLike,
    rooms: int = 1,
    seed: int = 0,
    format: str = "mcap",
    *,
    say: Callable[[str], None] = lambda line: None,
    **scenario: Any,
) -> list[Path]:
    """Write recordings of simulated homes, with the exact truth beside them.

    Args:
        out: folder that gets ``truth.sk`` and one recording per visit; of ``lerobot`` and ``rlds``
            one dataset of that name, an episode per visit.
        rooms: how many homes; their seeds follow one another.
        seed: of the first.
        format: ``mcap``, ``lerobot``, ``hdf5``, ``rlds`` or ``rgbd``.
        say: is told of every recording that is ready, and of what the format cannot hold.
        scenario: fields of :class:`scenekeeper.simulate.produce.Scenario`.

    Raises:
        ScenekeeperError: see :func:`scenekeeper.simulate.produce.simulate`.
    """
    from scenekeeper.simulate import produce

    seeds = list(range(seed, seed + rooms))
    done: list[Path] = produce.simulate(Path(out), seeds, format, produce.Scenario(**scenario), say)
    return done


def evaluate(
    labels: PathLike,
    truth: PathLike,
    vocabulary: PathLike | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """Judge a labelled dataset (or COCO file) by the truth.

    Args:
        labels: what was found.
        truth: what is there: a dataset, a COCO file, or a folder with one of them in it.
        vocabulary: synonyms, as TOML; the truth's own when absent.
        groups: per name, patterns of sessions to score on their own and compare with the first.

    Raises:
        DatasetError: see :func:`scenekeeper.evaluate.evaluate`.
    """
    from scenekeeper.evaluate import evaluate as judge

    given = Path(vocabulary) if vocabulary is not None else _vocabulary_of(Path(truth))
    words = {} if given is None else read_vocabulary(given)
    return judge(Path(labels), Path(truth), words, groups)


def _vocabulary_of(truth: Path) -> Path | None:
    for folder in (truth, truth / "truth.sk"):
        if (folder / VOCABULARY).is_file():
            return folder / VOCABULARY
    return None


DEMO_ROOMS = ("kitchen", "living room")
DEMO_SEED = 12


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        recordings: two visits to one home, as MCAP.
        dataset: their labels.
        truth: what is really there.
        reports: of labelling each visit.
        evaluation: the labels, judged by the truth.
        changes: what somebody did between the visits, one sentence each; on the page.
        found: what the labels' world says had changed when the second visit came.
        page: the scores, to look at.
    """

    recordings: tuple[Path, ...]
    dataset: Path
    truth: Path
    reports: tuple[LabelReport, ...]
    evaluation: Evaluation
    changes: tuple[str, ...]
    found: Difference
    page: Path


def demo(
    folder: PathLike = "scenekeeper-demo", seconds: float = 16.0, progress: Any = None
) -> Demo:
    """Simulate a robot that drives through a flat twice, label what it saw, and score the labels.

    Args:
        folder: gets ``simulated`` (recordings and truth), ``home.sk`` (labels), ``scores.html``.
        seconds: length of each visit.
        progress: as for :func:`label`.
    """
    from scenekeeper.evaluate import write_page

    home = Path(folder)
    say = progress.say if progress is not None else lambda line: None
    say("rendering two visits to a flat (the renderer compiles itself the first time)")
    recordings = simulate(
        home / "simulated",
        1,
        DEMO_SEED,
        say=say,
        kinds=DEMO_ROOMS,
        seconds=seconds,
        size=(320, 240),
        visits=2,
    )
    reports = label(recordings, home / "home.sk", progress=progress)
    truth = home / "simulated" / "truth.sk"
    say("scoring the labels by the truth")
    evaluation = evaluate(home / "home.sk", truth)
    changes = tuple(_told_changes(open_dataset(truth), evaluation))
    page = write_page(
        evaluation, home / "scores.html", changes, "Two visits to a simulated flat, scored"
    )
    found = difference(open_world(home / "home.sk"))
    return Demo(
        tuple(recordings), home / "home.sk", truth, tuple(reports), evaluation, changes, found, page
    )


def _told_changes(truth: Dataset, evaluation: Evaluation) -> Iterator[str]:
    """What was changed between visits, and whether the labels of both visits show it."""
    seen = evaluation.seen
    for c in truth.table("changes").to_pylist():
        before = (c["since"], c["object"]) in seen
        after = (c["session"], c["new_object"] or c["object"]) in seen
        shown = {
            "taken": "the first visit's labels show it" if before else "never labelled",
            "added": "the second visit's labels show it" if after else "not labelled yet",
        }.get(c["kind"], f"labelled in {before + after} of 2 visits")
        yield f"Between the visits the {c['phrase']} was {c['kind']}: {shown}."


def _session_row(dataset: Dataset, session: str) -> dict[str, Any]:
    info = dataset.session(session)
    counts = dataset.sql(
        "SELECT (SELECT count(*) FROM frames WHERE session = $1) AS frames,"
        " (SELECT count(*) FROM instances WHERE session = $1) AS instances,"
        " (SELECT count(*) FROM objects WHERE session = $1) AS objects,"
        " (SELECT count(*) FROM quality WHERE session = $1 AND len(flags) > 0) AS flagged",
        [session],
    ).to_pylist()[0]
    return {"session": session, "format": info.format, **counts, "notes": list(info.notes)}


def _object_rows(dataset: Dataset, session: str) -> list[dict[str, Any]]:
    rows = dataset.sql(
        "SELECT session, object, phrase, status, kind, frames, center, extent FROM objects"
        " WHERE session = ? ORDER BY (kind IN ('support', 'wall')), frames DESC, object",
        [session],
    ).to_pylist()
    phrase = {r["object"]: r["phrase"] for r in rows}
    said: dict[int, list[str]] = {r["object"]: [] for r in rows}
    for r in dataset.table("relations", session).to_pylist():
        said[r["subject"]].append(f"{r['predicate']} {phrase[r['object']]} o{r['object']}")
    return [{**row, "relations": said[row["object"]]} for row in rows]


def _object_id(dataset: Dataset, wanted: str | int) -> int:
    text = str(wanted).strip()
    digits = text.removeprefix("o")
    if digits.isdigit():
        found = dataset.sql("SELECT DISTINCT object FROM objects WHERE object = ?", [int(digits)])
    else:
        found = dataset.sql("SELECT DISTINCT object FROM objects WHERE phrase = ?", [text])
    if len(found) == 1:
        return int(found["object"][0].as_py())
    problem = f"{len(found)} objects are called {text!r}" if len(found) else f"no object {text!r}"
    raise DatasetError(
        problem, path=dataset.path, remedy=f"See the ids: scenekeeper show {dataset.path}"
    )
