"""The page: Vuetify components bound to the viewer's state.

Nothing that an image says gets into a template: it is state, which Vue escapes where it is shown.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from WristQCLib.resources import RESOURCES
from WristQCLib.saving import Kind
from WristQCLib.viewer.language import Language, codes
from WristQCLib.worklist import Order

if TYPE_CHECKING:
    from trame_server import Server
    from trame_slicer.core import LayoutManager

    from WristQCLib.viewer.app import Viewer
    from WristQCLib.viewer.rows import Say

FILES = RESOURCES / "Viewer"
LIST_WIDTH, PANEL_WIDTH = 248, 376

WORDS = (
    "WristQC", "Wrist radiograph quality", "Not a diagnostic device.", "List of studies", "Panel",
    "Drag points, pan", "Window width and centre", "Zoom", "Zoom in", "Zoom out",
    "Fit to the view", "Window as in the file", "Invert", "Points and lines",
    "Both views of the wrist side by side", "Undo", "Redo", "Previous image", "Next image", "Save",
    "Language", "Light or dark", "Keys and mouse", "Search", "Order", "as given", "worst first",
    "least certain first", "most different from the training images first", "random", "Stop",
    "Corrected, not saved", "No image matches.", "of 100",
    "Score", "Corrections", "DICOM", "Task", "Measured", "Points", "How to do better",
    "View", "Side", "Foreign object", "Pixel size", "frontal", "lateral", "left", "right", "none",
    "present",
    "Place by a click", "Not in the image", "Keypoints", "Click the place in the image.",
    "Your name", "Show what identifies the patient", "Save reports and labels", "What to save",
    "Report (HTML)", "Record (JSON)", "Table (CSV)", "Labels (Labelme)", "Labels (3D Slicer)",
    "DICOM structured report", "all images", "this image", "Name the patient in reports",
    "A DICOM structured report always names the patient, as its image does.", "Folder", "Cancel",
    "Close", "Open the report", "Reading the first image", "Drag a point", "moves the keypoint",
    "Left button", "pans, zooms or sets the window, as chosen above", "Right button, wheel",
    "zoom", "Middle button", "pans", "Click a task", "draws its lines alone",
    "still assessing", "Filter by grade",
    "Choose an image of the list.", "There is no image in what was given.",
    "Accept", "Accept and next", "Agreement and conflicts", "Filter by check",
    "Pass over what others checked", "Label store", "Conflicts", "Show", "not checked", "checked",
    "changed since it was checked", "checked by others", "in conflict",
    "Accept as decided",
    "The image that is shown then counts for all readers.",
)  # fmt: skip
"""All words of the page itself, in English."""

_KINDS = {
    Kind.HTML: "Report (HTML)", Kind.CSV: "Table (CSV)", Kind.JSON: "Record (JSON)",
    Kind.LABELME: "Labels (Labelme)", Kind.MARKUPS: "Labels (3D Slicer)",
    Kind.DICOM_SR: "DICOM structured report",
}  # fmt: skip
_KEYS = (
    ("↑ ↓", "Previous image", "Next image"), ("Z  Y", "Undo", "Redo"),
    ("A", "Accept", ""), ("Enter  N", "Accept and next", ""),
    ("Ctrl+S", "Save", ""), ("F", "Fit to the view", ""), ("+ −", "Zoom in", "Zoom out"),
    ("I", "Invert", ""), ("R", "Window as in the file", ""), ("L", "Points and lines", ""),
    ("1 2 3", "Drag points, pan", "Window width and centre", "Zoom"),
    ("B", "Both views of the wrist side by side", ""),
)  # fmt: skip
_MOUSE = (
    ("Drag a point", "moves the keypoint"),
    ("Left button", "pans, zooms or sets the window, as chosen above"),
    ("Right button, wheel", "zoom"), ("Middle button", "pans"),
    ("Click a task", "draws its lines alone"),
)  # fmt: skip

_THEMES = {
    "dark": {
        "dark": True,
        "colors": {
            "background": "#0b1015", "surface": "#121920", "surface-light": "#1b242d",
            "surface-bright": "#c6d2dc",
            "surface-variant": "#2a3641", "on-surface-variant": "#c6d2dc",
            "primary": "#62b6e0", "secondary": "#93a2b0", "success": "#1fa37f",
            "warning": "#d99a1f", "error": "#e0702e", "info": "#3a93d0",
        },
    },
    "light": {
        "dark": False,
        "colors": {
            "background": "#eef1f4", "surface": "#ffffff", "surface-light": "#f4f6f8",
            "surface-bright": "#ffffff",
            "surface-variant": "#dde3e9", "on-surface-variant": "#33404c",
            "primary": "#0b6e99", "secondary": "#5c6b7a", "success": "#00795a",
            "warning": "#9a6700", "error": "#b3400e", "info": "#0067a6",
        },
    },
}  # fmt: skip
"""Colours of the report (`Resources/Report/report.css`)."""
_CONFIG: dict[str, Any] = {
    "theme": {"defaultTheme": "dark", "themes": _THEMES},
    "defaults": {
        "VBtn": {"variant": "text", "density": "comfortable", "rounded": "md"},
        "VTextField": {"density": "compact", "variant": "outlined", "hideDetails": True},
        "VSelect": {"density": "compact", "variant": "outlined", "hideDetails": True},
        "VCheckbox": {"density": "compact", "hideDetails": True, "color": "primary"},
        "VSwitch": {"density": "compact", "hideDetails": True, "color": "primary"},
        "VTooltip": {"location": "bottom", "openDelay": 400},
        "VTabs": {"density": "compact", "color": "primary"},
    },
}


def words(say: Say) -> dict[str, str]:
    """The page's words in a language."""
    return {word: say(word) for word in WORDS}


