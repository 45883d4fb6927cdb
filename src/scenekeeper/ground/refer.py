"""Which thing does a sentence mean: ``the blue wrench on the left``.

In: a grounder, a frame, an expression. Out: candidates, best first, each with its score. Which of
them is meant is for the caller to say, or to ask; a single guess would hide that others were near.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenekeeper.models.base import FrameModel
from scenekeeper.schema import Frame, Labels


def refer(model: FrameModel, frame: Frame, expression: str, most: int = 5) -> Labels:
    """What an expression may mean in a frame.

    Args:
        model: a grounder; it is asked as for any phrase.
        frame: where to look.
        expression: what to look for.
        most: candidates.

    Returns:
        At most ``most`` boxes by falling score; none where the model finds nothing. The signal
        ``lead`` says by how much each is ahead of the next, of the last by its whole score.

    Raises:
        ModelError: the model cannot look.
        ValueError: the expression is empty.
    """
    if not expression.strip():
        raise ValueError("an expression has words")
    [found] = model.run([frame], {expression: ()}, [None])
    best = found[np.argsort(-found.score, kind="stable")]
    lead = -np.diff(best.score, append=np.float32(0))
    return replace(best, signals={**best.signals, "lead": lead})[:most]
