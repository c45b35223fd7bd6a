"""Stored values of a single-frame DICOM image, decoded by pydicom with GDCM as its plug-in."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import threading
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders import gdcm as gdcm_plugin
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLosslessSV1, RLELossless

from WristQCLib.codestream import Frame, check_codestream
from WristQCLib.errors import RadiographError
from WristQCLib.packages import install_hint

Stored = NDArray[Any]
"""Integers of any width, (rows, columns) or (rows, columns, samples)."""

_PLUGINS = threading.Lock()

MAX_PIXELS = 200_000_000
"""Larger images are refused before decoding; a 43 x 43 cm detector at 0.1 mm has 18 million."""
MIN_SIDE = 64
"""An image with fewer pixels on a side shows no wrist."""


def check_size(rows: int, columns: int) -> None:
    """Refuse what is too small to show a wrist, or too large to be decoded safely.

    Raises
    ------
    RadiographError
    """
    if min(rows, columns) < MIN_SIDE:
        raise RadiographError(
            f"the image of {columns} x {rows} pixels is too small to show a wrist;"
            f" give one with at least {MIN_SIDE} pixels on each side"
        )
    if rows * columns > MAX_PIXELS:
        raise RadiographError(
            f"the image of {columns} x {rows} pixels is larger than the limit of"
            f" {MAX_PIXELS // 1_000_000} megapixels; export the wrist alone"
        )


def check_pixel_module(dataset: Dataset) -> None:
    """Refuse a data set whose attributes do not describe one image that can be decoded.

    Attributes with only one sensible value for grey are filled in where they are missing.
    Source: Image Pixel module, DICOM PS3.3, C.7.6.3.

    Raises
    ------
    RadiographError
        With fault and remedy, without the file's name.
    """
    if not dataset.get("PixelData"):
        raise RadiographError(
            "there is no pixel data in it, it may be cut short; copy or send the file again"
        )
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        allocated = int(dataset.get("BitsAllocated") or 0)
        stored = int(dataset.get("BitsStored") or 0)
        dataset.SamplesPerPixel = int(dataset.get("SamplesPerPixel") or 1)
        dataset.PixelRepresentation = int(dataset.get("PixelRepresentation") or 0)
    except (TypeError, ValueError):
        raise RadiographError(
            "the attributes that describe its pixels are damaged; export the image again"
        ) from None
    if frames > 1:
        raise RadiographError(
            f"it holds {frames} frames and a radiograph has one; export the wanted frame alone"
        )
    if rows < 1 or columns < 1:
        raise RadiographError(
            "Rows (0028,0010) or Columns (0028,0011) is missing or zero; export the image again"
        )
    check_size(rows, columns)
    if allocated not in (8, 16) or not 1 < stored <= allocated:
        raise RadiographError(
            f"its pixels have {stored} of {allocated} bits where 8 to 16 can be read;"
            " export the image again"
        )
    if not str(dataset.get("PhotometricInterpretation") or "").strip():
        raise RadiographError(
            "PhotometricInterpretation (0028,0004) is missing, so black and white cannot be"
            " told apart; export the image again"
        )
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        _check_length(dataset)


def _check_length(dataset: Dataset) -> None:
    """Refuse pixel data that Rows and Columns do not describe: the picture would be sheared."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    row_bytes = columns * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8
    if "422" in str(dataset.PhotometricInterpretation):
        row_bytes = row_bytes * 2 // 3
    found, expected = len(dataset.PixelData), rows * row_bytes
    if found < expected:
        raise RadiographError(
            f"it is truncated, the pixel data has {found} of {expected} bytes; copy the file again"
        )
    if found >= expected + row_bytes:
        raise RadiographError(
            f"the pixel data has {found} bytes but {columns} x {rows} pixels need {expected};"
            " export the image again"
        )


