"""Finding images in files, folders, DICOMDIR and archives."""

from __future__ import annotations

import os
import sqlite3
import zipfile
from pathlib import Path

import pytest
from dicom_files import radiograph, write
from pydicom import Dataset, Sequence
from pydicom.uid import MediaStorageDirectoryStorage
from slicer_database import Slicer

from WristQCLib.radiograph import RadiographError, read_radiograph
from WristQCLib.sources import find_images, format_of

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # that is what is tested


def found(*paths):
    """Names of the images, sentences of the problems, and what was skipped."""
    skipped: list[str] = []
    sources = list(find_images(paths, on_skip=skipped.append))
    images = [source.name for source in sources if not source.problem]
    problems = [source.problem for source in sources if source.problem]
    return images, problems, skipped


def dicom(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, radiograph())


def dicomdir(folder: Path, *records: tuple[str, str]) -> Path:
    """A DICOMDIR whose records have a type and a file, given with slashes."""
    index = Dataset()
    index.SOPClassUID = MediaStorageDirectoryStorage
    items = []
    for kind, file in records:
        item = Dataset()
        item.DirectoryRecordType = kind
        item.ReferencedFileID = file.split("/")
        items.append(item)
    index.DirectoryRecordSequence = Sequence(items)
    return write(folder / "DICOMDIR", index)


def test_a_file_is_one_image_and_can_be_read(tmp_path):
    file = dicom(tmp_path / "a.dcm")
    (source,) = find_images([file])
    assert (source.name, source.path, source.member) == ("a", file, "")
    assert read_radiograph(source).name == "a"


def test_a_folder_is_searched_in_order_with_what_is_below(tmp_path):
    for name in ("b.dcm", "a.dcm", "sub/c.dcm", "sub/deep/IM0001"):
        dicom(tmp_path / name)
    images, problems, skipped = found(tmp_path)
    assert images == ["a", "b", "sub_c", "sub_deep_IM0001"]
    assert problems == []
    assert skipped == []


def test_what_is_plainly_no_image_is_skipped_in_a_folder_and_told(tmp_path):
    dicom(tmp_path / "a.dcm")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "empty.dcm").write_bytes(b"")
    images, problems, skipped = found(tmp_path)
    assert images == ["a"]
    assert problems == []
    assert skipped == [str(tmp_path / "a.json"), str(tmp_path / "empty.dcm")]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    dicom(tmp_path / "a.dcm")
    dicom(tmp_path / ".b.dcm")
    dicom(tmp_path / ".cache" / "c.dcm")
    assert found(tmp_path) == (["a"], [], [])


