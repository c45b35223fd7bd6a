from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from training.config import Augmentation, TrainingConfig  # noqa: E402
from training.datasets import (  # noqa: E402
    Ask,
    MixedBatches,
    PlainBatches,
    RadiographDataset,
    Source,
)
from training.labels import label_paths, read_image, read_label  # noqa: E402
from training.transforms import (  # noqa: E402
    Geometry,
    Outside,
    alter_look,
    cut_across_shaft,
    cut_beside_thumb,
    draw_geometry,
    elsewhere,
    ends_in_field,
    jitter,
    map_point,
    nearest_in_field,
    seeming_places,
    warp,
    within,
)
from WristQCLib.findings import Side, View  # noqa: E402
from WristQCLib.labels import LabelError  # noqa: E402
from WristQCLib.models.letterbox import Letterbox  # noqa: E402

FRONTAL = {"thumb_mcp_joint": (12.0, 20.0), "radial_styloid": (20.0, 50.0)}
LATERAL = {
    "scaphoid_centre": (30.0, 25.0),
    "distal_radius_centre": (32.0, 40.0),
    "proximal_radius_centre": (33.0, 89.0),
}


def write_labelled(
    folder: Path,
    stem: str,
    points: dict[str, tuple[float, float]],
    size: tuple[int, int] = (90, 60),
    **flags: bool,
) -> Path:
    """A noise image with a bright blob at each point, and its label."""
    folder.mkdir(parents=True, exist_ok=True)
    ys, xs = np.mgrid[: size[0], : size[1]]
    pixels = np.random.default_rng(len(stem)).uniform(20, 60, size)
    for x, y in points.values():
        pixels += 180 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 2.0**2))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{stem}.png")
    shapes = [
        {"label": name, "points": [list(point)], "shape_type": "point"}
        for name, point in points.items()
    ]
    shapes.append({"label": "marker_L", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"})
    content = {
        "shapes": shapes,
        "flags": {"artefact": False, "frontal": False, "lateral": False} | flags,
        "imagePath": f"{stem}.png",
        "imageHeight": size[0],
        "imageWidth": size[1],
        "wristqc": {"pixel_spacing_mm": [0.4, 0.3], "factors": {"age_group": "adult"}},
    }
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(content))
    return path


def config(**changes: object) -> TrainingConfig:
    base = {
        "name": "tiny",
        "task": "keypoints",
        "network": {"width": 4, "input_stride": 2},
        "input_size": (64, 32),
        "batch_size": 2,
        "workers": 0,
    }
    return TrainingConfig(**(base | changes))  # type: ignore[arg-type]


def test_a_label_is_read_with_points_flags_and_spacing(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", FRONTAL, frontal=True, artefact=True))
    assert label.points == FRONTAL
    assert label.view is View.FRONTAL and label.artefact
    assert label.size == (90, 60) and label.spacing_mm == (0.4, 0.3)
    assert read_image(label.image_path).shape == (90, 60)


def test_an_oblique_image_has_no_view_but_the_view_of_its_keypoints(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", FRONTAL, oblique=True))
    assert label.view is None
    assert label.keypoint_view is View.FRONTAL
    both = read_label(write_labelled(tmp_path, "b", FRONTAL | LATERAL, oblique=True))
    assert both.keypoint_view is None


def test_a_file_that_is_no_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"shapes": []}')
    with pytest.raises(ValueError, match=r"odd\.json"):
        read_label(tmp_path / "odd.json")


def labelme(folder: Path, *shapes: tuple[str, str, list[list[float]], str], **top: object) -> Path:
    """A label file with shapes of (label, type, points, description)."""
    keys = ("label", "shape_type", "points", "description")
    content = {
        "shapes": [dict(zip(keys, shape, strict=True)) for shape in shapes],
        "flags": {"lateral": False},
        "imagePath": "a.png",
        "imageHeight": 90,
        "imageWidth": 60,
    }
    path = folder / "a.json"
    path.write_text(json.dumps(content | top))
    return path


def test_foreign_objects_are_boxes_whatever_they_were_drawn_with(tmp_path: Path) -> None:
    path = labelme(
        tmp_path,
        ("foreign_object", "polygon", [[5, 9], [7, 2], [1, 4]], "ring"),
        ("foreign_object", "rectangle", [[30, 40], [20, 10]], ""),
    )
    label = read_label(path)
    assert set(label.foreign_objects) == {(20, 10, 30, 40), (1, 2, 7, 9)}
    assert label.foreign_outlines == (((5, 9), (7, 2), (1, 4)),)


def test_an_outline_without_numbers_is_refused_by_name(tmp_path: Path) -> None:
    path = labelme(tmp_path, ("foreign_object", "polygon", [[5, 9], [7, None]], ""))
    with pytest.raises(LabelError, match=r"a\.json .* a foreign object's corner must be"):
        read_label(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"field": 4},
        {"field": [[1, 2], 3]},
        {"outside_field": [[1, 2]]},
        {"outside_field": {"a": 1}},
        {"midlines": {"proximal_radius_centre": [[1, 2], 3]}},
    ],
)
def test_a_field_that_is_none_is_refused_by_name(tmp_path: Path, entry: dict[str, object]) -> None:
    path = labelme(tmp_path, ("radial_styloid", "point", [[5, 9]], ""), wristqc=entry)
    with pytest.raises(LabelError, match=r"a\.json "):
        read_label(path)


