"""Other projects' own libraries load the worlds that we export.

They live in an environment of their own; what is not installed there is skipped:

    python -m venv world-env && world-env/bin/pip install trimesh open3d spark-dsg
    SCENEKEEPER_WORLD_PYTHON=world-env/bin/python pytest tests/interop/test_worlds_load.py

``nuscenes-devkit`` is checked too where it is there.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.exchange.worlds import WORLD_FORMATS, export_world
from tests.world.made_scene import NOW_NS, made_scene

pytestmark = pytest.mark.interop

TRIMESH = """
import trimesh
scene = trimesh.load(path)
node = scene.graph["o3 white mug"]
mesh = scene.geometry[node[1]]
told = {"nodes": sorted(scene.graph.nodes), "at": node[0][:3, 3].tolist(),
        "closed": bool(mesh.is_watertight), "volume": float(mesh.volume),
        "color": [int(v) for v in mesh.visual.material.main_color]}
"""
POINTS = """
import numpy as np, open3d
cloud = open3d.t.io.read_point_cloud(path)
told = {"objects": np.unique(cloud.point["object"].numpy()).tolist(),
        "count": len(cloud.point.positions), "color": cloud.point.colors[0].numpy().tolist()}
"""
SPARK = """
import spark_dsg
graph = spark_dsg.DynamicSceneGraph.load(path)
node = graph.get_node(spark_dsg.NodeSymbol("O", 4).value).attributes
[edge] = [e for e in graph.edges if {e.source, e.target}
          == {spark_dsg.NodeSymbol("O", k).value for k in (4, 5)}]
told = {"nodes": graph.num_nodes(), "edges": graph.num_edges(), "name": node.name,
        "center": node.bounding_box.world_P_center.tolist(),
        "extent": node.bounding_box.dimensions.tolist(),
        "inside": bool(node.bounding_box.contains(node.position)),
        "label": graph.get_labelspace(2, 0).labels_to_names[node.semantic_label],
        "status": node.metadata.get()["status"], "edge": edge.info.metadata.get(),
        "seen": node.last_update_time_ns}
"""
NUSCENES = """
from nuscenes import NuScenes
tables = NuScenes("v1.0-world", path, verbose=False)
boxes = {b.name: b for b in (tables.get_box(a["token"]) for a in tables.sample_annotation)}
told = {"names": sorted(boxes), "center": boxes["box"].center.tolist(),
        "wlh": boxes["box"].wlh.tolist(), "corners": boxes["box"].corners().T.tolist(),
        "anns": len(tables.sample[0]["anns"])}
"""


def load(script: str, library: str, path: Path) -> dict[str, Any]:
    """What a library says of a file, run by its own Python."""
    python = os.environ.get("SCENEKEEPER_WORLD_PYTHON")
    if not python:
        pytest.skip("set SCENEKEEPER_WORLD_PYTHON to a Python with the libraries (recipe on top)")
    seek = f"import importlib.util as u; raise SystemExit(u.find_spec({library!r}) is None)"
    if subprocess.run([python, "-c", seek], check=False).returncode:
        pytest.skip(f"{library} is not installed there")
    whole = f"import json, sys\npath = sys.argv[1]\n{script}\nprint(json.dumps(told, default=dict))"
    done = subprocess.run(
        [python, "-c", whole, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def written(format: str, folder: Path) -> Path:
    out = folder / f"world{WORLD_FORMATS[format].suffix}"
    return export_world(made_scene(), format, out).path


def test_trimesh_loads_named_closed_coloured_meshes(tmp_path: Path) -> None:
    told = load(TRIMESH, "trimesh", written("glb", tmp_path))
    assert {"o1 floor", "o2 table", "o3 white mug: box", "o5 object"} <= set(told["nodes"])
    assert told["at"] == pytest.approx([0.4, 0.75, -0.1])  # up is y there
    assert told["closed"] and told["volume"] == pytest.approx(0.08 * 0.12 * 0.1, rel=0.8)


def test_open3d_loads_points_with_their_objects(tmp_path: Path) -> None:
    told = load(POINTS, "open3d", written("ply", tmp_path))
    assert told["objects"] == [1, 2, 3, 4, 7] and told["color"] == [200, 40, 10]
    assert told["count"] == sum(len(t.cells) for t in made_scene() if t.status != "missing")


def test_spark_dsg_loads_nodes_boxes_and_relations(tmp_path: Path) -> None:
    told = load(SPARK, "spark_dsg", written("dsg", tmp_path))
    assert (told["nodes"], told["edges"], told["name"]) == (6, 6, "box")
    assert (told["label"], told["status"], told["inside"]) == ("box", "stale", True)
    np.testing.assert_allclose(told["center"], [0.7, 0, 0.8], atol=1e-6)
    np.testing.assert_allclose(told["extent"], [0.3, 0.2, 0.2], atol=1e-6)
    assert told["edge"]["relations"][0]["predicate"] == "in"
    assert told["seen"] == NOW_NS - 60 * 10**9


def test_the_nuscenes_devkit_loads_all_tables(tmp_path: Path) -> None:
    told = load(NUSCENES, "nuscenes", written("nuscenes", tmp_path))
    assert told["names"] == ["box", "floor", "lamp", "object", "table", "white mug"]
    assert told["anns"] == 6 and told["wlh"] == pytest.approx([0.2, 0.3, 0.2])
    t = made_scene()[4]
    local = (np.array(told["corners"]) - t.center) @ t.R_world_box
    np.testing.assert_allclose(np.abs(local), np.broadcast_to(t.extent / 2, (8, 3)), atol=1e-9)