def _t(word: str) -> str:
    """The expression of a word of the page."""
    if word not in WORDS:
        raise KeyError(word)
    return f"t['{word}']"


def _text(word: str) -> str:
    return f"{{{{ {_t(word)} }}}}"


def build(server: Server, viewer: Viewer, layout: LayoutManager) -> None:
    """Make the page of a viewer.

    Parameters
    ----------
    server
        Of trame.
    viewer
        Does what the page asks for.
    layout
        Of the slice views.
    """
    from trame.ui.vuetify3 import VAppLayout
    from trame.widgets import client, html
    from trame.widgets import vuetify3 as v3

    server.state.trame__title = "WristQC"
    server.state.trame__favicon = None
    server.enable_module({"serve": {"viewer": str(FILES)}, "styles": ["viewer/viewer.css"]})
    server.controller.trigger("key")(lambda key: _press(viewer, server, key))
    server.controller.trigger("activate")(viewer.activate)
    with VAppLayout(server, vuetify_config=_CONFIG) as app:
        app.root.theme = ("dark ? 'dark' : 'light'",)
        client.Script((FILES / "viewer.js").read_text(encoding="utf-8"))
        _bar(v3, viewer)
        _list(v3, html, viewer)
        _panel(v3, html, viewer)
        with v3.VMain(classes="views"):
            with html.Div(classes="slices", v_show="panel.name"):
                layout.initialize_layout_grid(app)
            with html.Div(classes="waiting", v_if="!panel.name"):
                v3.VProgressCircular(indeterminate=True, size=44, color="primary", v_if="run.busy")
                html.Div(
                    "{{ run.text || " + _t("Reading the first image") + " }}", classes="mt-4",
                    v_if="run.busy",
                )  # fmt: skip
                html.Div(_text("Choose an image of the list."), v_else_if="studies.length")
                html.Div(_text("There is no image in what was given."), v_else=True)
        _save_dialogue(v3, html, viewer)
        _agreement_dialogue(v3, html, viewer)
        _help_dialogue(v3, html)
        with v3.VSnackbar(
            v_model=("message_shown",), color=("message_colour",), timeout=8000, location="bottom",
        ):  # fmt: skip
            html.Span("{{ message }}", id="message")
            with v3.Template(v_slot_actions=True):
                v3.VBtn(
                    _text("Open the report"), v_if="report", href=("report",),
                    raw_attrs=['target="_blank"', 'rel="noopener"'],
                )  # fmt: skip
                v3.VBtn(_text("Close"), click="message_shown = false")


# The bar -----------------------------------------------------------------------------------------


def _icon(v3: Any, icon: str, word: str, click: Any, **options: Any) -> None:
    """A button with an icon that says what it does."""
    with v3.VBtn(icon=True, size="small", click=click, raw_attrs=[_named(word)], **options):
        v3.VIcon(icon, size=20)
        v3.VTooltip(_text(word), activator="parent")


