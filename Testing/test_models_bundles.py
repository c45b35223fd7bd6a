from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from training.config import TrainingConfig  # noqa: E402
from training.export import write_bundle  # noqa: E402
from training.tasks import task_of  # noqa: E402
from WristQCLib.findings import Finding, View  # noqa: E402
from WristQCLib.models import (  # noqa: E402
    ImageClassifier,
    KeypointDetector,
    ModelError,
    select_device,
)
from WristQCLib.models.detector import Located, Look, chance_inside  # noqa: E402
from WristQCLib.models.familiarity import Familiarity  # noqa: E402
from WristQCLib.models.gu2net import of_domains  # noqa: E402
from WristQCLib.models.heatmaps import gaussian_heat_maps  # noqa: E402
from WristQCLib.models.letterbox import Letterbox  # noqa: E402
from WristQCLib.models.refinement import CLOSE_LOOKS, close_box  # noqa: E402
from WristQCLib.models.shape_prior import (  # noqa: E402
    beyond,
    end_at_limit,
    forearm_axis,
    on_ulnar_side,
    shown_length,
    to_end_of_shaft,
    within_limit,
)
from WristQCLib.models.upright import Turned, forearm_tilt  # noqa: E402

KEYPOINTS = TrainingConfig(
    name="tiny",
    task="keypoints",
    network={"width": 8, "input_stride": 2},
    input_size=(64, 32),
    sigma=3.0,
)
NAMES = ["thumb_mcp_joint", "radial_styloid", "ulnar_styloid"]


def keypoint_bundle(folder: Path, threshold: float = 0.5) -> Path:
    torch.manual_seed(0)
    state = task_of(KEYPOINTS).network().state_dict()
    own = {
        "view": "frontal",
        "keypoints": NAMES,
        "sigma": 3.0,
        "second_look": True,
        "flip_average": True,
        "presence_thresholds": dict.fromkeys(NAMES, threshold),
        "spread_factors": dict.fromkeys(NAMES, 1.0),
        "figures": {},
    }
    bundle = folder / "wrist_keypoints_frontal"
    write_bundle(bundle, of_domains(state, [0]), KEYPOINTS, View.FRONTAL, "1.2.3", own, "First.")
    return bundle


def classifier_bundle(folder: Path) -> Path:
    config = TrainingConfig(name="tiny", task="view", network={"width": 0.35}, input_size=(64, 48))
    own = {"labels": ["frontal", "lateral"], "threshold": 0.5, "figures": {}}
    own["flip_average"] = True
    bundle = folder / "wrist_view"
    write_bundle(bundle, task_of(config).network().state_dict(), config, None, "1.0", own, "")
    return bundle


def edit(path: Path, key: str, value: object) -> None:
    content = json.loads(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))


def test_a_detector_gives_all_keypoints_in_order_inside_the_image(tmp_path: Path) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path, threshold=0.0), "cpu")
    image = np.random.default_rng(0).random((90, 50)).astype(np.float32)
    found = detector.detect(image)
    assert [k.name for k in found] == NAMES
    for keypoint in found:
        assert keypoint.finding is Finding.FOUND and keypoint.position is not None
        assert -0.5 <= keypoint.position[0] <= 49.5 and -0.5 <= keypoint.position[1] <= 89.5
        assert keypoint.placed_by == "model:wrist_keypoints_frontal 1.2.3"
        assert keypoint.spread is not None and keypoint.spread > 0
        assert keypoint.confidence is not None and 0 <= keypoint.confidence <= 1


def test_a_keypoint_under_its_presence_threshold_is_not_found_but_keeps_its_confidence(
    tmp_path: Path,
) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path, threshold=1.1), "cpu")
    for keypoint in detector.detect(np.random.default_rng(0).random((40, 40))):
        assert keypoint.finding is Finding.NOT_FOUND
        assert keypoint.position is None and keypoint.confidence is not None


def test_detecting_twice_gives_the_same_answer(tmp_path: Path) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path, 0.0), "cpu")
    image = np.random.default_rng(1).random((70, 60))
    assert detector.detect(image) == detector.detect(image)


