"""The 3D Slicer module WristQC: a thin face of the library WristQCLib.

Nothing but Slicer, Qt and VTK is imported at file scope, and nothing is ever installed on import.
"""

import importlib
import importlib.util
import logging
import sys
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Installed, the library lies beside this file; in the source tree, beside this file's folder.
if importlib.util.find_spec("WristQCLib") is None:
    sys.path.append(str(Path(__file__).resolve().parent.parent))


class WristQC(ScriptedLoadableModule):
    """What Slicer shows of the module in its menus and help."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Wrist Radiograph Quality")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = ["DICOM", "Markups"]
        self.parent.contributors = ["The WristQC developers"]
        self.parent.helpText = _(
            "Grades the quality of wrist radiographs: basic information in the DICOM header, side"
            " marker, foreign objects, positioning and layout. Keypoints are found by models or"
            " placed by hand; the score follows while a point is dragged. For quality control, not"
            " for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "Scoring follows the published quality-control method for wrist radiographs with"
            " MobileNetV2 and GU2Net."
        )


class InputSource(Enum):
    """Where radiographs come from, in the order of the panel's pages."""

    DATABASE = "database"
    VOLUME = "volume"
    FILES = "files"

    def label(self):
        return {
            InputSource.DATABASE: _("DICOM database"),
            InputSource.VOLUME: _("Loaded volume"),
            InputSource.FILES: _("Files"),
        }[self]


class ImageOrder(Enum):
    """In which order images are stepped through; the values are the library's."""

    GIVEN = "as given"
    WORST = "worst first"
    UNCERTAIN = "least certain first"

    def label(self):
        return {
            ImageOrder.GIVEN: _("as given"),
            ImageOrder.WORST: _("worst first"),
            ImageOrder.UNCERTAIN: _("least certain first"),
        }[self]


