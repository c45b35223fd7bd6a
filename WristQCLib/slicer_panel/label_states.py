"""How far the images of a DICOM database are with their labels, on the list of images or not."""

from __future__ import annotations

from WristQCLib.labelling import Labelling, LabelState
from WristQCLib.labels import LabelledImage
from WristQCLib.measurements import ImageGeometry
from WristQCLib.review import Review

_UNKNOWN = ImageGeometry(1, 1, None)


class LabelStates:
    """States by SOP Instance UID; asked of the store once, until `forget`.

    Parameters
    ----------
    review
        Its images may have been changed since they were accepted.
    labelling
        Knows the store and the reader.
    """

    def __init__(self, review: Review, labelling: Labelling) -> None:
        self._review, self._labelling = review, labelling
        self._kept: dict[str, LabelState] = {}
        self._listed: dict[str, LabelState] = {}

    def forget(self) -> None:
        """Ask the store again."""
        self._kept.clear()

    def follow_list(self) -> None:
        """Take over what is known of the images on the list."""
        self._listed = {
            item.assessment.sop_instance_uid: self._labelling.state(item)
            for item in self._review.items
            if item.assessment is not None and item.assessment.sop_instance_uid
        }
        self._kept.update(self._listed)

    def of(self, uid: str) -> LabelState | None:
        """How far an image is; None while labels are not kept."""
        if self._labelling.store is None:
            return None
        if uid not in self._kept:
            self._kept[uid] = self._asked(uid)
        return self._kept[uid]

    def _asked(self, uid: str) -> LabelState:
        store = self._labelling.store
        assert store is not None
        image = LabelledImage("", _UNKNOWN, uid)
        if store.find(image) in self._labelling.conflicts_by_key():
            return LabelState.IN_CONFLICT
        checked = store.has(image, self._labelling.reader)
        return LabelState.CHECKED if checked else LabelState.NOT_CHECKED
