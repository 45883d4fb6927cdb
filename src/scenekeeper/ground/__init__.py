"""Stage 1: what may be things in each frame. The embedded grounder needs no download.

In: frames, with or without depth. Out: boxes, masks, embeddings and class logits per frame.
"""

from __future__ import annotations

from scenekeeper.ground.stages import Propose

__all__ = ["Propose"]