def decode(dataset: Dataset, notes: list[str]) -> Stored:
    """Decode the pixel data of a data set that `check_pixel_module` let through.

    Parameters
    ----------
    dataset
        Of one image, with its file meta information.
    notes
        Remarks on the image are appended.

    Returns
    -------
    (rows, columns) or (rows, columns, samples), integers
        YCbCr is converted to RGB.

    Raises
    ------
    RadiographError
        With fault and remedy, without the file's name.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in gdcm_plugin.DECODER_DEPENDENCIES:
        know_gdcm()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters raises
            _check_stream(dataset, syntax)
            if syntax == JPEGExtended12Bit and int(dataset.BitsStored) > 8:
                return _decode_jpeg_12_bit(dataset)
            return np.asarray(pixel_array(dataset))
    except MemoryError:
        raise RadiographError("there is not enough memory to decode the image") from None
    except Exception as error:  # a decoder may raise anything on damaged data
        if (packed := _decode_packed_bytes(dataset)) is not None:
            notes.append("The file states 16 bits a pixel but holds 8, which are read.")
            return packed
        raise RadiographError(_why_not(syntax, error)) from error


def know_gdcm() -> None:
    """Let pydicom use GDCM if it was installed after pydicom was imported.

    pydicom looks for its plug-ins once, on import; without this Slicer would have to be restarted.
    """
    with _PLUGINS:  # images are decoded in more than one thread
        known = "gdcm" in get_decoder(JPEGLosslessSV1).available_plugins
        if known or importlib.util.find_spec("gdcm") is None:
            return
        importlib.reload(gdcm_plugin)
        for syntax in gdcm_plugin.DECODER_DEPENDENCIES:
            decoder = get_decoder(syntax)
            with suppress(ValueError):  # it is not on pydicom's list
                decoder.remove_plugin("gdcm")
            decoder.add_plugin("gdcm", (gdcm_plugin.__name__, "_decode_frame"))


def _check_stream(dataset: Dataset, syntax: UID) -> None:
    if syntax.is_compressed and syntax.is_encapsulated:
        expected = Frame(
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.BitsAllocated
        )
        check_codestream(_stream(dataset), syntax, expected)


def _stream(dataset: Dataset) -> bytes:
    """The compressed stream of the only frame."""
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _decode_jpeg_12_bit(dataset: Dataset) -> Stored:
    """JPEG extended (process 4), which GDCM decodes and pydicom's plug-in for it leaves out."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(_stream(dataset))
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType(str(dataset.PhotometricInterpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    # GDCM gives its bytes as a string
    frame = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(frame, "<u2").reshape(dataset.Rows, dataset.Columns)


def _decode_packed_bytes(dataset: Dataset) -> Stored | None:
    """8-bit pixels that were RLE-encoded two by two, as if they were half as many of 16 bits.

    Some writers keep BitsAllocated = 16 for 8-bit pixels. None when the image is not of this kind.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if (
        dataset.file_meta.TransferSyntaxUID != RLELossless
        or (int(dataset.BitsAllocated), int(dataset.BitsStored)) != (16, 8)
        or int(dataset.SamplesPerPixel) != 1
        or rows % 2
    ):
        return None
    half = copy.copy(dataset)
    half.Rows, half.BitsStored, half.HighBit = rows // 2, 16, 15
    try:
        return np.asarray(pixel_array(half)).astype("<u2").view(np.uint8).reshape(rows, columns)
    except Exception:  # then it is simply damaged
        return None


def _why_not(syntax: UID, error: Exception) -> str:
    if isinstance(error, ImportError) or "missing dependencies" in str(error):
        return f"its compression ({syntax.name}) needs GDCM; {install_hint('python-gdcm')}"
    if isinstance(error, NotImplementedError):  # pydicom's: it has no decoder for this syntax
        return (
            f"its compression ({syntax.name}) cannot be decoded;"
            " export the image without compression"
        )
    return (
        f"its pixel data ({syntax.name}) is truncated or damaged and cannot be decoded;"
        " copy the file again"
    )
