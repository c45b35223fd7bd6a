"""The 3D Slicer module WristQC: a thin face of the library WristQCLib.

Nothing but Slicer, Qt and VTK is imported at file scope, and nothing is ever installed on import.
"""

import importlib
import importlib.util
import sys
import tempfile
from dataclasses import replace
from enum import Enum
from pathlib import Path

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
    NOVEL = "most different from the training images first"
    RANDOM = "random"

    def label(self):
        return {
            ImageOrder.GIVEN: _("as given"),
            ImageOrder.WORST: _("worst first"),
            ImageOrder.UNCERTAIN: _("least certain first"),
            ImageOrder.NOVEL: _("most different from the training images first"),
            ImageOrder.RANDOM: _("random"),
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
    keepImages: bool = True
    skipOthers: bool = False


class WristQCWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: joins parameter node, review and the sections of WristQCLib.slicer_panel.

    What a person does goes from a section to the review or the parameter node; what they say then
    comes back to the sections through list_changed, score_changed, run_changed (the review's
    listener) and onParametersModified.
    """

    TICK_MS = 5
    """Pause between two looks at what the worker has finished: Slicer's own events come then."""
    WORK_SECONDS = 0.025
    """What the worker gets in each look; so the window answers some 30 times a second."""
    FIT_MS = 200
    """Views that are new have no size before."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.review = None
        self.shortcuts = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._shown = []

    # Lifecycle ----------------------------------------------------------------------------------

    def setup(self):
        """Build the panel, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/WristQC.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = WristQCLogic()
        self.makeSections()
        self.ui.applyButton.clicked.connect(self.onApply)
        self.ui.applyAllButton.clicked.connect(self.onApplyAll)
        self.ui.saveButton.clicked.connect(self.onSave)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()
        self.restoreFromScene()
        self.list_changed()
        self.score_changed()
        self.run_changed()

    def makeSections(self):
        from WristQCLib.review import Review
        from WristQCLib.slicer_panel import shortcuts
        from WristQCLib.slicer_panel.corrections_section import CorrectionsSection
        from WristQCLib.slicer_panel.images_section import ImagesSection
        from WristQCLib.slicer_panel.labelling_section import LabellingSection
        from WristQCLib.slicer_panel.qt_tools import make_timer
        from WristQCLib.slicer_panel.result_section import ResultSection
        from WristQCLib.slicer_panel.saving_section import SavingSection
        from WristQCLib.slicer_panel.settings_section import SettingsSection

        ui, logic = self.ui, self.logic
        self.runTimer = make_timer(self.TICK_MS, self.onRunTick)
        self.fitTimer = make_timer(self.FIT_MS, self.onFitViews, once=True)
        self.review = Review(
            slicer.mrmlScene, self.showInViews, self, find_file=logic.fileOfInstance
        )
        self.labelling = LabellingSection(
            ui, self.review, self.labels_changed, lambda: self.settings.keep_paths()
        )
        self.images = ImagesSection(
            ui, logic.studies, logic.fileOfInstance, self.run_changed, self.labelling.states.of
        )
        self.result = ResultSection(ui, self.review, self.labelling.sign)
        self.corrections = CorrectionsSection(
            ui, self.review, self.assessorWithModels, self.runTimer.start
        )
        self.saving = SavingSection(ui, self.review)
        self.settings = SettingsSection(
            ui, logic.userName(), self.setPerson, logic.missingPackages, logic.installPackages
        )
        self.shortcuts = shortcuts.Shortcuts(
            {
                shortcuts.PREVIOUS: self.result.previous,
                shortcuts.NEXT: self.result.next,
                shortcuts.UNDO: self.corrections.undo,
                shortcuts.REDO: self.corrections.redo,
                shortcuts.PLACE: self.corrections.place_next,
                shortcuts.ACCEPT: self.labelling.by_key(self.labelling.accept),
                shortcuts.ACCEPT_AND_NEXT: self.labelling.by_key(self.labelling.accept_and_next),
            }
        )

    def cleanup(self):
        """Called when the application closes or the module is reloaded."""
        if self.shortcuts is None:  # the panel was never built
            return
        self.runTimer.stop()
        self.fitTimer.stop()
        self.shortcuts.stop()
        self.images.close()
        self.result.close()
        self.labelling.close()
        self.setParameterNode(None)
        self.review.close()
        self.removeObservers()

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()
        self.images.follow(getattr(slicer, "dicomDatabase", None))
        self.labelling.refresh()
        self.shortcuts.start()

    def exit(self):
        """Called each time the user leaves the module."""
        self.shortcuts.stop()
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
        from WristQCLib.slicer_panel.qt_tools import errors_shown

        with errors_shown(_("Not all assessments of the scene could be restored.")):
            self.review.restore()

    # Parameter node -----------------------------------------------------------------------------

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

        parameters, review = self._parameterNode, self.review
        self.images.set_source(parameters.source.value, parameters.inputVolume)
        self.labelling.set_options(
            keep_images=parameters.keepImages, skip_others=parameters.skipOthers
        )
        order = Order(parameters.order.value)
        if order is not review.order:
            review.order = order
            self.list_changed()
        if parameters.showBothViews != review.both_views:
            review.both_views = parameters.showBothViews
            if review.current is not None:
                review.show(review.current)
        self.run_changed()

    def setPerson(self, name):
        self.review.person = name
        self.labelling.refresh()

    # The run ------------------------------------------------------------------------------------

    def onApply(self, *unused):
        """The button starts a run, and cancels it while it lasts."""
        if self.review.busy:
            self.review.cancel()
        else:
            self.run(everything=False)

    def onApplyAll(self, *unused):
        self.run(everything=True)

    def run(self, everything):
        """Assess what is chosen, or all; returns at once, the timer fetches the results."""
        from WristQCLib.slicer_panel.qt_tools import errors_shown

        with errors_shown(_("The images could not be assessed.")):
            items = self.images.chosen(everything=everything)
            if not items:
                self.ui.statusLabel.text = _("There is no image to assess.")
                self.ui.statusLabel.visible = True
                return
            self.review.start(items, self.assessor())
            self.runTimer.start()

    def assessor(self):
        """As the settings say."""
        parameters = self._parameterNode
        return self.logic.assessors.get(
            self.settings.assessing(
                use_models=parameters.useModels if parameters else True,
                device=parameters.device.value if parameters else "auto",
            )
        )

    def assessorWithModels(self):
        """As the settings say if that is with models, and they can be used; else None."""
        wanted = self._parameterNode and self._parameterNode.useModels
        return self.assessor() if wanted and not self.logic.missingPackages() else None

    def onRunTick(self):
        from WristQCLib.slicer_panel.qt_tools import errors_shown

        self.runTimer.stop()  # while a message is open timers go on, and would bring the next
        try:
            with errors_shown(_("An image could not be shown.")):
                self.review.tick(self.WORK_SECONDS)
        finally:
            if self.review.busy:
                self.runTimer.start()

    # Listener of the review ---------------------------------------------------------------------

    def list_changed(self):
        self.result.show_list()
        self.labelling.show_list()

    def score_changed(self):
        self.result.show_score()
        self.corrections.show_score()
        self.labelling.show_soon()

    def run_changed(self):
        self.images.show_run(self.review)

    def labels_changed(self):
        self.result.show_list()
        self.images.show_labels()

    # Views and saving ---------------------------------------------------------------------------

    def showInViews(self, sessions):
        """Show sessions in slice views; nothing where Slicer has none."""
        if slicer.app.layoutManager() is not None:
            self._shown = list(sessions)
            self.onFitViews()
            self.fitTimer.start()

    def onFitViews(self):
        from WristQCLib.scene import show_side_by_side

        if any(session.closed for session in self._shown):
            return
        # Screens of high density have more dots to an inch, and VTK scales text with them.
        sliceWidget = slicer.app.layoutManager().sliceWidget("Red")
        dpi = sliceWidget.sliceView().renderWindow().GetDPI() if sliceWidget else 72
        show_side_by_side(self._shown, slicer.app.applicationLogic(), text_scale=dpi / 72)

    def onSave(self, *unused):
        from WristQCLib.saving import Kind

        parameters = self._parameterNode
        kinds = [
            Kind(kind)
            for kind, wanted in (
                ("html", parameters.saveHtml),
                ("json", parameters.saveJson),
                ("csv", parameters.saveCsv),
                ("labelme", parameters.saveLabelme),
                ("markups", parameters.saveMarkups),
                ("dicom-sr", parameters.saveDicomSr),
            )
            if wanted
        ]
        self.saving.save(kinds, include_identity=parameters.includeIdentity)


class WristQCLogic(ScriptedLoadableModuleLogic):
    """Assesses radiographs; usable from Python without the widget.

    ::

        from WristQC import WristQCLogic
        logic = WristQCLogic()
        for assessment in logic.assessVolume(slicer.util.getNode("frontal_good")):
            print(logic.summary(assessment))
    """

    def __init__(self):
        from WristQCLib.assessors import Assessors

        ScriptedLoadableModuleLogic.__init__(self)
        self.assessors = Assessors()

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
        from WristQCLib.assessors import Settings

        settings = Settings(bool(useModels), str(device), str(modelsFolder), str(protocolFile))
        return self.assessors.get(settings)

    def assess(self, image, view=None, side=None, spacing=None, **settings):
        """Assessment of one image.

        :param image: path, or a source or Radiograph of WristQCLib
        :param view: "frontal" or "lateral", side: "L" or "R", spacing: (x, y) in mm per pixel,
            where a person states them
        :param settings: those of assessor()
        :raises WristQCLib.errors.RadiographError: if it cannot be read
        """
        from WristQCLib.work_items import item_of

        item = item_of(image, view=view, side=side, spacing=spacing)
        return self.assessor(**settings).assess(item.read())

    def assessVolume(self, volumeNode, **settings):
        """Assessments of a loaded volume, one for each image that it was loaded from."""
        from WristQCLib.work_items import items_of_volumes

        items = items_of_volumes([volumeNode], self.fileOfInstance)
        return [self.assess(item.source, **settings) for item in items]

    def assessStudy(self, study, **settings):
        """Assessments of a study's wrist radiographs.

        :param study: one of studies(), or its Study Instance UID
        """
        from WristQCLib.work_items import images_of, items_of_images

        if isinstance(study, str):
            found = [s for s in self.studies() if s.study.uid == study]
            if not found:
                raise ValueError(f"The DICOM database has no wrist study with UID {study}.")
            study = found[0]
        return [self.assess(i.source, **settings) for i in items_of_images(images_of(study))]

    def assessAllStudies(self, folder, search="", formats=("csv",), progress=None, **settings):
        """Assess all wrist studies of the DICOM database and save a table.

        :param folder: where wristqc.csv goes, and the other formats ("html", "json")
        :param search: words that must occur in patient, date or description
        :param progress: called with (number, total, name) before each image; False stops
        :returns: path of the table
        """
        from WristQCLib.batch import assess_into_table
        from WristQCLib.work_items import images_of, items_of_images

        images = [image for study in self.studies(search) for image in images_of(study)]
        assessor = self.assessor(**settings)
        return assess_into_table(items_of_images(images), assessor, folder, formats, progress)

    @staticmethod
    def summary(assessment):
        """Grade, total and advice as plain text."""
        from WristQCLib.summary import summary

        return summary(assessment)

    # Training labels ----------------------------------------------------------------------------

    @staticmethod
    def labelStore(folder, create=True):
        """The labels that readers accepted into a folder.

        ::

            store = logic.labelStore("/data/labels")
            for image in store:
                print(image.name, [reading.reader for reading in image.readings])
            store.conflicts()

        :raises WristQCLib.labels.LabelError: if it cannot be opened or made
        """
        from WristQCLib.labels.store import LabelStore

        return LabelStore.open(folder, create=create)

    @staticmethod
    def acceptLabels(folder, assessment, image, reader):
        """Keep an assessment as what a reader says of an image; returns the reading.

        :param folder: of the labels, or what labelStore() gave
        :param assessment: of the image, every keypoint found or said not to be in it
        :param image: as for assess()
        :param reader: name of who says so
        :raises WristQCLib.labels.LabelError: if it cannot be stored
        """
        from WristQCLib.labels.reading import Reading
        from WristQCLib.labels.store import LabelStore
        from WristQCLib.work_items import item_of

        store = folder if isinstance(folder, LabelStore) else LabelStore.open(folder)
        radiograph = item_of(image).read()
        before = store.latest(radiograph, reader)
        reading = Reading.accept(
            assessment, radiograph, reader=reader, predicted=None, based_on=before
        )
        return store.accept(reading, radiograph)

    # Slicer's own -------------------------------------------------------------------------------

    @staticmethod
    def studies(search=""):
        """Studies of Slicer's DICOM database that have wrist radiographs, one after the other.

        :raises WristQCLib.dicom_database.DatabaseError: if the database is not open
        """
        from WristQCLib.dicom_database import SlicerDatabase, wrist_studies
        from WristQCLib.work_items import with_words

        database = SlicerDatabase(getattr(slicer, "dicomDatabase", None))
        yield from with_words(wrist_studies(database), search)

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
        self.assessors.forget()

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
            self.test_PixelSizeIsStated,
            self.test_LabelsAreAccepted,
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

    def runPanel(self, widget, path):
        widget._parameterNode.source = InputSource.FILES
        widget.ui.filesPathLineEdit.currentPath = str(path)
        widget.onApply()
        self.waitFor(lambda: not widget.review.busy)

    def waitFor(self, done, seconds=60):
        import time

        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, "it did not finish")
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
        widget.ui.undoButton.click()
        self.assertEqual(review.assessment.score.total, 90)
        widget.corrections.state_artefact(1)
        self.assertEqual(review.assessment.score.total, 100)
        self.assertEqual(widget.ui.gradeLabel.text, "A")
        self.delayDisplay("The panel follows the points")

    def test_PixelSizeIsStated(self):
        widget = self.panel()
        self.runPanel(widget, WristQCLogic.sampleFolder() / "lateral_no_spacing.dcm")
        for point in self.labelled(
            WristQCLogic.sampleFolder() / "lateral_no_spacing.dcm"
        ).keypoints:
            widget.review.session.move(point.name, point.position)
        self.assertFalse(widget.review.assessment.score.task("lateral_3").assessable)
        widget.ui.spacingLineEdit.text = "0.2"
        widget.ui.spacingLineEdit.editingFinished.emit()
        self.assertTrue(widget.review.assessment.score.task("lateral_3").assessable)
        self.assertEqual(widget.review.assessment.spacing.value, (0.2, 0.2))
        self.delayDisplay("A pixel size is stated")

    def test_LabelsAreAccepted(self):
        widget = self.panel()
        kept = widget.ui.labelsPathLineEdit.currentPath
        sample = WristQCLogic.sampleFolder() / "frontal_good.dcm"
        self.runPanel(widget, sample)
        for point in self.labelled(sample).keypoints:
            widget.review.session.move(point.name, point.position)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                widget.ui.labelsPathLineEdit.currentPath = folder
                self.waitFor(lambda: widget.ui.acceptButton.enabled)
                widget.ui.acceptButton.click()
                self.waitFor(lambda: not widget.labelling.busy)
                self.assertEqual(widget.ui.labelsProblemLabel.text, "")
                (image,) = WristQCLogic.labelStore(folder, create=False)
                self.assertEqual(image.readings[0].reader, widget.labelling.labelling.reader)
                self.assertEqual(
                    image.consensus.keypoints.points, widget.review.assessment.keypoints.points
                )
                self.assertIn("1 of 1 checked", widget.ui.labelsProgressLabel.text)
                again = WristQCLogic.acceptLabels(
                    folder, widget.review.assessment, sample, image.readings[0].reader
                )
                self.assertEqual(again.based_on, image.readings[0].id)
            finally:
                widget.ui.labelsPathLineEdit.currentPath = kept
                widget.labelling.open()
        self.delayDisplay("Labels are accepted")

    def test_SceneIsSavedAndRestored(self):
        widget = self.panel()
        self.runPanel(widget, WristQCLogic.sampleFolder() / "lateral_good.dcm")
        session = widget.review.session
        for point in self.labelled(WristQCLogic.sampleFolder() / "lateral_good.dcm").keypoints:
            session.move(point.name, point.position)
        total = session.assessment.score.total
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
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

        with (
            tempfile.TemporaryDirectory() as folder,
            DICOMUtils.TemporaryDICOMDatabase() as database,
        ):
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
