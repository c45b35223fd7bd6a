"""Wrist studies in Slicer's DICOM database."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from dicom_files import radiograph, write
from pydicom import Dataset, Sequence
from slicer_database import CtkDatabase, Slicer

from WristQCLib.dicom_database import (
    DatabaseError,
    DatabaseFile,
    Patient,
    Region,
    SlicerDatabase,
    image_sources,
    region_of,
    wrist_studies,
)
from WristQCLib.dicom_database.headers import CACHED_TAGS, file_header, header_from_values
from WristQCLib.findings import Side, View
from WristQCLib.radiograph import RadiographError, read_radiograph
from WristQCLib.resources import RESOURCES
from WristQCLib.view_side import side_of, view_of

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
SAMPLES = sorted((RESOURCES / "SampleData").glob("*.dcm"))


def item(**attributes: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


class Archive:
    """Makes small DICOM files, each an instance of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def file(self, study: int = 1, series: int = 1, **attributes: object) -> Path:
        self.count += 1
        defaults: dict[str, object] = {
            "PatientName": "Doe^Jane^Q",
            "PatientID": "4711",
            "PatientBirthDate": "20150203",
            "StudyInstanceUID": f"1.2.{study}",
            "StudyDate": "20260102",
            "SeriesInstanceUID": f"1.2.{study}.{series}",
            "SeriesNumber": series,
            "SOPInstanceUID": f"1.2.{study}.{series}.{self.count}",
            "BodyPartExamined": "WRIST",
        }
        path = self.folder / f"{self.count}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path, radiograph(**(defaults | attributes)))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "database" / "dicom")


@pytest.fixture
def slicer(tmp_path: Path) -> Slicer:
    return Slicer(tmp_path / "database", CACHED_TAGS)


@pytest.fixture(params=["file", "Slicer"])
def opened(request, slicer):
    """The same database through either implementation."""

    def _open():
        if request.param == "file":
            return DatabaseFile(slicer.folder)
        return SlicerDatabase(CtkDatabase(slicer))

    return _open


def regions(studies) -> list[tuple[str, str | None]]:
    return [
        (image.series.description, image.region.value)
        for study in studies
        for image in study.images + study.others
    ]


# --- Both implementations ------------------------------------------------------------------------


def test_every_sample_is_listed_once_and_can_be_read(slicer, opened):
    slicer.insert(*SAMPLES)
    studies = list(wrist_studies(opened()))
    assert len(studies) == 3
    for study in studies:
        assert {image.view.value for image in study.images} == set(View)
        assert len({image.side.value for image in study.images}) == 1
        assert study.others == ()
    for image in (image for study in studies for image in study.images):
        assert image.region.source == "BodyPartExamined (0018,0015) = WRIST"
        read = read_radiograph(image.source)
        assert read.sop_instance_uid == image.instance.uid
        assert (read.view.value, read.side.value) == (image.view.value, image.side.value)


def test_patient_study_and_series_are_told_as_a_list_shows_them(slicer, archive, opened):
    slicer.insert(archive.file(StudyDescription="XR wrist", SeriesDescription="PA", series=3))
    (study,) = wrist_studies(opened())
    assert study.patient.label == "Doe, Jane Q (4711)"
    assert study.patient.birth_date == "2015-02-03"
    assert (study.study.date, study.study.description) == ("2026-01-02", "XR wrist")
    assert (study.images[0].series.number, study.images[0].series.modality) == ("3", "DX")


def test_two_images_of_one_series_stay_two_images(slicer, archive, opened):
    slicer.insert(archive.file(ViewPosition="PA"), archive.file(ViewPosition="LL"))
    (study,) = wrist_studies(opened())
    assert [image.view.value for image in study.images] == [View.FRONTAL, View.LATERAL]
    assert len({image.instance.path for image in study.images}) == 2


def test_images_come_in_the_order_of_series_numbers(slicer, archive, opened):
    slicer.insert(*(archive.file(series=n, SeriesDescription=f"{n}") for n in (10, 9, 2)))
    (study,) = wrist_studies(opened())
    assert [image.series.number for image in study.images] == ["2", "9", "10"]


