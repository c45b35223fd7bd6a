"""What the reports say: record, table, files of a run, privacy, hostile text."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pydicom import Dataset

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, score
from WristQCLib.basic_information import check_basic_information
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.measurements import ImageGeometry, measure
from WristQCLib.protocol import load_protocol
from WristQCLib.report import ReportError, ReportWriter
from WristQCLib.report.csv_table import columns
from WristQCLib.report.files import UniqueNames, safe_name
from WristQCLib.report.json_report import assessment_record
from WristQCLib.resources import RESOURCES
from WristQCLib.side_marker import SideMarker

PROTOCOL = load_protocol()
SCHEMA = json.loads((RESOURCES / "Schemas" / "assessment-1.schema.json").read_text("utf-8"))
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>'

# 10 x 14 cm. Styloids at the same height, 4 cm above the lower border, 3.5 and 3.5 cm from the
# sides, so only the vertical offset (10 - 4 = 6 cm) loses points: 5.
FRONTAL = {"thumb_mcp_joint": (40.0, 20.0), "radial_styloid": (69.5, 199.5),
           "ulnar_styloid": (129.5, 199.5)}  # fmt: skip
LATERAL = {
    "scaphoid_centre": (99.5, 139.5),
    "distal_radius_centre": (95.0, 170.0),
    "proximal_radius_centre": (92.0, 270.0),
    "distal_ulna_centre": (104.0, 170.0),
    "proximal_ulna_centre": (107.0, 270.0),
}


def make_header(**attributes: str) -> Dataset:
    header = Dataset()
    values = {
        "AccessionNumber": "A-17", "PatientName": "Secret^Person", "PatientSex": "F",
        "PatientBirthDate": "19800101", "PatientAge": "046Y", "StudyDate": "20260102",
        "StudyTime": "101500", "InstitutionName": "General Hospital", "Manufacturer": "Maker",
        "ManufacturerModelName": "Model", "SoftwareVersions": "1", "KVP": "52",
        "DistanceSourceToDetector": "1000", "ExposureTime": "8", "WindowWidth": "2000",
        "EstimatedRadiographicMagnificationFactor": "1.05", "WindowCenter": "1000",
    }  # fmt: skip
    for keyword, value in {**values, **attributes}.items():
        if value:
            setattr(header, keyword, value)
    return header


def make_assessment(
    view: View | None = View.FRONTAL,
    *,
    name: str = "wrist.dcm",
    spacing: tuple[float, float] | None = (0.5, 0.5),
    side: Side | None = Side.RIGHT,
    marker_side: Side = Side.RIGHT,
    positions: dict[str, tuple[float, float] | None] | None = None,
    artefact: ArtefactFinding | None = None,
    header: Dataset | None = None,
    notes: tuple[str, ...] = (),
) -> Assessment:
    artefact = artefact or ArtefactFinding.from_probability(0.07, 0.5, "model:artefact 1.0")
    marker = SideMarker(Finding.FOUND, marker_side, 0.93, (170.0, 20.0, 190.0, 44.0), 2.0, "")
    geometry = ImageGeometry(200, 280, spacing)
    items = check_basic_information(header or make_header(), PROTOCOL.basic_information)
    keypoints = measurements = None
    if view:
        positions = positions or {View.FRONTAL: FRONTAL, View.LATERAL: LATERAL}[view]
        keypoints = Keypoints.from_positions(view, positions)
        measurements = measure(keypoints, geometry)
    return Assessment(
        name=name, path=f"/archive/{name}", sop_instance_uid="1.2.3", geometry=geometry,
        view=Sourced(view, "image", 0.98) if view else Sourced(None, "not stated"),
        side=Sourced(side, "Laterality (0020,0060)"), spacing=Sourced(spacing, "PixelSpacing"),
        basic_information=items, side_marker=marker, artefact=artefact, keypoints=keypoints,
        measurements=measurements or {},
        score=score(PROTOCOL, view=view, side=side, basic_information=items, side_marker=marker,
                    artefact=artefact, measurements=measurements or {}),
        protocol=PROTOCOL, models={"artefact": "artefact 1.0 (sha256 00)"}, device="cpu",
        notes=notes,
    )  # fmt: skip


IMAGE = np.linspace(0, 1, 200 * 280, dtype=np.float32).reshape(280, 200)

CASES = {
    "frontal": make_assessment(),
    "lateral": make_assessment(View.LATERAL),
    "thumb not in the image": make_assessment(positions={**FRONTAL, "thumb_mcp_joint": None}),
    "to be placed": replace(make_assessment(), keypoints=Keypoints.to_be_placed(View.FRONTAL)),
    "unknown view": make_assessment(None),
    "unknown spacing": make_assessment(spacing=None),
    "unknown side": make_assessment(side=None),
    "artefact not assessed": make_assessment(
        artefact=ArtefactFinding.not_assessed("Models were not used.")
    ),
}


# Record -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("include_identity", [False, True])
def test_every_record_follows_the_schema(case, include_identity):
    record = assessment_record(CASES[case], created=NOON, include_identity=include_identity)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(record, allow_nan=False)), SCHEMA)


def test_the_schema_refuses_a_record_with_an_unknown_finding():
    record = json.loads(json.dumps(assessment_record(CASES["frontal"])))
    record["artefact"]["finding"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError, match="perhaps"):
        jsonschema.validate(record, SCHEMA)


def test_a_record_tells_points_measurements_and_bands():
    record = assessment_record(CASES["frontal"])
    assert (record["total"], record["grade"], record["complete"]) == (95, "A", True)
    (task,) = (t for t in record["tasks"] if t["id"] == "frontal_4")
    vertical, horizontal = task["parts"]
    assert vertical["value"] == pytest.approx(6.0)
    assert (vertical["points"], horizontal["points"]) == (0, 5)
    assert (vertical["full"], vertical["zero"]) == ([None, 1.0], [None, 2.0])
    assert record["sections"][3] == {"name": "display and layout", "points": 31, "max_points": 36}


def test_millimetres_are_measured_from_the_outer_corner_of_the_first_pixel():
    keypoint = Keypoint(
        "radial_styloid", Finding.FOUND, (-0.5, 9.5), 0.9, 4.0, "model:keypoints 1.0"
    )
    assessment = make_assessment(spacing=(0.5, 0.125))
    keypoints = assessment.keypoints.replaced(keypoint)
    point = assessment_record(replace(assessment, keypoints=keypoints))["keypoints"][1]
    assert point["position_mm"] == [0.0, 1.25]
    assert point["spread_mm"] == pytest.approx(1.0)  # 4 px of the geometric mean, 0.25 mm
    assert (point["number"], point["placed_by"]) == ("P2", "model:keypoints 1.0")


def test_a_number_that_is_not_finite_becomes_null():
    marker = SideMarker(Finding.NOT_FOUND, None, float("nan"), None, float("inf"), "None.")
    record = assessment_record(replace(make_assessment(), side_marker=marker))
    assert record["side_marker"]["similarity"] is None
    assert record["side_marker"]["rotation_deg"] is None


def test_a_record_is_a_function_of_its_arguments():
    first, second = (assessment_record(make_assessment(), created=NOON) for _ in range(2))
    assert first == second
    assert first["created"] == "2026-01-02T12:00:00+00:00"


def test_a_marker_that_contradicts_the_side_is_told():
    record = assessment_record(make_assessment(marker_side=Side.LEFT))
    assert record["side_marker"]["contradicts_side"] is True
    assert assessment_record(make_assessment(side=None))["side_marker"]["contradicts_side"] is False


# Files of a run -----------------------------------------------------------------------------


def write(out: Path, *assessments: Assessment, **options) -> dict[str, Path]:
    with ReportWriter(out, created=NOON, **options) as writer:
        for assessment in assessments:
            writer.add(assessment, IMAGE)
    return writer.written


def every_text(out: Path) -> str:
    return "\n".join(p.read_text("utf-8") for p in sorted(out.rglob("*")) if p.is_file())


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_records_table_pages_and_index(tmp_path):
    written = write(tmp_path, CASES["frontal"], make_assessment(View.LATERAL, name="other.dcm"))
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [
        "html/other.html", "html/wrist.html", "index.html", "json/other.json", "json/wrist.json",
        "wristqc.csv",
    ]  # fmt: skip
    assert written == {
        "json": tmp_path / "json",
        "csv": tmp_path / "wristqc.csv",
        "html": tmp_path / "index.html",
    }


def test_only_the_wanted_formats_are_written(tmp_path):
    write(tmp_path, CASES["frontal"], formats={"csv"})
    assert [p.name for p in tmp_path.rglob("*")] == ["wristqc.csv"]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pdf"):
        ReportWriter(tmp_path, formats={"pdf"})


def test_after_an_error_the_reports_hold_what_was_added(tmp_path):
    with pytest.raises(RuntimeError), ReportWriter(tmp_path) as writer:
        writer.add(CASES["frontal"], IMAGE)
        raise RuntimeError
    assert [row["name"] for row in table_of(tmp_path / "wristqc.csv")] == ["wrist.dcm"]
    assert "wrist.dcm" in (tmp_path / "index.html").read_text("utf-8")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="choose another"):
        ReportWriter(tmp_path / "file" / "out")


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    write(tmp_path, CASES["frontal"], formats={"csv"})
    (tmp_path / "wristqc.csv").unlink()
    (tmp_path / "wristqc.csv").mkdir()
    with pytest.raises(ReportError, match=r"wristqc\.csv cannot be written"):
        write(tmp_path, CASES["frontal"], formats={"csv"})
    assert [p.name for p in tmp_path.iterdir()] == ["wristqc.csv"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wrist.dcm", "wrist"),
        ("../../etc/passwd", "etc_passwd"),
        ("1.2.840.113", "1.2.840.113"),
        ("腕关节 1.dcm", "腕关节_1"),
        ("a<b>:c?.png", "a_b_c"),
        ("CON.dcm", "image_CON"),
        ("...", "image"),
        ("", "image"),
    ],
)
def test_file_names_are_safe(name, expected):
    assert safe_name(name) == expected


def test_long_file_names_are_cut_at_a_whole_letter():
    name = safe_name("腕" * 300)
    assert len(name.encode()) <= 120
    assert set(name) == {"腕"}


def test_images_of_the_same_name_do_not_overwrite_each_other():
    names = UniqueNames()
    taken = [names.take(name) for name in ("a.dcm", "A.png", "a-2.dcm", "a.dcm")]
    assert taken == ["a", "A-2", "a-2-2", "a-3"]


# Table --------------------------------------------------------------------------------------


def test_the_table_has_a_row_per_image_and_the_same_columns_for_both_views(tmp_path):
    write(tmp_path, *CASES.values(), formats={"csv"})
    rows = table_of(tmp_path / "wristqc.csv")
    assert len(rows) == len(CASES)
    assert tuple(rows[0]) == columns(PROTOCOL)
    frontal, lateral = rows[0], rows[1]
    assert (frontal["total"], frontal["grade"], frontal["frontal_4_points"]) == ("95", "A", "5")
    assert float(frontal["styloid_midpoint_vertical_offset_cm"]) == pytest.approx(6.0)
    assert (frontal["lateral_1_points"], lateral["lateral_1_points"]) == ("", "12")
    assert (frontal["display_and_layout_points"], frontal["complete"]) == ("31", "yes")


def test_columns_are_all_different():
    assert len(set(columns(PROTOCOL))) == len(columns(PROTOCOL))


def test_every_value_of_a_record_row_has_a_column():
    from WristQCLib.report.csv_table import row

    for assessment in CASES.values():
        assert set(row(assessment_record(assessment))) <= set(columns(PROTOCOL))


def test_an_image_that_could_not_be_assessed_has_a_row_with_the_error(tmp_path):
    with ReportWriter(tmp_path, formats={"csv"}) as writer:
        writer.add_failure("broken.dcm", "broken.dcm is not an image.")
    (row,) = table_of(tmp_path / "wristqc.csv")
    told = {name: value for name, value in row.items() if value}
    assert told == {"name": "broken.dcm", "error": "broken.dcm is not an image."}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "|calc"])
def test_text_that_a_spreadsheet_would_run_is_neutralised(tmp_path, text):
    write(tmp_path, make_assessment(header=make_header(InstitutionName=text)), formats={"csv"})
    (row,) = table_of(tmp_path / "wristqc.csv")
    assert row["dicom_institution_name_value"] == f"'{text.strip()}"


def test_a_cell_stays_on_one_line(tmp_path):
    with ReportWriter(tmp_path, formats={"csv"}) as writer:
        writer.add_failure("a\r\nb\x00.dcm", "No.")
    assert len((tmp_path / "wristqc.csv").read_text("utf-8").splitlines()) == 2


# Privacy and hostile text -------------------------------------------------------------------


def test_the_patient_is_named_only_when_asked(tmp_path):
    write(tmp_path / "without", CASES["frontal"])
    write(tmp_path / "with", CASES["frontal"], include_identity=True)
    for secret in ("Secret", "19800101", "A-17", "046Y"):
        assert secret not in every_text(tmp_path / "without")
    for path in ("json/wrist.json", "html/wrist.html", "wristqc.csv"):
        assert "Secret" in (tmp_path / "with" / path).read_text("utf-8")
    assert "/archive/" not in every_text(tmp_path / "with")


class Elements(HTMLParser):
    """Collects start tags, and the text outside of script and style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def parsed(path: Path) -> Elements:
    elements = Elements()
    elements.feed(path.read_text("utf-8"))
    elements.close()
    return elements


