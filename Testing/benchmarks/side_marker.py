"""How many side markers of a labelled folder are read, and how many are seen that are not there.

``python Testing/benchmarks/side_marker.py FOLDER...``: each folder holds Labelme files beside
(or in ``labelme`` next to ``png``) their images, with rectangles ``marker_L`` and ``marker_R``
whose description is empty when the marker is accurate. Images are windowed to their 1st and 99.5th
percentile. Negative controls are the images without a marker, and all images turned by 90 degrees
and mirrored (where a marker that was back to front becomes readable, and the others must not be
read).
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from WristQCLib.side_marker import recognise_side_marker
from WristQCLib.side_marker.letters import Floats


def load(label: Path) -> tuple[Floats, list[tuple[str, bool]]]:
    """The image of a label file, and its markers: the letter, and whether it is accurate."""
    content = json.loads(label.read_text())
    path = (label.parent / content["imagePath"]).resolve()
    if not path.exists():
        path = label.parent.parent / "png" / path.name
    pixels = np.asarray(Image.open(path)).astype(np.float32)
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    low, high = np.percentile(pixels, [1, 99.5])
    markers = [
        (shape["label"][-1], not shape.get("description"))
        for shape in content["shapes"]
        if shape["label"].startswith("marker_")
    ]
    return ((pixels - low) / max(high - low, 1e-6)).clip(0, 1).astype(np.float32), markers


def main() -> None:
    """Print one line for each image that was not read as labelled, and the counts."""
    for folder in map(Path, sys.argv[1:]):
        counts: Counter[str] = Counter()
        slowest = 0.0
        for label in sorted(folder.rglob("*.json")):
            image, markers = load(label)
            for name, shown, accurate in (
                ("as it is", image, True),
                ("mirrored", image[:, ::-1], False),
                ("turned by 90 deg", np.rot90(image), None),
            ):
                truth = {letter for letter, ok in markers if ok is accurate}
                start = time.perf_counter()
                marker = recognise_side_marker(np.ascontiguousarray(shown))
                slowest = max(slowest, time.perf_counter() - start)
                if marker.side is None:
                    outcome = "missed" if truth else "rightly none"
                elif marker.side in truth:
                    outcome = "read"
                else:
                    outcome = "wrong letter" if truth else "false marker"
                counts[f"{name}: {outcome}"] += 1
                if outcome not in ("read", "rightly none"):
                    print(f"{label.stem:32s} {name:17s} {outcome:13s} {marker.reason}")
        print(f"{folder}: slowest {slowest * 1000:.0f} ms")
        for key, count in sorted(counts.items()):
            print(f"  {count:4d} {key}")


if __name__ == "__main__":
    main()