def test_other_modalities_and_other_body_parts_are_left_out(slicer, archive, opened):
    slicer.insert(
        archive.file(1, 1, BodyPartExamined="CHEST", SeriesDescription="a"),
        archive.file(1, 2, BodyPartExamined="CHEST", StudyDescription="XR wrist and chest"),
        archive.file(2, 1, Modality="CT"),
        archive.file(2, 2, Modality="PR"),
    )
    assert list(wrist_studies(opened())) == []


def test_a_radiograph_that_names_no_body_part_is_offered_among_others(slicer, archive, opened):
    slicer.insert(
        archive.file(1, BodyPartExamined=None, SeriesDescription="unnamed"),
        archive.file(2, BodyPartExamined="HAND", SeriesDescription="near"),
    )
    first, second = wrist_studies(opened())
    assert first.images == second.images == ()
    assert first.others[0].region.value is None
    assert first.others[0].region.source == "no attribute tells the body region"
    assert second.others[0].region.value is Region.NEAR


def test_a_capture_is_listed_only_where_a_wrist_is_named(slicer, archive, opened):
    slicer.insert(
        archive.file(1, Modality="OT", SeriesDescription="dose report", BodyPartExamined=None),
        archive.file(2, Modality="OT", SeriesDescription="Wrist film", BodyPartExamined=None),
    )
    assert regions(wrist_studies(opened())) == [("Wrist film", Region.WRIST)]


def test_the_region_is_looked_up_in_the_file_where_columns_leave_it_open(slicer, archive, opened):
    wrist = Sequence([item(CodeValue="74670003", CodeMeaning="Wrist joint")])
    slicer.insert(archive.file(BodyPartExamined=None, AnatomicRegionSequence=wrist))
    (study,) = wrist_studies(opened())
    assert "74670003 Wrist joint" in study.images[0].region.source
    (closed,) = wrist_studies(opened(), look_into_files=False)
    assert closed.images == ()
    assert len(closed.others) == 1


def test_without_a_tag_cache_view_and_side_come_from_the_file(tmp_path, archive):
    slicer = Slicer(tmp_path / "database")
    slicer.insert(archive.file(ViewPosition="PA", ImageLaterality="R"))
    for database in (DatabaseFile(slicer.folder), SlicerDatabase(CtkDatabase(slicer))):
        (study,) = wrist_studies(database)
        assert database.cached_values(study.images[0].instance) is None
        assert study.images[0].view.value is View.FRONTAL
        assert study.images[0].side.value is Side.RIGHT


def test_the_cache_tells_view_and_side_of_samples_without_opening_a_file(slicer, opened):
    slicer.insert(*SAMPLES)
    database = opened()
    for study in wrist_studies(database):
        values = database.cached_values(study.images[0].instance)
        header = header_from_values(values)
        from_file = file_header(study.images[0].instance.path)
        assert view_of(header) == view_of(from_file)
        assert side_of(header) == side_of(from_file)


def test_a_coded_view_is_read_from_the_file_because_no_cache_holds_it(slicer, archive, opened):
    lateral = Sequence([item(CodeValue="399067008", CodeMeaning="lateral")])
    slicer.insert(archive.file(ViewCodeSequence=lateral))
    (study,) = wrist_studies(opened())
    assert study.images[0].view.value is View.LATERAL


def test_an_image_that_was_not_fetched_says_so(slicer, archive, opened):
    slicer.insert(archive.file(), url_only=True)
    (study,) = wrist_studies(opened())
    assert study.images[0].instance.path is None
    assert study.images[0].view.value is None
    with pytest.raises(RadiographError, match="is not on this machine; retrieve"):
        read_radiograph(study.images[0].source)


def test_a_file_that_was_deleted_leaves_the_rest_of_the_list(slicer, archive, opened):
    gone = archive.file(1, BodyPartExamined=None)
    slicer.insert(gone, archive.file(2))
    gone.unlink()
    first, second = wrist_studies(opened())
    assert len(first.others) == len(second.images) == 1


def test_patient_identity_is_in_no_repr_and_no_source_name(slicer, archive, opened):
    slicer.insert(archive.file(AccessionNumber="ACC-99", SeriesDescription="PA"))
    (study,) = wrist_studies(opened())
    shown = repr(study) + repr(study.images[0].source.name)
    for secret in ("Doe", "Jane", "4711", "2015-02-03", "20150203", "ACC-99"):
        assert secret not in shown