def _named(word: str) -> str:
    """The attribute by which a screen reader calls what has no text."""
    return f':aria-label="{_t(word)}"'


def _toggle(v3: Any, icon: str, word: str, variable: str, **options: Any) -> None:
    """A button that switches a variable on and off."""
    _icon(
        v3, icon, word, f"{variable} = !{variable}",
        active=(variable,), color=(f"{variable} ? 'primary' : undefined",), **options,
    )  # fmt: skip


def _bar(v3: Any, viewer: Viewer) -> None:
    line = {"vertical": True, "inset": True, "classes": "mx-1"}
    with v3.VAppBar(density="compact", height=44, flat=True, border="b"):
        _icon(v3, "mdi-menu", "List of studies", "list_shown = !list_shown", classes="ml-1")
        v3.VToolbarTitle(_text("WristQC"), classes="title")
        with v3.VBtnToggle(
            v_model=("tool",), mandatory=True, density="compact", color="primary", variant="text"
        ):
            for tool, icon, word in (
                ("pan", "mdi-cursor-move", "Drag points, pan"),
                ("window", "mdi-contrast-circle", "Window width and centre"),
                ("zoom", "mdi-magnify-plus-outline", "Zoom"),
            ):
                with v3.VBtn(value=tool, icon=True, size="small", raw_attrs=[_named(word)]):
                    v3.VIcon(icon, size=20)
                    v3.VTooltip(_text(word), activator="parent")
        v3.VDivider(**line)
        _icon(v3, "mdi-fit-to-page-outline", "Fit to the view", viewer.fit)
        _icon(v3, "mdi-brightness-auto", "Window as in the file", viewer.reset_window)
        _toggle(v3, "mdi-invert-colors", "Invert", "inverted")
        _toggle(v3, "mdi-vector-polyline", "Points and lines", "overlay")
        _toggle(v3, "mdi-view-split-vertical", "Both views of the wrist side by side", "both_views")
        v3.VDivider(**line)
        _icon(v3, "mdi-undo", "Undo", viewer.undo, disabled=("!can_undo",), id="undo")
        _icon(v3, "mdi-redo", "Redo", viewer.redo, disabled=("!can_redo",), id="redo")
        v3.VDivider(**line)
        _icon(v3, "mdi-chevron-up", "Previous image", (viewer.step, "[-1]"), id="previous")
        _icon(v3, "mdi-chevron-down", "Next image", (viewer.step, "[1]"), id="next")
        v3.VSpacer()
        with v3.VBadge(
            content=("unsaved",), model_value=("unsaved > 0",), color="warning",
            offset_x=6, offset_y=6,
        ):  # fmt: skip
            v3.VBtn(
                _text("Save"), prepend_icon="mdi-content-save-outline", id="save",
                click="save_shown = true", disabled=("!studies.length",), variant="tonal",
                color="primary", size="small", classes="mx-2",
            )  # fmt: skip
        with v3.VMenu():
            with v3.Template(v_slot_activator="{ props }"):  # noqa: SIM117
                with v3.VBtn(
                    v_bind="props", icon=True, size="small", id="language",
                    raw_attrs=[_named("Language")],
                ):  # fmt: skip
                    v3.VIcon("mdi-translate", size=20)
            with v3.VList(density="compact"):
                for code in codes():
                    v3.VListItem(
                        title=Language.load(code).name, id=f"language-{code}",
                        click=f"language = '{code}'", active=(f"language === '{code}'",),
                    )  # fmt: skip
        _icon(v3, "mdi-theme-light-dark", "Light or dark", "dark = !dark", id="dark")
        _icon(v3, "mdi-help-circle-outline", "Keys and mouse", "help_shown = true")
        _icon(v3, "mdi-page-layout-sidebar-right", "Panel", "panel_shown = !panel_shown",
              classes="mr-1")  # fmt: skip


# The list ----------------------------------------------------------------------------------------


def _rank(row: str) -> str:
    """The class that colours a grade."""
    return f"{row}.rank === null ? 'g-none' : 'g' + {row}.rank"


def _badge(html: Any, row: str, size: str) -> None:
    open_ = f"{row}.open || {row}.range ? 'open' : ''"
    html.Span(
        f"{{{{ {row}.grade || '–' }}}}", classes=(f"['grade', '{size}', {open_}, {_rank(row)}]",)
    )


