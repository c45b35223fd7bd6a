"""Command line: ``python -m training.simulate --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from WristQCLib.findings import View

app = typer.Typer(add_completion=False, help="Simulate wrist radiographs with exact labels.")

Out = Annotated[Path, typer.Option(help="Folder to write into; made when it is not there.")]
Count = Annotated[int, typer.Option(min=0, help="How many images.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same images.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]


@app.command()
def corpus(
    out: Out,
    frontal: Count = 100,
    lateral: Count = 100,
    seed: Seed = 1,
    val_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the wrists that is held out in val/.")
    ] = 0.2,
    spacing: Annotated[float, typer.Option(min=0.05, max=2, help="Millimetres per pixel.")] = 0.4,
    exposures: Annotated[
        int, typer.Option(min=1, max=9, help="Exposures of each wrist; 1 for a benchmark.")
    ] = 4,
    workers: Workers = 2,
) -> None:
    """Write PNG images with Labelme labels to train and evaluate on. Goes on where it stopped."""
    from training.simulate.corpus import make_corpus, plan

    counts = {View.FRONTAL: frontal, View.LATERAL: lateral}
    groups = plan(
        out, counts, seed=seed, val_fraction=val_fraction, spacing=spacing, exposures=exposures
    )
    with _progress() as progress:
        task = progress.add_task("radiographs", total=frontal + lateral)
        for made in make_corpus(groups, workers):
            progress.advance(task, made)


@app.command()
def dicom(
    out: Out,
    frontal: Count = 20,
    lateral: Count = 20,
    seed: Seed = 1,
    spacing: Annotated[float, typer.Option(min=0.05, max=2, help="Millimetres per pixel.")] = 0.2,
    workers: Workers = 2,
) -> None:
    """Write DICOM files with labels: complete and incomplete headers, several transfer syntaxes."""
    from training.simulate.corpus import make_corpus, make_dicom_group, plan

    counts = {View.FRONTAL: frontal, View.LATERAL: lateral}
    groups = plan(out, counts, seed=seed, val_fraction=None, spacing=spacing, exposures=1)
    with _progress() as progress:
        task = progress.add_task("radiographs", total=frontal + lateral)
        for made in make_corpus(groups, workers, make_dicom_group):
            progress.advance(task, made)


@app.command()
def hospital(
    out: Out, frontal: Count = 100, lateral: Count = 100, seed: Seed = 1, workers: Workers = 2
) -> None:
    """Write PNG images of one other hospital, unlike a corpus, with Labelme labels."""
    from training.simulate.corpus import make_corpus
    from training.simulate.hospital import hospital_plan, make_hospital_group

    groups = hospital_plan(out, {View.FRONTAL: frontal, View.LATERAL: lateral}, seed=seed)
    with _progress() as progress:
        task = progress.add_task("radiographs", total=frontal + lateral)
        for made in make_corpus(groups, workers, make_hospital_group):
            progress.advance(task, made)


@app.command()
def samples(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("Resources/SampleData"),
) -> None:
    """Write the sample studies that come with WristQC."""
    from training.simulate.samples import make_samples

    for path in make_samples(out):
        typer.echo(f"{path} ({path.stat().st_size // 1024} kB)")


@app.command("contact-sheet")
def contact_sheet_command(
    simulated: Annotated[Path, typer.Option(help="Folder of simulated images with labels.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    real: Annotated[
        Path | None, typer.Option(help="Folder of real images, or of their Labelme files.")
    ] = None,
    view: Annotated[View | None, typer.Option(help="Only this view.")] = None,
    artefact: Annotated[
        bool | None, typer.Option(help="Only images with, or without, a foreign object.")
    ] = None,
    labels: Annotated[bool, typer.Option(help="Draw the labels.")] = False,
    count: Annotated[int, typer.Option(min=1, help="How many of each.")] = 20,
    columns: Annotated[int, typer.Option(min=1, help="Columns of each half.")] = 5,
    seed: Seed = 1,
) -> None:
    """Put simulated images, and real ones beside them, on one sheet to be looked at."""
    from training.simulate.contact_sheet import comparison_sheet, contact_sheet, read_images

    halves = [
        read_images(folder, count, seed, view=view, artefact=artefact, labels=labels)
        for folder in (simulated, real)
        if folder is not None
    ]
    sheet = (
        contact_sheet(halves[0], columns)
        if real is None
        else comparison_sheet(halves[0], halves[1], columns)
    )
    sheet.save(out)


@app.command()
def geometry(
    real: Annotated[Path, typer.Option(help="Folder of labelled real images.")],
    simulated: Annotated[Path, typer.Option(help="Folder of simulated images with labels.")],
    view: Annotated[View, typer.Option(help="View to compare.")] = View.LATERAL,
) -> None:
    """Compare where the keypoints lie to one another: median, 10th and 90th percentile."""
    from training.simulate.geometry import geometry_table

    typer.echo("\n".join(geometry_table(real, simulated, view)))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )


if __name__ == "__main__":
    app()
