"""Render all frames: ``python -m recipes.embedded.make_frames FOLDER --rooms 1200``."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.embedded.frames import make_all

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rooms", type=int, default=1200)
    parser.add_argument("--held-out", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--first-room", type=int, default=0, help="a multiple of 100")
    a = parser.parse_args()
    make_all(a.folder, a.rooms, a.held_out, a.processes, a.first_room)
