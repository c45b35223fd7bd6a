"""The items of basic information in a DICOM header."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydicom import Dataset, Sequence

from WristQCLib.basic_information import check_basic_information
from WristQCLib.findings import Finding

pytestmark = pytest.mark.filterwarnings("ignore:The value length")  # that is what is tested


@dataclass(frozen=True)
class Definition:
    id: str
    label: str
    group: str
    attributes: tuple[str, ...]
    identity: bool = False


NAME = Definition("patient_name", "Name", "patient", ("PatientName",), identity=True)
EXPOSURE = Definition(
    "exposure_time", "Exposure time", "exposure", ("ExposureTime", "ExposureTimeInuS")
)
SOFTWARE = Definition("software", "Software version", "device", ("SoftwareVersions",))


def check(definition, **attributes):
    header = Dataset()
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    (item,) = check_basic_information(header, [definition])
    return item


def test_a_value_is_found_and_shown_with_its_attribute():
    item = check(NAME, PatientName="Doe^Jane")
    assert item.finding is Finding.FOUND
    assert item.value == "Doe^Jane"
    assert item.reason == "PatientName (0010,0010)"
    assert item.identity
    assert (item.id, item.label, item.group) == ("patient_name", "Name", "patient")


def test_an_absent_attribute_is_not_found():
    item = check(NAME)
    assert item.finding is Finding.NOT_FOUND
    assert item.value == ""
    assert item.reason == "PatientName (0010,0010) is absent."


@pytest.mark.parametrize("value", ["", "  ", "\0", " \0 ", "^", "^^^^", "-", "?", "..."])
def test_a_value_that_says_nothing_is_empty(value):
    item = check(NAME, PatientName=value)
    assert item.finding is Finding.NOT_FOUND
    assert item.value == ""
    assert "(0010,0010) is " in item.reason


@pytest.mark.parametrize("value", ["UNKNOWN", "unknown", "N/A", "None", "null"])
def test_a_placeholder_is_empty(value):
    item = check(SOFTWARE, SoftwareVersions=value)
    assert item.finding is Finding.NOT_FOUND
    assert item.reason == "SoftwareVersions (0018,1020) is a placeholder."


def test_a_present_value_is_not_judged():
    assert check(EXPOSURE, ExposureTime="0").finding is Finding.FOUND
    assert check(NAME, PatientName="王").finding is Finding.FOUND


def test_any_of_several_attributes_is_enough():
    item = check(EXPOSURE, ExposureTime="", ExposureTimeInuS="8000")
    assert item.finding is Finding.FOUND
    assert item.value == "8000"
    assert item.reason == "ExposureTimeInuS (0018,8150)"


def test_all_attributes_are_named_when_none_has_a_value():
    item = check(EXPOSURE, ExposureTime="")
    assert (
        item.reason == "ExposureTime (0018,1150) is empty, ExposureTimeInuS (0018,8150) is absent."
    )


def test_several_values_are_joined_by_a_backslash():
    assert check(SOFTWARE, SoftwareVersions=["V1.2", "build 7"]).value == "V1.2\\build 7"


def test_one_value_among_empty_ones_is_enough():
    assert check(SOFTWARE, SoftwareVersions=["", "7"]).finding is Finding.FOUND


def test_a_long_value_is_cut_to_64_characters():
    value = check(SOFTWARE, SoftwareVersions="x" * 200).value
    assert len(value) == 64
    assert value == "x" * 63 + "…"


def test_control_and_direction_characters_are_taken_out_of_the_value():
    value = check(SOFTWARE, SoftwareVersions="1\x1b[31m\n2\u202e3").value
    assert value == "1 [31m 2 3"


def test_an_empty_sequence_is_empty():
    codes = Definition("view", "View", "x", ("ViewCodeSequence",))
    assert check(codes, ViewCodeSequence=Sequence([])).finding is Finding.NOT_FOUND


def test_a_damaged_value_does_not_stop_the_others():
    header = Dataset()
    header.add_new(0x00181150, "LO", "eight")
    header.PatientName = "Doe"
    exposure, name = check_basic_information(header, [EXPOSURE, NAME])
    assert exposure.finding is Finding.FOUND
    assert name.finding is Finding.FOUND


def test_without_a_header_nothing_is_assessable():
    (item,) = check_basic_information(None, [NAME])
    assert item.finding is Finding.NOT_ASSESSABLE
    assert item.reason == "The file has no DICOM header."


def test_a_keyword_that_dicom_does_not_know_is_refused():
    with pytest.raises(ValueError, match="'PatientNmae' is not a DICOM keyword"):
        check(Definition("x", "x", "x", ("PatientNmae",)))
