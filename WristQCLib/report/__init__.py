"""Reports of a run: a JSON record per image, one CSV table, HTML pages with an index.

    with ReportWriter(out, formats={"json", "csv", "html"}) as writer:
        writer.add(assessment, image)
        writer.add_failure("broken.dcm", "broken.dcm is not a DICOM file.")
    writer.written["html"]

Images are not kept, so a run may have any number of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from WristQCLib.assessment import Assessment
from WristQCLib.protocol import Protocol, load_protocol
from WristQCLib.report.csv_table import Row, failure_row, row, write_csv
from WristQCLib.report.files import ReportError, UniqueNames
from WristQCLib.report.json_report import assessment_record, write_json

__all__ = ["FORMATS", "ReportError", "ReportWriter"]

FORMATS = frozenset({"json", "csv", "html"})


class ReportWriter:
    """Writes the reports of a run, image by image.

    ::

        <out>/index.html            all images, worst first
        <out>/html/<name>.html      one image
        <out>/json/<name>.json      one image
        <out>/wristqc.csv           all images

    Pages and records are written at once, table and index by `close`, which leaving the ``with``
    block does even after an error.

    Parameters
    ----------
    out
        Folder, made when missing.
    formats
        Any of `FORMATS`.
    include_identity
        Whether values that identify the patient are written.
    created
        Time that the reports tell, by default now.

    Attributes
    ----------
    written
        Format -> folder of records, table or index; filled by `close`.

    Raises
    ------
    ValueError
        If a format is unknown.
    ReportError
        If the folder cannot be made or a package is missing; by any method if a file cannot be
        written.
    """

    def __init__(
        self,
        out: Path | str,
        formats: Iterable[str] = FORMATS,
        include_identity: bool = False,
        created: datetime | None = None,
    ) -> None:
        self._out = Path(out)
        self._formats = frozenset(formats)
        if unknown := self._formats - FORMATS:
            raise ValueError(f"{sorted(unknown)} are not report formats, {sorted(FORMATS)} are.")
        if "html" in self._formats:
            from WristQCLib.report.html_report import IndexEntry, require_jinja2

            require_jinja2()
            self._entries: list[IndexEntry] = []
        self._include_identity = include_identity
        self._created = created or datetime.now(UTC)
        self._names = UniqueNames()
        self._rows: list[Row] = []
        self._failures: list[tuple[str, str]] = []
        self._protocol: Protocol | None = None
        self.written: dict[str, Path] = {}
        try:
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReportError(
                f"The output folder {self._out} cannot be made ({error.strerror});"
                " choose another one."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, assessment: Assessment, image: ArrayLike) -> None:
        """Add an assessed image.

        Parameters
        ----------
        assessment
            All images of a run are scored by the same protocol.
        image
            (rows, columns) in [0, 1] as it is displayed, 0 is black.
        """
        self._protocol = self._protocol or assessment.protocol
        name = self._names.take(assessment.name)
        record = assessment_record(
            assessment, created=self._created, include_identity=self._include_identity
        )
        self._rows.append(row(record))
        if "json" in self._formats:
            write_json(self._out / "json" / f"{name}.json", record)
        if "html" in self._formats:
            from WristQCLib.report import figure, html_report

            html_report.write_page(
                self._out / "html" / f"{name}.html",
                record,
                figure.drawing(assessment),
                figure.encoded_picture(image, figure.LONGEST_SIDE),
                index="../index.html",
            )
            thumbnail = figure.encoded_picture(image, html_report.THUMBNAIL_SIDE, "JPEG")
            self._entries.append(html_report.IndexEntry.of(record, f"html/{name}.html", thumbnail))

    def add_failure(self, name: str, message: str) -> None:
        """Add an image that could not be assessed, with one sentence that says why."""
        self._rows.append(failure_row(name, message))
        self._failures.append((name, message))

    def close(self) -> dict[str, Path]:
        """Write table and index; more than once does no harm."""
        if "json" in self._formats and self._protocol:
            self.written["json"] = self._out / "json"
        if "csv" in self._formats:
            path = self._out / "wristqc.csv"
            write_csv(path, self._protocol or load_protocol(), self._rows)
            self.written["csv"] = path
        if "html" in self._formats:
            from WristQCLib.report.html_report import write_index

            path = self._out / "index.html"
            write_index(path, self._entries, self._failures, self._created)
            self.written["html"] = path
        return self.written
