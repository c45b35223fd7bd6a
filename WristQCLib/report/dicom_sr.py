"""An assessment as a DICOM structured report, to be kept beside the image that it is of.

The form is TID 1500 Measurement Report (PS3.16) in a Comprehensive SR: its measurements are of one
projection image, so 2D coordinates say all, and archives that know TID 1500 know this class. One
measurement group says the whole image's quality, one stands for each keypoint (a point on the
image, TID 1410), one for each task of the protocol (TID 1501).

A report is part of a patient's record: it carries the identity that its image carries. Nothing
writes one unless a person asks for it.

What is unknown is never a number: a measurement that could not be made is a coded answer, "Value
unknown" (PS3.16, CID 42), under the measurement's own name, and the reason is a comment.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import Dataset
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, generate_uid
from pydicom.valuerep import DA, TM, DSfloat, PersonName, validate_value

from WristQCLib import __version__
from WristQCLib.advice import advise
from WristQCLib.assessment import Assessment, TaskScore
from WristQCLib.attributes import value_of
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.measurements import Measurement
from WristQCLib.packages import install_hint
from WristQCLib.report.files import ReportError, report_file
from WristQCLib.report.sr_codes import (
    LATERAL_VIEW,
    PRIVATE_CODES,
    SCHEME,
    SCHEME_NAME,
    SITES,
    private,
)

if TYPE_CHECKING:
    import highdicom as hd

SERIES_NUMBER = 990
"""High, so that reports come after the images of a study."""

_REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Type 2 attributes of the Patient and General Study modules (PS3.3, C.7.1.1, C.7.2.1)."""
_OPTIONAL = (
    "IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved",
    "DeidentificationMethod", "StudyDescription",
)  # fmt: skip

_POINTS = Code("{points}", "UCUM", "points")
_PIXELS = Code("{pixels}", "UCUM", "pixels")
_UNITS = {"cm": codes.UCUM.Centimeter, "deg": codes.UCUM.Degree}
_YES_NO = {
    Finding.FOUND: codes.SCT.Yes,
    Finding.NOT_FOUND: codes.SCT.No,
    Finding.NOT_ASSESSABLE: codes.SCT.Unknown,
}
_SIDES = {Side.LEFT: codes.SCT.Left, Side.RIGHT: codes.SCT.Right}


def write_dicom_sr(
    path: Path | str, assessment: Assessment, header: Dataset | None, **options: Any
) -> None:
    """Write a structured report; never half of it.

    Parameters
    ----------
    path
        The DICOM file.
    assessment, header, options
        See `structured_report`.

    Raises
    ------
    ReportError
        If the report cannot be made or written.
    """
    document = structured_report(assessment, header, **options)
    with report_file(Path(path)) as file:
        document.save_as(file, enforce_file_format=True)


def structured_report(
    assessment: Assessment,
    header: Dataset | None,
    *,
    person: str = "",
    created: datetime | None = None,
    sop_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
) -> hd.sr.ComprehensiveSR:
    """The structured report of an assessment.

    Parameters
    ----------
    assessment
        The assessed image.
    header
        The image's DICOM header, `Radiograph.header`: patient, study and the image's UIDs are taken
        from it. Values that DICOM does not allow are left out.
    person
        Who answers for the report; empty when nobody has looked at it. Persons who placed keypoints
        or judged artefacts are told with these in any case.
    created
        Time of the report, by default now. With it and both UIDs the report is always the same.
    sop_instance_uid, series_instance_uid
        Of the report and of its series, by default new ones.

    Raises
    ------
    ReportError
        If the image is no DICOM image, its UIDs are missing, or highdicom is not installed.
    """
    hd = _import_highdicom()
    image = _image(assessment, header)
    created = created or datetime.now().astimezone()
    report = _Content(hd, assessment, image).report(person)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom doubts patient names without a caret
        document = hd.sr.ComprehensiveSR(
            evidence=[image],
            content=report,
            series_instance_uid=series_instance_uid or generate_uid(),
            series_number=SERIES_NUMBER,
            series_description="WristQC quality report",
            sop_instance_uid=sop_instance_uid or generate_uid(),
            instance_number=1,
            manufacturer="WristQC",
            manufacturer_model_name="WristQC",
            software_versions=__version__,
            device_serial_number=__version__,
            is_complete=assessment.score.complete,
            content_date=created.date(),
            content_time=created.time(),
            coding_schemes=[hd.coding_schemes.CodingSchemeIdentificationItem(
                SCHEME, name=SCHEME_NAME, responsible_organization="WristQC"
            )],
        )  # fmt: skip
    document.SpecificCharacterSet = "ISO_IR 192"  # names and reasons in any script
    document.InstanceCreationDate = document.ContentDate
    document.InstanceCreationTime = document.ContentTime
    for equipment in document.ContributingEquipmentSequence:
        equipment.ContributionDateTime = created.strftime("%Y%m%d%H%M%S")
    return document


