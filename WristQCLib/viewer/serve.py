"""Starts and stops the viewer's server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WristQCLib.assessor import Models
from WristQCLib.protocol import Protocol
from WristQCLib.viewer.guard import Guard
from WristQCLib.viewer.settings import Settings

Tell = Callable[[str], None]


class ViewerError(RuntimeError):
    """The viewer cannot be started; one sentence that says what to do."""


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes
    ----------
    port
        0 for any that is free.
    with_token
        Whether a token is asked for on this computer too.
    """

    host: str = "127.0.0.1"
    port: int = 0
    with_token: bool = False


def serve(
    paths: Sequence[Path],
    models: Models,
    protocol: Protocol,
    settings: Settings,
    address: Address,
    *,
    tell: Tell,
    ready: Callable[[str], None],
) -> list[str]:
    """Serve the page until the process is told to stop.

    Parameters
    ----------
    paths
        Files and folders of images; nothing else is read.
    models, protocol
        Assess the images.
    settings, address
        See there.
    tell
        Called with what is being done while it starts.
    ready
        Called with the page's address.

    Returns
    -------
    list of str
        What a person should know after it has stopped.

    Raises
    ------
    ViewerError
        If trame-slicer is missing, or the server cannot listen there.
    """
    tell("Loading the viewer")
    _prepare_drawing()
    try:
        import slicer  # noqa: F401
        import trame_slicer  # noqa: F401
    except ImportError as error:
        raise ViewerError(
            f"The viewer needs trame-slicer ({error}); run: pip install 'wristqc[viewer]'."
        ) from None
    port = _free_port(address.host, address.port)
    return asyncio.run(
        _serve(paths, models, protocol, settings, Address(
            address.host, port, address.with_token), tell, ready)
    )  # fmt: skip


def _prepare_drawing() -> None:
    """Let VTK draw without a screen, and trame leave the command line's options alone."""
    if os.name == "posix" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    os.environ["TRAME_ARGS"] = ""


def _free_port(host: str, port: int) -> int:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ViewerError(
            f"The viewer cannot listen on {host}, port {port} ({error.strerror}); choose another"
            " one with --host and --port."
        ) from None


async def _serve(
    paths: Iterable[Path],
    models: Models,
    protocol: Protocol,
    settings: Settings,
    address: Address,
    tell: Tell,
    ready: Callable[[str], None],
) -> list[str]:
    from trame_server import Server

    from WristQCLib.assessor import Assessor
    from WristQCLib.sources import find_images
    from WristQCLib.viewer.acceptance import opened
    from WristQCLib.viewer.app import Viewer
    from WristQCLib.viewer.saved import SavedLabels
    from WristQCLib.worklist import WorkItem

    tell("Reading saved labels")
    saved = await asyncio.to_thread(SavedLabels, settings.out)
    store, notes = await asyncio.to_thread(opened, settings.labels)
    for problem in saved.problems:
        tell(problem)
    tell("Making the page")
    guard = Guard(address.host, with_token=address.with_token)
    server = Server("wristqc")
    viewer = Viewer(server, Assessor(models, protocol), settings, saved, store)
    server.controller.on_server_bind.add(lambda site: _protect(site.app, guard, settings))
    stopped = asyncio.Event()
    _on_signals(stopped.set)
    asyncio.get_running_loop().set_exception_handler(_tell_unless_page_has_gone)
    serving = asyncio.create_task(
        server.start(
            host=address.host, port=address.port, exec_mode="coroutine", open_browser=False,
            show_connection_info=False, disable_logging=True, timeout=0, thread=True,
        )
    )  # fmt: skip
    await server.ready
    ready(guard.address(address.host, server.port))
    skipped: list[str] = []
    viewer.tell("Looking for images")
    found = await asyncio.to_thread(
        lambda: [WorkItem(source) for source in find_images(paths, on_skip=skipped.append)]
    )
    viewer.start(found)
    await stopped.wait()
    tell("Stopping")
    notes += await viewer.finish()
    await server.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    return notes


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # asyncio's, on Windows: the plain handler serves there
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _tell_unless_page_has_gone(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Pass over what could not be sent because its page was closed meanwhile; tell the rest.

    wslink sends pictures and changes in tasks that nobody awaits, so that asyncio would print a
    traceback for each of them that is under way when a page closes or the viewer stops.
    """
    if not isinstance(context.get("exception"), ConnectionResetError):
        loop.default_exception_handler(context)


def _protect(app: Any, guard: Guard, settings: Settings) -> None:
    """Ask the guard about every request, and let the page open the reports that were saved."""
    from aiohttp import web

    @web.middleware
    async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
        return await guard(request, handler)

    async def report(request: web.Request) -> web.StreamResponse:
        path = _inside(settings.out, request.match_info["path"])
        if path is None or path.is_relative_to(settings.labels.resolve()):  # keeps pixels as PNG
            raise web.HTTPNotFound
        response = web.FileResponse(path)
        # Reports are pages of their own: they cannot act for the one that they were opened from.
        response.headers["Content-Security-Policy"] = "sandbox allow-scripts allow-popups"
        return response

    app.middlewares.append(guarded)
    app.router.add_get("/saved/{path:.+}", report)


def _inside(folder: Path, path: str) -> Path | None:
    """The file of a report; None for anything else, links out of the folder included."""
    root = folder.resolve()
    file = (root / path).resolve()
    is_report = file.suffix in (".html", ".css", ".js", ".png", ".svg")
    return file if file.is_relative_to(root) and is_report and file.is_file() else None
