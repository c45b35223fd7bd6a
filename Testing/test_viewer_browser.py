"""The viewer as a person has it: a server of its own, a real browser, a mouse."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="Playwright is absent: pip install playwright")
import scene_app  # noqa: F401 - skips where VTK cannot draw
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydicom import dcmread
from test_sample_data import true_keypoints

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import Side
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import ImageLabels, read_labelme, write_labelme
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.resources import RESOURCES

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
if not CHROMIUM:
    pytest.skip("Chromium is absent: on Debian, apt-get install chromium", allow_module_level=True)

SAMPLES = RESOURCES / "SampleData"
SIZE = {"width": 1280, "height": 800}
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)  # five seconds are not enough for a machine at work
HOSTILE = "<img src=x onerror=window.hacked=1>{{ 6*7 }}"
STOP_SECONDS = 15
NO_MODELS = "--no-models"
SENDS_WHILE_IT_CLOSES = """
from aiohttp import web
from wslink import schedule_coroutine

from WristQCLib.cli import app

async def fail():
    raise OSError("the disk is on fire")

async def close(page, **reason):
    schedule_coroutine(0, page.send_bytes, b"a picture")
    schedule_coroutine(0, fail)
    return await close_page(page, **reason)

close_page, web.WebSocketResponse.close = web.WebSocketResponse.close, close
app()
"""


@dataclass
class Server:
    """A viewer in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> tuple[int, str]:
        """Press Ctrl+C; exit status and what was printed."""
        self.process.send_signal(signal.SIGINT)
        printed, _ = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode, printed


def start(
    images: Path, out: Path, *options: str, program: Sequence[str] = ("-m", "WristQCLib.cli")
) -> Server:
    command = [sys.executable, *program, "view", str(images), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--no-browser", "--person", "Ada", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=SAMPLES.parents[1],
    )  # fmt: skip
    printed = ""
    assert process.stdout is not None
    for line in process.stdout:
        printed += line
        if found := re.search(r"http://\S+", line):
            return Server(process, found[0])
    raise AssertionError(f"The viewer did not start: {printed}")


def copy(name: str, folder: Path, **attributes: str) -> None:
    dataset = dcmread(SAMPLES / f"{name}.dcm")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(folder / f"{name}.dcm")


def labelled(path: Path) -> tuple[Radiograph, Assessment]:
    """An image with its true keypoints, placed by a person."""
    radiograph = read_radiograph(path)
    assessment = Assessor.create(NoModels()).assess(radiograph)
    true = true_keypoints(SAMPLES / path.name)
    points = tuple(Keypoint(p.name, p.finding, p.position, placed_by="person:Eve") for p in true)
    return radiograph, reassess(assessment, keypoints=Keypoints(true.view, points))


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Path:
    """A study of two views, a single image with hostile text, and a file cut short."""
    folder = tmp_path_factory.mktemp("studies")
    copy("frontal_good", folder, StudyInstanceUID="1.2.3.4")
    copy("lateral_good", folder, StudyInstanceUID="1.2.3.4")
    copy("lateral_no_spacing", folder, PatientName=HOSTILE, InstitutionName=HOSTILE)
    (folder / "broken.dcm").write_bytes((folder / "frontal_good.dcm").read_bytes()[:5000])
    return folder


def write_labels(studies: Path, out: Path, *names: str) -> None:
    for name in names:
        radiograph, assessment = labelled(studies / f"{name}.dcm")
        write_labelme(out / "labelme" / f"{name}.json", ImageLabels.of(assessment, radiograph))


@pytest.fixture(scope="module")
def server(studies, tmp_path_factory) -> Iterator[Server]:
    """Of the studies, with the keypoints of the first one known."""
    out = tmp_path_factory.mktemp("out")
    write_labels(studies, out, "frontal_good", "lateral_good")
    server = start(studies, out, NO_MODELS)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, url: str, size: dict[str, int] = SIZE) -> Page:
    """A tab with the viewer, all images assessed."""
    page = browser.new_page(viewport=size)
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.wait_for_selector("#studies .v-list-item")
    page.wait_for_function("document.querySelector('#run').offsetParent === null")
    return page


@pytest.fixture(scope="module")
def tab(browser, server) -> Iterator[Page]:
    page = opened(browser, server.url)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