def test_hostile_dicom_text_stays_text(tmp_path):
    header = make_header(InstitutionName=HOSTILE, Manufacturer='"><img src=x onerror=alert(1)>')
    hostile = replace(
        make_assessment(name=f"{HOSTILE}.dcm", header=header, notes=(HOSTILE,)),
        sop_instance_uid=HOSTILE, models={HOSTILE: HOSTILE},
        view=Sourced(View.FRONTAL, HOSTILE),
    )  # fmt: skip
    with ReportWriter(tmp_path, created=NOON) as writer:
        writer.add(hostile, IMAGE)
        writer.add_failure(HOSTILE, HOSTILE)
    (page,) = (tmp_path / "html").iterdir()
    for path in (page, tmp_path / "index.html"):
        elements = parsed(path)
        assert sum(tag == "script" for tag, _ in elements.tags) == 1
        assert not [name for _, attributes in elements.tags for name in attributes if
                    name.startswith("on")]  # fmt: skip
        assert HOSTILE in elements.text
    assert page.name == "script_alert_x_script.html"


def test_pages_need_nothing_from_elsewhere(tmp_path):
    write(tmp_path, CASES["frontal"])
    for path in tmp_path.rglob("*.html"):
        for tag, attributes in parsed(path).tags:
            address = attributes.get("src") or attributes.get("href") or ""
            assert not re.match(r"(\w+:)?//", address), (tag, address)
            assert tag not in ("img", "image") or address.startswith("data:image/")
            assert tag not in ("link", "iframe", "object")
        assert "url(" not in path.read_text("utf-8")


