"""Label files that were saved before: corrections in them are there again when the viewer starts.

What readers accepted is in the label store; these files are what was saved besides.
"""

from __future__ import annotations

from pathlib import Path

from WristQCLib.labels import ImageLabels, LabelError, pixels_sha256, read_labelme, read_markups
from WristQCLib.radiograph import Radiograph
from WristQCLib.saving import Kind


class SavedLabels:
    """The label files of a folder that `saving.save` wrote.

    Attributes
    ----------
    problems
        One sentence for each file that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._by_uid: dict[str, ImageLabels] = {}
        self._by_pixels: dict[str, ImageLabels] = {}
        files = [
            (path, read)
            for kind, read in ((Kind.MARKUPS, read_markups), (Kind.LABELME, read_labelme))
            for path in (folder / kind).glob("*.json")
        ]
        # The newest last, so that it is the one that counts.
        for path, read in sorted(files, key=lambda file: file[0].stat().st_mtime_ns):
            try:
                labels = read(path)
            except LabelError as error:
                self.problems.append(str(error))
                continue
            self._by_uid[labels.image.sop_instance_uid] = labels
            self._by_pixels[labels.image.pixels_sha256] = labels

    def __len__(self) -> int:
        return len(self._by_pixels)

    def of(self, radiograph: Radiograph) -> ImageLabels | None:
        """The labels of an image; it is known by its UID, or by its pixels where it has none."""
        uid = radiograph.sop_instance_uid
        labels = self._by_uid.get(uid) if uid else None
        if labels is None and self._by_pixels and not uid:
            labels = self._by_pixels.get(pixels_sha256(radiograph))
        size = (radiograph.width, radiograph.height)
        if labels and (labels.image.geometry.width, labels.image.geometry.height) == size:
            return labels
        return None
