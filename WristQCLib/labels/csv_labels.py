"""Labels as one table for many images: CSV, a row per image, to be read in a spreadsheet.

Columns, in this order:

- ``format``: version of the table's form, 1.
- ``image``: name of the image's file. ``picture``: path of a picture of it, relative to the table;
  empty where there is none. ``sop_instance_uid``, ``pixels_sha256``: which image it is.
- ``width_px``, ``height_px``, ``spacing_x_mm``, ``spacing_y_mm``, ``pixel_aspect``: its geometry.
- ``view``: frontal or lateral. ``side``: L or R.
- ``artefact``: whether there is a foreign object: found, not found or not assessable;
  ``artefact_source``, ``artefact_probability``, ``artefact_threshold``: who says so.
- For each keypoint of either view, empty for the other view's: ``<name>_finding`` (found; not
  found: not in the image; not assessable: still to be placed), ``_x_px`` and ``_y_px`` (centres at
  integers), ``_confidence``, ``_spread_px``, ``_placed_by``, ``_placed_at``, ``_note``.
- ``rectangles``, ``flags``, ``extra``: JSON.
- ``based_on``: ids of the readings that the row shows, so that an edited table replaces them.

Of these, only ``image``, ``width_px``, ``height_px`` and positions are needed; columns may be in
any order. An empty cell is a value that is not known. Texts that a spreadsheet would take for a
formula, a number or a date, and those that begin with an apostrophe, have an apostrophe before
them, which is taken away when the table is read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.atomic_file import written_whole
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels.files import OTHER_FORM, naming, number, while_reading, while_writing
from WristQCLib.labels.image_labels import ImageLabels, LabelError, Placement
from WristQCLib.labels.record import (
    flags_of,
    image_of,
    portable_record,
    rectangles_of,
    side_of,
    view_of,
)

FORMAT = 1
"""Version of the table's form."""

_PARTS = ("finding", "x_px", "y_px", "confidence", "spread_px", "placed_by", "placed_at", "note")
COLUMNS = (
    "format", "image", "picture", "sop_instance_uid", "pixels_sha256", "width_px", "height_px",
    "spacing_x_mm", "spacing_y_mm", "pixel_aspect", "view", "side", "artefact", "artefact_source",
    "artefact_probability", "artefact_threshold",
    *(f"{name}_{part}" for view in View for name in KEYPOINT_NAMES[view] for part in _PARTS),
    "rectangles", "flags", "extra", "based_on",
)  # fmt: skip
"""Names of the columns."""

_MISREAD = re.compile(
    r"\s*[=+\-@|%]"  # a formula or a command
    r"|[\t\r']"
    r"|(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?$"  # a number; leading zeros would be lost
    r"|\d{1,4}([-/.:]\d{1,4}){1,2}( \d\d?:\d\d(:\d\d)?)?$"  # a date or a time
)
"""Beginnings, or whole texts, that a spreadsheet does not leave as they are."""

_LONGEST_CELL = 1 << 30
"""Characters; the module's own limit, 131,072, is less than shapes of another tool may take."""

OnProblem = Callable[[str], None]
Row = Mapping[str, str]


