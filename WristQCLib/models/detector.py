"""From an image to keypoints: normalise, letterbox, network, heat maps, positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint
from WristQCLib.models.bundled_model import BundledModel, check_grey
from WristQCLib.models.bundles import Bundle
from WristQCLib.models.errors import ModelError
from WristQCLib.models.familiarity import Familiarity, Features
from WristQCLib.models.heatmaps import HeatMaps, Peak, decode
from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.preprocessing import FloatImage, normalise
from WristQCLib.models.refinement import CLOSE_LOOKS, close_box
from WristQCLib.models.shafts import trust
from WristQCLib.models.shape_prior import (
    SHAFTS,
    THUMB,
    Points,
    beyond,
    end_at_limit,
    forearm_axis,
    on_ulnar_side,
    to_end_of_shaft,
    within_limit,
)
from WristQCLib.models.upright import LEAST_TILT_DEG, Turned, forearm_tilt

if TYPE_CHECKING:
    import torch

    from WristQCLib.models.gu2net import GU2Net

LEAST_GUIDING = 0.2
"""Presence from which a point tells where it, and where others, are looked for again. A closer look
where a first one saw nothing shows another joint, which is taken for the one that is sought."""

MAX_SHIFT = 0.25
"""A second look that moves a point by more than this share of the diagonal is not believed."""

MIN_HEIGHT_RATIO = 0.2
"""... nor one whose peak is lower than this share of the first look's."""

CLEAR_HEIGHT = 0.4
"""Height of a heat map's peak from which a point was clearly seen: `shape_prior.CLEARLY_NEAR`."""


@dataclass(frozen=True)
class Located:
    """One keypoint as a look at (part of) the image sees it.

    Attributes
    ----------
    position
        (x, y) in the image's pixels.
    presence
        Probability of being in the image.
    height, extent
        Of the heat map, see `Peak`.
    pixel
        Size of a heat map's pixel, in the image's pixels.
    """

    position: tuple[float, float]
    presence: float
    height: float
    extent: float
    pixel: float


@dataclass(frozen=True)
class Look:
    """What one pass of the network over (part of) an image tells.

    Attributes
    ----------
    letterbox
        Of the part.
    features
        What kind of image it is, (F,).
    located
        The keypoints, by name.
    """

    letterbox: Letterbox
    features: Features
    located: dict[str, Located]


@dataclass(frozen=True)
class Detection:
    """What a detector says of one image.

    Attributes
    ----------
    keypoints
        All of the view, in the protocol's order.
    novelty
        How different the image is from those that the detector was trained on, see `Familiarity`;
        above 1 for one training image in twenty. None when its bundle does not tell.
    """

    keypoints: list[Keypoint]
    novelty: float | None = None


