"""Section "Result": the list of images; grade, tasks and advice of the one that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from WristQCLib.advice import advise
from WristQCLib.panel import Badge, badge, certainty_told, remarks, task_rows, title, told_of
from WristQCLib.review import Review
from WristQCLib.slicer_panel.colours import badge_style
from WristQCLib.slicer_panel.qt_tools import errors_shown, make_timer, put
from WristQCLib.slicer_panel.tables import AdviceTable, TaskTable
from WristQCLib.translation import translator
from WristQCLib.worklist import WorkItem

_ = translator(__file__)


class ResultSection:
    """Fills the widgets of the section; a click on a task draws its lines alone.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    review
        What is shown.
    sign
        A sign of how far an image is with its labels, empty for none.
    """

    REST_MS = 150
    """Advice and certainty try many positions, so they wait until a point has come to rest."""

    def __init__(
        self, ui: Any, review: Review, sign: Callable[[WorkItem], str] = lambda item: ""
    ) -> None:
        self._ui, self._review, self._sign = ui, review, sign
        self._updating = False
        self.tasks = TaskTable(ui.tasksTable, review.highlight)
        self.advice = AdviceTable(ui.adviceTable, self._on_advice_chosen)
        self.rest_timer = make_timer(self.REST_MS, self.show_at_rest, once=True)
        ui.imageComboBox.activated.connect(self._on_image_chosen)
        ui.previousButton.clicked.connect(self.previous)
        ui.nextButton.clicked.connect(self.next)
        ui.clearButton.clicked.connect(self._on_clear)

    def close(self) -> None:
        self.rest_timer.stop()

    # What is shown ------------------------------------------------------------------------------

    def show_list(self) -> None:
        """The images in their order."""
        ui, review = self._ui, self._review
        items = review.ordered
        place = items.index(review.current) if review.current in items else -1
        self._updating = True
        ui.imageComboBox.clear()
        ui.imageComboBox.addItems([self._title(item) for item in items])
        ui.imageComboBox.currentIndex = place
        self._updating = False
        put(ui.previousButton, enabled=place > 0)
        put(ui.nextButton, enabled=0 <= place < len(items) - 1)
        put(ui.clearButton, enabled=bool(items))
        put(ui.saveButton, enabled=any(item.assessment for item in items))
        put(ui.resultCollapsibleButton, enabled=bool(items))

    def show_score(self) -> None:
        """Grade, remarks and tasks; advice and certainty a little later."""
        ui, item, assessment = self._ui, self._review.current, self._review.assessment
        told = list(remarks(assessment)) if assessment else []
        if item is not None and item.problem:
            told.insert(0, item.problem)
        remarked = "\n".join(f"• {sentence}" for sentence in told)
        put(ui.remarksLabel, text=remarked, visible=bool(told))
        self._show_badge(badge(assessment) if assessment else Badge())
        put(ui.imageLabel, text=told_of(assessment) if assessment else "")
        self.tasks.fill(task_rows(assessment) if assessment else ())
        place = ui.imageComboBox.currentIndex
        if item is not None and place >= 0:
            named = self._title(item)
            if ui.imageComboBox.itemText(place) != named:
                ui.imageComboBox.setItemText(place, named)
        self.rest_timer.start()

    def _title(self, item: WorkItem) -> str:
        told, sign = title(item.name, item.assessment, item.problem), self._sign(item)
        return f"{sign} {told}" if sign else told

    def _show_badge(self, shown: Badge) -> None:
        ui = self._ui
        style = badge_style(self.tasks.theme, shown.rank, incomplete=bool(shown.range))
        put(ui.gradeLabel, text=shown.grade, styleSheet=style)
        total = f'<span style="font-size: 20pt; font-weight: bold">{shown.total}</span>'
        put(ui.totalLabel, text=_("{total} of 100").format(total=total) if shown.total else "")
        put(ui.rangeLabel, text=shown.range, visible=bool(shown.range))

    def show_at_rest(self) -> None:
        """How certain the grade is and how to do better, once models are through with the image."""
        assessment, review = self._review.assessment, self._review
        ready = assessment is not None and review.at_work is not review.current
        advice = advise(assessment) if assessment is not None and ready else ()
        told = certainty_told(assessment) if assessment is not None and ready else ""
        put(self._ui.certaintyLabel, text=told, visible=bool(told))
        self._ui.adviceTitleLabel.visible = self._ui.adviceTable.visible = bool(advice)
        self.advice.fill(advice)

    # What a person does -------------------------------------------------------------------------

    def previous(self, *_unused: object) -> None:
        self._step(-1)

    def next(self, *_unused: object) -> None:
        self._step(1)

    def _step(self, by: int) -> None:
        with errors_shown(_("The image could not be shown.")):
            self._review.step(by)

    def _on_image_chosen(self, index: int) -> None:
        if not self._updating and 0 <= index < len(self._review.items):
            with errors_shown(_("The image could not be shown.")):
                self._review.show(self._review.ordered[index])

    def _on_advice_chosen(self, tasks: Sequence[str]) -> None:
        self.tasks.choose(tasks)

    def _on_clear(self, *_unused: object) -> None:
        import slicer

        if any(item.assessment for item in self._review.items):
            asked = _("The list is emptied, and its images and corrections leave the scene.")
            if not slicer.util.confirmOkCancelDisplay(asked, _("Wrist Radiograph Quality")):
                return
        self._review.clear()
