"""Which detection is which object: mean F1 of 0.99 with exact poses, whatever the looks.

Claim: over five seeds, mean F1 of purity and completeness is at least 0.99 with exact poses, by
default and on average over the thresholds of the grid; by default, 0.97 with poses 2 cm and 0.5
degrees off along and about every axis, and 0.95 with 4 cm and 1 degree; where every thing has its
own look and where there are only five. Where the real kitchen is not at hand, a rendered room
stands in for it, of which less is seen at once; there 0.97 is claimed with exact poses. The whole
grid of noise, looks and thresholds is printed, ours and the peer's: a threshold picked after the
fact is no claim.

The peer takes minutes per cell, so its figures are kept below; those of the peer written again
here, on the very same frames, come with ``python -m benchmarks.world_association --peer``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from benchmarks import concept_graphs, peer_map
from benchmarks.harness import Result, real_kitchen
from benchmarks.mapping_input import CLEAN, Conditions, Views, mapping_frames, prepared
from benchmarks.mapping_quality import Association, association
from benchmarks.our_map import fresh, observed

Cell = tuple[str, str]

SEEDS = (101, 102, 103, 104, 105)
FRAMES = 25
NOISES: Mapping[str, tuple[float, float]] = {
    "exact": (CLEAN.metres, CLEAN.degrees),
    "2 cm/0.5°": (0.02, 0.5),
    "4 cm/1°": (0.04, 1.0),
}
LOOKS: Mapping[str, int | None] = {"distinct": None, "5 looks": 5}
CELLS: tuple[Cell, ...] = tuple(product(NOISES, LOOKS))
NEEDED = {"exact": 0.99, "2 cm/0.5°": 0.97, "4 cm/1°": 0.95}
RENDERED = {**NEEDED, "exact": 0.97}
ACCEPT = (0.3, 0.9, 1.2)
"""Our thresholds besides the default."""
PEER_ACCEPT = (1.2, 1.0, 0.8)
PEER: Mapping[Cell, tuple[float, ...]] = {
    ("2 cm/0.5°", "distinct"): (0.932, 0.975, 0.984),
    ("4 cm/1°", "distinct"): (0.772, 0.875, 0.985),
    ("4 cm/1°", "5 looks"): (0.768, 0.863, 0.524),
}
"""Mean F1 of the peer's own code at :data:`PEER_ACCEPT`, with merging: 100 instances, 25 frames of
the same kitchen cut in the same way, 3 seeds. The input is like ours, not ours."""
PEER_HERE: Mapping[Cell, float] = {
    ("exact", "distinct"): 0.965,
    ("exact", "5 looks"): 0.965,
    ("2 cm/0.5°", "distinct"): 0.892,
    ("2 cm/0.5°", "5 looks"): 0.889,
    ("4 cm/1°", "distinct"): 0.715,
    ("4 cm/1°", "5 looks"): 0.718,
}
"""F1 of the peer written again here, at its default and with merging, on the very frames of the
first seed alone."""


def run() -> Result:
    views, needed = prepared(), NEEDED if real_kitchen() else RENDERED
    default = fresh().config.accept
    grid = {cell: _ours(views, cell, sorted({*ACCEPT, default})) for cell in CELLS}
    usual = {cell: row[default] for cell, row in grid.items()}
    worst = min(CELLS, key=lambda cell: usual[cell].f1 - needed[cell[0]])
    return Result(
        name="world_association",
        input=f"{views.name}, {FRAMES} frames, 100 instances, {len(SEEDS)} seeds;"
        f" hardest for us: {', '.join(worst)}",
        unit="F1",
        ours=usual[worst].f1,
        target=needed[worst[0]],
        target_of="ours",
        better="more",
        peer=PEER_HERE[worst],
        peer_name="ConceptGraphs, written again here, at its default; measured before, one seed",
        further={
            "every cell as claimed": all(s.f1 >= needed[c[0]] for c, s in usual.items()),
            "as much with exact poses over the grid of thresholds": all(
                np.mean([score.f1 for score in row.values()]) >= needed["exact"]
                for cell, row in grid.items()
                if cell[0] == "exact"
            ),
            "1 % of detections or fewer have no object": all(
                s.placed >= 0.99 for s in usual.values()
            ),
            "never below the peer's own code at its best threshold": all(
                usual[cell].f1 >= max(f1) for cell, f1 in PEER.items()
            ),
        },
        note="; ".join(_lines(grid, usual)),
    )


def _lines(
    grid: Mapping[Cell, Mapping[float, Association]], usual: Mapping[Cell, Association]
) -> Iterator[str]:
    ours = "/".join(f"{accept:g}" for accept in next(iter(grid.values())))
    yield f"ours at {ours}, peer at {'/'.join(f'{a:g}' for a in PEER_ACCEPT)}"
    for cell, row in grid.items():
        s = usual[cell]
        ours = "/".join(f"{score.f1:.3f}" for score in row.values())
        peer = "/".join(f"{f1:.3f}" for f1 in PEER.get(cell, ())) or "not measured"
        here = f"{PEER_HERE[cell]:.3f} written again here at {PEER_ACCEPT[0]:g}"
        yield (
            f"{', '.join(cell)}: {ours} (by default purity {s.purity:.3f}, completeness"
            f" {s.completeness:.3f}, {s.switches} switches, {s.objects} objects of {s.things}),"
            f" peer {peer}, {here}"
        )


def conditions(cell: Cell) -> Conditions:
    """What one cell of the grid is like."""
    metres, degrees = NOISES[cell[0]]
    return Conditions(metres=metres, degrees=degrees, looks=LOOKS[cell[1]])


def _ours(views: Views, cell: Cell, thresholds: Sequence[float]) -> dict[float, Association]:
    """Means over seeds, by threshold."""
    scores: dict[float, list[Association]] = {accept: [] for accept in thresholds}
    for seed in SEEDS:
        frames = list(mapping_frames(views, conditions(cell), seed, per_room=FRAMES))
        for accept in thresholds:
            mapped = observed(fresh(accept=accept), frames)
            scores[accept].append(association(mapped.truth, mapped.objects))
    return {accept: _mean(of) for accept, of in scores.items()}


def _mean(scores: Sequence[Association]) -> Association:
    """Mean over seeds; its F1 is that of the mean purity and completeness."""
    return Association(
        float(np.mean([s.purity for s in scores])),
        float(np.mean([s.completeness for s in scores])),
        float(np.mean([s.placed for s in scores])),
        round(float(np.mean([s.switches for s in scores]))),
        round(float(np.mean([s.objects for s in scores]))),
        round(float(np.mean([s.things for s in scores]))),
    )


def peer_grid(seeds: Sequence[int]) -> Iterator[tuple[Cell, float, Association]]:
    """The peer's cells as they are measured.

    Raises:
        RuntimeError: the peer is not installed.
    """
    views = prepared()
    for cell, accept in product(CELLS, PEER_ACCEPT):
        config = concept_graphs.PeerConfig(accept=accept, merges=True)
        told = peer_map.ask(
            peer_map.Request(
                str(views.path), conditions(cell), seed, per_room=FRAMES, config=config
            )
            for seed in seeds
        )
        if told is None:
            raise RuntimeError("no Open3D or FAISS here: .ci/cg-env, then SCENEKEEPER_CG_PYTHON")
        yield (
            cell,
            accept,
            _mean(
                [association(np.array(a["truth"]), np.array(a["objects"])) for a in told["answers"]]
            ),
        )


if __name__ == "__main__" and "--peer" in sys.argv:
    for cell, accept, score in peer_grid(SEEDS):
        print(f"{cell} {accept:g}: {score.f1:.3f} {score}", flush=True)
