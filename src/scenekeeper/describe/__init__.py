"""Stage 3: what a frame shows, in words.

In: frames, instances, objects and relations. Out: captions, a sentence per thing, relations. The
describer that is always there fills a template from the scene graph and sees no pixels; others ask
a vision-language model, behind an address or in this process, about a few chosen frames.
"""

from __future__ import annotations

from scenekeeper.describe.clips import Story, describe_clip
from scenekeeper.describe.describer import Describer
from scenekeeper.describe.keyframes import KeyframeConfig
from scenekeeper.describe.propose_words import propose_words
from scenekeeper.describe.template import Describe, caption

__all__ = [
    "Describe",
    "Describer",
    "KeyframeConfig",
    "Story",
    "caption",
    "describe_clip",
    "propose_words",
]
