"""What belongs to the computer or the person: folders, a name, installed packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from WristQCLib.assessors import Settings
from WristQCLib.model_set import BUNDLED_MODELS
from WristQCLib.models.provenance import known_models, models_folder
from WristQCLib.packages import Declined
from WristQCLib.slicer_panel.models_told import models_told
from WristQCLib.slicer_panel.qt_tools import errors_shown, put
from WristQCLib.translation import translator

_ = translator(__file__)

PATHS = {
    "modelsPathLineEdit": "WristQC/ModelsFolder",
    "protocolPathLineEdit": "WristQC/Protocol",
    "outputPathLineEdit": "WristQC/OutputFolder",
    "labelsPathLineEdit": "WristQC/LabelsFolder",
}
"""Widget -> key in Slicer's settings of this computer."""
PERSON = "WristQC/Person"


class SettingsSection:
    """Keeps paths and the person's name in Slicer's settings, and installs packages.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    person
        Name for corrections where none was set.
    on_person
        Called with the name.
    missing, install
        Tell what is not installed, and install it.
    """

    def __init__(
        self,
        ui: Any,
        person: str,
        on_person: Callable[[str], None],
        missing: Callable[[], list[str]],
        install: Callable[[], None],
    ) -> None:
        self._ui, self._on_person, self._missing, self._install = ui, on_person, missing, install
        self._read(person)
        ui.personLineEdit.editingFinished.connect(self._on_person_edited)
        ui.installButton.clicked.connect(self._on_install)
        for name in PATHS:
            path = getattr(ui, name)
            path.currentPathChanged.connect(self.keep_paths)
            path.validInputChanged.connect(self.keep_paths)  # the only signal of an emptied line
        self.show_packages()
        self.show_models()

    def assessing(self, *, use_models: bool, device: str) -> Settings:
        """How to assess."""
        folder, protocol = self._models_folder(), self._ui.protocolPathLineEdit.currentPath
        return Settings(use_models, device, str(folder or ""), protocol)

    def _models_folder(self) -> Path | None:
        """The folder that was chosen, None for the models that come with WristQC."""
        path = self._ui.modelsPathLineEdit.currentPath
        return models_folder(Path(path)) if path else None

    def show_packages(self) -> None:
        """What is missing, with the button that installs it."""
        missing = ", ".join(self._missing())
        self._ui.setupFrame.visible = bool(missing)
        self._ui.setupLabel.text = _(
            "Not installed: {packages}. Everything but what needs these works: points can be placed"
            " by hand."
        ).format(packages=missing)
        self._ui.packagesLabel.text = (
            _("Not installed: {packages}").format(packages=missing)
            if missing
            else _("All packages that the models and reports need are installed.")
        )

    def show_models(self) -> None:
        """Which models are used, and what they learned from."""
        told = models_told(known_models(self._models_folder() or BUNDLED_MODELS))
        put(self._ui.modelsToldLabel, text=told or _("There are no model bundles in this folder."))

    def _on_install(self, *_unused: object) -> None:
        with errors_shown(_("The packages could not be installed.")):
            try:
                self._install()
            except Declined:  # as the person wished
                pass
            finally:
                self.show_packages()

    def _read(self, person: str) -> None:
        import slicer

        settings = slicer.app.userSettings()
        for name, key in PATHS.items():
            getattr(self._ui, name).currentPath = str(settings.value(key, "") or "")
        output, labels = self._ui.outputPathLineEdit, self._ui.labelsPathLineEdit
        output.currentPath = output.currentPath or str(Path.home() / "WristQC")
        labels.currentPath = labels.currentPath or str(Path(output.currentPath) / "labels")
        name = str(settings.value(PERSON, "") or "") or person
        self._ui.personLineEdit.text = name
        self._on_person(name)

    def keep_paths(self, *_unused: object) -> None:
        """Remember the paths in Slicer's settings of this computer."""
        import slicer

        for name, key in PATHS.items():
            slicer.app.userSettings().setValue(key, getattr(self._ui, name).currentPath)
        self.show_models()

    def _on_person_edited(self, *_unused: object) -> None:
        import slicer

        name = self._ui.personLineEdit.text
        slicer.app.userSettings().setValue(PERSON, name)
        self._on_person(name)