def test_images_with_the_same_name_get_names_of_their_own(slicer, archive, opened):
    slicer.insert(
        archive.file(1, SOPInstanceUID="1.1.100000000007", SeriesDescription="PA"),
        archive.file(2, SOPInstanceUID="1.2.100000000007", SeriesDescription="pa"),
    )
    images = [image for study in wrist_studies(opened()) for image in study.images]
    assert [source.name for source in image_sources(images)] == [
        "2026-01-02_PA_100000000007",
        "2026-01-02_pa_100000000007-2",
    ]


# --- Counterparts --------------------------------------------------------------------------------


def test_the_counterpart_is_the_other_view_of_the_same_wrist(slicer, archive, opened):
    slicer.insert(
        archive.file(series=1, ViewPosition="PA", ImageLaterality="L"),
        archive.file(series=2, ViewPosition="PA", ImageLaterality="R"),
        archive.file(series=3, ViewPosition="LL", ImageLaterality="R"),
        archive.file(series=4, ViewPosition="LL", ImageLaterality="L"),
    )
    (study,) = wrist_studies(opened())
    left, right, right_lateral, left_lateral = study.images
    assert study.counterparts(left) == (left_lateral,)
    assert study.counterparts(right) == (right_lateral,)
    assert study.counterparts(left_lateral) == (left,)


def test_a_counterpart_of_unknown_side_comes_after_one_that_matches(slicer, archive, opened):
    slicer.insert(
        archive.file(series=1, ViewPosition="PA", ImageLaterality="L"),
        archive.file(series=2, ViewPosition="LL"),
        archive.file(series=3, ViewPosition="LL", ImageLaterality="L"),
    )
    (study,) = wrist_studies(opened())
    first, unknown, matching = study.images
    assert study.counterparts(first) == (matching, unknown)


def test_an_image_of_unknown_view_has_no_counterpart(slicer, archive, opened):
    slicer.insert(archive.file(series=1), archive.file(series=2, ViewPosition="PA"))
    (study,) = wrist_studies(opened())
    assert study.counterparts(study.images[0]) == ()
    assert study.counterparts(study.images[1]) == ()


# --- The database file ---------------------------------------------------------------------------


def test_files_are_found_after_the_database_folder_has_moved(tmp_path, slicer, archive):
    slicer.insert(archive.file())
    shutil.move(slicer.folder, tmp_path / "moved")
    (study,) = wrist_studies(DatabaseFile(tmp_path / "moved" / "ctkDICOM.sql"))
    assert study.images[0].instance.path == tmp_path / "moved" / "dicom" / "1.dcm"
    assert study.images[0].instance.path.is_file()


def test_files_outside_the_database_folder_keep_their_whole_path(slicer):
    slicer.insert(SAMPLES[0])
    (study,) = wrist_studies(DatabaseFile(slicer.folder))
    assert study.images[0].instance.path == SAMPLES[0]


def test_the_database_cannot_be_written_through_this_reader(slicer, archive):
    slicer.insert(archive.file())
    with DatabaseFile(slicer.folder) as database, pytest.raises(DatabaseError, match="readonly"):
        database._rows("DELETE FROM Images")


def test_slicer_can_go_on_writing_while_the_file_is_being_read(slicer, archive):
    slicer.insert(archive.file(1))
    with DatabaseFile(slicer.folder) as database:
        studies = wrist_studies(database)
        next(studies)
        slicer.insert(archive.file(2))
        assert len(list(wrist_studies(database))) == 2


def test_a_database_that_is_being_written_is_said_to_be_busy(slicer, archive, monkeypatch):
    slicer.insert(archive.file())
    monkeypatch.setattr("WristQCLib.dicom_database.database_file.WAIT_S", 0.05)
    database = DatabaseFile(slicer.folder)
    slicer.database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="being written; try again"):
        list(wrist_studies(database))
    with pytest.raises(DatabaseError, match="being written; try again"):
        DatabaseFile(slicer.folder)


