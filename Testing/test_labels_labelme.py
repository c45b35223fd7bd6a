"""Labels as Labelme files: nothing is lost, and what a person edits there is told apart."""

from __future__ import annotations

import base64
import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import radiograph as dicom_radiograph
from dicom_files import write
from label_samples import MODEL, frontal_labels
from PIL import Image

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import Assessor, NoModels
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import (
    ImageLabels,
    LabelError,
    LabelledImage,
    Placement,
    Rectangle,
    pixels_sha256,
    read_labelme,
    write_labelme,
)
from WristQCLib.labels.labelme import labelme_document
from WristQCLib.measurements import ImageGeometry
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.resources import RESOURCES
from WristQCLib.side_marker import SideMarker

TIME = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def labels() -> ImageLabels:
    """A found point, one that is not in the image and one that is still to be placed."""
    image = LabelledImage("wrist.png", ImageGeometry(8, 6, (0.1, 0.2), 2.0), "1.2.3", "ab" * 32)
    return replace(
        frontal_labels(image, (1.1, 2.3)),
        placements={
            "thumb_mcp_joint": Placement(TIME),
            "radial_styloid": Placement(None, "sigma_px=2"),
        },
        extra={"fingers": "up", "wristqc": {"seed": 58}},
    )


def edit(path: Path, labels: ImageLabels, **changes: Any) -> Path:
    """Write labels with changes to the document's top level."""
    document = labelme_document(labels) | changes
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_nothing_is_lost_by_writing_and_reading(labels: ImageLabels, tmp_path: Path) -> None:
    write_labelme(tmp_path / "wrist.json", labels)
    assert read_labelme(tmp_path / "wrist.json") == labels
    assert [path.name for path in tmp_path.iterdir()] == ["wrist.json"]


def test_points_are_listed_only_when_they_are_in_the_image(labels: ImageLabels) -> None:
    document = labelme_document(labels)
    assert document["shapes"] == [
        {
            "label": "radial_styloid", "points": [[1.1, 2.3]], "group_id": None,
            "description": "sigma_px=2", "shape_type": "point", "flags": {},
        },
        {
            "label": "marker_L", "points": [[5.0, 0.5], [7.0, 1.5]], "group_id": None,
            "description": "mirrored", "shape_type": "rectangle", "flags": {},
        },
    ]  # fmt: skip
    assert document["flags"] == {
        "artefact": True, "frontal": True, "lateral": False, "implant": False,
    }  # fmt: skip
    assert document["wristqc"]["pixel_spacing_mm"] == [0.2, 0.1]  # row, column
    assert document["fingers"] == "up"
    assert (document["imageHeight"], document["imageWidth"]) == (6, 8)


def test_an_embedded_picture_is_an_8_bit_png_of_what_is_displayed(labels: ImageLabels) -> None:
    shown = np.linspace(0.0, 1.0, 48).reshape(6, 8)
    png = base64.b64decode(labelme_document(labels, shown)["imageData"])
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), np.round(shown * 255))


def test_a_picture_of_another_size_is_refused(labels: ImageLabels) -> None:
    with pytest.raises(ValueError, match=r"\(6, 8\).*\(8, 6\)"):
        labelme_document(labels, np.zeros((8, 6)))


def test_a_file_without_our_entry_is_taken_as_a_persons(tmp_path: Path) -> None:
    document = {
        "version": "5.1.1", "flags": {"lateral": True, "artefact": True}, "imageData": None,
        "shapes": [
            {"label": "scaphoid_centre", "points": [[3, 4.5]], "shape_type": "point"},
            {"label": "metal", "points": [[0, 0], [1, 1], [2, 0]], "shape_type": "polygon"},
        ],
        "imagePath": "a.png", "imageHeight": 10, "imageWidth": 20,
    }  # fmt: skip
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    labels = read_labelme(path, person="Ada")
    assert labels.keypoints["scaphoid_centre"] == Keypoint(
        "scaphoid_centre", Finding.FOUND, (3.0, 4.5), placed_by="person:Ada"
    )
    assert labels.keypoints["distal_ulna_centre"] == Keypoint(
        "distal_ulna_centre", Finding.NOT_FOUND, placed_by="person:Ada"
    )
    assert labels.artefact == ArtefactFinding(Finding.FOUND, "person:Ada")
    assert labels.side is None
    assert labels.image.geometry.spacing is None
    assert labels.extra == {"shapes": document["shapes"][1:]}
    write_labelme(path, labels)
    assert read_labelme(path) == labels


