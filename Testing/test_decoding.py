"""GDCM, when it is installed while the application runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from dicom_files import radiograph, ramp, write
from pydicom.uid import JPEGLosslessSV1

ROOT = Path(__file__).parent.parent

# "Installing" is letting Python find the package that a finder hid until then.
LATE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("gdcm", "_gdcm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
hidden = Hidden()
sys.meta_path.insert(0, hidden)
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    return None if name == "gdcm" and hidden in sys.meta_path else found(name, package)
importlib.util.find_spec = find_spec
import numpy as np
from WristQCLib.radiograph import RadiographError, read_radiograph
try:
    read_radiograph(sys.argv[1])
except RadiographError as error:
    print(error)
sys.meta_path.remove(hidden)
np.save(sys.argv[2], read_radiograph(sys.argv[1]).pixels)
"""


def test_an_image_that_needs_gdcm_is_read_once_it_was_installed_without_a_restart(tmp_path):
    pixels = ramp()
    file = write(tmp_path / "wrist.dcm", radiograph(pixels), JPEGLosslessSV1)
    run = subprocess.run(
        [sys.executable, "-c", LATE, str(file), str(tmp_path / "pixels.npy")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "(JPEG Lossless, Non-Hierarchical, First-Order Prediction" in run.stdout
    assert "needs GDCM; run: pip install 'python-gdcm'" in run.stdout
    np.testing.assert_array_equal(np.load(tmp_path / "pixels.npy"), pixels)