@pytest.fixture
def page(tab) -> Page:
    """The viewer with the frontal image of the study of two views shown, and its score."""
    choose(tab, "frontal_good")
    tab.click("#tab-score")
    return tab


def choose(page: Page, name: str) -> None:
    page.locator("#studies .v-list-item", has_text=name).first.click()
    expect(page.locator("#studies .v-list-item--active")).to_contain_text(name)
    if name != "broken":
        expect(page.locator("#panel .verdict")).not_to_contain_text("–")
        settled(page, ".corners")


def settled(page: Page, selector: str) -> str:
    """The text there once it has not changed for a while: pictures follow frames and mouse."""
    before = None
    while before != (now := " ".join(page.locator(selector).all_inner_texts())):
        before = now
        page.wait_for_timeout(350)
    return now


def total(page: Page) -> str:
    return page.locator("#total").inner_text()


def place(
    page: Page, view: str, image: Radiograph, position: tuple[float, float]
) -> tuple[float, float]:
    """Where a position in pixels of an image is on the page; the image is fitted to its view."""
    box = page.locator(f"#corners-{view}").bounding_box()
    assert box is not None
    sx, sy = image.spacing.value or (1.0, image.pixel_aspect)
    scale = zoom(page, view, image)
    x = box["x"] + box["width"] / 2 + (position[0] - (image.width - 1) / 2) * sx * scale
    y = box["y"] + box["height"] / 2 + (position[1] - (image.height - 1) / 2) * sy * scale
    return x, y


def zoom(page: Page, view: str, image: Radiograph) -> float:
    """Pixels of the page for one mm."""
    box = page.locator(f"#corners-{view}").bounding_box()
    assert box is not None
    sx, sy = image.spacing.value or (1.0, image.pixel_aspect)
    return min(box["width"] / (image.width * sx), box["height"] / (image.height * sy))


def drag(
    page: Page, start: tuple[float, float], by: tuple[float, float], *, drop: bool = True
) -> None:
    page.mouse.move(start[0] + 15, start[1] + 15)
    page.mouse.move(*start, steps=4)
    page.wait_for_timeout(200)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=8)
    if drop:
        page.mouse.up()


def moved(assessment: Assessment, name: str, by_mm: tuple[float, float]) -> Assessment:
    """With a keypoint moved."""
    points, spacing = assessment.keypoints, assessment.spacing.value
    assert points is not None
    assert spacing is not None
    x, y = points[name].position or (0.0, 0.0)
    to = (x + by_mm[0] / spacing[0], y + by_mm[1] / spacing[1])
    point = Keypoint(name, points[name].finding, to, placed_by="person:Ada")
    return reassess(assessment, keypoints=points.replaced(point))


# The list ----------------------------------------------------------------------------------------


def test_images_are_listed_by_study_with_their_grades(page, studies):
    image = page.locator("#studies .study", has_text="frontal_good")
    expect(image.locator(".v-list-item")).to_have_count(2)
    _, assessment = labelled(studies / "frontal_good.dcm")
    row = page.locator("#studies .v-list-item", has_text="frontal_good")
    expect(row.locator(".grade")).to_have_text(assessment.score.grade)
    expect(row.locator(".total")).to_have_text(str(assessment.score.total))


def test_a_file_that_cannot_be_read_is_told_and_stops_nothing(page):
    choose(page, "broken")
    expect(page.locator("#panel")).to_contain_text("broken.dcm")
    expect(page.locator("#panel .remark")).to_contain_text("copy")
    choose(page, "frontal_good")
    expect(page.locator("#tab-score")).to_be_visible()


def test_the_list_is_filtered_by_words_and_by_grade(page):
    rows = page.locator("#studies .v-list-item")
    expect(rows).to_have_count(4)
    page.fill("#search", "lateral")
    expect(rows).to_have_count(2)
    page.fill("#search", "")
    page.click("[id='filter-✗']")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("broken")
    page.click("[id='filter-✗']")
    expect(rows).to_have_count(4)


def test_the_worst_image_comes_first_when_asked_for(page):
    page.locator(".filters .v-select").click()
    page.locator(".v-overlay-container .v-list-item", has_text="worst first").click()
    first = page.locator("#studies .v-list-item").first
    expect(first).to_contain_text("lateral_no_spacing")
    page.locator(".filters .v-select").click()
    page.locator(".v-overlay-container .v-list-item", has_text="as given").click()
    expect(first).not_to_contain_text("lateral_no_spacing")


