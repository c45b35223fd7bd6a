"""What is drawn over an image, and where labels are put; positions worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from test_assessment import PERFECT_FRONTAL, assessed

from WristQCLib.annotations import CYAN, YELLOW
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.drawing import Drawing, Letters, Name, draw
from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoints
from WristQCLib.label_placement import Box, Obstacles, Place, Wish, place_labels

MM = (0.1, 0.1)
"""The images' 1400 x 800 pixels are 0.1 mm wide."""
LETTERS = Letters(height=2.0, advance=0.5, line=1.2, margin=0.4, spelled={"α": "alpha"})
LATERAL = {
    "scaphoid_centre": (699.5, 399.5),
    "distal_radius_centre": (649.5, 499.5),
    "proximal_radius_centre": (599.5, 790.0),
    "distal_ulna_centre": (749.5, 499.5),
    "proximal_ulna_centre": (649.5, 790.0),
}


def drawn(assessment: Assessment, **options: object) -> Drawing:
    names = [Name(p.name, "#FFFFFF", p.position) for p in assessment.keypoints or () if p.position]
    return draw(assessment, MM, names, LETTERS, **options)  # type: ignore[arg-type]


def frontal(x: float = 0.0, y: float = 0.0) -> Assessment:
    """The perfect frontal view with the radial styloid moved by (x, y) pixels."""
    px, py = PERFECT_FRONTAL["radial_styloid"]
    points = {**PERFECT_FRONTAL, "radial_styloid": (px + x, py + y)}
    return reassess(assessed(), keypoints=Keypoints.from_positions(View.FRONTAL, points))


def lateral(**points: tuple[float, float]) -> Assessment:
    keypoints = Keypoints.from_positions(View.LATERAL, {**LATERAL, **points})
    return reassess(assessed(), keypoints=keypoints)


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("shift", [0, 60, 180, 300])
def test_labels_lie_inside_the_image_and_not_on_each_other(shift: int) -> None:
    points = {n: (x + shift, y + shift / 2) for n, (x, y) in PERFECT_FRONTAL.items()}
    moved = reassess(assessed(), keypoints=Keypoints.from_positions(View.FRONTAL, points))
    shown = drawn(moved, corner="Grade B, 86")
    x0, y0, x1, y1 = shown.frame
    # Three names, four distances, D1, D2 and alpha less one, the marker, the corner.
    assert len(shown.labels) == 12
    for label in shown.labels:
        assert x0 <= label.box[0] < label.box[2] <= x1
        assert y0 <= label.box[1] < label.box[3] <= y1
    assert not [1 for a, b in combinations(shown.labels, 2) if overlap(a.box, b.box)]


def test_names_and_lengths_keep_off_the_joint() -> None:
    joint = (44.95, 14.95, 94.95, 64.95)  # the styloids are 5 cm apart
    shown = drawn(frontal())
    inside = [label.text for label in shown.labels if overlap(label.box, joint)]
    assert not [text for text in inside if text.startswith(("D1", "D2", "thumb", "marker"))]


def test_lines_end_before_the_keypoints_that_they_lead_to() -> None:
    # Three quarters of a letter's height, 1.5 mm, at either end of 5 cm.
    line = next(s.points for s in drawn(frontal()).strokes if s.task == "frontal_3")
    assert line[0] == pytest.approx((44.95 + 1.5, 39.95))
    assert line[1] == pytest.approx((94.95 - 1.5, 39.95))


def test_arcs_round_one_vertex_have_different_radii_and_stay_within_their_arms() -> None:
    arcs = {
        s.colour: s.points for s in drawn(lateral()).strokes if len(s.points) > 2 and not s.dashed
    }
    vertex = (69.95, 39.95)
    radii = {colour: math.dist(arcs[colour][0], vertex) for colour in (CYAN, YELLOW)}
    assert radii[CYAN] == pytest.approx(7.0)  # 3.5 letters; the arms are 11.2 mm long
    assert radii[YELLOW] == pytest.approx(11.2)  # 2.1 letters more


def test_letters_that_the_font_lacks_are_spelled() -> None:
    texts = [label.text for label in drawn(frontal()).labels]
    assert "alpha 90.0°" in texts
    assert not [text for text in texts if "α" in text]


def test_the_lines_of_chosen_tasks_are_drawn_alone() -> None:
    shown = drawn(frontal(), tasks=["frontal_5"])
    assert {stroke.task for stroke in shown.strokes} == {"frontal_5"}
    assert [label.text[:2] for label in shown.labels if label.task] == ["D1", "D2"]
    shown = drawn(frontal(), tasks=["side_marker"])
    assert {stroke.task for stroke in shown.strokes} == {"side_marker"}


def test_all_is_drawn_when_the_chosen_tasks_have_no_lines() -> None:
    assert drawn(frontal(), tasks=["artefact"]).strokes == drawn(frontal()).strokes