def test_flipping_the_image_flips_the_answer(tmp_path: Path) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path, 0.0), "cpu")
    detector.refines = False
    # As large as the input, so that no rounding breaks the symmetry; noise, so that peaks differ.
    image = np.random.default_rng(2).random((64, 32))
    plain, mirrored = detector.detect(image), detector.detect(image[:, ::-1])
    for one, other in zip(plain, mirrored, strict=True):
        assert one.position is not None and other.position is not None
        assert other.position == pytest.approx((31 - one.position[0], one.position[1]), abs=1e-2)


def test_proximal_points_are_sought_on_the_forearms_side_of_the_wrist() -> None:
    points = {"scaphoid_centre": (50.0, 40.0), "distal_radius_centre": (50.0, 60.0)}
    axis = forearm_axis(View.LATERAL, points)
    assert axis is not None
    possible = beyond(axis, np.array([[55.0, 90.0], [50.0, 5.0], [90.0, 61.0], [50.0, 59.0]]))
    assert possible.tolist() == [True, False, True, False]
    assert forearm_axis(View.FRONTAL, points) is None
    assert forearm_axis(View.LATERAL, {"scaphoid_centre": (50.0, 40.0)}) is None


@pytest.mark.parametrize("turn", [0, 90, 200])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_thumbs_joint_lies_on_the_radial_side_of_the_hand(turn: int, mirrored: bool) -> None:
    # A hand that points upwards: ulnar styloid left, radial styloid right, 100 px apart.
    flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
    angle = math.radians(turn)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def placed(**points: tuple[float, float]) -> dict[str, tuple[float, float]]:
        return {name: tuple(rotation @ flip @ np.array(xy)) for name, xy in points.items()}

    styloids = {"ulnar_styloid": (0.0, 0.0), "radial_styloid": (100.0, 20.0)}
    assert not on_ulnar_side(placed(thumb_mcp_joint=(150.0, -120.0), **styloids))
    # The middle is (50, 10); 10 px ulnar of it at its height, the fifth finger's joint beyond.
    assert on_ulnar_side(placed(thumb_mcp_joint=(40.0, 10.0), **styloids))
    assert on_ulnar_side(placed(thumb_mcp_joint=(20.0, -200.0), **styloids))
    assert not on_ulnar_side(placed(thumb_mcp_joint=(20.0, -200.0), ulnar_styloid=(0.0, 0.0)))


def test_a_fingers_joint_is_not_given_for_the_thumbs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path), "cpu")
    thumb = Located((20.0, 10.0), 0.9, 0.6, 1.0, 1.0)
    seen = {
        "thumb_mcp_joint": thumb,
        "radial_styloid": Located((80.0, 80.0), 0.9, 0.6, 1.0, 1.0),
        "ulnar_styloid": Located((30.0, 80.0), 0.9, 0.6, 1.0, 1.0),
    }
    monkeypatch.setattr(detector, "look_again", lambda *arguments: seen)
    image = np.random.default_rng(0).random((100, 100))
    point = next(p for p in detector.detect(image) if p.name == "thumb_mcp_joint")
    assert point.finding is Finding.NOT_FOUND and point.confidence == 0.0
    seen["thumb_mcp_joint"] = replace(thumb, position=(95.0, 10.0))
    point = next(p for p in detector.detect(image) if p.name == "thumb_mcp_joint")
    assert point.finding is Finding.FOUND


def test_proximal_points_are_drawn_back_along_the_bone_to_twelve_centimetres() -> None:
    points = {
        "distal_radius_centre": (100.0, 100.0),
        "proximal_radius_centre": (100.0, 500.0),
        "distal_ulna_centre": (120.0, 100.0),
        "proximal_ulna_centre": (120.0, 300.0),
    }
    # 400 rows of 0.5 mm are 200 mm, of which 120 are 240 rows; the ulna's 100 mm are within.
    kept = within_limit(points, (0.25, 0.5))
    assert kept["proximal_radius_centre"] == pytest.approx((100.0, 340.0))
    assert kept["proximal_ulna_centre"] == points["proximal_ulna_centre"]