def test_arrow_keys_go_through_the_list(page):
    active = page.locator("#studies .v-list-item--active")
    page.keyboard.press("ArrowDown")
    expect(active).to_contain_text("lateral_good")
    page.keyboard.press("ArrowUp")
    expect(active).to_contain_text("frontal_good")


# Moving points -----------------------------------------------------------------------------------


def test_a_dragged_styloid_scores_as_the_protocol_says_while_it_moves(page, studies):
    radiograph, assessment = labelled(studies / "frontal_good.dcm")
    name = "radial_styloid"
    start = place(page, "Red", radiograph, assessment.keypoints[name].position)
    scale = zoom(page, "Red", radiograph)

    def expected(mm: float) -> set[int]:
        """Totals after moving down by this much, or half a millimetre more or less."""
        return {moved(assessment, name, (0, mm + off)).score.total for off in (-0.5, 0, 0.5)}

    # Whole pixels of the page, and where a half of one decides nothing.
    down = next(n for n in range(round(8 * scale), 200) if len(expected(n / scale)) == 1)
    (score,) = expected(down / scale)
    assert score < assessment.score.total - 10
    before = total(page)
    drag(page, start, (0, down), drop=False)
    expect(page.locator("#total")).to_have_text(str(score))
    page.mouse.up()
    expect(page.locator("#undo")).to_be_enabled()
    page.keyboard.press("Control+z")
    expect(page.locator("#total")).to_have_text(before)
    page.keyboard.press("Control+y")
    expect(page.locator("#total")).to_have_text(str(score))
    page.click("#undo")
    expect(page.locator("#total")).to_have_text(before)


def test_a_point_of_the_image_beside_is_dragged_just_as_well(page, studies):
    radiograph, assessment = labelled(studies / "lateral_good.dcm")
    start = place(page, "Yellow", radiograph, assessment.keypoints["scaphoid_centre"].position)
    scale = zoom(page, "Yellow", radiograph)
    drag(page, start, (0, round(15 * scale)))
    mm = round(15 * scale) / scale
    expected = moved(assessment, "scaphoid_centre", (0.0, mm)).score.total
    expect(page.locator("#panel .told")).to_contain_text("lateral")
    expect(page.locator("#total")).to_have_text(str(expected))
    expect(page.locator("#undo")).to_be_enabled()
    page.click("#undo")
    expect(page.locator("#total")).to_have_text(str(assessment.score.total))


def test_a_point_called_absent_and_then_placed_by_a_click_counts(page, studies):
    radiograph, assessment = labelled(studies / "frontal_good.dcm")
    position = assessment.keypoints["thumb_mcp_joint"].position
    before = total(page)
    page.click("#tab-corrections")
    page.click("#absent-thumb_mcp_joint")
    expect(page.locator("#total")).to_have_text(str(int(before) - 5))
    page.click("#place-thumb_mcp_joint")
    page.mouse.move(*place(page, "Red", radiograph, position), steps=4)
    page.wait_for_timeout(200)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("#total")).to_have_text(before)
    for _ in range(2):
        page.click("#undo")
    expect(page.locator("#undo")).to_be_disabled()


def test_side_and_foreign_object_are_stated(page, studies):
    _, assessment = labelled(studies / "lateral_good.dcm")
    choose(page, "lateral_good")
    page.click("#tab-corrections")
    page.click("#side-L")
    wrong = reassess(assessment, side=Side.LEFT)
    expect(page.locator("#total")).to_have_text(str(wrong.score.total))
    page.click("#artefact-present")
    worse = reassess(wrong, artefact=ArtefactFinding.stated(True, "Ada"))
    expect(page.locator("#range")).to_have_count(0)
    expect(page.locator("#total")).to_have_text(str(worse.score.total))
    page.click("#artefact-none")
    page.click("#side-R")
    right = reassess(assessment, side=Side.RIGHT, artefact=ArtefactFinding.stated(False, "Ada"))
    expect(page.locator("#total")).to_have_text(str(right.score.total))


