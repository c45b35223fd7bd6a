"""The sample studies are small, readable, and as good or bad as their names say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from WristQCLib.assessment import Assessment, Section
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoints
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import read_radiograph
from WristQCLib.resources import RESOURCES

SAMPLES = sorted((RESOURCES / "SampleData").glob("*.dcm"))


def truth(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def true_keypoints(path: Path) -> Keypoints:
    document = truth(path)
    view = View.FRONTAL if document["flags"]["frontal"] else View.LATERAL
    points = {s["label"]: s["points"][0] for s in document["shapes"] if s["shape_type"] == "point"}
    return Keypoints.from_positions(view, {n: points.get(n) for n in KEYPOINT_NAMES[view]})


@pytest.fixture(scope="module")
def assessments() -> dict[str, Assessment]:
    """Assessments from the true keypoints, without models."""
    assessor = Assessor(NoModels(), load_protocol())
    return {
        path.stem: reassess(assessor.assess(read_radiograph(path)), keypoints=true_keypoints(path))
        for path in SAMPLES
    }


def test_there_are_six_and_they_are_small() -> None:
    assert [path.stem for path in SAMPLES] == [
        "frontal_bad", "frontal_good", "frontal_monochrome1",
        "lateral_bad", "lateral_good", "lateral_no_spacing",
    ]  # fmt: skip
    sizes = [path.stat().st_size for path in SAMPLES]
    assert max(sizes) < 1_000_000
    assert sum(sizes) < 4_000_000


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_view_side_and_spacing_are_those_of_the_truth(path: Path) -> None:
    radiograph, document = read_radiograph(path), truth(path)
    assert document["flags"][str(radiograph.view.value)]
    assert radiograph.side.value == Side(document["wristqc"]["side"])
    if path.stem == "lateral_no_spacing":
        assert radiograph.spacing.value is None
    else:
        expected = document["wristqc"]["pixel_spacing_mm"]
        assert radiograph.spacing.value == pytest.approx(expected, rel=1e-3)
    assert radiograph.pixels.shape == (document["imageHeight"], document["imageWidth"])


@pytest.mark.parametrize("name", ["frontal_good", "lateral_good"])
def test_good_ones_earn_all_points_for_layout_and_basic_information(
    assessments: dict[str, Assessment], name: str
) -> None:
    assert assessments[name].score.section_points(Section.LAYOUT) == (36, 36)
    assert assessments[name].score.section_points(Section.BASIC_INFORMATION) == (34, 34)


@pytest.mark.parametrize(
    ("name", "layout_at_most", "basic_information"),
    [("frontal_bad", 6, 26), ("lateral_bad", 12, 28)],  # four and three items are missing
)
def test_bad_ones_lose_points_for_layout_and_basic_information(
    assessments: dict[str, Assessment], name: str, layout_at_most: int, basic_information: int
) -> None:
    score = assessments[name].score
    assert score.section_points(Section.LAYOUT)[0] <= layout_at_most
    assert score.section_points(Section.BASIC_INFORMATION)[0] == basic_information


def test_monochrome1_is_shown_with_bright_bones(assessments: dict[str, Assessment]) -> None:
    path = next(p for p in SAMPLES if p.stem == "frontal_monochrome1")
    image = read_radiograph(path).display()
    x, y = (round(v) for v in assessments[path.stem].keypoints["radial_styloid"].position)  # type: ignore[union-attr, misc]
    radius = image[y + 150 : y + 170, x - 60 : x - 40]
    assert radius.mean() > image[-60:-20, -60:-20].mean() + 0.2
