"""Opening a DICOM file and refusing what is no projection radiograph."""

from __future__ import annotations

import warnings
import zlib
from typing import BinaryIO

import pydicom
from pydicom import FileDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from WristQCLib.attributes import text_of
from WristQCLib.errors import RadiographError

PROJECTION_CLASSES = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        SecondaryCaptureImageStorage,
        # Multi-frame classes may hold one frame; more are refused later.
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
"""DICOM PS3.4, B.5. Mammography and intra-oral classes are projections, but not of a wrist."""

PROJECTION_MODALITIES = frozenset({"DX", "CR", "DR", "RG", "RF", "OT", "SC", "HC", ""})
"""What Modality (0008,0060) may say; a secondary capture of a CT slice says "CT"."""

MAX_INFLATED_BYTES = 1 << 30
"""A deflated file that grows beyond this is refused: it is made to exhaust the memory."""

_META_START = 132
"""After preamble and prefix comes the length of the file meta information (PS3.10, 7.1)."""


def read_dataset(stream: BinaryIO) -> FileDataset:
    """Read a DICOM file that holds a projection radiograph, its pixels still encoded.

    Parameters
    ----------
    stream
        Of the whole file, at its start. Files without preamble are read too.

    Raises
    ------
    RadiographError
        With fault and remedy, without the file's name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is checked here and raises
        try:
            _refuse_inflation_bomb(stream)
            dataset = pydicom.dcmread(stream, force=True)
            _refuse_other_objects(dataset)
            _complete_transfer_syntax(dataset)
        except RadiographError:
            raise
        except Exception as error:  # damaged bytes make pydicom raise anything
            raise RadiographError(
                "it is truncated or damaged and cannot be read as DICOM; copy the file again"
            ) from error
    return dataset


def _refuse_other_objects(dataset: FileDataset) -> None:
    sop_class = UID(
        text_of(dataset, "SOPClassUID") or text_of(dataset.file_meta, "MediaStorageSOPClassUID")
    )
    modality = text_of(dataset, "Modality").upper()
    if sop_class == MediaStorageDirectoryStorage:
        raise RadiographError("it is a DICOMDIR, an index of files; give the folder it lies in")
    if sop_class in PROJECTION_CLASSES and modality in PROJECTION_MODALITIES:
        return
    if not sop_class and modality and modality in PROJECTION_MODALITIES:
        return
    if not sop_class:
        what = "it says neither its SOP class nor that it is a projection radiograph"
    elif sop_class not in PROJECTION_CLASSES:
        what = f"it is of SOP class {sop_class.name}, not a projection radiograph"
    else:
        what = f"its modality is {modality}, not that of a projection radiograph"
    raise RadiographError(f"{what}; give a DX, CR or secondary-capture image")


def _refuse_inflation_bomb(stream: BinaryIO) -> None:
    """Pydicom inflates a deflated data set at once, whatever comes out."""
    meta_end = _META_START + 12 + int.from_bytes(stream.read(_META_START + 12)[-4:], "little")
    meta = stream.read(min(meta_end, 65536))
    if DeflatedExplicitVRLittleEndian.encode() in meta:
        stream.seek(meta_end)
        data, size = stream.read(), 0
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        while data and not inflate.eof:
            size += len(inflate.decompress(data, 1 << 24))
            data = inflate.unconsumed_tail
            if size > MAX_INFLATED_BYTES:
                raise RadiographError(
                    f"it inflates to more than {MAX_INFLATED_BYTES >> 20} MiB;"
                    " export the image without compression"
                )
    stream.seek(0)


def _complete_transfer_syntax(dataset: FileDataset) -> None:
    """Without file meta information, what pydicom guessed from the first bytes."""
    syntax = UID(text_of(dataset.file_meta, "TransferSyntaxUID"))
    if syntax and not syntax.is_transfer_syntax:
        raise RadiographError(
            f"its transfer syntax {syntax} is not known; export the image without compression"
        )
    if not syntax:
        implicit, little = dataset.original_encoding
        if implicit:
            syntax = ImplicitVRLittleEndian
        else:
            syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax
