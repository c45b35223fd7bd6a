"""An assessment as a few lines of plain text, for a console."""

from __future__ import annotations

from WristQCLib.advice import advise
from WristQCLib.assessment import Assessment
from WristQCLib.panel import badge
from WristQCLib.translation import translator

_ = translator(__file__)


def summary(assessment: Assessment) -> str:
    """Grade and total, then a line for each piece of advice with the points that it gains."""
    shown = badge(assessment)
    first = _("{name}: grade {grade}, {total} of 100").format(
        name=assessment.name, grade=shown.grade, total=shown.total
    )
    lines = [f"{first} ({shown.range})" if shown.range else first]
    return "\n".join(lines + [f"  +{a.gain} {a.text}" for a in advise(assessment)])
