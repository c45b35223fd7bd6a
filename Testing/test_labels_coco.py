"""Labels as COCO keypoints: nothing is lost, and what another tool edits there is told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from label_samples import MODEL, frontal_labels

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels import ImageLabels, LabelError, LabelledImage, Placement, Rectangle
from WristQCLib.labels.coco import coco_document, read_coco, write_coco
from WristQCLib.measurements import ImageGeometry

TIME = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def frontal() -> ImageLabels:
    """A found point, one that is not in the image, one still to be placed; marker and ring."""
    image = LabelledImage("wrist.dcm", ImageGeometry(80, 60, (0.1, 0.2), 2.0), "1.2.3", "ab" * 32)
    labels = frontal_labels(image, (1.1, 2.3))
    ring = Rectangle("foreign_object", (20.0, 9.0, 10.0, 4.0))
    return replace(
        labels,
        rectangles=(ring, *labels.rectangles),
        placements={
            "thumb_mcp_joint": Placement(TIME, "cut off"),
            "radial_styloid": Placement(None, "不清楚"),
        },
        extra={"fingers": "up", "wristqc": {"seed": 58}},
    )


def lateral() -> ImageLabels:
    """All points found, nothing else known."""
    places = {name: (10.0 * n, 5.5) for n, name in enumerate(KEYPOINT_NAMES[View.LATERAL])}
    return ImageLabels(
        LabelledImage("b/seite.png", ImageGeometry(50, 40)),
        Keypoints.from_positions(View.LATERAL, places, "person:Ada"),
        ArtefactFinding.stated(False, "Ada"),
        Side.RIGHT,
    )


def edited(path: Path, change: Any, *labels: ImageLabels) -> Path:
    """Write labels as another tool leaves them: `change` gets the document."""
    document = coco_document(labels or (frontal(), lateral()))
    change(document)
    path.write_text(json.dumps(document))
    return path


def wrist(document: dict[str, Any], **changes: Any) -> None:
    document["annotations"][0] |= changes


def test_nothing_is_lost_by_writing_and_reading(tmp_path: Path) -> None:
    labels = [frontal(), lateral()]
    write_coco(tmp_path / "coco.json", labels)
    assert read_coco(tmp_path / "coco.json") == labels
    assert [path.name for path in tmp_path.iterdir()] == ["coco.json"]


def test_no_images_are_a_file_too(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco.json", [])
    assert read_coco(tmp_path / "coco.json") == []


def test_the_document_is_that_of_coco() -> None:
    document = coco_document([frontal(), lateral()])
    assert [{k: v for k, v in image.items() if k != "wristqc"} for image in document["images"]] == [
        {"id": 1, "file_name": "wrist.dcm", "width": 80, "height": 60},
        {"id": 2, "file_name": "b/seite.png", "width": 50, "height": 40},
    ]
    assert [(c["id"], c["name"], c.get("keypoints")) for c in document["categories"]] == [
        (1, "wrist_frontal", ["thumb_mcp_joint", "radial_styloid", "ulnar_styloid"]),
        (2, "wrist_lateral", [
            "scaphoid_centre", "distal_radius_centre", "proximal_radius_centre",
            "distal_ulna_centre", "proximal_ulna_centre",
        ]),
        (3, "marker_L", None),
        (4, "marker_R", None),
        (5, "foreign_object", None),
    ]  # fmt: skip
    first, ring, marker, second = document["annotations"]
    assert first == {
        "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [],
        "keypoints": [0, 0, 0, 1.1, 2.3, 2, 0, 0, 0], "num_keypoints": 1,
        "bbox": [0, 0, 80, 60], "area": 4800,
    }  # fmt: skip
    # Corners in continuous coordinates, half a pixel more than those of pixel centres.
    assert (ring["category_id"], ring["bbox"], ring["area"]) == (5, [10.5, 4.5, 10.0, 5.0], 50.0)
    assert (marker["category_id"], marker["bbox"]) == (3, [5.5, 1.0, 2.0, 1.0])
    assert (second["id"], second["image_id"], second["num_keypoints"]) == (4, 2, 5)


def test_a_rectangle_of_another_word_gets_a_category_of_its_own(tmp_path: Path) -> None:
    labels = replace(frontal(), rectangles=(Rectangle("plate", (1.0, 2.0, 3.0, 4.0), "old"),))
    write_coco(tmp_path / "a.json", [labels])
    assert coco_document([labels])["categories"][-1]["name"] == "plate"
    assert read_coco(tmp_path / "a.json") == [labels]


def test_what_another_tool_rounds_or_reorders_is_not_edited(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        wrist(document, keypoints=[0, 0, 0, 1.104, 2.296, 2, 0, 0, 0], bbox=[1, 1, 2, 2])
        document["annotations"].reverse()
        document["annotations"][0]["bbox"] = [5.5, 1.0, 2.004, 1.0]

    labels = frontal()
    assert read_coco(edited(tmp_path / "a.json", change, labels)) == [labels]


def test_a_point_that_was_moved_is_its_movers_and_the_others_stay_the_models(
    tmp_path: Path,
) -> None:
    labels = frontal()
    ulnar = Keypoint("ulnar_styloid", Finding.FOUND, (4.0, 5.0), 0.95, 0.3, MODEL)
    labels = replace(labels, keypoints=labels.keypoints.replaced(ulnar))
    path = edited(
        tmp_path / "a.json",
        lambda d: wrist(d, keypoints=[0, 0, 0, 1.1, 2.4, 2, 4.0, 5.0, 2]),
        labels,
    )
    (read,) = read_coco(path, person="Ada")
    assert read.keypoints["ulnar_styloid"] == ulnar
    assert read.keypoints["thumb_mcp_joint"] == labels.keypoints["thumb_mcp_joint"]
    assert read.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.FOUND, (1.1, 2.4), placed_by="person:Ada"
    )
    assert read.placements["radial_styloid"] == Placement(None, "不清楚")


def test_a_point_that_was_taken_away_is_not_in_the_image(tmp_path: Path) -> None:
    path = edited(tmp_path / "a.json", lambda d: wrist(d, keypoints=[0] * 9), frontal())
    (read,) = read_coco(path, person="Ada")
    assert read.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.NOT_FOUND, placed_by="person:Ada"
    )
    assert read.keypoints["ulnar_styloid"] == Keypoint("ulnar_styloid")  # still to be placed


def test_the_view_of_a_changed_category_is_taken(tmp_path: Path) -> None:
    path = edited(
        tmp_path / "a.json",
        lambda d: wrist(d, category_id=2, keypoints=[7, 8, 2] + [0] * 12),
        frontal(),
    )
    (read,) = read_coco(path, person="Ada")
    assert read.view is View.LATERAL
    assert read.keypoints["scaphoid_centre"].position == (7.0, 8.0)
    assert read.side is Side.LEFT


def test_a_foreign_object_that_was_taken_away_is_not_found(tmp_path: Path) -> None:
    labels = frontal()
    (read,) = read_coco(edited(tmp_path / "a.json", lambda d: d["annotations"].pop(1), labels))
    assert read.artefact == ArtefactFinding(Finding.NOT_FOUND, "person:unnamed")
    assert read.rectangles == labels.rectangles[1:]


def test_a_foreign_object_that_was_added_is_found(tmp_path: Path) -> None:
    box = {"id": 9, "image_id": 1, "category_id": 5, "bbox": [10, 20, 30, 5]}
    path = edited(tmp_path / "a.json", lambda d: d["annotations"].append(box), lateral())
    (read,) = read_coco(path, person="Li")
    assert read.artefact == ArtefactFinding(Finding.FOUND, "person:Li")
    assert read.rectangles == (Rectangle("foreign_object", (9.5, 19.5, 39.5, 24.5)),)


def plain() -> dict[str, Any]:
    """As another tool writes it, keypoints in another order."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10},
                   {"id": 8, "file_name": "b.png", "width": 20, "height": 10}],
        "categories": [
            {"id": 3, "name": "wrist",
             "keypoints": ["ulnar_styloid", "thumb_mcp_joint", "radial_styloid"]},
            {"id": 4, "name": "foreign_object"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 4, "bbox": [1, 2, 3, 4],
             "segmentation": [[1, 2, 4, 2, 4, 6]]},
            {"id": 2, "image_id": 7, "category_id": 3, "keypoints": [3, 4.5, 2, 1, 1, 1, 0, 0, 0]},
            {"id": 3, "image_id": 8, "category_id": 3, "keypoints": [3, 4, 2, 0, 0, 0, 0, 0, 0]},
        ],
    }  # fmt: skip