def _list(v3: Any, html: Any, viewer: Viewer) -> None:
    with v3.VNavigationDrawer(
        v_model=("list_shown",), width=LIST_WIDTH, disable_resize_watcher=True, permanent=True,
        v_show="list_shown", border="e", id="list",
    ):  # fmt: skip
        with html.Div(classes="pa-2 filters"):
            v3.VTextField(
                v_model=("search",), placeholder=(_t("Search"),), clearable=True, id="search",
                prepend_inner_icon="mdi-magnify",
            )  # fmt: skip
            items = ", ".join(
                f"{{ title: {_t(order.value)}, value: '{order.value}' }}" for order in Order
            )
            v3.VSelect(
                v_model=("order",), items=(f"[{items}]",), classes="mt-2", id="order",
                prepend_inner_icon="mdi-sort", menu_props=("{ density: 'compact' }",),
            )  # fmt: skip
            with v3.VChipGroup(  # noqa: SIM117
                v_model=("grades",), multiple=True, filter=False, column=True, classes="mt-1",
                raw_attrs=[_named("Filter by grade")],
            ):  # fmt: skip
                with v3.VChip(
                    v_for="count in counts", key=("count.grade",), value=("count.grade",),
                    size="small", variant="outlined", classes=(f"['mr-1', {_rank('count')}]",),
                    filter=True, id=("`filter-${count.grade}`",),
                ):  # fmt: skip
                    html.Span("{{ count.grade }}", classes="font-weight-bold mr-1")
                    html.Span("{{ count.count }}", classes="count")
            with v3.VChipGroup(  # noqa: SIM117
                v_model=("wanted_checks",), multiple=True, filter=False, column=True,
                raw_attrs=[_named("Filter by check")],
            ):  # fmt: skip
                with v3.VChip(
                    v_for="check in checks", key=("check.check",), value=("check.check",),
                    size="small", variant="outlined", classes="mr-1", filter=True,
                    title=("check.title",), id=("`filter-${check.check.replaceAll(' ', '-')}`",),
                ):  # fmt: skip
                    v3.VIcon(icon=("check.icon",), color=("check.colour",), size=15)
                    html.Span("{{ check.count }}", classes="count ml-1")
        v3.VDivider()
        with v3.VList(density="compact", nav=True, classes="images", id="studies"):
            with html.Div(v_for="study in studies", key=("study.id",), classes=(
                "['study', study.images.length > 1 ? 'together' : '']",)):  # fmt: skip
                html.Div("{{ study.title }}", v_if="study.title", classes="study-title")
                with v3.VListItem(
                    v_for="image in study.images", key=("image.id",), rounded="md",
                    active=("image.id === current",), click=(viewer.choose, "[image.id]"),
                    id=("`image-${image.id}`",), color="primary",
                ):  # fmt: skip
                    with v3.Template(v_slot_prepend=True):
                        _badge(html, "image", "small")
                    v3.VListItemTitle("{{ image.name }}", title=("image.problem || image.name",))
                    v3.VListItemSubtitle("{{ image.about }}")
                    with v3.Template(v_slot_append=True):
                        v3.VIcon(
                            "mdi-circle-medium", v_if="image.unsaved", color="warning", size=18,
                            title=(_t("Corrected, not saved"),),
                        )  # fmt: skip
                        html.Span("{{ image.total }}", classes="total")
                        v3.VIcon(
                            icon=("image.check.icon",), color=("image.check.colour",), size=16,
                            v_if="image.check.icon", classes="ml-1 check",
                            title=("image.check.said",),
                        )  # fmt: skip
            html.Div(
                _text("No image matches."), v_if="!studies.length && !run.busy",
                classes="pa-2 text-secondary",
            )  # fmt: skip
        with v3.Template(v_slot_append=True):  # noqa: SIM117
            with html.Div(v_show="run.busy", classes="run"):
                v3.VProgressLinear(
                    model_value=("run.total ? 100 * run.done / run.total : 0",), height=3,
                    indeterminate=("!run.done",), color="primary",
                )  # fmt: skip
                with html.Div(classes="d-flex align-center px-2 py-1"):
                    html.Span("{{ run.text }}", classes="flex-grow-1 text-truncate")
                    html.Span("{{ run.total ? run.done + ' / ' + run.total : '' }}", id="run")
                    _icon(v3, "mdi-stop", "Stop", viewer.review.cancel, v_if="run.total")