def test_a_pixel_size_that_the_file_lacks_is_stated_and_gives_lengths(page):
    choose(page, "lateral_no_spacing")
    page.click("#tab-corrections")
    field = page.locator("#spacing")
    field.fill("two")
    field.press("Enter")
    expect(page.locator("#message")).to_contain_text("'two' is not a pixel size")
    field.fill("0.2")
    field.press("Enter")
    expect(page.locator("#panel .remark", has_text="pixel size")).to_have_count(0)
    expect(page.locator("#spacing")).to_have_value("0.2")
    field.fill("")
    field.press("Enter")
    expect(page.locator("#panel .remark", has_text="pixel size")).to_have_count(1)


# Looking -----------------------------------------------------------------------------------------


def test_the_wheel_zooms_in_and_a_key_fits_the_image_again(page):
    shown = page.locator("#corners-Red .bottom.right")
    settled(page, "#corners-Red")  # the second view may have come just now
    fitted = int(shown.inner_text().rstrip("%"))
    box = page.locator("#corners-Red").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -200)
    expect(shown).not_to_have_text(f"{fitted}%")
    settled(page, "#corners-Red")
    assert int(shown.inner_text().rstrip("%")) > fitted
    page.keyboard.press("f")
    expect(shown).to_have_text(f"{fitted}%")


def test_the_window_is_set_with_the_left_button_and_reset(page):
    shown = page.locator("#corners-Red .bottom.left")
    before = shown.inner_text()
    box = page.locator("#corners-Red").bounding_box()
    page.keyboard.press("2")
    drag(page, (box["x"] + 40, box["y"] + box["height"] - 60), (60, 30))
    expect(shown).not_to_have_text(before)
    settled(page, "#corners-Red")
    page.keyboard.press("r")
    expect(shown).to_have_text(before)
    page.keyboard.press("1")


def test_both_views_of_a_wrist_stand_side_by_side_until_one_is_enough(page):
    expect(page.locator("#corners-Yellow .top")).to_contain_text("lateral_good")
    page.keyboard.press("b")
    expect(page.locator("#corners-Yellow")).to_have_count(0)
    page.keyboard.press("b")
    expect(page.locator("#corners-Yellow .top")).to_contain_text("lateral_good")


def test_the_page_speaks_chinese_and_goes_light(page):
    page.click("#language")
    page.click("#language-zh")
    expect(page.locator("#tab-score")).to_have_text("评分")
    expect(page.locator("#panel")).to_contain_text("茎突连线与图像长轴垂直")
    page.click("#dark")
    expect(page.locator(".v-application")).to_have_class(re.compile("v-theme--light"))
    page.click("#dark")
    page.click("#language")
    page.click("#language-en")
    expect(page.locator("#tab-score")).to_have_text("Score")


def test_text_of_a_header_is_shown_and_nothing_else_happens(page):
    choose(page, "lateral_no_spacing")
    page.click("#tab-header")
    expect(page.locator("#panel")).to_contain_text(HOSTILE[:60])
    expect(page.locator("#panel td", has_text="•••").first).to_be_visible()
    page.locator("#identity").click()
    expect(page.locator("#panel td", has_text="<img")).to_have_count(2)
    page.locator("#identity").click()
    assert page.evaluate("window.hacked") is None


# Two tabs ----------------------------------------------------------------------------------------


def test_two_tabs_show_one_review_and_lose_nothing(browser, page, server, studies):
    radiograph, assessment = labelled(studies / "frontal_good.dcm")
    other = opened(browser, server.url, {"width": 1600, "height": 900})
    expect(other.locator("#studies .v-list-item--active")).to_contain_text("frontal_good")
    for tab, towards in ((other, 1), (page, -1)):
        tab.bring_to_front()
        tab.evaluate("window.dispatchEvent(new Event('focus'))")
        tab.wait_for_timeout(300)
        settled(tab, ".corners")  # pictures get the size of the tab that is used
        name = "radial_styloid" if towards > 0 else "ulnar_styloid"
        start = place(tab, "Red", radiograph, assessment.keypoints[name].position)
        drag(tab, start, (0, round(towards * 14 * zoom(tab, "Red", radiograph))))
        assessment = moved(assessment, name, (0.0, towards * 14.0))
        for each in (page, other):
            expect(each.locator("#total")).to_have_text(str(assessment.score.total))
    other.close()
    for _ in range(2):
        page.click("#undo")
    expect(page.locator("#undo")).to_be_disabled()


