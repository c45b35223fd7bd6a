"""The DICOM plugin, with stand-ins for Slicer's DICOM module and real MRML nodes."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from dicom_files import radiograph, ramp, write
from pydicom import Dataset, Sequence
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage
from slicer_database import CtkDatabase, Slicer

from WristQCLib.dicom_database.headers import CACHED_TAGS
from WristQCLib.resources import RESOURCES

PLUGIN = Path(__file__).parent.parent / "WristQC" / "DICOMWristRadiographPlugin.py"
SAMPLES = sorted((RESOURCES / "SampleData").glob("*.dcm"))


class DICOMLoadable:
    """As DICOMLib's: what a plugin offers to load."""

    def __init__(self):
        self.files: list[str] = []
        self.name = "Unknown"
        self.tooltip = ""
        self.warning = ""
        self.selected = False
        self.confidence = 0.5


class DICOMPlugin:
    """As DICOMLib's, as far as a plugin uses it; notes what goes into the subject hierarchy."""

    def __init__(self):
        self.loadType = ""
        self.tags = {
            "seriesDescription": "0008,103E",
            "seriesNumber": "0020,0011",
            "frameOfReferenceUID": "0020,0052",
            "seriesInstanceUID": "0020,000E",
            "modality": "0008,0060",
            "instanceUID": "0008,0018",
            "sopClassUID": "0008,0016",
        }
        self.hierarchy: list[tuple[DICOMLoadable, object]] = []

    def addSeriesInSubjectHierarchy(self, loadable, node):  # noqa: N802
        self.hierarchy.append((loadable, node))


class Selection:
    """The application logic and its selection node in one."""

    def __init__(self):
        self.volume = self.shown = None

    def GetSelectionNode(self):  # noqa: N802
        return self

    def SetActiveVolumeID(self, volume):  # noqa: N802
        self.volume = volume

    def PropagateVolumeSelection(self):  # noqa: N802
        self.shown = self.volume


@pytest.fixture
def database(tmp_path):
    """An empty database of Slicer, in which nothing is cached."""
    return CtkDatabase(Slicer(tmp_path / "database"))


