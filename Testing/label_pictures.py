"""Small pictures with labels as Labelme writes them, for tests of importing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(path: Path, number: int, size: tuple[int, int] = (72, 64)) -> Path:
    """A picture unlike that of any other number."""
    grey = np.resize(np.arange(256, dtype=np.uint8), size[::-1])
    grey[0, :2] = divmod(number, 256)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path, compress_level=1)
    return path


def labelme(path: Path, image: str, **changes: Any) -> Path:
    """As Labelme writes it, of a picture of 72 x 64 pixels."""
    document = {
        "version": "5.3.1", "flags": {"frontal": True}, "imageData": None, "imagePath": image,
        "imageHeight": 64, "imageWidth": 72,
        "shapes": [{"label": "radial_styloid", "points": [[3.5, 4.0]], "shape_type": "point",
                    "group_id": None, "description": "", "flags": {}}],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document | changes))
    return path
