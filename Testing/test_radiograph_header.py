"""Physical size, view and side, each with where it comes from."""

from __future__ import annotations

import pytest
from dicom_files import radiograph, write
from pydicom import Dataset, Sequence

from WristQCLib.findings import Side, View
from WristQCLib.radiograph import read_radiograph
from WristQCLib.spacing import pixel_aspect_of, spacing_of
from WristQCLib.view_side import side_of, view_of

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # that is what is tested


def header(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def coded(value, meaning=""):
    return header(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)


# Physical size


def spacing(**attributes):
    return spacing_of(header(**attributes), width=1000, height=2000)


def test_pixel_spacing_goes_first_and_row_spacing_is_y():
    found = spacing(
        PixelSpacing=["0.2", "0.1"],
        ImagerPixelSpacing=["0.4", "0.4"],
        EstimatedRadiographicMagnificationFactor="2",
    )
    assert found.value == (0.1, 0.2)
    assert found.source == "PixelSpacing (0028,0030)"


def test_imager_pixel_spacing_is_divided_by_the_magnification():
    found = spacing(
        ImagerPixelSpacing=["0.2", "0.1"], EstimatedRadiographicMagnificationFactor="1.25"
    )
    assert found.value == pytest.approx((0.08, 0.16))
    assert found.source == (
        "ImagerPixelSpacing (0018,1164) / EstimatedRadiographicMagnificationFactor (0018,1114)"
        " = 1.25"
    )


def test_imager_pixel_spacing_without_magnification_is_as_at_the_detector():
    found = spacing(ImagerPixelSpacing=["0.2", "0.2"])
    assert found.value == (0.2, 0.2)
    assert "no magnification is given" in found.source


@pytest.mark.parametrize("factor", ["0.5", "0", "-1", "110"])
def test_an_impossible_magnification_is_left_out_and_said(factor):
    found = spacing(
        ImagerPixelSpacing=["0.2", "0.2"], EstimatedRadiographicMagnificationFactor=factor
    )
    assert found.value == (0.2, 0.2)
    assert f"(0018,1114) = {factor} is not possible" in found.source


def test_a_scanned_film_has_the_spacing_of_the_scanner():
    found = spacing(NominalScannedPixelSpacing=["0.175", "0.17"])
    assert found.value == (0.17, 0.175)
    assert found.source == "NominalScannedPixelSpacing (0018,2010)"


def test_without_any_attribute_the_spacing_is_unknown():
    found = spacing()
    assert found.value is None
    assert found.source == "the file tells no pixel spacing"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (["0", "0"], r"= 0\0 is zero"),
        (["0.1", "0"], r"= 0.1\0 is zero"),
        (["-0.1", "0.1"], r"= -0.1\0.1 is negative"),
        (["0.1"], "= 0.1 should be two numbers"),
        (["1", "1"], "the image would measure 100 x 200 cm"),
        (["0.0001", "0.0001"], "too small to be true"),
    ],
)
def test_an_impossible_spacing_is_unknown_with_the_reason(value, fault):
    found = spacing(PixelSpacing=value)
    assert found.value is None
    assert found.source.startswith("PixelSpacing (0028,0030) = ")
    assert fault in found.source


def test_a_spacing_that_is_no_number_is_unknown_with_the_reason():
    dataset = Dataset()
    dataset.add_new(0x00280030, "LO", ["fine", "0.1"])
    assert "is not a number" in spacing_of(dataset, 100, 100).source


def test_a_spacing_with_decimal_commas_is_told_as_it_is_written(tmp_path):
    """No decimal string (PS3.5, 6.2) has a comma, and 1,000 could be a thousand."""
    file = write(tmp_path / "wrist.dcm", radiograph(PixelSpacing=["0.143", "0.143"]))
    content = file.read_bytes()
    assert b"0.143\\0.143" in content
    file.write_bytes(content.replace(b"0.143\\0.143", b"0,143\\0,143"))
    found = read_radiograph(file).spacing
    assert found.value is None
    assert found.source == r"PixelSpacing (0028,0030) = 0,143\0,143 is not a number"


def test_an_impossible_pixel_spacing_gives_way_to_the_imager_and_is_said():
    found = spacing(PixelSpacing=["0", "0"], ImagerPixelSpacing=["0.2", "0.2"])
    assert found.value == (0.2, 0.2)
    assert r"PixelSpacing (0028,0030) = 0\0 is zero" in found.source


def test_a_pixel_is_as_high_as_its_spacing_says():
    dataset = header(PixelSpacing=["0.3", "0.2"], PixelAspectRatio=[1, 1])
    assert pixel_aspect_of(dataset, spacing_of(dataset, 100, 100)) == pytest.approx(1.5)


def test_without_spacing_the_aspect_ratio_is_vertical_over_horizontal():
    dataset = header(PixelAspectRatio=[3, 2])
    assert pixel_aspect_of(dataset, spacing_of(dataset, 100, 100)) == 1.5