# The panel ---------------------------------------------------------------------------------------


def _panel(v3: Any, html: Any, viewer: Viewer) -> None:
    with v3.VNavigationDrawer(
        v_model=("panel_shown",), location="right", width=PANEL_WIDTH, permanent=True,
        disable_resize_watcher=True, v_show="panel_shown", border="s", id="panel",
    ):  # fmt: skip
        with html.Div(classes="verdict", v_if="panel.name"):
            _badge(html, "panel", "large")
            with html.Div(classes="flex-grow-1 overflow-hidden"):
                with html.Div(classes="d-flex align-baseline"):
                    html.Span("{{ panel.total || '–' }}", classes="sum", id="total")
                    html.Span(_text("of 100"), classes="ml-2 text-secondary", v_if="panel.total")
                    v3.VProgressCircular(
                        v_if="panel.working", indeterminate=True, size=16, width=2,
                        classes="ml-3", color="primary", title=(_t("still assessing"),),
                    )  # fmt: skip
                html.Div("{{ panel.range }}", v_if="panel.range", classes="range", id="range")
                html.Div("{{ panel.told }}", classes="told", title=("panel.told",))
        with html.Div(classes="sections", v_if="panel.sections.length"):  # noqa: SIM117
            with html.Div(v_for="section in panel.sections", key=("section.title",)):
                html.Span("{{ section.title }}")
                html.Span("{{ section.points }}/{{ section.most }}", classes="points")
                v3.VProgressLinear(
                    model_value=("section.share",), height=4, rounded=True,
                    color=("section.share === 100 ? 'success' : 'primary'",),
                )  # fmt: skip
        v3.VAlert(
            "{{ remark }}", v_for="remark in panel.remarks", key=("remark",), type="warning",
            variant="tonal", density="compact", classes="mx-3 mb-2 remark", icon=False,
        )  # fmt: skip
        with v3.VTabs(v_model=("tab",), height=34, grow=True, v_if="panel.grade"):
            for tab, word in (
                ("score", "Score"), ("corrections", "Corrections"), ("header", "DICOM"),
            ):  # fmt: skip
                v3.VTab(_text(word), value=tab, id=f"tab-{tab}")
        v3.VDivider()
        with v3.VWindow(v_model=("tab",), v_if="panel.grade"):
            with v3.VWindowItem(value="score", transition=False, reverse_transition=False):
                _score(v3, html, viewer)
            with v3.VWindowItem(value="corrections", transition=False, reverse_transition=False):
                _corrections(v3, html, viewer)
            with v3.VWindowItem(value="header", transition=False, reverse_transition=False):
                _header(v3, html)
        with v3.Template(v_slot_append=True):
            _acceptance(v3, html, viewer)
            html.Div(_text("Not a diagnostic device."), classes="prudence")


def _acceptance(v3: Any, html: Any, viewer: Viewer) -> None:
    with html.Div(classes="acceptance", v_if="studies.length || progress.share"):
        with html.Div(classes="d-flex align-center"):
            with html.Div(classes="flex-grow-1"):
                html.Span("{{ progress.text }}", id="progress", classes="font-weight-medium")
                html.Span("{{ progress.others }}", v_if="progress.others", id="by-others",
                          classes="ml-2 text-secondary")  # fmt: skip
            _icon(v3, "mdi-chart-box-outline", "Agreement and conflicts", viewer.show_agreement,
                  id="agreement")  # fmt: skip
        v3.VProgressLinear(
            model_value=("progress.share",), buffer_value=("progress.share_all",), height=4,
            rounded=True, color="success", buffer_color="info", buffer_opacity="0.6",
        )  # fmt: skip
        with html.Div(classes="state d-flex align-center", v_if="check", id="check"):
            v3.VIcon(icon=("check.icon",), color=("check.colour",), size=16, classes="mr-1")
            html.Span("{{ check.said }}")
        with html.Div(classes="d-flex mt-1"):
            v3.VBtn(
                _text("Accept"), click=viewer.accept, variant="tonal", color="primary", id="accept",
                prepend_icon="mdi-check", disabled=("!panel.name",), title="A",
            )  # fmt: skip
            v3.VBtn(
                _text("Accept and next"), click=viewer.accept_and_next, variant="flat",
                color="primary", classes="ml-2 flex-grow-1", id="accept-next",
                prepend_icon="mdi-check-all", disabled=("!panel.name",), title="Enter, N",
            )  # fmt: skip


