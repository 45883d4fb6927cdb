"""Foxglove overlay, read back with the mcap library and the schemas embedded in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.Log_pb2 import Log
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.exchange import export, foxglove
from scenekeeper.store import Dataset

START_NS = 1_700_000_000_000_000_000


def _messages(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Per topic ``(log time, message decoded by the schema in the file)``."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, raw, decoded in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append((raw.log_time, decoded))
    return found


def _facts(annotation: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in annotation.metadata}


def test_each_camera_has_its_annotations_at_the_times_of_its_frames(
    dataset: Dataset, tmp_path: Path
) -> None:
    done = export(dataset, "foxglove", tmp_path / "k.mcap", ["kitchen"])
    found = _messages(done.path)
    assert sorted(found) == [
        "/scenekeeper/captions",
        "/scenekeeper/head/annotations",
        "/scenekeeper/objects",
        "/scenekeeper/wrist/rgb/annotations",
    ]
    times = [t for t, _ in found["/scenekeeper/wrist/rgb/annotations"]]
    assert times == [START_NS + k * 500_000_000 for k in range(1, 12, 2)]
    assert (done.frames, done.instances) == (12, 36)


def test_an_instance_is_a_box_an_outline_and_a_text(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"])
    _, first = _messages(tmp_path / "k.mcap")["/scenekeeper/head/annotations"][0]
    stamps = {(a.timestamp.seconds, a.timestamp.nanos) for a in (*first.points, *first.texts)}
    assert stamps == {(START_NS // 10**9, 0)}
    assert [text.text for text in first.texts] == ['mug "white"\\ ü #7', "table #8", "chair"]
    loops = [[(p.x, p.y) for p in loop.points] for loop in first.points]
    assert len(loops) == 5  # the chair has no mask
    square = {(5.0, 12.0), (15.0, 12.0), (15.0, 22.0), (5.0, 22.0)}
    assert set(loops[0]) == set(loops[1]) == square
    assert all(loop.type == 2 for loop in first.points)  # LINE_LOOP


@pytest.mark.skipif(
    "metadata" not in PointsAnnotation.DESCRIPTOR.fields_by_name,
    reason="foxglove-schemas-protobuf before 0.4 has no place for metadata on annotations",
)
def test_an_annotation_says_who_it_is_and_how_sure(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"])
    _, first = _messages(tmp_path / "k.mcap")["/scenekeeper/head/annotations"][0]
    assert _facts(first.points[0]) == {
        "class": 'mug "white"\\ ü',
        "track": "1",
        "object": "7",
        "score": "0.1",
        "status": "propagated",
    }
    assert _facts(first.points[4]) == {
        "class": "chair",
        "score": "0.3",
        "p": "0.75",
        "status": "certified",
    }


def test_objects_are_cubes_where_the_world_has_them(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"], frame_id="map")
    ((t_ns, scene),) = _messages(tmp_path / "k.mcap")["/scenekeeper/objects"]
    assert t_ns == START_NS
    entities = {entity.id: entity for entity in scene.entities}
    assert sorted(entities) == ["object/7", "object/8", "relation/7/on/8"]  # 9 has no place
    assert all(entity.frame_id == "map" for entity in scene.entities)
    mug = entities["object/7"]
    pose, size = mug.cubes[0].pose, mug.cubes[0].size
    p, q = pose.position, pose.orientation
    T = geometry.pose_matrix([p.x, p.y, p.z, q.x, q.y, q.z, q.w])
    assert np.allclose(T[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert np.allclose(T[:3, 3], [0.1, 0.2, 1.0])
    assert (size.x, size.y, size.z) == (0.1, 0.1, 0.2)
    assert mug.texts[0].text == 'mug "white"\\ ü #7'
    assert _facts(mug)["status"] == "verified"


def test_a_relation_is_an_arrow_from_subject_to_object(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"])
    ((_, scene),) = _messages(tmp_path / "k.mcap")["/scenekeeper/objects"]
    relation = next(entity for entity in scene.entities if entity.arrows)
    arrow = relation.arrows[0]
    p, q = arrow.pose.position, arrow.pose.orientation
    T = geometry.pose_matrix([p.x, p.y, p.z, q.x, q.y, q.z, q.w])
    tip = geometry.transform(T, np.array([arrow.shaft_length + arrow.head_length, 0, 0]))
    assert np.allclose(T[:3, 3], [0.1, 0.2, 1.0]) and np.allclose(tip, [0.0, 0.5, 1.5])
    assert relation.texts[0].text == "on" and _facts(relation)["source"] == "geometry"


def test_captions_are_logged_when_they_hold(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"])
    captions = _messages(tmp_path / "k.mcap")["/scenekeeper/captions"]
    assert [t - START_NS for t, _ in captions] == [0, 2_000_000_000, 4_000_000_000]
    assert captions[0][1].message == 'clip 0: a "mug" on a table'


def test_sessions_in_one_file_keep_to_their_own_topics(dataset: Dataset, tmp_path: Path) -> None:
    foxglove.export(dataset, tmp_path / "all.mcap", sessions=["kitchen", "hall"])
    found = _messages(tmp_path / "all.mcap")
    assert len(found["/scenekeeper/kitchen/head/annotations"]) == 6
    assert len(found["/scenekeeper/hall/head/annotations"]) == 2


@pytest.mark.parametrize("message", [ImageAnnotations, SceneUpdate, Log])
def test_the_schemas_in_the_file_are_those_foxglove_publishes(
    dataset: Dataset, tmp_path: Path, message: Any
) -> None:
    foxglove.export(dataset, tmp_path / "k.mcap", sessions=["kitchen"])
    with (tmp_path / "k.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    schema = {s.name: s for s in summary.schemas.values()}[message.DESCRIPTOR.full_name]
    assert schema.encoding == "protobuf"
    embedded = {f.name: f for f in FileDescriptorSet.FromString(schema.data).file}
    waiting, seen = [message.DESCRIPTOR.file], set()
    while waiting:
        published = waiting.pop()
        seen.add(published.name)
        expected = FileDescriptorProto()
        published.CopyToProto(expected)
        assert embedded[published.name] == expected
        waiting += [f for f in published.dependencies if f.name not in seen]
    assert seen == set(embedded)


def test_another_suffix_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ends in \.mcap"):
        foxglove.export(dataset, tmp_path / "k.bag", sessions=["kitchen"])