def test_an_image_without_keypoints_shows_its_marker_only() -> None:
    nothing = reassess(assessed(), keypoints=Keypoints.to_be_placed(View.FRONTAL))
    shown = drawn(nothing)
    assert {stroke.task for stroke in shown.strokes} == {"side_marker"}
    assert [label.text for label in shown.labels] == ["marker R"]


def test_a_name_that_is_far_from_its_point_has_a_leader() -> None:
    crowded = {name: (3.0 + n, 3.0 + n) for n, name in enumerate(LATERAL)}
    shown = drawn(lateral(**crowded))
    leaders = [label.leader for label in shown.labels if label.leader]
    assert leaders
    for start, end in leaders:
        assert math.dist(start, end) > 0
        assert math.dist(start, (0.5, 0.5)) < 3  # from the corner where the points are


def test_labels_jump_less_when_they_keep_their_places() -> None:
    def jumps(steady: bool) -> int:
        """Moves of a label by more than a letter while a point goes round in steps of 0.1 mm."""
        count, last = 0, None
        for n in range(120):
            distal = (649.5 + 20 * math.cos(n / 20), 499.5 + 20 * math.sin(n / 20))
            moved = lateral(distal_radius_centre=distal)
            shown = drawn(moved, before=last if steady else None)
            pairs = zip(shown.labels, last.labels if last else (), strict=last is not None)
            count += sum(math.dist(now.centre, then.centre) > 2.0 for now, then in pairs)
            last = shown
        return count

    assert jumps(steady=True) < jumps(steady=False) / 2


def test_a_drawing_of_other_tasks_before_has_no_influence() -> None:
    other = drawn(frontal(), tasks=["frontal_5"])
    assert drawn(frontal(), before=other) == drawn(frontal())


# Placement ----------------------------------------------------------------------------------

FRAME = (0.0, 0.0, 100.0, 100.0)
WISH = Wish((4.0, 2.0), [(5.0, 5.0), (50.0, 50.0)])
FIRST, SECOND = Place((3.0, 4.0, 7.0, 6.0), 0), Place((48.0, 49.0, 52.0, 51.0), 1)


def test_a_free_label_takes_its_first_wish() -> None:
    assert place_labels([WISH], FRAME, Obstacles.none(), 1.0) == [FIRST]
    assert place_labels([], FRAME, Obstacles.none(), 1.0) == []


def obstacles(
    segments: object = (), per_length: float = 1.0, regions: object = (), per_area: object = ()
) -> Obstacles:
    return Obstacles(
        np.array(segments, float).reshape(-1, 2, 2), per_length,
        np.array(regions, float).reshape(-1, 4), np.array(per_area, float),
    )  # fmt: skip


# The second wish costs 1 more than the first.
@pytest.mark.parametrize(
    ("covered", "place"),
    [
        (obstacles([[(0, 5), (6, 5)]], 0.3), FIRST),  # 3 of the line's length: 0.9
        (obstacles([[(0, 5), (6, 5)]], 0.4), SECOND),  # 1.2
        (obstacles([[(5, 0), (5, 100)]], 0.6), SECOND),  # upright: 2 of its length, 1.2
        (obstacles([[(3, 4), (5, 6)]], 0.3), FIRST),  # oblique, 2.83 long: 0.85
        (obstacles([[(3, 4), (5, 6)]], 0.4), SECOND),
        (obstacles([[(8, 0), (8, 9)]], 100), FIRST),  # beside it
        (obstacles(regions=[(6, 0, 9, 5)], per_area=[0.9]), FIRST),  # 1 x 1: 0.9
        (obstacles(regions=[(6, 0, 9, 5)], per_area=[1.1]), SECOND),
    ],
)
def test_a_label_moves_off_what_costs_more_than_its_next_wish(
    covered: Obstacles, place: Place
) -> None:
    assert place_labels([WISH], FRAME, covered, 1.0) == [place]


def test_a_label_keeps_the_place_it_had_unless_another_is_much_better() -> None:
    # Staying saves 6: the second wish, which costs 1 more, is kept, and left when it costs 7.
    assert place_labels([WISH], FRAME, Obstacles.none(), 1.0, before=[1]) == [SECOND]
    bad = obstacles(regions=[(51, 50, 60, 60)], per_area=[7.0])
    assert place_labels([WISH], FRAME, bad, 1.0, before=[1]) == [FIRST]


def test_labels_that_cannot_be_apart_where_they_want_go_to_a_free_place() -> None:
    wish = replace(WISH, centres=[(5.0, 5.0)])
    first, second = place_labels([wish, wish], FRAME, Obstacles.none(), 1.0)
    assert not overlap(first.box, second.box)


def test_a_label_that_is_wider_than_the_picture_begins_at_its_left_border() -> None:
    wide = Wish((120.0, 2.0), [(50.0, 50.0)])
    assert place_labels([wide], FRAME, Obstacles.none(), 1.0)[0].box[0] == 0.0
