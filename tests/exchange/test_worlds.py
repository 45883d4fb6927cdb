"""Exports of the world, read back by readers that share nothing with the writers."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.exchange.world_glb import cell_mesh
from scenekeeper.exchange.world_kitti import CameraView
from scenekeeper.exchange.world_sight import seen_shares
from scenekeeper.exchange.world_things import level_box
from scenekeeper.exchange.worlds import WORLD_FORMATS, export_world
from scenekeeper.voxels import voxel_keys
from scenekeeper.world.scene import CELL, Scene
from tests.world.made_scene import HOSTILE, NOW_NS, made_scene, renamed, thing, yaw

Z_UP = np.array([0.0, 0.0, 1.0])
K = np.array([[300.0, 0, 160], [0, 310.0, 120], [0, 0, 1]])


def looking(at: tuple[float, float, float], lean: float = 0.0) -> np.ndarray[Any, Any]:
    """``T_world_camera`` of a camera that looks along +y, ``lean`` radians down."""
    c, s = np.cos(lean), np.sin(lean)
    T = np.eye(4)
    T[:3, :3] = np.stack(([1, 0, 0], [0, -s, -c], [0, c, -s]), 1)
    T[:3, 3] = at
    return T


def view(lean: float = 0.0) -> CameraView:
    return CameraView("monday/7", looking((0.1, -2.5, 1.0), lean), K, (240, 320))


def options(format: str) -> dict[str, Any]:
    return {"views": [view()]} if format == "kitti" else {}


def exported(scene: Scene, format: str, folder: Path, **more: Any) -> Path:
    out = folder / f"world{WORLD_FORMATS[format].suffix}"
    return export_world(scene, format, out, **options(format) | more).path


# --- what all formats have in common --------------------------------------------------------------

ALL = sorted(set(WORLD_FORMATS) - {"rerun"})


@pytest.mark.parametrize("format", ALL)
def test_what_is_gone_is_left_out_unless_asked_for(format: str, tmp_path: Path) -> None:
    scene = made_scene()
    for gone in (False, True):
        with_points = format == "ply"
        floor = format != "kitti"
        wanted = [
            t.object
            for t in scene
            if (gone or t.status != "missing")
            and (len(t.cells) or not with_points)
            and (floor or t.kind != "support")
        ]
        out = tmp_path / f"{gone}{WORLD_FORMATS[format].suffix}"
        assert export_world(scene, format, out, gone=gone, **options(format)).instances == len(
            wanted
        )


@pytest.mark.parametrize("format", ALL)
def test_a_world_with_nothing_in_it_is_refused_and_leaves_no_file(
    format: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="nothing to export"):
        exported(Scene(()), format, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ALL)
def test_the_same_world_gives_the_same_bytes(format: str, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        out = exported(made_scene(), format, tmp_path / name)
        files = [out] if out.is_file() else sorted(p for p in out.rglob("*") if p.is_file())
        found.append([file.read_bytes() for file in files])
    assert found[0] == found[1]


@pytest.mark.parametrize("format", ALL)
def test_a_hostile_name_can_be_exported(format: str, tmp_path: Path) -> None:
    assert exported(renamed(made_scene(), 3, HOSTILE), format, tmp_path).exists()


def test_mistakes_are_told_with_a_remedy(tmp_path: Path) -> None:
    scene = made_scene()
    with pytest.raises(ExportError, match="There are: dsg, foxglove, glb"):
        export_world(scene, "obj", tmp_path / "w.obj")
    with pytest.raises(ExportError, match=r"ends in \.glb. Use w\.glb"):
        export_world(scene, "glb", tmp_path / "w.gltf")
    with pytest.raises(ExportError, match="has no option 'color'"):
        export_world(scene, "glb", tmp_path / "w.glb", color=True)
    with pytest.raises(ExportError, match="Give at least one camera"):
        export_world(scene, "kitti", tmp_path / "k", views=[])
    (tmp_path / "w.ply").touch()
    with pytest.raises(ExportError, match="is in the way"):
        export_world(scene, "ply", tmp_path / "w.ply")
    with pytest.raises(ExportError, match="cannot be written"):
        export_world(scene, "ply", tmp_path / "w.ply" / "w.ply")


def test_without_rerun_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ExportError, match=r'pip install "scenekeeper\[rerun\]"'):
        export_world(made_scene(), "rerun", tmp_path / "w.rrd")


@pytest.mark.interop
def test_rerun_reads_back_every_entity(tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    path = exported(made_scene(), "rerun", tmp_path)
    command = [sys.executable, "-m", "rerun", "rrd"]
    subprocess.run([*command, "verify", str(path)], check=True, capture_output=True)
    listed = subprocess.run(
        [*command, "print", "-v", str(path)], check=True, capture_output=True, text=True
    ).stdout
    for entity in ("/world/objects@Boxes3D", "/world/cells@Points3D", "/graph@GraphEdges"):
        assert entity in listed


# --- PLY ------------------------------------------------------------------------------------------


def test_ply_has_a_coloured_point_with_its_object_for_every_cell(tmp_path: Path) -> None:
    scene = made_scene()
    head, _, data = exported(scene, "ply", tmp_path).read_bytes().partition(b"end_header\n")
    assert head.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"comment o3 white mug\n" in head
    dtype = [("xyz", "<f4", 3), ("rgb", "u1", 3), ("object", "<i4")]
    points = np.frombuffer(data, dtype)
    assert f"element vertex {len(points)}\n".encode() in head
    assert set(points["object"].tolist()) == {1, 2, 3, 4, 7}
    for t in scene:
        mine = points[points["object"] == t.object]
        if t.status != "missing" and len(t.cells):
            assert (np.unique(voxel_keys(mine["xyz"].astype(float), CELL)) == t.cells).all()
            assert (mine["rgb"] == t.rgb).all()


def test_ply_names_stay_on_one_line(tmp_path: Path) -> None:
    scene = renamed(made_scene(), 3, "mug\nelement face 3\n\u00fc")
    head = exported(scene, "ply", tmp_path).read_bytes().partition(b"end_header\n")[0]
    assert b"\nelement face" not in head and head.isascii()


# --- GLB ------------------------------------------------------------------------------------------


def glb(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", raw)
    assert (magic, version, length) == (b"glTF", 2, len(raw))
    n, kind = struct.unpack_from("<I4s", raw, 12)
    m, second = struct.unpack_from("<I4s", raw, 20 + n)
    assert (kind, second) == (b"JSON", b"BIN\0") and n % 4 == m % 4 == 0
    assert 28 + n + m == len(raw)
    return json.loads(raw[20 : 20 + n]), raw[28 + n :]


def values(document: dict[str, Any], binary: bytes, number: int) -> np.ndarray[Any, Any]:
    accessor = document["accessors"][number]
    part = document["bufferViews"][accessor["bufferView"]]
    dtype, width = {5126: ("<f4", 3), 5125: ("<u4", 1)}[accessor["componentType"]]
    data = binary[part["byteOffset"] :][: part["byteLength"]]
    found = np.frombuffer(data, dtype).reshape(-1, width)
    assert len(found) == accessor["count"]
    return found


def test_glb_has_a_named_node_per_thing_where_it_is(tmp_path: Path) -> None:
    scene = made_scene()
    document, binary = glb(exported(scene, "glb", tmp_path))
    nodes = {node["name"]: node for node in document["nodes"]}
    root = document["nodes"][document["scenes"][0]["nodes"][0]]
    assert [document["nodes"][k]["name"] for k in root["children"]] == [
        *("o1 floor", "o2 table", "o3 white mug", "o4 box", "o5 object", "o7 lamp")
    ]
    assert nodes["o3 white mug"]["extras"]["names"]["white mug"] == 0.8
    turn = geometry.pose_matrix([0, 0, 0, *root["rotation"]])[:3, :3]
    np.testing.assert_allclose(turn @ Z_UP, [0, 1, 0], atol=1e-9)
    for number, name in ((4, "o4 box"), (5, "o5 object")):
        t, node = scene[number], nodes[name]
        [primitive] = document["meshes"][node["mesh"]]["primitives"]
        points = values(document, binary, primitive["attributes"]["POSITION"])
        index = values(document, binary, primitive["indices"])
        assert primitive["mode"] == 4 and index.max() == len(points) - 1
        local = (points + node["translation"] - t.center) @ t.R_world_box
        np.testing.assert_allclose(np.abs(local).max(0), t.extent / 2, atol=0.04)
        bounds = document["accessors"][primitive["attributes"]["POSITION"]]
        assert (points.min(0) == np.float32(bounds["min"])).all()
        assert (points.max(0) == np.float32(bounds["max"])).all()


def test_glb_boxes_can_be_left_out(tmp_path: Path) -> None:
    document, _ = glb(exported(made_scene(), "glb", tmp_path, boxes=False))
    assert not [n for n in document["nodes"] if n["name"].endswith(": box")]


cells = st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=40, unique=True)


@settings(max_examples=40, deadline=None)
@given(cells)
def test_the_mesh_of_cells_is_closed_and_holds_their_volume(where: list[Any]) -> None:
    keys = np.sort(voxel_keys((np.array(where, float) + 0.5) * CELL, CELL))
    points, triangles = cell_mesh(keys)
    a, b, c = points[triangles].transpose(1, 0, 2)
    volume = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6
    assert volume == pytest.approx(len(keys) * CELL**3, rel=1e-6)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    there, back = edges.tolist(), edges[:, ::-1].tolist()
    assert sorted(there) == sorted(back)


# --- boxes that stand upright ---------------------------------------------------------------------

sizes = st.tuples(*[st.floats(0.02, 3)] * 3)


@settings(max_examples=60, deadline=None)
@given(sizes, st.floats(-7, 7))
def test_a_level_box_is_the_same_box(extent: Any, angle: float) -> None:
    t = thing(1, "x", (1, 2, 3), extent, angle=angle, solid=False)
    box = level_box(t, Z_UP)
    assert box.length >= box.width and abs(box.heading @ Z_UP) < 1e-9
    across = np.cross(Z_UP, box.heading)
    R = np.stack((box.heading, across, Z_UP), 1)
    corners = geometry.box_corners(box.center, np.array([box.length, box.width, box.height]), R)
    wanted = geometry.box_corners(t.center, t.extent, t.R_world_box)
    distance = np.linalg.norm(corners[:, None] - wanted, axis=2)
    assert distance.min(0).max() < 1e-9 and distance.min(1).max() < 1e-9


def test_a_box_that_leans_becomes_one_around_it() -> None:
    lean = np.array([[1.0, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    t = replace(thing(1, "x", (0, 0, 0), (1, 0.4, 0.2), solid=False), R_world_box=lean)
    box = level_box(t, Z_UP)
    assert (box.length, box.width, box.height) == pytest.approx((1, 0.44, 0.4))


# --- KITTI ----------------------------------------------------------------------------------------


def kitti(folder: Path) -> tuple[dict[str, list[Any]], dict[str, np.ndarray[Any, Any]]]:
    labels = (folder / "label_2" / "000000.txt").read_text().splitlines()
    rows = {line.split()[0]: [float(v) for v in line.split()[1:]] for line in labels}
    assert all(len(row) == 14 for row in rows.values())
    lines = (
        line.split(": ") for line in (folder / "calib" / "000000.txt").read_text().splitlines()
    )
    return rows, {
        name: np.array(v.split(), float).reshape(-1, 3 if name == "R0_rect" else 4)
        for name, v in lines
    }


def corners_of(row: list[float]) -> np.ndarray[Any, Any]:
    """As KITTI's own development kit computes them."""
    h, w, length, x, y, z, ry = row[7:]
    c, s = np.cos(ry), np.sin(ry)
    local = np.array(
        [
            length / 2 * np.array([1, 1, -1, -1, 1, 1, -1, -1]),
            -h * np.array([0, 0, 0, 0, 1, 1, 1, 1]),
            w / 2 * np.array([1, -1, -1, 1, 1, -1, -1, 1]),
        ]
    )
    R = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return (R @ local).T + np.array([x, y, z])


