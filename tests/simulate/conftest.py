"""Renderer tests need the extra ``simulate``."""

from __future__ import annotations

import importlib.util

NEEDS_NUMBA = (
    "test_render.py",
    "test_home.py",
    "test_motion.py",
    "test_sensor.py",
    "test_changes.py",
    "test_produce.py",
    "test_reach.py",
)
collect_ignore = [] if importlib.util.find_spec("numba") else list(NEEDS_NUMBA)
