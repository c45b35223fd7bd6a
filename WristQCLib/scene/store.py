"""What a scene keeps of an assessment beside image and points, so that it can be rescored later.

A vtkMRMLScriptedModuleNode refers to the volume and the fiducials and holds the rest as text:
everything that an assessment is made of but what points and rules tell, and what people corrected.
The values that identify the patient and the path of the file are left out; scenes are passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from WristQCLib.assessment import Assessment, Score
from WristQCLib.assessor import reassess
from WristQCLib.scene.corrections import History
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.points import read_keypoints
from WristQCLib.scene.stored import from_text, to_text

Node = Any

KIND, ASSESSMENT = "WristQC.Kind", "assessment"
"""Attribute by which the script node of an assessment is known."""
_VOLUME, _POINTS = "WristQC.volume", "WristQC.points"
"""Roles of the script node's references."""
_NO_SCORE = Score((), 0, "", 0, "")


class Store:
    """The script node of one assessment."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @classmethod
    def create(cls, scene: Any, name: str, volume: Node, points: Node) -> Store:
        node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", name)
        node.SetAttribute(KIND, ASSESSMENT)
        node.SetNodeReferenceID(_VOLUME, volume.GetID())
        node.SetNodeReferenceID(_POINTS, points.GetID())
        return cls(node)

    @classmethod
    def all_in(cls, scene: Any) -> Iterator[Store]:
        """The stores of a scene."""
        # Not GetNodesByClass, whose collection nobody deletes. All first, for callers add nodes.
        kind = "vtkMRMLScriptedModuleNode"
        nodes = [
            scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))
        ]
        yield from (cls(node) for node in nodes if node.GetAttribute(KIND) == ASSESSMENT)

    def nodes(self) -> tuple[Node, Node]:
        """Volume and points.

        Raises
        ------
        SceneError
            If one of them is gone.
        """
        volume = self.node.GetNodeReference(_VOLUME)
        points = self.node.GetNodeReference(_POINTS)
        if volume is None or points is None:
            raise SceneError(
                f"The scene lacks the image or the points of '{self.node.GetName()}'; assess the"
                " image again."
            )
        return volume, points

    def write(self, assessment: Assessment) -> None:
        items = tuple(
            replace(item, value="") if item.identity else item
            for item in assessment.basic_information
        )
        kept = replace(
            assessment, path="", basic_information=items, keypoints=None, measurements={},
            score=_NO_SCORE,
        )  # fmt: skip
        self.node.SetParameter("assessment", to_text(kept))

    def write_history(self, history: History) -> None:
        self.node.SetParameter("corrections", to_text(history))

    def read(self) -> Assessment:
        """The assessment, scored for the points where they are now.

        Raises
        ------
        SceneError
            If image or points are gone, or the text cannot be read.
        """
        _, points = self.nodes()
        kept: Assessment = from_text(Assessment, self.node.GetParameter("assessment"))
        if kept.view.value is None:
            return reassess(kept)
        grid = PixelGrid.of(kept.geometry)
        return reassess(kept, keypoints=read_keypoints(points, kept.view.value, grid))

    def read_history(self) -> History:
        history: History = from_text(History, self.node.GetParameter("corrections"))
        return history