@pytest.mark.parametrize("lean", [0.0, 0.3])
def test_kitti_boxes_lie_where_the_things_are_and_project_onto_them(
    lean: float, tmp_path: Path
) -> None:
    scene = made_scene()
    rows, calib = kitti(exported(scene, "kitti", tmp_path, views=[view(lean)]))
    assert set(rows) == {"table", "white_mug", "box", "object", "lamp"}
    T = np.vstack((calib["Tr_velo_to_cam"], [0, 0, 0, 1]))
    for number, name in ((2, "table"), (3, "white_mug"), (4, "box")):
        t, corners = scene[number], corners_of(rows[name])
        world = (corners - T[:3, 3]) @ T[:3, :3]
        wanted = geometry.box_corners(t.center, t.extent, t.R_world_box)
        nearest = np.linalg.norm(world[:, None] - wanted, axis=2).min(1)
        assert nearest.max() < 2e-3  # millimetres are written
        pixels = np.c_[corners, np.ones(8)] @ calib["P2"].T
        pixels = pixels[:, :2] / pixels[:, 2:]
        around = np.array([pixels.min(0), pixels.max(0)])
        inside = np.clip(around, 0, [319, 239])
        np.testing.assert_allclose(np.reshape(rows[name][3:7], (2, 2)), inside, atol=1)
        shown = np.prod(inside[1] - inside[0]) / np.prod(around[1] - around[0])
        assert rows[name][0] == pytest.approx(1 - shown, abs=0.02)
        alpha = rows[name][13] - np.arctan2(rows[name][10], rows[name][12])
        assert np.cos(alpha - rows[name][2]) > 0.9999