def test_a_name_with_characters_of_a_uri_is_opened_as_it_is(tmp_path, archive):
    slicer = Slicer(tmp_path / "100% # database?")
    slicer.insert(archive.file())
    assert len(list(wrist_studies(DatabaseFile(slicer.folder)))) == 1


def test_a_missing_database_is_refused(tmp_path):
    with pytest.raises(DatabaseError, match="does not exist; choose the folder"):
        DatabaseFile(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "ctkDICOM.sql"
    file.write_bytes(b"no database, but long enough to have a header" * 100)
    with pytest.raises(DatabaseError, match="is damaged or no database"):
        DatabaseFile(file)


def test_a_database_of_something_else_is_refused(tmp_path):
    file = tmp_path / "other.sql"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE Notes (text)")
    with pytest.raises(DatabaseError, match="is not a DICOM database of Slicer"):
        DatabaseFile(file)


def test_a_database_of_an_old_version_is_refused_with_what_to_do(slicer):
    slicer.database.execute("ALTER TABLE Series DROP COLUMN Modality")
    slicer.database.commit()
    with pytest.raises(DatabaseError, match="Series has no Modality; open it in Slicer once"):
        DatabaseFile(slicer.folder)


def test_slicers_database_must_be_open(slicer):
    database = CtkDatabase(slicer)
    database.isOpen = False
    for nothing in (database, None):
        with pytest.raises(DatabaseError, match="is not open; choose its folder"):
            SlicerDatabase(nothing)


def test_slicer_parses_no_file_for_the_list(slicer):
    slicer.insert(*SAMPLES)
    database = CtkDatabase(slicer)
    for study in wrist_studies(SlicerDatabase(database)):
        assert study.images[0].view.known
    assert database.parsed == 0


# --- Region --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "region"),
    [
        ({"BodyPartExamined": "WRIST"}, Region.WRIST),
        ({"SeriesDescription": "WRIST_PA"}, Region.WRIST),
        ({"SeriesDescription": "Röntgen-Handgelenksaufnahme re"}, Region.WRIST),
        ({"ProtocolName": "左腕关节正侧位"}, Region.WRIST),
        ({"ProtocolName": "左WRIST正位"}, Region.WRIST),
        ({"StudyDescription": "XR Scaphoid"}, Region.WRIST),
        ({"BodyPartExamined": "HAND", "StudyDescription": "Handgelenk"}, Region.WRIST),
        ({"BodyPartExamined": "EXTREMITY"}, Region.NEAR),
        ({"BodyPartExamined": "HAND"}, Region.NEAR),
        ({"BodyPartExamined": "RADIUSULNA"}, Region.NEAR),
        ({"StudyDescription": "Unterarm links"}, Region.NEAR),
        ({"BodyPartExamined": "CHEST", "StudyDescription": "wrist, chest"}, Region.ELSEWHERE),
        ({"BodyPartExamined": "ELBOW"}, Region.ELSEWHERE),
        ({"SeriesDescription": "Metacarpal"}, None),
        ({"SeriesDescription": "wristband check"}, None),
        ({"BodyPartExamined": "OTHER"}, None),
        ({}, None),
    ],
)
def test_the_region_is_what_the_header_names(attributes, region):
    assert region_of(item(**attributes)).value is region


@pytest.mark.parametrize(
    ("code", "meaning", "region"),
    [
        ("74670003", "", Region.WRIST),
        ("T-15460", "Wrist joint", Region.WRIST),
        ("85562004", "Hand", Region.NEAR),
        ("99XYZ", "Left wrist, local code", Region.WRIST),
        ("51185008", "Chest", Region.ELSEWHERE),
    ],
)
def test_the_region_code_is_understood(code, meaning, region):
    header = Dataset()
    header.AnatomicRegionSequence = Sequence([item(CodeValue=code, CodeMeaning=meaning)])
    assert region_of(header).value is region


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Doe^Jane", "Doe, Jane (1)"),
        ("Yamada^Tarou=山田^太郎", "Yamada, Tarou (1)"),
        ("Doe", "Doe (1)"),
        ("^Jane", "Jane (1)"),
        ("", "No name (1)"),
    ],
)
def test_a_patient_is_labelled_by_family_and_given_name(name, label):
    assert Patient("1", name, "1").label == label
