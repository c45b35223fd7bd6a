"""The 3D Slicer module WristQC: a thin face of the library WristQCLib."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

# Installed, the library lies beside this file; in the source tree, beside this file's folder.
if importlib.util.find_spec("WristQCLib") is None:
    sys.path.append(str(Path(__file__).resolve().parent.parent))


class WristQC(ScriptedLoadableModule):
    """What Slicer shows of the module in its menus and help."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Wrist Radiograph Quality")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The WristQC developers"]
        self.parent.helpText = _(
            "Grades the quality of wrist radiographs: 17 DICOM items, side marker, foreign objects,"
            " positioning and layout from keypoints. Not a diagnostic device."
        )
        self.parent.acknowledgementText = _(
            "Scoring follows the published quality-control method with MobileNetV2 and GU2Net."
        )


class WristQCWidget(ScriptedLoadableModuleWidget):
    """Chooses an image file and shows its grade, points and advice."""

    def setup(self):
        import ctk
        import qt

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = WristQCLogic()
        self.pathEdit = ctk.ctkPathLineEdit()
        self.pathEdit.filters = ctk.ctkPathLineEdit.Files
        self.assessButton = qt.QPushButton(_("Assess"))
        self.resultLabel = qt.QLabel()
        self.resultLabel.wordWrap = True
        form = qt.QFormLayout()
        form.addRow(_("Wrist radiograph:"), self.pathEdit)
        form.addRow(self.assessButton)
        form.addRow(self.resultLabel)
        self.layout.addLayout(form)
        self.layout.addStretch(1)
        self.assessButton.connect("clicked(bool)", self.onAssess)

    def onAssess(self, _checked=False):
        import slicer

        with slicer.util.tryWithErrorDisplay(
            _("The radiograph could not be assessed."), waitCursor=True
        ):
            assessment = self.logic.assess(self.pathEdit.currentPath)
            self.resultLabel.text = self.logic.summary(assessment)


class WristQCLogic(ScriptedLoadableModuleLogic):
    """Assesses radiographs; usable from Python without the widget."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._assessor = None

    def assess(self, path):
        """Assessment of one image file. Models are loaded at the first call and kept."""
        from WristQCLib.assessor import Assessor
        from WristQCLib.radiograph import read_radiograph

        if self._assessor is None:
            self._assessor = Assessor.create()
        return self._assessor.assess(read_radiograph(Path(path)))

    def summary(self, assessment):
        """Grade, total and advice as plain text."""
        from WristQCLib.advice import advise

        score = assessment.score
        lines = [_("Grade {grade}, {total} of 100").format(grade=score.grade, total=score.total)]
        if not score.complete:
            lines[0] += _(" (incomplete; at most {reachable})").format(reachable=score.reachable)
        lines += [f"{advice.text}: +{advice.gain}" for advice in advise(assessment)]
        return "\n".join(lines)


class WristQCTest(ScriptedLoadableModuleTest):
    """Runs in Slicer, on the sample studies."""

    def runTest(self):
        self.test_SamplesAreAssessed()

    def test_SamplesAreAssessed(self):
        from WristQCLib.resources import RESOURCES

        logic = WristQCLogic()
        samples = sorted((RESOURCES / "SampleData").glob("*.dcm"))
        self.assertTrue(samples)
        for sample in samples:
            assessment = logic.assess(sample)
            self.assertIn(assessment.score.grade, assessment.protocol.grades)
            self.assertIn("of 100", logic.summary(assessment))
        self.delayDisplay("Test passed")
