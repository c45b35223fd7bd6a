"""Advice promises exactly the points that following it gives."""

from __future__ import annotations

from test_assessment import GEOMETRY, NO_MARKER, PERFECT_FRONTAL, assessed, full_header

from WristQCLib.advice import advise
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import View
from WristQCLib.measurements import ImageGeometry

PERFECT_LATERAL = {
    "scaphoid_centre": (699.5, 399.5),
    "distal_radius_centre": (699.5, 549.5),
    "proximal_radius_centre": (699.5, 789.5),
    "distal_ulna_centre": (719.5, 549.5),
    "proximal_ulna_centre": (699.5, 789.5),
}


def texts(assessment) -> dict[str, int]:
    return {advice.text: advice.gain for advice in advise(assessment)}


def moved(positions, dx=0.0, dy=0.0):
    return {name: (x + dx, y + dy) for name, (x, y) in positions.items()}


def test_a_perfect_image_needs_no_advice():
    assert advise(assessed()) == ()
    assert advise(assessed(PERFECT_LATERAL, view=View.LATERAL)) == ()


def test_a_wrist_too_high_is_to_be_moved_down():
    # 2.0 cm up: D = 6 cm (0 points), offset 4 cm (0). All points return at D <= 5 and an offset of
    # at most 1 cm: 1.5 cm down gives D = 4.5 and an offset of 1.0: +5 for frontal 2, +5 for 4.
    result = texts(assessed(moved(PERFECT_FRONTAL, dy=-200)))
    assert result == {"move the wrist 1.5 cm towards the bottom of the image": 10}


def test_a_wrist_off_to_the_left_is_to_be_moved_right():
    # 1.0 cm to the left: offset 2 cm (0 of 5); D1 = 3.5, D2 = 5.5 cm -> floor(2 * 0.5) + 1 = 2.
    # 0.5 cm to the right brings the offset to 1 cm and D2 to 5.0 cm.
    result = texts(assessed(moved(PERFECT_FRONTAL, dx=-100)))
    assert result == {"move the wrist 0.5 cm towards the right of the image": 6}


def test_a_tilted_wrist_is_to_be_rotated_back():
    # The ulnar styloid 100 pixels lower over 500: atan(0.2) = 11.3 degrees, 0 of 10 points. Turned
    # anticlockwise by 7 degrees it is 4.3: 10 points. The styloids' distances stay full.
    tilted = {"radial_styloid": (449.5, 349.5), "ulnar_styloid": (949.5, 449.5)}
    result = texts(assessed({**PERFECT_FRONTAL, **tilted}))
    assert result == {"rotate the wrist 7 degrees anticlockwise": 10}


def test_a_lateral_axis_to_the_right_is_to_be_rotated_clockwise():
    # 390 pixels down and 68.8 to the right: 10.005 degrees, 0 of 12 points.
    positions = {
        **PERFECT_LATERAL,
        "proximal_radius_centre": (768.3, 789.5),
        "proximal_ulna_centre": (768.3, 789.5),
    }
    result = texts(assessed(positions, view=View.LATERAL))
    assert result == {"rotate the wrist 6 degrees clockwise": 12}


def test_missing_items_marker_and_foreign_object_are_named_with_their_points():
    header = full_header()
    header.KVP = None
    bad = assessed(header=header, marker=NO_MARKER, artefact=ArtefactFinding.stated(True))
    result = texts(bad)
    assert sorted(result.values()) == [2, 10, 20]
    assert any("Tube voltage" in text for text in result)
    assert any(text.startswith("place the R marker") for text in result)


def test_an_absent_thumb_joint_is_to_be_included():
    result = texts(assessed({**PERFECT_FRONTAL, "thumb_mcp_joint": None}))
    assert result == {"include the thumb's metacarpophalangeal joint in the field": 5}


def test_a_false_lateral_is_to_be_turned_about_the_forearm():
    # The ulna's centre 300 pixels to the side, 150 down from the scaphoid: 63 degrees.
    positions = {**PERFECT_LATERAL, "distal_ulna_centre": (999.5, 549.5)}
    (text, gain), *rest = texts(assessed(positions, view=View.LATERAL)).items()
    assert text.startswith("turn the forearm")
    assert (gain, rest) == (12, [])


def test_too_large_a_field_is_to_be_collimated():
    # 24 x 30 cm, wrist in the centre: D = 15 cm and the styloids 9.5 cm from the side borders cost
    # 5 + 6 points; moving would lose the centre. The styloids are 5 cm apart, so a field of 15 cm
    # leaves them 5 cm; a height of 10 cm leaves D = 5 cm.
    positions = {
        "thumb_mcp_joint": (700.0, 1100.0),
        "radial_styloid": (949.5, 1499.5),
        "ulnar_styloid": (1449.5, 1499.5),
    }
    geometry = ImageGeometry(2400, 3000, (0.1, 0.1))
    result = texts(assessed(positions, geometry=geometry))
    assert result == {"collimate to 15.0 × 10.0 cm, centred on the wrist": 11}


def test_without_spacing_no_length_is_advised():
    far = assessed(moved(PERFECT_FRONTAL, dy=-200), geometry=ImageGeometry(1400, 800))
    assert advise(far) == ()


def test_advice_is_ordered_by_gain():
    header = full_header()
    header.KVP = None
    bad = assessed(moved(PERFECT_FRONTAL, dy=-200), header=header, marker=NO_MARKER)
    assert [advice.gain for advice in advise(bad)] == [20, 10, 2]
    assert bad.geometry is GEOMETRY