@pytest.mark.parametrize("attributes", [{}, {"PixelAspectRatio": [0, 1]}])
def test_without_spacing_and_ratio_pixels_are_square(attributes):
    dataset = header(**attributes)
    assert pixel_aspect_of(dataset, spacing_of(dataset, 100, 100)) == 1


# View


@pytest.mark.parametrize("position", ["AP", "PA", "DP", "ap", "P-A"])
def test_a_frontal_view_position(position):
    found = view_of(header(ViewPosition=position))
    assert found.value is View.FRONTAL
    assert found.source == f"ViewPosition (0018,5101) = {position}"


@pytest.mark.parametrize("position", ["LL", "RL", "LAT", "LATERAL", "ML"])
def test_a_lateral_view_position(position):
    assert view_of(header(ViewPosition=position)).value is View.LATERAL


@pytest.mark.parametrize("position", ["LLO", "RLO", "RAO", "OBLIQUE"])
def test_an_oblique_view_position_is_neither(position):
    found = view_of(header(ViewPosition=position, SeriesDescription="Wrist PA"))
    assert found.value is None
    assert found.source == (
        f"ViewPosition (0018,5101) = {position}: an oblique view, neither frontal nor lateral"
    )


@pytest.mark.parametrize(
    ("code", "view"),
    [
        ("399348003", View.FRONTAL),  # antero-posterior
        ("272479007", View.FRONTAL),  # postero-anterior
        ("R-10206", View.FRONTAL),
        ("R-10214", View.FRONTAL),
        ("399067008", View.LATERAL),
        ("399198007", View.LATERAL),  # right lateral
        ("399173006", View.LATERAL),  # left lateral
        ("R-10236", View.LATERAL),
        ("399182000", None),  # oblique
        ("399059000", None),  # postero-anterior oblique
    ],
)
def test_the_view_code_tells_the_view(code, view):
    found = view_of(header(ViewCodeSequence=Sequence([coded(code)])))
    assert found.value is view
    assert f"ViewCodeSequence (0054,0220) = {code}" in found.source


def test_an_unlisted_view_code_is_understood_by_its_meaning():
    found = view_of(header(ViewCodeSequence=Sequence([coded("X1", "lateral projection")])))
    assert found.value is View.LATERAL


def test_view_position_and_view_code_that_disagree_make_the_view_unknown():
    found = view_of(header(ViewPosition="PA", ViewCodeSequence=Sequence([coded("399067008")])))
    assert found.value is None
    assert "contradicts" in found.source


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("Wrist PA", View.FRONTAL),
        ("WRIST_AP_L", View.FRONTAL),
        ("XR wrist a.p.", View.FRONTAL),
        ("Handgelenk d.p. rechts", View.FRONTAL),
        ("Handgelenk dorsopalmar", View.FRONTAL),
        ("Postero-anterior", View.FRONTAL),
        ("frontale Aufnahme", View.FRONTAL),
        ("左腕关节正位", View.FRONTAL),
        ("腕關節後前位", View.FRONTAL),
        ("腕关节PA位", View.FRONTAL),
        ("Wrist lateral", View.LATERAL),
        ("R LAT wrist", View.LATERAL),
        ("WRIST-LAT.", View.LATERAL),
        ("Handgelenk seitlich", View.LATERAL),
        ("HG re. seitl.", View.LATERAL),
        ("右腕关节侧位", View.LATERAL),
        ("腕關節側位", View.LATERAL),
        ("PATIENT", None),
        ("SPA", None),
        ("bilateral wrists", None),
        ("unilateral", None),
        ("collateral ligament", None),
        ("Laterality unknown", None),
        ("Plat", None),
        ("Wrist PA and lateral", None),
        ("腕关节正侧位", None),
        ("腕关节正、侧位", None),
        ("Wrist oblique", None),
        ("PA oblique", None),
        ("Handgelenk schräg", None),
        ("腕关节斜位", None),
        ("Wrist", None),
    ],
)
def test_a_series_description_tells_the_view(text, view):
    dataset = header(SpecificCharacterSet="ISO_IR 192", SeriesDescription=text)
    assert view_of(dataset).value is view


@pytest.mark.parametrize(
    ("character_set", "text", "codec"),
    [
        ("GB18030", "左腕关节侧位", "gb18030"),
        ("GBK", "左腕关节侧位", "gbk"),
        ("ISO_IR 192", "左腕关节侧位", "utf-8"),
        ("ISO_IR 192", "Handgelenk schräg\u200b, seitlich und d.p., links", "utf-8"),
        ("\\ISO 2022 IR 58", "\x1b$)A左腕侧位", "gb2312"),
        ("\\ISO 2022 IR 149", "\x1b$)C左 lateral", "euc_kr"),
    ],
)
def test_descriptions_are_read_in_their_character_set(tmp_path, character_set, text, codec):
    """As bytes, so that nothing here depends on how this computer would write them."""
    encoded = text.encode(codec)
    placeholder = b"Q" * (len(encoded) + len(encoded) % 2)
    dataset = radiograph(
        SpecificCharacterSet=character_set.split("\\"), SeriesDescription=placeholder.decode()
    )
    file = write(tmp_path / "wrist.dcm", dataset)
    content = file.read_bytes()
    assert content.count(placeholder) == 1
    file.write_bytes(content.replace(placeholder, encoded.ljust(len(placeholder))))
    image = read_radiograph(file)
    assert image.side.value is Side.LEFT
    assert image.view.value is (None if "schräg" in text else View.LATERAL)


