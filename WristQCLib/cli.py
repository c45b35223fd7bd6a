"""The command line: ``wristqc assess PATH... --out DIR``."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from WristQCLib import __version__
from WristQCLib.assessment import Assessment, Section, TaskScore
from WristQCLib.cli_labels import labels_app
from WristQCLib.cli_plugins import Commands
from WristQCLib.findings import Side, View
from WristQCLib.terminal import INTERRUPTED, NOTHING_DONE, USAGE, console, errors, fault, progress

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Quality control of wrist radiographs. Not a diagnostic device.",
)
app.add_typer(labels_app, name="labels")
log = logging.getLogger("wristqc")
log.addHandler(logging.NullHandler())  # tracebacks are for those who turn logging on

GRADE_STYLES = ("bold green", "bold cyan", "bold yellow", "bold red")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"wristqc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show version."),
    ] = False,
) -> None:
    """Quality control of wrist radiographs. Not a diagnostic device."""


# What the commands have in common
DeviceOption = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps: where the models run.")
]
ProtocolOption = Annotated[
    Path | None, typer.Option(help="Scoring protocol (TOML) instead of the paper's.")
]
ModelsOption = Annotated[
    Path | None, typer.Option(help="Folder with model bundles instead of the bundled ones.")
]


@app.command()
def assess(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="DICOM files, folders, DICOMDIR or zip; Slicer's ctkDICOM.sql; PNG, JPEG or TIFF."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("wristqc-out"),
    view: Annotated[View | None, typer.Option(help="State the view of all images.")] = None,
    side: Annotated[
        Side | None, typer.Option(help="State the side of all images.", case_sensitive=False)
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(min=0.001, max=10, help="State the pixel spacing in mm.")
    ] = None,
    device: DeviceOption = "auto",
    protocol: ProtocolOption = None,
    models: ModelsOption = None,
    no_models: Annotated[
        bool, typer.Option("--no-models", help="Check only what needs no model.")
    ] = False,
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="What to write; may be repeated.")
    ] = None,
    identity: Annotated[
        bool, typer.Option("--identity", help="Put the patient's identity into the reports.")
    ] = False,
) -> None:
    """Assess wrist radiographs and write reports."""
    from WristQCLib.assessor import Assessor, Models, NoModels
    from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
    from WristQCLib.models import ModelError, select_device
    from WristQCLib.protocol import ProtocolError, load_protocol
    from WristQCLib.radiograph import RadiographError, read_radiograph
    from WristQCLib.report import ReportError, ReportWriter
    from WristQCLib.sources import find_images

    # pydicom warns of every odd attribute; what matters of it is in the image's notes.
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    try:
        rules = load_protocol(protocol) if protocol else load_protocol()
        if no_models:
            set_of_models: Models = NoModels()
        else:
            select_device(device)
            set_of_models = ModelSet(models or BUNDLED_MODELS, device)
        skipped: list[str] = []
        found = list(find_images(paths, on_skip=skipped.append))
        writer = ReportWriter(
            out, formats={f.value for f in formats or Format}, include_identity=identity
        )
    except (ProtocolError, ModelError, ReportError) as error:
        fault(error)
        raise typer.Exit(USAGE) from None

    assessor = Assessor.create(set_of_models, rules)
    assessed: list[Assessment] = []
    failures: list[str] = []
    stopped = False
    try:
        with progress() as bars, writer:
            bar = bars.add_task("", total=len(found))
            for source in found:
                bars.update(bar, description=escape(source.name))
                try:
                    radiograph = read_radiograph(source, spacing=spacing, view=view, side=side)
                    assessment = assessor.assess(radiograph)
                    writer.add(assessment, radiograph.display())
                    assessed.append(assessment)
                except RadiographError as error:
                    failures.append(str(error))
                    writer.add_failure(source.name, str(error))
                except ReportError:
                    raise
                except Exception as error:  # one image must not end the run
                    log.exception("Unexpected error in %s", source.name)
                    message = (
                        f"{source}: WristQC failed ({type(error).__name__}); please report it."
                    )
                    failures.append(message)
                    writer.add_failure(source.name, message)
                bars.advance(bar)
    except KeyboardInterrupt:
        stopped = True
    except ReportError as error:
        fault(error)
        raise typer.Exit(USAGE) from None
    if assessed:
        console.print(_table(assessed))
    for sentence, names in _remarks(assessed).items():
        errors.print(f"[yellow]Note:[/] {escape(sentence)} ({escape(names)})", soft_wrap=True)
    for failure in failures:
        errors.print(f"[red]Not assessed:[/red] {escape(failure)}", soft_wrap=True)
    if skipped:
        errors.print(f"{len(skipped)} files that are not images were left out.")
    for kind, path in writer.written.items():
        console.print(f"{kind.upper():5} {escape(str(path))}", soft_wrap=True)
    if stopped:
        errors.print("Stopped: the reports hold what was assessed so far.")
        raise typer.Exit(INTERRUPTED)
    if not assessed:
        raise typer.Exit(NOTHING_DONE)


@app.command()
def view(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Images or folders; the sample studies when none is given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for reports and labels.")] = Path("wristqc-out"),
    labels: Annotated[
        Path | None,
        typer.Option(help="Label store for what is accepted.", show_default="OUT/labels"),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Name or address to listen on; others than this computer's need a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for one that is free.")
    ] = 0,
    token: Annotated[
        bool, typer.Option("--token", help="Ask for a token on this computer too.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    language: Annotated[str, typer.Option(help="Language of the page: en or zh.")] = "en",
    person: Annotated[str, typer.Option(help="Name that corrections are recorded under.")] = "",
    device: DeviceOption = "auto",
    protocol: ProtocolOption = None,
    models: ModelsOption = None,
    no_models: Annotated[
        bool, typer.Option("--no-models", help="Leave what needs models to a person.")
    ] = False,
) -> None:
    """See, correct and save studies in a browser, without 3D Slicer."""
    from WristQCLib.viewer.command import run
    from WristQCLib.viewer.serve import Address, ViewerError

    try:
        run(
            console, paths, out, Address(host, port, token), labels=labels, browser=browser,
            language=language, person=person, device=device, protocol=protocol, models=models,
            no_models=no_models,
        )  # fmt: skip
    except ViewerError as error:
        fault(error)
        raise typer.Exit(USAGE) from None


def _table(assessments: list[Assessment]) -> Table:
    table = Table(title="Quality of wrist radiographs", caption="Not a diagnostic device.")
    for heading in ("Image", "View", "Side"):
        table.add_column(heading, overflow="fold")
    table.add_column("Grade", justify="center")
    table.add_column("Total", justify="right")
    table.add_column("Points lost or open", overflow="fold")
    for assessment in assessments:
        table.add_row(
            escape(assessment.name),
            _told(assessment.view.value, assessment.view.confidence),
            _told(assessment.side.value, assessment.side.confidence),
            _grade(assessment),
            _total(assessment),
            escape(_losses(assessment)),
        )
    return table


def _remarks(assessments: list[Assessment]) -> dict[str, str]:
    """What a user should know of the images: a sentence, and the images that it is true of."""
    images: dict[str, list[str]] = {}
    for assessment in assessments:
        sentences = list(assessment.notes)
        if assessment.spacing.value is None:
            sentences.append(
                f"Lengths are not assessable, {assessment.spacing.source}; state the pixel spacing"
                " with --spacing."
            )
        if assessment.view.value is None:
            sentences.append("The view is unknown; state it with --view.")
        for sentence in sentences:
            images.setdefault(sentence, []).append(assessment.name)
    return {
        sentence: ", ".join(names) if len(names) <= 5 else f"{len(names)} images"
        for sentence, names in images.items()
    }


def _told(value: str | None, confidence: float | None) -> str:
    if value is None:
        return "unknown"
    return value if confidence is None else f"{value} ({confidence:.0%})"


def _grade(assessment: Assessment) -> str:
    score, names = assessment.score, list(assessment.protocol.grades)
    style = GRADE_STYLES[min(names.index(score.grade), len(GRADE_STYLES) - 1)]
    if score.grade == score.reachable_grade:
        return f"[{style}]{score.grade}"
    return f"[{style}]{score.grade}[/] to {score.reachable_grade}"


def _total(assessment: Assessment) -> str:
    score = assessment.score
    return str(score.total) if score.complete else f"{score.total} to {score.reachable}"


def _losses(assessment: Assessment) -> str:
    """What lost most first, then what is open; items of basic information counted together."""
    lost: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for task in assessment.score.tasks:
        name = _short_name(task)
        lost[name] = lost.get(name, 0) + task.max_points - task.reachable
        unknown[name] = unknown.get(name, 0) + task.reachable - task.points
    parts = [f"{name} -{points}" for name, points in _largest(lost)]
    told = ", ".join(parts)
    if unknown := {name: points for name, points in unknown.items() if points}:
        told += "; " if told else ""
        told += "open: " + ", ".join(f"{name} {points}" for name, points in _largest(unknown))
    return told


def _largest(points: dict[str, int]) -> list[tuple[str, int]]:
    return sorted((item for item in points.items() if item[1]), key=lambda item: -item[1])


def _short_name(task: TaskScore) -> str:
    names = {
        Section.BASIC_INFORMATION: "DICOM items",
        Section.POSITION: "side marker",
        Section.ARTEFACT: "foreign object",
    }
    return names.get(task.section, task.id.replace("_", " "))


def main() -> None:
    """Entry point of the ``wristqc`` command."""
    sys.exit(app())


if __name__ == "__main__":
    main()
