"""What people changed: one record for every keypoint that was really moved, placed or removed."""

from __future__ import annotations

from dataclasses import dataclass

from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoint


@dataclass(frozen=True)
class Correction:
    """One keypoint, before and after a person changed it.

    Attributes
    ----------
    sop_instance_uid
        The image; empty for one without a DICOM header.
    before, after
        The keypoint with finding, position in pixels and who had placed it.
    person
        Who changed it.
    time
        When, ISO 8601 in UTC.
    model
        Identity of the model that had looked for this view's keypoints, empty when none had.
    """

    sop_instance_uid: str
    view: View
    before: Keypoint
    after: Keypoint
    person: str
    time: str
    model: str = ""


Step = tuple[Correction, ...]
"""Corrections that were made in one go, by one drag for example."""


@dataclass(frozen=True)
class History:
    """Steps that were made, and those that were taken back and can be made again.

    Attributes
    ----------
    done
        In order; the last is undone first.
    undone
        The last is redone first.
    """

    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    @property
    def corrections(self) -> Step:
        """All that was not taken back, in order."""
        return tuple(correction for step in self.done for correction in step)

    def can_undo(self, view: View | None) -> bool:
        """Whether the last step is of this view's keypoints."""
        return bool(self.done) and self.done[-1][0].view is view

    def can_redo(self, view: View | None) -> bool:
        return bool(self.undone) and self.undone[-1][0].view is view

    def with_step(self, step: Step) -> History:
        """After a new step there is nothing to redo."""
        return History((*self.done, step))

    def after_undo(self) -> History:
        return History(self.done[:-1], (*self.undone, self.done[-1]))

    def after_redo(self) -> History:
        return History((*self.done, self.undone[-1]), self.undone[:-1])
