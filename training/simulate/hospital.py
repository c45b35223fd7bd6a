"""One other hospital: images of a kind that no model was trained on, with exact labels.

What `training.simulate.corpus` draws over the range of practice is drawn here around one
department's habits, most of them at the ends of that range or beyond it:

* forearms lie obliquely in wide fields, the wrist near the upper left corner, the elbow now and
  then within the field, and the field is turned against the image;
* the hand rests on a wedge of foam, so that wrists are flexed, and frontals are a little turned;
* the limb lies on a positioning board with holes and a lead scale. It belongs to the department, as
  a side marker does, and is no foreign object;
* side markers are hollow letters in a ring of lead, above the side in words and the room's name;
* an old imaging plate: grainy, unsharp, with bands along its lines;
* processing that raises all bands alike and leaves the open field grey; a white shutter, and black
  text in its corner.

The shipped models err two to four times as much here as on a benchmark of `corpus`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.simulate.canvas import Canvas, ellipse, strip, text_mask
from training.simulate.corpus import Group, plan
from training.simulate.detector import Detector
from training.simulate.exposure import Contents, SimulatedRadiograph, expose
from training.simulate.labelme import write_labelled_png
from training.simulate.lead_markers import MarkerStyle
from training.simulate.pose import Pose, draw_pose
from training.simulate.positioning import Placed, Positioning, with_essential_keypoints
from training.simulate.presentation import Look
from training.simulate.projection import Projection, project_wrist
from WristQCLib.findings import Side, View

Array = NDArray[np.float32]

SPACING_MM = 0.45
"""Of the images: about 450 x 500 pixels show a field of 20 cm."""

MARKER_SHARE = 0.92
SIDE_IN_WORDS = {Side.LEFT: "LINKS", Side.RIGHT: "RECHTS"}
ROOM = "R3"

ACRYLIC_MU = 0.026
"""Attenuation of the board's plastic, per mm at the beam that `projection` assumes."""
LEAD_MU_T = 3.0


def radiograph_of(view: View, rng: np.random.Generator) -> SimulatedRadiograph:
    """One image of the hospital, of another person each time."""
    projection = project_wrist(rng, view, spacing=SPACING_MM, pose=_pose(rng, view))
    contents = Contents(
        marker=_marker(rng, projection.side),
        look=_look(rng),
        detector=_detector(rng),
        annotations=False,
        shutter="white",
        equipment=lay_board,
    )
    radiograph = expose(
        projection, rng, positioning=_positioning(projection, rng), contents=contents
    )
    return _with_text(radiograph, rng)


def hospital_plan(out: Path, counts: dict[View, int], *, seed: int) -> list[Group]:
    """What is to be made: every image another person's, all in one folder, views interleaved."""
    return plan(out, counts, seed=seed, val_fraction=None, spacing=SPACING_MM, exposures=1)


def make_hospital_group(group: Group) -> None:
    """Write what is missing of a group as PNG files with labels; see `corpus.make_corpus`."""
    for k, stem in enumerate(group.stems()):
        if stem.with_suffix(".json").exists():
            continue
        group.folder.mkdir(parents=True, exist_ok=True)
        radiograph = radiograph_of(group.view, group.generator(k + 1))
        write_labelled_png(radiograph, stem, group.image_seed(k))


def _pose(rng: np.random.Generator, view: View) -> Pose:
    """A hand on the wedge."""
    pose = draw_pose(rng, view)
    return replace(
        pose,
        turn=pose.turn + (6.0 if view is View.FRONTAL else 0.0),
        lean=float(rng.normal(4.0, 2.0)),
        flexion=float(np.clip(rng.normal(18.0, 5.0), 5.0, 35.0)),
        deviation=float(rng.normal(-5.0, 6.0)),
    )


def _positioning(projection: Projection, rng: np.random.Generator) -> Positioning:
    """A forearm laid obliquely in a nearly square field, the wrist near its upper left corner."""
    side = rng.uniform(165, 230)
    field = float(side), float(side * rng.uniform(1.0, 1.2))
    turn = float(rng.normal(7.0, 1.5))
    return with_essential_keypoints(
        projection,
        Positioning(
            rotation_deg=float(rng.normal(-22.0, 6.0)),
            field_mm=field,
            field_rotation_deg=turn,
            wrist_mm=(
                float(rng.uniform(50, 85) - field[0] / 2),
                float(rng.uniform(50, 95) - field[1] / 2),
            ),
            margins_mm=tuple(float(m) for m in rng.uniform(3.0, 9.0, 4)),  # type: ignore[arg-type]
            spacing=SPACING_MM,
        ),
        cut=False,
        rng=rng,
    )


