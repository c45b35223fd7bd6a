"""Labels as Slicer markups files, and through real MRML where slicer-core is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from label_samples import MODEL, frontal_labels

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.labels import (
    ImageLabels,
    LabelError,
    LabelledImage,
    Placement,
    read_labelme,
    read_markups,
    write_labelme,
    write_markups,
)
from WristQCLib.labels.markups import markups_document
from WristQCLib.measurements import ImageGeometry

UNSEEN = ArtefactFinding.not_assessed("A markups file does not tell it.")


@pytest.fixture
def labels() -> ImageLabels:
    """A found point, one that is not in the image and one that is still to be placed."""
    image = LabelledImage("wrist.dcm", ImageGeometry(800, 600, (0.1, 0.3), 3.0), "1.2.3", "ab" * 32)
    return replace(
        frontal_labels(image, (100.7, 200.3)),
        placements={"thumb_mcp_joint": Placement(datetime(2026, 3, 4, tzinfo=UTC), "cut off")},
        extra={"fingers": "up", "wristqc": {"seed": 58}, "shapes": [{"label": "metal"}]},
    )


def edited(path: Path, labels: ImageLabels, point: dict[str, Any] | None = None, **changes: Any):
    """Write labels with changes to the styloid's control point and to the list."""
    document = markups_document(labels)
    markup = document["markups"][0]
    markup["controlPoints"][1] |= point or {}
    markup |= changes
    path.write_text(json.dumps(document))
    return path


def test_nothing_is_lost_by_writing_and_reading(labels: ImageLabels, tmp_path: Path) -> None:
    write_markups(tmp_path / "wrist.mrk.json", labels)
    assert read_markups(tmp_path / "wrist.mrk.json") == labels


