"""Labels as a table: nothing is lost, no formula is run, and what a spreadsheet saves is read."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from label_samples import frontal_labels

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels import ImageLabels, LabelError, LabelledImage, Placement, Rectangle
from WristQCLib.labels.csv_labels import COLUMNS, read_csv, row, write_csv
from WristQCLib.measurements import ImageGeometry

TIME = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=timezone(timedelta(hours=8)))


def frontal() -> ImageLabels:
    """A found point, one that is not in the image, one still to be placed; all else told, too."""
    image = LabelledImage("腕.dcm", ImageGeometry(80, 60, (0.1, 0.3), 3.0), "1.2.3", "ab" * 32)
    return replace(
        frontal_labels(image, (100.7, 1 / 3)),
        placements={
            "thumb_mcp_joint": Placement(TIME, 'cut off, "a bit"\r\nsecond line\n'),
            "ulnar_styloid": Placement(None, "不清楚"),
        },
        extra={"fingers": "up", "wristqc": {"seed": 58}, "shapes": [{"points": [[0.1, 2]]}]},
    )


def lateral(name: str = "b/seite.png") -> ImageLabels:
    """All points found, nothing else known."""
    places = {name: (10.0 * n, 5.5) for n, name in enumerate(KEYPOINT_NAMES[View.LATERAL])}
    return ImageLabels(
        LabelledImage(name, ImageGeometry(50, 40)),
        Keypoints.from_positions(View.LATERAL, places, "person:Ada"),
        ArtefactFinding.not_assessed("Models were not used."),
        Side.RIGHT,
    )


def cells_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_nothing_is_lost_by_writing_and_reading(tmp_path: Path) -> None:
    labels = [frontal(), lateral()]
    write_csv(tmp_path / "labels.csv", labels)
    assert read_csv(tmp_path / "labels.csv") == labels
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_a_table_without_images_is_one_too(tmp_path: Path) -> None:
    write_csv(tmp_path / "labels.csv", [])
    assert read_csv(tmp_path / "labels.csv") == []


def test_the_columns_are_those_that_are_documented(tmp_path: Path) -> None:
    import WristQCLib.labels.csv_labels as module

    write_csv(tmp_path / "a.csv", [frontal()])
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfformat,image,")
    (cells,) = cells_of(tmp_path / "a.csv")
    assert tuple(cells) == COLUMNS
    keypoints = [name for view in View for name in KEYPOINT_NAMES[view]]
    for column in COLUMNS:
        name = next((n for n in keypoints if column.startswith(n)), "")
        assert f"{column.removeprefix(name)}``" in (module.__doc__ or ""), column
    expected = {
        "format": "1", "image": "腕.dcm", "picture": "", "width_px": "80", "height_px": "60",
        "spacing_x_mm": "0.1", "spacing_y_mm": "0.3", "pixel_aspect": "3.0", "view": "frontal",
        "side": "L", "artefact": "found", "artefact_source": "model:wrist_artefact 1.0",
        "artefact_probability": "0.75", "thumb_mcp_joint_finding": "not found",
        "thumb_mcp_joint_x_px": "", "thumb_mcp_joint_placed_by": "person:Ö. Ada",
        "thumb_mcp_joint_placed_at": "2026-03-04T05:06:07.000089+08:00",
        "radial_styloid_x_px": "100.7", "radial_styloid_y_px": "0.3333333333333333",
        "radial_styloid_spread_px": "0.4", "ulnar_styloid_finding": "not assessable",
        "scaphoid_centre_finding": "", "flags": '{"implant": false}',
    }  # fmt: skip
    assert {name: cells[name] for name in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-2", "@SUM(A1)", "|calc", "%1", "  =1", "\t=1", "\r=1", "\n=1", "'", "''=1",
        "'quoted'", "00123", "1e5", "1,5", ".5", "3-4", "2026-03-04", "1.2.2026", "10:20", " ", "",
        'a"b', "a,b;c\td", "line\nbreak", "\x00", "\ufeffx",
    ],
)  # fmt: skip
def test_no_text_is_a_formula_or_lost(tmp_path: Path, text: str) -> None:
    labels = replace(
        lateral(name=text),
        artefact=ArtefactFinding(Finding.FOUND, text),
        placements={} if not text else {"scaphoid_centre": Placement(None, text)},
        rectangles=(Rectangle(text, (1.0, 2.0, 3.0, 4.0), text),),
        flags={text: True},
        extra={text: text},
    )
    write_csv(tmp_path / "a.csv", [labels])
    assert read_csv(tmp_path / "a.csv") == [labels]
    for cell in row(labels).values():
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%"))


def test_uids_have_no_apostrophe_before_them() -> None:
    uid = "1.2.826.0.1.3680043.8.498.1"
    labels = replace(frontal(), image=replace(frontal().image, sop_instance_uid=uid))
    assert row(labels)["sop_instance_uid"] == uid


def test_what_a_spreadsheet_in_german_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = ("image", "width_px", "height_px", "spacing_x_mm", "spacing_y_mm", "view",
             "radial_styloid_x_px", "radial_styloid_y_px", "radial_styloid_note")  # fmt: skip
    table(path, ";".join(names), "a.png;80;60;0,1;0,1;frontal;1,25;-2,5;1,5", ";" * 8)
    (read,) = read_csv(path, person="Ada")
    assert read.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.FOUND, (1.25, -2.5), placed_by="person:Ada"
    )
    assert read.image.geometry == ImageGeometry(80, 60, (0.1, 0.1), 1.0)


def test_a_table_of_little_more_than_positions_is_taken_as_a_persons(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "height_px,width_px,image,scaphoid_centre_x_px,scaphoid_centre_y_px,note to self,"
        "distal_ulna_centre_finding,artefact",
        "60,80,a.png,3,4.5,whatever,not found,found",
    )
    (read,) = read_csv(path, person="Ada")
    assert read.view is View.LATERAL
    assert read.keypoints["scaphoid_centre"] == Keypoint(
        "scaphoid_centre", Finding.FOUND, (3.0, 4.5), placed_by="person:Ada"
    )
    assert read.keypoints["distal_ulna_centre"] == Keypoint(
        "distal_ulna_centre", Finding.NOT_FOUND, placed_by="person:Ada"
    )
    assert read.keypoints["proximal_ulna_centre"] == Keypoint("proximal_ulna_centre")
    assert read.artefact == ArtefactFinding(Finding.FOUND, "person:Ada")
    assert read.side is None
    write_csv(path, [read])
    assert read_csv(path) == [read]


def test_a_row_that_cannot_be_used_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "image,width_px,height_px,view", "a.png,80,60,", "b.png,80,60,lateral",
    )  # fmt: skip
    problems: list[str] = []
    (read,) = read_csv(path, on_problem=problems.append)
    assert read.image.name == "b.png"
    assert problems == [
        f"The label file {path} cannot be used: line 2: it does not say whether the image is"
        " frontal or lateral; fill in view."
    ]


HEADER = "image,width_px,height_px,view,scaphoid_centre_x_px,scaphoid_centre_y_px"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([""], "its first line lacks image, width_px or height_px, so it is no table of labels"),
        (["image,width_px"], "its first line lacks image"),
        ([HEADER + ",view"], "its first line names a column twice; delete one"),
        ([HEADER, "a,1,1,lateral,1,2,3"], "line 2 has more cells than the first line"),
        ([HEADER, "a,eight,1,lateral"], "line 2: width_px must be a positive whole number"),
        ([HEADER, "a,0,1,lateral"], "the image's width must be a positive whole number, got 0"),
        ([HEADER, "a,8,8,oblique"], "the view must be frontal or lateral, got 'oblique'"),
        ([HEADER, "a,8,8,frontal,1,2"], "the view is frontal but scaphoid_centre are of the other"),
        ([HEADER, "a,8,8,lateral,1,"], "'scaphoid_centre' has one coordinate; give both or none"),
        ([HEADER, "a,8,8,lateral,1,nan"], "scaphoid_centre_y_px must be a finite number"),
        ([HEADER, "a,8,8,lateral,x,1"], "scaphoid_centre_x_px must be a finite number, got 'x'"),
        ([HEADER + ",flags", 'a,8,8,lateral,,,"{"'], "flags is not JSON"),
        ([HEADER + ",flags", "a,8,8,lateral,,,3"], "the flags must be true or false by name"),
        ([HEADER + ",extra", "a,8,8,lateral,,,[1]"], "extra must be a JSON object, got [1]"),
        ([HEADER + ",rectangles", "a,8,8,lateral,,,[1]"], "line 2: TypeError("),
        ([HEADER + ",spacing_x_mm", "a,8,8,lateral,,,1"], "must be given both or not at all"),
        ([HEADER + ",format", "a,8,8,lateral,,,2"], "this version reads 1; update WristQC"),
        (
            [HEADER + ",scaphoid_centre_finding", "a,8,8,lateral,1,2,lost"],
            "must be one of found, not found, not assessable, got 'lost'",
        ),
        (
            [HEADER + ",scaphoid_centre_finding", "a,8,8,lateral,,,found"],
            "'scaphoid_centre' is 'found' but its position is None",
        ),
        (
            [HEADER + ",scaphoid_centre_placed_at", "a,8,8,lateral,1,2,2026-03-04"],
            "A time of placement has a time zone",
        ),
    ],
)
def test_a_bad_table_is_refused_with_one_sentence(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    path = table(tmp_path / "bad.csv", *rows)
    with pytest.raises(LabelError) as error:
        read_csv(path)
    sentence = str(error.value)
    assert message in sentence
    assert sentence.startswith(f"The label file {path} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelError, match="it is not text in UTF-8; save it as CSV in UTF-8"):
        read_csv(path)
    with pytest.raises(LabelError, match=r"nowhere\.csv cannot be read"):
        read_csv(tmp_path / "nowhere.csv")
