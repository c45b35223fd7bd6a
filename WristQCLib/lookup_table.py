"""Look-up tables of DICOM headers: modality LUT and VOI LUT (PS3.3, C.11.1 and C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, Sequence

from WristQCLib.attributes import numbers_of, value_of, written_text_of

FloatImage = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StoredTable:
    """A value for every whole pixel value from `first` on; what lies beyond takes an end's.

    Attributes
    ----------
    first
        Pixel value that the first entry belongs to.
    entries
        (n,) float32; of a VOI LUT in [0, 1].
    """

    first: float
    entries: FloatImage

    def apply(self, pixels: FloatImage) -> FloatImage:
        """The entries of `pixels`, same shape."""
        index = np.clip(np.rint(pixels - np.float32(self.first)), 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)]


def read_table(header: Dataset, keyword: str) -> tuple[StoredTable | None, bool]:
    """The first table of ModalityLUTSequence or VOILUTSequence.

    Returns
    -------
    StoredTable or None
        The entries as stored; None without a table, and for one that does not have the length or
        the depth that its descriptor says.
    bool
        Whether there is a table, usable or not.
    """
    items = value_of(header, keyword)
    if isinstance(items, Sequence):
        return (_table(items[0], header), True) if items else (None, False)
    return None, bool(written_text_of(header, keyword))


def _table(item: Dataset, header: Dataset) -> StoredTable | None:
    try:
        count, first, bits = (int(v) for v in numbers_of(item, "LUTDescriptor") or ())
        # The count is unsigned even where the descriptor as a whole is not; 0 stands for 65536.
        count = count % 65536 or 65536
        data = value_of(item, "LUTData")
        if isinstance(data, bytes):  # VR OW: words, except where 8-bit entries are packed
            word = ">u2" if header.original_encoding[1] is False else "<u2"
            packed = len(data) == count + count % 2
            data = np.frombuffer(data, np.uint8)[:count] if packed else np.frombuffer(data, word)
        entries = np.asarray(data, dtype=np.float32)
    except (ValueError, TypeError):
        return None
    if entries.shape != (count,) or count < 2 or not 8 <= bits <= 16:
        return None
    if first > 32767 and header.get("PixelRepresentation") == 1:
        first -= 65536  # written as unsigned although the pixels are signed
    return StoredTable(first, entries)
