"""WristQC with the DICOM database and the DICOM module of a real Slicer; runs in Slicer only."""

from __future__ import annotations

import unittest

import slicer


class DICOMInSlicerTest(unittest.TestCase):
    """The bundled studies: imported, listed, and loaded one image at a time."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_the_plugin_is_registered(self):
        self.assertIn("DICOMWristRadiographPlugin", slicer.modules.dicomPlugins)

    def test_sample_studies_are_imported_listed_and_loaded(self):
        from DICOMLib import DICOMUtils

        from WristQCLib.dicom_database import DatabaseFile, SlicerDatabase, wrist_studies
        from WristQCLib.resources import RESOURCES

        samples = RESOURCES / "SampleData"
        with DICOMUtils.TemporaryDICOMDatabase("WristQCTestDatabase") as database:
            self.assertTrue(DICOMUtils.importDicom(str(samples), database))
            images = [
                image for study in wrist_studies(SlicerDatabase(database)) for image in study.images
            ]
            uids = {image.instance.uid for image in images}
            self.assertEqual(len(uids), len(list(samples.glob("*.dcm"))))
            self.assertEqual({image.view.known for image in images}, {True})

            with DatabaseFile(database.databaseDirectory) as file:
                same = {i.instance.uid for study in wrist_studies(file) for i in study.images}
            self.assertEqual(same, uids)

            DICOMUtils.loadSeriesByUID(sorted({image.series.uid for image in images}))

        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.assertEqual({v.GetAttribute("DICOM.instanceUIDs") for v in volumes}, uids)
        for volume in volumes:
            self.assertEqual(volume.GetImageData().GetDimensions()[2], 1)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        for volume in volumes:
            item = hierarchy.GetItemByDataNode(volume)
            self.assertNotEqual(hierarchy.GetItemParent(item), hierarchy.GetSceneItemID())
