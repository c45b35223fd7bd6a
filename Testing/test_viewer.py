"""The viewer without a browser: words, who may come, what was saved, what the list shows."""

from __future__ import annotations

import asyncio
import re
import string
from dataclasses import replace

import pytest
from test_sample_data import SAMPLES, true_keypoints

from WristQCLib.advice import advise
from WristQCLib.agreement import agreement
from WristQCLib.agreement_tables import Part, Table, remarks, tables
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labelling import Progress
from WristQCLib.labels import ImageLabels, write_labelme, write_markups
from WristQCLib.labels.conflicts import conflicts_of
from WristQCLib.labels.reading import Reading
from WristQCLib.radiograph import read_radiograph
from WristQCLib.recall import Memory, Stated, remember
from WristQCLib.sources import ImageSource
from WristQCLib.viewer import check_rows, page, rows
from WristQCLib.viewer.acceptance import opened
from WristQCLib.viewer.ahead import ReadAhead
from WristQCLib.viewer.check_rows import Check
from WristQCLib.viewer.guard import Guard, is_loopback
from WristQCLib.viewer.language import LANGUAGES, Language, codes, read_dictionary
from WristQCLib.viewer.saved import SavedLabels
from WristQCLib.viewer.serve import _inside
from WristQCLib.worklist import WorkItem, first_look

FRONTAL = next(path for path in SAMPLES if path.stem == "frontal_good")
NO_SPACING = next(path for path in SAMPLES if path.stem == "lateral_no_spacing")
WORDS = {
    "Save": "保存", "left": "左", "cat": "猫", ", ": "、",
    "The {animal} is {place}.": "{animal}在{place}。", "Missing: {items}": "缺少：{items}",
}  # fmt: skip


# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("Save", "保存"),
        ("78/100", "78/100"),
        ("The cat is left.", "猫在左。"),
        ("The cat is left. The cat is here.", "猫在左。猫在here。"),
        ("Missing: cat, left", "缺少：猫、左"),
        ("cat\nleft", "猫\n左"),
        ("The dog barks.", "The dog barks."),
    ],
)
def test_sentences_are_found_with_what_stands_in_their_places(english, said):
    assert Language("xx", WORDS)(english) == said


def test_english_is_left_as_it_is():
    assert Language.load("en")("The cat is left.") == "The cat is left."


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match=r"no dictionary for '\.\./zh'"):
        Language.load("../zh")


@pytest.mark.parametrize("code", codes()[1:])
def test_a_dictionary_has_all_words_of_the_page_and_keeps_all_places(code):
    words = read_dictionary(LANGUAGES / f"{code}.toml")
    assert set(page.WORDS) <= set(words)
    for english, said in words.items():
        assert _places(english) >= _places(said), english


def _places(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_everything_that_is_said_of_a_sample_is_said_in_chinese(path):
    say, radiograph = Language.load("zh"), read_radiograph(path)
    found = Assessor.create(NoModels()).assess(radiograph)
    placed = reassess(found, keypoints=true_keypoints(path))
    object_found = reassess(placed, artefact=ArtefactFinding.stated(True, "Ada"))
    for assessment in (first_look(radiograph, found.protocol), found, placed, object_found):
        item = WorkItem(ImageSource("x", path), assessment=assessment)
        told = [
            rows.score_panel(item, False, say), rows.task_rows(assessment, say),
            rows.keypoint_rows(assessment, say), rows.advice_rows(advise(assessment), say),
            rows.header_rows(assessment, say), rows.about(assessment, say),
        ]  # fmt: skip
        english = [text for text in _texts(told) if re.search("[a-z]{3}", text)]
        assert english == []


def _texts(data: object) -> list[str]:
    """What a person reads of a row, without terms that are the same in Chinese."""
    if isinstance(data, dict):
        hidden = ("icon", "colour", "tasks", "name", "value")
        return [t for key, value in data.items() if key not in hidden for t in _texts(value)]
    if isinstance(data, list):
        return [text for value in data for text in _texts(value)]
    return [re.sub("DICOM|unnamed|kVp", "", data)] if isinstance(data, str) else []


# Who may come ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True), ("127.0.0.2", True), ("localhost", True), ("::1", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("example.org", False),
    ],
)  # fmt: skip
def test_a_token_is_asked_for_where_others_can_come(host, alone):
    assert is_loopback(host) is alone
    assert bool(Guard(host).token) is not alone
    assert Guard(host, with_token=True).token


