"""Training and held-out frames from the simulator, in memory-mapped shards.

In: seeds of rooms. Out, per shard: colour ``uint8 [N, 240, 320, 3]``, depth ``uint16`` millimetres,
instance ids ``uint8``, and per frame its focal length and what each id is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.schema import Camera
from scenekeeper.simulate.families import NOUNS
from scenekeeper.simulate.home import furnish
from scenekeeper.simulate.render import assemble, develop, film, light, see
from scenekeeper.simulate.textures import textures
from scenekeeper.simulate.viewpoints import glance

WIDTH, HEIGHT = 320, 240
VIEWS = 10
"""Frames per room."""

TEXTURE_POOLS = 40
HELD_OUT = 10_000
"""Rooms of seeds from here on are never trained on; they have texture pools of their own."""

CLASSES = tuple(NOUNS)


def render_room(seed: int, out: Shard, first: int) -> None:
    """Render the views of one room into a shard from row ``first`` on."""
    rng = np.random.default_rng([seed, 5])
    held_out = seed >= HELD_OUT
    home = furnish(seed, clutter=rng.uniform(1.0, 3.0), randomise=0.0 if held_out else 0.35)
    # Neighbouring rooms share a pool, for making one takes as long as a picture.
    pool = (TEXTURE_POOLS if held_out else 0) + seed // 10 % TEXTURE_POOLS
    scene = assemble(home.parts(), textures(pool))
    lighting = light(scene, home.lamps, home.ambient, 512)
    nouns = {t.id: CLASSES.index(t.family.phrase) for t in home.things}
    for k in range(VIEWS):
        row = first + k
        focal = WIDTH * rng.uniform(0.7, 1.3)
        T = glance(home, rng)
        fine = _camera(1.25, focal)
        exposure = 0.75 * math.exp(rng.normal(0, 0.25))
        picture = develop(film(scene, lighting, fine, T), exposure)
        small = Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        shot = see(scene, _camera(1.0, focal), T)
        out.rgb[row] = np.asarray(small)
        out.depth[row] = np.clip(np.rint(1000 * shot.depth), 0, 65535)
        out.ids[row] = np.clip(shot.ids, 0, 255)
        seen = np.unique(out.ids[row])
        out.facts[row] = {
            "seed": seed,
            "focal": focal,
            "nouns": {int(i): nouns[int(i)] for i in seen if i},
            "looks": {t.id: t.look for t in home.things if t.id in seen},
        }


def _camera(scale: float, focal: float) -> Camera:
    width, height = round(WIDTH * scale), round(HEIGHT * scale)
    f = focal * scale
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])
    return Camera("glance", width, height, K)


@dataclass(frozen=True, eq=False)
class Shard:
    """Rendered frames.

    Attributes:
        rgb: ``uint8 [N, 240, 320, 3]``.
        depth: ``uint16 [N, 240, 320]`` millimetres, exact; 0 = nothing there.
        ids: ``uint8 [N, 240, 320]`` instance; 0 = structure.
        facts: per frame ``seed``, ``focal``, ``nouns`` (id to class index), ``looks``.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    ids: NDArray[np.uint8]
    facts: list[dict[str, object]]

    def __len__(self) -> int:
        return len(self.facts)

    @classmethod
    def load(cls, folder: Path) -> Shard:
        """Open a shard that :func:`make` wrote."""
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        for fact in facts:
            for name in ("nouns", "looks"):
                fact[name] = {int(i): v for i, v in fact[name].items()}
        arrays = [np.load(folder / f"{n}.npy", mmap_mode="r") for n in ("rgb", "depth", "ids")]
        return cls(*arrays, facts)


def make(folder: Path, first_seed: int, rooms: int) -> None:
    """Render rooms into a shard; does nothing if it is there already."""
    if (folder / "facts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    n = rooms * VIEWS
    create = np.lib.format.open_memmap
    shard = Shard(
        create(folder / "rgb.npy", "w+", np.uint8, (n, HEIGHT, WIDTH, 3)),
        create(folder / "depth.npy", "w+", np.uint16, (n, HEIGHT, WIDTH)),
        create(folder / "ids.npy", "w+", np.uint8, (n, HEIGHT, WIDTH)),
        [{} for _ in range(n)],
    )
    for k in range(rooms):
        render_room(first_seed + k, shard, k * VIEWS)
    (folder / "facts.json").write_text(json.dumps(shard.facts), encoding="utf-8")


def make_all(
    folder: Path, rooms: int, held_out: int, processes: int = 1, first_room: int = 0
) -> None:
    """All shards of 100 rooms each, and ``held_out`` rooms beside them."""
    shards = range(first_room // 100, first_room // 100 + math.ceil(rooms / 100))
    jobs = [(folder / f"train-{k:03d}", 100 * k, 100) for k in shards]
    jobs.insert(0, (folder / "held-out", HELD_OUT, held_out))
    if processes == 1:
        for job in jobs:
            make(*job)
        return
    with get_context("spawn").Pool(processes) as pool:
        pool.starmap(make, jobs)
