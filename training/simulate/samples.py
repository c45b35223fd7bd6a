"""The sample studies that come with WristQC, as DICOM with labels: both views of three wrists.

Each sample states what it is to show; the wrist is looked for among the first seeds, and its
positioning is worked out from its keypoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom.uid import JPEG2000Lossless, RLELossless

from training.simulate.dicom_writer import DicomStyle, write_dicom
from training.simulate.exposure import Contents, expose
from training.simulate.labelme import write_labels
from training.simulate.lead_markers import MarkerStyle
from training.simulate.positioning import Positioning, wrist_point
from training.simulate.presentation import Look
from training.simulate.projection import Projection, project_wrist
from WristQCLib.findings import Side, View

SPACING = 0.2
_SEARCH_SPACING = 0.8
_SEARCH_LIMIT = 400

_LOOK = Look("balanced", (1.2, 1.3, 1.2, 1.0, 0.9), 0.7, 1.05, 0.4, 1.0, 0.06)

_PLAIN = Contents(objects=(), cast=False, implant=False, look=_LOOK, annotations=False)


@dataclass(frozen=True)
class Sample:
    """One image.

    Attributes
    ----------
    name
        Stem of its files.
    study, view, side
        Which study it belongs to, its view, and the side that is shown.
    suits
        Whether a wrist, projected upright, can show it.
    turn_deg
        Rotation, clockwise, added to the one that squares the wrist with the image.
    field_mm
        Width and height of the field.
    shift_mm
        Where the wrist lies from the field's centre.
    contents, style
        What is in the beam, and how it is stored.
    marker
        ``"accurate"``, ``"mirrored"`` or ``"none"``.
    """

    name: str
    study: int
    view: View
    side: Side
    suits: Callable[[Projection], bool]
    turn_deg: float
    field_mm: tuple[float, float]
    shift_mm: tuple[float, float]
    contents: Contents = _PLAIN
    style: DicomStyle = field(default_factory=lambda: DicomStyle(transfer_syntax=JPEG2000Lossless))
    marker: str = "accurate"


def make_samples(out: Path) -> list[Path]:
    """Write all samples; returns the DICOM files."""
    paths = []
    for number, sample in enumerate(SAMPLES):
        seed = _find(sample)
        projection = project_wrist(np.random.default_rng(seed), sample.view, spacing=SPACING)
        radiograph = expose(
            projection,
            np.random.default_rng([seed, number]),
            positioning=_positioning(projection, sample),
            contents=replace(sample.contents, marker=_marker(sample, projection.side)),
        )
        path = out / f"{sample.name}.dcm"
        write_dicom(path, radiograph, 1000 + number, replace(sample.style, study=sample.study))
        write_labels(radiograph, path, seed)
        paths.append(path)
    return paths


def _find(sample: Sample) -> int:
    for seed in range(_SEARCH_LIMIT):
        rng = np.random.default_rng(seed)
        projection = project_wrist(rng, sample.view, spacing=_SEARCH_SPACING)
        if projection.factors.get("fracture") or projection.factors.get("age_group") != "adult":
            continue
        if projection.side is sample.side and sample.suits(projection):
            return seed
    raise RuntimeError(f"None of {_SEARCH_LIMIT} wrists suits the sample '{sample.name}'.")


def _squaring_turn(projection: Projection) -> float:
    """Clockwise rotation that makes the styloid line level, or the lateral wrist's axis upright."""
    points = projection.keypoints
    if projection.view is View.FRONTAL:
        a, b = sorted((points["radial_styloid"], points["ulnar_styloid"]))
        return -math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
    x, y = np.subtract(_proximal_middle(projection), points["scaphoid_centre"])
    return math.degrees(math.atan2(x, y))


def _proximal_middle(projection: Projection) -> tuple[float, float]:
    """Midway between the shafts about 6 cm from the scaphoid."""
    level = projection.keypoints["scaphoid_centre"][1] + 60 / projection.spacing
    columns = [np.interp(level, line[:, 1], line[:, 0]) for line in projection.midlines.values()]
    return float(np.mean(columns)), level


