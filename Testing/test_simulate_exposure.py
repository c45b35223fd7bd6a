"""The simulator's labels are true: of positioning, markers, foreign objects, whole corpora."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("mujoco", reason="the simulator needs the extra 'training'")

from simulated import NOTHING, PLAIN_LOOK, positioned, simulated, straight_wrist

from training.labels import read_label
from training.simulate import casts, foreign_objects, lead_markers
from training.simulate.contact_sheet import comparison_sheet, read_images
from training.simulate.corpus import make_corpus, plan
from training.simulate.detector import Detector, expose_detector
from training.simulate.elbow import with_elbow
from training.simulate.exposure import expose
from training.simulate.foreign_objects import MAKERS
from training.simulate.lead_markers import MarkerStyle, letter_mask
from training.simulate.positioning import draw_positioning, field_mask, place
from training.simulate.presentation import present
from training.simulate.visibility import Seen, outlines, seen_objects
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES


def _centroid(image: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(image.shape)
    return float((image * x).sum() / image.sum()), float((image * y).sum() / image.sum())


@pytest.mark.parametrize("rotation", [0.0, 17.0, -38.0, 180.0])
@pytest.mark.parametrize("spacing", [0.5, 0.25, 0.8])
def test_a_keypoint_is_where_its_dot_is_found_in_the_rotated_image(
    rotation: float, spacing: float
) -> None:
    at = (130.3, 175.8)
    wrist = straight_wrist(View.FRONTAL, dot_at=at)
    wrist = replace(wrist, keypoints={**wrist.keypoints, "radial_styloid": at})
    placed = place(wrist, positioned(rotation, wrist_mm=(4.0, -9.0), spacing=spacing))
    assert placed.keypoints["radial_styloid"] == pytest.approx(_centroid(placed.bone), abs=0.05)


def test_an_upright_field_puts_the_wrist_where_it_was_asked_for() -> None:
    # Field 100 x 160 mm, wrist 10 mm right and 20 mm above its centre: 60 and 60 mm from the
    # upper left corner, which is at pixel position -0.5; 0.5 mm pixels.
    placed = place(straight_wrist(View.LATERAL), positioned(wrist_mm=(10.0, -20.0)))
    assert placed.shape == (320, 200)
    assert placed.keypoints["scaphoid_centre"] == pytest.approx((119.5, 119.5))


def test_rotation_is_clockwise() -> None:
    placed = place(straight_wrist(View.LATERAL), positioned(90.0, (160.0, 160.0)))
    x, y = placed.keypoints["distal_radius_centre"]  # 20 mm below the wrist before the turn
    assert (x, y) == pytest.approx((159.5 - 40, 159.5))


def test_a_keypoint_outside_of_the_collimated_field_is_absent_though_the_image_is_larger() -> None:
    # The thumb joint lies 59.9 mm left of the wrist and 59.8 mm above it.
    wide = place(straight_wrist(View.FRONTAL), positioned(field_mm=(124.0, 160.0)))
    narrow = place(
        straight_wrist(View.FRONTAL), positioned(field_mm=(118.0, 160.0), margin_mm=20.0)
    )
    assert set(wide.keypoints) == set(KEYPOINT_NAMES[View.FRONTAL])
    assert set(narrow.keypoints) == {"radial_styloid", "ulnar_styloid"}
    # Where it would be: 79 mm to the border and 100 mm to the top of the image, 0.5 mm pixels.
    assert wide.outside == {}
    assert set(narrow.outside) == {"thumb_mcp_joint"}
    assert narrow.outside["thumb_mcp_joint"] == pytest.approx((37.7, 79.9), abs=0.1)


def test_the_proximal_centre_lies_where_the_shaft_leaves_the_field() -> None:
    # The scaphoid is in the middle of 160 mm; the radius's column is the scaphoid's.
    placed = place(straight_wrist(View.LATERAL), positioned(margin_mm=15.0))
    x, y = placed.keypoints["proximal_radius_centre"]
    assert x == pytest.approx(129.5)
    assert y == pytest.approx(30 + 320 - 0.5, abs=0.3)
    assert placed.keypoints["proximal_ulna_centre"][0] == pytest.approx(129.5 + 16)


def test_the_proximal_centre_is_not_more_than_12_cm_from_the_wrist() -> None:
    placed = place(straight_wrist(View.LATERAL), positioned(field_mm=(100.0, 380.0)))
    for bone in ("radius", "ulna"):
        distal = placed.keypoints[f"distal_{bone}_centre"]
        proximal = placed.keypoints[f"proximal_{bone}_centre"]
        assert (proximal[1] - distal[1]) * 0.5 == pytest.approx(120.0, abs=0.2)


def test_the_midline_that_is_shown_ends_at_the_proximal_centre() -> None:
    placed = place(straight_wrist(View.LATERAL), positioned(margin_mm=15.0))
    for bone, column in (("radius", 129.5), ("ulna", 129.5 + 16)):
        line = placed.shown_midlines[f"proximal_{bone}_centre"]
        assert tuple(line[-1]) == placed.keypoints[f"proximal_{bone}_centre"]
        assert line[:, 0] == pytest.approx(column)
        assert (np.diff(line[:, 1]) > 0).all()
    assert place(straight_wrist(View.FRONTAL), positioned()).shown_midlines == {}


def test_a_rotated_field_lets_the_beam_through_inside_of_its_corners_only() -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned(field_rotation_deg=30.0, margin_mm=5.0))
    aperture = field_mask(placed, penumbra_mm=0.5)
    assert aperture.sum() * 0.25 == pytest.approx(100 * 160, rel=0.01)
    assert placed.shows(placed.field.mean(0))
    assert not placed.shows((0.0, 0.0))


def test_nearly_all_drawn_positionings_show_the_styloids_and_a_few_cut_them() -> None:
    wrist = straight_wrist(View.FRONTAL)
    shown = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        placed = place(wrist, draw_positioning(wrist, rng, spacing=2.0))
        shown += {"radial_styloid", "ulnar_styloid"} <= set(placed.keypoints)
    assert 0.90 < shown / 150 < 1


def test_the_same_seed_makes_the_same_image_and_another_seed_another() -> None:
    wrist = straight_wrist(View.FRONTAL)
    first, again, other = (expose(wrist, np.random.default_rng(s)) for s in (3, 3, 4))
    assert np.array_equal(first.pixels, again.pixels)
    assert first.keypoints == again.keypoints
    assert first.factors == again.factors
    assert first.pixels.shape != other.pixels.shape


def test_without_scatter_the_signal_follows_beer_and_lambert() -> None:
    mu_t = np.repeat(np.array([[0.0, 0.5, 1.0, 2.0]], np.float32), 40, axis=1).repeat(40, axis=0)
    detector = Detector(1e9, 0.0, 20.0, 0.01, (0.0, 0.0), 0.0)
    signal = expose_detector(mu_t, np.ones_like(mu_t), 0.5, detector, np.random.default_rng(0))
    middle = signal[20, [20, 60, 100, 140]]
    assert middle == pytest.approx([1.0, 0.6065, 0.3679, 0.1353], rel=0.01)


def test_more_attenuation_is_brighter_and_12_bits_are_used() -> None:
    signal = np.exp(-np.tile(np.linspace(0, 3, 200, dtype=np.float32), (50, 1)))
    pixels = present(signal, np.ones((50, 200), bool), 0.5, PLAIN_LOOK)
    assert (np.diff(pixels[25].astype(int)) >= 0).all()
    assert pixels.max() <= 4095
    assert pixels.max() > 3000


@pytest.mark.parametrize("rotation", [0.0, 30.0, -120.0])
@pytest.mark.parametrize("font", ["DejaVuSans-Bold.ttf", "stroke"])
def test_the_marker_rectangle_holds_the_letter_closely(rotation: float, font: str) -> None:
    style = MarkerStyle(Side.LEFT, font, 12.0, rotation, False, "none", ())
    placed = place(straight_wrist(View.FRONTAL), positioned(field_mm=(150.0, 160.0)))
    laid = lead_markers.lay_marker(placed, style, np.random.default_rng(1))
    assert laid is not None
    canvas, marker = laid
    rows, cols = np.nonzero(canvas.mu_t > 1)
    found = (cols.min() - 0.5, rows.min() - 0.5, cols.max() + 0.5, rows.max() + 0.5)
    assert marker.rectangle == pytest.approx(found, abs=1.0)
    assert marker.description == ""


def test_the_marker_is_the_brightest_thing_in_the_image() -> None:
    style = MarkerStyle(Side.RIGHT, "DejaVuSans.ttf", 12.0, 0.0, False, "plastic", ())
    radiograph = simulated(contents=replace(NOTHING, marker=style))
    (marker,) = radiograph.markers
    x0, y0, x1, y1 = (round(v) for v in marker.rectangle)
    letter = radiograph.pixels[y0:y1, x0:x1]
    rest = radiograph.pixels.copy()
    rest[y0 - 2 : y1 + 3, x0 - 2 : x1 + 3] = 0
    inner = rest[8:-8, 8:-8]  # outside of the unexposed border
    assert np.percentile(letter, 95) > inner.max()


def test_a_mirrored_letter_is_labelled_and_drawn_mirrored() -> None:
    style = MarkerStyle(Side.RIGHT, "DejaVuSans.ttf", 12.0, 0.0, False, "none", ())
    turned = replace(style, mirrored=True)
    plain, mirrored = (letter_mask(s, np.random.default_rng(0)) for s in (style, turned))
    assert np.array_equal(mirrored, plain[:, ::-1])
    (marker,) = simulated(contents=replace(NOTHING, marker=turned)).markers
    assert marker.description == "mirrored"


def test_a_letter_across_the_border_is_labelled_cut_and_its_rectangle_stays_in_the_field() -> None:
    style = MarkerStyle(Side.LEFT, "DejaVuSans.ttf", 14.0, 0.0, False, "none", ())
    placed = place(straight_wrist(View.FRONTAL), positioned(margin_mm=10.0))
    cut = 0
    for seed in range(30):
        laid = lead_markers.lay_marker(placed, style, np.random.default_rng(seed), cut=True)
        if laid is None:
            continue
        x0, y0, x1, y1 = laid[1].rectangle
        assert x0 >= 19.5 and y0 >= 19.5 and x1 <= 219.5 and y1 <= 339.5
        cut += laid[1].description == "cut"
    assert cut > 10


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_kind_of_object_adds_attenuation_to_the_image_it_is_put_into(kind: str) -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned(8.0, (150.0, 190.0), margin_mm=5.0))
    drawn = [foreign_objects.put_on(placed, kind, np.random.default_rng(s)).mu_t for s in range(6)]
    assert all(np.isfinite(mu_t).all() and mu_t.shape == placed.shape for mu_t in drawn)
    if kind != "ring":  # this wrist has no fingers to wear one
        assert max(mu_t.max() for mu_t in drawn) > 0.04


def _seen(square: float, *, at: slice = slice(60, 80), noise: float = 1e6) -> Seen:
    """A square of 20 x 20 pixels in a field that ends at column 100, over even tissue."""
    part = np.zeros((160, 160), np.float32)
    part[60:80, at] = square
    aperture = np.ones_like(part)
    aperture[:, 100:] = 0
    detector = Detector(noise, 0.0, 20.0, 0.01, (0.0, 0.0), 0.0)
    (seen,) = seen_objects(
        [part], np.full_like(part, 0.8), aperture, aperture > 0.5, 0.8, detector, PLAIN_LOOK, 1
    )
    return seen


def test_an_object_is_outlined_where_it_is_seen() -> None:
    seen = _seen(0.5)
    assert seen.counts
    (polygon,) = seen.polygons
    assert [*polygon.min(0), *polygon.max(0)] == pytest.approx([59.5, 59.5, 79.5, 79.5], abs=0.6)


def test_only_the_part_of_an_object_within_the_field_is_outlined() -> None:
    (polygon,) = _seen(0.5, at=slice(88, 120)).polygons
    assert polygon[:, 0].min() == pytest.approx(87.5, abs=0.6)
    assert 97 < polygon[:, 0].max() <= 99.5


def test_an_object_outside_of_the_field_does_not_count() -> None:
    assert not _seen(0.5, at=slice(110, 130)).counts


def test_an_object_that_drowns_in_noise_does_not_count() -> None:
    assert _seen(0.1).counts
    assert not _seen(0.1, noise=40.0).counts


def test_a_rings_outline_encloses_the_ring_and_not_its_hole() -> None:
    y, x = np.indices((60, 60))
    radius = np.hypot(x - 30, y - 30)
    ring = (radius < 20) & (radius > 12)
    (polygon,) = outlines(ring.copy())
    sheet = Image.new("L", (60, 60))
    ImageDraw.Draw(sheet).polygon([(px, py) for px, py in polygon], fill=1)
    drawn = np.asarray(sheet) > 0
    assert not drawn[30, 30]
    assert (drawn & ring).sum() / (drawn | ring).sum() > 0.85


def test_an_outline_is_in_the_pixels_of_the_image_not_of_the_reduced_one() -> None:
    mask = np.zeros((20, 20), bool)
    mask[4:8, 10:16] = True  # blocks of 3 pixels: rows 12 to 23, columns 30 to 47
    (polygon,) = outlines(mask, pitch=1.0, factor=3)
    assert polygon.min(0) == pytest.approx((29.5, 11.5), abs=0.01)
    assert polygon.max(0) == pytest.approx((47.5, 23.5), abs=0.01)


@pytest.mark.parametrize("kind", sorted(casts.MATERIALS))
def test_a_covering_lies_round_the_limb_and_not_beyond_its_thickness(kind: str) -> None:
    # The limb is 70 mm wide: columns 91 to 229 of 0.5 mm.
    reached = 0.0
    for seed in range(4):
        mu_t = casts.draw_covering(straight_wrist(View.FRONTAL), np.random.default_rng(seed), kind)
        assert mu_t.shape == (400, 320) and (mu_t >= 0).all()
        columns = np.flatnonzero((mu_t > 0.02).any(axis=0))
        reached = max(reached, mu_t.max())
        assert columns.min() > 160 - 70 - 2 * 45 and columns.max() < 160 + 70 + 2 * 45
    assert reached > 0.04


def test_an_object_that_nobody_can_see_is_neither_labelled_nor_in_the_image() -> None:
    blind = replace(PLAIN_LOOK, contrast=0.003)
    bangle = simulated(contents=replace(NOTHING, objects=("fold",), look=blind))
    assert not bangle.artefact and not bangle.objects


def test_frontals_are_collimated_on_both_sides_of_the_thumbs_joint() -> None:
    wrist = straight_wrist(View.FRONTAL)
    just_in = just_out = 0
    for seed in range(200):
        placed = place(wrist, draw_positioning(wrist, np.random.default_rng(seed), spacing=2.0))
        joint = placed.to_image(wrist.keypoints["thumb_mcp_joint"])
        inside = "thumb_mcp_joint" in placed.keypoints
        assert inside == placed.shows(joint)
        edges = placed.field - np.roll(placed.field, 1, axis=0)
        normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1)
        normals /= np.hypot(*normals.T)[:, None]
        depth = ((joint - placed.field) * normals).sum(axis=1).min() * placed.spacing
        just_in += 0 <= depth < 8
        just_out += -8 < depth < 0
    assert just_in > 15 and just_out > 15


def test_jewellery_and_casts_are_artefacts_and_implants_are_not() -> None:
    assert not simulated().artefact
    bangle = simulated(contents=replace(NOTHING, objects=("bangle",)))
    cast = simulated(contents=replace(NOTHING, cast=True))
    implant = simulated(contents=replace(NOTHING, implant=True))
    assert bangle.artefact and [o.kind for o in bangle.objects] == ["bangle"]
    assert cast.artefact and cast.objects[0].kind.startswith("cast")
    assert implant.implant and not implant.artefact and not implant.objects


def test_training_and_validation_share_no_wrist_and_their_shares_are_kept(tmp_path: Path) -> None:
    groups = plan(
        tmp_path, {View.FRONTAL: 200, View.LATERAL: 100}, seed=1, val_fraction=0.2, spacing=0.4
    )
    images = [stem for group in groups for stem in group.stems()]
    assert len(images) == len(set(images)) == 300
    held_out = [g for g in groups if g.folder.parts[-2] == "val"]
    assert sum(g.count for g in held_out) == 60
    # The first tenth of the work holds both views and, soon, both splits.
    assert {g.view for g in groups[:8]} == set(View)
    assert {g.folder.parts[-2] for g in groups[:20]} == {"train", "val"}


def test_a_corpus_is_labelled_and_the_same_however_often_it_is_stopped(tmp_path: Path) -> None:
    counts = {View.FRONTAL: 2, View.LATERAL: 2}

    def contents(folder: Path) -> dict[str, bytes]:
        groups = plan(folder, counts, seed=9, val_fraction=0.5, spacing=1.0)
        assert sum(make_corpus(groups, workers=1)) == 4
        files = (f for f in folder.rglob("*") if f.is_file())
        return {str(f.relative_to(folder)): f.read_bytes() for f in files}

    first = contents(tmp_path / "a")
    assert len(first) == 8
    (tmp_path / "a" / next(name for name in first if name.endswith(".json"))).unlink()
    assert contents(tmp_path / "a") == first
    for name, data in first.items():
        if not name.endswith(".json"):
            continue
        document = json.loads(data)
        view = View.FRONTAL if document["flags"]["frontal"] else View.LATERAL
        image = Image.open((tmp_path / "a" / name).parent / document["imagePath"])
        assert image.mode == "L"
        assert image.size == (document["imageWidth"], document["imageHeight"])
        points = {s["label"] for s in document["shapes"] if s["shape_type"] == "point"}
        assert points <= set(KEYPOINT_NAMES[view])
        assert len(document["wristqc"]["pixel_spacing_mm"]) == 2
        # The label tells where the others are, and what hides them.
        label = read_label(tmp_path / "a" / name)
        assert len(label.field) == 4
        fixed = {n for n in KEYPOINT_NAMES[view] if not n.startswith("proximal")}
        assert set(label.points) & fixed == fixed - set(label.outside)
        ends = {name: line[-1] for name, line in label.midlines.items()}
        assert ends == {n: label.points[n] for n in label.points if n.startswith("proximal")}


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(make_corpus([], workers=0))


def test_a_comparison_sheet_holds_only_what_was_asked_for_and_real_images_to_the_right(
    tmp_path: Path,
) -> None:
    for folder, grey, flags in (
        ("simulated", 250, {"frontal": True, "lateral": False, "artefact": True}),
        ("simulated", 10, {"frontal": False, "lateral": True, "artefact": True}),
        ("real", 130, {"frontal": True, "lateral": False, "artefact": True}),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        stem = tmp_path / folder / f"image_{grey}"
        Image.new("L", (60, 80), grey).save(stem.with_suffix(".png"))
        document = {
            "shapes": [], "flags": flags, "imagePath": f"{stem.name}.png",
            "imageHeight": 80, "imageWidth": 60,
        }  # fmt: skip
        stem.with_suffix(".json").write_text(json.dumps(document))
    simulated_images = read_images(tmp_path / "simulated", 5, 1, view=View.FRONTAL)
    real_images = read_images(tmp_path / "real", 5, 1, view=View.FRONTAL)
    sheet = np.asarray(comparison_sheet(simulated_images, real_images, 1))
    left, right = sheet[:, : sheet.shape[1] // 2], sheet[:, sheet.shape[1] // 2 :]
    assert (left == 250).any() and not (left == 10).any() and not (left == 130).all(axis=2).any()
    assert (right == 130).all(axis=2).any()
    with pytest.raises(FileNotFoundError, match="no such images"):
        read_images(tmp_path / "real", 5, 1, artefact=False)


def test_an_elbow_ends_the_forearm_of_a_long_field_and_moves_no_keypoint() -> None:
    wrist = straight_wrist(View.LATERAL)
    long = place(wrist, positioned(field_mm=(100.0, 420.0), wrist_mm=(0.0, -150.0)))
    # The wrist is at row 120; the elbow of scale 1 lies 205 to 235 mm below it: rows 530 to 590.
    changed = with_elbow(long, np.random.default_rng(0))
    assert changed.keypoints == long.keypoints
    assert np.allclose(changed.bone[:460], long.bone[:460], atol=1e-3)
    assert not np.allclose(changed.bone[590:], long.bone[590:])
    short = place(wrist, positioned())
    assert with_elbow(short, np.random.default_rng(0)) is short
    infant = replace(wrist, factors={"scale": 0.5})  # its forearm ends before the 12 cm
    placed = place(infant, positioned(field_mm=(100.0, 420.0), wrist_mm=(0.0, -150.0)))
    assert with_elbow(placed, np.random.default_rng(0)) is placed
