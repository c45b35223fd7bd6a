"""``wristqc labels``: what people accepted, to and from files of other programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from WristQCLib.terminal import INTERRUPTED, NOTHING_DONE, USAGE, console, errors, fault, progress

if TYPE_CHECKING:
    from WristQCLib.labels import LabelStore

labels_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Labels that were accepted: import, export, conflicts, agreement.",
)


class LabelFormat(StrEnum):
    """`WristQCLib.labels.label_files.Form`, which takes too long to load for ``--help``."""

    LABELME = "labelme"
    MARKUPS = "markups"
    COCO = "coco"
    CSV = "csv"


StoreArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help="Folder that labels were accepted into.")
]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(help="Folder with the labelled images; may be repeated."),
]


@labels_app.command("import")
def import_(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="Label store; made if there is none.")
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Labelme, Slicer markups, COCO or CSV files, folders of them, or other stores.",
        ),
    ],
    reader: Annotated[str, typer.Option(help="Whose labels these are.")] = "",
    images: ImagesOption = None,
    keep_images: Annotated[
        bool,
        typer.Option(
            "--keep-images/--no-images", help="Keep the images' pixels, to train on the store."
        ),
    ] = True,
) -> None:
    """Take labels from files into a store; run again, it goes on where it was stopped."""
    from WristQCLib.labels.exchange import Imported, import_labels

    done, stopped = Imported(), False
    with _told(), progress() as bars:
        opened = _opened(store, create=True, keep_images=keep_images)
        bar = bars.add_task("Importing", total=None)

        def go_on(count: int) -> bool:
            bars.update(bar, completed=count, total=max(done.files, count))
            return True

        try:
            import_labels(
                opened, paths, reader=reader, images=images or (), go_on=go_on, result=done
            )
        except KeyboardInterrupt:
            stopped = True
    for problem in done.problems:
        errors.print(f"[red]Not imported:[/red] {escape(problem)}", soft_wrap=True)
    if done.left_out:
        errors.print(f"{len(done.left_out)} files that hold no labels were left out.")
    already = done.count - done.new
    console.print(
        f"{done.new} labels imported" + (f", {already} were there already." if already else ".")
    )
    if stopped:
        errors.print("Stopped: what was imported is in the store; run it again to go on.")
        raise typer.Exit(INTERRUPTED)
    _tell_conflicts(opened)
    if not done.count:
        raise typer.Exit(NOTHING_DONE)


@labels_app.command()
def export(
    store: StoreArgument,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    format_: Annotated[LabelFormat, typer.Option("--format", help="What to write.")],
    embed: Annotated[
        bool,
        typer.Option(
            "--embed/--reference",
            help="Put pictures into the files (Labelme alone) or beside them.",
        ),
    ] = False,
    reader: Annotated[
        str, typer.Option(help="Labels of this person instead of what all agree on.")
    ] = "",
    images: ImagesOption = None,
) -> None:
    """Write labels as files that other programs read; importing these loses nothing."""
    from WristQCLib.labels.exchange import Form, export_labels

    with _told(), progress() as bars:
        opened = _opened(store)
        bar = bars.add_task("Exporting", total=len(opened))
        try:
            done = export_labels(
                opened,
                out,
                Form(str(format_)),
                embed_images=embed,
                reader=reader or None,
                images=images or (),
                go_on=_advancing(lambda: bars.advance(bar)),
            )
        except KeyboardInterrupt:
            bars.stop()
            errors.print("Stopped: what was written is whole; run it again for the rest.")
            raise typer.Exit(INTERRUPTED) from None
    for problem in done.problems:
        errors.print(f"[yellow]Note:[/] {escape(problem)}", soft_wrap=True)
    console.print(f"{done.count} images in {escape(str(done.path))}", soft_wrap=True)
    if not done.count:
        raise typer.Exit(NOTHING_DONE)


@labels_app.command("list")
def list_(store: StoreArgument) -> None:
    """List what is in a store: who read which image, and what stands out."""
    with _told():
        opened = _opened(store)
        table = Table(title=f"Labels in {escape(str(store))}")
        for heading in ("Image", "View", "Side", "Read by", "Last read", "State"):
            table.add_column(heading, overflow="fold")
        for stored in opened:
            newest = stored.current[-1]
            sign = {reading.reader: "*" for reading in stored.current if reading.corrected}
            readers = dict.fromkeys(reading.reader for reading in stored.current)
            table.add_row(
                escape(stored.name),
                str(newest.labels.view),
                str(newest.labels.side or "unknown"),
                escape(", ".join(f"{reader}{sign.get(reader, '')}" for reader in readers)),
                newest.accepted_at.astimezone().strftime("%Y-%m-%d %H:%M"),
                "[red]in conflict" if stored.conflicts else "",
            )
        table.caption = "* changed what the models had said"
        console.print(table)
        console.print(
            f"{len(opened)} images, {opened.corrected()} corrected,"
            f" {len({c.key for c in opened.conflicts()})} in conflict"
        )


@labels_app.command()
def conflicts(store: StoreArgument) -> None:
    """Tell where readings contradict each other; such images are not trained on."""
    with _told():
        found = _opened(store).conflicts()
    for conflict in found:
        console.print(escape(conflict.sentence), soft_wrap=True)
    if not found:
        console.print("No reading contradicts another.")


@labels_app.command()
def rebuild(store: StoreArgument) -> None:
    """Make the index of a store anew from its label files."""
    with _told():
        opened = _opened(store)
        count = opened.rebuild_index()
    console.print(f"{count} images in the index of {escape(str(store))}", soft_wrap=True)


@labels_app.command()
def agreement(
    store: StoreArgument,
    out: Annotated[Path, typer.Option(help="Folder for page and tables.")],
    protocol: Annotated[
        Path | None, typer.Option(help="Scoring protocol (TOML) instead of the paper's.")
    ] = None,
) -> None:
    """Tell how well readers agree with each other, and the system with them."""
    from WristQCLib.protocol import load_protocol
    from WristQCLib.report.agreement_report import write_agreement

    with _told():
        rules = load_protocol(protocol) if protocol else load_protocol()
        opened = _opened(store)
        written = write_agreement(opened, out, protocol=rules)
    for path in written:
        console.print(escape(str(path)), soft_wrap=True)
    if not len(opened):
        raise typer.Exit(NOTHING_DONE)


def _opened(folder: Path, *, create: bool = False, keep_images: bool = True) -> LabelStore:
    """The store of a command; what is damaged in it is told, and the rest goes on."""
    from WristQCLib.labels import LabelStore

    logging.getLogger("pydicom").setLevel(logging.ERROR)  # warns of every odd attribute
    store = LabelStore.open(folder, create=create, keep_images=keep_images)
    for problem in store.problems:
        errors.print(f"[yellow]Note:[/] {escape(problem)}", soft_wrap=True)
    return store


@contextmanager
def _told() -> Iterator[None]:
    """Turn what a user can mend into one sentence and an exit status."""
    from WristQCLib.labels import LabelError
    from WristQCLib.protocol import ProtocolError
    from WristQCLib.report import ReportError

    try:
        yield
    except (LabelError, ProtocolError, ReportError) as error:
        fault(error)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(INTERRUPTED) from None


def _advancing(advance: Callable[[], None]) -> Callable[[int], bool]:
    def go_on(count: int) -> bool:
        advance()
        return True

    return go_on


def _tell_conflicts(store: LabelStore) -> None:
    if count := len({conflict.key for conflict in store.conflicts()}):
        errors.print(
            f"[yellow]Note:[/] {count} images have readings that contradict each other; see"
            " wristqc labels conflicts."
        )
