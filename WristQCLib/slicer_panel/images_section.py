"""Section "Images": where radiographs come from, which are chosen, and the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from WristQCLib.dicom_database import DatabaseError, WristStudy
from WristQCLib.loaded_volumes import FindFile
from WristQCLib.resources import RESOURCES
from WristQCLib.review import Review
from WristQCLib.slicer_panel.qt_tools import make_timer, put
from WristQCLib.slicer_panel.study_tree import StateOf, StudyTree
from WristQCLib.translation import translator
from WristQCLib.work_items import is_flat, items_of_images, items_of_path, items_of_volumes
from WristQCLib.worklist import WorkItem

_ = translator(__file__)

DATABASE, VOLUME, FILES = "database", "volume", "files"
"""Where images come from, as the parameter node names it."""


class ImagesSection:
    """Fills and reads the widgets of the section.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    studies
        The wrist studies of Slicer's DICOM database.
    find_file
        Finds the file of a DICOM image that a volume was loaded from.
    on_change
        Called when other images are chosen.
    state_of
        Tells how far an image of the database is with its labels.
    """

    TICK_MS = 5
    IMPORT_MS = 500
    """The database tells of each image of an import; the tree is read once after them."""

    def __init__(
        self,
        ui: Any,
        studies: Callable[[], Iterable[WristStudy]],
        find_file: FindFile,
        on_change: Callable[[], None],
        state_of: StateOf = lambda uid: None,
    ) -> None:
        self._ui, self._studies, self._find_file = ui, studies, find_file
        self._on_change = on_change
        self._source = DATABASE
        self._volume: Any = None
        self._database: Any = None
        self.tree = StudyTree(ui.studiesTree, self._on_studies_changed, state_of)
        self._tick_timer = make_timer(self.TICK_MS, self._on_tick)
        self._import_timer = make_timer(self.IMPORT_MS, self.refresh, once=True)
        ui.searchLineEdit.textChanged.connect(self.tree.search)
        ui.refreshStudiesButton.clicked.connect(self.refresh)
        ui.browseFolderButton.clicked.connect(self._on_browse)
        ui.sampleButton.clicked.connect(self._on_samples)
        ui.filesPathLineEdit.currentPathChanged.connect(self._on_path_changed)
        ui.filesPathLineEdit.validInputChanged.connect(self._on_path_changed)  # when emptied

    def close(self) -> None:
        self._tick_timer.stop()
        self._import_timer.stop()
        self.follow(None)

    # Where images come from ---------------------------------------------------------------------

    def set_source(self, source: str, volume: Any) -> None:
        """Show the page of a source; `volume` is the chosen volume node."""
        self._source, self._volume = source, volume
        ui = self._ui
        for name, page in (
            (DATABASE, ui.databasePage), (VOLUME, ui.volumePage), (FILES, ui.filesPage),
        ):  # fmt: skip
            page.visible = name == source

    def follow(self, database: Any) -> None:
        """Follow another DICOM database, or none; reads it when it is a new one."""
        if database is self._database:
            return
        if self._database is not None:
            self._database.databaseChanged.disconnect(self._on_database_changed)
        self._database = database
        if database is not None:
            database.databaseChanged.connect(self._on_database_changed)
            self.refresh()

    def refresh(self, *_unused: object) -> None:
        """Read the database anew, a little at a time."""
        self.tree.read(self._studies())
        self._tick_timer.start()

    def show_labels(self) -> None:
        """Tell anew how far the images of the database are with their labels."""
        self.tree.show_labels()
        self._tick_timer.start()

    @property
    def reading(self) -> bool:
        return self.tree.reading

    def _on_database_changed(self, *_unused: object) -> None:
        self._import_timer.start()

    def _on_tick(self) -> None:
        try:
            if not self.tree.tick():
                self._tick_timer.stop()
        except DatabaseError as error:
            self._tick_timer.stop()
            self._ui.studiesLabel.text = str(error)

    def _on_studies_changed(self) -> None:
        if not hasattr(self, "tree"):
            return
        text = _("Studies with wrist radiographs: {studies}, images: {images}").format(
            studies=self.tree.shown, images=len(self.tree.listed)
        )
        put(self._ui.studiesLabel, text=f"{text} …" if self.tree.reading else text)
        self._on_change()

    def _on_browse(self, *_unused: object) -> None:
        import qt
        import slicer

        edit = self._ui.filesPathLineEdit
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder with radiographs"), edit.currentPath
        )
        if folder:
            edit.currentPath = folder

    def _on_samples(self, *_unused: object) -> None:
        self._ui.filesPathLineEdit.currentPath = str(RESOURCES / "SampleData")

    def _on_path_changed(self, *_unused: object) -> None:
        self._on_change()

    # What is chosen -----------------------------------------------------------------------------

    def chosen(self, *, everything: bool) -> list[WorkItem]:
        """The chosen images, or all that the page offers.

        Raises
        ------
        RadiographError
            If a volume holds no radiograph.
        """
        if self._source == DATABASE:
            return items_of_images(self.tree.listed if everything else self.tree.selected)
        if self._source == FILES:
            return items_of_path(self._ui.filesPathLineEdit.currentPath)
        if not everything:
            return items_of_volumes([self._volume], self._find_file)
        import slicer

        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return items_of_volumes(filter(is_flat, volumes), self._find_file)

    def show_run(self, review: Review) -> None:
        """Buttons, progress and status."""
        ui, busy = self._ui, review.busy
        ready = {
            DATABASE: lambda: bool(self.tree.selected),
            VOLUME: lambda: self._volume is not None,
            FILES: lambda: bool(ui.filesPathLineEdit.currentPath),
        }[self._source]()
        start = _("Assess") if self._source == FILES else _("Assess selected")
        put(ui.applyButton, text=_("Cancel") if busy else start, enabled=busy or ready)
        put(ui.applyAllButton, visible=self._source != FILES, enabled=not busy)
        put(ui.runProgressBar, visible=busy, maximum=max(review.total, 1), value=review.done)
        told = status(review)
        put(ui.statusLabel, text=told, visible=bool(told))


def status(review: Review) -> str:
    """How far the run has got."""
    if review.busy:
        name = review.at_work.name if review.at_work else ""
        return _("Assessing {name} …").format(name=name)
    if not review.total:
        return ""
    failed = sum(bool(item.problem) for item in review.items)
    told = _("Images done: {done}").format(done=review.done)
    return told + (_(", could not be assessed: {failed}").format(failed=failed) if failed else "")
