"""How quick the viewer is in a real browser, and how much memory its server takes.

    python Testing/benchmarks/viewer.py [--studies 50] [--no-models] [--size 1280x800]

Prints start to address, to first picture and to the end of the assessment; the time from a move of
the mouse, which drags a styloid, to the changed score on the page (median, 95th percentile), with
one view and with two; and the server's memory with one study and with many, at rest and at most.
Needs Chromium and Linux.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import test_viewer_browser as viewer
from playwright.sync_api import Browser, Page, sync_playwright
from pydicom import dcmread
from pydicom.uid import generate_uid

MOVES = 60
STEP = 7
"""Pixels of the page that each move goes: enough to change what is measured."""
PAUSE_MS = 400
"""After each move; what takes longer counts as infinite."""
WATCH = """
() => {
  window.moved = window.seen = 0;
  window.addEventListener("pointermove", () => { window.moved = performance.now(); }, true);
  new MutationObserver(() => { if (!window.seen) window.seen = performance.now(); })
    .observe(document.querySelector("#panel"),
             { subtree: true, characterData: true, childList: true });
}
"""


def studies(folder: Path, count: int) -> None:
    """Pairs of a frontal and a lateral sample, each pair a study of its own."""
    for number in range(count):
        study = generate_uid()
        for name in ("frontal_good", "lateral_good"):
            dataset = dcmread(viewer.SAMPLES / f"{name}.dcm")
            dataset.StudyInstanceUID, dataset.SOPInstanceUID = study, generate_uid()
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            (folder / f"{number:02}").mkdir(exist_ok=True)
            dataset.save_as(folder / f"{number:02}" / f"{name}.dcm")


def memory(pid: int) -> str:
    """Resident memory of a process, now and at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if "kB" in line}
    return f"{kilobytes['VmRSS'] / 1024:6.0f} MB at rest, {kilobytes['VmHWM'] / 1024:6.0f} at most"


def latencies(page: Page, image: Path) -> np.ndarray:
    """Milliseconds from each move of a styloid to the changed panel."""
    radiograph, assessment = viewer.labelled(image)
    assert assessment.keypoints is not None
    start = viewer.place(
        page, "Red", radiograph, assessment.keypoints["radial_styloid"].position or (0, 0)
    )
    page.evaluate(WATCH)
    viewer.drag(page, start, (0, STEP), drop=False)
    page.wait_for_timeout(500)
    times = []
    for n in range(MOVES):
        page.evaluate("window.seen = 0")
        down = STEP * (2 + (n if n < MOVES // 2 else MOVES - n) % (MOVES // 2))
        page.mouse.move(start[0] + down / 2, start[1] + down)
        page.wait_for_timeout(PAUSE_MS)
        times.append(page.evaluate("window.seen ? window.seen - window.moved : Infinity"))
    page.mouse.up()
    page.wait_for_timeout(500)
    page.click("#undo")
    page.wait_for_timeout(500)
    return np.array(times)


def report(browser: Browser, size: dict[str, int], count: int, options: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        images, out = Path(scratch) / "images", Path(scratch) / "out"
        images.mkdir()
        studies(images, count)
        frontal = images / "00" / "frontal_good.dcm"
        radiograph, assessment = viewer.labelled(frontal)
        viewer.write_labelme(
            out / "labelme" / "x.json", viewer.ImageLabels.of(assessment, radiograph)
        )
        started = time.perf_counter()
        server = viewer.start(images, out, *options)
        pid = server.process.pid
        try:
            address = time.perf_counter() - started
            page = browser.new_page(viewport=size)
            page.set_default_timeout(3_600_000)
            page.goto(server.url)
            page.wait_for_selector("#total")
            page.wait_for_function(
                "document.querySelector('img.image-display-area')?.naturalWidth > 0"
            )
            picture = time.perf_counter() - started
            page.wait_for_function("document.querySelector('#run').offsetParent === null")
            done = time.perf_counter() - started
            print(f"{count} studies, {2 * count} images, {size['width']} x {size['height']}")
            print(f"  start to address {address:.1f} s, first picture {picture:.1f} s,", end=" ")
            print(f"all assessed {done:.1f} s")
            print(f"  memory of the server {memory(pid)}")
            for views in (2, 1):
                viewer.choose(page, "frontal_good")
                times = latencies(page, frontal)
                print(
                    f"  mouse move to changed score, {views} views, {len(times)} moves:"
                    f" median {np.median(times):.0f} ms, 95th percentile"
                    f" {np.percentile(times, 95, method='nearest'):.0f} ms"
                )
                page.keyboard.press("b")
                page.wait_for_timeout(1000)
            if count > 1:
                for _ in range(10):
                    page.keyboard.press("ArrowDown")
                    page.wait_for_timeout(700)
                print(f"  after stepping through ten images {memory(pid)}")
            page.close()
        finally:
            server.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--studies", type=int, default=50, help="how many are many")
    arguments.add_argument("--no-models", action="store_true")
    arguments.add_argument("--size", default="1280x800", help="of the browser's window")
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=viewer.CHROMIUM, args=["--no-sandbox"])
        for count in sorted({1, given.studies}):
            size = {"width": width, "height": height}
            report(browser, size, count, ["--no-models"] if given.no_models else [])
        browser.close()


if __name__ == "__main__":
    main()
