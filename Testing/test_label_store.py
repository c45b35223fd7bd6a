"""The label store: nothing accepted is lost, nobody overwrites anybody, the index is a cache."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from dicom_files import radiograph as dataset
from dicom_files import write
from label_samples import MODEL
from store_samples import NOON, image, json_of, labels, reading

from WristQCLib import atomic_file
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.labels import LabelError, LabelStore, Placement, Reading, key_of, store_index
from WristQCLib.labels.conflicts import Kind
from WristQCLib.labels.image_labels import LabelledImage
from WristQCLib.labels.image_search import ImageSearch
from WristQCLib.labels.store_images import read_image, write_pixels
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.scene.corrections import Correction
from WristQCLib.window import Display, LookUpTable, Window
from WristQCLib.worklist import first_look


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "labels"


@pytest.fixture
def store(folder: Path) -> LabelStore:
    return LabelStore.open(folder)


@pytest.fixture
def radiograph() -> Radiograph:
    pixels = np.arange(40 * 30).reshape(40, 30) * 3
    return Radiograph.from_pixels(pixels, spacing=0.2, view="frontal", side="L", name="wrist")


@pytest.fixture
def predicted(radiograph: Radiograph) -> Assessment:
    """What a model says: one point, no foreign object; two points are still to be placed."""
    look = first_look(radiograph, load_protocol())
    assert look.keypoints is not None
    point = Keypoint("radial_styloid", Finding.FOUND, (10.0, 12.0), 0.9, 0.5, MODEL)
    return reassess(
        look,
        keypoints=look.keypoints.replaced(point),
        artefact=ArtefactFinding.from_probability(0.1, 0.5, "model:wrist_artefact 1.0"),
    )


def moved(assessment: Assessment, name: str, x: float, person: str = "Dr Li") -> Assessment:
    assert assessment.keypoints is not None
    point = Keypoint(name, Finding.FOUND, (x, 12.0), placed_by=f"person:{person}")
    return reassess(assessment, keypoints=assessment.keypoints.replaced(point))


# A reading -------------------------------------------------------------------------------------


def test_a_reading_holds_the_correction_and_what_was_predicted(
    radiograph: Radiograph, predicted: Assessment
) -> None:
    after = moved(predicted, "radial_styloid", 11.0)
    made = Reading.accept(after, radiograph, reader=" Dr  Li ", predicted=predicted, when=NOON)
    assert made.labels.keypoints["radial_styloid"].position == (11.0, 12.0)
    assert made.predicted is not None
    assert made.predicted.keypoints == predicted.keypoints
    assert made.predicted.artefact == predicted.artefact
    assert (made.reader, made.accepted_at, made.corrected) == ("Dr Li", NOON, True)
    assert made.score is not None
    assert made.score["labels"]["total"] == after.score.total
    assert made.score["predicted"]["grade"] == predicted.score.grade
    assert (
        made.score["labels"]["tasks"]["frontal_2"]["grade"] == after.score.task("frontal_2").grade
    )


def test_who_placed_a_point_and_when(radiograph: Radiograph, predicted: Assessment) -> None:
    after = moved(moved(predicted, "ulnar_styloid", 20.0), "thumb_mcp_joint", 5.0)
    assert predicted.keypoints is not None and after.keypoints is not None
    correction = Correction(
        "", View.FRONTAL, predicted.keypoints["ulnar_styloid"], after.keypoints["ulnar_styloid"],
        "Dr Li", "2026-03-04T11:30:00+00:00",
    )  # fmt: skip
    first = Reading.accept(
        after, radiograph, reader="Dr Li", predicted=predicted, when=NOON, corrections=[correction]
    )
    half_past = datetime(2026, 3, 4, 11, 30, tzinfo=UTC)
    assert first.labels.placements == {
        "ulnar_styloid": Placement(half_past),  # as the session recorded
        "thumb_mcp_joint": Placement(NOON),  # nobody recorded it
    }  # and nobody noted when the model ran
    assert first.labels.keypoints["radial_styloid"].placed_by == MODEL

    later = NOON + timedelta(days=1)
    second = Reading.accept(
        moved(after, "thumb_mcp_joint", 6.0), radiograph, reader="Dr Li", predicted=predicted,
        when=later, based_on=first,
    )  # fmt: skip
    assert second.based_on == first.id
    assert second.labels.placements == {
        "ulnar_styloid": Placement(half_past),
        "thumb_mcp_joint": Placement(later),
    }


def test_what_counts_as_corrected(radiograph: Radiograph, predicted: Assessment) -> None:
    def corrected(after: Assessment) -> bool:
        return Reading.accept(after, radiograph, reader="Li", predicted=predicted).corrected

    assert not corrected(predicted)
    assert not corrected(moved(predicted, "radial_styloid", 10.009))
    assert corrected(moved(predicted, "radial_styloid", 10.011))
    assert corrected(reassess(predicted, side=Side.RIGHT))
    assert corrected(reassess(predicted, artefact=ArtefactFinding.stated(True)))
    assert not corrected(reassess(predicted, artefact=ArtefactFinding.stated(False)))
    assert not Reading.accept(predicted, radiograph, reader="Li", predicted=None).corrected


def test_nothing_is_lost_as_plain_data(radiograph: Radiograph, predicted: Assessment) -> None:
    after = moved(predicted, "radial_styloid", 11.0)
    made = replace(
        Reading.accept(after, radiograph, reader="李医生", predicted=predicted, based_on="a"),
        resolves=("a", "b"),
    )
    assert Reading.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_an_image_of_unknown_view_cannot_be_accepted(radiograph: Radiograph) -> None:
    unknown = Radiograph.from_pixels(radiograph.pixels)
    look = first_look(unknown, load_protocol())
    with pytest.raises(LabelError, match="cannot be labelled while its view is unknown"):
        Reading.accept(look, unknown, reader="Li", predicted=None)


def test_the_patient_is_not_stored_unless_asked(tmp_path: Path, store: LabelStore) -> None:
    path = write(
        tmp_path / "wrist.dcm",
        dataset(PatientName="Doe^Jane", PatientID="4711", PatientBirthDate="19700102"),
    )
    read = read_radiograph(path, view="frontal")
    look = first_look(read, load_protocol())
    store.accept(Reading.accept(look, read, reader="Li", predicted=None), read)
    for file in store.folder.rglob("*"):
        if file.is_file():
            assert not any(word in file.read_bytes() for word in (b"Doe", b"4711", b"19700102"))
    made = Reading.accept(look, read, reader="Li", predicted=None, include_identity=True)
    assert made.patient["PatientID"] == "4711"
    assert store.accept(made) in store.readings(key_of(read))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Doe_wrist.dcm", "1.2.3.4"),
        ("wrist-JANE.dcm", "1.2.3.4"),
        ("janedoe.dcm", "1.2.3.4"),
        ("pat4711_1.dcm", "1.2.3.4"),
        ("wrist.dcm", "wrist.dcm"),
        ("does.dcm", "does.dcm"),
    ],
)
def test_a_file_named_after_the_patient_is_called_otherwise(
    file: str, name: str, tmp_path: Path
) -> None:
    path = write(tmp_path / file, dataset(PatientName="Doe^Jane", PatientID="4711"))
    read = read_radiograph(path, view="frontal")
    look = first_look(read, load_protocol())
    made = Reading.accept(look, read, reader="Li", predicted=look)
    assert made.predicted is not None
    assert (made.image.name, made.predicted.image.name) == (name, name)
    asked = Reading.accept(look, read, reader="Li", predicted=None, include_identity=True)
    assert asked.image.name == file


def test_what_is_imported_twice_is_stored_once(store: LabelStore) -> None:
    for _ in range(2):
        store.accept(Reading.imported(labels(), reader="Dr Li"))
    store.accept(Reading.imported(labels(), reader="Dr Wu"))
    assert [r.reader for r in store.readings(store.keys()[0])] == ["Dr Li", "Dr Wu"]


# What is stored --------------------------------------------------------------------------------


def test_a_reading_is_found_again_by_pixels_or_by_uid(store: LabelStore, folder: Path) -> None:
    made = store.accept(reading(3))
    for opened in (store, LabelStore.open(folder)):
        assert opened.latest(replace(image(3), name="renamed.dcm", sop_instance_uid="9")) == made
        assert opened.latest(replace(image(3), pixels_sha256="")) == made
        assert opened.latest(replace(image(4), sop_instance_uid="1.2.3")) is None  # other pixels
        assert opened.has(image(3), "Dr Li") and not opened.has(image(3), "Dr Wu")


def test_the_latest_of_a_reader_is_that_readers(store: LabelStore) -> None:
    mine = store.accept(reading(reader="Dr Li", minute=0))
    theirs = store.accept(reading(reader="Dr Wu", minute=1))
    assert store.latest(image(), "Dr Li") == mine
    assert store.latest(image()) == theirs
    assert store.current(store.keys()[0]) == [mine, theirs]


def test_a_reading_is_stored_once_whatever_happens(store: LabelStore) -> None:
    made = store.accept(reading())
    before = json_of(store.folder).read_bytes()
    assert store.accept(replace(made, accepted_at=NOON + timedelta(1))) == made
    assert json_of(store.folder).read_bytes() == before


def test_all_readings_are_kept_also_those_that_were_replaced(store: LabelStore) -> None:
    first = store.accept(reading(minute=0))
    second = store.accept(reading(minute=5, based_on=first.id, radial_styloid=(300.0, 9.0)))
    key = store.keys()[0]
    assert store.readings(key) == [first, second]
    assert store.current(key) == [second]
    assert store.conflicts() == []


def test_counting(store: LabelStore) -> None:
    said = labels(0, (90.0, 200.0))
    first = store.accept(reading(0, "Dr Li", predicted=said))
    store.accept(reading(1, "Dr Li", predicted=labels(1)))
    store.accept(reading(1, "Dr Wu"))
    assert (len(store), store.checked(), store.corrected()) == (2, 2, 1)
    assert (store.checked("Dr Wu"), store.corrected("Dr Wu")) == (1, 0)
    assert store.readers() == ["Dr Li", "Dr Wu"]
    # Back to what was predicted: what counts is the newest
    store.accept(reading(0, "Dr Li", (90.0, 200.0), minute=1, based_on=first.id, predicted=said))
    assert store.corrected() == 0


def test_a_conflict_is_shown_until_it_is_resolved(store: LabelStore) -> None:
    one = store.accept(reading(0, "Dr Li"))
    other = store.accept(reading(0, "Dr Wu", (300.0, 200.0), minute=1))
    store.accept(reading(1, "Dr Wu"))
    (conflict,) = store.conflicts()
    assert (conflict.kind, conflict.readings) == (Kind.DISAGREEMENT, (one, other))
    assert store.consensus(conflict.key) is None
    decided = reading(0, "Dr Ng", (200.0, 200.0), minute=2)
    with pytest.raises(LabelError, match="must name readings of this image"):
        store.resolve(conflict.key, decided)
    with pytest.raises(LabelError, match="must name readings of this image"):
        store.resolve(conflict.key, replace(decided, resolves=(one.id, "unheard of")))
    store.resolve(conflict.key, replace(decided, resolves=(one.id, other.id)))
    assert store.conflicts() == []
    assert store.consensus(conflict.key) == decided.labels
    assert len(store.readings(conflict.key)) == 3


def test_labels_without_pixels_are_refused(store: LabelStore) -> None:
    unknown = replace(labels(), image=replace(image(), pixels_sha256=""))
    with pytest.raises(LabelError, match=r"wrist0\.dcm cannot be stored while its pixels are"):
        store.accept(Reading.imported(unknown, reader="Li"))


def test_an_import_goes_on_where_it_was_stopped(store: LabelStore) -> None:
    readings = [reading(number) for number in range(40)]
    assert store.accept_many(readings, go_on=lambda count: count < 35) == 35
    assert len(store) == 35
    assert store.accept_many(readings) == 40
    assert len(store) == store.checked() == 40


def test_an_import_that_breaks_off_keeps_what_it_had(store: LabelStore) -> None:
    def broken() -> Iterator[Reading]:
        yield from (reading(number) for number in range(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.accept_many(broken())
    assert len(store) == 3


def test_an_import_tells_what_cannot_be_stored_and_goes_on(store: LabelStore) -> None:
    json_of(store.folder, 1).write_text("{")
    told: list[str] = []
    readings = [reading(number) for number in range(3)]
    count = store.accept_many(readings, on_problem=lambda r, error: told.append(str(error)))
    assert (count, len(told)) == (2, 1)
    with pytest.raises(LabelError, match="is damaged"):
        store.accept_many([reading(5), reading(1)])
    assert len(LabelStore.open(store.folder)) == 3


# Pixels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12),
        np.array([0, 65535]),
        np.array([-1024, 3071]),  # as Hounsfield units are
        np.arange(70000, 70012),
        np.float32(0.37) * np.arange(12, dtype=np.float32) - np.float32(5),
        np.full(4, 0.5),
    ],
)
def test_pixels_come_back_as_they_were(values: np.ndarray, tmp_path: Path) -> None:
    pixels = values.reshape(2, -1).astype(np.float32)
    write_pixels(tmp_path / "a.png", pixels)
    back = read_image(tmp_path / "a.png")[0]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, pixels)


def test_of_pixels_finer_than_16_bits_little_is_lost(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(size=(50, 60)).astype(np.float32)
    write_pixels(tmp_path / "a.png", pixels)
    farthest = np.abs(read_image(tmp_path / "a.png")[0] - pixels).max()
    assert farthest <= np.ptp(pixels) / 65535 / 2 * 1.01


@pytest.mark.parametrize(
    "display",
    [
        Window(2048.0, 1000.0),
        Window(-3.5, 0.7, sigmoid=True),
        LookUpTable(4.0, np.array([0.0, 0.2, 0.9, 1.0], np.float32)),
    ],
)
def test_an_image_is_displayed_as_it_was(display: Display, tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_pixels(tmp_path / "a.png", pixels, display)
    back = read_image(tmp_path / "a.png")[1]
    assert back is not None
    np.testing.assert_array_equal(back.apply(pixels), display.apply(pixels))
    write_pixels(tmp_path / "b.png", pixels)
    assert read_image(tmp_path / "b.png")[1] is None


def test_a_kept_image_with_fractional_greys_is_found_again_by_its_pixels(tmp_path: Path) -> None:
    # Its grey levels are numbered in the file, which must not be taken for the greys themselves.
    pixels = np.float32(0.37) * np.arange(12, dtype=np.float32).reshape(3, 4) - np.float32(2)
    radiograph = replace(Radiograph.from_pixels(pixels), voi=Window(0.0, 1.5))
    write_pixels(tmp_path / "kept.png", radiograph.pixels, radiograph.voi)
    wanted = LabelledImage.of(radiograph)
    found = ImageSearch([tmp_path]).find(replace(wanted, name="another name"))
    assert found is not None and found.radiograph is not None
    assert found.image.pixels_sha256 == wanted.pixels_sha256
    assert np.array_equal(found.radiograph.display(), radiograph.display())


def test_the_image_is_kept_with_its_labels(
    store: LabelStore, radiograph: Radiograph, predicted: Assessment
) -> None:
    store.accept(
        Reading.accept(predicted, radiograph, reader="Li", predicted=predicted), radiograph
    )
    (stored,) = store
    assert stored.image_path is not None and stored.image_path.parent.name == "images"
    back = store.radiograph(stored.key)
    assert back is not None
    assert np.array_equal(back.pixels, radiograph.pixels)
    assert np.array_equal(back.display(), radiograph.display())
    assert (back.spacing.value, back.view.value, back.side.value) == ((0.2, 0.2), "frontal", "L")
    assert key_of(back) == stored.key


def test_images_are_kept_only_if_that_is_wanted(
    folder: Path, radiograph: Radiograph, predicted: Assessment
) -> None:
    store = LabelStore.open(folder, keep_images=False)
    store.accept(Reading.accept(predicted, radiograph, reader="Li", predicted=None), radiograph)
    (stored,) = store
    assert (stored.image_path, store.radiograph(stored.key)) == (None, None)


def test_the_pixels_of_another_image_are_refused(store: LabelStore, radiograph: Radiograph) -> None:
    with pytest.raises(LabelError, match=r"wrist0\.dcm was accepted of another image than wrist"):
        store.accept(reading(), radiograph)
    assert len(store) == 0


def test_a_reading_is_stored_even_if_its_image_cannot_be(
    store: LabelStore, radiograph: Radiograph, predicted: Assessment
) -> None:
    (store.folder / "images").write_text("in the way")
    made = Reading.accept(predicted, radiograph, reader="Li", predicted=None)
    assert store.accept(made, radiograph) == store.latest(radiograph)
    (problem,) = store.problems
    assert "cannot be written" in problem


# The index is only a cache ---------------------------------------------------------------------


def spoil(index: Path, how: str) -> None:
    if how == "absent":
        index.unlink()
    elif how == "no database":
        index.write_bytes(b"no database" * 1000)
    elif how == "cut":
        index.write_bytes(index.read_bytes()[:5000])
    elif how == "empty":
        index.write_bytes(b"")
    elif how == "pages of nothing":
        content = index.read_bytes()
        index.write_bytes(content[:4096] + b"\0" * (len(content) - 4096))
    else:
        with closing(sqlite3.connect(index)) as connection:
            connection.execute("PRAGMA user_version = 999")
            connection.execute("DROP TABLE readings")
            connection.execute("CREATE TABLE readings (of_a_later_version)")
            connection.commit()


HOW = ["absent", "no database", "cut", "empty", "pages of nothing", "later version"]


@pytest.mark.parametrize("how", HOW)
def test_an_index_that_cannot_be_used_is_made_anew(how: str, store: LabelStore) -> None:
    store.accept_many(reading(number) for number in range(5))
    spoil(store.folder / "index.sqlite", how)
    opened = LabelStore.open(store.folder)
    assert (len(opened), opened.checked("Dr Li"), opened.problems) == (5, 5, [])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("accepts", [False, True])
def test_so_is_one_that_is_spoilt_while_the_store_is_open(
    how: str, accepts: bool, store: LabelStore
) -> None:
    store.accept_many(reading(number) for number in range(5))
    spoil(store.folder / "index.sqlite", how)
    if accepts:
        store.accept(reading(5))
    assert len(store) == store.checked("Dr Li") == (6 if accepts else 5)


def test_the_index_can_be_made_anew_at_will(store: LabelStore) -> None:
    store.accept_many(reading(number) for number in range(5))
    assert store.rebuild_index() == 5
    assert store.checked("Dr Li") == 5


def test_what_others_changed_is_noticed_when_the_store_is_opened(
    store: LabelStore, tmp_path: Path
) -> None:
    elsewhere = LabelStore.open(tmp_path / "elsewhere")
    store.accept_many(reading(number) for number in range(3))
    elsewhere.accept(reading(0, "Dr Li"))
    elsewhere.accept(reading(0, "Dr Wu", (300.0, 200.0)))
    shutil.copy(json_of(elsewhere.folder, 0), json_of(store.folder, 0))  # changed
    json_of(store.folder, 1).unlink()  # removed
    elsewhere.accept(reading(7))
    shutil.copy(json_of(elsewhere.folder, 7), json_of(store.folder, 7))  # added
    opened = LabelStore.open(store.folder)
    assert len(opened) == 3
    assert opened.checked("Dr Wu") == 1
    assert [c.kind for c in opened.conflicts()] == [Kind.DISAGREEMENT]


def test_opening_reads_only_what_changed(
    store: LabelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept_many(reading(number) for number in range(5))
    os.utime(json_of(store.folder, 2))
    read: list[str] = []
    entry = LabelStore._entry
    monkeypatch.setattr(
        LabelStore, "_entry", lambda self, name, when: read.append(name) or entry(self, name, when)
    )
    LabelStore.open(store.folder)
    assert read == [json_of(store.folder, 2).name]
    LabelStore.open(store.folder)
    assert len(read) == 1


def test_readings_in_a_copy_that_a_synchronising_program_made_are_taken_over(
    store: LabelStore, tmp_path: Path
) -> None:
    elsewhere = LabelStore.open(tmp_path / "elsewhere")
    mine = store.accept(reading(0, "Dr Li"))
    theirs = elsewhere.accept(reading(0, "Dr Wu", (300.0, 200.0), minute=1))
    path = json_of(store.folder)
    shutil.copy(json_of(elsewhere.folder), path.with_name(f"{path.stem} (Dr Wu's copy).json"))
    for _ in range(2):
        opened = LabelStore.open(store.folder)
        assert opened.readings(opened.keys()[0]) == [mine, theirs]
        assert (len(opened), len(opened.conflicts()), opened.problems) == (1, 1, [])


# Damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is damaged (Expecting value"),
        (b"[1, 2]", "is damaged"),
        (b"{}", "is damaged (KeyError('kind'))"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        ('"reader": "\\ud800"', "is damaged"),
        ('"note": NaN', "it holds NaN, which is no number"),
        ('"format": 2', "has the form 2 and this version reads 1; update WristQC."),
        ('"key": "other"', "it is of another image than its name says"),
        ('"accepted_at": "2026-03-04"', "A time of acceptance has a time zone"),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(
    content: bytes | str, what: str, store: LabelStore
) -> None:
    store.accept_many([reading(0), reading(1)])
    path = json_of(store.folder)
    if isinstance(content, str):
        name = content.split(":")[0]
        lines = path.read_text().splitlines()
        place = next(i for i, line in enumerate(lines) if line.strip().startswith(name))
        lines[place] = content + ","
        content = "\n".join(lines).encode()
    path.write_bytes(content)
    opened = LabelStore.open(store.folder)
    (problem,) = opened.problems
    assert problem.startswith(f"The file {path} of the label store ") and what in problem
    assert (problem.count("\n"), problem[-1]) == (0, ".")
    assert (len(opened), opened.checked(), len(list(opened))) == (1, 1, 1)
    with pytest.raises(LabelError, match=r"of the label store"):
        opened.accept(reading(0, "Dr Wu"))
    assert path.read_bytes() == content
    path.unlink()
    assert LabelStore.open(store.folder).problems == []


def test_a_file_of_another_kind_is_named(store: LabelStore) -> None:
    (store.folder / "labels" / "wrist.json").write_text("{}")
    (store.folder / "labels" / ".hidden.json").write_text("{")
    (store.folder / "labels" / "folder.json").mkdir()
    (problem,) = LabelStore.open(store.folder).problems
    assert "wrist.json is not of the label store" in problem


def test_what_a_later_version_adds_is_kept(store: LabelStore) -> None:
    store.accept(reading(0))
    path = json_of(store.folder)
    content = json.loads(path.read_text())
    content["added"] = content["readings"][0]["added"] = {"a": 1}
    path.write_text(json.dumps(content))
    store.accept(reading(0, "Dr Wu"))
    content = json.loads(path.read_text())
    assert content["added"] == content["readings"][0]["added"] == {"a": 1}
    assert len(content["readings"]) == 2


def test_files_of_stopped_writers_are_removed_when_they_are_old(store: LabelStore) -> None:
    (store.folder / "images").mkdir()
    old, new = (store.folder / "labels" / f".{name * 16}.part" for name in "ab")
    image_, other = store.folder / "images" / old.name, store.folder / "labels" / ".mine.part"
    for path in (old, new, image_, other):
        path.write_text("half")
    two_hours_ago = time.time() - 7200
    for path in (old, image_, other):
        os.utime(path, (two_hours_ago, two_hours_ago))
    LabelStore.open(store.folder)
    assert [path.exists() for path in (old, new, image_, other)] == [False, True, False, True]


# Folders that cannot be written ----------------------------------------------------------------


def test_a_folder_without_a_store_is_not_made_one_unasked(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="holds no label store"):
        LabelStore.open(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(LabelError, match="No label store can be made in"):
        LabelStore.open(tmp_path / "a")


def test_a_lock_that_cannot_be_had_is_told(
    store: LabelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept(reading(0))
    monkeypatch.setattr(store_index, "WAIT_S", 0.05)
    with store_index.Lock(store.folder / "lock.sqlite").held():
        assert (len(store), len(store.readings(store.keys()[0]))) == (1, 1)  # reading goes on
        with pytest.raises(LabelError, match="is being written by another program; try again"):
            store.accept(reading(1))
    store.accept(reading(1))
    assert len(store) == 2


def test_a_lock_that_was_scribbled_on_still_locks(store: LabelStore) -> None:
    (store.folder / "lock.sqlite").write_text("scribble" * 100)
    store.accept(reading())
    assert (store.folder / "lock.sqlite").read_bytes() == b""


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_who_may_write_to_the_folder_may_use_lock_and_index(tmp_path: Path) -> None:
    """SQLite would make both for their owner alone, and lock nothing for the others."""
    tmp_path.chmod(0o770)
    LabelStore.open(tmp_path).accept(reading())
    for name in ("lock.sqlite", "index.sqlite"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o660


def test_a_full_disk_is_told_and_changes_nothing(
    store: LabelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept(reading(0))
    before = json_of(store.folder).read_bytes()

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic_file.os, "fsync", full)
        with pytest.raises(LabelError, match=r"No space left on device.*make space"):
            store.accept(reading(0, "Dr Wu"))
    assert json_of(store.folder).read_bytes() == before
    assert [path.name for path in (store.folder / "labels").iterdir()] == [
        json_of(store.folder).name
    ]
    store.accept(reading(0, "Dr Wu"))
    assert store.checked("Dr Wu") == 1


@pytest.mark.parametrize("indexed", [True, False])
def test_a_store_that_cannot_be_written_can_be_read(
    indexed: bool, store: LabelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.accept_many(reading(number) for number in range(3))
    if not indexed:
        (store.folder / "index.sqlite").unlink()
    connect = sqlite3.connect

    def read_only(path: object, **options: object) -> sqlite3.Connection:
        if path == ":memory:":
            return connect(path, **options)  # type: ignore[call-overload]
        return connect(f"file:{path}?mode=ro", uri=True, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(store_index.sqlite3, "connect", read_only)
    opened = LabelStore.open(store.folder)
    assert (len(opened), opened.checked("Dr Li"), opened.problems) == (3, 3, [])
    with pytest.raises(LabelError, match="cannot be written"):
        opened.accept(reading(3))


def test_an_index_that_cannot_be_written_loses_nothing(
    store: LabelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise store_index.CannotWriteError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store_index.Index, "put", full)
        store.accept(reading(0))
    assert len(store.readings(json_of(store.folder).stem)) == 1
    store.refresh()
    assert len(store) == 1


# Several writers, and writers that are killed ---------------------------------------------------

WRITER = """
import sys
sys.path[:0] = {path!r}
from store_samples import reading
from WristQCLib.labels import LabelStore
store = LabelStore.open({folder!r})
print("ready", flush=True)
for minute in range({count}):
    made = store.accept(reading(minute % 5, {reader!r}, id=f"{reader} {{minute}}", minute=minute))
    print(made.id, flush=True)
