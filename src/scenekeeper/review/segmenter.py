"""What makes masks of a reviewer's clicks; the models lie elsewhere and are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from scenekeeper.schema import Frame


class Mask(Protocol):
    """What a segmenter found."""

    @property
    def counts(self) -> bytes | None:
        """COCO run lengths; ``None`` = nothing."""
        ...

    @property
    def score(self) -> float:
        """How good it takes the mask to be."""
        ...


class Segmenter(Protocol):
    """Makes masks of clicks and follows them: :class:`scenekeeper.segment.retouch.Retouch`."""

    def mask(
        self,
        frame: Frame,
        clicks: Sequence[tuple[float, float, bool]],
        box_xyxy: Sequence[float] | None = None,
    ) -> Mask:
        """A mask for clicks ``(x, y, inside)`` and a box, pixels of the frame."""
        ...

    def carry(self, frames: Iterable[Frame], counts: bytes) -> Iterator[Mask]:
        """The mask of the first frame, and what becomes of it in the others, in their order."""
        ...
