"""How long a person takes: seconds of each action, for planning; the log holds the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAMES_AN_HOUR = 500
"""Frames that a reviewer reads an hour, one by one; what a budget in per cent is counted in."""


@dataclass(frozen=True)
class Effort:
    """Seconds of each action.

    A decision by one key takes a mental act and a keystroke, 1.35 + 0.2 s in the keystroke-level
    model (Card, Moran and Newell 1980). The others were assumed when the review was designed.

    Attributes:
        track: to read a filmstrip and press a key.
        thing: to read an object's card,
        each: and for every track on it, every box of a frame, every tile of a gallery.
        pair: to compare two filmstrips, or to read a statement.
        frame: to read a frame, without its boxes.
        reject: to take a label away, beyond reading.
        relabel: to choose another name,
        split: to find where it becomes another thing,
        mask: and to draw a mask anew.
        unforeseen: that masks and splits take on the average track card: a mask in ten slips,
            one identity in thirty switches.
        seen_at_once: share of a track's doubt that one look at a picture or two settles: its name
            and whether it is there, but hardly whether its mask or identity holds.
    """

    track: float = 1.5
    thing: float = 2.5
    each: float = 0.25
    pair: float = 3.0
    frame: float = 2.5
    reject: float = 1.0
    relabel: float = 2.5
    split: float = 6.0
    mask: float = 8.0
    unforeseen: float = 1.0
    seen_at_once: float = 0.75

    def of_track(self, doubt: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds ``[N]`` that track cards are expected to take.

        Args:
            doubt: ``[N]`` probability that something is wrong; mostly that is the name.
        """
        return self.track + self.unforeseen + self.relabel * doubt

    def of_thing(self, doubt: NDArray[np.float64]) -> float:
        """Seconds of one object's card; one name puts all its tracks right."""
        wrong = 1 - float(np.prod(1 - doubt))
        return self.thing + self.each * len(doubt) + self.relabel * wrong

    def of_gallery(self, doubt: NDArray[np.float64]) -> float:
        """Seconds of one gallery; each odd tile is named on its own."""
        return (
            self.track + self.each * len(doubt) + (self.reject + self.relabel) * float(doubt.sum())
        )


def budget_seconds(budget: str | float, frames: int) -> float:
    """A budget in seconds.

    Args:
        budget: minutes, or ``"5%"``: the time in which that share of the frames could be read one
            by one, :data:`FRAMES_AN_HOUR`.
        frames: that there are.

    Raises:
        ReviewError: it is neither.
    """
    text = str(budget).strip()
    try:
        if text.endswith("%"):
            seconds = float(text[:-1]) / 100 * frames / FRAMES_AN_HOUR * 3600
        else:
            seconds = float(text) * 60
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        from scenekeeper.errors import ReviewError

        raise ReviewError(
            f"{budget!r} is no budget", remedy='Give minutes, as 30, or per cent, as "5%".'
        )
    return seconds