def test_the_policy_allows_the_script_that_is_in_the_page(tmp_path):
    import base64
    import hashlib

    write(tmp_path, CASES["frontal"])
    text = (tmp_path / "html" / "wrist.html").read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


# Pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_page_that_says_it_is_not_a_diagnostic_device(tmp_path, case):
    write(tmp_path, CASES[case])
    for path in (tmp_path / "html" / "wrist.html", tmp_path / "index.html"):
        assert "Not a diagnostic device." in parsed(path).text


def test_a_page_tells_points_bands_and_advice(tmp_path):
    write(tmp_path, CASES["frontal"])
    text = parsed(tmp_path / "html" / "wrist.html").text
    assert "95 of 100" in text
    assert "6.0 cm up to 1 cm none: ≥ 2 cm" in text  # styloid midpoint vertical offset
    assert "4.0 cm 3–5 cm none: ≤ 2 or ≥ 6 cm" in text  # distance to the lower border
    for advice in assessment_record(CASES["frontal"])["advice"]:
        assert advice["text"][1:] in text
        assert f"+{advice['gain']}" in text


def test_an_incomplete_total_is_marked(tmp_path):
    # Without spacing: frontal 2 (5), 4 (10) and 5 (6) are unknown: 100 - 21 = 79 of at most 100.
    write(tmp_path, CASES["unknown spacing"])
    page, index = (parsed(tmp_path / name).text for name in ("html/wrist.html", "index.html"))
    assert "79 of 100 incomplete; at most 100 (grade A)" in page
    assert "79 incomplete; at most 100" in index
    assert "The pixel spacing is unknown" in page