def test_kitti_says_what_is_cut_off_hidden_and_out_of_sight(tmp_path: Path) -> None:
    scene = Scene(
        (
            thing(1, "board", (0.1, 0, 1), (0.8, 0.05, 0.8)),
            thing(2, "behind", (0.1, 0.5, 1), (0.3, 0.3, 0.3)),
            thing(3, "beside", (1.3, 0, 1), (0.5, 0.3, 0.3)),
            thing(4, "backwards", (0, -5, 1), (1, 1, 1)),
            thing(5, "bare", (-0.8, 0, 1), (0.2, 0.2, 0.2), solid=False),
        ),
        t_ns=NOW_NS,
    )
    rows, _ = kitti(exported(scene, "kitti", tmp_path))
    assert set(rows) == {"board", "behind", "beside", "bare"}
    assert [rows[n][1] for n in ("board", "behind", "beside", "bare")] == [0, 2, 0, 3]
    assert rows["behind"][0] == 0 and 0.2 < rows["beside"][0] < 0.8
    assert rows["beside"][5] == 319


def test_a_box_that_reaches_behind_the_camera_is_cut_at_its_plane(tmp_path: Path) -> None:
    scene = Scene((thing(1, "floor", (0, 0, -0.05), (8, 8, 0.1), solid=False),))
    rows, _ = kitti(exported(scene, "kitti", tmp_path))
    box = rows["floor"][3:7]
    assert 120 < box[1] < 240 and box[0] == 0 and box[2:] == [319, 239]


