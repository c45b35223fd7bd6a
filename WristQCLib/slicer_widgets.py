"""The tables and the tree of the panel: rows into Qt's item widgets. For the inside of 3D Slicer.

Imports `qt` (PythonQt) when a widget is filled. Widgets come from the panel's .ui file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from WristQCLib.advice import Advice
from WristQCLib.dicom_database import DatabaseError, WristImage, WristStudy
from WristQCLib.panel import KeypointRow, State, TaskRow, advice_rows

Widget = Any
"""A Qt widget; PythonQt's classes have no type stubs."""

LOST = {"light": "#b3400e", "dark": "#f0955f"}
MUTED = {"light": "#5c6b7a", "dark": "#93a2b0"}
"""Those of the report (`Resources/Report/report.css`)."""


class _Table:
    """A table that is as high as its rows, so that the panel scrolls and not the table in it."""

    def __init__(self, table: Widget, stretched: int, *, has_header: bool = True) -> None:
        import qt

        self.table, self._has_header = table, has_header
        self._contents: tuple[object, ...] | None = None
        header = table.horizontalHeader()
        for column in range(table.columnCount):
            kind = (
                qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents
            )
            header.setSectionResizeMode(column, kind)
        table.verticalHeader().minimumSectionSize = 1
        # Rows are as high as their text at the width that the panel has settled for.
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.timeout.connect(self._fit)
        header.sectionResized.connect(self._on_width_changed)
        self._fit()

    def _on_width_changed(self, *_: object) -> None:
        self._timer.start()

    def _fit(self) -> None:
        self._timer.stop()
        self.table.resizeRowsToContents()
        height = self.table.verticalHeader().length() + 2 * self.table.frameWidth
        if self._has_header:
            height += self.table.horizontalHeader().sizeHint.height()
        self.table.setFixedHeight(height)

    def _changed(self, contents: tuple[object, ...]) -> bool:
        """Whether there is anything new to show; filling a table takes longer than comparing."""
        changed, self._contents = contents != self._contents, contents
        return changed

    def _put(self, row: int, column: int, text: str, colour: str = "", *, bold: bool = False,
             right: bool = False) -> None:  # fmt: skip
        import qt

        item = qt.QTableWidgetItem(text)
        if colour:
            item.setForeground(qt.QBrush(qt.QColor(colour)))
        if bold:
            font = item.font()
            font.setBold(True)
            item.setFont(font)
        if right:
            item.setTextAlignment(int(qt.Qt.AlignRight) | int(qt.Qt.AlignTop))
        else:
            item.setTextAlignment(int(qt.Qt.AlignLeft) | int(qt.Qt.AlignTop))
        item.setToolTip(text)
        self.table.setItem(row, column, item)

    def _theme(self) -> str:
        import qt

        dark = self.table.palette.color(qt.QPalette.Window).lightness() < 128
        return "dark" if dark else "light"


class TaskTable(_Table):
    """Tasks with what was measured and the points; below each what was lost.

    Parameters
    ----------
    table
        QTableWidget of three columns: task, measured, points.
    on_choose
        Called with the ids of the tasks that are to be seen alone; with none for all.
    """

    def __init__(self, table: Widget, on_choose: Callable[[Sequence[str]], None]) -> None:
        super().__init__(table, 0)
        self._on_choose = on_choose
        self._tasks: list[tuple[str, ...]] = []
        self._chosen: tuple[str, ...] = ()
        table.cellClicked.connect(self._on_clicked)

    def fill(self, rows: Sequence[TaskRow]) -> None:
        theme = self._theme()
        if not self._changed((*rows, theme)):
            return
        table = self.table
        table.clearSpans()
        table.rowCount = sum(2 if row.detail else 1 for row in rows)
        self._tasks.clear()
        for row in rows:
            n = len(self._tasks)
            colour = {State.LOST: LOST[theme], State.OPEN: MUTED[theme], State.FULL: ""}[row.state]
            self._put(n, 0, f"{row.state.value} {row.title}")
            self._put(n, 1, row.measured, right=True)
            self._put(n, 2, row.points, colour, bold=row.state is not State.FULL, right=True)
            self._tasks.append(row.tasks)
            if row.detail:
                table.setSpan(n + 1, 0, 1, 3)
                self._put(n + 1, 0, row.detail, colour)
                self._tasks.append(row.tasks)
        self._fit()
        self.choose(self._chosen, tell=False)

    def choose(self, tasks: Sequence[str], *, tell: bool = True) -> None:
        """Select the rows of tasks, none when there are none."""
        self._chosen = tuple(tasks)
        self.table.clearSelection()
        for n, here in enumerate(self._tasks):
            if set(here) & set(self._chosen):
                self.table.selectRow(n)
                break
        if tell:
            self._on_choose(self._chosen)

    def _on_clicked(self, row: int, _column: int) -> None:
        tasks = self._tasks[row]
        self.choose(() if tasks == self._chosen else tasks)


