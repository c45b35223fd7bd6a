"""One other hospital: its habits are seen in its images, its labels are as exact as a corpus's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the simulator needs the extra 'training'")

from simulated import NOTHING, PLAIN_LOOK, positioned, simulated, straight_wrist

from training.labels import read_label
from training.simulate import hospital, lead_markers
from training.simulate.corpus import make_corpus
from training.simulate.exposure import Contents, expose
from training.simulate.lead_markers import MarkerStyle, letter_mask
from training.simulate.positioning import place
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES


def ring(letter: Side = Side.LEFT, *extras: str) -> MarkerStyle:
    return MarkerStyle(letter, "DejaVuSans-Bold.ttf", 11.0, 0.0, False, "ring", extras, hollow=True)


def test_a_hollow_letter_is_its_rim_alone() -> None:
    rng = np.random.default_rng(0)
    full = letter_mask(MarkerStyle(Side.LEFT, "DejaVuSans-Bold.ttf", 11, 0, False, "none", ()), rng)
    rng = np.random.default_rng(0)
    hollow = letter_mask(
        MarkerStyle(Side.LEFT, "DejaVuSans-Bold.ttf", 11, 0, False, "none", (), hollow=True), rng
    )
    assert hollow.shape == full.shape
    assert 0.2 < hollow.sum() / full.sum() < 0.9
    assert (hollow <= full).all()


def test_a_ring_lies_around_its_letter_and_is_no_part_of_the_labelled_box() -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned(field_mm=(160.0, 160.0)))
    laid = lead_markers.lay_marker(placed, ring(), np.random.default_rng(1))
    assert laid is not None
    canvas, marker = laid
    rows, cols = np.nonzero(canvas.mu_t > 1)
    x0, y0, x1, y1 = marker.rectangle
    # 11 mm high, 0.5 mm pixels.
    assert y1 - y0 == pytest.approx(22, abs=1.5)
    assert rows.min() < y0 - 2 and rows.max() > y1 + 2
    assert cols.min() < x0 - 4 and cols.max() > x1 + 4


def test_extra_text_is_written_as_it_is_below_the_ring() -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned(field_mm=(160.0, 160.0)))
    inks = []
    for extras in ((), ("LINKS",)):
        laid = lead_markers.lay_marker(placed, ring(Side.LEFT, *extras), np.random.default_rng(1))
        assert laid is not None
        inks.append(laid[0].mu_t)
    rows = np.nonzero((inks[1] - inks[0] > 1).any(axis=1))[0]
    assert rows.min() >= np.nonzero((inks[0] > 1).any(axis=1))[0].max()


def test_a_support_is_in_the_beam_and_no_foreign_object() -> None:
    def bar(placed: object, rng: np.random.Generator) -> np.ndarray:
        mu_t = np.zeros(placed.shape, np.float32)  # type: ignore[attr-defined]
        mu_t[20:40] = 2.0
        return mu_t

    contents = Contents((), False, False, "none", PLAIN_LOOK, False, equipment=bar)
    with_bar, without = simulated(contents=contents), simulated(contents=NOTHING)
    assert not with_bar.artefact and with_bar.objects == ()
    brighter = with_bar.pixels.astype(int) - without.pixels
    assert brighter[25:35].mean() > 400 and abs(brighter[100:].mean()) < 100


def test_what_is_outside_of_the_field_can_be_asked_for() -> None:
    contents = Contents((), False, False, "none", PLAIN_LOOK, False, shutter="white")
    image = expose(
        straight_wrist(View.FRONTAL),
        np.random.default_rng(5),
        positioning=positioned(margin_mm=12.0),
        contents=contents,
    )
    assert image.pixels[:6].min() == 4095 and image.factors["shutter"] == "white"


def test_the_board_has_holes_on_a_grid_and_a_scale_of_lead() -> None:
    placed = place(straight_wrist(View.LATERAL), positioned(field_mm=(160.0, 200.0)))
    board = hospital.lay_board(placed, np.random.default_rng(2))
    assert board.shape == placed.shape
    plate = 8.0 * hospital.ACRYLIC_MU
    right = board[: int(0.7 * board.shape[0]), int(0.7 * board.shape[1]) :]  # no wedge, no scale
    assert right.min() == pytest.approx(0, abs=1e-6) and right.max() == pytest.approx(plate)
    # Holes of 9 mm every 25 mm.
    assert (right < plate / 2).mean() == pytest.approx(np.pi * 4.5**2 / 25**2, abs=0.04)
    assert (board > 2).any(axis=1).nonzero()[0].min() > 0.7 * board.shape[0]


@pytest.mark.parametrize("view", list(View))
def test_an_image_of_the_hospital_shows_its_habits(view: View) -> None:
    image = hospital.radiograph_of(view, np.random.default_rng(11))
    rows, cols = image.pixels.shape
    assert image.spacing == hospital.SPACING_MM
    assert (image.pixels[-3:, :40] == 4095).all()  # shutter
    assert image.pixels[:14, :120].min() < 1000  # black text on it
    assert -50 < float(image.factors["rotation_deg"]) < 0
    assert float(image.factors["flexion_deg"]) > 4
    wrist = image.keypoints["radial_styloid" if view is View.FRONTAL else "scaphoid_centre"]
    assert wrist[0] < 0.6 * cols and wrist[1] < 0.6 * rows
    assert set(image.keypoints) <= set(KEYPOINT_NAMES[view])


def test_a_hospital_is_made_again_as_it_was_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    counts = {View.FRONTAL: 1, View.LATERAL: 1}
    groups = hospital.hospital_plan(tmp_path, counts, seed=3)
    assert sum(make_corpus(groups, 1, hospital.make_hospital_group)) == 2
    labels = sorted(tmp_path.glob("*.json"))
    assert [read_label(path).view for path in labels] == [View.FRONTAL, View.LATERAL]
    assert json.loads(labels[0].read_text())["wristqc"]["factors"]["look"] == "other hospital"
    image = labels[0].with_suffix(".png")
    before = image.read_bytes()
    labels[0].unlink()
    list(make_corpus(groups, 1, hospital.make_hospital_group))
    assert image.read_bytes() == before and labels[0].is_file()
