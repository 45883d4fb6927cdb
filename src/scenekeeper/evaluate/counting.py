"""Are there as many as are said to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row, share
from scenekeeper.schema import UNNAMED


def counting_rows(p: Pairing, names: Mapping[str, str]) -> Iterator[Row]:
    """How many of a kind, per frame and class that either side names."""
    section = "counting"
    counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for side, labels in enumerate((p.truth, p.found)):
        for image, phrase in zip(labels.image.tolist(), labels.phrase, strict=True):
            if phrase != UNNAMED:
                counts[image, names.get(phrase, phrase)][side] += 1
    if not counts:
        return
    keys = list(counts)
    true, said = np.array([counts[k] for k in keys]).T
    clip = p.truth.clip[np.array([k[0] for k in keys])]
    yield share(section, "class counts that are exact", true == said, clip)
    yield Row(
        section,
        "mean absolute count error",
        float(np.abs(true - said).mean()),
        len(keys),
        better="lower",
    )
