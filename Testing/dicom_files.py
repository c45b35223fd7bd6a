"""DICOM radiographs for tests, written as real files, and how they are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from WristQCLib.radiograph import RadiographError, read_radiograph

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)


def ramp(rows: int = 96, columns: int = 80, bits: int = 12, *, signed: bool = False) -> np.ndarray:
    """A smooth image that uses the whole range of its bits, different in each direction."""
    y, x = np.mgrid[0:rows, 0:columns]
    values = np.rint((x / (columns - 1) * 0.75 + y / (rows - 1) * 0.25) * (2**bits - 1))
    if signed:
        values -= 2 ** (bits - 1)
    return values.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


def radiograph(pixels: np.ndarray | None = None, bits: int = 12, **attributes: object) -> Dataset:
    """A minimal DX data set around `pixels`; an attribute of None is left out."""
    pixels = ramp(bits=bits) if pixels is None else pixels
    dataset = Dataset()
    defaults: dict[str, object] = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": "1.2.3.4",
        "Modality": "DX",
        "SamplesPerPixel": 1 if pixels.ndim == 2 else pixels.shape[2],
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": pixels.dtype.itemsize * 8,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if pixels.ndim == 3:
        defaults["PlanarConfiguration"] = 0
    for keyword, value in (defaults | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    return dataset


def table(count: int, first: int, bits: int, data: object) -> Sequence:
    """A modality or VOI LUT sequence; data as bytes is written as OW, numbers as US."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, bits])
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return Sequence([item])


def write(path: Path, dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a data set in a transfer syntax; GDCM encodes what pydicom cannot."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3.4")
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    elif syntax in NATIVE:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    if syntax not in (*NATIVE, RLELossless):
        _encode(path, syntax)
    return path


def _encode(path: Path, syntax: UID) -> None:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(
        gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str.__str__(syntax)))
    )
    change.SetInput(reader.GetImage())
    assert change.Change(), f"GDCM cannot encode {syntax.name}"
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


def refused(file: Path, *words: str) -> None:
    """Reading fails with one sentence that names the file and says these words."""
    with pytest.raises(RadiographError) as caught:
        read_radiograph(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert message.endswith(".")
    assert "\n" not in message
    for word in words:
        assert word in message
