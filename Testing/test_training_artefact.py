from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from Testing.test_training_data import FRONTAL, config, write_labelled  # noqa: E402
from training import pasting  # noqa: E402
from training.config import Augmentation, LossWeights  # noqa: E402
from training.datasets import Ask, CachedImage, RadiographDataset, Source  # noqa: E402
from training.labels import read_label  # noqa: E402
from training.losses import classification_loss  # noqa: E402
from training.pasting import ObjectBank, Sprite, add_attenuation, exposed, lay  # noqa: E402
from WristQCLib.models.mobilenetv2 import HIGHEST, MobileNetV2  # noqa: E402

SQUARE = [[20, 10], [40, 10], [40, 30], [20, 30]]


def write_with_object(folder: Path, stem: str, kind: str, corners: list[list[int]]) -> Path:
    path = write_labelled(folder, stem, FRONTAL, frontal=True, artefact=True)
    content = json.loads(path.read_text())
    content["shapes"].append({"label": "foreign_object", "points": corners, "shape_type": kind})
    path.write_text(json.dumps(content))
    return path


def test_an_outline_tells_where_an_object_is(tmp_path: Path) -> None:
    path = write_with_object(tmp_path, "a", "polygon", SQUARE)
    assert read_label(path).foreign_objects == ((20, 10, 40, 30),)
    seen, unclear = CachedImage.load(path, 0, 45).foreign_object_mask()  # at half of the 90 x 60
    assert seen.shape == (45, 30)
    assert seen[10, 15] == 1 and seen[10, 25] == 0 and seen[20, 15] == 0
    assert 100 <= seen.sum() <= 144  # 10 x 10 and its rim
    assert not unclear.any()


def test_a_box_only_tells_where_an_object_is_not(tmp_path: Path) -> None:
    path = write_with_object(tmp_path, "a", "rectangle", [[40, 30], [20, 10]])
    seen, unclear = CachedImage.load(path, 0, 90).foreign_object_mask()
    assert not seen.any()
    assert unclear[20, 30] == 1 and unclear[40, 30] == 0


def test_an_object_that_nobody_marked_may_be_anywhere(tmp_path: Path) -> None:
    path = write_labelled(tmp_path, "a", FRONTAL, frontal=True, artefact=True)
    seen, unclear = CachedImage.load(path, 0, 90).foreign_object_mask()
    assert not seen.any() and unclear.all()


def test_only_cells_that_are_known_are_judged() -> None:
    # Images of 2x1 cells: object above, no object, an object that may be above.
    mask = torch.zeros(3, 2, 4, 2)
    mask[0, 0, :2], mask[2, 1, :2] = 1.0, 1.0
    labels, logits = torch.tensor([1.0, 0.0, 1.0]), torch.zeros(3)
    plain = classification_loss(None, logits, labels, None, 1.0)
    assert float(plain) == pytest.approx(math.log(2))
    cells = torch.zeros(3, 1, 2, 1)
    flat = classification_loss(cells, logits, labels, mask, 2.0)
    # Five known cells, log 2 each; the one with the object counts five times.
    assert float(flat) == pytest.approx((1 + 2 * (4 + 5) / 5) * math.log(2))
    right = torch.full((3, 1, 2, 1), -30.0)
    right[0, 0, 0], right[2, 0, 0] = 30.0, 7.0
    loss = classification_loss(right, logits, labels, mask, 2.0)
    assert float(loss) == pytest.approx(math.log(2))


def test_the_cells_of_a_cast_weigh_no_more_than_those_of_smaller_objects() -> None:
    # 16x16 cells, 128 of them with an object: they weigh as much as 64.
    mask = torch.zeros(1, 2, 16, 16)
    mask[0, 0, :8] = 1.0
    cells = torch.zeros(1, 1, 16, 16)
    loss = classification_loss(cells, torch.zeros(1), torch.ones(1), mask, 1.0)
    assert float(loss) == pytest.approx((1 + (128 + 64 * 5) / 256) * math.log(2))


