"""The sections of the module's panel, for the inside of 3D Slicer.

Each section fills its widgets of `WristQC.ui` from the review and hands what a person does to the
review; none knows another one. What is shown is decided in `WristQCLib.panel`, without Qt.
"""