def write_csv(path: Path | str, labels: Iterable[ImageLabels]) -> None:
    """Write the labels of many images as one table.

    UTF-8 with a byte order mark, by which spreadsheet programs know it.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    write_rows(Path(path), (row(of_image) for of_image in labels))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the table of `row` cells; see `write_csv`."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    with while_writing(path), written_whole(path) as file:
        # Names may hold lone surrogates, which UTF-8 cannot.
        file.write(table.getvalue().encode("utf-8-sig", errors="replace"))


def row(labels: ImageLabels) -> dict[str, str]:
    """The cells of an image, by column."""
    image, geometry, artefact = labels.image, labels.image.geometry, labels.artefact
    spacing_x, spacing_y = geometry.spacing or (None, None)
    plain = portable_record(labels)
    cells = {
        "format": str(FORMAT),
        "image": _text(image.name),
        "sop_instance_uid": _text(image.sop_instance_uid),
        "pixels_sha256": _text(image.pixels_sha256),
        "width_px": str(geometry.width),
        "height_px": str(geometry.height),
        "spacing_x_mm": _number(spacing_x),
        "spacing_y_mm": _number(spacing_y),
        "pixel_aspect": _number(geometry.pixel_aspect),
        "view": str(labels.view),
        "side": str(labels.side or ""),
        "artefact": str(artefact.finding),
        "artefact_source": _text(artefact.source),
        "artefact_probability": _number(artefact.probability),
        "artefact_threshold": _number(artefact.threshold),
    }
    for point in labels.keypoints:
        x, y = point.position or (None, None)
        placement = labels.placements.get(point.name, Placement())
        when = placement.when
        values = (
            str(point.finding), _number(x), _number(y), _number(point.confidence),
            _number(point.spread), _text(point.placed_by),
            "" if when is None else when.isoformat(), _text(placement.note),
        )  # fmt: skip
        cells |= {f"{point.name}_{part}": v for part, v in zip(_PARTS, values, strict=True)}
    for name in ("rectangles", "flags", "extra"):
        cells[name] = json.dumps(plain[name], allow_nan=False) if plain[name] else ""
    return cells


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _text(value: str) -> str:
    return f"'{value}" if _MISREAD.match(value) else value


def read_csv(
    path: Path | str, person: str = "unnamed", on_problem: OnProblem | None = None
) -> list[ImageLabels]:
    """Read a table, as it was written or as a spreadsheet program saved it.

    Cells are separated by commas, semicolons or tabs; where not by commas, decimals may have one.

    Parameters
    ----------
    path
        The CSV file.
    person
        Who placed the points and saw foreign objects where the table has no column that tells.
    on_problem
        Called with one sentence for each row that cannot be used, and the others are read. By
        default the first such row is an error.

    Raises
    ------
    LabelError
        If the file is no such table; one sentence that names it.
    """
    return [labels for labels, _ in csv_labels(Path(path), person, on_problem)]


def csv_labels(
    path: Path, person: str = "unnamed", on_problem: OnProblem | None = None
) -> Iterator[tuple[ImageLabels, Row]]:
    """The labels of a table, each with its cells; see `read_csv`."""
    for line, cells in _rows(path):
        try:
            with naming(path), _in_line(line):
                labels = _labels(cells, person)
        except LabelError as error:
            if on_problem is None:
                raise
            on_problem(str(error))
        else:
            yield labels, cells


@contextmanager
def _in_line(line: int) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from error
    except OTHER_FORM as error:
        raise ValueError(f"line {line}: {error!r}; export the table again") from error


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows that hold anything, with their lines; cells without the apostrophe before them."""
    with while_reading(path):
        content = path.read_bytes()
    with naming(path):
        try:
            table = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError("it is not text in UTF-8; save it as CSV in UTF-8") from error
        header = table.split("\n", 1)[0]
        separator = max(",;\t", key=header.count)
        csv.field_size_limit(_LONGEST_CELL)
        reader = csv.reader(io.StringIO(table, newline=""), delimiter=separator)
        try:
            names = [name.strip() for name in next(reader, [])]
            if not {"image", "width_px", "height_px"} <= set(names):
                raise ValueError(
                    "its first line lacks image, width_px or height_px, so it is no table of labels"
                )
            if len(set(names)) != len(names):
                raise ValueError("its first line names a column twice; delete one")
            for values in reader:
                if not any(values):
                    continue
                if len(values) > len(names):
                    raise ValueError(f"line {reader.line_num} has more cells than the first line")
                cells = {n: _plain(v, separator) for n, v in zip(names, values, strict=False)}
                yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}; export the table again") from error


def _plain(value: str, separator: str) -> str:
    if value.startswith("'"):
        return value[1:]
    if separator != "," and re.fullmatch(r"-?\d+,\d+([eE][+-]?\d+)?", value):
        return value.replace(",", ".")
    return value