def test_the_marker_of_a_label_is_the_one_that_is_accurate(tmp_path: Path) -> None:
    box = [[1.0, 1.0], [9.0, 9.0]]
    mirrored = ("marker_L", "rectangle", box, "mirrored")
    assert read_label(labelme(tmp_path, mirrored)).marker is None
    whole = ("marker_R", "rectangle", box, "")
    assert read_label(labelme(tmp_path, mirrored, whole)).marker is Side.RIGHT


def test_a_set_that_flags_lateral_images_alone_has_frontal_ones_too(tmp_path: Path) -> None:
    assert read_label(labelme(tmp_path)).view is View.FRONTAL
    assert read_label(labelme(tmp_path, flags={"lateral": True})).view is View.LATERAL


def test_a_label_from_windows_leads_to_its_image(tmp_path: Path) -> None:
    path = labelme(tmp_path, imagePath="..\\png\\a.png")
    assert read_label(path).image_path == tmp_path.parent.resolve() / "png" / "a.png"


def test_every_seventh_image_is_held_out_where_there_is_no_validation_folder(
    tmp_path: Path,
) -> None:
    for k in range(15):
        write_labelled(tmp_path, f"i{k:02d}", FRONTAL, frontal=True)
    held_out = [path.stem for path in label_paths(tmp_path, "val")]
    assert held_out == ["i00", "i07", "i14"]
    assert len(label_paths(tmp_path, "train")) == 12


def test_train_and_val_folders_are_kept_apart(tmp_path: Path) -> None:
    write_labelled(tmp_path / "train" / "frontal", "a", FRONTAL, frontal=True)
    write_labelled(tmp_path / "val" / "frontal", "b", FRONTAL, frontal=True)
    assert [p.stem for p in label_paths(tmp_path, "train")] == ["a"]
    assert [p.stem for p in label_paths(tmp_path, "val")] == ["b"]
    assert len(label_paths(tmp_path)) == 2


