"""Points at every band edge of every task, worked out by hand from table 2 of the paper."""

from __future__ import annotations

import pytest

from WristQCLib.findings import View
from WristQCLib.protocol import DEFAULT_PROTOCOL, Interval, PartRule, ProtocolError, load_protocol

PROTOCOL = load_protocol()
RULES = {
    part.measurement: part
    for tasks in PROTOCOL.layout.values()
    for task in tasks
    for part in task.parts
}
E = 1e-6  # just beside an edge

TO_LOWER_BORDER = [
    (0, 0), (2 - E, 0), (2, 0), (2 + E, 1), (2.25 - E, 1), (2.25, 2), (2.5 - E, 2), (2.5, 3),
    (2.75 - E, 3), (2.75, 4), (3 - E, 4), (3, 5), (4, 5), (5, 5), (5 + E, 4), (5.25, 4),
    (5.25 + E, 3), (5.5, 3), (5.5 + E, 2), (5.75, 2), (5.75 + E, 1), (6 - E, 1), (6, 0), (9, 0),
]  # fmt: skip
TO_SIDE_BORDER = [
    (0, 0), (2, 0), (2 + E, 1), (2.5 - E, 1), (2.5, 2), (3 - E, 2), (3, 3), (4, 3), (5, 3),
    (5 + E, 2), (5.5, 2), (5.5 + E, 1), (6 - E, 1), (6, 0), (8, 0),
]  # fmt: skip
FRONTAL_OFFSET = [
    (0, 5), (1, 5), (1 + E, 4), (1.25, 4), (1.25 + E, 3), (1.5, 3), (1.5 + E, 2), (1.75, 2),
    (1.75 + E, 1), (2 - E, 1), (2, 0), (7, 0),
]  # fmt: skip
LATERAL_OFFSET = [
    (0, 6), (1, 6), (1 + E, 5), (1.2, 5), (1.2 + E, 4), (1.4, 4), (1.4 + E, 3), (1.6, 3),
    (1.6 + E, 2), (1.8, 2), (1.8 + E, 1), (2 - E, 1), (2, 0), (7, 0),
]  # fmt: skip
# floor(9 (10 - a) / 5) + 1: the edges lie at a = 10 - 5 k / 9.
TILT = [(0, 10), (5, 10), (5 + E, 9), (10 - E, 1), (10, 0), (90, 0)]
TILT += [(10 - 5 * k / 9, k + 1) for k in range(1, 9)]
TILT += [(10 - 5 * k / 9 + E, k) for k in range(1, 10)]
# floor(11 (60 - alpha) / 15) + 1: the edges lie at alpha = 60 - 15 k / 11.
OVERLAP = [(0, 12), (45, 12), (45 + E, 11), (60 - E, 1), (60, 0), (180, 0)]
OVERLAP += [(60 - 15 * k / 11, k + 1) for k in range(1, 11)]
OVERLAP += [(60 - 15 * k / 11 + E, k) for k in range(1, 12)]
# floor(11 (10 - beta) / 5) + 1: the edges lie at beta = 10 - 5 k / 11.
AXIS = [(0, 12), (5, 12), (5 + E, 11), (10 - E, 1), (10, 0), (90, 0)]
AXIS += [(10 - 5 * k / 11, k + 1) for k in range(1, 11)]
AXIS += [(10 - 5 * k / 11 + E, k) for k in range(1, 12)]

CASES = {
    "thumb_mcp_joint_present": [(0, 0), (1, 5)],
    "styloid_midpoint_to_lower_border": TO_LOWER_BORDER,
    "styloid_line_tilt": TILT,
    "styloid_midpoint_vertical_offset": FRONTAL_OFFSET,
    "styloid_midpoint_horizontal_offset": FRONTAL_OFFSET,
    "radial_styloid_to_side_border": TO_SIDE_BORDER,
    "ulnar_styloid_to_side_border": TO_SIDE_BORDER,
    "radius_ulna_angle": OVERLAP,
    "long_axis_angle": AXIS,
    "scaphoid_vertical_offset": LATERAL_OFFSET,
    "scaphoid_horizontal_offset": LATERAL_OFFSET,
}


def test_every_scored_measurement_has_cases():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize(
    ("measurement", "value", "points"),
    [(name, value, points) for name, cases in CASES.items() for value, points in cases],
)
def test_points_at_band_edges(measurement, value, points):
    assert RULES[measurement].score(value) == points


