"""How benchmarks measure: both sides in turn in the same run, medians, children apart.

CPU time where the claim is about work, wall-clock time only where it is about waiting.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Result:
    """One measured claim.

    Attributes:
        name: the benchmark's module name.
        input: what was worked on.
        unit: of ``ours``, ``peer`` and ``limit``.
        ours: our median.
        target: what we claim of ``ratio`` (at least this) or of ``ours`` (no worse than this).
        peer: the peer's median; ``None`` where there is no peer.
        peer_name: who the peer is, with its version.
        target_of: whether ``target`` is about ``ratio`` or about ``ours``.
        better: whether less or more of ``unit`` is better.
        limit: what physics or the format allows at best, where known.
        limit_name: what that limit is.
        further: what else the claim says, and whether it was so.
        note: other figures of the same run.
    """

    name: str
    input: str
    unit: str
    ours: float
    target: float
    peer: float | None = None
    peer_name: str = ""
    target_of: Literal["ratio", "ours"] = "ratio"
    better: Literal["less", "more"] = "less"
    limit: float | None = None
    limit_name: str = ""
    further: Mapping[str, bool] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        if self.target_of == "ratio" and self.peer is None:
            raise ValueError(f"{self.name}: a target of the ratio needs a peer")

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the peer."""
        if self.peer is None:
            return None
        worse, better = (self.peer, self.ours) if self.better == "less" else (self.ours, self.peer)
        return worse / better if better else float("inf")

    @property
    def ok(self) -> bool:
        """Whether the claim holds, all of it."""
        if self.target_of == "ratio":
            met = self.ratio is not None and self.ratio >= self.target
        else:
            met = self.ours <= self.target if self.better == "less" else self.ours >= self.target
        return met and all(self.further.values())

    def as_dict(self) -> dict[str, Any]:
        """The result with its verdict, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "ok": self.ok}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """The opposite of :meth:`as_dict`."""
        return cls(**{k: v for k, v in values.items() if k not in ("ratio", "ok")})


class NotHereError(RuntimeError):
    """What a benchmark needs is not on this machine; the message says what, and how to get it."""


def need(*packages: str) -> None:
    """Make sure that packages are here.

    Raises:
        NotHereError: one is not.
    """
    from importlib.util import find_spec

    if missing := [name for name in packages if find_spec(name) is None]:
        raise NotHereError(
            f"needs {' and '.join(missing)}, not installed here: pip install 'scenekeeper[models]'"
        )


def cpu_seconds(*works: Callable[[], object], repeats: int = 7) -> tuple[float, ...]:
    """Median CPU seconds of each, all threads, run in turn so that a busy machine hurts all alike.

    The first round, which pays for imports and caches, is not counted.
    """
    return _medians(works, repeats + 1, time.process_time, skip=1)


def wall_seconds(*works: Callable[[], object], repeats: int = 3) -> tuple[float, ...]:
    """Median wall-clock seconds of each, run in turn; for claims about waiting."""
    return _medians(works, repeats, time.perf_counter, skip=0)


def _medians(
    works: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float], skip: int
) -> tuple[float, ...]:
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, times in zip(works, taken, strict=True):
            gc.collect()
            start = clock()
            work()
            times.append(clock() - start)
    return tuple(statistics.median(times[skip:]) for times in taken)


# --- children -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Child:
    """What one finished process took.

    Attributes:
        wall: seconds from its start to its end.
        cpu: user and system seconds of all its threads.
        peak_mb: largest resident set, in 10^6 bytes.
        output: its standard output.
    """

    wall: float
    cpu: float
    peak_mb: float
    output: str


# The kernel counts the memory of the process that starts another as the other's peak, so a small
# process stands between.
_STARTER = """
import json, os, sys, time
out = sys.argv[1]
file = os.open(out, os.O_WRONLY)
start = time.perf_counter()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, file, 1)])
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss]))
"""


def child(command: Sequence[str]) -> Child:
    """Run a program to its end.

    Args:
        command: its absolute path and arguments.

    Raises:
        RuntimeError: it failed; what it printed to standard error is already there to see.
    """
    import tempfile

    with tempfile.NamedTemporaryFile() as out:
        starter = [sys.executable, "-I", "-S", "-c", _STARTER, out.name, *command]
        done = subprocess.run(starter, stdout=subprocess.PIPE, check=True)
        code, wall, cpu, peak_kb = json.loads(done.stdout)
        output = Path(out.name).read_text(encoding="utf-8")
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return Child(wall, cpu, peak_kb * 1024 / 1e6, output)


def script(name: str) -> str:
    """Path of a program that a package has installed beside this interpreter."""
    import sysconfig

    return str(Path(sysconfig.get_path("scripts")) / name)


# --- recordings -----------------------------------------------------------------------------------


def real_kitchen() -> Path | None:
    """The folder of the real kitchen, where it is."""
    default = Path(__file__).parents[2] / "shared" / "data"
    kitchen = Path(os.environ.get("SCENEKEEPER_TEST_DATA", default)) / "kitchen"
    return kitchen if kitchen.is_dir() else None


def room(folder: Path) -> tuple[Path, str]:
    """A room to label and what to call it: the real kitchen where it is, else a rendered room.

    Args:
        folder: where to render the room.
    """
    kitchen = real_kitchen()
    if kitchen is not None:
        return kitchen, "real kitchen, Kinect"
    from scenekeeper.simulate import write_tabletop

    rendered = write_tabletop(folder / "room", frames=300, size=(640, 480))
    return rendered, "rendered room (the real kitchen is not here)"


def frame_files(folder: Path) -> list[str]:
    """Stems of the frames of a 7-Scenes folder, in order."""
    return sorted(path.name.removesuffix(".pose.txt") for path in folder.glob("frame-*.pose.txt"))


def label(folder: Path, into: Path) -> Child:
    """Label a folder with the command line in a fresh process."""
    return child([script("scenekeeper"), "label", str(folder), "-o", str(into), "--json", "-q"])


# --- masks ----------------------------------------------------------------------------------------


def blob(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """A mask ``bool [size, size]`` like those of segmenters: one thing with a wavy outline."""
    from scipy import ndimage

    waves = ndimage.gaussian_filter(rng.standard_normal((size, size)), size / 8)
    v, u = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.asarray(1 - u * u - v * v + 0.3 * waves / waves.std() > 0.3)


def scattered(
    rng: np.random.Generator, n: int, size: tuple[int, int], extent: tuple[int, int]
) -> NDArray[np.bool_]:
    """Blobs at random places: ``bool [n, H, W]``, each ``extent[0]`` to ``extent[1]`` px wide."""
    out = np.zeros((n, *size), np.bool_)
    for mask in out:
        side = int(rng.integers(extent[0], extent[1] + 1))
        y, x = rng.integers(0, size[0] - side + 1), rng.integers(0, size[1] - side + 1)
        mask[y : y + side, x : x + side] = blob(rng, side)
    return out