class Device(Enum):
    """Where the models run; the values are torch's names."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self):
        return {
            Device.AUTO: _("automatic"),
            Device.CPU: _("processor (CPU)"),
            Device.CUDA: _("NVIDIA graphics card (CUDA)"),
            Device.MPS: _("Apple graphics (MPS)"),
        }[self]


@parameterNodeWrapper
class WristQCParameterNode:
    """What is saved with the scene.

    What belongs to the computer or to the person is in Slicer's settings instead: folders, the
    name for corrections. The search is kept nowhere, for it may be a patient's name.
    """

    source: InputSource = InputSource.DATABASE
    inputVolume: vtkMRMLScalarVolumeNode
    order: ImageOrder = ImageOrder.GIVEN
    useModels: bool = True
    showBothViews: bool = True
    device: Device = Device.AUTO
    saveHtml: bool = True
    saveJson: bool = False
    saveCsv: bool = True
    saveLabelme: bool = False
    saveMarkups: bool = False
    saveDicomSr: bool = False
    includeIdentity: bool = False


class WristQCWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: chooses, runs, shows, corrects, saves. What it shows is decided in WristQCLib."""

    TICK_MS = 5
    """Pause between two looks at what the worker has finished: Slicer's own events come then."""
    WORK_SECONDS = 0.025
    """What the worker gets in each look; so the window answers some 30 times a second."""
    ADVICE_DELAY_MS = 150
    """Advice tries many corrections, so it is renewed only when a point has come to rest."""
    SETTINGS = {  # noqa: RUF012 - never changed
        "modelsPathLineEdit": "WristQC/ModelsFolder",
        "protocolPathLineEdit": "WristQC/Protocol",
        "outputPathLineEdit": "WristQC/OutputFolder",
    }
    """Paths that belong to this computer: widget -> key in Slicer's settings."""
    PERSON = "WristQC/Person"

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.review = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._database = None
        self._updating = False
        self._saving = False

    # Lifecycle ----------------------------------------------------------------------------------

    def setup(self):
        """Build the panel, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from WristQCLib.review import Review
        from WristQCLib.slicer_widgets import AdviceTable, KeypointTable, StudyTree, TaskTable

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/WristQC.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = WristQCLogic()
        self.review = Review(
            slicer.mrmlScene, self.showInViews, self, find_file=self.logic.fileOfInstance
        )
        self.studyTree = StudyTree(self.ui.studiesTree, self.onStudiesChanged)
        self.taskTable = TaskTable(self.ui.tasksTable, self.onTasksChosen)
        self.adviceTable = AdviceTable(self.ui.adviceTable, self.onAdviceChosen)
        self.keypointTable = KeypointTable(self.ui.keypointsTable, self.updateKeypointButtons)

        self.runTimer = self.makeTimer(self.TICK_MS, self.onRunTick)
        self.studiesTimer = self.makeTimer(self.TICK_MS, self.onStudiesTick)
        self.databaseTimer = self.makeTimer(500, self.onRefreshStudies, once=True)
        self.adviceTimer = self.makeTimer(self.ADVICE_DELAY_MS, self.updateAdvice, once=True)
        self.fitTimer = self.makeTimer(200, self.onFitViews, once=True)

        self.fillChoices()
        self.readSettings()
        self.connectWidgets()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()
        self.updatePackages()
        self.restoreFromScene()
        self.list_changed()
        self.score_changed()
        self.run_changed()

    def cleanup(self):
        """Called when the application closes or the module is reloaded."""
        for timer in (self.runTimer, self.studiesTimer, self.databaseTimer, self.adviceTimer,
                      self.fitTimer):  # fmt: skip
            timer.stop()
        self.observeDatabase(None)
        self.setParameterNode(None)
        self.review.close()
        self.removeObservers()

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()
        database = getattr(slicer, "dicomDatabase", None)
        if database is not self._database:
            self.observeDatabase(database)
            self.onRefreshStudies()

    def exit(self):
        """Called each time the user leaves the module."""
        self.setParameterNode(None)

    def onReload(self):
        """Drop the library too, so that its changes are seen."""
        for name in [name for name in sys.modules if name.split(".")[0] == "WristQCLib"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)
        self.review.clear(keep_nodes=True)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        self.restoreFromScene()

    def restoreFromScene(self):
        with self.errorsShown(_("Not all assessments of the scene could be restored.")):
            self.review.restore()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volume:
                self._parameterNode.inputVolume = volume

    def setParameterNode(self, parameterNode):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified
            )
        self._parameterNode = parameterNode
        if parameterNode:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            self.onParametersModified()

    def onParametersModified(self, caller=None, event=None):
        from WristQCLib.worklist import Order

        parameters = self._parameterNode
        pages = (self.ui.databasePage, self.ui.volumePage, self.ui.filesPage)
        for source, page in zip(InputSource, pages, strict=True):
            page.visible = source is parameters.source
        order = Order(parameters.order.value)
        both = parameters.showBothViews
        if order is not self.review.order:
            self.review.order = order
            self.list_changed()
        if both != self.review.both_views:
            self.review.both_views = both
            if self.review.current is not None:
                self.review.show(self.review.current)
        self.updateApplyButtons()

    @staticmethod
    def makeTimer(milliseconds, slot, once=False):
        """A timer that calls a slot each time, or once after each start."""
        timer = qt.QTimer()
        timer.interval = milliseconds

        def onTimeout():
            if once:
                timer.stop()
            slot()

        timer.timeout.connect(onTimeout)
        return timer

    def connectWidgets(self):
        ui = self.ui
        ui.searchLineEdit.textChanged.connect(self.studyTree.search)
        for button, slot in (
            (ui.refreshStudiesButton, self.onRefreshStudies),
            (ui.browseFolderButton, self.onBrowseFolder),
            (ui.sampleButton, self.onSampleImages),
            (ui.applyButton, self.onApply),
            (ui.applyAllButton, self.onApplyAll),
            (ui.previousButton, self.onPrevious),
            (ui.nextButton, self.onNext),
            (ui.clearButton, self.onClear),
            (ui.placeButton, self.onPlace),
            (ui.absentButton, self.onAbsent),
            (ui.undoButton, self.onUndo),
            (ui.redoButton, self.onRedo),
            (ui.saveButton, self.onSave),
            (ui.openFolderButton, self.onOpenFolder),
            (ui.installButton, self.onInstall),
        ):
            button.clicked.connect(slot)
        for box, slot in (
            (ui.imageComboBox, self.onImageChosen),
            (ui.viewComboBox, self.onViewStated),
            (ui.sideComboBox, self.onSideStated),
            (ui.artefactComboBox, self.onArtefactStated),
        ):
            box.activated.connect(slot)
        ui.filesPathLineEdit.currentPathChanged.connect(self.updateApplyButtons)
        ui.personLineEdit.editingFinished.connect(self.onPersonEdited)
        for name in self.SETTINGS:
            getattr(ui, name).currentPathChanged.connect(self.writeSettings)

    def fillChoices(self):
        """The combo boxes of what a person may state; the first entry is the unknown."""
        from WristQCLib.findings import Side, View

        self._views = [None, View.FRONTAL, View.LATERAL]
        self._sides = [None, Side.LEFT, Side.RIGHT]
        self._artefacts = [None, False, True]
        for box, texts in (
            (self.ui.viewComboBox, (_("unknown"), _("frontal"), _("lateral"))),
            (self.ui.sideComboBox, (_("unknown"), _("left"), _("right"))),
            (self.ui.artefactComboBox, (_("not looked for"), _("none"), _("present"))),
        ):
            box.addItems(list(texts))

    # Settings of this computer ------------------------------------------------------------------

    def readSettings(self):
        settings = slicer.app.userSettings()
        for name, key in self.SETTINGS.items():
            getattr(self.ui, name).currentPath = str(settings.value(key, "") or "")
        if not self.ui.outputPathLineEdit.currentPath:
            self.ui.outputPathLineEdit.currentPath = str(Path.home() / "WristQC")
        person = str(settings.value(self.PERSON, "") or "") or self.logic.userName()
        self.ui.personLineEdit.text = person
        self.review.person = person

    def writeSettings(self, *unused):
        settings = slicer.app.userSettings()
        for name, key in self.SETTINGS.items():
            settings.setValue(key, getattr(self.ui, name).currentPath)

    def onPersonEdited(self):
        self.review.person = self.ui.personLineEdit.text
        slicer.app.userSettings().setValue(self.PERSON, self.ui.personLineEdit.text)

    # Packages -----------------------------------------------------------------------------------

    def updatePackages(self):
        missing = self.logic.missingPackages()
        self.ui.setupFrame.visible = bool(missing)
        self.ui.setupLabel.text = _(
            "Not installed: {packages}. Everything but what needs these works: points can be placed"
            " by hand."
        ).format(packages=", ".join(missing))
        self.ui.packagesLabel.text = (
            _("Not installed: {packages}").format(packages=", ".join(missing))
            if missing
            else _("All packages that the models and reports need are installed.")
        )

    def onInstall(self, *unused):
        with self.errorsShown(_("The packages could not be installed.")):
            try:
                self.logic.installPackages()
            finally:
                self.updatePackages()

    # Choosing images ----------------------------------------------------------------------------

    def observeDatabase(self, database):
        """Follow another DICOM database, or none."""
        for followed, connect in ((self._database, False), (database, True)):
            if followed is not None:
                signal = followed.databaseChanged
                (signal.connect if connect else signal.disconnect)(self.onDatabaseChanged)
        self._database = database

    def onDatabaseChanged(self, *unused):
        self.databaseTimer.start()  # once for the many signals of an import

    def onRefreshStudies(self, *unused):
        self.studyTree.read(self.logic.studies())
        self.studiesTimer.start()

    def onStudiesTick(self):
        from WristQCLib.dicom_database import DatabaseError

        try:
            if not self.studyTree.tick():
                self.studiesTimer.stop()
        except DatabaseError as error:
            self.studiesTimer.stop()
            self.ui.studiesLabel.text = str(error)

    def onStudiesChanged(self):
        if not hasattr(self, "studyTree"):
            return
        tree = self.studyTree
        text = _("Studies with wrist radiographs: {studies}, images: {images}").format(
            studies=tree.shown, images=len(tree.listed)
        )
        if tree.reading:
            text += " …"
        self.ui.studiesLabel.text = text
        self.updateApplyButtons()

    def onBrowseFolder(self, *unused):
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(),
            _("Folder with radiographs"),
            self.ui.filesPathLineEdit.currentPath,
        )
        if folder:
            self.ui.filesPathLineEdit.currentPath = folder

    def onSampleImages(self, *unused):
        self.ui.filesPathLineEdit.currentPath = str(self.logic.sampleFolder())

    def chosenItems(self, everything):
        """Images of the panel's page, as items of work."""
        source = self._parameterNode.source
        if source is InputSource.DATABASE:
            images = self.studyTree.listed if everything else self.studyTree.selected
            return self.logic.itemsOfImages(images)
        if source is InputSource.VOLUME:
            if not everything:
                return self.logic.itemsOfVolume(self._parameterNode.inputVolume)
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            flat = [
                v for v in volumes if v.GetImageData() and v.GetImageData().GetDimensions()[2] == 1
            ]
            return [item for volume in flat for item in self.logic.itemsOfVolume(volume)]
        return self.logic.itemsOfPath(self.ui.filesPathLineEdit.currentPath)

    def updateApplyButtons(self, *unused):
        if self._parameterNode is None:
            return
        source, ui = self._parameterNode.source, self.ui
        busy = self.review.busy
        ready = {
            InputSource.DATABASE: lambda: bool(self.studyTree.selected),
            InputSource.VOLUME: lambda: self._parameterNode.inputVolume is not None,
            InputSource.FILES: lambda: bool(ui.filesPathLineEdit.currentPath),
        }[source]()
        ui.applyButton.text = _("Cancel") if busy else {
            InputSource.FILES: _("Assess"),
        }.get(source, _("Assess selected"))  # fmt: skip
        ui.applyButton.enabled = busy or ready
        ui.applyAllButton.visible = source is not InputSource.FILES
        ui.applyAllButton.enabled = not busy

    # The run ------------------------------------------------------------------------------------

    def onApply(self, *unused):
        if self.review.busy:
            self.review.cancel()
        else:
            self.run(everything=False)

    def onApplyAll(self, *unused):
        self.run(everything=True)

    def run(self, everything):
        """Assess what is chosen, or all; returns at once, the timer fetches the results."""
        with self.errorsShown(_("The images could not be assessed.")):
            items = self.chosenItems(everything)
            if not items:
                self.ui.statusLabel.text = _("There is no image to assess.")
                return
            self.start(items)

    def start(self, items):
        self.review.start(items, self.assessor())
        self.runTimer.start()

    def assessor(self):
        """As the settings say."""
        return self.logic.assessor(
            useModels=self._parameterNode.useModels if self._parameterNode else True,
            device=self._parameterNode.device.value if self._parameterNode else "auto",
            modelsFolder=self.ui.modelsPathLineEdit.currentPath,
            protocolFile=self.ui.protocolPathLineEdit.currentPath,
        )

    def onRunTick(self):
        more = False
        with self.errorsShown(_("An image could not be shown.")):
            more = self.review.tick(self.WORK_SECONDS)
        if not more and not self.review.busy:
            self.runTimer.stop()

    # Listener of the review ---------------------------------------------------------------------

    def list_changed(self):
        items = self.review.ordered
        self._updating = True
        self.ui.imageComboBox.clear()
        self.ui.imageComboBox.addItems([self.titleOf(item) for item in items])
        place = items.index(self.review.current) if self.review.current in items else -1
        self.ui.imageComboBox.currentIndex = place
        self._updating = False
        self.ui.previousButton.enabled = place > 0
        self.ui.nextButton.enabled = 0 <= place < len(items) - 1
        self.ui.clearButton.enabled = bool(items)
        self.ui.saveButton.enabled = any(item.assessment for item in items)
        self.ui.resultCollapsibleButton.enabled = bool(items)

    @staticmethod
    def titleOf(item):
        if item.problem:
            return f"✗ {item.name}"
        if item.assessment is None:
            return item.name
        score = item.assessment.score
        return f"{score.grade} {score.total}{'' if score.complete else '…'}  {item.name}"

    def score_changed(self):
        from WristQCLib.panel import badge, keypoint_rows, remarks, task_rows, told_of

        assessment, session = self.review.assessment, self.review.session
        item, ui = self.review.current, self.ui
        ui.correctionsCollapsibleButton.enabled = session is not None
        told = list(remarks(assessment)) if assessment else []
        if item is not None and item.problem:
            told.insert(0, item.problem)
        ui.remarksLabel.text = "\n".join(f"• {sentence}" for sentence in told)
        ui.remarksLabel.visible = bool(told)
        if assessment is None:
            ui.gradeLabel.text, ui.gradeLabel.styleSheet = "–", self.badgeStyle("#77838f", False)
            ui.totalLabel.text = ui.rangeLabel.text = ui.imageLabel.text = ""
            self.taskTable.fill(())
            self.keypointTable.fill(())
        else:
            shown = badge(assessment)
            ui.gradeLabel.text = shown.grade
            ui.gradeLabel.styleSheet = self.badgeStyle(shown.colour, bool(shown.range))
            ui.totalLabel.text = _("{total} of 100").format(
                total=f'<span style="font-size: 20pt; font-weight: bold">{shown.total}</span>'
            )
            ui.rangeLabel.text = shown.range
            ui.rangeLabel.visible = bool(shown.range)
            ui.imageLabel.text = told_of(assessment)
            self.taskTable.fill(task_rows(assessment))
            self.keypointTable.fill(keypoint_rows(assessment))
            place = ui.imageComboBox.currentIndex
            if place >= 0:
                ui.imageComboBox.setItemText(place, self.titleOf(item))
        self.updateStated(assessment)
        self.updateKeypointButtons()
        self.adviceTimer.start()

    @staticmethod
    def badgeStyle(colour, incomplete):
        filled = f"background: transparent; color: {colour}; border: 4px solid {colour};"
        if not incomplete:
            filled = f"background: {colour}; color: white; border: 4px solid {colour};"
        return f"QLabel {{ {filled} border-radius: 10px; font-size: 30pt; font-weight: bold; }}"

    def run_changed(self):
        review, ui = self.review, self.ui
        ui.runProgressBar.visible = review.busy
        ui.runProgressBar.maximum = max(review.total, 1)
        ui.runProgressBar.value = review.done
        if review.busy:
            name = review.at_work.name if review.at_work else ""
            ui.statusLabel.text = _("Assessing {name} …").format(name=name)
        elif review.total:
            failed = sum(bool(item.problem) for item in review.items)
            ui.statusLabel.text = _("Images done: {done}").format(done=review.done)
            if failed:
                ui.statusLabel.text += _(", could not be assessed: {failed}").format(failed=failed)
        else:
            ui.statusLabel.text = ""
        self.updateApplyButtons()

    # Looking ------------------------------------------------------------------------------------

    def showInViews(self, sessions):
        """Show sessions in slice views; nothing where Slicer has none."""
        from WristQCLib.scene import show_side_by_side

        if slicer.app.layoutManager() is None:
            return
        self._shown = list(sessions)
        show_side_by_side(self._shown, slicer.app.applicationLogic())
        self.fitTimer.start()  # views that are new have no size yet

    def onFitViews(self):
        from WristQCLib.scene import show_side_by_side

        shown = [session for session in self._shown if not session.closed]
        if shown and len(shown) == len(self._shown):
            show_side_by_side(shown, slicer.app.applicationLogic())

    def onImageChosen(self, index):
        if not self._updating and 0 <= index < len(self.review.items):
            with self.errorsShown(_("The image could not be shown.")):
                self.review.show(self.review.ordered[index])

    def onPrevious(self, *unused):
        with self.errorsShown(_("The image could not be shown.")):
            self.review.step(-1)

    def onNext(self, *unused):
        with self.errorsShown(_("The image could not be shown.")):
            self.review.step(1)

    def onClear(self, *unused):
        if any(
            item.assessment for item in self.review.items
        ) and not slicer.util.confirmOkCancelDisplay(
            _("The list is emptied, and its images and corrections are taken out of the scene."),
            _("Wrist Radiograph Quality"),
        ):
            return
        self.review.clear()

    def onTasksChosen(self, tasks):
        self.review.highlight(tasks)

    def onAdviceChosen(self, tasks):
        self.taskTable.choose(tasks)

    def updateAdvice(self):
        from WristQCLib.advice import advise

        assessment = self.review.assessment
        advice = (
            advise(assessment)
            if assessment and self.review.at_work is not self.review.current
            else ()
        )
        self.ui.adviceTitleLabel.visible = self.ui.adviceTable.visible = bool(advice)
        self.adviceTable.fill(advice)

    # Correcting ---------------------------------------------------------------------------------

    def updateStated(self, assessment):
        """Show what is known in the boxes by which it is corrected."""
        from WristQCLib.findings import Finding

        self._updating = True
        found = {Finding.NOT_FOUND: False, Finding.FOUND: True}
        for box, choices, value in (
            (self.ui.viewComboBox, self._views, assessment.view.value if assessment else None),
            (self.ui.sideComboBox, self._sides, assessment.side.value if assessment else None),
            (
                self.ui.artefactComboBox,
                self._artefacts,
                found.get(assessment.artefact.finding) if assessment else None,
            ),
        ):
            box.currentIndex = choices.index(value)
        self._updating = False

    def onViewStated(self, index):
        view = self._views[index]
        if view is not None and not self._updating:
            with self.errorsShown(_("The view could not be changed.")):
                again = self._parameterNode.useModels and not self.logic.missingPackages()
                self.review.state_view(view, self.assessor() if again else None)
                if again:
                    self.runTimer.start()
        self.updateStated(self.review.assessment)

    def onSideStated(self, index):
        if self._sides[index] is not None and not self._updating:
            self.review.state_side(self._sides[index])
        self.updateStated(self.review.assessment)

    def onArtefactStated(self, index):
        if self._artefacts[index] is not None and not self._updating:
            self.review.state_artefact(self._artefacts[index])
        self.updateStated(self.review.assessment)

    def updateKeypointButtons(self):
        session = self.review.session if self.review else None
        chosen = self.keypointTable.chosen if hasattr(self, "keypointTable") else ""
        self.ui.placeButton.enabled = self.ui.absentButton.enabled = bool(session and chosen)
        self.ui.undoButton.enabled = bool(session and session.can_undo)
        self.ui.redoButton.enabled = bool(session and session.can_redo)

    def onPlace(self, *unused):
        with self.errorsShown(_("The point cannot be placed.")):
            self.review.session.start_placing(self.keypointTable.chosen)

    def onAbsent(self, *unused):
        with self.errorsShown(_("The point cannot be changed.")):
            self.review.session.mark_absent(self.keypointTable.chosen)

    def onUndo(self, *unused):
        self.review.session.undo()

    def onRedo(self, *unused):
        self.review.session.redo()

    # Saving -------------------------------------------------------------------------------------

    def onSave(self, *unused):
        from WristQCLib.saving import Kind, save

        if self._saving:
            return
        parameters = self._parameterNode
        kinds = [
            kind
            for kind, wanted in (
                (Kind.HTML, parameters.saveHtml),
                (Kind.JSON, parameters.saveJson),
                (Kind.CSV, parameters.saveCsv),
                (Kind.LABELME, parameters.saveLabelme),
                (Kind.MARKUPS, parameters.saveMarkups),
                (Kind.DICOM_SR, parameters.saveDicomSr),
            )
            if wanted
        ]
        folder = self.ui.outputPathLineEdit.currentPath
        if not kinds or not folder:
            self.ui.savedLabel.text = _("Tick what to save, and choose a folder.")
            return
        items = self.review.ordered

        def goOn(count):
            self.ui.savedLabel.text = _("Saving {count} of {total} …").format(
                count=count, total=len(items)
            )
            slicer.app.processEvents()
            return True

        self._saving = True
        try:
            with self.errorsShown(_("The reports could not be saved.")):
                saved = save(
                    items, folder, kinds, include_identity=parameters.includeIdentity,
                    person=self.review.person, go_on=goOn,
                )  # fmt: skip
                self.ui.savedLabel.text = "\n".join(
                    [_("Images saved: {images}").format(images=saved.images), *saved.problems]
                )
        finally:
            self._saving = False

    def onOpenFolder(self, *unused):
        url = qt.QUrl.fromLocalFile(self.ui.outputPathLineEdit.currentPath)
        qt.QDesktopServices.openUrl(url)

    @contextmanager
    def errorsShown(self, what):
        """Tell the user in one sentence what went wrong; the log has the rest."""
        try:
            yield
        except Exception as error:
            if slicer.app.testingEnabled():
                raise
            logging.exception(what)
            slicer.util.errorDisplay(f"{what}\n\n{error}")


