"""Whole assessments against labels: ``python -m training.agreement --dicom DIR --out DIR``.

Each DICOM file is assessed as a user would, and scored once more from its label: the labelled
keypoints, marker, view and foreign object instead of the recognised ones. Writes
``agreement.md`` (accuracies with the paper's beside, confusion matrices) and ``agreement.csv``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from training.labels import LabelledImage, read_label
from training.tables import confusion
from WristQCLib import paper
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, Score, score
from WristQCLib.assessor import Assessor
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoints
from WristQCLib.measurements import measure
from WristQCLib.radiograph import RadiographError, read_radiograph
from WristQCLib.side_marker import SideMarker


@dataclass(frozen=True)
class Comparison:
    """One image, assessed and labelled.

    Attributes
    ----------
    inferred_view
        What the view model says of the image, whatever DICOM tells.
    expected
        Score from the label.
    """

    assessment: Assessment
    view: View
    inferred_view: View
    marker: Side | None
    artefact: bool
    expected: Score


def compare(assessor: Assessor, dicom_path: Path, label: LabelledImage) -> Comparison:
    """Assess a DICOM file and score its label.

    Raises
    ------
    RadiographError
        If the file cannot be read.
    ValueError
        If the label tells no view.
    """
    if label.view is None:
        raise ValueError(f"'{label.label_path}' is neither frontal nor lateral.")
    radiograph = read_radiograph(dicom_path)
    assessment = assessor.assess(radiograph)
    positions = {name: label.points.get(name) for name in KEYPOINT_NAMES[label.view]}
    keypoints = Keypoints.from_positions(label.view, positions, "label")
    marker = label.marker
    expected = score(
        assessment.protocol,
        view=label.view,
        side=radiograph.side.value or marker,
        basic_information=assessment.basic_information,
        side_marker=SideMarker(
            Finding.FOUND if marker else Finding.NOT_FOUND, marker, None, None, None, "label"
        ),
        artefact=ArtefactFinding.stated(label.artefact, "label"),
        measurements=measure(keypoints, assessment.geometry),
    )
    inferred, _ = assessor.models.view(radiograph.display())
    return Comparison(assessment, label.view, inferred, marker, label.artefact, expected)


def labelled_files(dicom: Path, labels: Path) -> Iterator[tuple[Path, LabelledImage]]:
    """DICOM files under a folder with the label of the same name under another."""
    by_name = {path.stem: path for path in labels.rglob("*.json")}
    for path in sorted(dicom.rglob("*.dcm")):
        if path.stem in by_name:
            yield path, read_label(by_name[path.stem])


# Figures ------------------------------------------------------------------------------------


def share(hits: Iterable[bool]) -> str:
    """``0.93 (14/15)``."""
    values = list(hits)
    return f"{sum(values) / len(values):.3f} ({sum(values)}/{len(values)})" if values else "-"


def report(comparisons: Sequence[Comparison]) -> str:
    """The figures as Markdown."""
    lines = ["# Assessments against labels", "", "| figure | here | paper |", "|---|---|---|"]
    lines.append(f"| view inferred | {share(c.inferred_view is c.view for c in comparisons)} | - |")
    with_marker = [c for c in comparisons if c.marker]
    without = [c for c in comparisons if not c.marker]
    read = share(c.assessment.side_marker.side is c.marker for c in with_marker)
    lines.append(f"| accurate marker read | {read} | - |")
    none = share(c.assessment.side_marker.side is None for c in without)
    lines.append(f"| no marker, none read | {none} | - |")
    for view in View:
        chosen = [c for c in comparisons if c.view is view]
        if not chosen:
            continue
        artefact = share(
            (c.assessment.artefact.finding is Finding.FOUND) == c.artefact for c in chosen
        )
        lines.append(f"| {view}: foreign object | {artefact} | - |")
        for task in chosen[0].expected.tasks:
            if not task.id.startswith(view):
                continue
            pairs = [c for c in chosen if c.assessment.view.value is view]
            agree = share(
                c.assessment.score.task(task.id).grade == c.expected.task(task.id).grade
                for c in pairs
                if c.expected.task(task.id).assessable
            )
            lines.append(f"| {task.id}: task grade | {agree} | {paper.TASK_ACCURACY[task.id]} |")
        grade = share(c.assessment.score.grade == c.expected.grade for c in chosen)
        lines.append(f"| {view}: overall grade | {grade} | {paper.GRADE_ACCURACY[view]} |")
        difference = [abs(c.assessment.score.total - c.expected.total) for c in chosen]
        mean = sum(difference) / len(difference)
        lines.append(f"| {view}: mean absolute difference of totals | {mean:.2f} | - |")
        if len(chosen) > 1:
            lines.append(f"| {view}: largest difference of totals | {max(difference)} | - |")
    for view in View:
        chosen = [c for c in comparisons if c.view is view]
        if chosen:
            lines += ["", f"## {view.capitalize()}: grade by label (rows) and by WristQC", ""]
            grades = list(chosen[0].assessment.protocol.grades)
            lines += confusion(
                grades, ((c.expected.grade, c.assessment.score.grade) for c in chosen)
            )
    return "\n".join(lines) + "\n"


def table(comparisons: Sequence[Comparison]) -> list[dict[str, object]]:
    """One row per image."""
    rows: list[dict[str, object]] = []
    for c in comparisons:
        row: dict[str, object] = {
            "image": c.assessment.name,
            "view": c.view,
            "view_inferred": c.inferred_view,
            "marker": c.marker or "",
            "marker_read": c.assessment.side_marker.side or "",
            "artefact": c.artefact,
            "artefact_probability": c.assessment.artefact.probability,
            "total": c.assessment.score.total,
            "total_by_label": c.expected.total,
            "grade": c.assessment.score.grade,
            "grade_by_label": c.expected.grade,
        }
        rows.append(row)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dicom", type=Path, required=True, help="folder of DICOM files")
    parser.add_argument("--labels", type=Path, help="folder of Labelme files, by default --dicom")
    parser.add_argument("--models", type=Path, help="folder of bundles, by default the bundled")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    from WristQCLib.model_set import BUNDLED_MODELS, ModelSet

    assessor = Assessor.create(ModelSet(options.models or BUNDLED_MODELS))
    comparisons = []
    files = list(labelled_files(options.dicom, options.labels or options.dicom))
    for path, label in track(files, "assessing"):
        try:
            comparisons.append(compare(assessor, path, label))
        except (RadiographError, ValueError) as error:
            print(error, file=sys.stderr)
    if not comparisons:
        sys.exit(f"No DICOM file under '{options.dicom}' has a label of the same name.")
    options.out.mkdir(parents=True, exist_ok=True)
    text = report(comparisons)
    (options.out / "agreement.md").write_text(text, encoding="utf-8")
    rows = table(comparisons)
    with (options.out / "agreement.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(text)


if __name__ == "__main__":
    main()
