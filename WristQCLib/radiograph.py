"""One radiograph: pixels, physical size, view, side and DICOM header, read from a file.

Grey is bright where the body is dense, whatever the file's photometric interpretation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike
from pydicom import Dataset

from WristQCLib.attributes import text_of
from WristQCLib.dicom_file import read_dataset
from WristQCLib.errors import RadiographError
from WristQCLib.findings import Side, Sourced, View
from WristQCLib.picture import picture_pixels
from WristQCLib.pixels import ShownPixels, dicom_pixels, full_range
from WristQCLib.sources import HEAD_BYTES, ImageSource, format_of
from WristQCLib.spacing import Spacing, checked_spacing, pixel_aspect_of, spacing_of
from WristQCLib.view_side import side_of, view_of
from WristQCLib.window import (
    Display,
    FloatImage,
    LookUpTable,
    fault_of,
    robust_window,
)

__all__ = ["Radiograph", "RadiographError", "read_radiograph"]


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A radiograph of a wrist.

    Attributes
    ----------
    pixels
        (rows, columns) float32, after the modality LUT, bright = dense. Read-only.
    voi
        How the pixels are shown: a window or a look-up table on `pixels`.
    spacing
        (x, y) in mm per pixel, that is column spacing and row spacing; or why it is unknown.
    pixel_aspect
        Height of a pixel over its width, known (or 1) even where the spacing is not.
    view, side
        With where each comes from; or why it is unknown.
    header
        The DICOM data set without pixel data; None for other image files.
    path
        The file, or the archive that holds it; None for an image that was made in memory.
    name
        To show and to name output files with.
    sop_instance_uid, photometric_interpretation
        Of the DICOM file, empty for other image files.
    notes
        Whole sentences about what was odd in the file and how it was read.
    """

    pixels: FloatImage = field(repr=False)
    voi: Display
    spacing: Sourced[Spacing]
    view: Sourced[View]
    side: Sourced[Side]
    pixel_aspect: float = 1.0
    header: Dataset | None = field(default=None, repr=False)
    path: Path | None = None
    name: str = "image"
    sop_instance_uid: str = ""
    photometric_interpretation: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_pixels(
        cls,
        pixels: ArrayLike,
        *,
        spacing: float | Sequence[float] | None = None,
        view: View | str | None = None,
        side: Side | str | None = None,
        name: str = "image",
    ) -> Radiograph:
        """A radiograph made in memory, for example from a volume node or a simulator.

        Parameters
        ----------
        pixels
            (rows, columns), bright = dense. 8-bit values are shown over their full range,
            others from their 1st to their 99th percentile.
        spacing, view, side
            As a user states them.
        name
            To show and to name output files with.
        """
        given = np.asarray(pixels)
        grey = np.array(given, dtype=np.float32)  # a copy, made read-only below
        window = full_range(given) if given.dtype == np.uint8 else robust_window(grey)
        radiograph = cls(
            pixels=_read_only(grey),
            voi=window,
            spacing=Sourced(None, "not given"),
            view=Sourced(None, "not given"),
            side=Sourced(None, "not given"),
            name=name,
        )
        return radiograph._with_stated(spacing, view, side)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def size_cm(self) -> tuple[float, float] | None:
        """W and H, the size of the image in cm; None when the spacing is unknown."""
        if self.spacing.value is None:
            return None
        x, y = self.spacing.value
        return self.width * x / 10, self.height * y / 10

    @property
    def window(self) -> tuple[float, float]:
        """Window centre and width on `pixels`: centre - width/2 is black, centre + width/2 white.

        For a VOI LUT the linear window nearest to it.
        """
        window = self.voi.window if isinstance(self.voi, LookUpTable) else self.voi
        return window.centre, window.width

    def display(self) -> FloatImage:
        """The image as it is meant to be seen: (rows, columns) float32, 0 black to 1 white."""
        return self.voi.apply(self.pixels)

    def _with_stated(
        self,
        spacing: float | Sequence[float] | None,
        view: View | str | None,
        side: Side | str | None,
    ) -> Radiograph:
        stated = self if spacing is None else self.with_spacing(spacing)
        stated = stated if view is None else stated.with_view(view)
        return stated if side is None else stated.with_side(side)

    def with_view(self, view: View | str) -> Radiograph:
        """A copy whose view a user stated."""
        return replace(self, view=Sourced(View(view), "user"))

    def with_side(self, side: Side | str) -> Radiograph:
        """A copy whose side a user stated."""
        return replace(self, side=Sourced(Side(side), "user"))

    def with_spacing(self, spacing: float | Sequence[float]) -> Radiograph:
        """A copy whose pixel spacing a user stated: (x, y) in mm, or one number for both.

        Raises
        ------
        ValueError
            If the spacing is not positive.
        """
        x, y = checked_spacing(spacing)
        return replace(self, spacing=Sourced((x, y), "user"), pixel_aspect=y / x)