def test_nothing_is_lost_from_labelme_to_markups_and_back(
    labels: ImageLabels, tmp_path: Path
) -> None:
    labels = replace(
        labels, extra={"fingers": "up", "shapes": [{"label": "metal", "points": [[0, 0]],
                                                    "shape_type": "circle"}]}
    )  # fmt: skip
    write_labelme(tmp_path / "a.json", labels)
    write_markups(tmp_path / "a.mrk.json", read_labelme(tmp_path / "a.json"))
    write_labelme(tmp_path / "b.json", read_markups(tmp_path / "a.mrk.json"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_positions_are_in_mm_towards_left_and_posterior(labels: ImageLabels) -> None:
    markup = markups_document(labels)["markups"][0]
    assert markup["coordinateSystem"] == "LPS"
    thumb, radial, ulnar = markup["controlPoints"]
    # 100.7 columns of 0.1 mm, 200.3 rows of 0.3 mm from the centre of the upper left pixel
    assert radial["position"] == pytest.approx([10.07, 60.09, 0.0], abs=1e-12)
    assert radial["positionStatus"] == "defined"
    assert (thumb["positionStatus"], ulnar["positionStatus"]) == ("missing", "undefined")
    assert "position" not in thumb
    assert radial["label"] == "radial_styloid"


def test_without_a_spacing_pixels_are_1_mm_wide_and_as_high_as_their_aspect(
    labels: ImageLabels,
) -> None:
    image = replace(labels.image, geometry=ImageGeometry(800, 600, None, 3.0))
    radial = markups_document(replace(labels, image=image))["markups"][0]["controlPoints"][1]
    assert radial["position"] == pytest.approx([100.7, 600.9, 0.0])


def test_a_point_that_was_moved_is_its_movers(labels: ImageLabels, tmp_path: Path) -> None:
    path = edited(tmp_path / "a.mrk.json", labels, {"position": [1.0, 3.0, 0.0]})
    expected = Keypoint("radial_styloid", Finding.FOUND, (10.0, 10.0), placed_by="person:Ada")
    point = read_markups(path, person="Ada").keypoints["radial_styloid"]
    assert point.position == pytest.approx((10.0, 10.0))
    assert replace(point, position=expected.position) == expected


def test_ras_files_are_understood(labels: ImageLabels, tmp_path: Path) -> None:
    path = edited(
        tmp_path / "a.mrk.json", labels, {"position": [-10.07, -60.09, 0.0]}, coordinateSystem="RAS"
    )
    assert read_markups(path) == labels


def test_a_list_of_another_program_needs_the_image(labels: ImageLabels, tmp_path: Path) -> None:
    controls = [{"label": "radial_styloid", "position": [10.0, 60.0, 0.0]}]
    document = {"markups": [{"type": "Line"}, {"type": "Fiducial", "controlPoints": controls}]}
    path = tmp_path / "a.mrk.json"
    path.write_text(json.dumps(document))
    with pytest.raises(LabelError, match="size of the pixels; give the image with it"):
        read_markups(path)
    read = read_markups(path, labels.image, person="Ada")
    assert read.keypoints["radial_styloid"].position == pytest.approx((100.0, 200.0))
    assert read.keypoints["radial_styloid"].placed_by == "person:Ada"
    assert read.keypoints["ulnar_styloid"] == Keypoint("ulnar_styloid")
    assert read.artefact.finding is Finding.NOT_ASSESSABLE


@pytest.mark.parametrize(
    ("point", "changes", "message"),
    [
        ({"position": [1, 2]}, {}, "the position of 'radial_styloid' must be 3 numbers"),
        ({"position": ""}, {}, "the position of 'radial_styloid' must be 3 numbers"),
        ({"position": [1, 2, 9]}, {}, "lies 9.0 mm off the image's plane"),
        ({"positionStatus": "lost"}, {}, "position status of 'radial_styloid' is unknown: 'lost'"),
        ({"label": "P2", "description": ""}, {}, "'P2' is not a keypoint of the frontal view"),
        ({"label": "ulnar_styloid", "description": ""}, {}, "'ulnar_styloid' is listed more than"),
        ({}, {"coordinateSystem": "IJK"}, "must be LPS or RAS, got 'IJK'"),
        ({}, {"type": "Line"}, "holds no point that is labelled with a keypoint's name"),
        ({}, {"controlPoints": None}, "does not have the form of its kind"),
    ],
)
def test_a_bad_file_is_refused_with_one_sentence(
    labels: ImageLabels,
    tmp_path: Path,
    point: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    path = edited(tmp_path / "bad.mrk.json", labels, point, **changes)
    with pytest.raises(LabelError) as error:
        read_markups(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"The label file {path} ")


def test_a_labelme_file_is_not_taken_for_markups(labels: ImageLabels, tmp_path: Path) -> None:
    write_labelme(tmp_path / "a.json", labels)
    with pytest.raises(LabelError, match="lacks 'markups'"):
        read_markups(tmp_path / "a.json")


# Real MRML ----------------------------------------------------------------------------------


@pytest.fixture
def storage() -> Iterator[Any]:
    """Slicer's own reader and writer of markups files."""
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    scene = slicer.vtkMRMLScene()
    scene.AddNode(slicer.vtkMRMLSelectionNode())
    logic = slicer.vtkSlicerMarkupsLogic()
    logic.SetMRMLScene(scene)
    node = slicer.vtkMRMLMarkupsJsonStorageNode()
    scene.AddNode(node)
    yield node
    logic.SetMRMLScene(None)
    scene.Clear(True)


def test_slicer_opens_what_is_written(labels: ImageLabels, tmp_path: Path, storage: Any) -> None:
    write_markups(tmp_path / "a.mrk.json", labels)
    node = storage.AddNewMarkupsNodeFromFile(str(tmp_path / "a.mrk.json"))
    statuses = [node.GetNthControlPointPositionStatus(i) for i in range(3)]
    assert statuses == [node.PositionMissing, node.PositionDefined, node.PositionUndefined]
    assert node.GetNthControlPointLabel(1) == "radial_styloid"
    assert node.GetNthControlPointPosition(1) == pytest.approx((-10.07, -60.09, 0.0))  # RAS
    assert node.GetFixedNumberOfControlPoints()


def test_the_scene_takes_a_list_that_was_written(
    labels: ImageLabels, tmp_path: Path, storage: Any
) -> None:
    from WristQCLib.scene.grid import PixelGrid
    from WristQCLib.scene.points import read_keypoints

    write_markups(tmp_path / "a.mrk.json", labels)
    node = storage.AddNewMarkupsNodeFromFile(str(tmp_path / "a.mrk.json"))
    read = read_keypoints(node, View.FRONTAL, PixelGrid.of(labels.image.geometry))
    assert labels.edited(read).keypoints["thumb_mcp_joint"] == labels.keypoints["thumb_mcp_joint"]
    assert read["radial_styloid"].position == pytest.approx((100.7, 200.3))
    assert read["radial_styloid"].placed_by == MODEL


def test_what_slicer_saves_is_read_with_the_image(
    labels: ImageLabels, tmp_path: Path, storage: Any
) -> None:
    write_markups(tmp_path / "a.mrk.json", labels)
    node = storage.AddNewMarkupsNodeFromFile(str(tmp_path / "a.mrk.json"))
    storage.SetFileName(str(tmp_path / "b.mrk.json"))
    assert storage.WriteData(node)
    read = read_markups(tmp_path / "b.mrk.json", labels.image)
    for before, after in zip(labels.keypoints, read.keypoints, strict=True):
        assert after.position == (before.position and pytest.approx(before.position))
        assert replace(after, position=before.position) == before
    assert read.artefact == UNSEEN