def _look(rng: np.random.Generator) -> Look:
    """The console's processing; exposures differ a little, settings do not."""
    return Look(
        name="other hospital",
        gains=(1.4, 1.7, 2.0, 2.2, 1.9),
        base=0.35,
        contrast=float(1.15 * np.exp(rng.normal(0, 0.06))),
        brightness=float(np.clip(rng.normal(0.46, 0.03), 0.35, 0.6)),
        gamma=1.0,
        black=0.12,
    )


def _detector(rng: np.random.Generator) -> Detector:
    """An old imaging plate."""
    return Detector(
        photons=float(np.exp(rng.uniform(np.log(8e3), np.log(3e4)))),
        scatter_fraction=float(rng.uniform(0.18, 0.24)),
        scatter_mm=25.0,
        blur_mm=0.35,
        heel=(0.12, float(rng.normal(0, 0.04))),
        leakage=0.02,
        banding=float(rng.uniform(0.008, 0.014)),
    )


def _marker(rng: np.random.Generator, side: Side) -> MarkerStyle | str:
    if rng.random() > MARKER_SHARE:
        return "none"
    return MarkerStyle(
        letter=side,
        font="DejaVuSans-Bold.ttf",
        height_mm=11.0,
        rotation_deg=float(rng.normal(-20.0, 12.0)),
        mirrored=bool(rng.random() < 0.04),
        plate="ring",
        extras=(SIDE_IN_WORDS[side], ROOM),
        hollow=True,
    )


def lay_board(placed: Placed, rng: np.random.Generator) -> Array:
    """Line integrals of the board under the limb: plate, holes, lead scale, wedge under the hand.

    It lies as the image does, not as the field, and a few millimetres elsewhere each time.
    """
    canvas = Canvas(placed.shape, placed.spacing)
    unit = 1.0 / placed.spacing  # pixels of a millimetre
    rows, cols = placed.shape
    shift = rng.normal(0.0, 4.0, 2) * unit
    holes = [
        ellipse((float(x), float(y)), 4.5 * unit, 4.5 * unit, n=28)
        for x in np.arange(12.5 * unit, cols, 25 * unit) + shift[0]
        for y in np.arange(12.5 * unit, rows, 25 * unit) + shift[1]
    ]
    whole = np.array([[-9.0, -9.0], [cols + 9, -9], [cols + 9, rows + 9], [-9, rows + 9]])
    canvas.fill([whole], 8.0 * ACRYLIC_MU, holes=holes)
    _lay_scale(canvas, np.array([shift[0], rows - 30 * unit + shift[1]]))
    mu_t = canvas.mu_t
    # Foam that rises towards the fingers, from the wrist's level on.
    x = np.arange(cols, dtype=np.float32) - np.float32(placed.wrist[0] - 6 * unit)
    mu_t += np.clip(-x / np.float32(60 * unit), 0, 1)[None, :] * np.float32(0.2)
    return mu_t


def _lay_scale(canvas: Canvas, origin: NDArray[np.float64]) -> None:
    """A lead scale along the image's lower border: every centimetre, numbers every five."""
    unit = 1.0 / canvas.spacing
    for number in range(0, int(canvas.mu_t.shape[1] * canvas.spacing / 10) + 2):
        at = np.add(origin, (10 * number * unit, 0.0))
        high = 7.0 if number % 5 == 0 else 4.0
        canvas.fill([strip(at, at - (0.0, high * unit), 0.4 * unit)], LEAD_MU_T)
        if number % 5 == 0:
            mask = text_mask(str(number), "DejaVuSansMono.ttf")
            canvas.stamp(mask, (at[0] + 4 * unit, at[1] - 5 * unit), 4.0, 0.0, LEAD_MU_T)


def _with_text(radiograph: SimulatedRadiograph, rng: np.random.Generator) -> SimulatedRadiograph:
    """Black text that the console writes into the upper left corner."""
    pixels = radiograph.pixels.copy()
    text = f"SIM {rng.integers(1000, 9999)}  {rng.integers(48, 57)} kV  {ROOM}"
    mask = text_mask(text, "DejaVuSansMono.ttf", round(4.0 / radiograph.spacing))
    part = pixels[3 : 3 + mask.shape[0], 4 : 4 + mask.shape[1]]
    mask = mask[: part.shape[0], : part.shape[1]]
    part[...] = (part * (1 - mask)).astype(np.uint16)
    return replace(radiograph, pixels=pixels)
