"""What crops show: an embedding and class logits of every single view.

The embedded namer knows a closed list of household nouns. It is not open-vocabulary: a word that
it was not trained on means nothing to it, until a person has named a few examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.ground.prepare import namer_input
from scenekeeper.ground.weights import Network

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looks:
    """What the namer says of N crops.

    Attributes:
        embedding: ``float32 [N, E]`` unit vectors.
        logits: ``float32 [N, C]`` calibrated: their softmax is the class posterior.
    """

    embedding: Float32
    logits: Float32


def look(network: Network, crops: NDArray[np.uint8], measures: Float32) -> Looks:
    """Look at things (see :func:`scenekeeper.ground.prepare.crops`)."""
    if not len(crops):
        empty = np.zeros((0, 1), np.float32)
        return Looks(empty, empty)
    x, m = namer_input(crops, measures)
    embedding, logits = network(crop=x, measures=m)
    known = m[:, 3:] > 0
    temperature = np.where(known, *(network.facts["temperature"][k] for k in ("rgbd", "rgb")))
    return Looks(embedding, (logits / temperature).astype(np.float32))
