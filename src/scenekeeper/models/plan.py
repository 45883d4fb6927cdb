"""Which model does what: models are taken in order until the wanted fields are covered.

What a model provides is data, so a model that does the work of three needs no special case:
Grounding DINO and SAM 2 are two models composed, SAM 3 is boxes, masks and tracks in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenekeeper.errors import ModelError
from scenekeeper.models.base import ClipModel, Field, FrameModel, Model

SEEN: tuple[Field, ...] = ("boxes", "masks")
TOLD: frozenset[Field] = frozenset({"caption", "object_captions", "relations"})


@dataclass(frozen=True)
class Plan:
    """The parts that models play.

    Attributes:
        look: look at each frame by itself, one after the other, for boxes and masks.
        follow: follows things through a clip.
        tell: describes keyframes, whose things are known; ``None`` = nobody does.
        often: a smaller one that describes more of them; ``None`` = nobody does.
    """

    look: tuple[FrameModel, ...]
    follow: ClipModel
    tell: FrameModel | None = None
    often: FrameModel | None = None


def plan(models: Sequence[Model]) -> Plan:
    """Parts for models; the first that provides a field is the one that does.

    A model that finds and describes things describes only, where an earlier one finds them. Of two
    that describe, the first is asked often and the second about the main keyframes.

    Raises:
        ModelError: nothing finds boxes, a model lacks what it needs, or one would have no part.
    """
    covered: set[Field] = set()
    look: list[FrameModel] = []
    tell: list[FrameModel] = []
    follow: ClipModel | None = None
    for model in models:
        card = model.card
        if missing := sorted(card.needs - covered):
            raise ModelError(
                f"{card.name} needs {', '.join(missing)}, which no model before it provides",
                remedy="Name a model that finds them first, e.g."
                " grounding-dino:IDEA-Research/grounding-dino-tiny.",
            )
        new = card.provides - covered
        if isinstance(model, ClipModel):
            if follow is not None or "tracks" not in new:
                raise ModelError(
                    f"{card.name} would have nothing to do: tracks are covered",
                    remedy="Leave one of the models out.",
                )
            follow = model
        else:
            if new & set(SEEN):
                look.append(model)
            tells = bool(card.provides & TOLD) and len(tell) < 2
            if tells:
                tell.append(model)
            if not (new & set(SEEN) or tells):
                raise ModelError(
                    f"{card.name} would have nothing to do: others do all it can",
                    remedy="Leave one of the models out.",
                )
        covered |= new
    if "boxes" not in covered:
        raise ModelError(
            "none of the models finds things",
            remedy="Add one, e.g. grounding-dino:IDEA-Research/grounding-dino-tiny.",
        )
    if follow is None:
        raise ModelError(
            "none of the models follows things",
            remedy="Add one, e.g. sam2:facebook/sam2.1-hiera-small, or the tracker `boxes`.",
        )
    main = tell[-1] if tell else None
    return Plan(tuple(look), follow, main, tell[0] if len(tell) == 2 else None)