def _import_highdicom() -> Any:
    try:
        import highdicom.sr
    except ImportError as error:
        raise ReportError(
            f"DICOM structured reports need the package highdicom: {install_hint('highdicom')}."
        ) from error
    return highdicom


def _image(assessment: Assessment, header: Dataset | None) -> Dataset:
    """What the report needs of the image's header, each value as DICOM allows it."""
    name = assessment.name
    if header is None:
        raise ReportError(
            f"{name} is no DICOM image, so no DICOM report can refer to it;"
            " choose another form of report."
        )
    image = Dataset()
    for keyword in (*_REQUIRED, *_EMPTY_IF_UNKNOWN, *_OPTIONAL):
        value = value_of(header, keyword)
        if value is not None and _is_valid(keyword, value):
            setattr(image, keyword, value)
        elif keyword in _EMPTY_IF_UNKNOWN:
            setattr(image, keyword, None)
    if not UID(image.get("SOPClassUID", "")).keyword:  # none of the standard's
        image.pop("SOPClassUID", None)
    if missing := [keyword for keyword in _REQUIRED if not image.get(keyword)]:
        raise ReportError(
            f"{name} lacks a valid {', '.join(missing)}, so no DICOM report can refer to it;"
            " choose another form of report."
        )
    if assessment.sop_instance_uid != image.SOPInstanceUID:
        raise ValueError(
            f"The header is of {image.SOPInstanceUID}, the assessment is of"
            f" {assessment.sop_instance_uid}."
        )
    return image


def _is_valid(keyword: str, value: object) -> bool:
    if keyword == "PatientSex" and value not in ("M", "F", "O"):
        return False
    vr, text = dictionary_VR(keyword), str(value)
    if not isinstance(value, DSfloat if vr == "DS" else str | PersonName):
        return False  # written with another VR
    try:
        validate_value(vr, text, RAISE)
        if text and vr in ("DA", "TM"):  # the form may be right and the day not in the calendar
            {"DA": DA, "TM": TM}[vr](text)
    except ValueError:
        return False
    return True