def _score(v3: Any, html: Any, viewer: Viewer) -> None:
    with v3.VTable(density="compact", classes="tasks", hover=True):
        with html.Thead(), html.Tr():
            html.Th(_text("Task"))
            html.Th(_text("Measured"), classes="text-right")
            html.Th(_text("Points"), classes="text-right")
        with html.Tbody():  # noqa: SIM117
            with html.Tr(
                v_for="task in tasks", key=("task.title",),
                click=(viewer.highlight, "[task.tasks]"),
                classes=("chosen_tasks.join() === task.tasks.join() ? 'chosen' : ''",),
            ):  # fmt: skip
                with html.Td():
                    with html.Div(classes="d-flex"):
                        v3.VIcon(
                            icon=("task.icon",), color=("task.colour",), size=15,
                            classes="mr-2 state",
                        )  # fmt: skip
                        html.Span("{{ task.title }}")
                    html.Div("{{ task.detail }}", v_if="task.detail", classes="detail")
                html.Td("{{ task.measured }}", classes="text-right measured")
                html.Td("{{ task.points }}", classes="text-right points")
    with html.Div(v_if="advice.length", classes="pa-3"):
        html.Div(_text("How to do better"), classes="heading")
        with html.Div(
            v_for="piece in advice", key=("piece.text",), classes="advice",
            click=(viewer.highlight, "[piece.tasks]"),
        ):  # fmt: skip
            html.Span("{{ piece.gain }}", classes="gain")
            html.Span("{{ piece.text }}")


def _choice(v3: Any, html: Any, word: str, value: str, choose: Any, choices: Any) -> None:
    html.Div(_text(word), classes="heading")
    with v3.VBtnToggle(
        model_value=(f"stated.{value}",), update_modelValue=(choose, "[$event]"), divided=True,
        density="compact", color="primary", variant="outlined", mandatory=True,
        classes="mb-3 choice",
    ):  # fmt: skip
        for name, said in choices:
            v3.VBtn(_text(said), value=name, size="small", id=f"{value}-{name}")


def _corrections(v3: Any, html: Any, viewer: Viewer) -> None:
    with html.Div(classes="pa-3 pb-0"):
        _choice(v3, html, "View", "view", viewer.state_view,
                (("frontal", "frontal"), ("lateral", "lateral")))  # fmt: skip
        _choice(v3, html, "Side", "side", viewer.state_side, (("L", "left"), ("R", "right")))
        _choice(v3, html, "Foreign object", "artefact", viewer.state_artefact,
                (("none", "none"), ("present", "present")))  # fmt: skip
        with html.Div(v_if="stated.spacing !== null"):
            html.Div(_text("Pixel size"), classes="heading")
            v3.VTextField(
                model_value=("stated.spacing",), suffix="mm",
                change=(viewer.state_spacing, "[$event.target.value]"), placeholder="0.15",
                classes="mb-3 spacing", id="spacing",
            )  # fmt: skip
        html.Div(_text("Keypoints"), classes="heading")
        v3.VAlert(
            _text("Click the place in the image."), v_if="placing", type="info", variant="tonal",
            density="compact",
        )  # fmt: skip
    with v3.VList(density="compact", classes="keypoints pt-0"):  # noqa: SIM117
        with v3.VListItem(v_for="point in keypoints", key=("point.name",)):
            with v3.Template(v_slot_prepend=True):
                v3.VIcon(icon=("point.icon",), color=("point.colour",), size=16, classes="mr-n4")
            v3.VListItemTitle("{{ point.title }}")
            v3.VListItemSubtitle("{{ point.state }}")
            with v3.Template(v_slot_append=True):
                _icon(v3, "mdi-crosshairs-gps", "Place by a click", (viewer.place, "[point.name]"),
                      id=("`place-${point.name}`",))  # fmt: skip
                _icon(v3, "mdi-eye-off-outline", "Not in the image",
                      (viewer.mark_absent, "[point.name]"), disabled=("point.absent",),
                      id=("`absent-${point.name}`",))  # fmt: skip
    with html.Div(classes="pa-3"):
        v3.VTextField(
            model_value=("person",), label=(_t("Your name"),), raw_attrs=['maxlength="64"'],
            change="person = $event.target.value", id="person",
        )  # fmt: skip


