"""What ``wristqc view`` does with its options, and what it tells in the shell."""

from __future__ import annotations

import getpass
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from WristQCLib.resources import RESOURCES
from WristQCLib.viewer.serve import Address, ViewerError, serve

SAMPLES = RESOURCES / "SampleData"
LABELS = "labels"
"""Folder of the label store in the one for reports, unless another is given."""


def run(
    console: Console,
    paths: Sequence[Path] | None,
    out: Path,
    address: Address,
    *,
    labels: Path | None,
    browser: bool,
    language: str,
    person: str,
    device: str,
    protocol: Path | None,
    models: Path | None,
    no_models: bool,
) -> None:
    """Serve the viewer until it is stopped.

    Raises
    ------
    ViewerError
        With one sentence for the user.
    """
    from WristQCLib.assessor import Models, NoModels
    from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
    from WristQCLib.models import ModelError, select_device
    from WristQCLib.protocol import ProtocolError, load_protocol
    from WristQCLib.viewer.language import codes

    wanted = list(paths or [SAMPLES])
    missing = [path for path in wanted if not path.exists()]
    if missing:
        raise ViewerError(f"There is no file or folder {missing[0]}; check the path.")
    if language not in codes():
        raise ViewerError(f"There is no language '{language}'; choose from {', '.join(codes())}.")
    try:
        rules = load_protocol(protocol) if protocol else load_protocol()
        found: Models = NoModels()
        if not no_models:
            select_device(device)
            found = ModelSet(models or BUNDLED_MODELS, device)
    except (ProtocolError, ModelError) as error:
        raise ViewerError(str(error)) from None

    from WristQCLib.viewer.settings import Settings

    settings = Settings(out, labels or out / LABELS, person or _user(), language)
    with console.status("Starting the viewer") as status:

        def ready(url: str) -> None:
            status.stop()
            console.print(f"The viewer is at [link={url}]{escape(url)}[/link]", soft_wrap=True)
            console.print("Stop it with Ctrl+C.")
            if browser:
                webbrowser.open(url)

        notes = serve(
            wanted, found, rules, settings, address,
            tell=lambda text: status.update(escape(text)), ready=ready,
        )  # fmt: skip
    for note in notes:
        console.print(escape(note), soft_wrap=True)
    console.print("The viewer has stopped.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a system without a name for its user
        return "unnamed"