def _labels(cells: Row, person: str) -> ImageLabels:
    if cells.get("format", str(FORMAT)) != str(FORMAT):
        raise ValueError(
            f"its form is {cells['format']} and this version reads {FORMAT}; update WristQC"
        )
    view = _view(cells)
    x, y = _optional(cells, "spacing_x_mm"), _optional(cells, "spacing_y_mm")
    if (x is None) != (y is None):
        raise ValueError("spacing_x_mm and spacing_y_mm must be given both or not at all")
    image = image_of(
        {
            "pixel_spacing_mm": None if x is None else [y, x],
            "pixel_aspect": _optional(cells, "pixel_aspect"),
            "sop_instance_uid": cells.get("sop_instance_uid"),
            "pixels_sha256": cells.get("pixels_sha256"),
        },
        cells["image"],
        _whole(cells, "width_px"),
        _whole(cells, "height_px"),
    )
    points, placements = [], {}
    for name in KEYPOINT_NAMES[view]:
        point, placement = _keypoint(cells, name, f"person:{person}")
        points.append(point)
        if placement != Placement():
            placements[name] = placement
    extra = _json(cells, "extra") or {}
    if not isinstance(extra, dict):
        raise ValueError(f"extra must be a JSON object, got {extra!r}")
    return ImageLabels(
        image,
        Keypoints(view, tuple(points)),
        _artefact(cells, person),
        side_of(dict(cells)),
        rectangles_of(_json(cells, "rectangles") or []),
        placements,
        flags_of(_json(cells, "flags") or {}),
        extra,
    )


def _view(cells: Row) -> View:
    """The view that the row tells, else that of the keypoints that have a position."""
    stray = {v: [n for n in KEYPOINT_NAMES[v] if cells.get(f"{n}_x_px")] for v in View}
    told = view_of({"view": cells.get("view") or None})
    views = [told] if told else [view for view in View if stray[view]]
    if len(views) != 1:
        raise ValueError("it does not say whether the image is frontal or lateral; fill in view")
    if others := [name for view in View if view is not views[0] for name in stray[view]]:
        raise ValueError(
            f"the view is {views[0]} but {', '.join(others)} are of the other view;"
            " correct the view or empty these cells"
        )
    return views[0]


def _keypoint(cells: Row, name: str, placed_by: str) -> tuple[Keypoint, Placement]:
    x, y = _optional(cells, f"{name}_x_px"), _optional(cells, f"{name}_y_px")
    if (x is None) != (y is None):
        raise ValueError(f"'{name}' has one coordinate; give both or none")
    position = None if x is None or y is None else (x, y)
    finding = _finding(cells, f"{name}_finding")
    if finding is None:
        finding = Finding.NOT_ASSESSABLE if position is None else Finding.FOUND
    if finding is Finding.NOT_ASSESSABLE:
        placed_by = ""
    when = cells.get(f"{name}_placed_at") or None
    return Keypoint(
        name,
        finding,
        position,
        _optional(cells, f"{name}_confidence"),
        _optional(cells, f"{name}_spread_px"),
        cells.get(f"{name}_placed_by", placed_by),
    ), Placement(
        None if when is None else datetime.fromisoformat(when), cells.get(f"{name}_note", "")
    )


def _artefact(cells: Row, person: str) -> ArtefactFinding:
    finding = _finding(cells, "artefact")
    if finding is None:
        return ArtefactFinding.not_assessed("The table does not tell it.")
    return ArtefactFinding(
        finding,
        cells.get("artefact_source", f"person:{person}"),
        _optional(cells, "artefact_probability"),
        _optional(cells, "artefact_threshold"),
    )


def _finding(cells: Row, name: str) -> Finding | None:
    told = cells.get(name) or None
    try:
        return None if told is None else Finding(told)
    except ValueError:
        wanted = ", ".join(Finding)
        raise ValueError(f"{name} must be one of {wanted}, got {told!r}") from None


def _optional(cells: Row, name: str) -> float | None:
    value = cells.get(name) or ""
    if not value:
        return None
    try:
        return number(float(value), name)
    except ValueError:
        raise ValueError(f"{name} must be a finite number, got {value!r}") from None


def _whole(cells: Row, name: str) -> int:
    try:
        return int(cells[name])
    except ValueError:
        raise ValueError(f"{name} must be a positive whole number, got {cells[name]!r}") from None


def _json(cells: Row, name: str) -> Any:
    value = cells.get(name) or ""
    if not value:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON ({error}); empty the cell") from error