def test_a_named_file_that_is_no_image_is_a_problem(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    dicom(tmp_path / "b.dcm")
    images, problems, _ = found(tmp_path / "a.txt", tmp_path / "b.dcm")
    assert images == ["b"]
    assert problems == [
        f"{tmp_path / 'a.txt'}: is not an image; give a DICOM, PNG, JPEG or TIFF file."
    ]


def test_a_missing_path_and_an_empty_folder_are_problems(tmp_path):
    (tmp_path / "empty").mkdir()
    _, problems, _ = found(tmp_path / "none", tmp_path / "empty")
    assert problems == [
        f"{tmp_path / 'none'}: does not exist; check the path.",
        f"{tmp_path / 'empty'}: holds no image; choose a folder with radiographs.",
    ]


def test_reading_a_problem_raises_its_sentence(tmp_path):
    (source,) = find_images([tmp_path / "none"])
    with pytest.raises(RadiographError, match="does not exist; check the path"):
        read_radiograph(source)


def test_an_image_is_found_once_however_often_it_is_named(tmp_path):
    file = dicom(tmp_path / "a.dcm")
    (tmp_path / "link.dcm").symlink_to(file)
    assert found(tmp_path, file, tmp_path)[0] == ["a"]


def test_a_folder_whose_images_were_found_already_is_no_problem(tmp_path):
    dicom(tmp_path / "sub" / "a.dcm")
    images, problems, _ = found(tmp_path, tmp_path / "sub")
    assert images == ["sub_a"]
    assert problems == []


def test_a_link_that_leads_back_ends(tmp_path):
    dicom(tmp_path / "sub" / "a.dcm")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert found(tmp_path)[0] == ["sub_a"]


def test_a_linked_folder_is_searched(tmp_path):
    dicom(tmp_path / "elsewhere" / "a.dcm")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "link").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "study")[0] == ["link_a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    dicom(tmp_path / "a.dcm")
    assert found(tmp_path)[0] == ["a"]
    assert "neither a file nor a folder" in found(tmp_path / "pipe")[1][0]


def test_names_are_unique_even_where_case_does_not_count(tmp_path):
    for folder in ("one", "two"):
        dicom(tmp_path / folder / "IM1.dcm")
    dicom(tmp_path / "three" / "im1.png")
    paths = [tmp_path / "one/IM1.dcm", tmp_path / "two/IM1.dcm", tmp_path / "three/im1.png"]
    assert found(*paths)[0] == ["IM1", "IM1-2", "im1-3"]


def test_a_name_is_safe_as_a_file_name(tmp_path):
    file = dicom(tmp_path / "a b:c?*<腕>.dcm")
    assert found(file)[0] == ["a_b_c_腕"]


# DICOMDIR


def test_a_dicomdir_gives_its_images_in_its_order(tmp_path):
    dicom(tmp_path / "IMG" / "B")
    dicom(tmp_path / "IMG" / "A")
    index = dicomdir(tmp_path, ("IMAGE", "IMG/B"), ("IMAGE", "IMG/A"))
    assert found(index) == (["IMG_B", "IMG_A"], [], [])


def test_a_folder_with_a_dicomdir_gives_every_image_once(tmp_path):
    dicom(tmp_path / "IMG" / "B")
    dicom(tmp_path / "IMG" / "A")
    dicom(tmp_path / "extra.dcm")
    dicom(tmp_path / "IMG" / "REPORT")
    dicomdir(tmp_path, ("IMAGE", "IMG/B"), ("SR DOCUMENT", "IMG/REPORT"), ("IMAGE", "IMG/A"))
    images, problems, skipped = found(tmp_path)
    assert images == ["IMG_B", "IMG_A", "extra"]
    assert problems == []
    assert skipped == [str(tmp_path / "IMG" / "REPORT")]


def test_a_dicomdir_finds_files_whose_names_a_copy_made_small(tmp_path):
    dicom(tmp_path / "img" / "im1")
    assert found(dicomdir(tmp_path, ("IMAGE", "IMG/IM1")))[0] == ["IMG_IM1"]


def test_a_file_that_a_dicomdir_lists_but_is_missing_is_a_problem(tmp_path):
    images, problems, _ = found(dicomdir(tmp_path, ("IMAGE", "IMG/IM1")))
    assert images == []
    assert "lists IMG/IM1, which is not there" in problems[0]


def test_a_dicomdir_cannot_lead_out_of_its_folder(tmp_path):
    dicom(tmp_path / "secret.dcm")
    (tmp_path / "disc").mkdir()
    images, problems, _ = found(dicomdir(tmp_path / "disc", ("IMAGE", "../secret.dcm")))
    assert images == []
    assert len(problems) == 1


def test_a_damaged_dicomdir_is_a_problem(tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff")
    images, problems, _ = found(tmp_path / "DICOMDIR")
    assert images == []
    assert len(problems) == 1


# Archives


def archive(path: Path, **members: Path | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


def test_the_images_of_an_archive_are_read_without_unpacking(tmp_path):
    image = dicom(tmp_path / "x.dcm")
    path = archive(
        tmp_path / "study.zip",
        **{"b/IM2": image, "a/IM1": image, "notes.txt": b"text", "__MACOSX/._IM1": image},
    )
    skipped: list[str] = []
    sources = list(find_images([path], on_skip=skipped.append))
    assert [source.name for source in sources] == ["study_a_IM1", "study_b_IM2"]
    assert skipped == [f"{path}/notes.txt"]
    assert [read_radiograph(source).name for source in sources] == ["study_a_IM1", "study_b_IM2"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.zip", "x.dcm"]


def test_an_archive_in_a_folder_is_opened(tmp_path):
    image = dicom(tmp_path / "x" / "x.dcm")
    archive(tmp_path / "study.zip", IM1=image)
    assert found(tmp_path)[0] == ["study_IM1", "x_x"]


def test_a_member_name_that_climbs_is_only_a_name(tmp_path):
    image = dicom(tmp_path / "x.dcm")
    path = archive(tmp_path / "study.zip", **{"../../climb.dcm": image, "/root.dcm": image})
    sources = list(find_images([path]))
    assert [source.name for source in sources] == ["study_climb", "study_root"]
    assert all(read_radiograph(source).width == 80 for source in sources)


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("WristQCLib.sources.image_source.MAX_MEMBER_BYTES", 1000)
    path = archive(tmp_path / "study.zip", IM1=dicom(tmp_path / "x.dcm"))
    (source,) = find_images([path])
    with pytest.raises(RadiographError, match="too large; unpack the archive"):
        read_radiograph(source)


def test_a_damaged_archive_is_a_problem(tmp_path):
    path = archive(tmp_path / "study.zip", IM1=dicom(tmp_path / "x.dcm"))
    content = bytearray(path.read_bytes())
    content[100:400] = bytes(300)
    path.write_bytes(content)
    images, problems, _ = found(path)
    assert images == []
    assert problems == [f"{path}/IM1: cannot be unpacked, the file is damaged."]


def test_a_damaged_archive_does_not_stop_its_other_members(tmp_path):
    image = dicom(tmp_path / "x.dcm")
    path = archive(tmp_path / "study.zip", a=image, b=image)
    content = bytearray(path.read_bytes())
    content[100:400] = bytes(300)  # within the first member
    path.write_bytes(content)
    assert found(path)[0] == ["study_b"]


def test_a_member_that_is_gone_is_refused_with_its_name(tmp_path):
    path = archive(tmp_path / "study.zip", IM1=dicom(tmp_path / "x.dcm"))
    (source,) = find_images([path])
    archive(path, other=b"text")
    with pytest.raises(RadiographError, match=r"study\.zip/IM1: cannot be read"):
        read_radiograph(source)


def test_an_archive_without_images_is_a_problem(tmp_path):
    _, problems, _ = found(archive(tmp_path / "study.zip", notes=b"text"))
    assert problems == [
        f"{tmp_path / 'study.zip'}: holds no image; give an archive with radiographs."
    ]


# Slicer's DICOM database


@pytest.fixture
def database(tmp_path) -> Slicer:
    """A database with two wrists, a hand and a chest, whose files lie in its own folder."""
    slicer = Slicer(tmp_path / "database")
    parts = ("WRIST", "CHEST", "WRIST", "HAND")
    for number, part in enumerate(parts, start=1):
        path = slicer.folder / "dicom" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        dataset = radiograph(
            SOPInstanceUID=f"1.2.3.{number}",
            StudyInstanceUID=f"1.2.{number}",
            SeriesInstanceUID=f"1.2.{number}.1",
            StudyDate="20260102",
            SeriesDescription="PA",
            BodyPartExamined=part,
            PatientName="Doe^Jane",
        )
        slicer.insert(write(path, dataset))
    return slicer


WRISTS = ["2026-01-02_PA_1.2.3.1", "2026-01-02_PA_1.2.3.3"]


def test_a_slicer_database_gives_its_wrists(database):
    path = database.folder / "ctkDICOM.sql"
    assert found(path) == (WRISTS, [], [])
    assert [read_radiograph(source).sop_instance_uid for source in find_images([path])] == [
        "1.2.3.1",
        "1.2.3.3",
    ]


def test_the_folder_of_a_slicer_database_is_the_database(database, tmp_path):
    assert found(database.folder) == (WRISTS, [], [])
    dicom(tmp_path / "a.dcm")
    assert found(tmp_path) == (["a", *WRISTS], [], [])
    assert found(database.folder / "dicom" / "1", database.folder)[0] == ["1", WRISTS[1]]


def test_images_of_a_database_with_one_name_are_told_apart(tmp_path):
    for folder in ("one", "two"):
        slicer = Slicer(tmp_path / folder)
        dataset = radiograph(
            StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1", BodyPartExamined="WRIST"
        )
        slicer.insert(write(tmp_path / folder / "a.dcm", dataset))
    assert found(tmp_path)[0] == ["DX_1.2.3.4", "DX_1.2.3.4-2"]


def test_a_database_without_a_wrist_is_a_problem(tmp_path):
    path = Slicer(tmp_path / "database").folder / "ctkDICOM.sql"
    _, problems, _ = found(path)
    assert problems == [f"{path}: lists no image of a wrist; give the images' own files."]


def test_a_file_that_the_database_lists_but_is_missing_is_refused_when_it_is_read(database):
    (database.folder / "dicom" / "1").unlink()
    first, second = find_images([database.folder])
    with pytest.raises(RadiographError, match="cannot be read, no such file"):
        read_radiograph(first)
    assert read_radiograph(second).width == 80


def test_an_image_that_slicer_has_not_fetched_is_a_problem(tmp_path):
    slicer = Slicer(tmp_path / "database")
    dataset = radiograph(StudyInstanceUID="1", SeriesInstanceUID="1.1", BodyPartExamined="WRIST")
    slicer.insert(write(tmp_path / "a.dcm", dataset), url_only=True)
    _, problems, _ = found(slicer.folder)
    assert len(problems) == 1
    assert "is not on this machine; retrieve the study" in problems[0]


def test_another_database_is_a_problem_when_it_is_named_and_skipped_in_a_folder(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Patients (Name)")
    connection.close()
    dicom(tmp_path / "a.dcm")
    assert found(tmp_path) == (["a"], [], [str(path)])
    _, problems, _ = found(path)
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}: is ")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(200), b"no database" * 99])
def test_a_damaged_slicer_database_is_a_problem(tmp_path, content):
    path = tmp_path / "ctkDICOM.sql"
    path.write_bytes(content)
    images, problems, _ = found(tmp_path)
    assert images == []
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}: ")


# Formats


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (bytes(128) + b"DICM", "dicom"),
        (b"\x08\x00\x05\x00CS\x0a\x00", "dicom"),
        (b"\x08\x00\x16\x00\x1a\x00\x00\x00", "dicom"),
        (b"\x00\x08\x00\x05CS\x00\x0a", "dicom"),
        (b"\x89PNG\r\n\x1a\n....", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\x00", "tiff"),
        (b"MM\x00*", "tiff"),
        (b"", None),
        (b"DICM is a word", None),
        (b"PK\x03\x04", None),
        (bytes(132), None),
    ],
)
def test_the_first_bytes_tell_the_format(head, expected):
    assert format_of(head) == expected
