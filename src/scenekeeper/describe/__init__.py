"""Stage 3: what a frame shows, in words.

In: frames, instances, objects and relations. Out: a caption per frame and per object, and
statements about relations. Models look at keyframes (``Tell``); what they do not tell is filled in
from the scene graph by a template, which says so (``source = 'template'``).
"""

from __future__ import annotations

from scenekeeper.describe.choose import OFTEN, Choose, Glance
from scenekeeper.describe.compose import Compose
from scenekeeper.describe.tell import Tell
from scenekeeper.describe.template import Describe, caption

__all__ = ["OFTEN", "Choose", "Compose", "Describe", "Glance", "Tell", "caption"]
