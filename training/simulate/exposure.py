"""One simulated radiograph: a projection, positioned, dressed up, exposed and processed."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.simulate import casts, foreign_objects, implants, lead_markers
from training.simulate.canvas import Rectangle, text_mask
from training.simulate.detector import Detector, draw_detector, expose_detector, smooth
from training.simulate.elbow import with_elbow
from training.simulate.foreign_objects import ForeignObject
from training.simulate.lead_markers import Marker, MarkerStyle
from training.simulate.positioning import Placed, Positioning, draw_positioning, field_mask, place
from training.simulate.presentation import WHITE, Look, draw_look, present
from training.simulate.projection import Projection
from training.simulate.visibility import seen_objects
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import Point

Array = NDArray[np.float32]

CAST_SHARE = 0.09
CLOTH_SHARE = 0.10
OBJECT_SHARE = 0.40
"""Casts, cloth and objects, less what is not seen of them, make about 45 % of all images, as in the
paper's data (577 of 1,315)."""
IMPLANT_SHARE = 0.08
NEIGHBOUR_SHARE = 0.025
"""Images that show the edge of a second exposure on the same plate."""
MARKER_SHARE = 0.90


@dataclass(frozen=True)
class Contents:
    """What is in the beam besides the limb, and how it is processed; what is None is drawn.

    Attributes
    ----------
    objects
        Kinds of `foreign_objects.MAKERS`.
    cast, implant
        Whether there is one.
    marker
        Style of the side marker; ``"none"`` for no marker.
    look
        Processing.
    annotations
        Whether text is burnt in.
    detector
        Physics of the exposure.
    shutter
        What lies outside of the field: ``"black"``, ``"white"``, ``"grey"``, or ``"none"``.
    equipment
        Makes the line integrals of a support that the department itself lays under the limb: no
        foreign object. None for no such support.
    """

    objects: tuple[str, ...] | None = None
    cast: bool | None = None
    implant: bool | None = None
    marker: MarkerStyle | str | None = None
    look: Look | None = None
    annotations: bool | None = None
    detector: Detector | None = None
    shutter: str | None = None
    equipment: Callable[[Placed, np.random.Generator], Array] | None = None