def _header(v3: Any, html: Any) -> None:
    with v3.VTable(density="compact", classes="tasks"), html.Tbody():  # noqa: SIM117
        with html.Tr(v_for="item in header", key=("item.title",)):
            with html.Td(), html.Div(classes="d-flex"):
                v3.VIcon(icon=("item.icon",), color=("item.colour",), size=15, classes="mr-2 state")
                html.Span("{{ item.title }}")
            html.Td("{{ item.value }}", classes="value")
    with html.Div(classes="px-3"):
        v3.VSwitch(
            v_model=("identity",), label=(_t("Show what identifies the patient"),), id="identity"
        )


# Dialogues ---------------------------------------------------------------------------------------


def _save_dialogue(v3: Any, html: Any, viewer: Viewer) -> None:
    with v3.VDialog(v_model=("save_shown",), width=440), v3.VCard(rounded="lg"):
        v3.VCardTitle(_text("Save reports and labels"))
        with v3.VCardText(classes="py-0"):
            for kind, word in _KINDS.items():
                v3.VCheckbox(
                    v_model=("save_kinds",), value=kind.value, label=(_t(word),),
                    id=f"save-{kind.value}",
                )  # fmt: skip
            with v3.VRadioGroup(
                v_model=("save_all",), inline=True, density="compact", hide_details=True,
                color="primary", classes="mt-3",
            ):  # fmt: skip
                v3.VRadio(label=(_t("all images"),), value=("true",))
                v3.VRadio(label=(_t("this image"),), value=("false",))
            v3.VCheckbox(
                v_model=("save_identity",),
                label=(_t("Name the patient in reports"),),
                classes="mt-2",
            )
            html.Div(
                _text("A DICOM structured report always names the patient, as its image does."),
                v_if=f"save_kinds.includes('{Kind.DICOM_SR.value}')",
                classes="text-caption text-secondary",
            )
            html.Div(
                _text("Folder") + ": {{ out }}", classes="text-caption text-secondary mt-2 path"
            )
            v3.VProgressLinear(
                v_show="saving", model_value=("saving",), color="primary", classes="mt-2"
            )
        with v3.VCardActions():
            v3.VSpacer()
            v3.VBtn(_text("Cancel"), click="save_shown = false")
            v3.VBtn(
                _text("Save"), click=viewer.save, color="primary", variant="flat", id="save-now",
                disabled=("!save_kinds.length || saving > 0",),
            )  # fmt: skip


def _agreement_dialogue(v3: Any, html: Any, viewer: Viewer) -> None:
    with (
        v3.VDialog(v_model=("agreement_shown",), width=900, scrollable=True),
        v3.VCard(rounded="lg", id="agreement-card"),
    ):
        v3.VCardTitle(_text("Agreement and conflicts"))
        with v3.VCardText(classes="py-0 agreement"):
            html.Div("{{ progress.text }} {{ progress.others }}", classes="font-weight-medium")
            html.Div(_text("Label store") + ": {{ labels }}", classes="text-secondary path")
            v3.VSwitch(
                v_model=("skip_others",), label=(_t("Pass over what others checked"),),
                id="skip-others",
            )  # fmt: skip
            v3.VProgressLinear(v_show="agreement_busy", indeterminate=True, color="primary")
            with html.Div(v_if="conflicts.length", id="conflicts", classes="mb-3"):
                html.Div(_text("Conflicts"), classes="heading")
                with html.Div(
                    v_for="conflict in conflicts", key=("conflict.text",),
                    classes="d-flex align-center conflict",
                ):  # fmt: skip
                    v3.VIcon("mdi-alert-circle", color="error", size=16, classes="mr-2")
                    html.Span("{{ conflict.text }}", classes="flex-grow-1")
                    v3.VBtn(
                        _text("Show"), v_if="conflict.id && conflict.id !== current", size="small",
                        click=(viewer.choose, "[conflict.id]"),
                    )  # fmt: skip
                    v3.VBtn(
                        _text("Accept as decided"), v_if="conflict.id && conflict.id === current",
                        size="small", click=viewer.decide, variant="tonal", color="primary",
                        title=(_t("The image that is shown then counts for all readers."),),
                        id="decide",
                    )  # fmt: skip
            html.P("{{ told }}", v_for="told in agreement_told", key=("told",), classes="mb-2")
            with html.Div(v_for="(table, place) in agreement", key=("place",), classes="mb-3"):
                html.H3("{{ table.about }}", v_if="table.about", classes="mt-4 mb-2")
                html.Div("{{ table.title }}", v_if="table.title", classes="heading")
                with v3.VTable(
                    density="compact", classes=("['figures', table.matrix ? 'matrix' : '']",)
                ):
                    with html.Thead(), html.Tr():
                        html.Th("{{ cell }}", v_for="(cell, n) in table.head", key=("n",))
                    with html.Tbody():  # noqa: SIM117
                        with html.Tr(v_for="(row, m) in table.rows", key=("m",)):
                            html.Td("{{ cell }}", v_for="(cell, n) in row", key=("n",))
                html.Div("{{ table.note }}", v_if="table.note", classes="text-secondary note")
        with v3.VCardActions():
            v3.VSpacer()
            v3.VBtn(_text("Close"), click="agreement_shown = false", id="agreement-close")