# Saving and coming back --------------------------------------------------------------------------


def test_what_was_saved_or_corrected_is_there_after_stop_and_start(browser, studies, tmp_path):
    out, images = tmp_path / "out", tmp_path / "images"
    shutil.copytree(studies, images, ignore=lambda *_: ["broken.dcm", "lateral_no_spacing.dcm"])
    write_labels(images, out, "frontal_good", "lateral_good")
    server = start(images, out, NO_MODELS)
    try:
        page = opened(browser, server.url)
        choose(page, "frontal_good")
        page.click("#tab-corrections")
        page.click("#absent-thumb_mcp_joint")
        expect(page.locator("#save")).to_be_enabled()
        page.click("#save")
        page.locator("#save-now").click()
        expect(page.locator("#message")).to_contain_text("Images saved: 2")
        with page.context.expect_page() as popup:
            page.locator(".v-snackbar a").click()
        expect(popup.value.locator("body")).to_contain_text("frontal_good")
        popup.value.close()
        saved = read_labelme(out / "labelme" / "frontal_good.json")
        assert saved.keypoints["thumb_mcp_joint"].placed_by == "person:Ada"
        choose(page, "lateral_good")
        page.click("#artefact-present")
        expect(page.locator("#total")).not_to_have_text("")
        expect(page.locator("#studies .mdi-circle-medium")).to_have_count(1)
        totals = [row.inner_text() for row in page.locator("#studies .total").all()]
        status, printed = server.stop()
        assert status == 0
        assert "Corrections of 1 images were not saved yet" in printed
        assert "Traceback" not in printed
        page.close()
        server = start(images, out, NO_MODELS)
        page = opened(browser, server.url)
        assert [row.inner_text() for row in page.locator("#studies .total").all()] == totals
        choose(page, "lateral_good")
        page.click("#tab-corrections")
        expect(page.locator("#artefact-present")).to_have_class(re.compile("v-btn--active"))
        expect(page.locator("#studies .mdi-circle-medium")).to_have_count(0)
        page.close()
    finally:
        server.stop()


def test_what_a_closing_page_no_longer_gets_is_no_error(browser, studies, tmp_path):
    image, program = studies / "frontal_good.dcm", ("-c", SENDS_WHILE_IT_CLOSES)
    server = start(image, tmp_path, NO_MODELS, program=program)
    try:
        page = opened(browser, server.url)
        status, printed = server.stop()
        page.close()
        assert status == 0
        assert "closing transport" not in printed
        assert "the disk is on fire" in printed  # any other error is told
    finally:
        server.stop()


# Accepting ---------------------------------------------------------------------------------------


def icons(page: Page) -> list[str]:
    """What the list says of each image: the last word of its icon's class."""
    marks = page.locator("#studies .check").all()
    return [re.findall(r"mdi-[\w-]+", mark.get_attribute("class") or "")[-1] for mark in marks]


@pytest.fixture
def pair(studies, tmp_path) -> tuple[Path, Path]:
    """Folders of a study of two views whose points are known, and for what is accepted."""
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(studies, images, ignore=lambda *_: ["broken.dcm", "lateral_no_spacing.dcm"])
    write_labels(images, out, "frontal_good", "lateral_good")
    return images, out


def test_images_are_accepted_one_after_the_other_and_are_so_at_the_next_start(browser, pair):
    images, out = pair
    server = start(images, out, NO_MODELS)
    try:
        page = opened(browser, server.url)
        progress, message = page.locator("#progress"), page.locator("#message")
        expect(progress).to_have_text("0 of 2 checked, 0 corrected")
        assert not (out / "labels").exists()  # who only looks leaves nothing behind
        choose(page, "frontal_good")
        page.keyboard.press("Enter")
        expect(page.locator("#studies .v-list-item--active")).to_contain_text("lateral_good")
        expect(progress).to_have_text("1 of 2 checked, 0 corrected")
        page.click("#accept")
        expect(progress).to_have_text("2 of 2 checked, 0 corrected")
        expect(page.locator("#check")).to_have_text("checked by you")
        page.keyboard.press("n")
        expect(message).to_have_text("All images are checked.")
        page.click("#tab-corrections")
        page.click("#artefact-present")
        expect(page.locator("#check")).to_have_text("changed since it was checked")
        page.keyboard.press("a")
        expect(page.locator("#check")).to_have_text("checked by you")
        score = total(page)
        assert icons(page) == ["mdi-check-circle"] * 2
        page.close()
        _, printed = server.stop()
        assert "not saved" not in printed
        server = start(images, out, NO_MODELS)
        page = opened(browser, server.url)
        expect(page.locator("#progress")).to_have_text("2 of 2 checked, 0 corrected")
        choose(page, "lateral_good")
        expect(page.locator("#total")).to_have_text(score)
        assert icons(page) == ["mdi-check-circle"] * 2
        page.close()
    finally:
        server.stop()
    store = LabelStore.open(out / "labels", create=False)
    assert sorted(len(image.readings) for image in store) == [1, 2]
    assert all(image.image_path for image in store)
    assert {r.reader for image in store for r in image.readings} == {"Ada"}


