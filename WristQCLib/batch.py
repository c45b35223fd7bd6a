"""Many images assessed one after the other, straight into reports, with nothing shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from WristQCLib.assessor import Assessor
from WristQCLib.errors import RadiographError
from WristQCLib.report import ReportWriter
from WristQCLib.worklist import WorkItem

Progress = Callable[[int, int, str], bool | None]
"""Called with (number, total, name) before each image; False stops."""


def assess_into_table(
    items: Iterable[WorkItem],
    assessor: Assessor,
    folder: Path | str,
    formats: Iterable[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Assess images and save a table of them; what cannot be read is told in the table.

    Parameters
    ----------
    items, assessor
        What to assess, and by what.
    folder
        Gets ``wristqc.csv`` and the other formats.
    formats
        Besides the table: ``"html"``, ``"json"``.
    progress
        See `Progress`.

    Returns
    -------
    Path
        Of the table.

    Raises
    ------
    ReportError
        If the folder cannot be written.
    """
    items = list(items)
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