def test_beyond_the_limit_the_image_is_empty_on_the_forearms_side_only() -> None:
    image, points = np.ones((700, 50), np.float32), {"distal_radius_centre": (25.0, 300.0)}
    axis = np.array([[25.0, 300.0], [0.0, 20.0]])
    ended = end_at_limit(image, points, axis, (0.5, 0.5))
    # 120 mm are 240 rows.
    assert ended[:541, 25].all() and not ended[541:, 25].any()
    assert ended[:300].all()
    assert end_at_limit(image, points, axis, (0.2, 0.2)) is image


def forearm(field: int, saturated: bool = False) -> np.ndarray:
    """A shaft 13 columns wide about column 50, in soft tissue; a shutter from row `field` on."""
    image = np.zeros((400, 120), np.float32)
    image[:field] = 0.2
    image[:field, 35:66] = 0.5
    image[:field, 44:57] = 0.9 if not saturated else 1.0
    return image


WRIST = {
    "scaphoid_centre": (50.0, 30.0),
    "distal_radius_centre": (50.0, 50.0),
    "distal_ulna_centre": (50.0, 50.0),
    "proximal_radius_centre": (50.0, 150.0),
    "proximal_ulna_centre": (50.0, 295.0),
}


def test_a_shaft_is_shown_up_to_the_shutter_and_text_in_it_is_not_the_field() -> None:
    image = forearm(300)
    start, towards = np.array([50.0, 50.0]), np.array([50.0, 150.0])
    assert shown_length(image, start, towards, 20.0) == pytest.approx(249, abs=1)
    image[350:360] = np.tile([0.0, 1.0], 60)  # burnt-in letters
    assert shown_length(image, start, towards, 20.0) == pytest.approx(249, abs=1)
    # Without a shutter the field ends with the image, however bright the bone.
    full = forearm(400, saturated=True)
    assert shown_length(full, start, towards, 20.0) == pytest.approx(349, abs=1)


def test_a_bright_shutter_of_uneven_grey_is_not_the_field() -> None:
    # Some detectors show what was collimated away bright, and with noise. A third of its pixels are
    # 0.07 off the others: less than a fifth of the 0.45 by which the bone's 0.45 is darker.
    image = forearm(300) * np.float32(0.5)
    rows, columns = np.indices((100, 120))
    image[300:] = np.where((rows + columns) % 3 == 0, 0.97, 0.9)
    start, towards = np.array([50.0, 50.0]), np.array([50.0, 150.0])
    assert shown_length(image, start, towards, 20.0) == pytest.approx(249, abs=1)


def test_a_proximal_point_that_ends_its_shaft_too_early_is_moved_to_the_fields_end() -> None:
    # 249 rows of 0.4 mm are 100 mm: the field ends before the twelve centimetres.
    moved = to_end_of_shaft(forearm(300), WRIST, (0.4, 0.4))
    assert moved["proximal_radius_centre"] == pytest.approx((50.0, 299.0), abs=1.0)
    assert moved["proximal_ulna_centre"] == WRIST["proximal_ulna_centre"]  # near enough
    assert moved["scaphoid_centre"] == WRIST["scaphoid_centre"]


def test_a_point_that_was_clearly_seen_is_not_moved_far() -> None:
    # Shown are 69 rows. 8 and 14 short of them are more than the tenth that always stands; 0.45 of
    # the wrist's 20 rows, which a clear point may be moved, are 9.
    name = "proximal_radius_centre"
    for clear, end, moved_to in (
        ([name], 111.0, 119.0),
        ([name], 105.0, 105.0),
        (["proximal_ulna_centre"], 105.0, 119.0),
    ):
        points = WRIST | {name: (50.0, end)}
        moved = to_end_of_shaft(forearm(120), points, (0.4, 0.4), clear)
        assert moved[name] == pytest.approx((50.0, moved_to), abs=1.0)
    # The twelve centimetres hold for it as for others: 75 rows of 1.6 mm.
    far = to_end_of_shaft(forearm(400), WRIST, (1.6, 1.6), [name])
    assert far[name] == pytest.approx((50.0, 125.0))