class _Content:
    """Builds the content tree; holds what every group refers to."""

    def __init__(self, hd: Any, assessment: Assessment, image: Dataset) -> None:
        self._sr = hd.sr
        self._assessment = assessment
        self._image = image
        self._laterality = _SIDES.get(assessment.side.value) if assessment.side.value else None

    def report(self, person: str) -> hd.sr.MeasurementReport:
        """The root: who observed what, and the groups."""
        sr, assessment = self._sr, self._assessment
        device = sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=["WristQC", __version__]),
            name="WristQC",
            manufacturer_name="WristQC",
            model_name=f"WristQC {__version__}",
        )
        observers = sr.ObservationContext(
            observer_person_context=(
                sr.ObserverContext(codes.DCM.Person, self._person(person)) if person else None
            ),
            observer_device_context=sr.ObserverContext(codes.DCM.Device, device),
        )
        groups = [self._whole_image()]
        groups += [self._keypoint(point) for point in assessment.keypoints or ()]
        groups += [self._task(task) for task in assessment.score.tasks]
        scored = {part.measurement.id for task in assessment.score.tasks for part in task.parts}
        if others := [m for m in assessment.measurements.values() if m.id not in scored]:
            groups.append(self._further_measurements(others))
        return sr.MeasurementReport(
            observation_context=observers,
            procedure_reported=codes.LN.XRUnspecifiedBodyRegion,  # CID 100 has none of the wrist
            imaging_measurements=groups,
        )

    # Groups -----------------------------------------------------------------------------------

    def _whole_image(self) -> Any:
        assessment, score = self._assessment, self._assessment.score
        answers, texts = self._grade(score.grade)
        answers.append(self._answer(private("assessable"), score.complete))
        view = assessment.view
        if view.value is not None:
            lateral = view.value is View.LATERAL
            answers.append(
                (codes.DCM.ImageView, LATERAL_VIEW if lateral else private(View.FRONTAL))
            )
        if self._laterality:
            answers.append((codes.DCM.ImageLaterality, self._laterality))
        protocol = assessment.protocol
        texts.append((codes.DCM.QualityControlStandard, f"{protocol.identity}: {protocol.title}"))
        texts += [
            (codes.DCM.Comment, f"{name}: {sourced.value or 'unknown'} ({sourced.source})")
            for name, sourced in (("View", view), ("Side", assessment.side))
        ]
        texts += [(codes.DCM.Comment, note) for note in assessment.notes]
        texts += [(codes.DCM.Recommendation, advice.text) for advice in advise(assessment)]
        return self._group(
            "whole image",
            codes.DCM.QualityAssessment,
            numbers=[
                (private("points"), score.total, _POINTS),
                (private("reachable points"), score.reachable, _POINTS),
            ],
            answers=answers,
            texts=texts,
            algorithm=self._software(),
        )

    def _keypoint(self, point: Keypoint) -> Any:
        numbers: list[tuple[Code, float, Code]] = []
        if point.confidence is not None:
            certainty = 100.0 * point.confidence
            numbers.append((codes.DCM.CertaintyOfFeature, certainty, codes.UCUM.Percent))
        if point.spread is not None:
            numbers.append((private("position deviation"), point.spread, _PIXELS))
        return self._group(
            point.name,
            private(point.name),
            point=point.position,
            site=getattr(codes.SCT, SITES[point.name]),
            numbers=numbers,
            answers=[(private("in image"), _YES_NO[point.finding])],
            source=point.placed_by,
        )

    def _task(self, task: TaskScore) -> Any:
        numbers: list[tuple[Code, float, Code]] = [
            (private("points"), task.points, _POINTS),
            (private("most points"), task.max_points, _POINTS),
        ]
        answers, texts = self._grade(task.grade)
        answers.append(self._answer(private("assessable"), task.assessable))
        source = ""
        assessment = self._assessment
        if task.id == "side_marker":
            marker = assessment.side_marker
            answers.append((private("side marker"), _YES_NO[marker.finding]))
            if marker.side:
                answers.append((private("side marker reads"), _SIDES[marker.side]))
            if marker.similarity is not None:
                similarity = private("side marker similarity")
                numbers.append((similarity, float(marker.similarity), codes.UCUM.NoUnits))
        elif task.id == "artefact":
            artefact = assessment.artefact
            answers.append((private("foreign object"), _YES_NO[artefact.finding]))
            source = artefact.source
            if artefact.probability is not None:
                certainty = 100.0 * artefact.probability
                numbers.append((codes.DCM.CertaintyOfFinding, certainty, codes.UCUM.Percent))
        elif task.id in (item.id for item in assessment.basic_information):
            item = next(i for i in assessment.basic_information if i.id == task.id)
            answers.append((private("present"), _YES_NO[item.finding]))
        for part in task.parts:
            self._add_measurement(part.measurement, numbers, answers)
        texts.append((private("task"), task.title))
        if task.reason:
            texts.append((codes.DCM.Comment, task.reason))
        return self._group(
            task.id,
            private(task.section),
            numbers=numbers,
            answers=answers,
            texts=texts,
            source=source,
            algorithm=self._software(),
        )

    def _further_measurements(self, measurements: Sequence[Measurement]) -> Any:
        numbers: list[tuple[Code, float, Code]] = []
        answers: list[tuple[Code, Code]] = []
        for measurement in measurements:
            self._add_measurement(measurement, numbers, answers)
        reasons = dict.fromkeys(m.reason for m in measurements if m.reason)
        texts = [(codes.DCM.Comment, reason) for reason in reasons]
        return self._group(
            "further measurements",
            private("further measurements"),
            numbers=numbers,
            answers=answers,
            texts=texts,
            algorithm=self._software(),
        )

    # Parts of groups --------------------------------------------------------------------------

    @staticmethod
    def _add_measurement(
        measurement: Measurement,
        numbers: list[tuple[Code, float, Code]],
        answers: list[tuple[Code, Code]],
    ) -> None:
        name = private(measurement.id)
        if measurement.value is None:
            answers.append((name, codes.DCM.ValueUnknown))
        elif measurement.unit:
            numbers.append((name, float(measurement.value), _UNITS[measurement.unit]))
        else:
            answers.append((name, codes.SCT.Yes if measurement.value else codes.SCT.No))

    @staticmethod
    def _grade(grade: str | None) -> tuple[list[tuple[Code, Code]], list[tuple[Code, str]]]:
        """A grade as a coded answer; as text where a protocol has grades of its own."""
        if grade is None:
            return [], []
        if grade in PRIVATE_CODES:
            return [(private("grade"), private(grade))], []
        return [], [(private("grade"), grade)]

    @staticmethod
    def _answer(question: Code, yes: bool) -> tuple[Code, Code]:
        return question, codes.SCT.Yes if yes else codes.SCT.No

    def _software(self) -> Any:
        return self._sr.AlgorithmIdentification(
            "WristQC", __version__, [f"protocol {self._assessment.protocol.identity}"]
        )

    def _model(self, source: str) -> Any:
        """The model that ``"model:<name> <version>"`` names, with its weights' digest."""
        identity = source.removeprefix("model:")
        name, _, version = identity.rpartition(" ")
        digests = [
            used.removeprefix(f"{identity} (").removesuffix(")")
            for used in self._assessment.models.values()
            if used.startswith(f"{identity} (")
        ]
        return self._sr.AlgorithmIdentification(
            name or identity, version, [f"weights SHA-256 {digest}" for digest in digests[:1]]
        )

    def _person(self, person: str) -> Any:
        # A person name has at most 64 characters; what parts it or ends its value is left out, and
        # a plain name is the family name, which a caret ends.
        name = "".join(c for c in person if c.isprintable() and c not in "\\=")[:63]
        return self._sr.PersonObserverIdentifyingAttributes(name if "^" in name else f"{name}^")

    def _group(
        self,
        identifier: str,
        finding: Code,
        *,
        numbers: Iterable[tuple[Code, float, Code]] = (),
        answers: Iterable[tuple[Code, Code]] = (),
        texts: Iterable[tuple[Code, str]] = (),
        point: tuple[float, float] | None = None,
        site: Code | None = None,
        source: str = "",
        algorithm: Any = None,
    ) -> Any:
        """A measurement group: on a point of the image (TID 1410) or on all of it (TID 1501).

        `source` is a ``"model:..."``, who becomes the group's algorithm, or a ``"person:..."``, who
        becomes its observer; else `algorithm` holds.
        """
        sr, image = self._sr, self._image
        uids = image.SOPClassUID, image.SOPInstanceUID
        common = {
            # The same in every report of this image, so that reports can be compared.
            "tracking_identifier": sr.TrackingIdentifier(
                uid=generate_uid(entropy_srcs=[image.SOPInstanceUID, "WristQC", identifier]),
                identifier=identifier,
            ),
            "finding_type": finding,
            "finding_sites": [sr.FindingSite(site or codes.SCT.WristJoint, self._laterality)],
            "algorithm_id": self._model(source) if source.startswith("model:") else algorithm,
            "measurements": [sr.Measurement(name, value, unit) for name, value, unit in numbers],
            "qualitative_evaluations": [sr.QualitativeEvaluation(*answer) for answer in answers],
        }
        if point is None:
            group = sr.MeasurementsAndQualitativeEvaluations(
                **common, source_images=[sr.SourceImageForMeasurementGroup(*uids)]
            )
        else:
            # PS3.3, C.18.6.1.1: (0, 0) is the upper left corner of the upper left pixel.
            column_row = np.array([[point[0] + 0.5, point[1] + 0.5]])
            region = sr.ImageRegion("POINT", column_row, sr.SourceImageForRegion(*uids))
            group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                **common, referenced_region=region
            )
        group[0].ContentSequence.extend(self._further_items(texts, source))
        return group

    def _further_items(self, texts: Iterable[tuple[Code, str]], source: str) -> Iterator[Any]:
        """Texts, and the person who observed what the group tells (TID 1003)."""
        if source.startswith("person:"):
            yield from self._person(source.removeprefix("person:"))
        for name, text in texts:
            yield self._sr.TextContentItem(name, text, self._sr.RelationshipTypeValues.CONTAINS)