def _positioning(projection: Projection, sample: Sample) -> Positioning:
    return Positioning(
        rotation_deg=_squaring_turn(projection) + sample.turn_deg,
        field_mm=sample.field_mm,
        field_rotation_deg=0.0,
        wrist_mm=sample.shift_mm,
        margins_mm=(0.0, 0.0, 0.0, 0.0),
        spacing=projection.spacing,
    )


def _marker(sample: Sample, side: Side) -> MarkerStyle | str:
    if sample.marker == "none":
        return "none"
    return MarkerStyle(
        letter=side,
        font="DejaVuSans-Bold.ttf",
        height_mm=11,
        rotation_deg=2.0,
        mirrored=sample.marker == "mirrored",
        plate="plastic",
        extras=(),
    )


def _offset_mm(projection: Projection, name: str) -> tuple[float, float]:
    """Position of a keypoint from the wrist, once squared with the image."""
    angle = math.radians(_squaring_turn(projection))
    x, y = np.subtract(projection.keypoints[name], wrist_point(projection)) * projection.spacing
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _thumb_near(projection: Projection) -> bool:
    """Thumb joint within the small field that the protocol asks for."""
    x, y = _offset_mm(projection, "thumb_mcp_joint")
    return abs(x) < 62 and y > -51 and _is_neutral(projection)


def _is_neutral(projection: Projection) -> bool:
    """Neither turned nor bent by more than a few degrees."""
    names = ("pronation_deg", "flexion_deg", "deviation_deg")
    return all(abs(float(projection.factors[name])) < 12 for name in names)


def _overlapping(projection: Projection) -> bool:
    """A true lateral: radius and ulna over one another."""
    return _angle_at_scaphoid(projection) < 25 and _is_neutral(projection)


def _rotated(projection: Projection) -> bool:
    """An oblique lateral: radius and ulna side by side."""
    return _angle_at_scaphoid(projection) > 26


def _angle_at_scaphoid(projection: Projection) -> float:
    points = projection.keypoints
    vertex = points["scaphoid_centre"]
    a, b = (np.subtract(points[f"distal_{bone}_centre"], vertex) for bone in ("radius", "ulna"))
    cosine = float(a @ b) / max(float(np.hypot(*a) * np.hypot(*b)), 1e-9)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "frontal_good", 1, View.FRONTAL, Side.RIGHT, _thumb_near, 0.0, (132, 104), (0.0, 4.0)
    ),
    Sample(
        "frontal_bad", 2, View.FRONTAL, Side.LEFT, _is_neutral, 17.0, (120, 190), (24.0, 34.0),
        replace(_PLAIN, objects=("bangle",)),
        DicomStyle(
            transfer_syntax=JPEG2000Lossless,
            absent=("PatientAge", "InstitutionName", "ExposureTime", "SoftwareVersions"),
        ),
        "mirrored",
    ),
    Sample(
        "lateral_good", 1, View.LATERAL, Side.RIGHT, _overlapping, 0.0, (110, 160), (1.0, -2.0)
    ),
    Sample(
        "lateral_bad", 2, View.LATERAL, Side.LEFT, _rotated, -13.0, (140, 200), (20.0, 30.0),
        replace(_PLAIN, objects=("watch",)),
        DicomStyle(
            transfer_syntax=JPEG2000Lossless,
            absent=("AccessionNumber", "KVP", "EstimatedRadiographicMagnificationFactor"),
            calibrated=True,
        ),
        "none",
    ),
    Sample(
        "frontal_monochrome1", 3, View.FRONTAL, Side.LEFT, _is_neutral, 6.0, (130, 150),
        (-6.0, 8.0),
        style=DicomStyle("MONOCHROME1", JPEG2000Lossless),
    ),
    Sample(
        "lateral_no_spacing", 3, View.LATERAL, Side.LEFT, _overlapping, 5.0, (100, 150),
        (-8.0, 6.0),
        style=DicomStyle(
            transfer_syntax=RLELossless, absent=("ImagerPixelSpacing", "PixelSpacing")
        ),
    ),
)  # fmt: skip