def test_with_a_known_spacing_a_long_shaft_ends_at_twelve_centimetres() -> None:
    # 120 mm are 150 rows of 0.8 mm.
    moved = to_end_of_shaft(forearm(400), WRIST, (0.8, 0.8))
    assert moved["proximal_radius_centre"] == pytest.approx((50.0, 200.0))
    assert moved["proximal_ulna_centre"] == pytest.approx((50.0, 200.0))


def test_without_a_spacing_only_a_shaft_that_is_surely_short_is_followed() -> None:
    # The unit of 20 rows is 25 mm at most: 249 rows could be 311 mm, 79 rows only 99 mm.
    assert to_end_of_shaft(forearm(300), WRIST, None) == WRIST
    near = WRIST | {"proximal_radius_centre": (50.0, 90.0)}
    moved = to_end_of_shaft(forearm(130), near, None)
    assert moved["proximal_radius_centre"] == pytest.approx((50.0, 129.0), abs=1.0)


def test_a_constant_or_tiny_image_is_answered_without_failing(tmp_path: Path) -> None:
    detector = KeypointDetector.from_bundle(keypoint_bundle(tmp_path, 0.0), "cpu")
    assert len(detector.detect(np.zeros((2, 2)))) == 3
    assert len(detector.detect(np.full((3, 400), 7, dtype=np.uint16))) == 3
    with pytest.raises(ModelError, match="2x2"):
        detector.detect(np.zeros((1, 1)))
    with pytest.raises(ModelError, match="grey image"):
        detector.detect(np.zeros((5, 5, 3)))
    with pytest.raises(ModelError, match="2x2"):
        detector.clarity(np.zeros((1, 9)), 2)


def test_a_classifiers_probabilities_add_up_to_one(tmp_path: Path) -> None:
    classifier = ImageClassifier.from_bundle(classifier_bundle(tmp_path), "cpu")
    answer = classifier.probability(np.random.default_rng(0).random((30, 40)))
    assert set(answer) == {"frontal", "lateral"}
    assert sum(answer.values()) == pytest.approx(1.0)