def test_float_rounding_does_not_decide_at_an_edge():
    # 2 - 1.8 is 0.19999999999999996 in floats; five times that must still count as 1.
    assert RULES["scaphoid_vertical_offset"].score(1.8) == 2


@pytest.mark.parametrize(
    ("total", "grade"),
    [(100, "A"), (90, "A"), (89, "B"), (80, "B"), (79, "C"), (60, "C"), (59, "D"), (0, "D")],
)
def test_overall_grades(total, grade):
    assert PROTOCOL.grade(total) == grade


TASK_GRADES = {
    "frontal_1": ["fail"] + [None] * 4 + ["excellent"],
    "frontal_2": ["fail"] + ["poor"] * 2 + ["good"] * 2 + ["excellent"],
    "frontal_3": ["fail"] + ["poor"] * 3 + ["good"] * 4 + ["excellent"] * 3,
    "frontal_4": ["fail"] + ["poor"] * 5 + ["excellent"] * 5,
    "frontal_5": ["fail"] + ["poor"] * 2 + ["good"] * 2 + ["excellent"] * 2,
    "lateral_1": ["fail"] + ["poor"] * 4 + ["good"] * 4 + ["excellent"] * 4,
    "lateral_2": ["fail"] + ["poor"] * 4 + ["good"] * 4 + ["excellent"] * 4,
    "lateral_3": ["fail"] + ["poor"] * 4 + ["good"] * 4 + ["excellent"] * 4,
}


@pytest.mark.parametrize("task", [task for tasks in PROTOCOL.layout.values() for task in tasks])
def test_task_grades_follow_table_3(task):
    expected = TASK_GRADES[task.id]
    assert task.points == len(expected) - 1
    for points, grade in enumerate(expected):
        if grade is not None:
            assert task.grade(points) == grade


def test_the_parts_of_the_protocol_have_the_papers_points():
    assert [item.points for item in PROTOCOL.basic_information] == [2] * 17
    assert PROTOCOL.side_marker.points == 20
    assert PROTOCOL.side_marker.similarity == 0.85
    assert PROTOCOL.artefact.points == 10
    assert [task.points for task in PROTOCOL.layout[View.FRONTAL]] == [5, 5, 10, 10, 6]
    assert [task.points for task in PROTOCOL.layout[View.LATERAL]] == [12, 12, 12]


def changed(tmp_path, old: str, new: str):
    text = DEFAULT_PROTOCOL.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "protocol.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "'schema' must be 1"),
        ("points = 20", "points = 21", "add up to 101"),
        ("points = 20", 'points = "20"', "'side_marker.points' must be of type int"),
        ("points = 20", "points = true", "'side_marker.points' must be of type int"),
        ("points = 20\n", "", "'side_marker' lacks: points"),
        ("points = 20", "points = 20\ncolour = 1", "unknown entries: colour"),
        ("similarity = 0.85", "similarity = 85.0", "similarity is in"),
        ("full = [3, 5]", "full = [5, 3]", "low <= high"),
        ("full = [3, 5]", "full = [3]", r"must be \[low, high\]"),
        ("zero = [2, 6]", "zero = [4, 6]", "must contain 'full'"),
        ('"styloid_line_tilt"', '"styloid_tilt"', "not a measurement of the frontal view"),
        ("poor = [1, 2]", "poor = [2, 2]", "exactly one task grade"),
        ("D = 0", "D = 10", "lowest grade must begin"),
        ("[grades]", "[grades", "cannot be used"),
    ],
)
def test_a_faulty_protocol_is_refused_naming_file_and_entry(tmp_path, old, new, message):
    path = changed(tmp_path, old, new)
    with pytest.raises(ProtocolError, match=message) as error:
        load_protocol(path)
    assert str(path) in str(error.value)


def test_a_missing_protocol_file_is_named(tmp_path):
    with pytest.raises(ProtocolError, match=r"none\.toml cannot be read"):
        load_protocol(tmp_path / "none.toml")


def test_another_hospitals_band_is_another_file(tmp_path):
    protocol = load_protocol(changed(tmp_path, "full = [3, 5]", "full = [2.5, 5]"))
    assert protocol.layout[View.FRONTAL][1].parts[0].score(2.5) == 5


def test_a_step_has_no_ramp():
    rule = PartRule("x", 5, Interval(1, 2), Interval(1, 2))
    assert [rule.score(v) for v in (0.99, 1, 2, 2.01)] == [0, 5, 5, 0]