def test_another_reader_sees_what_was_checked_and_where_they_disagree(browser, pair):
    images, out = pair
    radiograph, assessment = labelled(images / "frontal_good.dcm")
    store = LabelStore.open(out / "labels")
    elsewhere = moved(assessment, "radial_styloid", (9.0, 0.0))
    store.accept(Reading.accept(elsewhere, radiograph, reader="Eve", predicted=None))
    server = start(images, out, NO_MODELS)
    try:
        page = opened(browser, server.url)
        expect(page.locator("#by-others")).to_have_text("1 more by others")
        choose(page, "frontal_good")
        expect(page.locator("#check")).to_have_text("checked by Eve")
        page.keyboard.press("a")
        expect(page.locator("#check")).to_have_text("in conflict, also checked by Eve")
        assert icons(page) == ["mdi-alert-circle", "mdi-circle-outline"]
        page.click("#filter-in-conflict")
        expect(page.locator("#studies .v-list-item")).to_have_count(1)
        page.click("#filter-in-conflict")
        page.click("#agreement")
        expect(page.locator("#conflicts")).to_contain_text("radial styloid 9.0 mm apart")
        expect(page.locator("#agreement-card")).to_contain_text("Ada and Eve")
        page.click("#decide")
        expect(page.locator("#conflicts")).to_have_count(0)
        page.click("#agreement-close")
        expect(page.locator("#check")).to_contain_text("checked by you")
        # Another program stores something: it is seen without anybody asking.
        radiograph, assessment = labelled(images / "lateral_good.dcm")
        store.accept(Reading.accept(assessment, radiograph, reader="Eve", predicted=None))
        expect(page.locator("#by-others")).to_have_text("1 more by others")
        page.close()
    finally:
        server.stop()
    assert store.conflicts() == []


def test_an_image_with_points_to_place_is_refused_in_one_sentence(page):
    choose(page, "lateral_no_spacing")
    page.keyboard.press("a")
    expect(page.locator("#message")).to_contain_text("Place these points of lateral_no_spacing")
    expect(page.locator("#progress")).to_have_text("0 of 3 checked, 0 corrected")
    page.locator(".v-snackbar__actions button", has_text="Close").click()


# Who may come ------------------------------------------------------------------------------------


def status_of(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_only_this_computers_own_pages_are_answered(server):
    assert status_of(server.url) == 200
    assert status_of(server.url, Host="evil.example") == 403
    for path in ("index.html", "ws"):
        assert status_of(server.url + path, Origin="http://evil.example") == 403


def test_nothing_beside_saved_reports_can_be_read(server, studies):
    label = "saved/labelme/frontal_good.json"
    for path in (
        *("saved/../../etc/passwd", "saved/%2e%2e/%2e%2e/etc/passwd", "saved//etc/passwd"),
        *(label, f"saved/{studies}", "../../etc/passwd"),
    ):
        assert status_of(server.url + path) in (403, 404), path


def test_a_token_is_needed_where_one_is_asked_for(browser, studies, tmp_path):
    server = start(studies / "frontal_good.dcm", tmp_path, NO_MODELS, "--token")
    try:
        bare = server.url.split("?")[0]
        assert server.url != bare
        assert status_of(bare) == status_of(bare + "ws") == 403
        assert status_of(bare + "?token=guessed") == 403
        page = opened(browser, server.url)
        assert "token" not in page.url
        page.reload()
        page.wait_for_selector("#total")
        page.close()
    finally:
        server.stop()
