from __future__ import annotations

import json

import numpy as np
import pytest

from WristQCLib.models.familiarity import Familiarity


def test_novelty_is_the_distance_from_known_features_in_their_deviations() -> None:
    # Deviations 2 and 0.5; steps of 3 and 4 deviations: root mean square sqrt((9 + 16) / 2).
    known = Familiarity(np.array([10.0, 1.0]), np.array([2.0, 0.5]), usual=2.0)
    assert known.novelty(np.array([16.0, -1.0])) == pytest.approx(np.sqrt(12.5) / 2)
    assert known.novelty(np.array([10.0, 1.0])) == 0


def test_one_held_out_image_in_twenty_is_unusual() -> None:
    rng = np.random.default_rng(3)
    fitted = Familiarity.fit(rng.normal(5.0, 2.0, (400, 30)), rng.normal(5.0, 2.0, (400, 30)))
    novelties = [fitted.novelty(features) for features in rng.normal(5.0, 2.0, (2000, 30))]
    assert np.mean(np.array(novelties) > 1) == pytest.approx(0.05, abs=0.02)
    assert fitted.novelty(np.full(30, 12.0)) > 2


def test_a_feature_that_never_varied_does_not_divide_by_zero() -> None:
    constant = np.column_stack([np.ones(10), np.arange(10.0)])
    assert np.isfinite(Familiarity.fit(constant, constant).novelty(np.array([1.0, 4.5])))


def test_a_bundle_keeps_it_and_one_without_it_tells_nothing() -> None:
    known = Familiarity(np.array([1.25, -3.0]), np.array([0.5, 2.0]), usual=1.5)
    kept = Familiarity.from_setting(json.loads(json.dumps(known.to_setting())))
    assert kept is not None
    assert kept.novelty(np.array([2.0, 2.0])) == known.novelty(np.array([2.0, 2.0]))
    assert Familiarity.from_setting(None) is None
