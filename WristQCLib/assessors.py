"""The assessor that fits settings, kept as long as they stay: its models are loaded once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from WristQCLib.assessor import Assessor, Models, NoModels
from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
from WristQCLib.protocol import load_protocol


@dataclass(frozen=True)
class Settings:
    """How to assess.

    Attributes
    ----------
    use_models
        Whether models look for keypoints, foreign objects and the view.
    device
        ``"auto"`` (CUDA, then Apple MPS, then CPU) or a torch device such as ``"cuda:1"``.
    models_folder
        Folder with model bundles; empty for the bundled ones.
    protocol_file
        Scoring protocol (TOML); empty for the paper's.
    """

    use_models: bool = True
    device: str = "auto"
    models_folder: str = ""
    protocol_file: str = ""


class Assessors:
    """Gives assessors; the last one is kept, so there is one set of models in memory."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._assessor: Assessor | None = None

    def get(self, settings: Settings) -> Assessor:
        """The assessor for these settings.

        Raises
        ------
        ValueError
            If the protocol cannot be used.
        ModelError
            If the models' folder does not exist.
        """
        if self._assessor is None or settings != self._settings:
            models: Models = NoModels()
            if settings.use_models:
                models = ModelSet(settings.models_folder or BUNDLED_MODELS, settings.device)
            file = settings.protocol_file
            protocol = load_protocol(Path(file)) if file else load_protocol()
            self._assessor, self._settings = Assessor.create(models, protocol), settings
        return self._assessor

    def forget(self) -> None:
        """Make it anew the next time, after packages were installed for example."""
        self._assessor = None