@pytest.mark.parametrize(
    ("host", "origin", "refused"),
    [
        ("127.0.0.1:8080", "", False),
        ("localhost:8080", "http://localhost:8080", False),
        ("[::1]:8080", "", False),
        ("evil.example:8080", "", True),  # its name resolves to 127.0.0.1
        ("127.0.0.1:8080", "http://evil.example", True),
        ("127.0.0.1:8080", "http://127.0.0.1:9090", True),  # another server on this computer
        ("127.0.0.1:8080", "null", True),  # a report that was opened, a local file
    ],
)
def test_requests_of_other_pages_are_refused(host, origin, refused):
    assert bool(Guard("127.0.0.1").refusal(host, origin)) is refused


def test_an_address_names_the_token_only_where_there_is_one():
    assert Guard("127.0.0.1").address("127.0.0.1", 80) == "http://127.0.0.1:80/"
    wide = Guard("192.168.1.4")
    assert wide.address("192.168.1.4", 80) == f"http://192.168.1.4:80/?token={wide.token}"
    assert Guard("192.168.1.4").token != wide.token


def test_only_reports_in_the_folder_are_read(tmp_path):
    folder = tmp_path / "out"
    (folder / "html").mkdir(parents=True)
    (tmp_path / "secret.html").write_text("")
    (folder / "index.html").write_text("")
    (folder / "wristqc.csv").write_text("")
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    assert _inside(folder, "index.html") == folder / "index.html"
    for path in ("../secret.html", str(tmp_path / "secret.html"), "link.html", "html", "no.html"):
        assert _inside(folder, path) is None
    assert _inside(folder, "wristqc.csv") is None  # the browser shows reports, not tables


# What was saved ----------------------------------------------------------------------------------


def assessed(path):
    radiograph = read_radiograph(path)
    return radiograph, Assessor.create(NoModels()).assess(radiograph)


def placed(path, person="person:Ada"):
    true = true_keypoints(path)
    points = (Keypoint(p.name, p.finding, p.position, placed_by=person) for p in true)
    return Keypoints(true.view, tuple(points))


def remembering(folder):
    return Memory(None, "Ada", SavedLabels(folder))


def again_of(memory, radiograph):
    return memory(Assessor.create(NoModels()).assess(radiograph), radiograph).assessment


@pytest.mark.parametrize(
    ("kind", "write"), [("labelme", write_labelme), ("markups", write_markups)]
)
def test_what_was_saved_is_there_again(tmp_path, kind, write):
    radiograph, assessment = assessed(FRONTAL)
    corrected = reassess(
        assessment, keypoints=placed(FRONTAL), side=Side.LEFT,
        artefact=ArtefactFinding.stated(True, "Ada"),
    )  # fmt: skip
    (tmp_path / kind).mkdir()
    write(tmp_path / kind / "x.json", ImageLabels.of(corrected, radiograph))
    memory = remembering(tmp_path)
    again = again_of(memory, radiograph)
    assert again.score == corrected.score
    assert Stated.of(again) == Stated.of(corrected)
    assert memory.is_saved(again)
    moved = again.keypoints.replaced(
        Keypoint("radial_styloid", Finding.NOT_FOUND, placed_by="person:B")
    )
    assert not memory.is_saved(reassess(again, keypoints=moved))
    assert not memory.is_saved(assessment)  # all of it was taken back


def test_what_is_stated_now_counts_more_than_what_was_saved(tmp_path):
    radiograph, assessment = assessed(FRONTAL)
    corrected = reassess(assessment, keypoints=placed(FRONTAL), side=Side.LEFT)
    write_labelme(tmp_path / "labelme" / "x.json", ImageLabels.of(corrected, radiograph))
    now = radiograph.with_view(View.LATERAL).with_side(Side.RIGHT)
    again = again_of(remembering(tmp_path), now)
    assert (again.view.value, again.side.value) == (View.LATERAL, Side.RIGHT)
    assert again.keypoints.view is View.LATERAL


