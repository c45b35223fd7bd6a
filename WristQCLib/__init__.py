"""WristQC: quality control of wrist radiographs, the library under the 3D Slicer extension.

Importing this package is cheap: numpy and pydicom only. torch and monai are imported when a model
is first needed.
"""

__version__ = "0.1.0"