def test_a_point_that_was_moved_is_its_movers_and_the_others_stay_the_models(
    labels: ImageLabels, tmp_path: Path
) -> None:
    ulnar = Keypoint("ulnar_styloid", Finding.FOUND, (4.0, 5.0), 0.95, 0.3, MODEL)
    labels = replace(labels, keypoints=labels.keypoints.replaced(ulnar))
    document = labelme_document(labels)
    document["shapes"][0]["points"] = [[1.1, 2.4]]
    path = tmp_path / "moved.json"
    path.write_text(json.dumps(document))
    moved = read_labelme(path, person="Ada")
    assert moved.keypoints["ulnar_styloid"] == ulnar
    assert moved.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.FOUND, (1.1, 2.4), placed_by="person:Ada"
    )
    assert moved.placements["radial_styloid"] == Placement(None, "sigma_px=2")


def test_a_point_that_was_deleted_is_not_in_the_image_but_one_to_be_placed_stays_so(
    labels: ImageLabels, tmp_path: Path
) -> None:
    read = read_labelme(edit(tmp_path / "a.json", labels, shapes=[]), person="Ada")
    assert read.keypoints["radial_styloid"].finding is Finding.NOT_FOUND
    assert read.keypoints["radial_styloid"].placed_by == "person:Ada"
    assert read.keypoints["thumb_mcp_joint"] == labels.keypoints["thumb_mcp_joint"]
    assert read.keypoints["ulnar_styloid"].finding is Finding.NOT_ASSESSABLE


def test_an_artefact_flag_that_was_changed_is_its_changers(
    labels: ImageLabels, tmp_path: Path
) -> None:
    path = edit(tmp_path / "a.json", labels, flags={"frontal": True, "artefact": False})
    expected = ArtefactFinding(Finding.NOT_FOUND, "person:Ada")
    assert read_labelme(path, person="Ada").artefact == expected


def test_an_image_that_nobody_looked_at_for_artefacts_stays_so(
    labels: ImageLabels, tmp_path: Path
) -> None:
    labels = replace(labels, artefact=ArtefactFinding.not_assessed("Models were not used."))
    write_labelme(tmp_path / "a.json", labels)
    assert read_labelme(tmp_path / "a.json").artefact == labels.artefact


def test_an_oblique_image_keeps_its_flags(labels: ImageLabels, tmp_path: Path) -> None:
    flags = {"frontal": False, "lateral": False, "oblique": True, "artefact": True}
    read = read_labelme(edit(tmp_path / "a.json", labels, flags=flags))
    assert read.view is View.FRONTAL  # whose keypoints it carries
    assert labelme_document(read)["flags"] == flags


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": None}, "does not have the form of its kind"),
        ({"shapes": [{"label": 3}]}, "the label of a shape must be text, got 3"),
        ({"flags": {"frontal": "yes"}}, "the flags must be true or false by name"),
        ({"flags": {"frontal": True, "lateral": True}}, "both frontal and lateral; keep one"),
        ({"flags": {"lateral": True}}, "radial_styloid are of the other view; correct the flags"),
        ({"imageWidth": None}, "the image's width must be a positive whole number, got None"),
        ({"wristqc": {"pixel_spacing_mm": [0.1]}}, "the pixel spacing must be 2 numbers"),
        ({"wristqc": {"pixel_spacing_mm": [0.1, -1]}}, "spacings of an image are positive"),
        ({"wristqc": {"side": "links"}}, "the side must be L or R, got 'links'"),
        ({"wristqc": {"format": 2, "keypoints": {}}}, "this version reads 1; update WristQC"),
    ],
)
def test_a_bad_file_is_refused_with_one_sentence(
    labels: ImageLabels, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = edit(tmp_path / "bad.json", labels, **changes)
    with pytest.raises(LabelError) as error:
        read_labelme(path)
    sentence = str(error.value)
    assert message in sentence
    assert sentence.startswith(f"The label file {path} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"points": [[1, 2], [3, 4]]}, "'radial_styloid' is a point; mark it with one point"),
        ({"shape_type": "circle"}, "'radial_styloid' is a circle; mark it with one point"),
        ({"points": [[1, None]]}, "the position of 'radial_styloid' must be a finite number"),
        ({"points": [[1, float("nan")]]}, "must be a finite number, got nan"),
        ({"points": [[1, 10**400]]}, "form of its kind"),
    ],
)
def test_a_bad_shape_is_refused_by_name(
    labels: ImageLabels, tmp_path: Path, shape: dict[str, Any], message: str
) -> None:
    first = labelme_document(labels)["shapes"][0]
    with pytest.raises(LabelError, match=message):
        read_labelme(edit(tmp_path / "bad.json", labels, shapes=[first | shape]))


