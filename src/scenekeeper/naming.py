"""From what single views say to a name: posteriors, their fusion, and words that people taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import UNNAMED

Float = NDArray[np.float64]


@dataclass(frozen=True)
class NamingConfig:
    """When a name is said.

    Attributes:
        min_p: fused probability below which a thing is called ``object``.
        correlation: how alike the errors of two views of one thing are, 0 (each view counts
            fully) to 1 (all views count as one).

    On the simulator 0.6 and 0.35 would do. Real pictures look wrong in the same way from all sides:
    on the real kitchen only values like these keep wrong names rare.
    """

    min_p: float = 0.9
    correlation: float = 0.8


def posterior(logits: NDArray[np.floating]) -> Float:
    """Softmax over the last axis, ``float64``."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, -1, keepdims=True)
    p = np.exp(shifted)
    return np.asarray(p / p.sum(-1, keepdims=True), np.float64)


def fuse(logits: NDArray[np.floating], weight: NDArray[np.floating], correlation: float) -> Float:
    """Class posterior ``float64 [C]`` of one thing from several views.

    Views of one thing err alike, so n of them count as ``n / (1 + correlation (n - 1))``
    independent ones; a geometric mean of their posteriors is raised to that power.

    Args:
        logits: ``[V, C]`` calibrated logits of the views.
        weight: ``[V]`` how much each counts.
        correlation: of the views' errors.
    """
    p = np.log(np.maximum(posterior(logits), 1e-6))
    w = np.asarray(weight, np.float64)
    total = w.sum()
    n = total**2 / np.maximum((w**2).sum(), 1e-12)
    independent = n / (1 + correlation * (n - 1))
    return posterior(independent * (w @ p) / max(float(total), 1e-12))


def say(p: Float, classes: Sequence[str], min_p: float) -> tuple[str, float]:
    """The name of a thing and its probability; ``object`` when no name is probable enough.

    Of ``object``, the probability is that of the best name being wrong.
    """
    best = int(np.argmax(p))
    if p[best] < min_p:
        return UNNAMED, float(1 - p[best])
    return classes[best], float(p[best])


def with_prototypes(
    logits: Float,
    embedding: Float,
    classes: Sequence[str],
    prototypes: Mapping[str, Float],
    scale: float,
) -> tuple[Float, tuple[str, ...]]:
    """Logits of one thing with what people have taught beside the classes.

    A word's prototype is the mean embedding of what people called so. It competes with the
    classes as one of them; a word that is a class already adds to it.

    Args:
        logits: ``[C]``.
        embedding: ``[E]`` unit vector of the thing.
        classes: C names.
        prototypes: per word ``[E]`` mean embedding.
        scale: of similarities, as in the network.
    """
    if not prototypes:
        return logits, tuple(classes)
    out, names = [np.asarray(logits, np.float64)], list(classes)
    extra = []
    for word, mean in prototypes.items():
        similarity = float(embedding @ mean / max(float(np.linalg.norm(mean)), 1e-9))
        if word in names:
            k = names.index(word)
            out[0] = out[0].copy()
            out[0][k] = max(out[0][k], scale * similarity)
        else:
            names.append(word)
            extra.append(scale * similarity)
    return np.concatenate((*out, np.array(extra))), tuple(names)


_BIAS, _THING, _NAME = -0.72, 3.44, 0.24
"""Fitted by ``recipes.embedded.calibrate`` on five simulated homes, seeds 10100 to 10104."""


def believe(thing: float, name: float) -> float:
    """Probability that a named label is right: that there is such a thing, and it is called so.

    Both are underconfident or overconfident in their own way, so they are weighed on the logits.

    Args:
        thing: score of the sighting, 0 to 1.
        name: fused probability of its name.
    """
    a, b = (np.log(np.clip(v, 0.02, 0.99) / (1 - np.clip(v, 0.02, 0.99))) for v in (thing, name))
    return float(1 / (1 + np.exp(-(_BIAS + _THING * a + _NAME * b))))


_SEEN_BIAS, _SEEN = 0.83, 2.13
"""Fitted like the above: what is met by a box of the truth at IoU .5."""


def there(score: float) -> float:
    """Probability that a sighting of that score is of a thing at all, whatever it is called."""
    a = np.log(np.clip(score, 0.02, 0.99) / (1 - np.clip(score, 0.02, 0.99)))
    return float(1 / (1 + np.exp(-(_SEEN_BIAS + _SEEN * a))))
