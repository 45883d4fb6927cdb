"""Simulated visits as files: recordings in a real format, and their truth beside them.

In: rooms, seeds, a format. Out: a folder with one recording per visit, or one dataset with an
episode per visit, and ``truth.sk``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ScenekeeperError
from scenekeeper.exchange.recordings import (
    find_format,
    write_recording,
    write_recordings,
)
from scenekeeper.recording import Recording, open_recordings
from scenekeeper.recording.frames import frame_index
from scenekeeper.simulate.changes import CHANGE_KINDS, Change, ChangeKind, change
from scenekeeper.simulate.families import NOUNS
from scenekeeper.simulate.home import Home, RoomKind, furnish
from scenekeeper.simulate.motion import Motion, drive, orbit
from scenekeeper.simulate.reach import reach
from scenekeeper.simulate.robot import CAMERA_DEGREES, GRIPPER
from scenekeeper.simulate.sensor import Sensor
from scenekeeper.simulate.session import EPOCH_NS, Visit, pinhole
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
        out: folder that gets ``truth.sk`` and one recording per visit; of ``lerobot`` and ``rlds``
            one dataset of that name, an episode per visit.
        seeds: one home per seed.
        format: one of :data:`~scenekeeper.exchange.recordings.FORMATS`.
        scenario: what to simulate.
        say: is told of every recording that is ready, and once of what the format cannot hold.

    Returns:
        The recordings, or the one dataset.

    Raises:
        ScenekeeperError: no such format, it cannot hold the scenario, other recordings are there,
            or the folder cannot be written.
    """
    scenario = scenario or Scenario()
    known = find_format(format)
    _check_fits(format, scenario)
    out.mkdir(parents=True, exist_ok=True)
    truth = Dataset.create(out / TRUTH)
    write_vocabulary(NOUNS, out / TRUTH / VOCABULARY)
    say_once = lru_cache(maxsize=None)(say)
    if known.many:
        homes = [visits_of(seed, scenario) for seed in seeds]
        visits = [visit for home in homes for visit, _ in home]
        episodes = iter(_write_together(visits, format, out / format, say_once))
        for home in homes:
            _write_truth(truth, home, [next(episodes) for _ in home], say)
        return [out / format]
    paths = []
    for seed in seeds:
        home = visits_of(seed, scenario)
        here = [out / (visit.name + known.suffix) for visit, _ in home]
        pairs = zip(home, here, strict=True)
        written = [_write(visit, format, path, say_once) for (visit, _), path in pairs]
        _write_truth(truth, home, written, say)
        paths += here
    return paths


def _check_fits(format: str, scenario: Scenario) -> None:
    """LeRobot's video must hold every frame of the truth, at its time and in full."""
    width, height = scenario.size
    if format == "lerobot" and (width % 2 or height % 2 or scenario.fps % 1):
        raise ScenekeeperError(
            f"LeRobot's video cannot hold {width}x{height} pixels at {scenario.fps} frames/s",
            remedy="Give even sides and a whole number of frames a second, or another format.",
        )


def _write(visit: Visit, format: str, path: Path, say: Callable[[str], None]) -> Recording:
    """A visit as a file or folder of its own, unless it is there; read back."""
    if not path.exists():
        for note in write_recording(visit.recording(), format, path).notes:
            say(f"{format}: {note}")
    return _read(path, 1)[0]


def _write_together(
    visits: Sequence[Visit], format: str, path: Path, say: Callable[[str], None]
) -> list[Recording]:
    """Visits as the episodes of one dataset, unless it is there; read back."""
    if not path.exists():
        recordings = [visit.recording() for visit in visits]
        for note in write_recordings(recordings, format, path).notes:
            say(f"{format}: {note}")
    return _read(path, len(visits))


def _read(path: Path, n: int) -> list[Recording]:
    found = open_recordings(path)
    if len(found) != n:
        raise _in_the_way(path, f"holds {len(found)} recordings, not {n}")
    return found


def _write_truth(
    truth: Dataset,
    home: Sequence[tuple[Visit, tuple[Change, ...]]],
    written: Sequence[Recording],
    say: Callable[[str], None],
) -> None:
    """The truth about the visits to one home, under the names of their recordings."""
    before: tuple[str, Visit] | None = None
    for (visit, changes), recording in zip(home, written, strict=True):
        marks, found = _marks(visit.recording()), _marks(recording)
        if marks.shape != found.shape or not np.allclose(marks, found, rtol=0, atol=1e-6):
            raise _in_the_way(recording.path, f"{recording.name} is of another simulation")
        if not truth.current(recording.name):
            write_truth(truth, visit, recording, before, changes)
        say(f"{recording.name}: {len(visit.t_ns)} frames, {len(visit.home.things)} things")
        before = recording.name, visit


def _marks(recording: Recording) -> NDArray[np.float64]:
    """When and where the frames were taken, ``[N, 4]`` seconds and metres: tells homes apart."""
    index = frame_index(recording)
    poses = [(pose or [np.nan] * 3)[:3] for pose in index["pose"].to_pylist()]
    seconds = (index["t_ns"].to_numpy() - EPOCH_NS) / 1e9
    return np.column_stack((seconds, np.array(poses, np.float64).reshape(-1, 3)))


def _in_the_way(path: Path, problem: str) -> ScenekeeperError:
    return ScenekeeperError(problem, path=path, remedy="Choose another folder, or remove it.")