def test_a_complete_total_is_not_marked(tmp_path):
    write(tmp_path, CASES["frontal"])
    assert "incomplete" not in parsed(tmp_path / "html" / "wrist.html").text


def test_a_contradiction_between_marker_and_side_stands_above_the_points(tmp_path):
    write(tmp_path, make_assessment(marker_side=Side.LEFT))
    text = parsed(tmp_path / "html" / "wrist.html").text
    warning = "The side marker reads L, but the examined side is R (Laterality (0020,0060))"
    assert 0 < text.index(warning) < text.index("Position, artefact and layout")


def test_a_keypoint_that_is_not_in_the_image_is_listed(tmp_path):
    write(tmp_path, CASES["thumb not in the image"])
    text = parsed(tmp_path / "html" / "wrist.html").text
    assert "Not in the image: thumb MCP joint" in text


def test_the_index_lists_the_worst_image_first_and_links_to_all(tmp_path):
    bad = make_assessment(name="bad.dcm", marker_side=Side.LEFT)
    with ReportWriter(tmp_path, created=NOON) as writer:
        writer.add(CASES["frontal"], IMAGE)
        writer.add(bad, IMAGE)
        writer.add_failure("broken.dcm", "broken.dcm is not an image.")
    index = parsed(tmp_path / "index.html")
    assert index.text.index("bad.dcm") < index.text.index("wrist.dcm")
    assert "broken.dcm is not an image." in index.text
    links = {a["href"] for tag, a in index.tags if tag == "a"}
    assert {"html/bad.html", "html/wrist.html"} <= links
    assert all((tmp_path / link).is_file() for link in links if link and link[0] != "#")


def test_a_value_beside_a_limit_is_not_rounded_onto_it():
    from WristQCLib.report.html_report import _measured

    part = {"value": 4.996, "unit": "deg", "full": [None, 5.0], "zero": [None, 10.0]}
    assert _measured(part) == "4.996°"
    assert _measured({**part, "value": 5.0}) == "5.0°"
    assert _measured({**part, "value": 7.26}) == "7.3°"