def test_of_an_object_the_half_that_shows_it_best_is_judged() -> None:
    # Five cells with an object: three show it, and the others need not.
    mask = torch.zeros(1, 2, 2, 10)
    mask[0, 0] = 1.0
    cells = torch.tensor([[[[30.0, -30.0, 30.0, -30.0, 30.0]]]])
    loss = classification_loss(cells, torch.zeros(1), torch.ones(1), mask, 1.0)
    assert float(loss) == pytest.approx(math.log(2))
    # Of three the one in the middle counts too, with five times log 2; a fourth has no object.
    mask = torch.zeros(1, 2, 4, 4)
    mask[0, 0] = 1.0
    cells = torch.tensor([[30.0, 0.0], [-30.0, -30.0]])[None, None]
    mask[0, 0, 2:, 2:] = 0.0
    loss = classification_loss(cells, torch.zeros(1), torch.ones(1), mask, 1.0)
    assert float(loss) == pytest.approx((1 + 5 / 3) * math.log(2))


def test_the_images_logit_is_a_line_through_the_mean_of_its_highest_cells() -> None:
    network = MobileNetV2(width=0.35, input_stride=4, pooling="highest").eval()
    with torch.no_grad():
        network.line.weight.fill_(2.0)
        network.line.bias.fill_(0.5)
        cells = torch.arange(32.0).reshape(1, 1, 4, 8)
        highest = sum(31 - k for k in range(HIGHEST)) / HIGHEST
        assert float(network.pool(cells)) == pytest.approx(2 * highest + 0.5)
        image = torch.rand(2, 1, 64, 96)
        assert network.cells(image).shape == (2, 1, 8, 12)
        assert torch.allclose(network(image), network.pool(network.cells(image)))
        assert torch.allclose(torch.jit.script(network)(image), network(image), atol=1e-6)


def test_attenuation_only_brightens_and_only_where_it_is() -> None:
    image = np.full((40, 40), 0.3, dtype=np.float32)
    mu_t = np.zeros((40, 40), dtype=np.float32)
    mu_t[15:25, 15:25] = 0.5
    # Of the seeds tried, 3 draws no edge enhancement, which would darken the surroundings.
    shown = add_attenuation(np.random.default_rng(3), image, mu_t)
    assert (shown >= image - 1e-6).all()
    assert shown[20, 20] > 0.4
    assert np.array_equal(shown[:8], image[:8])


def test_a_shutter_is_not_exposed() -> None:
    image = np.zeros((60, 60), dtype=np.float32)
    image[:, 30:] = np.random.default_rng(0).uniform(0.2, 0.8, (60, 30))
    inside = exposed(image)
    assert not inside[:, :26].any() and inside[10:50, 38:50].all()


def test_an_object_that_cannot_be_seen_is_not_laid() -> None:
    image = np.random.default_rng(0).uniform(0.3, 0.5, (80, 60)).astype(np.float32)
    solid = Sprite(np.full((20, 20), 1.0, dtype=np.float32), 0.5)
    faint = Sprite(np.full((20, 20), 1e-3, dtype=np.float32), 0.5)
    outcomes = [lay(np.random.default_rng(k), solid, image, 0.5) for k in range(8)]
    laid = [outcome for outcome in outcomes if outcome is not None]
    assert len(laid) >= 6
    for outcome in laid:
        changed = np.abs(outcome.image - image)
        assert (changed[outcome.seen] > pasting.SEEN_STEP).all()
        assert not (outcome.seen & outcome.unclear).any()
        assert (changed[~outcome.seen & ~outcome.unclear] <= pasting.UNSEEN_STEP).all()
    assert all(lay(np.random.default_rng(k), faint, image, 0.5) is None for k in range(8))


def test_a_bank_of_objects_follows_its_seed() -> None:
    banks = [ObjectBank(4, seed) for seed in (1, 1, 2)]
    first, again, other = ([s.mu_t for s in bank.sprites] for bank in banks)
    assert len(first) == 4
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_an_image_gets_an_object_with_its_label_and_place(tmp_path: Path) -> None:
    for k in range(3):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    settings = config(
        task="artefact",
        losses=LossWeights(cells=1.0),
        augmentation=Augmentation(objects=1.0, bank=6),
    )
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    samples = [data[Ask(0, seed)] for seed in range(20)]
    assert sum(float(s["label"]) for s in samples) >= 10
    for sample in samples:
        assert sample["mask"].shape == (2, 64, 32)
        assert bool(sample["label"]) == bool(sample["mask"][0].sum() >= pasting.LEAST_SEEN)
    plain = data[Ask(0, -1)]
    assert float(plain["label"]) == 0.0 and "mask" not in plain


