"""The tables of the panel. They touch only cells that changed, for they follow the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from WristQCLib.advice import Advice
from WristQCLib.findings import Finding
from WristQCLib.panel import KeypointRow, State, TaskRow, advice_rows
from WristQCLib.slicer_panel.colours import DARK, LIGHT, Theme
from WristQCLib.slicer_panel.qt_tools import Widget, is_dark, make_timer

PADDING = 6
"""Pixels that a row is higher and a column wider than its text."""


@dataclass(frozen=True)
class Cell:
    """What one cell shows; no colour is that of the theme."""

    text: str = ""
    colour: str = ""
    bold: bool = False
    right: bool = False


EMPTY = Cell()


class _Table:
    """A table that is as high as its rows, so that the panel scrolls and not the table in it."""

    SETTLE_MS = 100
    """Rows are fitted to their texts when these have stood so long: it takes long, and a number
    that changes while a point is dragged hardly ever needs another row height."""

    def __init__(self, table: Widget, stretched: int, *, has_header: bool = True) -> None:
        import qt

        self.table, self._has_header = table, has_header
        self._shown: list[tuple[Cell, ...]] = []
        self._hidden: list[bool] = []
        header = table.horizontalHeader()
        for column in range(table.columnCount):
            kind = qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.Fixed
            header.setSectionResizeMode(column, kind)
        self._stretched = stretched
        table.verticalHeader().minimumSectionSize = 1
        self._timer = make_timer(self.SETTLE_MS, self.fit, once=True)
        # Rows are as high as their text at the width that the panel has settled for.
        header.sectionResized.connect(self._on_width_changed)
        self.fit()

    @property
    def theme(self) -> Theme:
        return DARK if is_dark(self.table) else LIGHT

    def _on_width_changed(self, *_: object) -> None:
        self._timer.start(0)

    def fit(self) -> None:
        """Make columns and rows fit their texts, and the table its rows."""
        table = self.table
        for column in range(table.columnCount):
            if column != self._stretched:
                table.resizeColumnToContents(column)
                table.setColumnWidth(column, table.columnWidth(column) + PADDING)
        table.resizeRowsToContents()
        for row, hidden in enumerate(self._hidden):
            if not hidden:
                table.setRowHeight(row, table.rowHeight(row) + PADDING)
        height = table.verticalHeader().length() + 2 * table.frameWidth
        if self._has_header:
            height += table.horizontalHeader().sizeHint.height()
        table.setFixedHeight(height)
        self._timer.stop()  # the widths that were set here have started it

    def _show(self, rows: Sequence[tuple[Cell, ...]], hidden: Sequence[bool] = ()) -> None:
        """Show rows; `hidden` ones keep their place."""
        hidden = list(hidden) or [False] * len(rows)
        reshaped = len(rows) != len(self._shown)
        if reshaped:
            self.table.rowCount = len(rows)
            self._shown = [(EMPTY,) * self.table.columnCount for _ in rows]
            self._hidden = [False] * len(rows)
            self.table.clearContents()
        changed = False
        for number, (before, after) in enumerate(zip(self._shown, rows, strict=True)):
            if before != after:
                changed = True
                self._change(number, before, after)
            if self._hidden[number] != hidden[number]:
                reshaped = True
                self.table.setRowHidden(number, hidden[number])
        self._shown, self._hidden = list(rows), hidden
        if reshaped:
            self.fit()
        elif changed:
            self._timer.start(self.SETTLE_MS)

    def _change(self, row: int, before: tuple[Cell, ...], after: tuple[Cell, ...]) -> None:
        import qt

        for column, (old, new) in enumerate(zip(before, after, strict=True)):
            if old == new:
                continue
            item = self.table.item(row, column)
            if item is None:
                item = qt.QTableWidgetItem()
                horizontal = qt.Qt.AlignRight if new.right else qt.Qt.AlignLeft
                item.setTextAlignment(int(horizontal) | int(qt.Qt.AlignVCenter))
                self.table.setItem(row, column, item)
            if old.text != new.text:
                item.setText(new.text)
            if old.colour != new.colour:
                item.setForeground(qt.QBrush(qt.QColor(new.colour)) if new.colour else qt.QBrush())
            if old.bold != new.bold:
                font = item.font()
                font.setBold(new.bold)
                item.setFont(font)


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
        theme = self.theme
        colours = {State.LOST: theme.lost, State.OPEN: theme.muted, State.FULL: ""}
        tasks = [tasks for row in rows for tasks in (row.tasks, row.tasks)]
        cells: list[tuple[Cell, ...]] = []
        for row in rows:
            colour = colours[row.state]
            cells += [
                (
                    Cell(f"{row.state.value} {row.title}"),
                    Cell(row.measured, right=True),
                    Cell(row.points, colour, bold=row.state is not State.FULL, right=True),
                ),
                (Cell(row.detail, colour), EMPTY, EMPTY),
            ]
        if len(cells) != len(self._tasks):
            self.table.clearSpans()
        self._show(cells, [not hidden for row in rows for hidden in (True, bool(row.detail))])
        if len(cells) != len(self._tasks):
            for number in range(1, len(cells), 2):
                self.table.setSpan(number, 0, 1, 3)
            self.fit()
        if tasks != self._tasks:
            self._tasks = tasks
            self.choose(self._chosen, tell=False)

    def choose(self, tasks: Sequence[str], *, tell: bool = True) -> None:
        """Select the row of tasks, none when there are none."""
        self._chosen = tuple(tasks)
        self.table.clearSelection()
        for number, here in enumerate(self._tasks):
            if set(here) & set(self._chosen):
                self.table.selectRow(number)
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
        self._tasks = [tasks for _, _, tasks in rows]
        self._show([(Cell(gain, bold=True, right=True), Cell(text)) for gain, text, _ in rows])


class KeypointTable(_Table):
    """Keypoints and where they are; those that are still to be placed stand out."""

    def __init__(self, table: Widget, on_choose: Callable[[], None]) -> None:
        super().__init__(table, 1)
        self._names: list[str] = []
        table.itemSelectionChanged.connect(on_choose)

    def fill(self, rows: Sequence[KeypointRow]) -> None:
        lost, chosen = self.theme.lost, self.chosen
        names = [row.name for row in rows]
        cells = []
        for row in rows:
            missing = row.finding is Finding.NOT_ASSESSABLE
            cells.append(
                (Cell(row.title, bold=missing), Cell(row.state, lost if missing else "", missing))
            )
        self._show(cells)
        if names != self._names:
            self._names = names
            self.table.clearSelection()
            self.choose(chosen)

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
