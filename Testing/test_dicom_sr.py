"""The DICOM structured report, read back with highdicom and pydicom."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import radiograph as dicom_radiograph
from dicom_files import write
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, Section
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels import read_labelme
from WristQCLib.measurements import MEASUREMENTS
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.report.dicom_sr import structured_report, write_dicom_sr
from WristQCLib.report.files import ReportError
from WristQCLib.report.sr_codes import PRIVATE_CODES, SCHEME, SITES
from WristQCLib.resources import RESOURCES

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")

FIXED: dict[str, Any] = {
    "created": datetime(2026, 3, 4, 5, 6, 7),
    "sop_instance_uid": "1.2.3.4",
    "series_instance_uid": "1.2.3",
}
MODEL = "model:wrist_keypoints_frontal 1.0"


@pytest.fixture(scope="module")
def frontal() -> tuple[Radiograph, Assessment]:
    """One point of a model, one of a person, one that is not in the image."""
    path = RESOURCES / "SampleData" / "frontal_good.dcm"
    radiograph = read_radiograph(path)
    assessment = Assessor.create(NoModels()).assess(radiograph)
    truth = read_labelme(path.with_suffix(".json"), person="Ada").keypoints
    thumb = Keypoint("thumb_mcp_joint", Finding.NOT_FOUND, None, 0.25, placed_by=MODEL)
    radial = Keypoint("radial_styloid", Finding.FOUND, (99.5, 200.25), 0.875, 1.5, MODEL)
    keypoints = truth.replaced(thumb).replaced(radial)
    assessment = reassess(
        assessment,
        keypoints=keypoints,
        artefact=ArtefactFinding.from_probability(0.75, 0.5, "model:wrist_artefact 2.1"),
    )
    models = {"keypoints_frontal": "wrist_keypoints_frontal 1.0 (0123456789ab)"}
    return radiograph, replace(assessment, models=models)


@pytest.fixture
def lateral(tmp_path: Path) -> tuple[Radiograph, Assessment]:
    """The least of headers, no pixel spacing, all keypoints found by a person."""
    dataset = dicom_radiograph(
        ViewPosition="LL", StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1",
        ImagerPixelSpacing=None, PixelSpacing=None,
    )  # fmt: skip
    radiograph = read_radiograph(write(tmp_path / "lateral.dcm", dataset))
    places = [(40.0, 30.0), (38.5, 40.0), (37.0, 90.0), (42.0, 41.0), (41.0, 90.25)]
    keypoints = Keypoints.from_positions(
        View.LATERAL, dict(zip(KEYPOINT_NAMES[View.LATERAL], places, strict=True))
    )
    assessment = Assessor.create(NoModels()).assess(radiograph)
    return radiograph, reassess(assessment, keypoints=keypoints)


@pytest.fixture(scope="module")
def brief(frontal: tuple[Radiograph, Assessment]) -> tuple[Radiograph, Assessment]:
    """With two tasks, for tests of what surrounds them: highdicom takes its time."""
    radiograph, assessment = frontal
    score = assessment.score
    tasks = score.task("side_marker"), score.task("artefact")
    return radiograph, replace(assessment, score=replace(score, tasks=tasks))


@pytest.fixture(scope="module")
def document(frontal: tuple[Radiograph, Assessment], tmp_path_factory: Any) -> Any:
    """Written to a file and read back by highdicom."""
    path = tmp_path_factory.mktemp("sr") / "report.dcm"
    write_dicom_sr(path, frontal[1], frontal[0].header, person="Grace Hopper", **FIXED)
    return hd.sr.srread(path)


def groups(document: Any) -> dict[str, Any]:
    content = document.content
    if not isinstance(content, hd.sr.MeasurementReport):  # as in a report that was just made
        content = hd.sr.MeasurementReport.from_sequence(content)
    found = content.get_planar_roi_measurement_groups() + content.get_image_measurement_groups()
    return {group.tracking_identifier: group for group in found}


def numbers(group: Any) -> dict[str, tuple[float, str]]:
    return {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}


def answers(group: Any) -> dict[str, str]:
    return {e.name.meaning: e.value.meaning for e in group.get_qualitative_evaluations()}


def texts(group: Any) -> list[str]:
    return [item.value for item in group[0].ContentSequence if item.ValueType == "TEXT"]


def meaning(concept: str) -> str:
    return PRIVATE_CODES[concept][1]


def test_it_is_a_comprehensive_sr_of_the_images_patient_and_study(
    frontal: tuple[Radiograph, Assessment], document: Any
) -> None:
    header = frontal[0].header
    assert header is not None
    assert isinstance(document, hd.sr.ComprehensiveSR)
    assert isinstance(document.content, hd.sr.MeasurementReport)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyID",
                    "StudyDate", "StudyTime", "AccessionNumber", "PatientSex"):  # fmt: skip
        assert document[keyword].value == header[keyword].value
    assert document.SeriesInstanceUID == "1.2.3"
    assert document.SOPInstanceUID == document.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert (document.ContentDate, document.ContentTime) == ("20260304", "050607")
    assert document.VerificationFlag == "UNVERIFIED"
    evidence = document.get_evidence()
    assert evidence == [
        (header.StudyInstanceUID, header.SeriesInstanceUID,
         header.SOPInstanceUID, header.SOPClassUID)
    ]  # fmt: skip


def test_every_keypoint_is_a_point_on_the_image_or_said_to_be_absent(document: Any) -> None:
    found = groups(document)
    radial = found["radial_styloid"]
    assert radial.roi.graphic_type.value == "POINT"
    # DICOM's origin is the upper left corner of the upper left pixel, not its centre.
    np.testing.assert_allclose(radial.roi.value, [[100.0, 200.75]])
    assert radial.finding_type.meaning == "Tip of the radial styloid"
    assert radial.finding_type.scheme_designator == SCHEME
    assert radial.finding_sites[0].value == codes.SCT.DistalRadius
    assert answers(radial) == {meaning("in image"): "Yes"}
    assert numbers(radial) == {
        "Certainty of Feature": (87.5, "%"), meaning("position deviation"): (1.5, "{pixels}"),
    }  # fmt: skip
    thumb = found["thumb_mcp_joint"]
    assert not hasattr(thumb, "roi")
    assert answers(thumb) == {meaning("in image"): "No"}


def test_models_are_told_with_their_weights_and_persons_as_observers(document: Any) -> None:
    found = groups(document)
    assert texts(found["radial_styloid"])[1:] == [
        "wrist_keypoints_frontal", "1.0", "weights SHA-256 0123456789ab",
    ]  # fmt: skip
    assert texts(found["artefact"])[1:3] == ["wrist_artefact", "2.1"]
    people = [i.value for i in found["ulnar_styloid"][0].ContentSequence if i.ValueType == "PNAME"]
    assert people == ["Ada^"]
    contexts = document.content.get_observer_contexts()
    types = [context.observer_type.meaning for context in contexts]
    assert types == ["Person", "Device"]
    assert contexts[0].observer_identifying_attributes.name == "Grace Hopper^"
    assert contexts[1].observer_identifying_attributes.name == "WristQC"


def test_every_task_is_told_with_points_grade_and_measured_values(
    frontal: tuple[Radiograph, Assessment], document: Any
) -> None:
    assessment, found = frontal[1], groups(document)
    units = {"cm": "cm", "deg": "deg"}
    for task in assessment.score.tasks:
        group = found[task.id]
        values = numbers(group)
        assert values[meaning("points")] == (task.points, "{points}")
        assert values[meaning("most points")] == (task.max_points, "{points}")
        assert answers(group)[meaning("grade")] == str(task.grade).title()
        assert group.finding_type.meaning == meaning(task.section)
        assert task.title in texts(group)
        assert (task.reason in texts(group)) == bool(task.reason)
        for part in task.parts:
            if part.measurement.unit:
                expected = part.measurement.value, units[part.measurement.unit]
                assert values[meaning(part.measurement.id)] == expected
    assert answers(found["frontal_1"])[meaning("thumb_mcp_joint_present")] == "No"
    line = assessment.measurements["styloid_line_angle"]  # measured, gives no points
    assert numbers(found["further measurements"]) == {
        meaning("styloid_line_angle"): (line.value, "deg")
    }


def test_the_whole_image_has_total_grade_view_side_and_protocol(
    frontal: tuple[Radiograph, Assessment], document: Any
) -> None:
    score, group = frontal[1].score, groups(document)["whole image"]
    assert group.finding_type == codes.DCM.QualityAssessment
    assert numbers(group) == {
        meaning("points"): (score.total, "{points}"),
        meaning("reachable points"): (score.reachable, "{points}"),
    }
    assert answers(group) == {
        meaning("grade"): score.grade,
        meaning("assessable"): "Yes",
        "Image View": "Frontal",
        "Image Laterality": "Right",
    }
    assert "wrist_radiograph 1.0: " + load_protocol().title in texts(group)
    assert group.source_images[0].referenced_sop_instance_uid == frontal[1].sop_instance_uid


def test_side_marker_and_artefact_are_coded_answers(document: Any) -> None:
    found = groups(document)
    assert answers(found["side_marker"])[meaning("side marker")] == "Yes"
    assert answers(found["side_marker"])[meaning("side marker reads")] == "Right"
    assert answers(found["artefact"])[meaning("foreign object")] == "Yes"
    assert numbers(found["artefact"])["Certainty of Finding"] == (75.0, "%")


def test_what_is_unknown_is_an_answer_and_never_a_number(
    lateral: tuple[Radiograph, Assessment],
) -> None:
    document = structured_report(lateral[1], lateral[0].header, **FIXED)
    assert document.CompletionFlag == "PARTIAL"
    assert not document.PatientName
    found = groups(document)
    group = found["lateral_3"]
    assert answers(group)[meaning("scaphoid_vertical_offset")] == "Value unknown"
    assert answers(group)[meaning("assessable")] == "No"
    assert meaning("scaphoid_vertical_offset") not in numbers(group)
    assert meaning("grade") not in answers(group)
    assert any("pixel spacing is unknown" in text for text in texts(group))
    assert answers(found["artefact"])[meaning("foreign object")] == "Unknown"
    assert answers(found["whole image"])["Image View"] == "lateral"
    assert "Image Laterality" not in answers(found["whole image"])
    assert found["scaphoid_centre"].roi.value.tolist() == [[40.5, 30.5]]
    assert set(KEYPOINT_NAMES[View.LATERAL]) <= set(found)


def test_keypoints_that_nobody_looked_for_are_unknown(
    brief: tuple[Radiograph, Assessment],
) -> None:
    unplaced = replace(brief[1], keypoints=Keypoints.to_be_placed(View.FRONTAL))
    found = groups(structured_report(unplaced, brief[0].header, **FIXED))
    for name in KEYPOINT_NAMES[View.FRONTAL]:
        assert answers(found[name]) == {meaning("in image"): "Unknown"}


def test_an_image_of_unknown_view_is_reported_too(
    brief: tuple[Radiograph, Assessment],
) -> None:
    radiograph, assessment = brief
    unknown = replace(assessment, view=replace(assessment.view, value=None), keypoints=None)
    group = groups(structured_report(unknown, radiograph.header, **FIXED))["whole image"]
    assert "Image View" not in answers(group)
    assert any(text.startswith("View: unknown (") for text in texts(group))


def test_it_is_the_same_each_time_for_given_uids_and_time(
    brief: tuple[Radiograph, Assessment], tmp_path: Path
) -> None:
    for name in ("a.dcm", "b.dcm"):
        write_dicom_sr(tmp_path / name, brief[1], brief[0].header, **FIXED)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "b.dcm"]


def test_new_reports_have_uids_of_their_own_but_track_the_same_things(
    brief: tuple[Radiograph, Assessment],
) -> None:
    first, second = (structured_report(brief[1], brief[0].header) for _ in range(2))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    uids = [groups(d)["ulnar_styloid"].tracking_uid for d in (first, second)]
    assert uids[0] == uids[1]


def changed(header: Dataset, **values: Any) -> Dataset:
    copy = deepcopy(header)
    for keyword, value in values.items():
        if value is None:
            del copy[keyword]
        else:
            setattr(copy, keyword, value)
    return copy


def test_names_in_any_script_survive(brief: tuple[Radiograph, Assessment], tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    header = changed(brief[0].header, PatientName=name, SpecificCharacterSet=["", "ISO 2022 IR 87"])
    write_dicom_sr(tmp_path / "a.dcm", brief[1], header, person="李 华", **FIXED)
    read = dcmread(tmp_path / "a.dcm")
    assert read.PatientName == name
    assert str(read.PatientName.ideographic) == "山田^太郎"
    assert "李 华^" in str(read.ContentSequence)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_missing_and_invalid_values_of_the_image_are_empty_in_the_report(
    brief: tuple[Radiograph, Assessment], tmp_path: Path
) -> None:
    header = changed(
        brief[0].header, StudyDate="04.03.2026", PatientSex="W", PatientID=None,
        StudyTime=None, ReferringPhysicianName=None, AccessionNumber="A" * 40,
    )  # fmt: skip
    write_dicom_sr(tmp_path / "a.dcm", brief[1], header, **FIXED)
    read = dcmread(tmp_path / "a.dcm")
    for keyword in ("StudyDate", "PatientSex", "PatientID", "StudyTime", "AccessionNumber"):
        assert keyword in read
        assert not read[keyword].value
    assert read.PatientName == "SIMULATED^WRIST"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDate", "20150230"),
        ("StudyDate", "00000000"),
        ("StudyTime", "24"),
        ("StudyTime", "1260"),
    ],
)
def test_days_and_times_that_do_not_exist_are_empty_in_the_report(
    brief: tuple[Radiograph, Assessment], tmp_path: Path, keyword: str, value: str
) -> None:
    header = changed(brief[0].header, **{keyword: value})
    write_dicom_sr(tmp_path / "a.dcm", brief[1], header, **FIXED)
    assert not dcmread(tmp_path / "a.dcm")[keyword].value


def test_a_value_of_another_representation_is_left_out_of_the_report(
    brief: tuple[Radiograph, Assessment], tmp_path: Path
) -> None:
    header = changed(brief[0].header)
    header.add_new("StudyDescription", "US", [11, 12])
    header.add_new("PatientWeight", "LO", "heavy")
    write_dicom_sr(tmp_path / "a.dcm", brief[1], header, **FIXED)
    read = dcmread(tmp_path / "a.dcm")
    assert not read.get("StudyDescription") and not read.get("PatientWeight")


@pytest.mark.parametrize(
    ("character_set", "name"),
    [("GB18030", "Zhang^San=张^三"), ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "김^희")],
)
def test_a_name_of_any_character_set_is_kept(
    brief: tuple[Radiograph, Assessment], tmp_path: Path, character_set: str, name: str
) -> None:
    header = changed(brief[0].header, SpecificCharacterSet=character_set, PatientName=name)
    header.save_as(tmp_path / "image.dcm", implicit_vr=False, little_endian=True)
    header = dcmread(tmp_path / "image.dcm", force=True)  # encoded as the character set says
    write_dicom_sr(tmp_path / "a.dcm", brief[1], header, **FIXED)
    assert dcmread(tmp_path / "a.dcm").PatientName == name


def test_persons_names_cannot_break_the_file(
    brief: tuple[Radiograph, Assessment], tmp_path: Path
) -> None:
    person = "a\\b=c\n" + "x" * 100
    write_dicom_sr(tmp_path / "a.dcm", brief[1], brief[0].header, person=person, **FIXED)
    contexts = hd.sr.srread(tmp_path / "a.dcm").content.get_observer_contexts()
    name = str(contexts[0].observer_identifying_attributes.name)
    assert name == "abc" + "x" * 60 + "^"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_an_image_without_uids_is_refused(
    frontal: tuple[Radiograph, Assessment], keyword: str
) -> None:
    header = changed(frontal[0].header, **{keyword: None})
    with pytest.raises(ReportError, match=rf"frontal_good lacks a valid {keyword}, so"):
        structured_report(frontal[1], header)


def test_a_private_sop_class_is_refused(frontal: tuple[Radiograph, Assessment]) -> None:
    header = changed(frontal[0].header, SOPClassUID="1.2.3.4.5")
    with pytest.raises(ReportError, match="lacks a valid SOPClassUID"):
        structured_report(frontal[1], header)


def test_a_picture_file_is_refused(frontal: tuple[Radiograph, Assessment]) -> None:
    with pytest.raises(ReportError, match="is no DICOM image"):
        structured_report(frontal[1], None)


def test_the_header_of_another_image_is_refused(frontal: tuple[Radiograph, Assessment]) -> None:
    with pytest.raises(ValueError, match=r"The header is of 1\.2\.9, the assessment is of"):
        structured_report(frontal[1], changed(frontal[0].header, SOPInstanceUID="1.2.9"))


def test_a_report_that_cannot_be_written_leaves_nothing_behind(
    brief: tuple[Radiograph, Assessment], tmp_path: Path
) -> None:
    (tmp_path / "a.dcm").mkdir()
    with pytest.raises(ReportError, match=r"a\.dcm cannot be written"):
        write_dicom_sr(tmp_path / "a.dcm", brief[1], brief[0].header, **FIXED)
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_codes_are_valid_unique_and_there_for_every_concept() -> None:
    values, meanings = zip(*PRIVATE_CODES.values(), strict=True)
    assert len(set(values)) == len(values)
    assert len(set(meanings)) == len(meanings)
    assert all(0 < len(value) <= 16 for value in values)  # PS3.3, section 8.1: SH
    assert all(0 < len(meaning) <= 64 for meaning in meanings)  # LO
    keypoints = {name for names in KEYPOINT_NAMES.values() for name in names}
    protocol = load_protocol()
    task_grades = {g for tasks in protocol.layout.values() for t in tasks for g in t.grades}
    for concepts in (
        keypoints, {str(s) for s in Section}, task_grades, set(protocol.grades),
        {name for functions in MEASUREMENTS.values() for name in functions},
    ):  # fmt: skip
        assert concepts <= set(PRIVATE_CODES)
    assert set(SITES) == keypoints
    assert all(hasattr(codes.SCT, keyword) for keyword in SITES.values())


def test_a_grade_of_another_protocol_is_text(brief: tuple[Radiograph, Assessment]) -> None:
    radiograph, assessment = brief
    other = replace(assessment, score=replace(assessment.score, grade="repeat"))
    group = groups(structured_report(other, radiograph.header, **FIXED))["whole image"]
    assert "repeat" in texts(group)
    assert meaning("grade") not in answers(group)