class WristQCLogic(ScriptedLoadableModuleLogic):
    """Assesses radiographs; usable from Python without the widget.

    ::

        from WristQC import WristQCLogic
        logic = WristQCLogic()
        for assessment in logic.assessVolume(slicer.util.getNode("frontal_good")):
            print(logic.summary(assessment))
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._assessors = {}

    def getParameterNode(self):
        return WristQCParameterNode(super().getParameterNode())

    # Assessing ----------------------------------------------------------------------------------

    def assessor(self, useModels=True, device="auto", modelsFolder="", protocolFile=""):
        """What assesses images, made once for the same settings: its models stay loaded.

        :param device: "auto" (CUDA, then Apple MPS, then CPU) or a torch device such as "cuda:1"
        :param modelsFolder: folder with model bundles, empty for the bundled ones
        :param protocolFile: scoring protocol (TOML), empty for the paper's
        :raises ValueError: if the protocol cannot be used
        :raises WristQCLib.models.ModelError: if the models' folder does not exist
        """
        from WristQCLib.assessor import Assessor, NoModels
        from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
        from WristQCLib.protocol import load_protocol

        key = (bool(useModels), str(device), str(modelsFolder), str(protocolFile))
        if key not in self._assessors:
            models = ModelSet(modelsFolder or BUNDLED_MODELS, device) if useModels else NoModels()
            protocol = load_protocol(Path(protocolFile)) if protocolFile else load_protocol()
            self._assessors = {key: Assessor.create(models, protocol)}  # one set in memory
        return self._assessors[key]

    def assess(self, image, view=None, side=None, **settings):
        """Assessment of one image.

        :param image: path, or a source or Radiograph of WristQCLib
        :param view: "frontal" or "lateral", side: "L" or "R", where a person states them
        :param settings: those of assessor()
        :raises WristQCLib.errors.RadiographError: if it cannot be read
        """
        from WristQCLib.findings import Side, View
        from WristQCLib.radiograph import Radiograph
        from WristQCLib.sources import ImageSource
        from WristQCLib.worklist import WorkItem

        source = (
            image if isinstance(image, ImageSource | Radiograph) else ImageSource.of_file(image)
        )
        item = WorkItem(source, view=view and View(view), side=side and Side(side))
        return self.assessor(**settings).assess(item.read())

    def assessVolume(self, volumeNode, **settings):
        """Assessments of a loaded volume, one for each image that it was loaded from."""
        return [self.assess(item.source, **settings) for item in self.itemsOfVolume(volumeNode)]

    def assessStudy(self, study, **settings):
        """Assessments of a study's wrist radiographs.

        :param study: one of studies(), or its Study Instance UID
        """
        if isinstance(study, str):
            found = [s for s in self.studies() if s.study.uid == study]
            if not found:
                raise ValueError(f"The DICOM database has no wrist study with UID {study}.")
            study = found[0]
        images = study.images or study.others
        return [self.assess(item.source, **settings) for item in self.itemsOfImages(images)]

    def assessAllStudies(self, folder, search="", formats=("csv",), progress=None, **settings):
        """Assess all wrist studies of the DICOM database and save a table.

        :param folder: where wristqc.csv goes, and the other formats ("html", "json")
        :param search: words that must occur in patient, date or description
        :param progress: called with (number, total, name) before each image; False stops
        :returns: path of the table
        """
        from WristQCLib.errors import RadiographError
        from WristQCLib.report import ReportWriter

        items = self.itemsOfImages(
            [i for s in self.studies(search) for i in (s.images or s.others)]
        )
        assessor = self.assessor(**settings)
        with ReportWriter(folder, formats={"csv", *formats}) as writer:
            for number, item in enumerate(items, start=1):
                if progress is not None and progress(number, len(items), item.name) is False:
                    break
                try:
                    radiograph = item.read()
                    writer.add(assessor.assess(radiograph), radiograph.display())
                except RadiographError as error:
                    writer.add_failure(item.name, str(error))
        return writer.written["csv"]

    @staticmethod
    def summary(assessment):
        """Grade, total and advice as plain text."""
        from WristQCLib.advice import advise
        from WristQCLib.panel import badge

        shown = badge(assessment)
        first = _("{name}: grade {grade}, {total} of 100").format(
            name=assessment.name, grade=shown.grade, total=shown.total
        )
        lines = [f"{first} ({shown.range})" if shown.range else first]
        return "\n".join(lines + [f"  +{a.gain} {a.text}" for a in advise(assessment)])

    # Where images come from ---------------------------------------------------------------------

    @staticmethod
    def studies(search=""):
        """Studies of Slicer's DICOM database that have wrist radiographs, one after the other.

        :raises WristQCLib.dicom_database.DatabaseError: if the database is not open
        """
        from WristQCLib.dicom_database import SlicerDatabase, wrist_studies

        database = SlicerDatabase(getattr(slicer, "dicomDatabase", None))
        words = search.casefold().split()
        for study in wrist_studies(database):
            about = (study.patient.label, study.study.date, study.study.description)
            if all(word in " ".join(about).casefold() for word in words):
                yield study

    @staticmethod
    def itemsOfImages(images):
        """Items of work for images of the DICOM database."""
        from WristQCLib.dicom_database import image_sources
        from WristQCLib.worklist import WorkItem

        images = list(images)
        return [
            WorkItem(source, study=image.study.uid)
            for image, source in zip(images, image_sources(images), strict=True)
        ]

    def itemsOfVolume(self, volumeNode):
        """Items of work for a loaded volume."""
        from WristQCLib.loaded_volumes import sources_of_volume
        from WristQCLib.worklist import WorkItem

        if volumeNode is None:
            raise ValueError(_("Choose a loaded volume."))
        return [WorkItem(source) for source in sources_of_volume(volumeNode, self.fileOfInstance)]

    @staticmethod
    def itemsOfPath(path):
        """Items of work for a file, a folder, a DICOMDIR or a zip archive."""
        from WristQCLib.sources import find_images
        from WristQCLib.worklist import WorkItem

        return [WorkItem(source) for source in find_images([path])]

    @staticmethod
    def fileOfInstance(uid):
        """File of a DICOM image in Slicer's database, None when it has none."""
        database = getattr(slicer, "dicomDatabase", None)
        if database is None or not database.isOpen:
            return None
        file = database.fileForInstance(uid)
        return Path(file) if file and Path(file).is_file() else None

    @staticmethod
    def sampleFolder():
        """Folder with simulated radiographs to try the module with."""
        from WristQCLib.resources import RESOURCES

        return RESOURCES / "SampleData"

    # Packages and person ------------------------------------------------------------------------

    @staticmethod
    def requirements():
        from WristQCLib.packages import required

        return required(Path(__file__).resolve().parent / "Resources" / "requirements.txt")

    def missingPackages(self):
        """Requirements that are not installed."""
        from WristQCLib.packages import missing

        return missing(self.requirements())

    def installPackages(self):
        """Install what is missing, after asking; raises InstallError with what to do."""
        from WristQCLib.packages import install

        install(self.requirements())
        self._assessors.clear()

    @staticmethod
    def userName():
        """Name for corrections: that of Slicer's user settings, else that of the account."""
        import getpass

        try:
            name = slicer.app.applicationLogic().GetUserInformation().GetName()
        except AttributeError:
            name = ""
        if name:
            return name
        try:
            return getpass.getuser()
        except (OSError, KeyError):
            return ""


