"""Wrist studies of a DICOM database as a tree to choose from."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterable, Iterator

from WristQCLib.dicom_database import DatabaseError, WristImage, WristStudy
from WristQCLib.labelling import LabelState
from WristQCLib.slicer_panel.label_signs import SIGNS, in_words, sign_of_all
from WristQCLib.slicer_panel.qt_tools import Widget
from WristQCLib.work_items import images_of

StateOf = Callable[[str], LabelState | None]
"""How far an image is with its labels, by its SOP Instance UID; None while labels are not kept."""


class StudyTree:
    """Wrist studies of a DICOM database; read a few at a time, so that the window stays alive.

    Parameters
    ----------
    tree
        QTreeWidget of two columns: what it is, and how far it is with its labels.
    on_change
        Called when studies were added or the selection or the search changed.
    state_of
        Tells how far an image is with its labels.
    """

    def __init__(
        self, tree: Widget, on_change: Callable[[], None], state_of: StateOf = lambda uid: None
    ) -> None:
        import qt

        self.tree, self._on_change, self._state_of = tree, on_change, state_of
        header = tree.header()
        header.stretchLastSection = False
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        self._studies: list[WristStudy] = []
        self._images: list[list[WristImage]] = []
        self._words: list[str] = []
        self._coming: Iterator[WristStudy] | None = None
        self._to_label: list[int] = []
        tree.itemSelectionChanged.connect(on_change)
        tree.itemExpanded.connect(self._on_expanded)

    def read(self, studies: Iterable[WristStudy]) -> None:
        """Empty the tree; `tick` fills it from here on."""
        self.tree.clear()
        self._studies.clear()
        self._images.clear()
        self._to_label.clear()
        self._coming = iter(studies)
        self._on_change()

    def tick(self, seconds: float = 0.02) -> bool:
        """Read for so long; whether there may be more.

        Raises
        ------
        DatabaseError
            If the database cannot be read; there is no more then.
        """
        end = time.monotonic() + seconds
        while self._coming is not None and time.monotonic() < end:
            try:
                study = next(self._coming, None)
            except DatabaseError:
                self._coming = None
                raise
            if study is None:
                self._coming = None
            else:
                self._add(study)
        while self._to_label and time.monotonic() < end:
            self._show_labels(self._to_label.pop())
        self._on_change()
        return self._coming is not None or bool(self._to_label)

    def search(self, text: str) -> None:
        """Show only studies in which all words of the text occur."""
        self._words = text.casefold().split()
        for n in range(len(self._studies)):
            self._filter(n)
        self._on_change()

    @property
    def reading(self) -> bool:
        return self._coming is not None

    @property
    def listed(self) -> list[WristImage]:
        """The images of all studies that are shown."""
        return [
            image
            for n, study in enumerate(self._studies)
            if not self.tree.topLevelItem(n).isHidden()
            for image in images_of(study)
        ]

    @property
    def selected(self) -> list[WristImage]:
        """The images of selected studies, and selected images."""
        chosen: list[WristImage] = []
        for n, study in enumerate(self._studies):
            row = self.tree.topLevelItem(n)
            if row.isHidden():
                continue
            if row.isSelected():
                chosen += images_of(study)
                continue
            chosen += [
                image for m, image in enumerate(self._images[n]) if row.child(m).isSelected()
            ]
        return chosen

    @property
    def shown(self) -> int:
        """How many studies are shown."""
        return sum(not self.tree.topLevelItem(n).isHidden() for n in range(len(self._studies)))

    def _add(self, study: WristStudy) -> None:
        import qt

        row = qt.QTreeWidgetItem(self.tree)
        about = (study.study.date, study.patient.label, study.study.description)
        row.setText(0, "  ".join(part for part in about if part))
        row.setToolTip(0, html.escape(row.text(0)))
        images = [*study.images, *study.others]
        for image in images:
            child = qt.QTreeWidgetItem(row)
            child.setText(0, _about(image, certain=image in study.images))
            child.setToolTip(0, html.escape(image.region.source))
        self._studies.append(study)
        self._images.append(images)
        self._filter(len(self._studies) - 1)
        self._show_labels(len(self._studies) - 1)

    def show_labels(self) -> None:
        """Tell anew how far the images are with their labels; `tick` does it from here on."""
        self._to_label = list(reversed(range(len(self._studies))))

    def _show_labels(self, n: int) -> None:
        row, states = self.tree.topLevelItem(n), []
        for m, image in enumerate(self._images[n]):
            state = self._state_of(image.instance.uid)
            told = in_words(state) if state is not None else ""
            _put_sign(row.child(m), SIGNS[state] if state is not None else "", told)
            states.append(state)
        known = [state for state in states if state is not None]
        words = sorted({in_words(state) for state in known})
        _put_sign(row, sign_of_all(known), ", ".join(words))

    def _filter(self, n: int) -> None:
        study, row = self._studies[n], self.tree.topLevelItem(n)
        series = " ".join(image.series.description for image in self._images[n])
        text = " ".join(
            (row.text(0), study.study.accession_number, study.patient.birth_date, series)
        ).casefold()
        row.setHidden(not all(word in text for word in self._words))

    def _on_expanded(self, row: Widget) -> None:
        """View and side may have to be read from the files, so only now."""
        n = self.tree.indexOfTopLevelItem(row)
        if 0 <= n < len(self._studies):
            for m, image in enumerate(self._images[n]):
                known = [str(s.value) for s in (image.view, image.side) if s.value is not None]
                certain = image in self._studies[n].images
                row.child(m).setText(0, "  ".join([*known, _about(image, certain=certain)]))


def _put_sign(row: Widget, sign: str, words: str) -> None:
    if row.text(1) != sign or row.toolTip(1) != words:
        row.setText(1, sign)
        row.setToolTip(1, words)


def _about(image: WristImage, *, certain: bool) -> str:
    what = image.series.description or image.series.body_part or image.series.modality
    return what if certain else f"{what} (?)"
