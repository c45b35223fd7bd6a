"""Time to accept labels, to import many, and to open a large store.

python Testing/benchmarks/label_store.py [--labels 1000 10000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import numpy as np
from store_samples import labels, reading

from WristQCLib.labels import LabelStore, Reading
from WristQCLib.labels.image_labels import ImageLabels
from WristQCLib.labels.store_images import read_image, write_pixels

SHAPE = 2500, 2000
"""Rows and columns of a computed radiograph of 18 x 24 cm at 0.1 mm, about."""


@contextmanager
def timed(what: str, count: int = 1) -> Iterator[None]:
    start = time.perf_counter()
    yield
    took = time.perf_counter() - start
    each = f", {1000 * took / count:6.2f} ms each" if count > 1 else ""
    print(f"{took:8.3f} s  {what}{each}")


def readings(count: int, reader: str) -> Iterator[Reading]:
    for number in range(count):
        predicted: ImageLabels = labels(number, (90.0, 200.0))
        yield reading(number, reader, predicted=predicted)


def of_labels(folder: Path, count: int) -> None:
    print(f"{count} images, read once")
    store = LabelStore.open(folder)
    with timed("import", count):
        store.accept_many(readings(count, "Dr Li"))
    with timed("import of the same again", count):
        store.accept_many(readings(count, "Dr Li"))
    with timed("accept one by one, by another reader", 100):
        for one in readings(100, "Dr Wu"):
            store.accept(one)
    with timed("open"):
        store = LabelStore.open(folder)
    with timed("count checked and corrected, list conflicts"):
        store.checked(), store.corrected("Dr Li"), store.conflicts()
    with timed("find an image's reading", 100):
        for number in range(100):
            store.latest(labels(number).image)
    with timed("read all"):
        assert sum(1 for _ in store) == count
    (folder / "index.sqlite").unlink()
    with timed("open without an index"):
        assert len(LabelStore.open(folder)) == count


def of_pixels(folder: Path) -> None:
    print(f"An image of {SHAPE[1]} x {SHAPE[0]} pixels of 12 bits")
    grain = np.random.default_rng(1).normal(scale=12, size=SHAPE)
    pixels = (np.linspace(200, 3800, SHAPE[1]) + grain).round().clip(0, 4095).astype(np.float32)
    path = folder / "pixels.png"
    with timed("keep"):
        write_pixels(path, pixels)
    with timed("read"):
        assert np.array_equal(read_image(path)[0], pixels)
    print(f"{path.stat().st_size / 1e6:8.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--folder", type=Path, help="on the drive to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for count in options.labels:
            of_labels(Path(folder, str(count)), count)
        of_pixels(Path(folder))


if __name__ == "__main__":
    main()
