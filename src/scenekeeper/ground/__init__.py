"""Stage 1: what may be things in each frame.

In: frames, and words for models that want them. Out: boxes with names and scores. ``Propose`` is
the embedded grounder, which needs no download; ``Detect`` runs models of any family.
"""

from __future__ import annotations

from scenekeeper.ground.detect import Detect
from scenekeeper.ground.stages import Propose

__all__ = ["Detect", "Propose"]
