"""Which packages are missing, and how Slicer is asked to install them."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import pytest

from WristQCLib.packages import (
    INSTALL_BUTTON,
    Declined,
    InstallError,
    install,
    install_hint,
    missing,
    required,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A Slicer without PyTorch extension, in which only numpy is installed; what it was asked."""
    asked: list[Any] = []
    packaging = types.ModuleType("slicer.packaging")
    packaging.pip_ensure = lambda wanted, requester: asked.append((wanted, requester))
    slicer = types.ModuleType("slicer")
    slicer.app = types.SimpleNamespace(applicationVersion="5.13.0")
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    monkeypatch.setattr(
        "WristQCLib.packages.missing", lambda wanted: [w for w in wanted if "numpy" not in w]
    )
    return asked


def torch_extension(
    monkeypatch: pytest.MonkeyPatch,
    asked: list[Any],
    *,
    installed: bool = False,
    result: Any = "torch",
) -> None:
    class PyTorchUtilsLogic:
        def torchInstalled(self) -> bool:  # noqa: N802
            return installed

        def installTorch(self, **options: Any) -> Any:  # noqa: N802
            asked.append(options)
            return result

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_comments_and_empty_lines_are_no_requirements(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# about\n\ntorch>=2.4  # models\njinja2>=3.1\n")
    assert required(file) == ["torch>=2.4", "jinja2>=3.1"]


def test_a_package_is_missing_when_absent_or_too_old():
    assert missing(["numpy>=1.0", "numpy>=999", "wristqc-of-nowhere"]) == [
        "numpy>=999", "wristqc-of-nowhere",
    ]  # fmt: skip


def test_nothing_is_asked_for_when_nothing_is_missing(asked):
    install(["numpy"])
    assert asked == []


def test_torch_comes_through_its_extension_and_the_rest_through_slicer(monkeypatch, asked):
    torch_extension(monkeypatch, asked)
    install(["torch>=2.4", "monai>=1.4", "numpy"])
    assert asked == [
        {"askConfirmation": True, "torchVersionRequirement": ">=2.4"},
        (["monai>=1.4"], "WristQC"),
    ]


def test_without_the_extension_torch_comes_first_through_slicer(asked):
    install(["monai>=1.4", "torch>=2.4"])
    assert asked == [(["torch>=2.4"], "WristQC"), (["monai>=1.4"], "WristQC")]


def test_declining_torch_stops_the_rest(monkeypatch, asked):
    torch_extension(monkeypatch, asked, result=None)
    with pytest.raises(Declined):
        install(["torch>=2.4", "monai>=1.4"])
    assert len(asked) == 1


def test_another_torch_than_the_wanted_one_is_not_replaced_silently(monkeypatch, asked):
    torch_extension(monkeypatch, asked, installed=True)
    with pytest.raises(InstallError, match="uninstall it in the module PyTorch Utils"):
        install(["torch>=2.4"])
    assert asked == []


def test_a_failure_says_what_to_look_at(monkeypatch, asked):
    def fail(error: Exception) -> Any:
        def failing(*_: Any, **__: Any) -> None:
            raise error

        return failing

    packaging = sys.modules["slicer.packaging"]
    packaging.pip_ensure = fail(OSError("No space left."))
    with pytest.raises(InstallError, match=r"not installed: No space left\. Check the network"):
        install(["jinja2>=3.1"])
    packaging.pip_ensure = fail(subprocess.CalledProcessError(1, "pip"))
    with pytest.raises(InstallError, match="pip failed, see the log"):
        install(["jinja2>=3.1"])


def test_declining_is_no_failure(asked):
    def decline(*_: Any, **__: Any) -> None:
        raise RuntimeError("User declined package installation")

    sys.modules["slicer.packaging"].pip_ensure = decline
    with pytest.raises(Declined):
        install(["jinja2>=3.1"])


def test_a_slicer_that_is_too_old_says_what_to_do(monkeypatch, asked):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    with pytest.raises(InstallError) as told:
        install(["torch>=2.4", "monai>=1.4"])
    assert "Slicer 5.13.0 cannot install packages" in str(told.value)
    assert "slicer.util.pip_install(\"'torch>=2.4' 'monai>=1.4'\")" in str(told.value)


def test_inside_slicer_the_hint_names_the_panels_button_and_not_pip(asked, monkeypatch):
    from WristQCLib.models import ModelError
    from WristQCLib.models.device import import_torch

    assert install_hint("wristqc[models]") == (
        f"press '{INSTALL_BUTTON}' in the panel of the module Wrist Radiograph Quality"
    )
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(ModelError, match=r"'monai' is not installed; press 'Install what"):
        import_torch()


def test_outside_slicer_the_hint_names_pip(monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer", types.ModuleType("slicer"))  # slicer-core: no app
    assert install_hint("python-gdcm") == "run: pip install 'python-gdcm'"


def test_after_an_installation_pydicom_is_told_of_gdcm(monkeypatch, asked):
    told: list[bool] = []
    monkeypatch.setattr("WristQCLib.decoding.know_gdcm", lambda: told.append(True))
    install(["python-gdcm>=3.0"])
    assert told == [True]