def _help_dialogue(v3: Any, html: Any) -> None:
    with v3.VDialog(v_model=("help_shown",), width=520), v3.VCard(rounded="lg"):
        v3.VCardTitle(_text("Keys and mouse"))
        with v3.VTable(density="compact", classes="px-4"), html.Tbody():
            for keys, *meanings in _KEYS:
                with html.Tr():
                    html.Td(keys, classes="font-weight-bold")
                    html.Td(", ".join(_text(word) for word in meanings if word))
            for gesture, meaning in _MOUSE:
                with html.Tr():
                    html.Td(_text(gesture))
                    html.Td(_text(meaning))
        with v3.VCardActions():
            v3.VSpacer()
            v3.VBtn(_text("Close"), click="help_shown = false")


# Over the views ----------------------------------------------------------------------------------


def draw_over(name: str) -> None:
    """What stands in the corners of the slice view of this name."""
    from trame.widgets import html

    view = f"views.{name}"
    with html.Div(
        classes=(f"['corners', active_view === '{name}' ? 'active' : '']",),
        id=f"corners-{name}",
    ):
        with html.Div(classes="corner top left", v_if=view):
            html.Div(f"{{{{ {view}.name }}}}", classes="font-weight-medium")
            html.Div(f"{{{{ {view}.about }}}}")
        html.Div(f"W/L {{{{ {view}.window }}}}", classes="corner bottom left", v_if=view)
        html.Div(f"{{{{ {view}.zoom }}}}", classes="corner bottom right", v_if=view)


# Keys --------------------------------------------------------------------------------------------


def _press(viewer: Viewer, server: Server, key: str) -> Awaitable[None] | None:
    """Do what a key means, or begin it; the page's script says which was pressed."""
    state = server.state
    actions: dict[str, Any] = {
        "ArrowUp": lambda: viewer.step(-1), "PageUp": lambda: viewer.step(-1),
        "ArrowDown": lambda: viewer.step(1), "PageDown": lambda: viewer.step(1),
        ",": lambda: viewer.step(-1), ".": lambda: viewer.step(1),
        "z": viewer.undo, "y": viewer.redo,
        "Ctrl+z": viewer.undo, "Ctrl+y": viewer.redo, "Ctrl+Shift+z": viewer.redo,
        "f": viewer.fit, "+": lambda: viewer.zoom(1), "-": lambda: viewer.zoom(-1),
        "r": viewer.reset_window, "a": viewer.accept, "n": viewer.accept_and_next,
        "Enter": viewer.accept_and_next,
    }  # fmt: skip
    switches = {"i": "inverted", "l": "overlay", "b": "both_views"}
    tools = {"1": "pan", "2": "window", "3": "zoom"}
    if key in actions:
        begun: Awaitable[None] | None = actions[key]()
        return begun
    if key in switches:
        state[switches[key]] = not state[switches[key]]
    elif key in tools:
        state.tool = tools[key]
    elif key == "Ctrl+s":
        state.save_shown = bool(state.studies)
    return None
