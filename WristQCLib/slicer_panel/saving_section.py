"""Section "Save": reports, labels and structured reports of all images."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from WristQCLib.review import Review
from WristQCLib.saving import Kind, Saved, save
from WristQCLib.slicer_panel.qt_tools import errors_shown
from WristQCLib.translation import translator

_ = translator(__file__)


class SavingSection:
    """Saves, and tells what was saved.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    review
        What is saved.
    """

    def __init__(self, ui: Any, review: Review) -> None:
        self._ui, self._review = ui, review
        self._saving = False
        ui.openFolderButton.clicked.connect(self._on_open_folder)

    def save(self, kinds: Collection[Kind], *, include_identity: bool) -> None:
        """Save all assessed images; the panel stays alive meanwhile."""
        folder = self._ui.outputPathLineEdit.currentPath
        if not kinds or not folder:
            self._tell(_("Tick what to save, and choose a folder."))
        if self._saving or not kinds or not folder:
            return
        self._saving = True
        try:
            with errors_shown(_("The reports could not be saved.")):
                saved = save(
                    self._review.ordered, folder, kinds, include_identity=include_identity,
                    person=self._review.person, go_on=self._go_on,
                )  # fmt: skip
                self._tell(told_of(saved))
        finally:
            self._saving = False

    def _go_on(self, count: int) -> bool:
        import slicer

        total = len(self._review.items)
        self._tell(_("Saving {count} of {total} …").format(count=count, total=total))
        slicer.app.processEvents()
        return True

    def _tell(self, text: str) -> None:
        self._ui.savedLabel.text = text
        self._ui.savedLabel.visible = True

    def _on_open_folder(self, *_unused: object) -> None:
        import qt

        folder = self._ui.outputPathLineEdit.currentPath
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(folder))


def told_of(saved: Saved) -> str:
    """What was saved and what was not, a line each."""
    return "\n".join([_("Images saved: {images}").format(images=saved.images), *saved.problems])
