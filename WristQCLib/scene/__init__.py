"""Assessments in a MRML scene: volumes, fiducials, overlays, and rescoring while a point is moved.

The same code runs in 3D Slicer and on slicer-core; Slicer is imported when it is needed. Nothing
here decides a score or what is drawn: that is `WristQCLib.assessor.reassess` and
`WristQCLib.annotations.annotate`.

    session = SceneAssessment.create(slicer.mrmlScene, radiograph, assessment, person="Dr. Ada")
    session.on_change(lambda session: print(session.assessment.score.total))
    show_side_by_side([session], slicer.app.applicationLogic())
"""

from __future__ import annotations

from WristQCLib.scene.corrections import Correction
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.session import SceneAssessment, restore_all
from WristQCLib.scene.views import show_side_by_side
from WristQCLib.scene.volume import create_volume_node

__all__ = [
    "Correction",
    "PixelGrid",
    "SceneAssessment",
    "SceneError",
    "create_volume_node",
    "restore_all",
    "show_side_by_side",
]
