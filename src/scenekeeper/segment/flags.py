"""What makes an instance doubtful by its place in the picture alone."""

from __future__ import annotations

from scenekeeper.schema import Labels


def flags_of(frame: Labels, small_side: int) -> list[list[str]]:
    """Per instance, which of ``small`` and ``truncated`` hold.

    Args:
        frame: labels.
        small_side: a box side below this many pixels is small.
    """
    height, width = frame.size
    out = []
    for x0, y0, x1, y1 in frame.box_xyxy.tolist():
        checks = {
            "small": min(x1 - x0, y1 - y0) < small_side,
            "truncated": x0 <= 1 or y0 <= 1 or x1 >= width - 1 or y1 >= height - 1,
        }
        out.append([name for name, found in checks.items() if found])
    return out