def test_a_file_of_another_tool_is_taken_as_a_persons(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(plain()))
    first, second = read_coco(path, person="Ada")
    assert first.image == LabelledImage("a.png", ImageGeometry(20, 10))
    assert first.keypoints["ulnar_styloid"] == Keypoint(
        "ulnar_styloid", Finding.FOUND, (3.0, 4.5), placed_by="person:Ada"
    )
    assert first.keypoints["thumb_mcp_joint"].position == (1.0, 1.0)  # hidden, but labelled
    assert first.keypoints["radial_styloid"] == Keypoint("radial_styloid")
    assert first.rectangles == (Rectangle("foreign_object", (0.5, 1.5, 3.5, 5.5)),)
    assert first.artefact == ArtefactFinding(Finding.FOUND, "person:Ada")
    assert second.artefact.finding is Finding.NOT_ASSESSABLE
    assert second.side is None


def test_an_image_that_cannot_be_used_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    document = plain()
    document["annotations"].pop()
    path.write_text(json.dumps(document))
    problems: list[str] = []
    (read,) = read_coco(path, on_problem=problems.append)
    assert read.image.name == "a.png"
    assert problems == [
        f"The label file {path} cannot be used: image 'b.png': it has no keypoints of a wrist;"
        " annotate it with the category wrist_frontal or wrist_lateral."
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("images"), "it lacks 'images', so it is not a COCO file"),
        (lambda d: d.update(images=[3]), "does not have the form of its kind"),
        (lambda d: d["images"][0].update(id="x"), "an id must be a whole number, got 'x'"),
        (lambda d: d["images"][1].update(id=1), "two images of one id"),
        (lambda d: wrist(d, image_id=99), "it annotates image 99, which it does not list"),
        (lambda d: wrist(d, category_id=99), "image 'wrist.dcm': its category 99 is not listed"),
        (lambda d: wrist(d, category_id=3), "'marker_L' does not name its keypoints"),
        (lambda d: wrist(d, keypoints=[1, 2, 2]), "the keypoints must be 9 numbers"),
        (lambda d: wrist(d, keypoints=[1, 2, 3] * 3), "visibility of 'thumb_mcp_joint' must be 0"),
        (lambda d: wrist(d, keypoints=["1", 2, 2] * 3), "must be a finite number, got '1'"),
        (lambda d: d["annotations"].append(d["annotations"][0]), "of more than one wrist"),
        (lambda d: d["annotations"].pop(0), "its keypoints were deleted; annotate it again"),
        (lambda d: d["annotations"][1].pop("bbox"), "KeyError('bbox') in its entries"),
        (lambda d: d["annotations"][1].update(bbox=[1, 2, -3, 4]), "has a negative size"),
        (lambda d: d["images"][0].update(width=40), "is 40 x 60 pixels but was 80 x 60 when"),
        (lambda d: d["images"][0]["wristqc"].update(format=2), "this version reads 1; update"),
        (
            lambda d: d["categories"][0].update(keypoints=["nose", "left_eye", "x"]),
            "its keypoints are named nose, left_eye, x; name them thumb_mcp_joint, radial_styloid",
        ),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_one_sentence(tmp_path: Path, change: Any, message: str) -> None:
    path = edited(tmp_path / "bad.json", change)
    with pytest.raises(LabelError) as error:
        read_coco(path)
    sentence = str(error.value)
    assert message in sentence
    assert sentence.startswith(f"The label file {path} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_pycocotools_loads_what_is_written(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    write_coco(tmp_path / "a.json", [frontal(), lateral()])
    loaded = coco.COCO(str(tmp_path / "a.json"))
    (frontal_id,) = loaded.getCatIds(catNms=["wrist_frontal"])
    (annotation,) = loaded.loadAnns(loaded.getAnnIds(catIds=[frontal_id]))
    assert annotation["keypoints"][3:6] == [1.1, 2.3, 2]
    assert loaded.loadImgs(annotation["image_id"])[0]["file_name"] == "wrist.dcm"
