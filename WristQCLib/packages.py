"""Python packages that the module needs beyond Slicer's own, and how Slicer installs them.

Slicer is imported by `install` only, when a person has asked for it: importing WristQC never
installs anything.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

TORCH = "torch>=2.4"


INSTALL_BUTTON = "Install what is missing"
"""What the button in the module's panel says."""
MODULE_TITLE = "Wrist Radiograph Quality"


class InstallError(RuntimeError):
    """Packages could not be installed; one sentence that says what to do."""


class Declined(InstallError):  # noqa: N818 - nothing went wrong
    """The person did not want them installed."""


def install_hint(what: str) -> str:
    """How to install packages, for the end of a sentence; inside Slicer not by hand.

    Parameters
    ----------
    what
        For pip, outside Slicer: ``"wristqc[models]"`` or ``"python-gdcm"``.
    """
    if hasattr(sys.modules.get("slicer"), "app"):
        return f"press '{INSTALL_BUTTON}' in the panel of the module {MODULE_TITLE}"
    return f"run: pip install '{what}'"


def required(file: Path | str) -> list[str]:
    """The requirements of a requirements file, without comments."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.split("#")[0].strip())]


def missing(requirements: list[str]) -> list[str]:
    """Those requirements that are not installed, or only in another version."""
    from packaging.requirements import Requirement

    absent = []
    for text in requirements:
        requirement = Requirement(text)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(text)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            absent.append(text)
    return absent


def install(requirements: list[str], *, requester: str = "WristQC") -> None:
    """Install what is missing, torch first; for Slicer's main thread.

    torch comes through the PyTorch extension, which chooses a build that fits the graphics card;
    without that extension through Slicer's package installer, as the others do. Slicer shows the
    progress and asks before it changes anything.

    Raises
    ------
    Declined
        If the person did not want it.
    InstallError
        If Slicer is too old, or it failed.
    """
    import slicer

    absent = missing(requirements)
    if not absent:
        return
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        wanted = " ".join(f"'{requirement}'" for requirement in absent)
        raise InstallError(
            f"{_application(slicer)} cannot install packages for extensions: update to Slicer 5.12"
            f' or newer, or run in its Python console: slicer.util.pip_install("{wanted}")'
        ) from None
    torch = [requirement for requirement in absent if requirement.startswith("torch")]
    others = [requirement for requirement in absent if requirement not in torch]
    try:
        if torch:
            _install_torch(torch, packaging, requester)
        if others:
            packaging.pip_ensure(others, requester=requester)
    except InstallError:
        raise
    except subprocess.CalledProcessError as error:
        raise InstallError(
            "The packages were not installed: pip failed, see the log of Slicer for what it said."
        ) from error
    except Exception as error:
        if type(error) is RuntimeError:  # what Slicer raises when it is declined
            raise Declined(str(error)) from error
        raise InstallError(
            f"The packages were not installed: {str(error).rstrip('.')}. Check the network, and"
            " the log of Slicer."
        ) from error
    importlib.invalidate_caches()
    from WristQCLib.decoding import know_gdcm

    know_gdcm()


def _install_torch(requirements: list[str], packaging: object, requester: str) -> None:
    try:
        utilities = importlib.import_module("PyTorchUtils")
    except ImportError:
        # torch from the package index: fits most computers, not each graphics card.
        packaging.pip_ensure(requirements, requester=requester)  # type: ignore[attr-defined]
        return
    logic = utilities.PyTorchUtilsLogic()
    specifier = requirements[0].removeprefix("torch")
    if logic.torchInstalled():
        raise InstallError(
            f"The installed PyTorch is not torch{specifier}: uninstall it in the module PyTorch"
            " Utils, restart Slicer, and install again."
        )
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=specifier) is None:
        raise Declined("PyTorch was not installed because it was declined.")


def _application(slicer: object) -> str:
    version = getattr(getattr(slicer, "app", None), "applicationVersion", "")
    return f"Slicer {version}".strip()
