"""Section "Corrections": what a person states of the image, and where its keypoints are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor
from WristQCLib.findings import Finding
from WristQCLib.panel import keypoint_rows
from WristQCLib.review import Review
from WristQCLib.slicer_panel.qt_tools import Widget, errors_shown, put
from WristQCLib.slicer_panel.tables import KeypointTable
from WristQCLib.stated import (
    Choices,
    StatementError,
    artefact_of,
    artefacts,
    sides,
    spacing_may_be_stated,
    spacing_text,
    stated_spacing,
    views,
)
from WristQCLib.translation import translator

_ = translator(__file__)


class CorrectionsSection:
    """Fills the widgets of the section and hands what a person states to the review.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    review
        What is corrected.
    models
        Gives what looks at an image again after its view or pixel size was stated, or None.
    on_start
        Called when that has begun.
    """

    def __init__(
        self,
        ui: Any,
        review: Review,
        models: Callable[[], Assessor | None],
        on_start: Callable[[], None],
    ) -> None:
        self._ui, self._review, self._models, self._on_start = ui, review, models, on_start
        self._views, self._sides, self._artefacts = views(), sides(), artefacts()
        self.keypoints = KeypointTable(ui.keypointsTable, self._show_buttons)
        for box, choices, slot in (
            (ui.viewComboBox, self._views, self.state_view),
            (ui.sideComboBox, self._sides, self.state_side),
            (ui.artefactComboBox, self._artefacts, self.state_artefact),
        ):
            _fill(box, choices)
            box.activated.connect(slot)
        ui.spacingLineEdit.editingFinished.connect(self._on_spacing)
        ui.placeButton.clicked.connect(self.place)
        ui.absentButton.clicked.connect(self._on_absent)
        ui.undoButton.clicked.connect(self.undo)
        ui.redoButton.clicked.connect(self.redo)

    # What is shown ------------------------------------------------------------------------------

    def show_score(self) -> None:
        """What is known, in the widgets by which it is corrected."""
        assessment = self._review.assessment
        put(self._ui.correctionsCollapsibleButton, enabled=self._review.session is not None)
        self.keypoints.fill(keypoint_rows(assessment) if assessment else ())
        self._show_stated(assessment)
        self._show_buttons()

    def _show_stated(self, assessment: Assessment | None) -> None:
        ui = self._ui
        view, side, artefact = (
            (assessment.view.value, assessment.side.value, artefact_of(assessment))
            if assessment
            else (None, None, None)
        )
        put(ui.viewComboBox, currentIndex=self._views.place(view))
        put(ui.sideComboBox, currentIndex=self._sides.place(side))
        put(ui.artefactComboBox, currentIndex=self._artefacts.place(artefact))
        may = assessment is not None and spacing_may_be_stated(assessment)
        ui.spacingLabel.visible = ui.spacingLineEdit.visible = may
        if assessment is not None and not ui.spacingLineEdit.focus:
            put(ui.spacingLineEdit, text=spacing_text(assessment))

    def _show_buttons(self) -> None:
        if not hasattr(self, "keypoints"):
            return
        ui, session = self._ui, self._review.session
        chosen = session is not None and bool(self.keypoints.chosen)
        put(ui.placeButton, enabled=chosen)
        put(ui.absentButton, enabled=chosen)
        put(ui.undoButton, enabled=session is not None and session.can_undo)
        put(ui.redoButton, enabled=session is not None and session.can_redo)

    # What a person states -----------------------------------------------------------------------

    def state_view(self, index: int) -> None:
        """State the view by its place in the box; what is known cannot be unsaid."""
        view = self._views.values[index]
        if view is not None:
            with errors_shown(_("The view could not be changed.")):
                self._again(lambda assessor: self._review.state_view(view, assessor))
        self._show_stated(self._review.assessment)

    def state_side(self, index: int) -> None:
        """State the side by its place in the box."""
        side = self._sides.values[index]
        if side is not None:
            self._review.state_side(side)
        self._show_stated(self._review.assessment)

    def state_artefact(self, index: int) -> None:
        """State by its place in the box whether there is a foreign object."""
        present = self._artefacts.values[index]
        if present is not None:
            self._review.state_artefact(present)
        self._show_stated(self._review.assessment)

    def _on_spacing(self) -> None:
        """State the pixel size, or take back what was stated when the line is empty."""
        assessment, edit = self._review.assessment, self._ui.spacingLineEdit
        if assessment is None or not spacing_may_be_stated(assessment):
            return
        if edit.text.strip() == spacing_text(assessment):  # Enter and leaving the line both tell
            return
        try:
            spacing = stated_spacing(edit.text, assessment)
        except StatementError as error:
            import slicer

            edit.text = spacing_text(assessment)
            slicer.util.warningDisplay(str(error))
            return
        with errors_shown(_("The pixel size could not be changed.")):
            self._again(lambda assessor: self._review.state_spacing(spacing, assessor))
        if self._review.assessment is not None:
            edit.text = spacing_text(self._review.assessment)

    def _again(self, state: Callable[[Assessor | None], None]) -> None:
        assessor = self._models()
        state(assessor)
        if assessor is not None:
            self._on_start()

    # Keypoints ----------------------------------------------------------------------------------

    def place(self, *_unused: object) -> None:
        """Let the next click place the chosen keypoint."""
        session, name = self._review.session, self.keypoints.chosen
        if session is not None and name:
            with errors_shown(_("The point cannot be placed.")):
                session.start_placing(name)

    def place_next(self) -> None:
        """Let the next click place the first keypoint that is to be placed, else the chosen one."""
        assessment = self._review.assessment
        points = (assessment.keypoints if assessment else None) or ()
        waiting = [point.name for point in points if point.finding is Finding.NOT_ASSESSABLE]
        if waiting:
            self.keypoints.choose(waiting[0])
        self.place()

    def _on_absent(self, *_unused: object) -> None:
        with errors_shown(_("The point cannot be changed.")):
            if self._review.session is not None:
                self._review.session.mark_absent(self.keypoints.chosen)

    def undo(self, *_unused: object) -> None:
        if self._review.session is not None:
            self._review.session.undo()

    def redo(self, *_unused: object) -> None:
        if self._review.session is not None:
            self._review.session.redo()


def _fill(box: Widget, choices: Choices[Any]) -> None:
    box.clear()
    box.addItems(list(choices.names))