class WristQCTest(ScriptedLoadableModuleTest):
    """Runs in Slicer, on the sample images; needs neither torch nor network."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for test in (
            self.test_SampleImagesAreScored,
            self.test_LoadedVolumeIsAssessed,
            self.test_PanelRunsAndFollowsPoints,
            self.test_SceneIsSavedAndRestored,
            self.test_DatabaseStudiesAreAssessed,
        ):
            self.setUp()
            test()

    def samples(self):
        return sorted(WristQCLogic.sampleFolder().glob("*.dcm"))

    def labelled(self, sample):
        """The sample's assessment with its labelled keypoints, without models."""
        from WristQCLib.assessor import reassess
        from WristQCLib.labels import read_labelme

        assessment = WristQCLogic().assess(sample, useModels=False)
        return reassess(assessment, keypoints=read_labelme(sample.with_suffix(".json")).keypoints)

    def test_SampleImagesAreScored(self):
        self.assertTrue(self.samples())
        totals = {sample.stem: self.labelled(sample).score for sample in self.samples()}
        # All but the 10 points for the foreign object, which nobody has looked for.
        self.assertEqual(totals["frontal_good"].total, 90)
        self.assertEqual(totals["frontal_good"].reachable, 100)
        self.assertEqual(totals["lateral_good"].total, 90)
        self.assertEqual(totals["frontal_bad"].grade, "D")
        self.assertEqual(totals["lateral_no_spacing"].reachable, 100)
        self.delayDisplay("Sample images are scored")

    def test_LoadedVolumeIsAssessed(self):
        from WristQCLib.radiograph import read_radiograph
        from WristQCLib.scene import create_volume_node

        radiograph = read_radiograph(WristQCLogic.sampleFolder() / "frontal_good.dcm")
        volume = create_volume_node(slicer.mrmlScene, replace(radiograph, sop_instance_uid=""))
        (assessment,) = WristQCLogic().assessVolume(volume, useModels=False)
        self.assertEqual(assessment.geometry.width, radiograph.width)
        self.assertIn("of 100", WristQCLogic.summary(assessment))
        self.delayDisplay("A loaded volume is assessed")

    def panel(self):
        slicer.util.selectModule("WristQC")
        widget = slicer.modules.wristqc.widgetRepresentation().self()
        widget.review.clear()
        widget._parameterNode.useModels = False
        return widget

    def runPanel(self, widget, path, seconds=60):
        import time

        widget._parameterNode.source = InputSource.FILES
        widget.ui.filesPathLineEdit.currentPath = str(path)
        widget.onApply()
        end = time.monotonic() + seconds
        while widget.review.busy:
            self.assertLess(time.monotonic(), end, "the run did not finish")
            slicer.app.processEvents()

    def test_PanelRunsAndFollowsPoints(self):
        widget = self.panel()
        self.runPanel(widget, WristQCLogic.sampleFolder() / "frontal_good.dcm")
        review = widget.review
        self.assertEqual(widget.ui.gradeLabel.text, review.assessment.score.grade)
        self.assertEqual(review.assessment.score.total, 54)
        truth = self.labelled(WristQCLogic.sampleFolder() / "frontal_good.dcm").keypoints
        for point in truth:
            review.session.move(point.name, point.position)
        self.assertEqual(review.assessment.score.total, 90)
        node = review.session.points_node
        position = list(node.GetNthControlPointPosition(1))
        node.SetNthControlPointPosition(1, position[0], position[1] - 20.0, position[2])
        self.assertLess(review.assessment.score.total, 90)
        self.assertIn(str(review.assessment.score.total), widget.ui.totalLabel.text)
        widget.onUndo()
        self.assertEqual(review.assessment.score.total, 90)
        widget.onArtefactStated(1)
        self.assertEqual(review.assessment.score.total, 100)
        self.assertEqual(widget.ui.gradeLabel.text, "A")
        self.delayDisplay("The panel follows the points")

    def test_SceneIsSavedAndRestored(self):
        widget = self.panel()
        self.runPanel(widget, WristQCLogic.sampleFolder() / "lateral_good.dcm")
        session = widget.review.session
        for point in self.labelled(WristQCLogic.sampleFolder() / "lateral_good.dcm").keypoints:
            session.move(point.name, point.position)
        total = session.assessment.score.total
        with slicer.util.tempDirectory() as folder:
            scene = str(Path(folder) / "review.mrb")
            self.assertTrue(slicer.util.saveScene(scene))
            slicer.mrmlScene.Clear()
            self.assertEqual(widget.review.items, [])
            slicer.util.loadScene(scene)
        self.assertEqual(len(widget.review.items), 1)
        self.assertEqual(widget.review.assessment.score.total, total)
        self.assertEqual(len(widget.review.session.corrections), 5)
        self.delayDisplay("A saved scene is restored")

    def test_DatabaseStudiesAreAssessed(self):
        from DICOMLib import DICOMUtils

        with slicer.util.tempDirectory() as folder, DICOMUtils.TemporaryDICOMDatabase() as database:
            DICOMUtils.importDicom(str(WristQCLogic.sampleFolder()), database)
            logic = WristQCLogic()
            studies = list(logic.studies())
            images = sum(len(study.images) for study in studies)
            self.assertEqual(images, len(self.samples()))
            self.assertTrue(logic.assessStudy(studies[0], useModels=False))
            table = logic.assessAllStudies(folder, useModels=False)
            rows = Path(table).read_text(encoding="utf-8-sig").splitlines()
            self.assertEqual(len(rows), images + 1)
        self.delayDisplay("Studies of the DICOM database are assessed")
