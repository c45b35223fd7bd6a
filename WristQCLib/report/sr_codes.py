"""Coded concepts of the DICOM structured report.

Codes of DICOM (PS3.16 annex D), SNOMED CT and LOINC where they have the concept, as pydicom's
dictionaries hold them; else private ones of the scheme ``99WRISTQC``, all in one table here. Code
values never change their meaning; new concepts get new values.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.sr.coding import Code

SCHEME = "99WRISTQC"
"""Coding scheme designator; "99" marks private schemes (PS3.16, section 8)."""
SCHEME_NAME = "WristQC: quality control of wrist radiographs"

PRIVATE_CODES: Mapping[str, tuple[str, str]] = {
    # Findings, by the protocol's sections (`Section` in `WristQCLib.assessment`)
    "basic information": ("100", "Basic information"),
    "examination position": ("101", "Examination position"),
    "foreign-object artefact": ("102", "Foreign-object artefact"),
    "display and layout": ("103", "Display and layout"),
    "further measurements": ("104", "Measurements that give no points"),
    # Questions and quantities
    "points": ("200", "Points"),
    "most points": ("201", "Most points that can be given"),
    "reachable points": ("202", "Points once all that is unknown is known, at best"),
    "grade": ("203", "Grade"),
    "assessable": ("204", "Everything needed is known"),
    "present": ("205", "Item of basic information is present"),
    "side marker": ("206", "Side marker is complete, accurate and unobstructed"),
    "side marker reads": ("207", "Side that the marker reads"),
    "side marker similarity": ("208", "Similarity of the side marker to the letter"),
    "foreign object": ("209", "Foreign object is in the image"),
    "in image": ("210", "Keypoint is in the image"),
    "position deviation": ("211", "Standard deviation of the position"),
    "task": ("212", "Task of the protocol"),
    # Answers
    "frontal": ("300", "Frontal"),
    "excellent": ("301", "Excellent"),
    "good": ("302", "Good"),
    "poor": ("303", "Poor"),
    "fail": ("304", "Fail"),
    "A": ("305", "A"),
    "B": ("306", "B"),
    "C": ("307", "C"),
    "D": ("308", "D"),
    # Keypoints (`KEYPOINT_NAMES` in `WristQCLib.keypoints`)
    "thumb_mcp_joint": ("400", "Metacarpophalangeal joint of the thumb"),
    "radial_styloid": ("401", "Tip of the radial styloid"),
    "ulnar_styloid": ("402", "Tip of the ulnar styloid"),
    "scaphoid_centre": ("403", "Centre of the scaphoid"),
    "distal_radius_centre": ("404", "Centre of the distal radius"),
    "proximal_radius_centre": ("405", "Centre of the radius at the proximal border"),
    "distal_ulna_centre": ("406", "Centre of the distal ulna"),
    "proximal_ulna_centre": ("407", "Centre of the ulna at the proximal border"),
    # Measurements (`MEASUREMENTS` in `WristQCLib.measurements`)
    "thumb_mcp_joint_present": ("500", "MCP joint of the thumb is in the image"),
    "styloid_midpoint_to_lower_border": ("501", "Midpoint of the styloids to the lower border"),
    "styloid_line_angle": ("502", "Styloid line to the image's vertical"),
    "styloid_line_tilt": ("503", "Styloid line off the perpendicular"),
    "styloid_midpoint_vertical_offset": ("504", "Midpoint of the styloids, top less bottom"),
    "styloid_midpoint_horizontal_offset": ("505", "Midpoint of the styloids, left less right"),
    "radial_styloid_to_side_border": ("506", "Radial styloid to the nearer side border"),
    "ulnar_styloid_to_side_border": ("507", "Ulnar styloid to the nearer side border"),
    "radius_ulna_angle": ("508", "Radius to ulna at the centre of the scaphoid"),
    "long_axis_angle": ("509", "Long axis of the wrist to the image's vertical"),
    "scaphoid_vertical_offset": ("510", "Centre of the scaphoid, top less bottom"),
    "scaphoid_horizontal_offset": ("511", "Centre of the scaphoid, left less right"),
}
"""Concept -> (code value, code meaning); values have at most 16 characters, meanings 64."""

SITES: Mapping[str, str] = {
    "thumb_mcp_joint": "Thumb",
    "radial_styloid": "DistalRadius",
    "ulnar_styloid": "DistalUlna",
    "scaphoid_centre": "Scaphoid",
    "distal_radius_centre": "DistalRadius",
    "proximal_radius_centre": "ShaftOfRadius",
    "distal_ulna_centre": "DistalUlna",
    "proximal_ulna_centre": "ShaftOfUlna",
}
"""Keypoint -> keyword of the SNOMED CT concept in pydicom's dictionary of the bone it is on."""

LATERAL_VIEW = Code("399067008", "SCT", "lateral")
"""PS3.16, CID 4010; it has no view that is antero-posterior or postero-anterior."""


def private(concept: str) -> Code:
    """The private code of a concept."""
    value, meaning = PRIVATE_CODES[concept]
    return Code(value, SCHEME, meaning)
