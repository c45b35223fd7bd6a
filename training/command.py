"""The command ``wristqc train``. What it runs is imported when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from WristQCLib.packages import install_hint

REFUSED, USAGE, INTERRUPTED = 1, 2, 130


class Task(StrEnum):
    KEYPOINTS = "keypoints"
    ARTEFACT = "artefact"
    ALL = "all"


def train(
    store: Annotated[Path, typer.Argument(help="Label store: what was accepted.")],
    out: Annotated[Path, typer.Option(help="Folder for bundles, report and runs.")],
    task: Annotated[Task, typer.Option(help="Which models.")] = Task.ALL,
    models: Annotated[
        Path | None, typer.Option(help="Bundles to go on from instead of the bundled ones.")
    ] = None,
    simulated: Annotated[
        Path | None,
        typer.Option(help="Corpus of simulated images to mix in; one is made when none is given."),
    ] = None,
    simulated_images: Annotated[
        int, typer.Option(min=8, help="How many simulated images are mixed in and checked.")
    ] = 400,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Longest time of each training, in minutes.")
    ] = 20.0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs.")] = None,
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Share of the images that is held out.")
    ] = 0.2,
    training_images: Annotated[
        int | None, typer.Option(min=1, help="Learn from so many labelled images at most.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps: where it trains.")
    ] = "auto",
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, for labels whose pixels the store does not hold."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Of the new bundles.", show_default="the next")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed trains the same.")] = 1,
    config: Annotated[
        list[Path] | None,
        typer.Option(help="Settings of a task instead of WristQC's own; may be repeated."),
    ] = None,
) -> None:
    """Fine-tune the models on accepted labels; the same command goes on where it was stopped."""
    from WristQCLib.models import ModelError

    errors = Console(stderr=True)
    try:
        from training.finetune import Options, finetune
        from training.telling import ConsoleTelling
        from WristQCLib.model_set import BUNDLED_MODELS

        options = Options(
            str(task), models or BUNDLED_MODELS, simulated, simulated_images, minutes, epochs,
            held_out, training_images, device, images, version, seed, tuple(config or ()),
        )  # fmt: skip
        outcome = finetune(store, out, options, ConsoleTelling(errors))
    except ImportError as error:
        fault = f"Training needs '{error.name}', which is not installed"
        _fail(errors, f"{fault}; {install_hint('wristqc[training]')}.")
    except OSError as error:
        where = error.filename or out
        _fail(errors, f"'{where}' cannot be read or written ({error.strerror or error}).")
    except ValueError as error:  # FineTuneError, LabelError and a wrong configuration among them
        _fail(errors, str(error))
    except ModelError as error:
        _fail(errors, str(error))
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        _fail(errors, "The device has too little memory; choose another one with --device.")
    except KeyboardInterrupt:
        errors.print("Stopped; the same command goes on from the last whole epoch.")
        raise typer.Exit(INTERRUPTED) from None
    console = Console()
    for done in outcome.tasks:
        console.print(
            f"{done.task}: {done.sentence}", soft_wrap=True, markup=False, highlight=False
        )
    for title, path in (
        ("Report", outcome.report), ("Bundles", outcome.bundles), ("Refused", outcome.refused)
    ):  # fmt: skip
        if path is not None:
            console.print(f"{title}: {path}", soft_wrap=True, markup=False, highlight=False)
    if not outcome.promoted:
        raise typer.Exit(REFUSED)


def _fail(errors: Console, sentence: str) -> NoReturn:
    errors.print(sentence, style="red", soft_wrap=True, markup=False, highlight=False)
    raise typer.Exit(USAGE) from None