def test_a_stated_pixel_size_is_saved_and_there_again(tmp_path):
    radiograph = read_radiograph(NO_SPACING).with_spacing(0.2)
    stated = reassess(Assessor.create(NoModels()).assess(radiograph), keypoints=placed(NO_SPACING))
    write_labelme(tmp_path / "labelme" / "x.json", ImageLabels.of(stated, radiograph))
    memory = remembering(tmp_path)
    again = again_of(memory, read_radiograph(NO_SPACING))
    assert again.spacing.value == (0.2, 0.2)
    assert again.score == stated.score
    assert memory.is_saved(again)
    item = WorkItem(ImageSource("x", NO_SPACING), assessment=again)
    remember(item)
    assert item.read().spacing.value == (0.2, 0.2)


def test_labels_of_another_image_and_damaged_ones_change_nothing(tmp_path):
    radiograph, assessment = assessed(FRONTAL)
    other, other_assessment = assessed(NO_SPACING)
    labels = ImageLabels.of(reassess(other_assessment, keypoints=placed(NO_SPACING)), other)
    write_labelme(tmp_path / "labelme" / "frontal_good.json", labels)
    (tmp_path / "labelme" / "bad.json").write_text("{")
    memory = remembering(tmp_path)
    assert len(memory.files) == 1
    assert "bad.json" in memory.files.problems[0]
    assert again_of(memory, radiograph) == assessment


# What is shown -----------------------------------------------------------------------------------


def item(name, study="", grade_of=None):
    return WorkItem(ImageSource(name, FRONTAL), study=study, assessment=grade_of)


def test_images_are_read_ahead_as_they_would_be_read_now(tmp_path):
    wanted, other, broken = item("a"), item("b"), WorkItem(ImageSource("c", tmp_path / "c.dcm"))

    async def walk() -> None:
        ahead = ReadAhead()
        ahead.want([broken, wanted, other])
        await ahead._reading
        assert ahead.of([wanted, broken]).keys() == {wanted}
        wanted.side = Side.LEFT  # stated since
        assert ahead.of([wanted, other]).keys() == {other}
        ahead.want([wanted])
        assert ahead.of([other]) == {}

    asyncio.run(walk())


def test_images_of_a_study_stand_together_where_its_first_one_stands():
    a, b, c, d = item("a", "1"), item("b"), item("c", "1"), item("d")
    assert [study.items for study in rows.studies([a, b, c, d])] == [(a, c), (b,), (d,)]


def test_an_image_is_found_by_words_in_any_order_and_by_grade():
    _, assessment = assessed(FRONTAL)
    image = item("wrist_7", grade_of=assessment)
    assert rows.wanted(image, "frontal WRIST", [])
    assert not rows.wanted(image, "frontal elbow", [])
    assert rows.wanted(image, "", [assessment.score.grade, rows.FAILED])
    assert not rows.wanted(image, "", [rows.FAILED])
    image.problem = "It is broken."
    assert rows.wanted(image, "", [rows.FAILED])
    assert not rows.wanted(image, "", [assessment.score.grade])


def test_an_image_has_no_grade_before_its_assessment_is_done():
    radiograph, assessment = assessed(FRONTAL)
    looked_at = item("a", grade_of=first_look(radiograph, assessment.protocol))
    done = item("b", grade_of=assessment)
    groups = rows.studies([looked_at, done])
    shown = rows.list_rows(groups, {looked_at: "0", done: "1"}, [], {}, str)
    assert [study["images"][0]["grade"] for study in shown] == ["", assessment.score.grade]
    counts = rows.grade_counts([looked_at, done], assessment.protocol)
    assert {row["grade"]: row["count"] for row in counts if row["count"]} == {
        assessment.score.grade: 1
    }


def test_who_the_patient_is_is_shown_only_when_asked_for():
    _, assessment = assessed(FRONTAL)
    hidden = rows.header_rows(assessment, str)
    shown = rows.header_rows(assessment, str, with_identity=True)
    identity = [i for i in assessment.basic_information if i.identity and i.value]
    assert len(identity) >= 3
    assert not {i.value for i in identity} & {row["value"] for row in hidden}
    assert {i.value for i in identity} <= {row["value"] for row in shown}


