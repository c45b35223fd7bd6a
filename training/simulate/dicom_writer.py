"""Simulated radiographs as DICOM files: Digital X-Ray Image, For Presentation.

The identities are fictitious and say so. UIDs and all values follow from the seed, so that the same
call writes the same file.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from training.simulate.exposure import SimulatedRadiograph
from WristQCLib import __version__
from WristQCLib.atomic_file import written_whole
from WristQCLib.findings import Side, View

ATTRIBUTES_OFTEN_ABSENT: tuple[str, ...] = (
    "AccessionNumber", "PatientName", "PatientSex", "PatientBirthDate", "PatientAge", "StudyDate",
    "StudyTime", "InstitutionName", "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
    "KVP", "DistanceSourceToDetector", "ExposureTime", "EstimatedRadiographicMagnificationFactor",
    "WindowWidth", "WindowCenter", "ViewPosition", "ViewCodeSequence", "Laterality",
    "ImageLaterality", "SeriesDescription", "ImagerPixelSpacing", "PixelSpacing",
)  # fmt: skip
"""What may be left out on purpose to make an incomplete header."""

_TYPE_2 = frozenset(
    {"AccessionNumber", "PatientName", "PatientSex", "PatientBirthDate", "StudyDate", "StudyTime",
     "Manufacturer", "ViewPosition"}
)  # fmt: skip
"""Of these, an absent value still leaves an empty attribute (DICOM PS3.5, 7.4.3)."""


@dataclass(frozen=True)
class DicomStyle:
    """How a radiograph is stored.

    Attributes
    ----------
    photometric
        ``"MONOCHROME2"``, or ``"MONOCHROME1"`` with inverted pixels.
    transfer_syntax
        Uncompressed little endian, RLE, JPEG-LS lossless or JPEG 2000 lossless.
    bits_stored
        8 to 16.
    absent
        Keywords left out; those that DICOM wants at least empty are written empty.
    calibrated
        Whether PixelSpacing, at the wrist's plane, is given beside ImagerPixelSpacing.
    study
        Decides patient and study, which images of the same number share; each image is a study of
        its own when not given.
    """

    photometric: str = "MONOCHROME2"
    transfer_syntax: UID = ExplicitVRLittleEndian
    bits_stored: int = 12
    absent: Collection[str] = ()
    calibrated: bool = False
    study: int | None = None


def draw_style(rng: np.random.Generator) -> DicomStyle:
    """A style as it may come out of any hospital: most complete, some not."""
    absent: list[str] = []
    if rng.random() < 0.5:
        count = int(rng.integers(1, 7))
        absent = [str(k) for k in rng.choice(ATTRIBUTES_OFTEN_ABSENT, count, replace=False)]
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless)
    return DicomStyle(
        photometric="MONOCHROME1" if rng.random() < 0.2 else "MONOCHROME2",
        transfer_syntax=syntaxes[rng.integers(len(syntaxes))],
        bits_stored=int(rng.choice([10, 12, 14, 16], p=[0.15, 0.6, 0.15, 0.1])),
        absent=tuple(absent),
        calibrated=bool(rng.random() < 0.3),
    )


def write_dicom(
    path: Path, radiograph: SimulatedRadiograph, seed: int, style: DicomStyle | None = None
) -> None:
    """Write a radiograph as a DICOM file, beside and then renamed.

    Parameters
    ----------
    path
        The file.
    radiograph
        The image; MONOCHROME1 stores it inverted.
    seed
        Decides identity, dates and UIDs.
    style
        How to store it; complete and uncompressed when not given.

    Raises
    ------
    ValueError
        If the style cannot be written.
    """
    style = style or DicomStyle()
    if style.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"Photometric interpretation '{style.photometric}' is not monochrome.")
    if not 8 <= style.bits_stored <= 16:
        raise ValueError(f"{style.bits_stored} bits stored: 8 to 16 are possible.")
    unknown = set(style.absent) - set(ATTRIBUTES_OFTEN_ABSENT)
    if unknown:
        raise ValueError(f"{sorted(unknown)} cannot be left out, or are no attributes.")

    header = _header(radiograph, seed, style)
    for keyword in style.absent:
        if keyword in _TYPE_2:
            setattr(header, keyword, None)
        elif keyword in header:
            delattr(header, keyword)
    _add_pixels(header, radiograph, style)
    with written_whole(path) as file:
        header.save_as(file, enforce_file_format=True)


def _uid(seed: int, what: str) -> UID:
    return generate_uid(entropy_srcs=["WristQC simulated radiograph", str(seed), what])


def _header(radiograph: SimulatedRadiograph, seed: int, style: DicomStyle) -> FileDataset:
    study = seed if style.study is None else style.study
    rng = np.random.default_rng([study, 0xD1C0])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(seed, "instance")
    meta.TransferSyntaxUID = style.transfer_syntax
    meta.ImplementationClassUID = UID("1.2.826.0.1.3680043.8.498.1")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.SpecificCharacterSet = "ISO_IR 100"
    _add_patient(ds, radiograph, study, rng)
    _add_study(ds, radiograph, study, rng)
    _add_series(ds, radiograph, seed)
    if style.study is not None:
        rng = np.random.default_rng([seed, 0xACC0])  # exposed alike, but not the same
    _add_acquisition(ds, radiograph, rng)
    _add_positioning(ds, radiograph)
    _add_display(ds, radiograph, style)
    magnification = radiograph.magnification
    ds.EstimatedRadiographicMagnificationFactor = f"{magnification:.3f}"
    ds.ImagerPixelSpacing = [f"{radiograph.spacing * magnification:.6f}"] * 2
    if style.calibrated:
        ds.PixelSpacing = [f"{radiograph.spacing:.6f}"] * 2
        ds.PixelSpacingCalibrationType = "GEOMETRY"
        ds.PixelSpacingCalibrationDescription = "At the wrist's plane"
    return ds


def _add_patient(
    ds: Dataset, radiograph: SimulatedRadiograph, study: int, rng: np.random.Generator
) -> None:
    age = _age(radiograph, rng)
    examined = datetime.date(2025, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 365)))
    born = examined - datetime.timedelta(days=int(age * 365.25 + rng.integers(0, 360)))
    ds.PatientName = "SIMULATED^WRIST"
    ds.PatientID = f"SIM-{study}"
    ds.PatientBirthDate = born.strftime("%Y%m%d")
    ds.PatientSex = str(rng.choice(["F", "M"]))
    ds.PatientAge = f"{age:03d}Y"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Simulated: there is no such patient"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = examined.strftime("%Y%m%d")


def _age(radiograph: SimulatedRadiograph, rng: np.random.Generator) -> int:
    years = radiograph.factors.get("age_years")
    if isinstance(years, (int, float)) and not isinstance(years, bool):
        return int(years)
    child = "child" in str(radiograph.factors.get("age_group", "adult"))
    return int(rng.integers(5, 15) if child else rng.integers(18, 85))


def _add_study(
    ds: Dataset, radiograph: SimulatedRadiograph, study: int, rng: np.random.Generator
) -> None:
    side = {Side.LEFT: "left", Side.RIGHT: "right"}[radiograph.side]
    time = f"{rng.integers(7, 20):02d}{rng.integers(0, 60):02d}{rng.integers(0, 60):02d}"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = time
    ds.StudyInstanceUID = _uid(study, "study")
    ds.AccessionNumber = f"SIM{study % 10**12}"
    ds.ReferringPhysicianName = ""
    ds.StudyID = "1"
    ds.StudyDescription = f"Simulated wrist, {side}"


def _add_series(ds: Dataset, radiograph: SimulatedRadiograph, seed: int) -> None:
    frontal = radiograph.view is View.FRONTAL
    ds.Modality = "DX"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.SeriesInstanceUID = _uid(seed, "series")
    ds.SeriesNumber = 1 if frontal else 2
    ds.InstanceNumber = 1
    ds.SeriesDescription = "Wrist PA" if frontal else "Wrist lateral"
    ds.InstitutionName = "SIMULATED HOSPITAL"
    ds.Manufacturer = "WristQC"
    ds.ManufacturerModelName = "Radiograph simulator"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = __version__


def _add_acquisition(
    ds: Dataset, radiograph: SimulatedRadiograph, rng: np.random.Generator
) -> None:
    distance = float(rng.integers(100, 116)) * 10
    ds.KVP = f"{rng.uniform(48, 60):.0f}"
    ds.ExposureTime = int(rng.integers(8, 80))
    ds.XRayTubeCurrent = int(rng.integers(100, 320))
    ds.Exposure = max(1, round(ds.XRayTubeCurrent * ds.ExposureTime / 1000))
    ds.DistanceSourceToDetector = f"{distance:.0f}"
    ds.DistanceSourceToPatient = f"{distance / radiograph.magnification:.0f}"
    ds.PositionerType = "NONE"
    ds.DetectorType = "SCINTILLATOR"
    ds.DetectorID = "SIM-1"
    ds.Grid = "NONE"


def _add_positioning(ds: Dataset, radiograph: SimulatedRadiograph) -> None:
    frontal = radiograph.view is View.FRONTAL
    side = radiograph.side.value
    ds.BodyPartExamined = "WRIST"
    ds.AnatomicRegionSequence = _coded(codes.SCT.WristJoint)
    # DICOM PS3.3, C.8.11.5.1.1: the extremity's lateral view by its side.
    ds.ViewPosition = "PA" if frontal else f"{side}L"
    views = {"": codes.SCT.PosteroAnterior, "L": codes.SCT.LeftLateral, "R": codes.SCT.RightLateral}
    ds.ViewCodeSequence = _coded(views["" if frontal else side])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.Laterality = ds.ImageLaterality = side
    # Seen from the dorsal or the radial side, fingers up; in the anatomical position those hang.
    orientation = ["L" if frontal else "P" if radiograph.side is Side.RIGHT else "A", "H"]
    if abs(float(radiograph.factors.get("rotation_deg", 0.0))) > 90:
        opposite = {"L": "R", "A": "P", "P": "A", "H": "F"}
        orientation = [opposite[direction] for direction in orientation]
    ds.PatientOrientation = orientation


def _add_display(ds: Dataset, radiograph: SimulatedRadiograph, style: DicomStyle) -> None:
    inverted = style.photometric == "MONOCHROME1"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if inverted else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    ds.AcquisitionContextSequence = Sequence()
    # The whole range is shown: the pixels are fit for presentation as they are.
    ds.WindowCenter, ds.WindowWidth = str(2 ** (style.bits_stored - 1)), str(2**style.bits_stored)


def _coded(code: Code) -> Sequence:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return Sequence([item])


def _add_pixels(ds: FileDataset, radiograph: SimulatedRadiograph, style: DicomStyle) -> None:
    top = 2**style.bits_stored - 1
    pixels = np.round(radiograph.pixels * (top / 4095)).astype(np.uint16)
    if style.photometric == "MONOCHROME1":
        pixels = top - pixels
    if style.bits_stored == 8:
        pixels = pixels.astype(np.uint8)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = style.photometric
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = style.bits_stored, style.bits_stored - 1
    ds.PixelRepresentation = 0
    syntax = style.transfer_syntax
    if syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    elif syntax == RLELossless:
        ds.compress(RLELossless, pixels, generate_instance_uid=False)
    elif syntax in (JPEG2000Lossless, JPEGLSLossless):
        _compress_with_gdcm(ds, pixels, syntax)
    else:
        raise ValueError(f"Transfer syntax '{syntax.name}' is not among those that are written.")


def _compress_with_gdcm(ds: FileDataset, pixels: np.ndarray, syntax: UID) -> None:
    """JPEG 2000 and JPEG-LS: GDCM makes the frame, which is put into the data set as it is."""
    import gdcm

    plain = Dataset()
    plain.update(ds)
    plain.file_meta = FileMetaDataset()
    plain.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain.PixelData = pixels.tobytes()
    plain["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    kind = gdcm.TransferSyntax
    wanted = kind.JPEG2000Lossless if syntax == JPEG2000Lossless else kind.JPEGLSLossless
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "plain.dcm", Path(folder) / "compressed.dcm"
        plain.save_as(before, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(before))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(wanted))
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(after))
        done = reader.Read()
        if done:
            change.SetInput(reader.GetImage())
            done = change.Change()
        if done:
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            done = writer.Write()
        if not done:
            raise ValueError(f"GDCM could not compress the pixels to {syntax.name}.")
        ds.PixelData = dcmread(after).PixelData
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
