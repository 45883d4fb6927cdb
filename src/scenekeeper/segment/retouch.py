"""What a person draws, finished by a model: a mask from a few clicks, and carried through time.

In: SAM 2 or EdgeTAM, frames, clicks or a corrected mask. Out: run-length masks in pixels of the
frames. A correction in one frame so mends the frames around it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scenekeeper import masks
from scenekeeper.errors import ModelError
from scenekeeper.models import Device, Source
from scenekeeper.models.once import Once
from scenekeeper.schema import Frame
from scenekeeper.segment import sam2
from scenekeeper.segment.cutout import cut_out, enlarge
from scenekeeper.segment.sam_memory import Reach, prune
from scenekeeper.segment.sam_weights import Sam

FAMILIES = ("sam2", "edgetam")


@dataclass(frozen=True)
class Retouched:
    """One mask.

    Attributes:
        frame_id: of its frame.
        counts: COCO run lengths; ``None`` where the thing is not seen.
        score: the model's own estimate of the mask's IoU; NaN where a person gave the mask.
    """

    frame_id: int
    counts: bytes | None
    score: float


@dataclass(frozen=True, eq=False)
class Retouch:
    """A segmenter that takes a person's hints. One frame or clip at a time."""

    weights: Once[Sam]

    def mask(
        self,
        frame: Frame,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: Sequence[float] | None = None,
    ) -> Retouched:
        """What the clicks mean.

        Args:
            frame: the picture.
            clicks: ``(x, y, inside)`` in pixels of the frame.
            box_xyxy: around the thing, pixels.

        Raises:
            ModelError: the weights are missing or damaged.
            ValueError: there is neither click nor box.
        """
        if not clicks and box_xyxy is None:
            raise ValueError("a mask needs a click or a box")
        prompt: dict[str, Any] = {}
        if clicks:
            prompt["input_points"] = [[[[x, y] for x, y, _ in clicks]]]
            prompt["input_labels"] = [[[int(inside) for *_, inside in clicks]]]
        if box_xyxy is not None:
            prompt["input_boxes"] = [[list(box_xyxy)]]
        return next(self._through([frame], prompt))

    def carry(self, frames: Iterable[Frame], counts: bytes) -> Iterator[Retouched]:
        """A mask followed from the first frame through the others, in the order they come.

        Frames may run backwards in time. Memory does not grow with their number.

        Args:
            frames: of one camera and size.
            counts: the mask in the first of them; comes back as it is.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return
        yield Retouched(first.frame_id, counts, float("nan"))
        dense = masks.decode(counts, (first.rgb.shape[0], first.rgb.shape[1]))
        followed = self._through(itertools.chain([first], frames), {"input_masks": [dense]})
        next(followed)
        yield from followed

    def _through(self, frames: Iterable[Frame], prompt: dict[str, Any]) -> Iterator[Retouched]:
        """One thing, from its prompt in the first frame on."""
        import torch

        from scenekeeper.segment.sam_batched import step

        sam = self.weights()
        session = sam.session()
        for index, frame in enumerate(frames):
            size = (frame.rgb.shape[0], frame.rgb.shape[1])
            with torch.inference_mode(), sam.device.autocast():
                session.add_new_frame(sam.pixels([frame])[0], index)
                if not index:
                    sam.processor.add_inputs_to_inference_session(
                        session, 0, obj_ids=[0], original_size=size, **prompt
                    )
                said = step(sam.model, session, index)
                cut = cut_out(enlarge(said.logits, size) > 0)
                prune(session, index, Reach.of(sam.model))
            found = bool(cut.found[0])
            yield Retouched(frame.frame_id, cut.counts(0) if found else None, float(said.iou[0]))


def load(name: str, device: Device) -> Retouch:
    """The model of a name, ``sam2:CHECKPOINT`` or ``edgetam:CHECKPOINT``.

    Raises:
        ModelError: it is of another family, there is no such checkpoint, or it is of another kind.
    """
    source = Source.parse(name)
    if source.family not in FAMILIES or source.part is not None:
        raise ModelError(
            f"{name!r} takes no clicks",
            remedy=f"Name one of {', '.join(FAMILIES)}: sam2:facebook/sam2.1-hiera-small",
        )
    model = sam2.load(source, device)
    return Retouch(model.weights)