def test_a_keypoint_that_is_listed_twice_is_refused(labels: ImageLabels, tmp_path: Path) -> None:
    first = labelme_document(labels)["shapes"][0]
    with pytest.raises(LabelError, match="'radial_styloid' is listed more than once"):
        read_labelme(edit(tmp_path / "bad.json", labels, shapes=[first, first]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON in UTF-8"),
        (b"\xff\xfe{}", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON in UTF-8"),
        (b"[1]", "holds a JSON list instead of an object"),
        (b"{}", "lacks 'shapes' or 'imagePath', so it is not a Labelme file"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=message):
        read_labelme(path)


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"nowhere\.json cannot be read"):
        read_labelme(tmp_path / "nowhere.json")


def test_a_view_that_nothing_tells_is_asked_for(labels: ImageLabels, tmp_path: Path) -> None:
    path = edit(tmp_path / "a.json", labels, flags={}, shapes=[], wristqc={})
    with pytest.raises(LabelError, match="whether the image is frontal or lateral"):
        read_labelme(path)
    assert read_labelme(path, View.LATERAL).view is View.LATERAL


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(
    labels: ImageLabels, tmp_path: Path
) -> None:
    (tmp_path / "wrist.json").mkdir()
    with pytest.raises(LabelError, match=r"wrist\.json cannot be written"):
        write_labelme(tmp_path / "wrist.json", labels)
    assert os.listdir(tmp_path) == ["wrist.json"]  # noqa: PTH208


@pytest.mark.parametrize("path", sorted((RESOURCES / "SampleData").glob("*.json")), ids=str)
def test_the_samples_truth_survives_unchanged(path: Path) -> None:
    before = json.loads(path.read_text(encoding="utf-8"))
    after = labelme_document(read_labelme(path))
    assert after["shapes"] == before["shapes"]
    assert after["flags"] == before["flags"]
    assert {key: after["wristqc"][key] for key in before["wristqc"]} == before["wristqc"]


def test_labels_of_an_assessment_tell_the_image_and_not_the_patient(tmp_path: Path) -> None:
    header = {"PatientName": "Doe^Jane", "PatientID": "4711", "AccessionNumber": "A815"}
    dataset = dicom_radiograph(ViewPosition="PA", ImageLaterality="L", **header)
    radiograph = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    labels = ImageLabels.of(Assessor.create(NoModels()).assess(radiograph), radiograph, TIME)
    assert labels.image.name == "wrist.dcm"
    assert labels.image.sop_instance_uid == dataset.SOPInstanceUID
    assert labels.image.pixels_sha256 == pixels_sha256(radiograph)
    assert labels.side is Side.LEFT
    assert labels.keypoints == Keypoints.to_be_placed(View.FRONTAL)
    assert labels.placements == {}
    assert not [v for v in header.values() if v in json.dumps(labelme_document(labels))]


def test_keypoints_and_marker_of_an_assessment_become_labels(labels: ImageLabels) -> None:
    radiograph = Radiograph.from_pixels(np.zeros((6, 8), np.uint8), view="frontal")
    assessment = Assessor.create(NoModels()).assess(radiograph)
    marker = SideMarker(Finding.FOUND, Side.RIGHT, 0.9, (1.0, 2.0, 3.0, 4.0), 0.0, "An R.")
    assessment = replace(assessment, keypoints=labels.keypoints, side_marker=marker)
    made = ImageLabels.of(assessment, radiograph, TIME)
    assert made.keypoints == labels.keypoints
    assert made.rectangles == (Rectangle("marker_R", (1.0, 2.0, 3.0, 4.0)),)
    assert made.placements == {
        "thumb_mcp_joint": Placement(TIME), "radial_styloid": Placement(TIME),
    }  # fmt: skip


def test_labels_need_a_view() -> None:
    radiograph = Radiograph.from_pixels(np.zeros((300, 200), np.uint8), name="grey")
    assessment = Assessor.create(NoModels()).assess(radiograph)
    with pytest.raises(LabelError, match="grey cannot be labelled while its view is unknown"):
        ImageLabels.of(assessment, radiograph)


def test_the_hash_of_pixels_depends_on_values_and_shape_alone() -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4)
    first = Radiograph.from_pixels(grey, name="a", spacing=0.1)
    assert pixels_sha256(first) == pixels_sha256(Radiograph.from_pixels(grey, name="b"))
    others = [grey.reshape(4, 3), grey + 1]
    assert pixels_sha256(first) not in [pixels_sha256(Radiograph.from_pixels(o)) for o in others]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Placement(datetime(2026, 3, 4))
