"""Simulated radiographs are valid DICOM, complete or incomplete as asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

pytest.importorskip("mujoco", reason="the simulator needs the extra 'training'")

from simulated import simulated

from training.simulate.dicom_writer import ATTRIBUTES_OFTEN_ABSENT, DicomStyle, write_dicom
from WristQCLib.findings import Side, View
from WristQCLib.radiograph import read_radiograph

BASIC_INFORMATION = (
    "AccessionNumber", "PatientName", "PatientSex", "PatientBirthDate", "PatientAge", "StudyDate",
    "StudyTime", "InstitutionName", "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
    "KVP", "DistanceSourceToDetector", "ExposureTime", "EstimatedRadiographicMagnificationFactor",
    "WindowWidth", "WindowCenter",
)  # fmt: skip


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless],
)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_pixels_come_back_as_they_were_stored(tmp_path: Path, syntax: UID, bits: int) -> None:
    radiograph = simulated()
    path = tmp_path / "a.dcm"
    write_dicom(path, radiograph, 1, DicomStyle(transfer_syntax=syntax, bits_stored=bits))
    ds = pydicom.dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert ds.BitsStored == bits
    stored = ds.pixel_array.astype(float)
    assert stored.shape == radiograph.pixels.shape
    assert np.abs(stored / (2**bits - 1) - radiograph.pixels / 4095).max() < 0.51 / (2**bits - 1)


def test_monochrome1_stores_inverted_pixels(tmp_path: Path) -> None:
    radiograph = simulated()
    write_dicom(tmp_path / "a.dcm", radiograph, 1, DicomStyle("MONOCHROME1"))
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    assert ds.PresentationLUTShape == "INVERSE"
    assert np.array_equal(ds.pixel_array, 4095 - radiograph.pixels)


def test_a_complete_file_holds_all_17_items_and_values_that_dicom_allows(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", simulated(View.LATERAL), 1, DicomStyle(calibrated=True))
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    with pydicom.config.disable_value_validation():
        values = {keyword: str(ds.get(keyword, "")) for keyword in BASIC_INFORMATION}
    assert len(values) == 17
    assert all(values.values()), values
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        for element in pydicom.dcmread(tmp_path / "a.dcm").iterall():
            assert element.VR
    finally:
        pydicom.config.settings.reading_validation_mode = pydicom.config.WARN
    assert ds.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert ds.PatientName == "SIMULATED^WRIST"
    assert ds.ViewCodeSequence[0].CodeMeaning == "right lateral"
    assert ds.PixelSpacingCalibrationType == "GEOMETRY"


def test_physical_size_is_the_wrists_magnified_on_the_detector(tmp_path: Path) -> None:
    radiograph = replace(simulated(), magnification=1.1)
    write_dicom(tmp_path / "a.dcm", radiograph, 1)
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert [float(v) for v in ds.ImagerPixelSpacing] == pytest.approx([0.55, 0.55])
    assert float(ds.EstimatedRadiographicMagnificationFactor) == pytest.approx(1.1)
    assert "PixelSpacing" not in ds


def test_absent_attributes_are_absent_or_empty(tmp_path: Path) -> None:
    style = DicomStyle(absent=ATTRIBUTES_OFTEN_ABSENT)
    write_dicom(tmp_path / "a.dcm", simulated(), 1, style)
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert not any(ds.get(keyword) for keyword in ATTRIBUTES_OFTEN_ABSENT)
    assert "PatientName" in ds and "KVP" not in ds  # type 2 stays, type 3 goes


def test_the_same_seed_writes_the_same_file_and_another_seed_another_study(tmp_path: Path) -> None:
    radiograph = simulated()
    first, again, other = (tmp_path / name for name in ("a.dcm", "b.dcm", "c.dcm"))
    for path, seed in ((first, 1), (again, 1), (other, 2)):
        write_dicom(path, radiograph, seed, DicomStyle(transfer_syntax=JPEG2000Lossless))
    assert first.read_bytes() == again.read_bytes()
    a, c = pydicom.dcmread(first), pydicom.dcmread(other)
    assert a.SOPInstanceUID.is_valid
    assert a.SOPInstanceUID != c.SOPInstanceUID
    assert a.StudyInstanceUID != c.StudyInstanceUID
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_reader_understands_what_was_written(
    tmp_path: Path, view: View, photometric: str
) -> None:
    radiograph = simulated(view)
    write_dicom(tmp_path / "a.dcm", radiograph, 1, DicomStyle(photometric))
    read = read_radiograph(tmp_path / "a.dcm")
    assert read.view.value is view
    assert read.side.value is Side.RIGHT
    assert read.spacing.value == pytest.approx((0.5, 0.5), rel=1e-3)
    correlation = np.corrcoef(read.pixels.ravel(), radiograph.pixels.ravel())[0, 1]
    assert correlation == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("style", "said"),
    [
        (DicomStyle(bits_stored=7), "7 bits"),
        (DicomStyle("RGB"), "RGB"),
        (DicomStyle(absent=("Rows",)), "Rows"),
        (DicomStyle(transfer_syntax=JPEGBaseline8Bit), "JPEG Baseline"),
    ],
)
def test_a_style_that_cannot_be_written_is_refused(
    tmp_path: Path, style: DicomStyle, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        write_dicom(tmp_path / "a.dcm", simulated(), 1, style)
    assert not list(tmp_path.iterdir())
