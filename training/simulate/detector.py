"""From line integrals to what a flat-panel detector reads: Beer-Lambert, scatter, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Detector:
    """Physics of one exposure.

    Attributes
    ----------
    photons
        Detected quanta per square millimetre in the open beam.
    scatter_fraction
        Scattered share of the signal behind the limb.
    scatter_mm
        Width (standard deviation) of the scatter's spread.
    blur_mm
        Width of focal spot and detector blur.
    heel
        Relative change of intensity over the image, per axis (anode heel effect, off-centre beam).
    leakage
        Share of the open beam that reaches the detector behind the collimator.
    banding
        Relative gain error from row to row (line scan, as of imaging plates).
    """

    photons: float
    scatter_fraction: float
    scatter_mm: float
    blur_mm: float
    heel: tuple[float, float]
    leakage: float
    banding: float = 0.0


def draw_detector(rng: np.random.Generator) -> Detector:
    """Exposure levels and sharpness over the range that is met in practice."""
    return Detector(
        photons=float(np.exp(rng.uniform(np.log(8e3), np.log(3e5)))),
        scatter_fraction=float(rng.uniform(0.12, 0.22)),
        scatter_mm=float(rng.uniform(15, 35)),
        blur_mm=float(rng.uniform(0.08, 0.35)),
        heel=(float(rng.normal(0, 0.08)), float(rng.normal(0, 0.08))),
        leakage=float(rng.uniform(0.002, 0.02)),
        banding=float(rng.uniform(0.002, 0.012)) if rng.random() < 0.2 else 0.0,
    )


def expose_detector(
    mu_t: Array, aperture: Array, spacing: float, detector: Detector, rng: np.random.Generator
) -> Array:
    """Read-out of the detector, relative to the open beam.

    Parameters
    ----------
    mu_t
        (rows, cols) line integrals of everything in the beam.
    aperture
        (rows, cols) share of the beam that passes the collimator.
    spacing
        Millimetres per pixel.
    detector
        Physics of the exposure.
    rng
        Source of the noise.
    """
    rows, cols = mu_t.shape
    slope_x = np.linspace(-detector.heel[0], detector.heel[0], cols, dtype=np.float32)
    slope_y = np.linspace(-detector.heel[1], detector.heel[1], rows, dtype=np.float32)
    open_beam = (aperture + detector.leakage) * (1 + slope_x[None, :] + slope_y[:, None])
    primary = open_beam * np.exp(-mu_t)
    # Scatter comes from what is absorbed, and from the table in the open beam.
    source = aperture * (1.15 - np.exp(-mu_t))
    ratio = detector.scatter_fraction / (1 - detector.scatter_fraction)
    scatter = smooth(source.astype(np.float32), detector.scatter_mm / spacing) * (ratio * 0.45)
    signal = ndimage.gaussian_filter(primary, detector.blur_mm / spacing) + scatter
    quanta = detector.photons * spacing**2
    # Counts are in the hundreds and more, where the normal law is the Poisson law.
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    counts = signal * quanta + noise * np.sqrt(signal * quanta + 4)
    signal = counts / quanta
    if detector.banding > 0:
        gain = ndimage.gaussian_filter1d(rng.normal(0, 1, rows), 0.5 / spacing)
        gain *= detector.banding / max(float(gain.std()), 1e-9)
        signal *= (1 + gain[:, None]).astype(np.float32)
    return np.maximum(signal, np.float32(1e-4))


def smooth(image: Array, sigma: float) -> Array:
    """Gaussian blur; wide ones are done on a reduced image, which is as good and much faster."""
    factor = int(max(1, sigma // 2))
    if factor == 1:
        return ndimage.gaussian_filter(image, sigma, truncate=3)
    rows, cols = image.shape
    pad = 3 * factor
    padded = np.pad(image, pad, mode="edge")
    small = Image.fromarray(padded).reduce(factor)
    blurred = ndimage.gaussian_filter(np.asarray(small), sigma / factor, truncate=3)
    high, wide = padded.shape
    # `reduce` rounds up: the reduced image covers a little more than the padded one.
    full = Image.fromarray(blurred).resize(
        (wide, high), Image.Resampling.BILINEAR, box=(0, 0, wide / factor, high / factor)
    )
    return np.asarray(full)[pad : pad + rows, pad : pad + cols]