def test_bytes_of_an_undeclared_character_set_tell_nothing_and_do_no_harm(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(SeriesDescription="Q" * 12))
    encoded = "左腕关节正位".encode("gb18030")
    file.write_bytes(file.read_bytes().replace(b"Q" * 12, encoded))
    image = read_radiograph(file)
    assert (image.view.value, image.side.value) == (None, None)


def test_a_description_that_names_both_views_is_given_as_the_reason():
    found = view_of(header(StudyDescription="Wrist PA and lateral"))
    assert found.source == (
        "StudyDescription (0008,1030) = Wrist PA and lateral names more than one"
    )


def test_a_description_that_names_both_views_is_passed_over():
    found = view_of(header(ProtocolName="Wrist lateral", SeriesDescription="Wrist PA/LAT"))
    assert found.value is View.LATERAL


def test_the_series_goes_before_the_study_and_the_disagreement_is_said():
    found = view_of(header(SeriesDescription="Wrist PA", StudyDescription="Wrist lateral"))
    assert found.value is View.FRONTAL
    assert "but StudyDescription (0008,1030) = Wrist lateral" in found.source


def test_descriptions_of_the_same_rank_that_disagree_make_the_view_unknown():
    found = view_of(header(SeriesDescription="Wrist PA", ProtocolName="Wrist lateral"))
    assert found.value is None
    assert "contradicts" in found.source


def test_without_any_attribute_the_view_is_unknown():
    assert view_of(header(PatientName="PA^LATERAL")).source == "no attribute tells the view"


# Side


@pytest.mark.parametrize("keyword", ["ImageLaterality", "Laterality", "FrameLaterality"])
@pytest.mark.parametrize(("letter", "side"), [("L", Side.LEFT), ("R", Side.RIGHT)])
def test_a_laterality_attribute_tells_the_side(keyword, letter, side):
    found = side_of(header(**{keyword: letter}))
    assert found.value is side
    assert found.source.startswith(f"{keyword} (")
    assert found.source.endswith(f") = {letter}")


def test_image_and_series_laterality_that_disagree_make_the_side_unknown():
    found = side_of(header(ImageLaterality="L", Laterality="R"))
    assert found.value is None
    assert "contradicts" in found.source


def test_both_sides_are_no_side():
    found = side_of(header(ImageLaterality="B", SeriesDescription="left wrist"))
    assert found.value is None
    assert found.source == "ImageLaterality (0020,0062) = B: both sides"


def test_unpaired_tells_no_side():
    assert side_of(header(ImageLaterality="U")).value is None


def test_the_modifier_of_the_anatomic_region_tells_the_side():
    region = coded("8205005", "Wrist")
    region.AnatomicRegionModifierSequence = Sequence([coded("24028007", "Right")])
    assert side_of(header(AnatomicRegionSequence=Sequence([region]))).value is Side.RIGHT


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Left wrist PA", Side.LEFT),
        ("WRIST_LT_LAT", Side.LEFT),
        ("Handgelenk links", Side.LEFT),
        ("linkes Handgelenk", Side.LEFT),
        ("左腕关节", Side.LEFT),
        ("WRIST L PA", Side.LEFT),
        ("Wrist (L)", Side.LEFT),
        ("right wrist", Side.RIGHT),
        ("RT WRIST", Side.RIGHT),
        ("rechtes Handgelenk", Side.RIGHT),
        ("HG re. seitlich", Side.RIGHT),
        ("右腕", Side.RIGHT),
        ("Wrist left and right", None),
        ("both wrists left", None),
        ("bilateral", None),
        ("Handgelenke beidseits", None),
        ("双腕", None),
        ("R/O fracture", None),
        ("Re: fall", None),
        ("re-examination", None),
        ("L-shaped splint", None),
        ("cleft", None),
        ("Wrist", None),
    ],
)
def test_a_series_description_tells_the_side(text, side):
    dataset = header(SpecificCharacterSet="ISO_IR 192", SeriesDescription=text)
    assert side_of(dataset).value is side


def test_a_laterality_that_a_description_contradicts_is_kept_and_the_contradiction_said():
    found = side_of(header(ImageLaterality="R", SeriesDescription="Left wrist"))
    assert found.value is Side.RIGHT
    assert "but SeriesDescription (0008,103E) = Left wrist" in found.source


def test_the_view_position_tells_no_side():
    assert side_of(header(ViewPosition="LL")).value is None