@dataclass(frozen=True)
class SimulatedRadiograph:
    """An image with everything that is known about it.

    Attributes
    ----------
    pixels
        (rows, cols) uint16, 12 bits used, bright where attenuation is high, for presentation.
    spacing
        Millimetres per pixel at the wrist's plane.
    magnification
        Size on the detector over size at the wrist: detector pixels measure
        ``spacing * magnification``.
    keypoints
        Those in the exposed field, in pixels (x right, y down, centres at integers).
    outside
        Where the others would be, which the field or the image leaves out; not the ends of shafts,
        which are always in the field.
    artefact
        Whether there is an external foreign object or a cast.
    midlines
        The courses of the shafts' midlines in a lateral view, by the proximal keypoint that each
        ends at, (n, 2) pixels from where the field begins to show it.
    field
        (4, 2) corners of the collimated field, in pixels.
    factors
        What was drawn, for grouping results.
    """

    pixels: NDArray[np.uint16]
    view: View
    side: Side
    spacing: float
    magnification: float
    keypoints: dict[str, Point]
    markers: tuple[Marker, ...]
    objects: tuple[ForeignObject, ...]
    artefact: bool
    implant: bool
    field: NDArray[np.float64]
    factors: dict[str, float | str | bool] = dataclasses.field(default_factory=dict)
    outside: dict[str, Point] = dataclasses.field(default_factory=dict)
    midlines: dict[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    def shifted(self, x: int, pixels: NDArray[np.uint16]) -> SimulatedRadiograph:
        """The same radiograph `x` pixels from the left border of larger `pixels`."""

        def moved(box: Rectangle) -> Rectangle:
            return box[0] + x, box[1], box[2] + x, box[3]

        return dataclasses.replace(
            self,
            pixels=pixels,
            keypoints={name: (px + x, py) for name, (px, py) in self.keypoints.items()},
            outside={name: (px + x, py) for name, (px, py) in self.outside.items()},
            midlines={name: np.add(line, (x, 0)) for name, line in self.midlines.items()},
            markers=tuple(
                dataclasses.replace(m, rectangle=moved(m.rectangle)) for m in self.markers
            ),
            objects=tuple(o.shifted(x) for o in self.objects),
            field=np.add(self.field, (x, 0)),
        )


def expose(
    projection: Projection,
    rng: np.random.Generator,
    *,
    positioning: Positioning | None = None,
    contents: Contents | None = None,
    spacing: float | None = None,
) -> SimulatedRadiograph:
    """Make a radiograph of a projected wrist.

    Parameters
    ----------
    projection
        The wrist.
    rng
        Source of everything that is drawn.
    positioning
        Drawn when not given.
    contents
        Whatever it leaves open is drawn.
    spacing
        Millimetres per pixel of the image when the positioning is drawn; the projection's own when
        not given.
    """
    contents = contents or Contents()
    if positioning is None:
        positioning = draw_positioning(projection, rng, spacing=spacing or projection.spacing)
    alone = rng.random() > NEIGHBOUR_SHARE or contents != Contents()
    chance = rng.random(3)
    has_cast = contents.cast if contents.cast is not None else chance[0] < CAST_SHARE
    has_implant = contents.implant if contents.implant is not None else chance[1] < IMPLANT_SHARE
    covering = ""
    if has_cast:
        covering = str(rng.choice(list(casts.CASTS), p=list(casts.CASTS.values())))
    elif contents.objects is None and rng.random() < CLOTH_SHARE:
        covering = str(rng.choice(["sleeve", "bandage"], p=[0.65, 0.35]))
    drawn = contents.objects is None and not has_cast and chance[2] < OBJECT_SHARE

    covering_mu_t = casts.draw_covering(projection, rng, covering) if covering else None
    placed = with_elbow(place(projection, positioning, covering=covering_mu_t), rng)
    aperture = field_mask(placed, penumbra_mm=np.exp(rng.uniform(np.log(0.3), np.log(5.0))))
    limb_mu_t = placed.bone + placed.soft
    mu_t = limb_mu_t.copy()

    implant_kind = ""
    if has_implant:
        canvas, implant_kind = implants.put_in(placed, rng)
        if ((canvas.mu_t > 0.3) & (aperture > 0.5)).sum() * placed.spacing**2 < 2:
            implant_kind = ""
        mu_t += canvas.mu_t
    support = np.zeros_like(mu_t)
    if contents.equipment is not None:
        support += contents.equipment(placed, rng)
        mu_t += support

    detector = contents.detector or draw_detector(rng)
    look = contents.look or draw_look(rng)
    reference = (limb_mu_t > 0.15) & (aperture > 0.9)
    put_on: list[tuple[str, Array]] = []
    if placed.covering is not None:
        name = f"cast ({covering})" if covering in casts.CASTS else covering
        put_on.append((name, placed.covering))
    for kind in contents.objects or ():
        put_on.append((kind, foreign_objects.put_on(placed, kind, rng).mu_t))
    if drawn:
        put_on += foreign_objects.draw_objects(placed, aperture, rng)
    objects: list[ForeignObject] = []
    worn = np.zeros_like(mu_t)
    if put_on:
        parts = [part for _, part in put_on]
        found = seen_objects(
            parts, mu_t, aperture, reference, placed.spacing, detector, look,
            int(rng.integers(2**32)),
        )  # fmt: skip
        for (kind, part), seen in zip(put_on, found, strict=True):
            # What nobody can see is taken out, so that every image's label can be decided.
            if seen.counts:
                objects.append(ForeignObject(kind, seen.polygons, round(seen.score, 1)))
                worn += part
    mu_t += worn

    markers, overlay = _lay_markers(placed, contents.marker, rng, worn + support, mu_t)
    if rng.random() < 0.1:  # table, sponge or cassette holder
        mu_t += np.float32(rng.uniform(0.02, 0.15))

    signal = expose_detector(mu_t, aperture, placed.spacing, detector, rng)
    pixels = present(signal, reference, placed.spacing, look)
    if look.name in ("hard", "edged") and rng.random() < 0.5:
        pixels = _streaked(pixels, placed.spacing, rng)
    shutter = _apply_shutter(pixels, placed, rng, contents.shutter)
    pixels[overlay > 0.5] = WHITE
    if contents.annotations or (contents.annotations is None and rng.random() < 0.12):
        _annotate(pixels, placed, rng)
    pixels = _degrade(pixels, rng)

    factors: dict[str, float | str | bool] = {
        **projection.factors,
        "rotation_deg": round(positioning.rotation_deg, 2),
        "field_width_mm": round(positioning.field_mm[0], 1),
        "field_height_mm": round(positioning.field_mm[1], 1),
        "field_rotation_deg": round(positioning.field_rotation_deg, 2),
        "look": look.name,
        "shutter": shutter,
        "cast": covering if any(o.kind.startswith("cast") for o in objects) else "",
        "implant_kind": implant_kind,
        "objects": ", ".join(o.kind for o in objects),
        "least_visible": min((o.score for o in objects), default=0.0),
        "marker_plate": ", ".join(m.plate for m in markers),
        "marker_rotation_deg": round(markers[0].rotation_deg, 1) if markers else 0.0,
        "photons_per_mm2": round(detector.photons),
        "neighbour": not alone,
    }
    radiograph = SimulatedRadiograph(
        pixels=pixels,
        view=projection.view,
        side=projection.side,
        spacing=placed.spacing,
        magnification=float(np.round(rng.uniform(1.0, 1.12), 3)),
        keypoints=dict(placed.keypoints),
        markers=tuple(markers),
        objects=tuple(objects),
        artefact=bool(objects),
        implant=bool(implant_kind),
        field=placed.field,
        factors=factors,
        outside=dict(placed.outside),
        midlines=dict(placed.shown_midlines),
    )
    return radiograph if alone else _beside_another(radiograph, projection, rng)


def _beside_another(
    radiograph: SimulatedRadiograph, projection: Projection, rng: np.random.Generator
) -> SimulatedRadiograph:
    """The image with the edge of a second exposure, which shows no keypoint, to its left."""
    bare = Contents(objects=(), cast=False, implant=False, marker="none", annotations=False)
    other = expose(projection, rng, contents=bare, spacing=radiograph.spacing)
    rows = radiograph.pixels.shape[0]
    first = min((x for x, _ in other.keypoints.values()), default=float(other.pixels.shape[1]))
    width = int(min(max(first - 6, 2), 0.5 * radiograph.pixels.shape[1]))
    strip = np.zeros((rows, width), np.uint16)
    edge = other.pixels[:rows, :width]
    strip[: edge.shape[0]] = edge
    return radiograph.shifted(width, np.concatenate([strip, radiograph.pixels], axis=1))


def _lay_markers(
    placed: Placed,
    wanted: MarkerStyle | str | None,
    rng: np.random.Generator,
    avoid: Array,
    mu_t: Array,
) -> tuple[list[Marker], Array]:
    """Lay the side marker, adding lead to `mu_t`; returns labels and what the console burns in."""
    overlay = np.zeros_like(mu_t)
    if wanted == "none" or (wanted is None and rng.random() > MARKER_SHARE):
        return [], overlay
    given = isinstance(wanted, MarkerStyle)
    styles = [
        wanted
        if isinstance(wanted, MarkerStyle)
        else lead_markers.draw_style(rng, placed.projection.side)
    ]
    if not given and rng.random() < 0.03:
        styles.append(lead_markers.draw_style(rng, placed.projection.side))
    markers = []
    taken = avoid.copy()
    for style in styles:
        chance = rng.random(2)
        laid = lead_markers.lay_marker(
            placed, style, rng,
            cut=not given and style.plate != "burnt-in" and chance[0] < 0.08,
            over_anatomy=not given and chance[1] < 0.10,
            avoid=taken,
        )  # fmt: skip
        if laid is None:
            continue
        canvas, marker = laid
        (overlay if marker.plate == "burnt-in" else mu_t)[...] += canvas.mu_t
        taken += canvas.mu_t
        markers.append(marker)
    return markers, overlay


def _apply_shutter(
    pixels: NDArray[np.uint16], placed: Placed, rng: np.random.Generator, wanted: str | None
) -> str:
    """Mask what lies outside of the collimated field, as the console does, or leave it.

    The shutter's edge rarely meets the collimator's: a rim of unexposed detector stays, which shows
    white.
    """
    kind = wanted or str(rng.choice(["black", "white", "none", "grey"], p=[0.68, 0.10, 0.2, 0.02]))
    if kind == "none":
        return kind
    grow = np.clip(rng.normal(0.2, 1.0, 4), 0, 4)  # never into the field: it is all to be seen
    if rng.random() < 0.15:  # a shutter set too wide on all sides
        grow += rng.uniform(0.5, 4)
    outside = field_mask(placed, 0.0, tuple(grow)) < 0.5
    pixels[outside] = {"black": 0, "white": WHITE, "grey": WHITE // 2}[kind]
    return kind


def _annotate(pixels: NDArray[np.uint16], placed: Placed, rng: np.random.Generator) -> None:
    """Burn in text (never a lone L or R) near the image's border."""
    choices = (
        "PA",
        "AP",
        "LAT",
        "SIM-" + str(rng.integers(1000, 9999)),
        "55 kV",
        "cm",
        "SUPINE",
        "STAT",
        "KV55 MAS2",
        "HG",
    )
    rows, cols = pixels.shape
    for _ in range(int(rng.integers(1, 4))):
        text = str(rng.choice(choices))
        height = max(5, round(rng.uniform(2.5, 5) / placed.spacing))
        mask = text_mask(text, "DejaVuSans.ttf", height)
        if mask.shape[0] + 8 > rows or mask.shape[1] + 8 > cols:
            continue
        y = (
            int(rng.integers(2, 6))
            if rng.random() < 0.5
            else rows - mask.shape[0] - int(rng.integers(2, 6))
        )
        x = int(rng.integers(2, cols - mask.shape[1] - 2))
        part = pixels[y : y + mask.shape[0], x : x + mask.shape[1]]
        part[...] = np.maximum(part, (mask * WHITE).astype(np.uint16))


def _streaked(
    pixels: NDArray[np.uint16], spacing: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Darker where a row holds much bone, as strong equalisation of rows leaves it."""
    rows = smooth(pixels.astype(np.float32), 4 / spacing).mean(axis=1)
    depth = rng.uniform(0.1, 0.4) * (rows - rows.mean()) / max(float(np.ptp(rows)), 1.0)
    return np.clip(pixels * (1 - depth[:, None]), 0, WHITE).astype(np.uint16)


def _degrade(pixels: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Now and then the loss of sharpness of an image that was stored small or compressed."""
    if rng.random() > 0.25:
        return pixels
    if rng.random() < 0.4:
        return _through_jpeg(pixels, int(rng.integers(35, 85)))
    blurred = smooth(pixels.astype(np.float32), rng.uniform(0.5, 1.1))
    if rng.random() < 0.5:  # sharpened afterwards, as exported images often are
        blurred = blurred + rng.uniform(0.3, 1.2) * (blurred - smooth(blurred, 1.2))
    return np.clip(blurred, 0, WHITE).astype(np.uint16)


def _through_jpeg(pixels: NDArray[np.uint16], quality: int) -> NDArray[np.uint16]:
    """The image with the marks of lossy compression to 8 bits."""
    buffer = io.BytesIO()
    Image.fromarray((pixels >> 4).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(buffer), np.uint16)
    return decoded * np.uint16(16) + np.uint16(8)
