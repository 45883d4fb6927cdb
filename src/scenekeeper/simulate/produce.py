"""Simulated visits as files: recordings in a real format, and their truth beside them.

In: rooms, seeds, a format. Out: a folder with one recording per visit and ``truth.sk``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from scenekeeper.errors import ScenekeeperError
from scenekeeper.exchange.recordings import FORMATS, write_recording_as
from scenekeeper.recording import open_recording
from scenekeeper.simulate.changes import CHANGE_KINDS, Change, ChangeKind, change
from scenekeeper.simulate.families import NOUNS
from scenekeeper.simulate.home import Home, RoomKind, furnish
from scenekeeper.simulate.motion import Motion, drive, orbit
from scenekeeper.simulate.reach import reach
from scenekeeper.simulate.robot import CAMERA_DEGREES, GRIPPER
from scenekeeper.simulate.sensor import Sensor
from scenekeeper.simulate.session import Visit, pinhole
from scenekeeper.simulate.truth import write_truth
from scenekeeper.store import Dataset
from scenekeeper.vocabulary import FILE as VOCABULARY
from scenekeeper.vocabulary import write_vocabulary

Path_ = Literal["drive", "orbit", "wrist"]
MOVES: dict[str, Callable[[Home, float, np.random.Generator], Motion]] = {
    "drive": drive,
    "orbit": orbit,
    "wrist": reach,
}
_CAMERAS = {"drive": ("head", 62.0), "orbit": ("hand", 62.0), "wrist": ("wrist", CAMERA_DEGREES)}
"""Name and horizontal field of view of the camera by path."""

TRUTH = "truth.sk"


@dataclass(frozen=True)
class Scenario:
    """What to simulate.

    Attributes:
        kinds: rooms of each home, side by side; one room of any kind when ``None``.
        path: how the camera moves: ``drive``, on a mobile base; ``orbit``, by hand; ``wrist``, on
            an arm that reaches over things and moves one.
        seconds: length of a visit.
        fps: pictures per second.
        size: width and height in pixels.
        sensor: the camera's faults; ``None`` = those of a usual camera of the path.
        pose_noise: standard deviations of recorded poses: metres, radians.
        clutter: how many small things; 1 = about 35 a room.
        randomise: domain randomisation, 0 to 1.
        visits: how often each home is visited.
        changes: what is done to the home between visits.
        finer: looks per pixel and axis.
    """

    kinds: tuple[RoomKind, ...] | None = None
    path: Path_ = "drive"
    seconds: float = 20.0
    fps: float = 10.0
    size: tuple[int, int] = (640, 480)
    sensor: Sensor | None = None
    pose_noise: tuple[float, float] = (0.0, 0.0)
    clutter: float = 1.0
    randomise: float = 0.0
    visits: int = 1
    changes: tuple[ChangeKind, ...] = CHANGE_KINDS
    finer: int = 2

    def __post_init__(self) -> None:
        width, height = self.size
        if self.seconds <= 0 or self.fps <= 0 or width < 16 or height < 16 or self.visits < 1:
            raise ScenekeeperError(
                f"cannot simulate {self.visits} visits of {self.seconds} s at {self.fps} frames/s"
                f" and {width}x{height} pixels",
                remedy="Give positive numbers, and pictures of at least 16x16.",
            )


def visits_of(seed: int, scenario: Scenario) -> list[tuple[Visit, tuple[Change, ...]]]:
    """The visits to one home, each with what was changed since the one before."""
    home = furnish(seed, scenario.kinds, scenario.clutter, scenario.randomise)
    camera, degrees = _CAMERAS[scenario.path]
    out: list[tuple[Visit, tuple[Change, ...]]] = []
    for day in range(scenario.visits):
        rng = np.random.default_rng([seed, 8, day])
        done: tuple[Change, ...] = ()
        if day:
            home, done = change(home, scenario.changes, rng)
        motion = MOVES[scenario.path](home, scenario.seconds, rng)
        done = (*done, *_moved(home, motion, done)) if day else ()
        home = _after(home, motion, {GRIPPER})
        name = f"home-{seed:05d}" + (f"-visit-{day + 1}" if scenario.visits > 1 else "")
        visit = Visit(
            name,
            _after(home, motion),
            motion,
            pinhole(camera, *scenario.size, degrees),
            scenario.sensor or Sensor(depth="close" if scenario.path == "wrist" else "kinect"),
            scenario.fps,
            seed,
            day,
            scenario.pose_noise,
            scenario.finer,
            seed % 1000,
            _task(home, motion),
        )
        out.append((visit, done))
    return out


def _after(home: Home, motion: Motion, but: Collection[int] = ()) -> Home:
    """The home after a movement, with all that moved but some."""
    moved = {t.id: t for t in motion.things if t.id not in but}
    if not moved:
        return home
    return home.with_things([*(t for t in home.things if t.id not in moved), *moved.values()])


def _moved(home: Home, motion: Motion, done: Sequence[Change]) -> list[Change]:
    """What the robot itself moved, unless something else was done to it, too."""
    known = {c.new_thing or c.thing for c in done}
    ids = {t.id for t in home.things} - known
    return [Change("moved", t.id) for t in motion.things if t.id in ids]


def _task(home: Home, motion: Motion) -> str:
    moved = [t.family.phrase for t in motion.things if t.id != GRIPPER]
    if moved:
        return f"move the {moved[0]}"
    return f"look around the {' and the '.join(r.kind for r in home.rooms)}"


def simulate(
    out: Path,
    seeds: list[int],
    format: str = "mcap",
    scenario: Scenario | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write recordings of simulated homes, and the truth about them.

    What is there already is not made again, so an interrupted run continues.

    Args:
        out: folder that gets one recording per visit and ``truth.sk``.
        seeds: one home per seed.
        format: ``mcap``, ``lerobot``, ``hdf5``, ``rlds`` or ``rgbd``.
        scenario: what to simulate.
        say: is told of every recording that is ready.

    Returns:
        The recordings.

    Raises:
        ScenekeeperError: no such format, or the folder cannot be written.
    """
    if format not in FORMATS:
        raise ScenekeeperError(
            f"no recording format {format!r}", remedy=f"There are: {', '.join(FORMATS)}."
        )
    out.mkdir(parents=True, exist_ok=True)
    truth = Dataset.create(out / TRUTH)
    write_vocabulary(NOUNS, out / TRUTH / VOCABULARY)
    paths = []
    for seed in seeds:
        before: Visit | None = None
        for visit, changes in visits_of(seed, scenario or Scenario()):
            path = out / (visit.name + FORMATS[format])
            if not path.exists():
                write_recording_as(visit.recording(), format, path)
            if not truth.current(visit.name):
                written = open_recording(path)
                write_truth(truth, visit, written, before, changes)
            say(f"{path.name}: {len(visit.t_ns)} frames, {len(visit.home.things)} things")
            paths.append(path)
            before = visit
    return paths
