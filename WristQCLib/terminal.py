"""What all commands of ``wristqc`` have in common: output, progress, exit status."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console()
errors = Console(stderr=True)

NOTHING_DONE = 1
USAGE = 2
INTERRUPTED = 130


def progress() -> Progress:
    """A bar on standard error that goes when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def fault(sentence: object) -> None:
    """Tell in one sentence why a command cannot do what was asked."""
    errors.print(f"[red]{escape(str(sentence))}", soft_wrap=True)
