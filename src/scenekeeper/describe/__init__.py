"""Stage 3: what a frame shows, in words.

In: instances, objects and relations. Out: one caption per frame. This first describer fills a
template from the scene graph and says so (``source = 'template'``); it sees no pixels.
"""

from __future__ import annotations

from scenekeeper.describe.template import Describe, caption

__all__ = ["Describe", "caption"]