def read_radiograph(
    source: str | os.PathLike[str] | ImageSource,
    *,
    spacing: float | Sequence[float] | None = None,
    view: View | str | None = None,
    side: Side | str | None = None,
) -> Radiograph:
    """Read one radiograph from a DICOM file, or from a PNG, JPEG or TIFF file for research.

    Parameters
    ----------
    source
        A file, or what `WristQCLib.sources.find_images` gives.
    spacing, view, side
        What the user states; it goes before what the file tells. Spacing as (x, y) in mm.

    Raises
    ------
    RadiographError
        If this is not one single-frame projection image that can be read; one sentence that names
        the file, what is wrong, and what to do.
    """
    if not isinstance(source, ImageSource):
        source = ImageSource.of_file(source)
    with source.open() as stream:
        try:
            head = stream.read(HEAD_BYTES)
            stream.seek(0)
            match format_of(head):
                case "dicom":
                    radiograph = _read_dicom(stream)
                case None:
                    fault = "is empty" if not head else "it is not an image"
                    raise RadiographError(f"{fault}; give a DICOM, PNG, JPEG or TIFF file")
                case _:
                    radiograph = _read_picture(stream)
        except RadiographError as error:
            raise RadiographError(f"{source}: {error}.") from error.__cause__
        except Exception as error:  # pydicom converts values late, and damaged ones raise anything
            raise RadiographError(f"{source}: it is damaged; copy the file again.") from error
    radiograph = replace(radiograph, path=source.path, name=source.name)
    return radiograph._with_stated(spacing, view, side)


def _read_dicom(stream: BinaryIO) -> Radiograph:
    dataset = read_dataset(stream)
    notes: list[str] = []
    shown = dicom_pixels(dataset, notes)
    del dataset.PixelData
    height, width = shown.values.shape
    spacing = spacing_of(dataset, width, height)
    return Radiograph(
        pixels=_read_only(shown.values),
        voi=_usable(shown, notes),
        spacing=spacing,
        pixel_aspect=pixel_aspect_of(dataset, spacing),
        view=view_of(dataset),
        side=side_of(dataset),
        header=dataset,
        sop_instance_uid=text_of(dataset, "SOPInstanceUID"),
        photometric_interpretation=text_of(dataset, "PhotometricInterpretation").upper(),
        notes=tuple(notes),
    )


def _read_picture(stream: BinaryIO) -> Radiograph:
    notes: list[str] = []
    values, window = picture_pixels(stream, notes)
    shown = ShownPixels(values, window, "window is absent")
    why = "a picture file does not tell it"
    return Radiograph(
        pixels=_read_only(shown.values),
        voi=_usable(shown, notes),
        spacing=Sourced(None, why),
        view=Sourced(None, why),
        side=Sourced(None, why),
        notes=tuple(notes),
    )


def _usable(shown: ShownPixels, notes: list[str]) -> Display:
    """The display, or the percentile range with a note where the display hides the image."""
    pixels, voi, why = shown.values, shown.display, shown.why
    if voi is not None:
        why = fault_of(voi, pixels)
        if not why:
            return voi
        why = f"{'VOI LUT' if isinstance(voi, LookUpTable) else 'window'} {why}"
    if pixels.min() == pixels.max():
        notes.append("The image is uniform, it shows nothing.")
    else:
        notes.append(f"The {why}; the 1st to 99th percentile range is shown instead.")
    return robust_window(pixels, shown.padding)


def _read_only(pixels: FloatImage) -> FloatImage:
    """Frozen, because every part of an assessment looks at the same array."""
    pixels.flags.writeable = False
    return pixels