@pytest.fixture
def module(monkeypatch, database):
    """The plugin's file, loaded as Slicer loads it."""
    slicer = pytest.importorskip("slicer")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    monkeypatch.setattr(slicer, "modules", SimpleNamespace(), raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", slicer.vtkMRMLScene(), raising=False)
    selection = Selection()
    app = SimpleNamespace(applicationLogic=lambda: selection)
    monkeypatch.setattr(slicer, "app", app, raising=False)
    for name, members in (
        ("slicer.i18n", {"tr": str}),
        ("DICOMLib", {"DICOMPlugin": DICOMPlugin, "DICOMLoadable": DICOMLoadable}),
    ):
        stub = ModuleType(name)
        vars(stub).update(members)
        monkeypatch.setitem(sys.modules, name, stub)
    spec = importlib.util.spec_from_file_location(PLUGIN.stem, PLUGIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def plugin(module):
    return module.DICOMWristRadiographPluginClass()


@pytest.fixture
def dicom(tmp_path):
    """Writes one DICOM file of a wrist, but for the given attributes."""
    count = 0

    def _write(**attributes: object) -> str:
        nonlocal count
        count += 1
        defaults: dict[str, object] = {
            "StudyInstanceUID": "1.2",
            "SeriesInstanceUID": "1.2.1",
            "SeriesNumber": 3,
            "SeriesDescription": "Wrist PA",
            "SOPInstanceUID": f"1.2.1.{count}",
            "InstanceNumber": count,
            "BodyPartExamined": "WRIST",
            "ViewPosition": "PA",
            "PixelSpacing": [0.2, 0.1],
        }
        return str(write(tmp_path / f"{count}.dcm", radiograph(**(defaults | attributes))))

    return _write


def test_slicer_finds_the_plugin_by_its_module(module):
    parent = SimpleNamespace()
    module.DICOMWristRadiographPlugin(parent)
    import slicer

    assert slicer.modules.dicomPlugins == {
        "DICOMWristRadiographPlugin": module.DICOMWristRadiographPluginClass
    }
    assert parent.hidden


def test_plugins_that_are_registered_stay(module):
    import slicer

    slicer.modules.dicomPlugins = {"Other": object}
    module.DICOMWristRadiographPlugin(SimpleNamespace())
    assert set(slicer.modules.dicomPlugins) == {"Other", "DICOMWristRadiographPlugin"}


def test_the_library_is_found_in_a_source_tree(module, monkeypatch):
    path = [entry for entry in sys.path if not (Path(entry) / "WristQCLib").is_dir()]
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    module._findLibrary()
    assert Path(sys.path[-1]) == PLUGIN.parent.parent


def test_slicer_keeps_every_attribute_that_the_list_of_studies_asks_for(plugin):
    assert set(CACHED_TAGS) <= set(plugin.tags.values())


@pytest.mark.parametrize("file", SAMPLES, ids=lambda path: path.stem)
def test_each_sample_is_claimed(plugin, file):
    (loadable,) = plugin.examineFiles([str(file)])
    assert loadable.files == [str(file)]
    assert loadable.selected
    assert loadable.confidence == 0.8
    assert bool(loadable.warning) == ("no_spacing" in file.stem)


def test_frontal_and_lateral_of_one_series_are_two_loadables_both_selected(plugin, dicom):
    files = [dicom(ViewPosition="PA"), dicom(ViewPosition="LL", SeriesDescription="Wrist lat")]
    first, second = plugin.examineFiles(files)
    assert [first.files, second.files] == [[files[0]], [files[1]]]
    assert [first.name, second.name] == ["3: Wrist PA [1]", "3: Wrist lat [2]"]
    assert first.confidence == second.confidence > 0.5
    assert "frontal" in first.tooltip
    assert "lateral" in second.tooltip


def test_an_image_that_names_no_region_is_loaded_with_its_series(plugin, dicom):
    files = [dicom(), dicom(BodyPartExamined=None, SeriesDescription=None, ViewPosition="LL")]
    alone = plugin.examineFiles(files[1:])
    together = plugin.examineFiles(files)
    assert [(one.confidence, one.selected) for one in alone] == [(0.4, False)]
    assert [(one.confidence, one.selected) for one in together] == [(0.8, True)] * 2


def test_an_image_of_another_region_is_not_loaded_with_the_wrist_of_its_series(plugin, dicom):
    chest = dicom(BodyPartExamined="CHEST", SeriesDescription="PA")
    wrist, other = plugin.examineFiles([dicom(), chest])
    assert wrist.selected
    assert (other.confidence, other.selected) == (0.2, False)


def test_an_image_without_known_spacing_is_offered_with_a_warning(plugin, dicom):
    (loadable,) = plugin.examineFiles([dicom(PixelSpacing=None)])
    assert loadable.warning == (
        "Pixel spacing is unknown (the file tells no pixel spacing): lengths cannot be measured."
    )
    assert loadable.selected


@pytest.mark.parametrize(
    ("attributes", "confidence"),
    [
        ({"BodyPartExamined": None, "SeriesDescription": None}, 0.4),
        ({"BodyPartExamined": "HAND", "SeriesDescription": None}, 0.4),
        ({"BodyPartExamined": "CHEST", "SeriesDescription": "PA"}, 0.2),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT"}, 0.4),
        ({"Modality": "CR"}, 0.8),
    ],
)
def test_what_may_be_no_wrist_is_left_to_other_plugins(plugin, dicom, attributes, confidence):
    (loadable,) = plugin.examineFiles([dicom(**attributes)])
    assert loadable.confidence == confidence
    assert loadable.selected == (confidence > 0.5)


def test_a_region_that_only_a_code_tells_is_read_from_the_file(plugin, dicom):
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "74670003", "Wrist joint"
    file = dicom(
        BodyPartExamined=None, SeriesDescription=None, AnatomicRegionSequence=Sequence([code])
    )
    (loadable,) = plugin.examineFiles([file])
    assert loadable.confidence == 0.8


@pytest.mark.parametrize(
    "attributes",
    [{"SOPClassUID": CTImageStorage}, {"Modality": "CT"}, {"NumberOfFrames": "3"}],
)
def test_what_is_no_single_projection_is_not_offered(plugin, dicom, attributes):
    assert plugin.examineFiles([dicom(**attributes)]) == []


def test_attributes_that_slicer_keeps_are_not_read_from_the_file(tmp_path, module, monkeypatch):
    plugin = module.DICOMWristRadiographPluginClass()
    kept = Slicer(tmp_path / "kept", plugin.tags.values()).insert(SAMPLES[0])
    database = CtkDatabase(kept)
    monkeypatch.setattr(module.slicer, "dicomDatabase", database)
    (loadable,) = plugin.examineFiles([str(SAMPLES[0])])
    assert loadable.confidence == 0.8
    assert database.parsed == 0


def test_the_volume_has_one_slice_with_the_spacing_of_the_file(plugin, dicom):
    (loadable,) = plugin.examineFiles([dicom()])
    volume = plugin.load(loadable)
    assert volume.GetImageData().GetDimensions() == (80, 96, 1)
    assert volume.GetSpacing()[:2] == pytest.approx((0.1, 0.2))  # x is the column spacing
    assert volume.GetName() == "3: Wrist PA"
    assert volume.GetAttribute("DICOM.instanceUIDs") == "1.2.1.1"
    assert volume.GetAttribute("DICOM.instanceNumbers") == "1"


def test_bone_is_bright_whatever_the_photometric_interpretation(plugin, dicom):
    from slicer.util import arrayFromVolume

    files = [
        dicom(PhotometricInterpretation=name, WindowCenter=1000, WindowWidth=1000)
        for name in ("MONOCHROME2", "MONOCHROME1")
    ]
    straight, inverted = (plugin.load(one) for one in plugin.examineFiles(files))
    np.testing.assert_array_equal(arrayFromVolume(straight)[0], ramp())
    np.testing.assert_array_equal(arrayFromVolume(inverted)[0], 4095 - ramp().astype(int))
    assert straight.GetDisplayNode().GetLevel() == pytest.approx(1000, abs=1)
    assert inverted.GetDisplayNode().GetLevel() == pytest.approx(3095, abs=1)


def test_the_loaded_volume_is_in_the_subject_hierarchy_and_on_screen(plugin, dicom):
    import slicer

    (loadable,) = plugin.examineFiles([dicom()])
    volume = plugin.load(loadable)
    assert plugin.hierarchy == [(loadable, volume)]
    assert slicer.app.applicationLogic().shown == volume.GetID()


def test_loading_twice_gives_two_names(plugin, dicom):
    (loadable,) = plugin.examineFiles([dicom()])
    assert plugin.load(loadable).GetName() != plugin.load(loadable).GetName()


def test_what_cannot_be_decoded_is_left_to_slicers_own_reader(plugin, monkeypatch):
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    compressed, rle = (
        plugin.examineFiles([str(RESOURCES / "SampleData" / f"{name}.dcm")])[0]
        for name in ("frontal_good", "lateral_no_spacing")
    )
    assert not compressed.selected
    assert compressed.confidence < 0.5
    assert "install what WristQC needs" in compressed.warning
    assert rle.selected


def test_several_series_are_looked_at_anew_each_time(plugin, monkeypatch):
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    compressed = str(RESOURCES / "SampleData" / "frontal_good.dcm")
    rle = str(RESOURCES / "SampleData" / "lateral_no_spacing.dcm")
    decoders = dict(JPEG2000LosslessDecoder._available)
    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    assert [one.selected for one in plugin.examineForImport([[compressed], [rle]])] == [False, True]
    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", decoders)  # installed meanwhile
    assert [one.selected for one in plugin.examineForImport([[compressed], [rle]])] == [True, True]


def test_what_cannot_be_decoded_stays_with_slicers_reader_beside_a_wrist_too(plugin, monkeypatch):
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    names = ("frontal_good", "lateral_no_spacing")
    files = [str(RESOURCES / "SampleData" / f"{name}.dcm") for name in names]
    assert [one.confidence for one in plugin.examineFiles(files)] == [0.4, 0.8]


def test_a_damaged_spacing_is_warned_of(plugin, dicom):
    file = dicom()
    raw = Path(file).read_bytes()
    assert raw.count(b"0.2\\0.1 ") == 1
    Path(file).write_bytes(raw.replace(b"0.2\\0.1 ", b"0.2\\abc "))
    (loadable,) = plugin.examineFiles([file])
    assert loadable.warning.startswith("Pixel spacing is unknown (PixelSpacing (0028,0030)")


def test_an_unreadable_file_is_logged_in_one_sentence_and_adds_no_node(plugin, dicom, caplog):
    import slicer

    file = dicom(PatientName="Doe^Jane", PatientID="4711")
    (loadable,) = plugin.examineFiles([file])
    Path(file).write_bytes(Path(file).read_bytes()[:2000])
    with caplog.at_level(logging.ERROR):
        assert plugin.load(loadable) is None
    assert len(caplog.records) == 1
    assert "copy the file again" in caplog.text
    assert "Doe" not in caplog.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