def test_a_leaning_camera_is_told_of(tmp_path: Path) -> None:
    done = export_world(made_scene(), "kitti", tmp_path / "a", views=[view(0.5)], level=False)
    assert "lean up to 29 degrees: boxes lean" in done.notes[0]
    assert not export_world(made_scene(), "kitti", tmp_path / "b", views=[view()]).notes


def test_what_stands_behind_another_is_not_seen() -> None:
    front = thing(1, "front", (0, 0, 1), (1, 0.05, 0.5))
    behind = thing(2, "behind", (0, 0.6, 1), (0.4, 0.05, 0.4))
    gone = replace(front, status="missing")
    T = geometry.invert(looking((0, -2, 1)))
    shares = seen_shares([front, behind], T, K, (240, 320))
    assert shares[1] > 0.98 and shares[2] < 0.05
    assert seen_shares([gone, behind], T, K, (240, 320)) == {2: 1.0}


# --- nuScenes -------------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {p.stem: json.loads(p.read_text()) for p in (folder / "v1.0-world").glob("*.json")}


def test_nuscenes_tables_refer_to_each_other(tmp_path: Path) -> None:
    found = tables(exported(made_scene(), "nuscenes", tmp_path))
    known = {name: {row["token"] for row in rows} for name, rows in found.items()}
    assert len(found) == 13
    for row in found["sample_annotation"]:
        assert row["instance_token"] in known["instance"]
        assert row["sample_token"] in known["sample"]
        assert row["visibility_token"] in known["visibility"]
        assert set(row["attribute_tokens"]) <= known["attribute"]
    assert all(row["category_token"] in known["category"] for row in found["instance"])
    assert found["sample"][0]["scene_token"] in known["scene"]
    assert found["sample"][0]["timestamp"] == NOW_NS // 1000