# Labelling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "others", "said"),
    [
        (Check.NOT_CHECKED, (), "not checked"),
        (Check.BY_OTHERS, ("Eve", "Lin"), "checked by Eve, Lin"),
        (Check.CHECKED, (), "checked by you"),
        (Check.CHECKED, ("Eve",), "checked by you, also checked by Eve"),
        (Check.CHANGED, ("Eve",), "changed since it was checked, also checked by Eve"),
        (Check.CONFLICT, (), "in conflict"),
    ],
)
def test_who_checked_an_image_is_told(check, others, said):
    assert check_rows.list_look(check, others, str)["said"] == said
    say = Language.load("zh")
    chinese = re.sub("Eve|Lin", "", check_rows.list_look(check, others, say)["said"])
    assert not re.search("[a-z]{3}", chinese)


def test_an_image_that_cannot_be_read_has_no_icon():
    assert check_rows.list_look(None, (), str)["icon"] == ""


def test_how_far_the_readers_are_is_told_in_both_languages():
    row = check_rows.progress_row(Progress(200, 37, 12, by_others=63), str)
    assert (row["text"], row["others"]) == ("37 of 200 checked, 12 corrected", "63 more by others")
    assert (row["share"], row["share_all"]) == (18.5, 50.0)
    chinese = check_rows.progress_row(Progress(200, 37, 12, 63), Language.load("zh"))
    assert chinese["text"] == "共 200 幅，已核对 37 幅，修正 12 幅"


def test_images_are_counted_by_how_far_they_are():
    found = {item("a"): Check.CHECKED, item("b"): Check.CHECKED, item("c"): Check.CONFLICT}
    counts = {row["check"]: row["count"] for row in check_rows.check_counts(found, str)}
    assert counts == {"not checked": 0, "checked": 2, "in conflict": 1}


def test_what_tables_are_about_stands_above_the_first_of_them():
    tables = [
        Table(Part.AGAINST, "Ada", title, ("Grade", "n"), (("<b>", "3"),)) for title in ("x", "y")
    ]
    shown = check_rows.table_rows(tables, str)
    assert [row["about"] for row in shown] == ["System against readers · Ada", ""]
    assert shown[0]["rows"] == [["<b>", "3"]]


def test_a_folder_without_a_store_is_left_as_it_is_and_one_that_cannot_be_one_is_told(tmp_path):
    assert opened(tmp_path / "labels") == (None, [])
    assert not (tmp_path / "labels").exists()
    (tmp_path / "file").write_text("")
    store, notes = opened(tmp_path / "file")
    assert store is None
    assert len(notes) == 1
    assert str(tmp_path / "file") in notes[0]


def readings_of(path, *readers):
    """Of several people, of whom the second moved a point by a tenth of the image's height."""
    radiograph, assessment = assessed(path)
    predicted = reassess(assessment, keypoints=placed(path, "model:x 1"))
    predicted = replace(predicted, models={"keypoints": "x 1"})
    found = []
    for place, reader in enumerate(readers):
        points = placed(path, f"person:{reader}")
        last = points.points[-1]
        moved = replace(last, position=(last.position[0], last.position[1] - place * 70.0))
        said = reassess(predicted, keypoints=points.replaced(moved))
        said = reassess(said, artefact=ArtefactFinding.stated(place > 0, reader))
        found.append(Reading.accept(said, radiograph, reader=reader, predicted=predicted))
    return found


def test_agreement_and_conflicts_are_told_in_chinese():
    say = Language.load("zh")
    images = [readings_of(path, "A", "B") for path in (FRONTAL, NO_SPACING)]
    found = agreement(images)
    conflicts = [c for n, readings in enumerate(images) for c in conflicts_of(str(n), readings)]
    told = [
        check_rows.table_rows(tables(found), say),
        [say(sentence) for sentence in remarks(found)],
        check_rows.conflict_rows(conflicts, {}, say),
    ]
    names = r"A and B|x 1|frontal_good\.dcm|lateral_no_spacing\.dcm|Kappa|MRE|SDR|ICC|DICOM"
    english = [text for text in _texts(told) if re.search("[a-z]{3}", re.sub(names, "", text))]
    assert len(conflicts) == 2
    assert sorted(set(english)) == []