class KeypointDetector(BundledModel):
    """Finds the keypoints of one view.

    Attributes
    ----------
    view
        The view that the bundle is for.
    names
        Its keypoints, in the protocol's order.
    thresholds
        By name: probability of being in the image from which a keypoint is found.
    spread_factors
        By name: standard deviation of the position, in pixels of the heat map, where its extent
        and its height are 1.
    spread_exponents
        Powers of the extent and of the height with which it grows.
    sigma
        Standard deviation of the peaks that the network was trained on, in heat-map pixels.
    refines
        Whether a closer look is taken.
    familiarity
        What the images of the training look like to the network, None when unknown.
    """

    TASK = "keypoints"
    _network: GU2Net

    def __init__(self, bundle: Bundle, network: GU2Net, device: torch.device) -> None:
        super().__init__(bundle, network, device)
        self.view = View(bundle.setting("view"))
        self.names: tuple[str, ...] = tuple(bundle.setting("keypoints"))
        if self.names != KEYPOINT_NAMES[self.view]:
            raise ModelError(
                f"The bundle '{bundle.folder}' finds {self.names},"
                f" but a {self.view} view has {KEYPOINT_NAMES[self.view]}."
            )
        self.thresholds = self._by_name(bundle.setting("presence_thresholds"))
        self.spread_factors = self._by_name(bundle.setting("spread_factors"))
        extent, height = bundle.metadata["wristqc"].get("spread_exponents", (1.0, 0.0))
        self.spread_exponents = float(extent), float(height)
        self.sigma = float(bundle.setting("sigma")) / network.input_stride
        self.refines = bool(bundle.setting("second_look"))
        self.familiarity = Familiarity.from_setting(bundle.metadata["wristqc"].get("familiarity"))

    def _by_name(self, values: Mapping[str, object]) -> Mapping[str, float]:
        return {name: float(values[name]) for name in self.names}  # type: ignore[arg-type]

    def detect(
        self, image: npt.NDArray[np.generic], spacing: tuple[float, float] | None = None
    ) -> list[Keypoint]:
        """The keypoints of `examine`."""
        return self.examine(image, spacing).keypoints

    def examine(
        self, image: npt.NDArray[np.generic], spacing: tuple[float, float] | None = None
    ) -> Detection:
        """Find all keypoints of the view, and tell how unusual the image is.

        Parameters
        ----------
        image
            (rows, columns), bright = dense; any real type and range.
        spacing
            (x, y) in mm per pixel, None when unknown. Proximal points end 12 cm from the wrist;
            without spacing the network judges that by the anatomy.

        Returns
        -------
        Keypoints with positions (x, y) and spreads in the pixels of `image`. One whose probability
        of being in the image is under the bundle's threshold is NOT_FOUND.

        Raises
        ------
        ModelError
            If this is no grey image of at least 2x2 pixels.
        """
        features, located = self._located(image, spacing)
        novelty = None if self.familiarity is None else self.familiarity.novelty(features)
        return Detection(self.keypoints(located, image.shape), novelty)

    def features(self, image: npt.NDArray[np.generic]) -> Features:
        """What the network makes of the whole image, (F,): for `Familiarity`."""
        return self._first_look(image)[1]

    def locate(
        self, image: npt.NDArray[np.generic], spacing: tuple[float, float] | None = None
    ) -> dict[str, Located]:
        """Where each keypoint would be, whether it is in the image or not; as for `detect`."""
        return self._located(image, spacing)[1]

    def _located(
        self, image: npt.NDArray[np.generic], spacing: tuple[float, float] | None
    ) -> tuple[Features, dict[str, Located]]:
        """The features of the first look, and what all looks together find."""
        grey, features, first = self._first_look(image)
        if not self.refines:
            return features, self._possible(first)
        located = self._ended(grey, self.look_again(grey, first, spacing), spacing)
        tilt = forearm_tilt(self._places(located)) if self.view is View.LATERAL else 0.0
        square = spacing is None or math.isclose(*spacing, rel_tol=0.01)
        if abs(tilt) >= LEAST_TILT_DEG and square:
            # Where the field ends is told by the image as it is: turned, it has empty corners.
            upright = self._located_upright(grey, located, tilt, spacing)
            located = self._ended(grey, upright, spacing)
        return features, self._possible(located)

    def _possible(self, located: dict[str, Located]) -> dict[str, Located]:
        """The points, without a thumb's joint where only those of fingers are."""
        if not on_ulnar_side(self._places(located)):
            return located
        return located | {THUMB: replace(located[THUMB], presence=0.0)}

    def _ended(
        self,
        grey: FloatImage,
        located: Mapping[str, Located],
        spacing: tuple[float, float] | None,
    ) -> dict[str, Located]:
        """The points, with proximal ones moved along their shafts to their ends."""
        clear = [name for name, point in located.items() if point.height >= CLEAR_HEIGHT]
        ended = to_end_of_shaft(grey, self._places(located), spacing, clear)
        return dict(located) | {n: replace(located[n], position=ended[n]) for n in ended}

    def _located_upright(
        self,
        grey: FloatImage,
        tilted: Mapping[str, Located],
        tilt: float,
        spacing: tuple[float, float] | None,
    ) -> dict[str, Located]:
        """All looks once more with the forearm upright; presence stays as it was seen first."""
        turned = Turned.by(grey, tilt)
        whole = Letterbox.whole(turned.image.shape, self.input_size, self.isotropic)
        upright = self.look_again(turned.image, self.look(turned.image, whole).located, spacing)
        return {
            name: replace(
                upright[name],
                position=turned.back(upright[name].position),
                presence=before.presence,
            )
            if upright[name].height >= MIN_HEIGHT_RATIO * before.height
            else before
            for name, before in tilted.items()
        }

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

        Raises
        ------
        ModelError
            If this is no grey image of at least 2x2 pixels.
        """
        *_, located = self._first_look(image)
        return float(np.mean(sorted(point.height for point in located.values())[-count:]))

    def _first_look(
        self, image: npt.NDArray[np.generic]
    ) -> tuple[FloatImage, Features, dict[str, Located]]:
        """The normalised image, its features, and what one pass over all of it finds."""
        check_grey(image)
        grey = normalise(image)
        whole = Letterbox.whole(grey.shape, self.input_size, self.isotropic)
        look = self.look(grey, whole)
        return grey, look.features, look.located

    def look(
        self, grey: FloatImage, letterbox: Letterbox, axis: Points | None = None, domain: int = 0
    ) -> Look:
        """One pass of the network over a box of the normalised image.

        Parameters
        ----------
        grey
            From `normalise`.
        letterbox
            The box.
        axis
            The forearm's, when it is known from an earlier look; see `forearm_axis`.
        domain
            The network's.
        """
        heat_maps, presence, features, shafts = self._answer(letterbox.resample(grey), domain)
        located = {
            name: self._locate(heat_map, float(probability), letterbox)
            for name, heat_map, probability in zip(self.names, heat_maps, presence, strict=True)
        }
        places = self._places(located)
        if axis is None:
            axis = self._axis(places)
        if axis is not None:
            rows, columns = np.indices(heat_maps.shape[1:])
            stride = self.input_size[0] / heat_maps.shape[1]
            cells = (np.stack([columns, rows], axis=-1) + 0.5) * stride - 0.5
            possible = beyond(axis, letterbox.to_image(cells))
            for index, (distal, name) in enumerate(SHAFTS if possible.any() else ()):
                heat_map = heat_maps[self.names.index(name)] * possible
                trusted = None
                if shafts is not None and distal in places:
                    start = (letterbox.to_input(places[distal]) + 0.5) / stride - 0.5
                    trusted = trust(heat_map, shafts[index], start)
                seen = located[name].presence
                located[name] = self._locate(heat_map, seen, letterbox, trusted)
        return Look(letterbox, features, located)

    def _answer(
        self, pixels: FloatImage, domain: int
    ) -> tuple[HeatMaps, npt.NDArray[np.float32], Features, HeatMaps | None]:
        """Heat maps (N, rows, columns), presence (N), features (F) and shafts (2, rows, columns).

        Averaged over flips.
        """
        import torch

        batch, flips = self._flipped(pixels)
        with torch.inference_mode():
            answer = self._network.answer(batch, domain)

            def averaged(logits: torch.Tensor) -> HeatMaps:
                turned = [
                    torch.flip(heat_map, [axis - 1 for axis in axes])
                    for heat_map, axes in zip(torch.sigmoid(logits), flips, strict=True)
                ]
                mean: HeatMaps = torch.stack(turned).mean(0).cpu().numpy()
                return mean

            return (
                averaged(answer.heat_maps),
                torch.sigmoid(answer.presence).mean(0).cpu().numpy(),
                answer.features.mean(0).cpu().numpy(),
                None if answer.shafts is None else averaged(answer.shafts),
            )

    def _locate(
        self,
        heat_map: HeatMaps,
        presence: float,
        letterbox: Letterbox,
        trusted: HeatMaps | None = None,
    ) -> Located:
        """Decode a heat map and map its peak back to the image."""
        stride = self.input_size[0] / heat_map.shape[0]
        peak = self._peak(heat_map, trusted)
        x, y = letterbox.to_image((np.array(peak.position) + 0.5) * stride - 0.5)
        pixel = stride / float(letterbox.scale.mean())
        return Located((float(x), float(y)), presence, peak.height, peak.extent, pixel)

    def _peak(self, heat_map: HeatMaps, trusted: HeatMaps | None) -> Peak:
        return decode(heat_map, self.sigma, trusted)

    def _axis(self, points: Mapping[str, tuple[float, float]]) -> Points | None:
        """Where the forearm begins and which way it goes, see `forearm_axis`."""
        return forearm_axis(self.view, points)

    def _places(self, located: Mapping[str, Located]) -> dict[str, tuple[float, float]]:
        """Positions of the points that may be in the image: they guide the search for others."""
        return {
            name: point.position
            for name, point in located.items()
            if point.presence >= LEAST_GUIDING
        }

    def look_again(
        self,
        grey: FloatImage,
        first: Mapping[str, Located],
        spacing: tuple[float, float] | None = None,
    ) -> dict[str, Located]:
        """Refine positions by a closer look; keep the first where the second is not credible."""
        refined = dict(first)
        there = self._places(first)
        axis = self._axis(there)
        if axis is not None and spacing is not None:
            there = within_limit(there, spacing)
            refined |= {name: replace(first[name], position=there[name]) for name in there}
            grey = end_at_limit(grey, there, axis, spacing)
        # A network with a second domain was trained for this look apart.
        domain = self._network.domains - 1
        for close in CLOSE_LOOKS[self.view]:
            tells_presence = close.tells_presence and domain > 0
            box = close_box(there, self.view, close, self.input_size)
            if box is None:
                continue
            second = self.look(grey, Letterbox.fit(box, self.input_size), axis, domain).located
            limit = MAX_SHIFT * float(np.hypot(box[2] - box[0], box[3] - box[1]))
            for name in close.points:
                shift = np.subtract(second[name].position, refined[name].position)
                if (
                    float(np.hypot(*shift)) <= limit
                    and second[name].height >= MIN_HEIGHT_RATIO * first[name].height
                ):
                    refined[name] = second[name]
                presence = first[name].presence
                if tells_presence:
                    presence = mean_odds(presence, second[name].presence)
                    if refined[name] is second[name]:
                        presence *= chance_inside(refined[name], grey.shape)
                refined[name] = replace(refined[name], presence=presence)
        return refined

    def keypoints(self, located: Mapping[str, Located], size: tuple[int, ...]) -> list[Keypoint]:
        """What `locate` saw in an image of `size` (rows, columns), as keypoints."""
        return [self._keypoint(name, located[name], size) for name in self.names]

    def spread(self, name: str, located: Located) -> float:
        """Standard deviation of a position along each axis, in the image's pixels."""
        by_extent, by_height = self.spread_exponents
        growth = located.extent**by_extent * max(located.height, 1e-6) ** by_height
        return self.spread_factors[name] * growth * located.pixel

    def _keypoint(self, name: str, located: Located, shape: tuple[int, ...]) -> Keypoint:
        placed_by = f"model:{self.identity}"
        presence = located.presence
        if presence < self.thresholds[name]:
            return Keypoint(name, Finding.NOT_FOUND, confidence=presence, placed_by=placed_by)
        rows, columns = shape
        x, y = located.position
        return Keypoint(
            name,
            Finding.FOUND,
            (float(np.clip(x, -0.5, columns - 0.5)), float(np.clip(y, -0.5, rows - 0.5))),
            confidence=presence,
            spread=self.spread(name, located),
            placed_by=placed_by,
        )


def chance_inside(point: Located, size: tuple[int, ...]) -> float:
    """Probability that a point lies on an image of `size` (rows, columns), by its place alone.

    A joint that was cut off is seen beyond the border. The place is in doubt by a pixel of the heat
    map.
    """
    rows, columns = size
    x, y = point.position
    margin = 0.5 + min(x, y, columns - 1 - x, rows - 1 - y)
    return 0.5 * (1.0 + math.erf(margin / point.pixel / math.sqrt(2.0)))


def mean_odds(first: float, second: float) -> float:
    """The probability whose odds are the geometric mean of those of two."""
    logits = [math.log(p / (1.0 - p)) for p in np.clip((first, second), 1e-6, 1.0 - 1e-6)]
    return 1.0 / (1.0 + math.exp(-sum(logits) / 2.0))