def test_nuscenes_boxes_are_the_things(tmp_path: Path) -> None:
    scene = made_scene()
    found = tables(exported(scene, "nuscenes", tmp_path))
    for row, t in zip(found["sample_annotation"], [t for t in scene if t.object != 6], strict=True):
        (w, length, h), (qw, qx, qy, qz) = row["size"], row["rotation"]
        assert qx == qy == 0 and w <= length
        R = yaw(2 * np.arctan2(qz, qw))
        corners = geometry.box_corners(np.array(row["translation"]), np.array([length, w, h]), R)
        wanted = geometry.box_corners(t.center, t.extent, t.R_world_box)
        assert np.linalg.norm(corners[:, None] - wanted, axis=2).min(1).max() < 1e-9


def test_nuscenes_instances_keep_their_tokens_when_the_world_changes(tmp_path: Path) -> None:
    scene = made_scene()
    later = replace(renamed(scene, 3, "cup"), t_ns=NOW_NS + 10**12)
    first = tables(exported(scene, "nuscenes", tmp_path / "a"))
    second = tables(exported(later, "nuscenes", tmp_path / "b"))
    assert [r["token"] for r in first["instance"]] == [r["token"] for r in second["instance"]]
    assert first["sample"][0]["token"] != second["sample"][0]["token"]


def test_a_world_with_another_up_is_turned_for_nuscenes(tmp_path: Path) -> None:
    y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # its third axis is the world's y
    t = replace(thing(1, "x", (1, 2, 3), (1, 0.4, 0.2), solid=False), R_world_box=y_up.T)
    up = y_up.T[:, 2]
    [row] = tables(exported(Scene((t,), up=up), "nuscenes", tmp_path))["sample_annotation"]
    assert row["translation"][2] == pytest.approx(t.center @ up)
    assert row["size"] == pytest.approx([0.4, 1, 0.2])


# --- Foxglove and the scene graph -----------------------------------------------------------------


def test_foxglove_has_a_cube_per_thing_and_an_arrow_per_relation(tmp_path: Path) -> None:
    with exported(made_scene(), "foxglove", tmp_path).open("rb") as file:
        [(schema, channel, message)] = list(make_reader(file).iter_messages())
    assert (schema.name, channel.topic) == ("foxglove.SceneUpdate", "/scenekeeper/world")
    assert message.log_time == NOW_NS
    entities = {e.id: e for e in SceneUpdate.FromString(message.data).entities}
    mug = entities["object/3"]
    assert (mug.cubes[0].size.x, mug.cubes[0].pose.position.x) == (0.08, 0.4)
    assert {p.key: p.value for p in mug.metadata}["status"] == "moved"
    assert "object/6" not in entities and "relation/6/on/1" not in entities
    assert entities["relation/5/in/4"].arrows and mug.frame_id == "world"


def test_the_scene_graph_has_nodes_and_one_edge_a_pair(tmp_path: Path) -> None:
    graph = json.loads(exported(made_scene(), "dsg", tmp_path).read_text())
    nodes = {node["id"] & (1 << 56) - 1: node for node in graph["nodes"]}
    assert set(nodes) == {1, 2, 3, 4, 5, 7} and all(
        n["id"] >> 56 == ord("O") for n in graph["nodes"]
    )
    box = nodes[4]["attributes"]["bounding_box"]
    assert box["dimensions"] == [0.3, 0.2, 0.2] and box["world_P_center"] == [0.7, 0, 0.8]
    q = [box["world_R_center"][k] for k in "xyzw"]
    np.testing.assert_allclose(geometry.pose_matrix([0, 0, 0, *q])[:3, :3], yaw(-0.7), atol=1e-12)
    pairs = [(e["source"] & 255, e["target"] & 255) for e in graph["edges"]]
    assert pairs == [(1, 2), (2, 3), (2, 4), (2, 5), (3, 4), (4, 5)]
    [said] = graph["edges"][-1]["info"]["metadata"]["relations"]
    assert (said["subject"], said["predicate"], said["object"]) == (5, "in", 4)