def test_parts_of_the_input_are_as_large_as_asked_until_the_last_epochs(tmp_path: Path) -> None:
    for k in range(2):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    settings = config(task="artefact", patch_size=(40, 24), epochs=5, whole_epochs=2)
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    sizes = []
    for data.epoch in range(5):
        sizes.append(tuple(data[Ask(0, 7)]["image"].shape[1:]))
    assert sizes == 3 * [(40, 24)] + 2 * [(64, 32)]
    assert data[Ask(0, -1)]["image"].shape == (1, 64, 32)


def test_a_part_lies_within_the_input_and_moves_points_with_it(tmp_path: Path) -> None:
    for k in range(2):
        write_labelled(tmp_path, f"a{k}", FRONTAL, frontal=True)
    plain = Augmentation(flip=0.0, rotation_deg=0.0)
    settings = config(task="artefact", augmentation=plain, patch_size=(40, 24), whole_epochs=0)
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    whole = data[Ask(0, -1)]["image"][0].numpy()
    corners = set()
    for seed in range(40):
        part = data[Ask(0, seed)]["image"][0].numpy()
        # The resampling of the whole input is another one, so that it agrees but roughly.
        differences = {
            (top, left): float(np.abs(whole[top : top + 40, left : left + 24] - part).mean())
            for top in range(25)
            for left in range(9)
        }
        corners.add(min(differences, key=differences.__getitem__))
        assert min(differences.values()) < 0.05
    assert len(corners) > 20


def test_parts_are_cut_about_foreign_objects_as_often_as_asked(tmp_path: Path) -> None:
    ring = [[48, 72], [53, 72], [53, 77], [48, 77]]
    for k in range(2):
        write_with_object(tmp_path, f"a{k}", "polygon", ring)
    plain = Augmentation(flip=0.0, rotation_deg=0.0)

    def shown(share: float) -> float:
        settings = config(
            task="artefact", augmentation=plain, patch_size=(16, 8), patch_on_object=share
        )
        data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
        seen = [bool(data[Ask(0, seed)]["mask"][0].any()) for seed in range(60)]
        return sum(seen) / len(seen)

    assert shown(1.0) == 1.0
    # A part covers 16 of 64 rows and 8 of 32 columns: it meets the ring by chance in about a tenth.
    assert shown(0.0) < 0.3
    assert shown(0.0) < shown(0.5) < 0.9


def test_a_part_of_a_box_tells_nothing_of_the_object(tmp_path: Path) -> None:
    for k in range(2):
        write_with_object(tmp_path, f"a{k}", "rectangle", [[0, 0], [59, 89]])
    plain = Augmentation(flip=0.0, rotation_deg=0.0)
    settings = config(task="artefact", augmentation=plain, patch_size=(32, 32))
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    assert math.isnan(data[Ask(0, 0)]["label"])
    settings = config(task="artefact", augmentation=plain)
    whole = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    assert float(whole[Ask(0, 0)]["label"]) == 1.0


def test_an_image_of_unknown_label_is_judged_by_its_cells_alone() -> None:
    labels, logits = torch.tensor([1.0, math.nan]), torch.tensor([0.0, 9.0], requires_grad=True)
    loss = classification_loss(None, logits, labels, None, 0.0)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad.tolist() == [-0.5, 0.0]


def test_an_object_that_is_turned_out_of_the_input_is_not_in_it(tmp_path: Path) -> None:
    for k in range(2):
        write_with_object(tmp_path, f"a{k}", "polygon", [[0, 0], [59, 0], [59, 6], [0, 6]])
    settings = config(
        task="artefact", augmentation=Augmentation(flip=0.0, rotation_deg=0.0, shift_px=40.0)
    )
    data = RadiographDataset([Source(tmp_path, 1.0)], settings, "train")
    samples = [data[Ask(0, seed)] for seed in range(20)]
    assert {0.0, 1.0} <= {float(s["label"]) for s in samples}
    for sample in samples:
        seen = float(sample["mask"][0].sum())
        expected = 1.0 if seen >= pasting.LEAST_SEEN else 0.0 if seen == 0 else math.nan
        assert float(sample["label"]) == pytest.approx(expected, nan_ok=True)
