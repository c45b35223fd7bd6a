"""From detector signal to a "for presentation" image, in the manner of several makers.

All do the same in principle: the logarithm, a decomposition into frequency bands that are raised or
lowered, and a sigmoid grey curve fitted to the histogram within the collimated field. What differs
is how far each step is driven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.simulate.detector import smooth

Array = NDArray[np.float32]

BAND_WIDTHS_MM = (0.5, 1.2, 3.0, 7.5, 18.0)
"""Standard deviations that part the frequency bands, fine to coarse."""

WHITE = 4095
"""Largest value of the 12-bit images."""


@dataclass(frozen=True)
class Look:
    """Settings of one maker's processing.

    Attributes
    ----------
    name
        What the look resembles.
    gains
        Factor of each frequency band, fine to coarse.
    base
        Factor of what is left below the coarsest band.
    contrast
        Steepness of the grey curve.
    brightness
        Grey value in [0, 1] of the limb's median.
    gamma
        Exponent applied last.
    black
        Grey value in [0, 1] of the open beam's floor.
    knee
        Optical density at which a band's large steps, as at the skin, are halved while its small
        ones stay; 0 for no such compression.
    """

    name: str
    gains: tuple[float, float, float, float, float]
    base: float
    contrast: float
    brightness: float
    gamma: float
    black: float
    knee: float = 0.0


_LOOKS = {
    # name: (gains, base, contrast, brightness, knee); then each is drawn around these.
    "balanced": ((1.2, 1.3, 1.2, 1.0, 0.9), 0.7, 1.05, 0.40, 1.0),
    "soft": ((0.7, 0.9, 1.0, 1.0, 1.0), 0.75, 1.0, 0.37, 0.0),
    "hard": ((3.0, 4.0, 3.0, 1.3, 0.5), 0.15, 1.5, 0.19, 0.0),
    "edged": ((3.0, 4.0, 3.0, 1.6, 1.0), 0.35, 1.3, 0.30, 0.4),
    "level": ((1.5, 1.6, 1.5, 1.0, 0.6), 0.45, 0.66, 0.38, 0.35),
    "crisp": ((2.2, 2.4, 2.0, 1.2, 0.6), 0.35, 0.8, 0.38, 0.15),
    "flat": ((0.8, 0.9, 0.9, 0.9, 1.0), 1.0, 0.65, 0.42, 0.0),
    "plain": ((1.0, 1.0, 1.0, 1.0, 1.0), 0.88, 1.1, 0.33, 0.0),
}
_SHARES = (0.18, 0.12, 0.13, 0.16, 0.23, 0.07, 0.05, 0.06)


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a maker's processing with its settings."""
    name = str(rng.choice(list(_LOOKS), p=_SHARES))
    gains, base, contrast, brightness, knee = _LOOKS[name]
    return Look(
        name=name,
        gains=tuple(float(g) for g in np.array(gains) * np.exp(rng.normal(0, 0.15, 5))),  # type: ignore[arg-type]
        base=float(base * np.exp(rng.normal(0, 0.15))),
        contrast=float(contrast * np.exp(rng.normal(0, 0.2))),
        brightness=float(np.clip(brightness + rng.normal(0, 0.07), 0.15, 0.65)),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        black=float(max(0, rng.normal(0.01 if name in ("hard", "edged") else 0.07, 0.05))),
        knee=float(knee * np.exp(rng.normal(0, 0.3))),
    )


def present(
    signal: Array, reference: NDArray[np.bool_], spacing: float, look: Look
) -> NDArray[np.uint16]:
    """12-bit image, bright where attenuation is high.

    Parameters
    ----------
    signal
        (rows, cols) detector read-out relative to the open beam.
    reference
        (rows, cols) where the limb is exposed; the grey curve is fitted to it.
    spacing
        Millimetres per pixel.
    look
        The maker's processing.
    """
    shown = enhanced(signal, spacing, look)
    grey = grey_values(shown, fitted_curve(shown, reference, look), look)
    return np.clip(np.round(grey * WHITE), 0, WHITE).astype(np.uint16)


def enhanced(signal: Array, spacing: float, look: Look) -> Array:
    """Optical density with its frequency bands raised or lowered."""
    density = -np.log(signal)
    level, raised = density, np.zeros_like(density)
    for width, gain in zip(BAND_WIDTHS_MM, look.gains, strict=True):
        lower = smooth(level, width / spacing)
        band = level - lower
        if look.knee > 0:
            band /= 1 + np.abs(band) / np.float32(look.knee)
        raised += np.float32(gain) * band
        level = lower
    raised += np.float32(look.base) * level
    return raised


def fitted_curve(
    density: Array, reference: NDArray[np.bool_], look: Look
) -> tuple[np.float32, np.float32]:
    """Middle and slope of the grey curve, from the densities where `reference` is set."""
    sample = density[::3, ::3][reference[::3, ::3]]
    if sample.size < 50:
        sample = density[::3, ::3].ravel()
    low, middle, high = np.percentile(sample, [3, 50, 99])
    width = max(float(high - low), 0.15) / look.contrast
    return np.float32(middle), np.float32(4.2 / width)


def grey_values(density: Array, curve: tuple[np.float32, np.float32], look: Look) -> Array:
    """Grey values from 0 to 1 by a sigmoid curve of this middle and slope."""
    middle, slope = curve
    offset = np.float32(np.log(look.brightness / (1 - look.brightness)))
    grey = 1 / (1 + np.exp(-(slope * (density - middle) + offset)))
    return np.asarray(look.black + (1 - look.black) * grey ** np.float32(look.gamma), np.float32)
