"""From an image to keypoints: normalise, letterbox, network, heat maps, positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint
from WristQCLib.models.bundles import Bundle, BundleIdentity
from WristQCLib.models.device import select_device
from WristQCLib.models.errors import ModelError
from WristQCLib.models.heatmaps import HeatMaps, decode
from WristQCLib.models.letterbox import FLIPS, Letterbox
from WristQCLib.models.preprocessing import FloatImage, normalise
from WristQCLib.models.refinement import REFINEMENTS, refinement_box
from WristQCLib.models.shape_prior import PROXIMAL, Points, beyond, forearm_axis

if TYPE_CHECKING:
    import torch

    from WristQCLib.models.gu2net import GU2Net

MAX_SHIFT = 0.25
"""A second look that moves a point by more than this share of the diagonal is not believed."""

MIN_HEIGHT_RATIO = 0.2
"""... nor one whose peak is lower than this share of the first look's."""


@dataclass(frozen=True)
class Located:
    """One keypoint as a look at (part of) the image sees it, in the image's pixels."""

    position: tuple[float, float]
    presence: float
    height: float
    width: float
    second_ratio: float


class KeypointDetector:
    """Finds the keypoints of one view.

    Attributes
    ----------
    view
        The view that the bundle is for.
    identity
        Name, version and weights digest, for reports.
    device
        Where it runs.
    """

    def __init__(self, bundle: Bundle, network: GU2Net, device: torch.device) -> None:
        self.view = View(bundle.setting("view"))
        self.identity: BundleIdentity = bundle.identity
        self.device = device
        self.input_size = bundle.input_size
        self.isotropic = bundle.setting("letterbox") == "isotropic"
        self.names: tuple[str, ...] = tuple(bundle.setting("keypoints"))
        if self.names != KEYPOINT_NAMES[self.view]:
            raise ModelError(
                f"The bundle '{bundle.folder}' finds {self.names},"
                f" but a {self.view} view has {KEYPOINT_NAMES[self.view]}."
            )
        self.thresholds: Mapping[str, float] = bundle.setting("presence_thresholds")
        self.spread_factors: Mapping[str, float] = bundle.setting("spread_factors")
        self.sigma = float(bundle.setting("sigma")) / network.input_stride
        self.refines = bool(bundle.setting("second_look"))
        self.averages_flips = bool(bundle.setting("flip_average"))
        self._network = network

    @classmethod
    def from_bundle(cls, folder: str | Path, device: str = "auto") -> KeypointDetector:
        """Load a bundle.

        Parameters
        ----------
        folder
            A bundle folder such as ``Resources/Models/wrist_keypoints_frontal``.
        device
            As in `select_device`.

        Raises
        ------
        ModelError
            If torch is missing, the device is not there, or the folder is broken.
        """
        bundle = Bundle.read(folder, "keypoints")
        chosen = select_device(device)
        return cls(bundle, bundle.network(chosen), chosen)  # type: ignore[arg-type]

    def detect(self, image: npt.NDArray[np.generic]) -> list[Keypoint]:
        """Find all keypoints of the view, in the protocol's order.

        Parameters
        ----------
        image
            (rows, columns), bright = dense; any real type and range.

        Returns
        -------
        Keypoints with positions (x, y) and spreads in the pixels of `image`. One whose probability
        of being in the image is under the bundle's threshold is NOT_FOUND.
        """
        if image.ndim != 2 or min(image.shape) < 2:
            raise ModelError(
                f"Keypoints are sought in a grey image of at least 2x2 pixels, got {image.shape}."
            )
        grey = normalise(image)
        first = self.look(grey, Letterbox.whole(image.shape, self.input_size, self.isotropic))
        located = self.look_again(grey, first) if self.refines else first
        return [
            self._keypoint(name, first[name].presence, located[name], grey) for name in self.names
        ]

    def clarity(self, image: npt.NDArray[np.generic], count: int) -> float:
        """How clearly the view's keypoints are seen: tells an image of this view from others.

        Parameters
        ----------
        image
            (rows, columns), bright = dense; any real type and range.
        count
            So many of the clearest keypoints count: some may be outside the image.

        Returns
        -------
        Mean height, in [0, 1], of the heat maps' highest peaks.
        """
        grey = normalise(image)
        located = self.look(grey, Letterbox.whole(image.shape, self.input_size, self.isotropic))
        return float(np.mean(sorted(point.height for point in located.values())[-count:]))

    def look(
        self, grey: FloatImage, letterbox: Letterbox, axis: Points | None = None
    ) -> dict[str, Located]:
        """One pass of the network over a box of the normalised image.

        Parameters
        ----------
        grey
            From `normalise`.
        letterbox
            The box.
        axis
            The forearm's, when it is known from an earlier look; see `forearm_axis`.
        """
        heat_maps, presence = self._answer(letterbox.resample(grey))
        located = {
            name: self._locate(heat_map, float(probability), letterbox)
            for name, heat_map, probability in zip(self.names, heat_maps, presence, strict=True)
        }
        if axis is None:
            axis = forearm_axis(self.view, self._there(located))
        if axis is None:
            return located
        rows, columns = np.indices(heat_maps.shape[1:])
        stride = self.input_size[0] / heat_maps.shape[1]
        cells = (np.stack([columns, rows], axis=-1) + 0.5) * stride - 0.5
        possible = beyond(axis, letterbox.to_image(cells))
        for index, name in enumerate(self.names):
            if name in PROXIMAL and possible.any():
                masked = heat_maps[index] * possible
                located[name] = self._locate(masked, located[name].presence, letterbox)
        return located

    def _answer(self, pixels: FloatImage) -> tuple[HeatMaps, npt.NDArray[np.float32]]:
        """Heat maps (N, rows, columns) and presence (N), averaged over flips of the input."""
        import torch

        flips = FLIPS if self.averages_flips else FLIPS[:1]
        plain = torch.from_numpy(pixels)[None, None].to(self.device)
        with torch.inference_mode():
            logits, presence = self._network.detect(
                torch.cat([torch.flip(plain, axes) for axes in flips])
            )
            heat_maps = torch.stack(
                [
                    torch.flip(heat_map, [axis - 1 for axis in axes])
                    for heat_map, axes in zip(torch.sigmoid(logits), flips, strict=True)
                ]
            )
            return (
                heat_maps.mean(0).cpu().numpy(),
                torch.sigmoid(presence).mean(0).cpu().numpy(),
            )

    def _locate(self, heat_map: HeatMaps, presence: float, letterbox: Letterbox) -> Located:
        """Decode a heat map and map its peak back to the image."""
        stride = self.input_size[0] / heat_map.shape[0]
        peak = decode(heat_map, self.sigma)
        x, y = letterbox.to_image((np.array(peak.position) + 0.5) * stride - 0.5)
        width = peak.width * stride / float(letterbox.scale.mean())
        return Located((float(x), float(y)), presence, peak.height, width, peak.second_ratio)

    def _there(self, located: Mapping[str, Located]) -> dict[str, tuple[float, float]]:
        """Positions of the points that are likely enough in the image."""
        return {
            name: point.position
            for name, point in located.items()
            if point.presence >= self.thresholds[name]
        }

    def look_again(self, grey: FloatImage, first: Mapping[str, Located]) -> dict[str, Located]:
        """Refine positions by a closer look; keep the first where the second is not credible."""
        refined = dict(first)
        there = self._there(first)
        axis = forearm_axis(self.view, there)
        refinement = REFINEMENTS[self.view]
        for group in refinement.groups:
            box = refinement_box(there, group, refinement, self.input_size)
            if box is None:
                continue
            second = self.look(grey, Letterbox.fit(box, self.input_size), axis)
            limit = MAX_SHIFT * float(np.hypot(box[2] - box[0], box[3] - box[1]))
            for name in group:
                shift = np.subtract(second[name].position, first[name].position)
                if (
                    float(np.hypot(*shift)) <= limit
                    and second[name].height >= MIN_HEIGHT_RATIO * first[name].height
                ):
                    refined[name] = second[name]
        return refined

    def _keypoint(self, name: str, presence: float, located: Located, grey: FloatImage) -> Keypoint:
        placed_by = f"model:{self.identity}"
        if presence < self.thresholds[name]:
            return Keypoint(name, Finding.NOT_FOUND, confidence=presence, placed_by=placed_by)
        rows, columns = grey.shape
        x, y = located.position
        return Keypoint(
            name,
            Finding.FOUND,
            (float(np.clip(x, -0.5, columns - 0.5)), float(np.clip(y, -0.5, rows - 0.5))),
            confidence=presence,
            spread=located.width * self.spread_factors[name],
            placed_by=placed_by,
        )