def test_an_image_that_is_cut_short_is_not_left_out_in_silence(tmp_path: Path) -> None:
    for k in range(3):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    whole = (tmp_path / "a1.png").read_bytes()
    (tmp_path / "a1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError):
        RadiographDataset([Source(tmp_path, 1.0)], config(), "train")


def test_points_stay_on_their_blobs_through_every_augmentation(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    ys, xs = np.mgrid[:240, :200]
    point = (110.3, 131.6)
    blob = np.exp(-((xs - point[0]) ** 2 + (ys - point[1]) ** 2) / (2 * 9.0**2))
    strong = Augmentation(
        rotation_deg=40, any_rotation=0.3, scale=(0.6, 1.6), shift=0.05, stretch=0.1, crop=0.5
    )
    rows, columns = np.mgrid[:128, :96]
    for _ in range(30):
        geometry = draw_geometry(rng, (240, 200), {}, None, (128, 96), True, strong)
        warped = warp(blob.astype(np.float32), geometry, (128, 96))
        expected = map_point(point, geometry)
        if not (15 < expected[0] < 80 and 15 < expected[1] < 110):
            continue
        near = np.hypot(columns - expected[0], rows - expected[1]) < 12
        weights = warped * near
        centre = [float((weights * g).sum() / weights.sum()) for g in (columns, rows)]
        assert centre == pytest.approx(expected.tolist(), abs=0.35)


def test_without_jitter_training_sees_what_inference_sees(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    none = Augmentation(flip=0.0, rotation_deg=0.0)
    geometry = draw_geometry(rng, (90, 60), {}, None, (64, 32), True, none)
    letterbox = Letterbox.whole((90, 60), (64, 32))
    assert map_point((7.0, 9.0), geometry) == pytest.approx(letterbox.to_input((7.0, 9.0)))


def test_jitter_turns_about_the_centre_of_the_input() -> None:
    matrix = jitter(np.random.default_rng(0), (64, 32), Augmentation(flip=0.0, rotation_deg=90.0))
    assert matrix @ (15.5, 31.5, 1.0) == pytest.approx([15.5, 31.5])


def test_what_lies_outside_the_field_is_black() -> None:
    image = np.ones((20, 20), dtype=np.float32)
    identity = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    warped = warp(image, Geometry(identity, (5, 0, 20, 20)), (20, 20))
    assert warped[:, :5].max() == 0.0 and warped[:, 5:].min() == 1.0


def test_altered_grey_values_stay_in_range_and_follow_the_seed() -> None:
    image = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    altered = [alter_look(np.random.default_rng(4), image, 1.0) for _ in range(2)]
    assert np.array_equal(*altered)
    assert altered[0].min() >= 0.0 and altered[0].max() <= 1.0
    assert not np.array_equal(altered[0], image)
    assert np.array_equal(alter_look(np.random.default_rng(4), image, 0.0), image)


def test_a_point_that_the_label_lacks_is_a_labelled_absence(tmp_path: Path) -> None:
    for k in range(2):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    sample = RadiographDataset([Source(tmp_path, 1.0)], config(), "train")[Ask(0, -1)]
    assert sample["labelled"].tolist() == [True, True, True]
    assert torch.isnan(sample["points"][:, 0]).tolist() == [False, False, True]


def test_a_proximal_point_outside_a_smaller_field_is_unknown_not_absent(tmp_path: Path) -> None:
    for k in range(2):
        write_labelled(tmp_path, f"a{k}", LATERAL, lateral=True)
    data = RadiographDataset([Source(tmp_path, 1.0)], config(), "train")
    image = data.images[0]
    cut = Geometry(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (0, 0, 60, 60))
    targets = data._targets(image, View.LATERAL, cut)
    assert not np.isnan(targets["points"][1]).any()
    assert targets["labelled"].tolist() == [True, True, False, True, False]
    # Uncut and in the input it is known; the ulna that is not labelled is absent.
    whole = Geometry(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (0, 0, 60, 90))
    targets = data._targets(image, View.LATERAL, whole)
    assert targets["labelled"].all()
    assert np.isnan(targets["points"][:, 0]).tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("outside", [False, True])
def test_a_joint_beyond_the_field_may_be_sought_where_it_is(tmp_path: Path, outside: bool) -> None:
    for k in range(2):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    data = RadiographDataset([Source(tmp_path, 1.0)], config(), "train")
    # The field begins right of the thumb's joint, at (12, 20).
    cut = Geometry(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (15, 0, 60, 90))
    targets = data._targets(data.images[0], View.FRONTAL, cut, outside)
    assert targets["present"].tolist() == [False, True, False]
    assert targets["labelled"].tolist() == [True, True, True]
    x = targets["points"][:, 0]
    assert x[1] > 0 and np.isnan(x[2])
    if outside:
        # As the image in memory has the size of the file: (12, 20) halved.
        assert targets["points"][0] == pytest.approx([6.0, 10.0])
        # The ulnar styloid, which is not in the image, may be anywhere: its map is not judged.
        assert targets["mapped"].tolist() == [True, True, False]
    else:
        assert np.isnan(x[0]) and targets["mapped"].all()


RADIUS = np.array([[32.0, 44.0], [34.0, 64.0], [26.0, 89.0]])
"""The course of a bent shaft, which an image of 60 x 90 pixels ends."""


def test_a_shaft_whose_course_is_known_ends_where_a_smaller_field_does(tmp_path: Path) -> None:
    for k in range(3):
        path = write_labelled(tmp_path, f"a{k}", LATERAL, lateral=True)
        content = json.loads(path.read_text())
        content["wristqc"]["midlines"] = {"proximal_radius_centre": RADIUS.tolist()}
        path.write_text(json.dumps(content))
    data = RadiographDataset([Source(tmp_path, 1.0)], config(views=("lateral",)), "train")
    cut = Geometry(np.array([[1.0, 0, 0], [0, 1.0, 0]]), (0, 0, 60, 54))
    targets = data._targets(data.images[0], View.LATERAL, cut)
    # Row 53.5, the lower border of the last one, is half-way down the first stretch; the input of
    # 32 columns shows columns up to 31.5, where the shaft leaves the input: that tells nothing.
    assert not targets["present"][2] and not targets["labelled"][2]
    half = Geometry(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (0, 0, 60, 54))
    targets = data._targets(data.images[0], View.LATERAL, half)
    assert targets["present"].tolist() == [True, True, True, False, False]
    assert targets["points"][2] == pytest.approx([0.5 * 32.95, 0.5 * 53.5], abs=0.3)


def test_a_shaft_ends_where_it_leaves_a_field_first() -> None:
    # It bends to the right, beyond column 33.5, and comes back.
    ends = ends_in_field({"radius": RADIUS, "ulna": np.add(RADIUS, (30.0, 0.0))}, (0, 0, 34, 90))
    assert ends == {"radius": pytest.approx((33.5, 59.0), abs=0.6)}
    assert ends_in_field({"radius": RADIUS}, (0, 0, 60, 90))["radius"] == (26.0, 89.0)


def test_a_shaft_of_which_next_to_nothing_is_shown_can_be_cut_too() -> None:
    dot = {"proximal_radius_centre": np.array([[33.0, 60.0], [33.0, 60.0]])}
    assert ends_in_field(dot, (0, 0, 60, 90)) == {"proximal_radius_centre": (33.0, 60.0)}
    field = cut_across_shaft(np.random.default_rng(0), (90, 60), LATERAL, dot)
    assert field == (0, 0, 60, 61)  # below row 60, 20 pixels beyond the wrist


def test_a_field_across_a_shaft_keeps_the_wrist_and_shows_less_of_the_shaft() -> None:
    straight = np.array([[35.0, 42.0], [55.0, 89.0]])
    points = {**LATERAL, "proximal_radius_centre": (55.0, 89.0)}
    sides = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        field = cut_across_shaft(rng, (90, 60), points, {"proximal_radius_centre": straight})
        sides |= {side for side in range(4) if field[side] != (0, 0, 60, 90)[side]}
        (end,) = ends_in_field({"proximal_radius_centre": straight}, field).values()
        assert all(within(LATERAL[name], field) for name in list(LATERAL)[:2])
        assert 42.0 + 0.3 * 47.0 < end[1] <= 89.0
    assert sides == {2, 3}  # to the right, or below


STYLOIDS = {"radial_styloid": (20.0, 50.0), "ulnar_styloid": (40.0, 50.0)}


def write_with_hidden_thumb(folder: Path) -> None:
    """Images, columns 0 to 59, whose field begins at column 10; the thumb's joint is at 4."""
    for k in range(3):
        path = write_labelled(folder, f"a{k}", STYLOIDS, frontal=True)
        content = json.loads(path.read_text())
        content["wristqc"] |= {
            "field": [[10, 0], [59, 0], [59, 89], [10, 89]],
            "outside_field": {"thumb_mcp_joint": [4, 20]},
        }
        path.write_text(json.dumps(content))


def test_a_joint_under_the_shutter_is_absent_and_sought_where_it_would_be(tmp_path: Path) -> None:
    write_with_hidden_thumb(tmp_path)
    data = RadiographDataset([Source(tmp_path, 1.0)], config(seeks_outside=True), "train")
    assert data.images[0].outside == {"thumb_mcp_joint": Outside((4.0, 20.0), (10.0, 20.0))}
    whole = Geometry(np.array([[0.5, 0, 0], [0, 0.5, 0]]), (0, 0, 60, 90))
    targets = data._targets(data.images[0], View.FRONTAL, whole, outside=True)
    assert targets["present"].tolist() == [False, True, True]
    assert targets["points"][0] == pytest.approx([2.0, 10.0]) and targets["mapped"].all()
    # A first look is to show nothing there.
    assert np.isnan(data._targets(data.images[0], View.FRONTAL, whole)["points"][0]).all()


def test_a_second_look_is_taken_at_the_border_that_hides_a_joint(tmp_path: Path) -> None:
    write_with_hidden_thumb(tmp_path)
    settings = {"close_domains": True, "augmentation": Augmentation(zoom=0.5)}
    joints = []
    for seeks in (True, False):
        chosen = config(seeks_outside=seeks, **settings)
        data = RadiographDataset([Source(tmp_path, 1.0)], chosen, "train")
        joints.append(data[Ask(1, -1, True)]["points"][0])
    # The box shows 0.75 of the 20 pixels between the styloids on both sides of the border, (10,
    # 20), on the 32 columns of the input; the joint lies 6 pixels to its left.
    assert joints[0].tolist() == pytest.approx([15.5 - 6 * 32 / 30, 31.5], abs=0.7)
    assert torch.isnan(joints[1]).all()


def test_a_joint_far_beyond_the_field_is_not_looked_for() -> None:
    # Styloids 20 pixels apart: seen up to 10 beyond the border, sought when not more than 30.
    near, far = Outside((-4.0, 20.0), (0.0, 20.0)), Outside((-24.0, 20.0), (0.0, 20.0))
    lost = Outside((-31.0, 20.0), (0.0, 20.0))
    for thumb, depth, place in (
        (near, 0.0, (0.0, 20.0)),
        (near, 1.0, (-4.0, 20.0)),
        (far, 1.0, (-10.0, 20.0)),
        (far, 0.5, (-5.0, 20.0)),
    ):
        seeming = seeming_places(STYLOIDS, {"thumb_mcp_joint": thumb}, View.FRONTAL, depth)
        assert seeming == {"thumb_mcp_joint": pytest.approx(place)}
    assert seeming_places(STYLOIDS, {"thumb_mcp_joint": lost}, View.FRONTAL, 0.0) == {}


def test_a_look_that_goes_astray_lies_about_the_wrist_and_in_the_image() -> None:
    # Styloids 20 pixels apart about (100, 80): 0.4 to 2.6 times that from there.
    points = {"radial_styloid": (90.0, 80.0), "ulnar_styloid": (110.0, 80.0)}
    places = [
        elsewhere(np.random.default_rng(k), (200, 200), points)["thumb_mcp_joint"]
        for k in range(200)
    ]
    away = np.hypot(*(np.array(places) - (100.0, 80.0)).T)
    assert 8.0 <= away.min() < 12.0 and 48.0 < away.max() <= 52.0
    # As often on every side.
    assert abs(np.mean(places, axis=0) - (100.0, 80.0)).max() < 6.0
    narrow = [elsewhere(np.random.default_rng(k), (90, 120), points) for k in range(50)]
    assert all(within(place["thumb_mcp_joint"], (0, 0, 120, 90)) for place in narrow)
    assert elsewhere(np.random.default_rng(0), (200, 200), {"ulnar_styloid": (110.0, 80.0)}) == {}


@pytest.mark.parametrize("thumb", [{"thumb_mcp_joint": (80.0, 20.0)}, {}])
def test_a_second_look_at_another_place_learns_that_no_thumb_is_there(
    tmp_path: Path, thumb: dict[str, tuple[float, float]]
) -> None:
    points = {"radial_styloid": (90.0, 140.0), "ulnar_styloid": (110.0, 140.0), **thumb}
    size = (180, 200)
    write_labelled(tmp_path / "train", "f0", points, size, frontal=True)
    shown, scales = [], []
    for astray in (0.0, 1.0):
        settings = config(close_domains=True, augmentation=Augmentation(zoom=1.0, astray=astray))
        data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
        samples = [data[Ask(0, seed, True)] for seed in range(60)]
        shown.append(np.mean([bool(sample["present"][0]) for sample in samples]))
        assert all(bool(sample["labelled"][0]) for sample in samples)
        for sample in samples:
            assert bool(torch.isnan(sample["points"][0]).all()) != bool(sample["present"][0])
        looks = [
            draw_geometry(
                np.random.default_rng(seed),
                size,
                points,
                View.FRONTAL,
                (64, 32),
                True,
                settings.augmentation,
                True,
            )
            for seed in range(60)
        ]
        scales.append(np.median([abs(np.linalg.det(look.matrix[:, :2])) for look in looks]))
    if thumb:
        assert shown[0] > 0.5 > shown[1]
    else:
        # Without a joint to look at, such a look is the only one from near.
        assert shown == [0.0, 0.0] and scales[1] > 2.0 * scales[0]


@pytest.mark.parametrize(
    ("point", "nearest"),
    [
        ((2.0, 20.0), (10.0, 20.0)),  # beside the field
        ((2.0, 0.0), (10.0, 5.0)),  # at a corner
        ((50.0, 120.0), (50.0, 89.0)),  # within the field, below the image
        ((2.0, 120.0), (10.0, 89.0)),  # out of both
    ],
)
def test_the_border_is_that_of_field_and_image(
    point: tuple[float, float], nearest: tuple[float, float]
) -> None:
    field = [(10, 5), (70, 5), (70, 150), (10, 150)]
    assert nearest_in_field(point, field, (90, 60)) == pytest.approx(nearest)


def test_batches_hold_one_view_each_and_follow_the_shares_and_the_seed(tmp_path: Path) -> None:
    for k in range(4):
        write_labelled(tmp_path / "s" / "train", f"f{k}", FRONTAL, frontal=True)
        write_labelled(tmp_path / "s" / "train", f"l{k}", LATERAL, lateral=True)
        write_labelled(tmp_path / "r" / "train", f"g{k}", FRONTAL, frontal=True)
    sources = [Source(tmp_path / "s", 3.0), Source(tmp_path / "r", 1.0)]
    data = RadiographDataset(sources, config(samples_per_epoch=800), "train")
    batches = list(MixedBatches(data, epoch=0))
    assert batches == list(MixedBatches(data, epoch=0))
    assert batches != list(MixedBatches(data, epoch=1))
    views = [{data.images[i].label.view for i, *_ in batch} for batch in batches]
    assert views[0] == {View.FRONTAL} and views[1] == {View.LATERAL}
    frontal = [data.images[i].source for batch in batches[::2] for i, *_ in batch]
    assert np.mean(frontal) == pytest.approx(0.25, abs=0.06)
    data.config = config(samples_per_epoch=60, turns=(0, 1, 1))
    views = [data.images[batch[0][0]].label.view for batch in MixedBatches(data, epoch=0)]
    assert views[:4] == [View.FRONTAL, View.LATERAL, View.LATERAL, View.FRONTAL]


def test_hard_images_are_drawn_more_often_and_the_hardest_not_without_limit(
    tmp_path: Path,
) -> None:
    for k in range(20):
        write_labelled(tmp_path / "train", f"f{k:02d}", FRONTAL, frontal=True)
    settings = config(samples_per_epoch=4000, hard_share=0.5)
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    even = list(MixedBatches(data, 0))
    hardness = np.zeros((2, 20))
    hardness[0, :2] = 18.0, 2.0
    data.hardness = hardness
    drawn = [ask.number for batch in MixedBatches(data, 0) for ask in batch]
    shares = np.bincount(drawn, minlength=20) / len(drawn)
    # The mean is 1, so that 18 counts as 8: half of the draws are even, of the others 8 in 10 are
    # of the first image and 2 in 10 of the second.
    assert shares[0] == pytest.approx(0.5 / 20 + 0.5 * 0.8, abs=0.03)
    assert shares[1] == pytest.approx(0.5 / 20 + 0.5 * 0.2, abs=0.03)
    assert shares[2:] == pytest.approx(0.5 / 20, abs=0.015)
    # Without a share they are drawn as if nothing were known of them.
    data.config = replace(settings, hard_share=0.0)
    assert len(even) == len(list(MixedBatches(data, 0)))
    numbers = [ask.number for batch in MixedBatches(data, 0) for ask in batch]
    assert np.bincount(numbers, minlength=20).max() / 4000 < 0.1


def test_an_image_may_be_hard_in_the_second_look_alone(tmp_path: Path) -> None:
    points = {"thumb_mcp_joint": (12, 20), "radial_styloid": (20, 45), "ulnar_styloid": (45, 45)}
    for k in range(10):
        write_labelled(tmp_path / "train", f"f{k}", points, frontal=True)
    settings = config(
        close_domains=True,
        augmentation=Augmentation(zoom=0.5),
        samples_per_epoch=400,
        hard_share=1.0,
    )
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    data.hardness = np.zeros((2, 10))
    data.hardness[0, 3] = data.hardness[1, 7] = 1.0
    asks = [ask for batch in MixedBatches(data, 0) for ask in batch]
    assert {(ask.number, ask.close) for ask in asks} == {(3, False), (7, True)}


def test_validation_sees_every_image_once(tmp_path: Path) -> None:
    for k in range(5):
        write_labelled(tmp_path / "val", f"f{k}", FRONTAL, frontal=True)
        write_labelled(tmp_path / "val", f"l{k}", LATERAL, lateral=True)
    data = RadiographDataset([Source(tmp_path, 1.0)], config(), "val")
    assert sorted(i for batch in PlainBatches(data, 100) for i, *_ in batch) == list(range(10))
    assert sum(len(batch) for batch in PlainBatches(data, 4)) == 4


def test_close_looks_have_domains_and_batches_of_their_own(tmp_path: Path) -> None:
    points = {"thumb_mcp_joint": (12, 20), "radial_styloid": (20, 45), "ulnar_styloid": (45, 45)}
    for k in range(4):
        write_labelled(tmp_path, f"f{k}", points, frontal=True)
        write_labelled(tmp_path, f"l{k}", LATERAL, lateral=True)
    augmentation = Augmentation(zoom=0.5)
    apart = config(close_domains=True, augmentation=augmentation, samples_per_epoch=400)
    data = RadiographDataset([Source(tmp_path, 1.0)], apart, "train")
    closeness = [{ask.close for ask in batch} for batch in MixedBatches(data, epoch=0)]
    assert all(len(kinds) == 1 for kinds in closeness)
    assert 0.3 < np.mean([kinds == {True} for kinds in closeness]) < 0.7
    frontal = next(i for i, x in enumerate(data.images) if x.label.view is View.FRONTAL)
    assert int(data[Ask(frontal, -1, False)]["domain"]) == 0
    near = data[Ask(frontal, -1, True)]
    assert int(near["domain"]) == 2
    # From near the points lie further apart.
    far = data[Ask(frontal, -1, False)]["points"]
    assert torch.dist(*near["points"][1:]) > 1.2 * torch.dist(*far[1:])
    looked_at = [ask for batch in PlainBatches(data, 100) for ask in batch]
    assert len(looked_at) == len(set(looked_at)) == 2 * len(data)


def test_a_field_may_end_on_either_side_of_the_thumb_but_keeps_the_styloids() -> None:
    points = {"thumb_mcp_joint": (30, 60), "radial_styloid": (80, 120), "ulnar_styloid": (130, 122)}
    fields = [cut_beside_thumb(np.random.default_rng(k), (200, 220), points) for k in range(40)]
    inside = [within(points["thumb_mcp_joint"], field) for field in fields]
    assert 0.2 < np.mean(inside) < 0.8
    for field in fields:
        assert within(points["radial_styloid"], field) and within(points["ulnar_styloid"], field)
        assert field[2:] == (220, 200) and (field[0] == 0) != (field[1] == 0)
    del points["ulnar_styloid"]
    assert cut_beside_thumb(np.random.default_rng(0), (200, 220), points) == (0, 0, 220, 200)


def test_validation_images_are_taken_evenly_and_by_the_shares_of_their_sources(
    tmp_path: Path,
) -> None:
    for k in range(12):
        write_labelled(tmp_path / "s" / "val", f"s{k:02d}", FRONTAL, frontal=True)
        write_labelled(tmp_path / "r" / "val", f"r{k:02d}", FRONTAL, frontal=True)
    sources = [Source(tmp_path / "s", 3.0), Source(tmp_path / "r", 1.0)]
    data = RadiographDataset(sources, config(validation_images=8), "val")
    names = [image.label.image_path.stem for image in data.images]
    assert names == ["s00", "s02", "s04", "s06", "s08", "s10", "r00", "r06"]


def test_a_source_is_parsed_from_folder_and_share(tmp_path: Path) -> None:
    assert Source.parse(f"{tmp_path}=0.25") == Source(tmp_path, 0.25)
    assert Source.parse(str(tmp_path)) == Source(tmp_path, 1.0)
    with pytest.raises(ValueError, match="nowhere"):
        Source.parse(f"{tmp_path}/nowhere=1")
    with pytest.raises(ValueError, match="positive"):
        Source.parse(f"{tmp_path}=0")
