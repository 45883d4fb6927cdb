"""Fixtures every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real recordings; tests that need it skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("SCENEKEEPER_TEST_DATA", default))
    if not path.is_dir():
        pytest.skip("real recordings are not here; set SCENEKEEPER_TEST_DATA to their folder")
    return path


@pytest.fixture(scope="session")
def kitchen(shared_data: Path) -> Path:
    """300 real Kinect RGB-D frames with poses."""
    return shared_data / "kitchen"
