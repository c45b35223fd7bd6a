"""A window with the figures of agreement, and with what is in conflict."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from WristQCLib.agreement import Agreement
from WristQCLib.agreement_tables import Table, remarks, tables
from WristQCLib.labels.conflicts import Conflict
from WristQCLib.translation import translator

_ = translator(__file__)

SIZE = 760, 640
"""Of the window when it is opened, in pixels."""


class AgreementWindow:
    """Stays open beside Slicer's window, so that images in conflict can be looked at.

    Parameters
    ----------
    on_save
        Called when the figures are to be saved.
    """

    def __init__(self, on_save: Callable[[], None]) -> None:
        import qt
        import slicer

        self.dialog = qt.QDialog(slicer.util.mainWindow())
        self.dialog.windowTitle = _("Agreement of readers")
        self.text = qt.QTextBrowser()
        self.text.openLinks = False
        self.saved = qt.QLabel()
        self.saved.wordWrap = True
        self.saved.textFormat = qt.Qt.PlainText
        self.save = qt.QPushButton(_("Save as page and tables"))
        self.save.clicked.connect(lambda *_unused: on_save())
        close = qt.QPushButton(_("Close"))
        close.clicked.connect(self.close)
        buttons = qt.QHBoxLayout()
        buttons.addWidget(self.saved, 1)
        buttons.addWidget(self.save)
        buttons.addWidget(close)
        layout = qt.QVBoxLayout(self.dialog)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.dialog.resize(*SIZE)

    def show(self, agreement: Agreement, conflicts: Iterable[Conflict]) -> None:
        """Show other figures."""
        self.text.html = page(agreement, conflicts)
        self.tell("")
        self.dialog.show()
        self.dialog.raise_()

    def tell(self, text: str) -> None:
        """What became of saving."""
        self.saved.text = text

    def close(self, *_unused: object) -> None:
        self.dialog.hide()

    def end(self) -> None:
        """Close for good."""
        self.dialog.hide()
        self.dialog.deleteLater()


def page(agreement: Agreement, conflicts: Iterable[Conflict]) -> str:
    """As much HTML as Qt's rich text knows; names of readers and images are escaped."""
    return "\n".join((*_conflicts(list(conflicts)), *_remarks(agreement), *_tables(agreement)))


def _conflicts(conflicts: list[Conflict]) -> Iterator[str]:
    if conflicts:
        yield f"<h2>{_text(_('In conflict: {count}').format(count=len(conflicts)))}</h2><ul>"
        yield from (f"<li>{_text(conflict.sentence)}</li>" for conflict in conflicts)
        yield "</ul>"


def _remarks(agreement: Agreement) -> Iterator[str]:
    yield from (f"<p>{_text(remark)}</p>" for remark in remarks(agreement))


def _tables(agreement: Agreement) -> Iterator[str]:
    """Under a heading for each part and each subject."""
    for part, of_part in groupby(tables(agreement), lambda table: table.part):
        yield f"<h2>{_text(part)}</h2>"
        for subject, of_subject in groupby(of_part, lambda table: table.subject):
            if subject:
                yield f"<h3>{_text(subject)}</h3>"
            yield from map(_table, of_subject)


def _table(table: Table) -> str:
    def row(cells: Iterable[str], cell: str) -> str:
        first, *others = cells
        numbers = "".join(f'<{cell} align="right">{_text(other)}</{cell}>' for other in others)
        return f'<tr><{cell} align="left">{_text(first)}</{cell}>{numbers}</tr>'

    rows = row(table.head, "th") + "".join(row(cells, "td") for cells in table.rows)
    title = "" if table.title == table.part else f"<p><b>{_text(table.title)}</b></p>"
    note = f"<p><i>{_text(table.note)}</i></p>" if table.note else ""
    return f'{title}<table cellspacing="0" cellpadding="3" border="1">{rows}</table>{note}'


def _text(said: Any) -> str:
    return html.escape(str(said))