"""
IMPORTER = """
import sys
sys.path[:0] = {path!r}
from store_samples import reading
from WristQCLib.labels import LabelStore
store = LabelStore.open({folder!r})
print("ready", flush=True)
store.accept_many(
    (reading(n, {reader!r}, id=f"{reader} {{n}}") for n in range({count})),
    go_on=lambda count: print(f"{reader} {{count - 1}}", flush=True) or True,
)
"""


def started(program: str, folder: Path, reader: str, count: int) -> subprocess.Popen[str]:
    """A process that writes into the store, and tells what was accepted after it was."""
    here = Path(__file__).parent
    path = [str(here), str(here.parent)]
    text = program.format(path=path, folder=str(folder), reader=reader, count=count)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


def accepted(store: LabelStore) -> set[str]:
    return {r.id for stored in store for r in stored.readings}


def check_whole(folder: Path, told: set[str]) -> None:
    """All that was told is there, the index agrees with the files, and no file is half."""
    opened = LabelStore.open(folder)
    assert opened.problems == []
    assert told <= accepted(opened)
    counts = [(opened.checked(r), opened.corrected(r)) for r in opened.readers()]
    keys = opened.keys()
    opened.rebuild_index()
    assert (
        opened.keys(),
        [(opened.checked(r), opened.corrected(r)) for r in opened.readers()],
    ) == (
        keys,
        counts,
    )


def test_nothing_accepted_is_lost_when_writers_are_killed(folder: Path) -> None:
    chance, told = random.Random(), set[str]()
    LabelStore.open(folder)
    writers = [
        started(program, folder, f"Dr {number}", 1000)
        for number, program in enumerate([WRITER, IMPORTER, WRITER])
    ]
    for writer in writers:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(2 + chance.randrange(10))]
        time.sleep(chance.random() * 0.02)
        writer.kill()  # SIGKILL, while the others go on
        lines += writer.communicate()[0].splitlines()
        assert len(lines) > 1
        told |= {line.strip() for line in lines} - {"ready"}
    check_whole(folder, told)


def test_two_programs_on_one_folder_do_not_overwrite_each_other(folder: Path) -> None:
    LabelStore.open(folder)
    writers = [started(WRITER, folder, reader, 15) for reader in ("Dr Li", "Dr Wu")]
    told = [set(writer.communicate()[0].splitlines()) - {"ready"} for writer in writers]
    assert [len(ids) for ids in told] == [15, 15]
    store = LabelStore.open(folder)
    assert accepted(store) == told[0] | told[1]
    assert len(store) == store.checked("Dr Li") == store.checked("Dr Wu") == 5
    check_whole(folder, told[0] | told[1])


def test_threads_do_not_overwrite_each_other(store: LabelStore) -> None:
    def accept(reader: str) -> None:
        for minute in range(5):
            store.accept(reading(0, reader, minute=minute))

    threads = [threading.Thread(target=accept, args=(f"Dr {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.readings(store.keys()[0])) == 20


def test_while_one_imports_another_gets_a_turn(store: LabelStore) -> None:
    """An import lets go of the lock, and who waits for it looks often enough to get it."""
    waited: list[float] = []

    def accept() -> None:
        other = LabelStore.open(store.folder)
        for minute in range(3):
            start = time.monotonic()
            other.accept(reading(0, "Dr Wu", minute=minute))
            waited.append(time.monotonic() - start)

    thread = threading.Thread(target=accept)
    thread.start()
    store.accept_many(reading(n) for n in range(150))
    thread.join()
    assert max(waited) < store_index.WAIT_S / 2
    assert len(store) == 150
