"""The one map between pixels of an image and pixels of a network's input.

Pixel centres lie at integers in both, so a pixel's left border lies at its index - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from WristQCLib.models.preprocessing import FloatImage, normalise

Points = npt.NDArray[np.float64]


FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
"""Axes of an input (B, C, rows, columns) along which it is flipped, to average the answers."""


@dataclass(frozen=True)
class Letterbox:
    """A box of an image, resized to fit a network's input and centred on it.

    Attributes
    ----------
    box
        (left, top, right, bottom): pixel indices, right and bottom exclusive. The box may reach
        beyond the image; what is not there is 0.
    input_size
        (rows, columns) of the network's input.
    content_size
        (rows, columns) that the resized box takes there; the rest is padding.
    """

    box: tuple[int, int, int, int]
    input_size: tuple[int, int]
    content_size: tuple[int, int]

    @classmethod
    def fit(
        cls, box: tuple[int, int, int, int], input_size: tuple[int, int], isotropic: bool = True
    ) -> Letterbox:
        """Make `box` as large as fits.

        Parameters
        ----------
        box, input_size
            As the attributes.
        isotropic
            Keep the aspect ratio and pad. False squeezes the box into the whole input, as the
            source paper does (section 5).
        """
        width, height = box[2] - box[0], box[3] - box[1]
        if width < 1 or height < 1:
            raise ValueError(f"Box {box} is empty.")
        rows, columns = input_size
        if not isotropic:
            return cls(box, input_size, input_size)
        scale = min(rows / height, columns / width)
        content = (
            min(rows, max(1, round(height * scale))),
            min(columns, max(1, round(width * scale))),
        )
        return cls(box, input_size, content)

    @classmethod
    def whole(
        cls, image_size: tuple[int, int], input_size: tuple[int, int], isotropic: bool = True
    ) -> Letterbox:
        """The whole image of `image_size` (rows, columns)."""
        return cls.fit((0, 0, image_size[1], image_size[0]), input_size, isotropic)

    @property
    def scale(self) -> Points:
        """Input pixels per image pixel, (x, y). Rounding to whole pixels is accounted for."""
        left, top, right, bottom = self.box
        rows, columns = self.content_size
        return np.array([columns / (right - left), rows / (bottom - top)])

    @property
    def margin(self) -> tuple[int, int]:
        """Padding (left, top) of the content, in whole input pixels."""
        return (
            (self.input_size[1] - self.content_size[1]) // 2,
            (self.input_size[0] - self.content_size[0]) // 2,
        )

    def to_input(self, points: npt.ArrayLike) -> Points:
        """Map (..., 2) image points (x, y) to the network's input."""
        image_points = np.asarray(points, dtype=np.float64)
        return (image_points + 0.5 - self.box[:2]) * self.scale + self.margin - 0.5

    def to_image(self, points: npt.ArrayLike) -> Points:
        """Map (..., 2) input points (x, y) back to the image; the inverse of `to_input`."""
        input_points = np.asarray(points, dtype=np.float64)
        return (input_points + 0.5 - self.margin) / self.scale + self.box[:2] - 0.5

    def resample(self, image: FloatImage) -> FloatImage:
        """The network's input: `image` (rows, columns) cut to the box, resized, padded with 0."""
        import torch
        from torch.nn.functional import interpolate

        left, top, right, bottom = self.box
        rows, columns = image.shape
        inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        outside = (
            (min(max(-top, 0), bottom - top), max(bottom - max(rows, top), 0)),
            (min(max(-left, 0), right - left), max(right - max(columns, left), 0)),
        )
        cut = np.pad(inside, outside)
        content = interpolate(
            torch.from_numpy(np.ascontiguousarray(cut, dtype=np.float32))[None, None],
            size=self.content_size,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )[0, 0].numpy()
        result = np.zeros(self.input_size, dtype=np.float32)
        margin_left, margin_top = self.margin
        result[
            margin_top : margin_top + self.content_size[0],
            margin_left : margin_left + self.content_size[1],
        ] = content
        return result


def network_input(
    image: npt.NDArray[np.generic], input_size: tuple[int, int], isotropic: bool = True
) -> FloatImage:
    """A whole image (rows, columns) as a network sees it: normalised and letterboxed, in [0, 1]."""
    return Letterbox.whole(image.shape, input_size, isotropic).resample(normalise(image))  # type: ignore[arg-type]
