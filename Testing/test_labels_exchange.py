"""Labels out of a store and into one: nothing is lost, nothing is double, whatever stops it."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from dicom_files import radiograph as dicom_radiograph
from dicom_files import write
from label_pictures import labelme, picture
from label_samples import frontal_labels
from PIL import Image

from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels import (
    ImageLabels,
    LabelError,
    LabelledImage,
    LabelStore,
    Placement,
    Reading,
    key_of,
    pixels_sha256,
    read_markups,
)
from WristQCLib.labels.exchange import Form, Imported, export_labels, import_labels
from WristQCLib.radiograph import Radiograph, read_radiograph

REPOSITORY = Path(__file__).resolve().parents[1]
TIME = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    return LabelStore.open(tmp_path / "store")


@pytest.fixture
def dicom(tmp_path: Path) -> Radiograph:
    """A DICOM image of 80 x 96 pixels, 12 bits, 0.1 mm."""
    path = write(tmp_path / "dicom" / "wrist 1.dcm", dicom_radiograph(PixelSpacing=[0.1, 0.1]))
    return read_radiograph(path)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "in").mkdir()


def frontal(radiograph: Radiograph) -> ImageLabels:
    """A found point, one that is not in the image, one still to be placed; all else told, too."""
    return replace(
        frontal_labels(LabelledImage.of(radiograph), (20.25, 30.5)),
        placements={"thumb_mcp_joint": Placement(TIME, "cut off")},
        extra={"fingers": "up"},
    )


def lateral(radiograph: Radiograph) -> ImageLabels:
    places = {name: (3.0 * n, 5.5) for n, name in enumerate(KEYPOINT_NAMES[View.LATERAL])}
    return replace(
        frontal(radiograph),
        keypoints=Keypoints.from_positions(View.LATERAL, places, "person:Dr Li"),
        side=Side.RIGHT,
        rectangles=(),
        placements={"scaphoid_centre": Placement(TIME)},
    )


def read_by(
    reader: str, labels: ImageLabels, minute: int = 0, based_on: str | None = None
) -> Reading:
    when = TIME.replace(minute=minute)
    return Reading(labels, None, reader, when, f"{reader} {labels.view} {minute}", based_on)


@pytest.fixture
def full(store: LabelStore, dicom: Radiograph) -> LabelStore:
    """A store with a DICOM image and a picture."""
    other = Radiograph.from_pixels(np.arange(4800, dtype=np.uint8).reshape(60, 80), name="b")
    store.accept(read_by("Dr Li", frontal(dicom)), dicom)
    store.accept(read_by("Dr Li", lateral(other)), other)
    return store


def consensuses(store: LabelStore) -> dict[str, ImageLabels | None]:
    return {stored.key: stored.consensus for stored in store}


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Both ways ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", Form)
def test_what_is_exported_is_imported_as_it_was(
    full: LabelStore, tmp_path: Path, form: Form
) -> None:
    exported = export_labels(full, tmp_path / "out", form)
    assert (exported.count, exported.problems) == (2, ())
    other = LabelStore.open(tmp_path / "other")
    done = import_labels(other, [tmp_path / "out"], reader="Dr Li")
    assert (done.count, done.new, done.problems) == (2, 2, [])
    assert consensuses(other) == consensuses(full)
    assert {r.reader for stored in other for r in stored.readings} == {"Dr Li"}


@pytest.mark.parametrize("form", Form)
def test_importing_what_was_exported_changes_nothing(
    full: LabelStore, tmp_path: Path, form: Form
) -> None:
    before = [stored.readings for stored in full]
    export_labels(full, tmp_path / "out", form)
    done = import_labels(full, [tmp_path / "out"], reader=" Dr  Li ")
    assert (done.count, done.new, done.problems) == (2, 0, [])
    assert [stored.readings for stored in full] == before


def test_nothing_is_lost_along_all_forms(full: LabelStore, tmp_path: Path) -> None:
    expected = consensuses(full)
    for number, form in enumerate([*Form, *reversed(Form)]):
        export_labels(full, tmp_path / f"out{number}", form)
        full = LabelStore.open(tmp_path / f"store{number}")
        import_labels(full, [tmp_path / f"out{number}"], reader="Dr Li")
    assert consensuses(full) == expected


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (Form.LABELME, ["b.json", "images/b.png", "images/wrist_1.png", "wrist_1.json"]),
        (Form.MARKUPS, ["b.mrk.json", "wrist_1.mrk.json"]),
        (Form.COCO, ["coco.json", "images/b.png", "images/wrist_1.png"]),
        (Form.CSV, ["images/b.png", "images/wrist_1.png", "labels.csv"]),
    ],
)
def test_files_are_named_after_their_images(
    full: LabelStore, tmp_path: Path, form: Form, files: list[str]
) -> None:
    exported = export_labels(full, tmp_path / "out", form)
    assert files_in(tmp_path / "out") == files
    alone = {Form.COCO: "coco.json", Form.CSV: "labels.csv"}
    assert exported.path == tmp_path / "out" / alone.get(form, "")


def test_images_of_one_name_get_files_of_their_own(store: LabelStore, tmp_path: Path) -> None:
    for number in (1, 2):
        radiograph = Radiograph.from_pixels(np.full((9, 9), number, np.uint8), name="IM1")
        store.accept(read_by("Dr Li", frontal(radiograph)), radiograph)
    export_labels(store, tmp_path / "out", Form.LABELME)
    assert files_in(tmp_path / "out") == [
        "IM1-2.json", "IM1.json", "images/IM1-2.png", "images/IM1.png"
    ]  # fmt: skip


def test_a_picture_is_8_bit_grey_as_it_is_displayed(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    export_labels(full, tmp_path / "out", Form.LABELME)
    document = json.loads((tmp_path / "out" / "wrist_1.json").read_text())
    assert document["imagePath"] == "images/wrist_1.png"
    assert document["imageData"] is None
    with Image.open(tmp_path / "out" / "images" / "wrist_1.png") as shown:
        assert (shown.mode, shown.size) == ("L", (80, 96))
        assert json.loads(shown.text["wristqc"]) == {"pixels_sha256": pixels_sha256(dicom)}
        low, high = np.percentile(dicom.pixels, [1, 99])
        expected = ((dicom.pixels - low) / (high - low)).clip(0, 1) * 255
        assert np.abs(np.asarray(shown) - expected).max() < 2


def test_a_picture_can_lie_in_the_label(full: LabelStore, tmp_path: Path) -> None:
    export_labels(full, tmp_path / "out", Form.LABELME, embed_images=True)
    assert files_in(tmp_path / "out") == ["b.json", "wrist_1.json"]
    document = json.loads((tmp_path / "out" / "wrist_1.json").read_text())
    assert document["imagePath"] == "wrist 1.dcm"
    with Image.open(io.BytesIO(base64.b64decode(document["imageData"]))) as shown:
        assert (shown.mode, shown.size) == ("L", (80, 96))
    other = LabelStore.open(tmp_path / "other")
    import_labels(other, [tmp_path / "out"], reader="Dr Li")
    assert consensuses(other) == consensuses(full)


@pytest.mark.parametrize("form", [Form.MARKUPS, Form.COCO, Form.CSV])
def test_other_forms_hold_no_pictures(full: LabelStore, tmp_path: Path, form: Form) -> None:
    with pytest.raises(LabelError, match=f"Pictures cannot be put into {form} files"):
        export_labels(full, tmp_path / "out", form, embed_images=True)


def test_an_image_that_is_not_kept_is_named_as_its_file(
    store: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    store.accept(read_by("Dr Li", frontal(dicom)))
    exported = export_labels(store, tmp_path / "out", Form.LABELME)
    assert json.loads((tmp_path / "out" / "wrist_1.json").read_text())["imagePath"] == "wrist 1.dcm"
    assert exported.problems == (
        "1 of 1 images are not kept in the store, so their labels refer to the original files; give"
        " the folder of these to have pictures made.",
    )
    found = export_labels(store, tmp_path / "out", Form.CSV, images=[tmp_path / "dicom"])
    assert found.problems == ()
    assert files_in(tmp_path / "out") == ["images/wrist_1.png", "labels.csv", "wrist_1.json"]


def test_images_in_conflict_are_told_unless_one_reader_is_asked_for(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    other = replace(frontal(dicom), side=Side.RIGHT)
    full.accept(read_by("Dr Ada", other))
    exported = export_labels(full, tmp_path / "out", Form.CSV)
    assert exported.count == 1
    assert exported.problems == tuple(c.sentence for c in full.conflicts())
    exported = export_labels(full, tmp_path / "ada", Form.MARKUPS, reader="Dr Ada")
    assert (exported.count, exported.problems) == (1, ())
    assert read_markups(tmp_path / "ada" / "wrist_1.mrk.json") == other


def test_an_export_can_be_stopped(full: LabelStore, tmp_path: Path) -> None:
    exported = export_labels(full, tmp_path / "out", Form.COCO, go_on=lambda count: False)
    assert exported.count == 1
    assert len(json.loads(exported.path.read_text())["images"]) == 1


def test_a_folder_that_cannot_be_written_is_told(full: LabelStore, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(LabelError, match="cannot be written"):
        export_labels(full, tmp_path / "out", Form.CSV)


# Edited elsewhere ---------------------------------------------------------------------------


def test_a_file_that_was_edited_replaces_the_reading_that_it_was_made_of(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    export_labels(full, tmp_path / "out", Form.LABELME)
    path = tmp_path / "out" / "wrist_1.json"
    document = json.loads(path.read_text())
    document["shapes"][0]["points"] = [[21.0, 30.5]]
    path.write_text(json.dumps(document))
    done = import_labels(full, [path], reader="Dr Li")
    assert (done.new, done.problems, full.conflicts()) == (1, [], [])
    first, second = full.readings(key_of(dicom))
    assert second.based_on == first.id
    assert second.labels.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.FOUND, (21.0, 30.5), placed_by="person:Dr Li"
    )
    assert second.labels.image == first.labels.image
    assert second.labels.side is first.labels.side

    document["shapes"][0]["points"] = [[22.0, 30.5]]  # and once more, from the same export
    path.write_text(json.dumps(document))
    import_labels(full, [path], reader="Dr Li")
    assert len(full.readings(key_of(dicom))) == 3


def test_what_was_accepted_meanwhile_is_not_overruled(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    export_labels(full, tmp_path / "out", Form.COCO)
    moved = frontal(dicom).keypoints.replaced(Keypoint("ulnar_styloid", Finding.NOT_FOUND))
    first = full.current(key_of(dicom))[0]
    full.accept(read_by("Dr Li", replace(frontal(dicom), keypoints=moved), 5, first.id))
    done = import_labels(full, [tmp_path / "out"], reader="Dr Li")  # stale, and not edited
    assert (done.new, full.conflicts()) == (0, [])
    document = json.loads((tmp_path / "out" / "coco.json").read_text())
    for annotation in document["annotations"]:
        if annotation.get("num_keypoints") == 1:
            annotation["keypoints"][3] = 50.0
    (tmp_path / "out" / "coco.json").write_text(json.dumps(document))
    done = import_labels(full, [tmp_path / "out"], reader="Dr Li")
    assert done.new == 1
    (conflict,) = full.conflicts()
    assert "2 readings of Dr Li" in conflict.sentence


def test_a_file_that_was_imported_and_edited_replaces_its_earlier_state(
    store: LabelStore, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 1)
    for x in (3.0, 4.0, 5.0):
        shape = {"label": "radial_styloid", "points": [[x, 4.0]], "shape_type": "point"}
        path = labelme(tmp_path / "in" / "a.json", "a.png", shapes=[shape])
        assert import_labels(store, [path], reader="Dr Li").new == 1
    (key,) = store.keys()
    (current,) = store.current(key)
    assert current.labels.keypoints["radial_styloid"].position == (5.0, 4.0)
    assert len(store.readings(key)) == 3
    assert import_labels(store, [path], reader="Dr Ada").new == 1  # of another reader
    assert len(store.current(key)) == 2


def test_two_files_of_one_image_that_differ_are_a_conflict_each_time(
    store: LabelStore, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 1)
    labelme(tmp_path / "in" / "a.json", "a.png")
    labelme(tmp_path / "in" / "b.json", "a.png", shapes=[])
    for new in (2, 0):
        assert import_labels(store, [tmp_path / "in"], reader="Dr Li").new == new
        assert len(store.conflicts()) == 1


def test_a_list_that_slicer_saved_is_laid_onto_what_was_known(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    export_labels(full, tmp_path / "out", Form.MARKUPS)
    path = tmp_path / "out" / "wrist_1.mrk.json"
    document = json.loads(path.read_text())
    del document["wristqc"]  # as Slicer does
    document["markups"][0]["controlPoints"][2] |= {
        "position": [1.0, 2.0, 0.0], "positionStatus": "defined",
    }  # fmt: skip
    path.write_text(json.dumps(document))
    missing = import_labels(full, [path], reader="Dr Li")
    assert (
        "does not tell which image it is of, and no image is called wrist_1"
        in (missing.problems[0])
    )
    done = import_labels(full, [path], reader="Dr Li", images=[tmp_path / "dicom"])
    assert (done.new, done.problems) == (1, [])
    newest = full.readings(key_of(dicom))[-1].labels
    assert newest.keypoints["ulnar_styloid"].position == pytest.approx((10.0, 20.0))
    assert newest.keypoints["radial_styloid"] == frontal(dicom).keypoints["radial_styloid"]
    assert (newest.side, newest.artefact, newest.rectangles) == (
        Side.LEFT, frontal(dicom).artefact, frontal(dicom).rectangles,
    )  # fmt: skip
    again = import_labels(full, [path], reader="Dr Li", images=[tmp_path / "dicom"])
    assert (again.new, again.problems) == (0, [])


@pytest.mark.parametrize("embed", [False, True])
def test_what_labelme_itself_opens_and_saves_is_as_it_was(
    full: LabelStore, tmp_path: Path, embed: bool
) -> None:
    label_file = pytest.importorskip("labelme.label_file", reason="labelme is not installed")
    before = [stored.readings for stored in full]
    export_labels(full, tmp_path / "out", Form.LABELME, embed_images=embed)
    for path in (tmp_path / "out").glob("*.json"):
        file = label_file.LabelFile(str(path))
        with Image.open(io.BytesIO(file.imageData)) as shown:
            width, height = shown.size
        file.save(
            str(path), file.shapes, file.imagePath, height, width,
            file.imageData if embed else None, file.otherData, file.flags,
        )  # fmt: skip
    done = import_labels(full, [tmp_path / "out"], reader="Dr Li")
    assert (done.count, done.new, done.problems) == (2, 0, [])
    assert [stored.readings for stored in full] == before


# Finding the image --------------------------------------------------------------------------


def test_the_image_beside_the_label_is_found_and_kept(store: LabelStore, tmp_path: Path) -> None:
    image = picture(tmp_path / "in" / "images" / "a.png", 1)
    labelme(tmp_path / "in" / "a.json", "images\\a.png")  # as Labelme writes on Windows
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li")
    assert (done.count, done.new, done.problems) == (1, 1, [])
    (stored,) = store
    assert stored.image.pixels_sha256 == pixels_sha256(read_radiograph(image))
    assert stored.name == "a.png"
    assert stored.image_path is not None
    assert stored.readings[0].reader == "Dr Li"
    saved = (tmp_path / "in" / "a.json").stat().st_mtime
    assert stored.readings[0].accepted_at.timestamp() == pytest.approx(saved)


def test_an_image_elsewhere_is_found_by_its_name_and_folder(
    store: LabelStore, tmp_path: Path
) -> None:
    for number, case in enumerate(("case1", "case2")):
        picture(tmp_path / "pictures" / case / "IM1.png", number)
        labelme(tmp_path / "in" / f"{case}.json", f"../{case}/IM1.png")
    labelme(tmp_path / "in" / "other.json", "IM1.png")
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li", images=[tmp_path / "pictures"])
    assert done.count == 2
    assert done.problems == [
        f"The label of IM1.png in {tmp_path / 'in' / 'other.json'} cannot be imported: 2 images"
        " are called IM1.png and the label does not tell which is meant; give the folder of one of"
        " them alone."
    ]


def test_an_image_is_found_by_its_uid_whatever_its_name(
    store: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    entry = {"sop_instance_uid": "1.2.3.4"}
    labelme(tmp_path / "in" / "a.json", "x.png", imageWidth=80, imageHeight=96, wristqc=entry)
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li", images=[tmp_path / "dicom"])
    assert (done.new, done.problems) == (1, [])
    (stored,) = store
    assert stored.image == replace(LabelledImage.of(dicom), name="x.png")  # with its spacing
    # The store knows it now: another label of this UID needs no image.
    labelme(tmp_path / "in" / "a.json", "x.png", imageWidth=80, imageHeight=96, wristqc=entry,
            shapes=[])  # fmt: skip
    assert import_labels(store, [tmp_path / "in"], reader="Dr Li").problems == []
    assert len(store) == 1


def test_an_image_is_found_by_its_pixels_and_kept(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    export_labels(full, tmp_path / "out", Form.CSV)
    table = (tmp_path / "out" / "labels.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "out" / "labels.csv").write_text(table.replace("1.2.3.4", "9.9"))
    (tmp_path / "dicom" / "wrist 1.dcm").rename(tmp_path / "dicom" / "renamed.dcm")
    other = LabelStore.open(tmp_path / "other")
    done = import_labels(other, [tmp_path / "out"], reader="Dr Li", images=[tmp_path / "dicom"])
    assert (done.new, done.problems) == (2, [])
    kept = other.radiograph(key_of(dicom))
    assert kept is not None
    np.testing.assert_array_equal(kept.pixels, dicom.pixels)


def test_pictures_of_an_export_lead_back_to_their_images(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    """A label that was made anew in Labelme, on an exported picture."""
    export_labels(full, tmp_path / "out", Form.COCO)
    png = (tmp_path / "out" / "images" / "wrist_1.png").read_bytes()
    (tmp_path / "in" / "wrist_1.png").write_bytes(png)
    path = labelme(tmp_path / "in" / "wrist_1.json", "wrist_1.png", imageWidth=80, imageHeight=96,
                   imageData=base64.b64encode(png).decode())  # fmt: skip
    done = import_labels(full, [path], reader="Dr Ada")
    assert (done.new, done.problems) == (1, [])
    assert [reading.reader for reading in full.current(key_of(dicom))] == ["Dr Li", "Dr Ada"]
    newest = full.latest(dicom, "Dr Ada")
    assert newest is not None
    assert newest.image == replace(LabelledImage.of(dicom), name="wrist_1.png")


def test_a_picture_in_the_label_is_the_last_resort(store: LabelStore, tmp_path: Path) -> None:
    content = base64.b64encode(picture(tmp_path / "a.png", 1).read_bytes()).decode()
    labelme(tmp_path / "in" / "a.json", "gone.png", imageData=content)
    labelme(tmp_path / "in" / "b.json", "gone.png", imageData="AAAA")
    labelme(tmp_path / "in" / "c.json", "gone.png", imageData=content, imageWidth=73)
    labelme(tmp_path / "in" / "d.json", "gone.png", imageData=3)
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li")
    assert store.keys() == [key_of(read_radiograph(tmp_path / "a.png"))]
    told = "\n".join(done.problems)
    assert len(done.problems) == 3
    assert "b.json cannot be imported: the picture in it cannot be used" in told
    assert "the picture in it is 72 x 64 pixels but the label of gone.png says 73 x 64" in told
    assert "d.json cannot be used: its picture is not in base64; export it again" in told


@pytest.mark.parametrize("form", [Form.LABELME, Form.COCO, Form.CSV])
def test_a_label_whose_image_is_nowhere_is_told(
    store: LabelStore, tmp_path: Path, form: Form
) -> None:
    path = tmp_path / "in" / ("a.csv" if form is Form.CSV else "a.json")
    if form is Form.LABELME:
        labelme(path, "a.png")
    elif form is Form.COCO:
        path.write_text(json.dumps({
            "images": [{"id": 1, "file_name": "a.png", "width": 72, "height": 64}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
                             "keypoints": [1, 2, 2]}],
            "categories": [{"id": 1, "name": "x", "keypoints": ["radial_styloid"]}],
        }))  # fmt: skip
    else:
        path.write_text("image,width_px,height_px,view\na.png,72,64,frontal\n")
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li")
    assert done.count == 0
    assert done.problems == [
        f"The label of a.png in {path} cannot be imported: its image was not found; give the"
        " folder that holds it."
    ]
    picture(tmp_path / "in" / "a.png", 1)
    assert import_labels(store, [tmp_path / "in"], reader="Dr Li").new == 1


def test_what_cannot_be_imported_is_told_and_the_rest_goes_on(
    store: LabelStore, tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "good.png", 1)
    picture(tmp_path / "in" / "small.png", 2, (70, 65))
    labelme(tmp_path / "in" / "good.json", "good.png")
    labelme(tmp_path / "in" / "small.json", "small.png")
    labelme(tmp_path / "in" / "view.json", "good.png", flags={}, shapes=[])
    (tmp_path / "in" / "damaged.json").write_text('{"shapes": [')
    (tmp_path / "in" / "report.json").write_text("{}")
    (tmp_path / "in" / "table.csv").write_text("name,total\na,100\n")
    (tmp_path / "in" / ".hidden.json").write_text("?")
    done = import_labels(store, [tmp_path / "in", tmp_path / "none"], reader="Dr Li")
    assert done.count == 1
    assert [path.name for path in done.left_out] == ["report.json", "table.csv"]
    told = "\n".join(done.problems)
    assert len(done.problems) == 4
    assert f"{tmp_path / 'none'} does not exist; check the path." in told
    assert "damaged.json is not JSON in UTF-8" in told
    assert "small.png is 70 x 65 pixels but the label of small.png says 72 x 64" in told
    assert "view.json cannot be used: it does not say whether the image is frontal" in told
    named = import_labels(store, [tmp_path / "in" / "table.csv"], reader="Dr Li")
    assert named.problems == [
        f"The file {tmp_path / 'in' / 'table.csv'} is no table of labels; choose a label file."
    ]


def test_another_store_is_taken_over_with_its_readers(
    full: LabelStore, dicom: Radiograph, tmp_path: Path
) -> None:
    full.accept(read_by("Dr Ada", frontal(dicom), 3))
    other = LabelStore.open(tmp_path / "other")
    done = import_labels(other, [full.folder], reader="somebody")
    assert (done.count, done.new, done.problems) == (3, 3, [])
    assert [stored.readings for stored in other] == [stored.readings for stored in full]
    assert files_in(other.folder / "images") == files_in(full.folder / "images")


def test_no_pixels_are_kept_where_none_are_wanted(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 1)
    labelme(tmp_path / "in" / "a.json", "a.png")
    store = LabelStore.open(tmp_path / "store", keep_images=False)
    assert import_labels(store, [tmp_path / "in"], reader="Dr Li").new == 1
    assert store.image_path(store.keys()[0]) is None


# Being stopped ------------------------------------------------------------------------------


def test_an_import_that_was_interrupted_tells_how_far_it_came(
    store: LabelStore, tmp_path: Path
) -> None:
    for number in range(5):
        picture(tmp_path / "in" / f"{number}.png", number)
        labelme(tmp_path / "in" / f"{number}.json", f"{number}.png")

    def go_on(count: int) -> bool:
        if count == 3:
            raise KeyboardInterrupt
        return True

    result = Imported()
    with pytest.raises(KeyboardInterrupt):
        import_labels(store, [tmp_path / "in"], reader="Dr Li", go_on=go_on, result=result)
    assert (result.count, len(store)) == (3, 3)
    done = import_labels(store, [tmp_path / "in"], reader="Dr Li")
    assert (done.count, done.new, len(store)) == (5, 2, 5)


IMPORT = """
import sys
from WristQCLib.labels import LabelStore
from WristQCLib.labels.exchange import import_labels
done = import_labels(LabelStore.open(sys.argv[1]), [sys.argv[2]], reader="Dr Li")
print(done.count, done.new, len(done.problems))
"""


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has a folder there: a kill is tested, not the drive."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_an_import_of_1000_labels_that_is_killed_and_run_again_has_each_once(
    fast_folder: Path,
) -> None:
    tmp_path, count = fast_folder, 1000
    for number in range(count):
        picture(tmp_path / "in" / f"{number}.png", number)
        labelme(tmp_path / "in" / f"{number}.json", f"{number}.png")
    command = [sys.executable, "-c", IMPORT, tmp_path / "store", tmp_path / "in"]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    labels = tmp_path / "store" / "labels"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if sum(1 for _ in labels.glob("*.json")) > 300:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stopped_at = len(LabelStore.open(tmp_path / "store"))
    assert 0 < stopped_at < count

    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    done, new, problems = (int(number) for number in again.stdout.split())
    assert (done, new, problems) == (count, count - stopped_at, 0)
    store = LabelStore.open(tmp_path / "store")
    assert len(store) == count
    assert store.problems == []
    assert all(len(stored.readings) == 1 and stored.image_path for stored in store)
