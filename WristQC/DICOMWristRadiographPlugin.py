"""DICOM plugin that loads wrist radiographs one image at a time, with size and grey values right.

Slicer's own volume reader stacks a frontal and a lateral image of one series, assumes 1 mm where
the pixel spacing is unknown, and leaves the window as it was for inverted grey values.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from slicer.i18n import tr as _

# Within a series Slicer selects the loadables of the highest confidence, and all of those. The
# scalar volume plugin claims 0.5 at most.
WRIST = 0.8
PERHAPS = 0.4
OTHER = 0.2


class DICOMWristRadiographPluginClass(DICOMPlugin):
    """Offers each projection radiograph for itself, and claims those of a wrist."""

    def __init__(self):
        super().__init__()
        self.loadType = _("Wrist radiograph")
        # Slicer keeps these attributes of every file that it imports, so that neither examining nor
        # the list of wrist studies needs to open files.
        self.tags |= {
            "bodyPartExamined": "0018,0015",
            "protocolName": "0018,1030",
            "acquisitionDeviceProcessingDescription": "0018,1400",
            "performedProcedureStepDescription": "0040,0254",
            "studyDescription": "0008,1030",
            "requestedProcedureDescription": "0032,1060",
            "viewPosition": "0018,5101",
            "imageLaterality": "0020,0062",
            "frameLaterality": "0020,9072",
            "laterality": "0020,0060",
            "instanceNumber": "0020,0013",
            "numberOfFrames": "0028,0008",
            "rows": "0028,0010",
            "columns": "0028,0011",
            "pixelSpacing": "0028,0030",
            "imagerPixelSpacing": "0018,1164",
            "nominalScannedPixelSpacing": "0018,2010",
            "estimatedRadiographicMagnificationFactor": "0018,1114",
        }

    def examineForImport(self, fileLists):
        """Loadables of several series; anew each time, for a decoder may be installed meanwhile."""
        return [loadable for files in fileLists for loadable in self.examineFiles(files)]

    def examineFiles(self, files):
        """One loadable for each projection radiograph among the files of a series."""
        _findLibrary()
        from WristQCLib.dicom_file import PROJECTION_CLASSES, PROJECTION_MODALITIES

        loadables = []
        for file in files:
            if (
                self._value(file, "sopClassUID") in PROJECTION_CLASSES
                and self._value(file, "modality").upper() in PROJECTION_MODALITIES
                and self._value(file, "numberOfFrames") in ("", "1")
            ):
                loadables.append(self._loadable(file, len(files) > 1))
        if any(loadable.confidence == WRIST for loadable in loadables):
            # An image that does not say what it shows shows what its series does; with less
            # confidence than its neighbours it would not be loaded with them.
            for loadable in loadables:
                if loadable.confidence == PERHAPS and _decodable(loadable.files[0]):
                    loadable.confidence, loadable.selected = WRIST, True
        return loadables

    def load(self, loadable):
        """The volume node of a radiograph, None (and an entry in the log) when it is unreadable."""
        _findLibrary()
        from WristQCLib.radiograph import RadiographError, read_radiograph
        from WristQCLib.scene import create_volume_node

        file = loadable.files[0]
        try:
            radiograph = read_radiograph(file)
        except RadiographError as error:
            logging.error(str(error))
            return None
        volume = create_volume_node(slicer.mrmlScene, radiograph)
        volume.SetName(slicer.mrmlScene.GenerateUniqueName(loadable.name))
        volume.SetAttribute("DICOM.instanceNumbers", self._value(file, "instanceNumber") or "?")
        self.addSeriesInSubjectHierarchy(loadable, volume)
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetActiveVolumeID(volume.GetID())
        slicer.app.applicationLogic().PropagateVolumeSelection()
        return volume

    def _value(self, file, name):
        return slicer.dicomDatabase.fileValue(file, self.tags[name])

    def _loadable(self, file, numbered):
        from WristQCLib.dicom_database import region_of
        from WristQCLib.dicom_database.headers import file_header, header_from_tags
        from WristQCLib.view_side import side_of, view_of

        header = header_from_tags(lambda tag: slicer.dicomDatabase.fileValue(file, tag))
        region, view, side = region_of(header), view_of(header), side_of(header)
        if not (region.known and view.known):  # coded values are in the file only
            header = file_header(Path(file)) or header
            region, view, side = region_of(header), view_of(header), side_of(header)

        loadable = DICOMLoadable()
        loadable.files = [file]
        loadable.name = self._name(file, numbered)
        loadable.confidence = self._confidence(file, region)
        loadable.warning = self._spacingWarning(file)
        if not _decodable(file):
            loadable.confidence = min(loadable.confidence, PERHAPS)
            loadable.warning = _(
                "Its compression cannot be decoded yet: install what WristQC needs in its module."
            )
        loadable.selected = loadable.confidence > 0.5
        loadable.tooltip = _("Radiograph: {what}. Body region: {reason}.").format(
            what=", ".join(str(known.value) for known in (view, side) if known.known)
            or _("view and side unknown"),
            reason=region.source,
        )
        return loadable

    def _name(self, file, numbered):
        number, instance = self._value(file, "seriesNumber"), self._value(file, "instanceNumber")
        name = self._value(file, "seriesDescription") or _("Radiograph")
        name = f"{number}: {name}" if number else name
        return f"{name} [{instance}]" if numbered and instance else name

    def _confidence(self, file, region):
        from WristQCLib.dicom_database import RADIOGRAPHY, Region

        if region.value is Region.ELSEWHERE:
            return OTHER
        radiograph = self._value(file, "modality").upper() in RADIOGRAPHY
        return WRIST if radiograph and region.value is Region.WRIST else PERHAPS

    def _spacingWarning(self, file):
        """What the user should know of the size before loading; empty when it is known."""
        from WristQCLib.dicom_database.headers import header_from_values
        from WristQCLib.spacing import spacing_of

        names = (
            "pixelSpacing",
            "imagerPixelSpacing",
            "nominalScannedPixelSpacing",
            "estimatedRadiographicMagnificationFactor",
        )
        header = header_from_values(
            {name[0].upper() + name[1:]: self._value(file, name) for name in names}
        )
        columns, rows = self._value(file, "columns"), self._value(file, "rows")
        if not (columns.isdecimal() and rows.isdecimal()):
            return _("The size of the image is unknown.")
        spacing = spacing_of(header, int(columns), int(rows))
        if spacing.known:
            return ""
        return _("Pixel spacing is unknown ({reason}): lengths cannot be measured.").format(
            reason=spacing.source
        )


def _findLibrary():
    """Installed, the library lies beside this file; in the source tree, beside its folder."""
    if importlib.util.find_spec("WristQCLib") is None:
        sys.path.append(str(Path(__file__).resolve().parent.parent))


def _decodable(file):
    """Whether pixels can be decoded; Slicer's Python lacks a decoder for JPEG lossless."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels import get_decoder

    from WristQCLib.decoding import know_gdcm

    know_gdcm()  # it may have been installed since Slicer was started
    try:
        syntax = read_file_meta_info(file).TransferSyntaxUID
        return not syntax.is_encapsulated or get_decoder(syntax).is_available
    except Exception:  # damaged, or without file meta information: reading it tells what is wrong
        return True


class DICOMWristRadiographPlugin:
    """What Slicer loads as a module; it only makes the plugin known to the DICOM module."""

    def __init__(self, parent):
        parent.title = "DICOM Wrist Radiograph Plugin"  # seen by developers only: not translated
        parent.categories = ["Developer Tools.DICOM Plugins"]
        parent.contributors = ["The WristQC developers"]
        parent.helpText = (
            "Plugin of the DICOM module that loads wrist radiographs image by image, with the"
            " pixel spacing and grey values that their headers tell. It has no panel of its own."
        )
        parent.acknowledgementText = "Part of the extension WristQC."
        parent.hidden = True
        # The DICOM module may be found after this one.
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMWristRadiographPlugin"] = DICOMWristRadiographPluginClass
