"""Checking compressed pixel data before a decoder sees it.

GDCM ends the whole process on some damaged streams, and a decoder that goes on after an error
gives a picture that nobody should grade. So a stream must be whole and agree with the header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})
"""Start of frame: baseline, extended, progressive, lossless (ITU-T T.81), JPEG-LS (T.87)."""

_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""The next marker after entropy-coded data: no stuffed byte, no restart marker."""
_AFTER_LS_SCAN = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")
"""The same in JPEG-LS, which stuffs a bit after FF and not a byte."""


@dataclass(frozen=True)
class Frame:
    """What a compressed stream says of itself."""

    rows: int
    columns: int
    samples: int
    precision: int


def check_codestream(data: bytes, syntax: UID, expected: Frame) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 stream that is not whole or is not the expected one.

    Parameters
    ----------
    data
        The stream of one frame, as encapsulated.
    syntax
        Transfer syntax; others than the three families are not looked at.
    expected
        What the DICOM header says, with bits allocated as precision.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        frame = _jpeg_frame(data)
    elif syntax in JPEG2000TransferSyntaxes:
        frame = _j2k_frame(data)
    else:
        return
    size = (frame.rows, frame.columns, frame.samples)
    if size != (expected.rows, expected.columns, expected.samples):
        raise ValueError(f"The stream holds {frame}, the header says {expected}.")
    if not 2 <= frame.precision <= expected.precision:
        raise ValueError(f"{frame.precision} bits do not fit into {expected.precision}.")


def _jpeg_frame(data: bytes) -> Frame:
    """Walk over all markers of a JPEG or JPEG-LS stream, from its start to its end."""
    if data[:2] != bytes((0xFF, _SOI)):
        raise ValueError("The stream does not start as JPEG does.")
    frame: Frame | None = None
    after_scan = _AFTER_SCAN
    at = 2
    while True:
        if data[at : at + 1] != b"\xff":
            raise ValueError(f"There is no marker at byte {at}.")
        while data[at : at + 1] == b"\xff":
            at += 1
        marker = data[at : at + 1]
        at += 1
        if marker == bytes((_EOI,)) and frame is not None:
            return frame
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if not marker or length < 2 or len(segment) != length - 2:
            raise ValueError("The stream is cut short.")
        at += length
        if marker[0] in _FRAMES:
            if frame is not None or len(segment) < 6:
                raise ValueError("The stream has more than one frame, or a damaged one.")
            frame = Frame(
                rows=int.from_bytes(segment[1:3], "big"),
                columns=int.from_bytes(segment[3:5], "big"),
                samples=segment[5],
                precision=segment[0],
            )
            after_scan = _AFTER_LS_SCAN if marker[0] == 0xF7 else _AFTER_SCAN
        elif marker[0] == _SOS:
            found = after_scan.search(data, at)
            if frame is None or found is None:
                raise ValueError("The stream has no end.")
            at = found.start()


def _j2k_frame(data: bytes) -> Frame:
    """Image and tile size (SIZ) of a JPEG 2000 codestream, ITU-T T.800, A.5.1."""
    start = data.find(b"\xff\x4f\xff\x51", 0, 4096)  # some writers put a JP2 file header before it
    if start < 0 or b"\xff\xd9" not in data[-8:]:
        raise ValueError("The stream does not start and end as JPEG 2000 does.")
    data = data[start : start + 64]
    if len(data) < 43:
        raise ValueError("The stream is cut short.")
    width, height, left, top = (int.from_bytes(data[i : i + 4], "big") for i in (8, 12, 16, 20))
    return Frame(
        rows=height - top,
        columns=width - left,
        samples=int.from_bytes(data[40:42], "big"),
        precision=(data[42] & 0x7F) + 1,  # the highest bit says whether it is signed
    )