class AdviceTable(_Table):
    """Advice with the points that it gains; a click chooses the tasks that it is for."""

    def __init__(self, table: Widget, on_choose: Callable[[Sequence[str]], None]) -> None:
        super().__init__(table, 1, has_header=False)
        self._on_choose = on_choose
        self._tasks: list[tuple[str, ...]] = []
        table.cellClicked.connect(lambda row, _column: self._on_choose(self._tasks[row]))

    def fill(self, advice: Iterable[Advice]) -> None:
        rows = advice_rows(advice)
        if not self._changed(rows):
            return
        self.table.rowCount = len(rows)
        self._tasks = [tasks for _, _, tasks in rows]
        for n, (gain, text, _tasks) in enumerate(rows):
            self._put(n, 0, gain, bold=True, right=True)
            self._put(n, 1, text)
        self._fit()


class KeypointTable(_Table):
    """Keypoints and where they are."""

    def __init__(self, table: Widget, on_choose: Callable[[], None]) -> None:
        super().__init__(table, 1)
        self._names: list[str] = []
        table.itemSelectionChanged.connect(on_choose)

    def fill(self, rows: Sequence[KeypointRow]) -> None:
        theme = self._theme()
        if not self._changed((*rows, theme)):
            return
        chosen = self.chosen
        self.table.rowCount = len(rows)
        self._names = [row.name for row in rows]
        for n, row in enumerate(rows):
            placed = row.finding.value != "not assessable"
            self._put(n, 0, row.title, bold=not placed)
            self._put(n, 1, row.state, "" if placed else LOST[theme], bold=not placed)
        self._fit()
        if chosen in self._names:
            self.table.selectRow(self._names.index(chosen))

    @property
    def chosen(self) -> str:
        """Name of the selected keypoint, empty when there is none."""
        row = self.table.currentRow()
        selected = bool(self.table.selectedItems())
        return self._names[row] if selected and 0 <= row < len(self._names) else ""

    def choose(self, name: str) -> None:
        """Select a keypoint."""
        if name in self._names:
            self.table.selectRow(self._names.index(name))


class StudyTree:
    """Wrist studies of a DICOM database; read a few at a time, so that the window stays alive.

    Parameters
    ----------
    tree
        QTreeWidget of one column.
    on_change
        Called when studies were added or the selection or the search changed.
    """

    def __init__(self, tree: Widget, on_change: Callable[[], None]) -> None:
        self.tree, self._on_change = tree, on_change
        self._studies: list[WristStudy] = []
        self._images: list[list[WristImage]] = []
        self._words: list[str] = []
        self._coming: Iterator[WristStudy] | None = None
        tree.itemSelectionChanged.connect(on_change)
        tree.itemExpanded.connect(self._on_expanded)

    def read(self, studies: Iterable[WristStudy]) -> None:
        """Empty the tree; `tick` fills it from here on."""
        self.tree.clear()
        self._studies.clear()
        self._images.clear()
        self._coming = iter(studies)
        self._on_change()

    def tick(self, seconds: float = 0.02) -> bool:
        """Read for so long; whether there may be more.

        Raises
        ------
        DatabaseError
            If the database cannot be read; there is no more then.
        """
        import time

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
        self._on_change()
        return self._coming is not None

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
            for image in study.images or study.others
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
                chosen += study.images or study.others
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
        row.setToolTip(0, row.text(0))
        images = [*study.images, *study.others]
        for image in images:
            child = qt.QTreeWidgetItem(row)
            child.setText(0, _about(image, certain=image in study.images))
            child.setToolTip(0, image.region.source)
        self._studies.append(study)
        self._images.append(images)
        self._filter(len(self._studies) - 1)

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


def _about(image: WristImage, *, certain: bool) -> str:
    what = image.series.description or image.series.body_part or image.series.modality
    return what if certain else f"{what} (?)"