def test_places_are_averaged_over_flips_before_the_highest_decides(tmp_path: Path) -> None:
    class Places:
        has_cells = True

        def cells(self, batch: Any) -> Any:
            cells = torch.zeros(4, 1, 2, 3)
            cells[0, 0, 0, 0] = 4.0  # as it is, a corner stands out ...
            cells[1, 0, 0, 2] = 4.0  # ... and mirrored it is the same place ...
            cells[2, 0, 0, 1] = 8.0  # ... but this place stands out in one flip alone
            return cells

        def pool(self, cells: Any) -> Any:
            return cells.amax((2, 3))

    classifier = ImageClassifier.from_bundle(classifier_bundle(tmp_path), "cpu")
    classifier._network = Places()
    # The corner: (4 + 4) / 4 = 2; the other place: 8 / 4 = 2, too, and not 8.
    answer = classifier.probability(np.random.default_rng(0).random((30, 40)))
    assert answer["frontal"] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_a_calibrated_classifier_moves_its_logit_along_the_line(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path)
    image = np.random.default_rng(0).random((40, 40))
    plain = ImageClassifier.from_bundle(bundle, "cpu").probability(image)["frontal"]
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text("utf-8"))
    metadata["wristqc"]["calibration"] = [2.0, -0.5]
    path.write_text(json.dumps(metadata), "utf-8")
    moved = ImageClassifier.from_bundle(bundle, "cpu").probability(image)["frontal"]
    logit = 2.0 * np.log(plain / (1 - plain)) - 0.5
    assert moved == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_a_detector_tells_how_unusual_an_image_is_where_its_bundle_knows(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    image = np.random.default_rng(0).random((40, 40))
    detector = KeypointDetector.from_bundle(bundle, "cpu")
    assert detector.examine(image).novelty is None
    features = detector.features(image)
    detector.familiarity = Familiarity(features - 3.0, np.ones_like(features), usual=1.5)
    detection = detector.examine(image)
    assert detection.novelty == pytest.approx(2.0, rel=1e-4)
    assert detection.keypoints == detector.detect(image)


def test_the_identity_names_bundle_version_and_the_digest_of_the_weights(tmp_path: Path) -> None:
    identity = ImageClassifier.from_bundle(classifier_bundle(tmp_path), "cpu").identity
    assert (identity.name, identity.version) == ("wrist_view", "1.0")
    assert len(identity.weights_sha256) == 64
    assert str(identity) == "wrist_view 1.0"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.*no such folder"):
        KeypointDetector.from_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "missing", ["configs/metadata.json", "configs/inference.json", "models/model.pt"]
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    bundle = keypoint_bundle(tmp_path)
    (bundle / missing).unlink()
    with pytest.raises(ModelError, match=Path(missing).name):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_damaged_json_is_named(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    (bundle / "configs/metadata.json").write_text('{"name": ')
    with pytest.raises(ModelError, match=r"metadata.json.*not valid JSON"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    (bundle / "models/model.pt").write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"model.pt.*damaged"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    definition = json.loads((bundle / "configs/inference.json").read_text())["network_def"]
    edit(bundle / "configs/inference.json", "network_def", {**definition, "width": 16})
    with pytest.raises(ModelError, match="another network"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_a_bundle_that_names_another_python_callable_is_refused(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    edit(bundle / "configs/inference.json", "network_def", {"_target_": "os.system"})
    with pytest.raises(ModelError, match="network_def"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_weights_that_carry_code_are_refused(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    torch.save({"state": Path}, bundle / "models/model.pt")
    with pytest.raises(ModelError, match=r"model.pt"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_a_classifier_bundle_is_no_keypoint_bundle(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"classification.*keypoints is needed"):
        KeypointDetector.from_bundle(classifier_bundle(tmp_path), "cpu")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("view", "axial"),
        ("input_size", [64]),
        ("sigma", "wide"),
        ("presence_thresholds", {"radial_styloid": 0.5}),
        ("keypoints", None),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_with_its_file(
    tmp_path: Path, key: str, value: object
) -> None:
    bundle = keypoint_bundle(tmp_path)
    own = json.loads((bundle / "configs/metadata.json").read_text())["wristqc"]
    edit(bundle / "configs/metadata.json", "wristqc", own | {key: value})
    with pytest.raises(ModelError, match=r"metadata\.json' are not understood"):
        KeypointDetector.from_bundle(bundle, "cpu")


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    bundle = keypoint_bundle(tmp_path)
    edit(bundle / "configs/metadata.json", "wristqc", {"view": "frontal"})
    with pytest.raises(ModelError, match="wristqc\\.input_size"):
        KeypointDetector.from_bundle(bundle, "cpu")


@pytest.mark.parametrize("make", [keypoint_bundle, classifier_bundle])
def test_monai_runs_the_bundle_on_an_image_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], Path]
) -> None:
    from monai.bundle import run

    bundle = make(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run(
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
        images=[str(tmp_path / "a.png")],
        logging_file=False,
    )
    assert str(tmp_path / "a.png") in capsys.readouterr().out


def test_monai_accepts_the_bundles_network_and_its_data_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai.bundle import verify_net_in_out

    for bundle in (keypoint_bundle(tmp_path), classifier_bundle(tmp_path)):
        verify_net_in_out(
            net_id="network_def",
            meta_file=str(bundle / "configs/metadata.json"),
            config_file=str(bundle / "configs/inference.json"),
            device="cpu",
        )


def test_the_logits_of_an_image_seen_at_several_scales_are_averaged(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path)
    path = bundle / "configs" / "metadata.json"
    own = json.loads(path.read_text("utf-8"))["wristqc"]
    edit(path, "wristqc", own | {"input_scales": [0.5, 1.0, 2.0]})
    classifier = ImageClassifier.from_bundle(bundle, "cpu")
    seen = []

    def logit(pixels: np.ndarray, flips: int) -> torch.Tensor:
        seen.append((*pixels.shape, flips))
        return torch.tensor(float(len(seen)))

    classifier._logit = logit
    answer = classifier.probability(np.random.default_rng(0).random((30, 40)))
    # 48 columns, halved, come to the next multiple of 32; as they are they stay as they are.
    assert seen == [(32, 32, 2), (64, 48, 4), (128, 96, 2)]
    assert answer["frontal"] == pytest.approx(1 / (1 + np.exp(-2.0)))


@pytest.mark.parametrize("scales", [[], [1.0, 0.0], ["twice"]])
def test_scales_that_are_none_are_refused(tmp_path: Path, scales: list[Any]) -> None:
    bundle = classifier_bundle(tmp_path)
    path = bundle / "configs" / "metadata.json"
    own = json.loads(path.read_text("utf-8"))["wristqc"]
    edit(path, "wristqc", own | {"input_scales": scales})
    with pytest.raises(ModelError, match=r"metadata\.json.*not understood"):
        ImageClassifier.from_bundle(bundle, "cpu")


def test_an_unknown_or_absent_device_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="Unknown device 'gpu'"):
        select_device("gpu")
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ModelError, match=f"'{absent}'.*does not offer"):
        select_device(absent)
    assert select_device("cpu").type == "cpu"
    assert select_device("auto").type in ("cuda", "mps", "cpu")


def test_a_close_box_shows_its_points_with_a_margin_and_scales_with_the_reference() -> None:
    points = {"radial_styloid": (100.0, 200.0), "ulnar_styloid": (150.0, 200.0)}
    styloids, thumb = CLOSE_LOOKS[View.FRONTAL]
    box = close_box(points, View.FRONTAL, styloids, (400, 300))
    # 50 px and 0.4 of them on either side make 90; an input of 4:3 makes that 120 high.
    assert box == (80, 140, 170, 260) or box == (81, 140, 171, 260)
    assert close_box(points, View.FRONTAL, thumb, (400, 300)) is None
    points["thumb_mcp_joint"] = (60.0, 100.0)
    box = close_box(points, View.FRONTAL, thumb, (400, 300), zoom=2.0)
    assert box is not None  # 2 x 0.75 x 50 px and twice that again
    assert (box[2] - box[0], box[3] - box[1]) == (150, 200)


def test_the_shafts_are_looked_at_together_with_the_wrist() -> None:
    points = {"scaphoid_centre": (50.0, 80.0), "distal_radius_centre": (50.0, 100.0)}
    points |= {"proximal_radius_centre": (45.0, 300.0), "proximal_ulna_centre": (55.0, 300.0)}
    box = close_box(points, View.LATERAL, CLOSE_LOOKS[View.LATERAL][1], (400, 300))
    assert box is not None
    # 220 px and 0.7 x 20 px at either end.
    assert box[3] - box[1] == 248 and box[1] <= 80 - 13 and box[3] >= 300 + 13


def test_there_is_no_close_look_without_its_reference() -> None:
    styloids = CLOSE_LOOKS[View.FRONTAL][0]
    points = {"radial_styloid": (100.0, 200.0)}
    assert close_box(points, View.FRONTAL, styloids, (400, 300)) is None
    points["ulnar_styloid"] = (101.0, 200.0)  # a pixel apart: no unit of length
    assert close_box(points, View.FRONTAL, styloids, (400, 300)) is None


class Scripted(KeypointDetector):
    """A detector whose looks are given instead of seen."""

    def look(self, grey: object, letterbox: Letterbox, axis: object = None, domain: int = 0) -> Any:
        return Look(letterbox, np.zeros(1), self.looks[domain](letterbox))


def test_a_network_with_a_close_domain_has_a_say_in_whether_the_thumb_is_there(
    tmp_path: Path,
) -> None:
    def at(position: tuple[float, float], presence: float) -> Located:
        return Located(position, presence, 0.5, 2.0, 1.0)

    first = {
        "thumb_mcp_joint": at((10.0, 60.0), 0.4),
        "radial_styloid": at((60.0, 100.0), 0.9),
        "ulnar_styloid": at((110.0, 100.0), 0.9),
    }
    near = {name: at((p.position[0] + 1.0, p.position[1]), 0.05) for name, p in first.items()}
    detector = Scripted.from_bundle(keypoint_bundle(tmp_path), "cpu")
    detector.looks = {0: lambda _: near, 1: lambda _: near}
    grey = np.zeros((200, 200), np.float32)
    # Without it, a closer look tells the place alone.
    assert detector.look_again(grey, first)["thumb_mcp_joint"] == at((11.0, 60.0), 0.4)
    detector._network.domains = 2
    located = detector.look_again(grey, first)
    # Odds of 2/3 and 1/19: their geometric mean is 0.1873.
    assert located["thumb_mcp_joint"].presence == pytest.approx(0.1873 / 1.1873, abs=1e-4)
    assert located["radial_styloid"] == at((61.0, 100.0), 0.9)
    # Where the first look saw hardly anything, a closer one is not asked: it sees another joint.
    first["thumb_mcp_joint"] = at((10.0, 60.0), 0.19)
    assert detector.look_again(grey, first)["thumb_mcp_joint"] == first["thumb_mcp_joint"]


def test_a_joint_that_the_close_look_places_beyond_the_border_is_hardly_inside(
    tmp_path: Path,
) -> None:
    def at(x: float, presence: float) -> Located:
        return Located((x, 60.0), presence, 0.5, 2.0, 2.0)

    styloids = {
        "radial_styloid": Located((60.0, 100.0), 0.9, 0.5, 2.0, 2.0),
        "ulnar_styloid": Located((110.0, 100.0), 0.9, 0.5, 2.0, 2.0),
    }
    detector = Scripted.from_bundle(keypoint_bundle(tmp_path), "cpu")
    detector._network.domains = 2
    grey = np.zeros((200, 200), np.float32)
    # The border is at -0.5, a pixel of the heat map 2: at -2.5 the place is one of them outside,
    # at -0.5 on it, at 1.5 one inside; the normal distribution below -1, 0 and 1 holds 0.1587,
    # 0.5 and 0.8413.
    for x, share in ((-2.5, 0.1587), (-0.5, 0.5), (1.5, 0.8413)):
        near = styloids | {"thumb_mcp_joint": at(x, 0.8)}
        detector.looks = {1: lambda _, near=near: near}
        thumb = detector.look_again(grey, styloids | {"thumb_mcp_joint": at(1.0, 0.8)})[
            "thumb_mcp_joint"
        ]
        assert thumb.position == (x, 60.0)
        assert thumb.presence == pytest.approx(0.8 * share, abs=1e-4)
    # From the other sides too, and not where the closer look is not believed.
    assert chance_inside(at(200.5, 0.8), (200, 200)) == pytest.approx(0.3085, abs=1e-4)
    assert chance_inside(at(100.0, 0.8), (62, 200)) == pytest.approx(0.7734, abs=1e-4)
    far = styloids | {"thumb_mcp_joint": at(-150.0, 0.8)}
    detector.looks = {1: lambda _: far}
    thumb = detector.look_again(grey, styloids | {"thumb_mcp_joint": at(1.0, 0.8)})
    assert thumb["thumb_mcp_joint"].presence == pytest.approx(0.8)


class Answered(KeypointDetector):
    """A detector whose network's answer is given."""

    def _answer(self, pixels: object, domain: int) -> Any:
        return self.answer


@pytest.mark.parametrize(("shown", "place"), [(0.8, (100.0, 150.0)), (0.0, (64.0, 190.0))])
def test_a_proximal_point_is_sought_where_its_own_shaft_leads_to(
    tmp_path: Path, shown: float, place: tuple[float, float]
) -> None:
    """The ulna leaves through the right side, but seems rather to be where the radius ends."""
    points = {
        "scaphoid_centre": (60.0, 40.0),
        "distal_radius_centre": (60.0, 60.0),
        "proximal_radius_centre": (60.0, 190.0),
        "distal_ulna_centre": (80.0, 60.0),
        "proximal_ulna_centre": (64.0, 190.0),
    }
    detector = Answered.from_bundle(keypoint_bundle(tmp_path), "cpu")
    detector.view, detector.input_size = View.LATERAL, (400, 320)
    detector.names, detector.sigma = tuple(points), 1.0
    letterbox = Letterbox.whole((200, 160), (400, 320))

    def on_map(x: float, y: float) -> tuple[float, float]:  # two of its pixels are four of an image
        return (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5

    heat_maps = 0.5 * gaussian_heat_maps(
        np.array([on_map(*point) for point in points.values()]), (100, 80), 1.0
    )
    heat_maps[4] += 0.2 * gaussian_heat_maps(np.array([on_map(100, 150)]), (100, 80), 1.0)[0]
    shafts = np.zeros((2, 100, 80), np.float32)
    for shaft, start, end in zip(
        shafts, ((60, 60), (80, 60)), ((60, 190), (100, 150)), strict=True
    ):
        for x, y in np.linspace(on_map(*start), on_map(*end), 300):
            shaft[round(y), round(x) - 1 : round(x) + 2] = shown
    detector.answer = heat_maps, np.full(5, 0.9), np.zeros(1), shafts
    located = detector.look(np.zeros((200, 160), np.float32), letterbox).located
    assert located["proximal_ulna_centre"].position == pytest.approx(place, abs=0.5)
    assert located["proximal_radius_centre"].position == pytest.approx((60.0, 190.0), abs=0.5)
    assert located["proximal_ulna_centre"].presence == 0.9


class SeesTheSame(KeypointDetector):
    """A detector that sees given points, whether the image is turned upright or not."""

    def _first_look(self, image: Any) -> Any:
        return image, np.zeros(1), self.points

    def look(self, grey: object, letterbox: Letterbox, axis: object = None, domain: int = 0) -> Any:
        return Look(letterbox, np.zeros(1), self.points)

    def look_again(self, grey: np.ndarray, first: Any, spacing: object = None) -> Any:
        if grey.shape == self.shape:
            return dict(self.points)
        tilt = forearm_tilt({name: point.position for name, point in self.points.items()})
        turned = Turned.by(np.zeros(self.shape, np.float32), tilt)
        return {
            name: replace(point, position=within_turned(turned, *point.position))
            for name, point in self.points.items()
        }


def within_turned(turned: Turned, x: float, y: float) -> tuple[float, float]:
    """Where a place of the original lies in the turned image."""
    across, down = np.linalg.inv(turned.matrix) @ (np.array([x, y]) - turned.offset)
    return float(across), float(down)


def test_a_tilted_shaft_ends_with_the_field_and_not_in_the_white_shutter_beyond(
    tmp_path: Path,
) -> None:
    # The field of `forearm` tilted by 30 degrees within a white shutter. Turned upright again, the
    # image has corners with nothing in them, which are no shutter.
    upright = np.ones((400, 400), np.float32)
    upright[:300, 140:260] = forearm(300)[:300]
    tilted = Turned.by(upright, -30.0)
    shown = Turned.by(np.ones_like(upright), -30.0).image > 0.99
    grey = np.where(shown, tilted.image, 1.0).astype(np.float32)

    def place(x: float, y: float) -> tuple[float, float]:
        return within_turned(tilted, x + 140.0, y)

    detector = SeesTheSame.from_bundle(keypoint_bundle(tmp_path), "cpu")
    detector.view, detector.shape = View.LATERAL, grey.shape
    short = WRIST | {"proximal_ulna_centre": (50.0, 150.0)}
    detector.points = {n: Located(place(*p), 0.9, 0.3, 2.0, 1.0) for n, p in short.items()}
    located = detector.locate(grey, (0.4, 0.4))
    for name in ("proximal_radius_centre", "proximal_ulna_centre"):
        assert located[name].position == pytest.approx(place(50.0, 299.0), abs=2.0)
