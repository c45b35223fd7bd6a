"""Labels as COCO keypoints: one JSON file for many images.

Every image has one annotation of the category ``wrist_frontal`` or ``wrist_lateral``, whose
keypoints are in the protocol's order: ``v`` is 2 where the point was found, 0 (then x = y = 0)
where it is not in the image or still to be placed. Its box is the whole image, because a radiograph
of a wrist shows nothing else and a network should look at all of it. Rectangles are annotations of
the category that they are labelled with: ``marker_L``, ``marker_R``, ``foreign_object`` or another
word. The ``wristqc`` entry of an image tells the rest; what another tool changed beside it goes
before it.

Coordinates are those of COCO: keypoints are pixel indices, pixel centres at integers, as everywhere
in this program; boxes are continuous, with the upper left corner of the image at (0, 0), which is
half a pixel up and left of the centre of its first pixel. (detectron2 reads COCO so, too:
``detectron2/data/datasets/coco.py`` adds 0.5 to keypoints alone.)

Format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels.files import OTHER_FORM, Json, naming, numbers, read_json, text, write_json
from WristQCLib.labels.image_labels import (
    FOREIGN_OBJECT,
    MARKER_LABELS,
    ImageLabels,
    LabelError,
    Rectangle,
)
from WristQCLib.labels.reading import SAME_PLACE_PX
from WristQCLib.labels.record import KEY, image_of, is_record, labels_of, portable_record

OnProblem = Callable[[str], None]

CATEGORIES: Mapping[View, str] = {view: f"wrist_{view}" for view in View}
"""Category of the wrist by view."""

_UNTOLD = "A COCO file does not tell it."


def write_coco(path: Path | str, labels: Iterable[ImageLabels]) -> None:
    """Write the labels of many images as one COCO file.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    write_json(Path(path), coco_document(labels))


def coco_document(labels: Iterable[ImageLabels]) -> Json:
    """The content of a COCO file; images are numbered from 1 in the order that is given."""
    categories: dict[str, Json] = {}

    def id_of(name: str, **content: object) -> int:
        entry = {"id": len(categories) + 1, "name": name, **content}
        return int(categories.setdefault(name, entry)["id"])

    for view in View:
        id_of(
            CATEGORIES[view],
            supercategory="wrist",
            keypoints=list(KEYPOINT_NAMES[view]),
            skeleton=[],
        )
    for name in MARKER_LABELS:
        id_of(name, supercategory="side_marker")
    id_of(FOREIGN_OBJECT, supercategory=FOREIGN_OBJECT)
    images: list[Json] = []
    annotations: list[Json] = []
    for of_image in labels:
        size = of_image.image.geometry
        images.append(
            {
                "id": len(images) + 1,
                "file_name": of_image.image.name,
                "width": size.width,
                "height": size.height,
                KEY: portable_record(of_image),
            }
        )
        for category, content in (
            (CATEGORIES[of_image.view], _wrist(of_image)),
            *((rectangle.label, _box(rectangle)) for rectangle in of_image.rectangles),
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": id_of(category, supercategory="other"),
                    "iscrowd": 0,
                    "segmentation": [],
                    **content,
                }
            )
    return {
        "info": {"description": "Labels of wrist radiographs", "contributor": "WristQC"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": list(categories.values()),
    }


def _wrist(labels: ImageLabels) -> Json:
    size = labels.image.geometry
    triples: list[float] = []
    for point in labels.keypoints:
        triples += [*point.position, 2] if point.position is not None else [0, 0, 0]
    return {
        "keypoints": triples,
        "num_keypoints": sum(visible == 2 for visible in triples[2::3]),
        "bbox": [0, 0, size.width, size.height],
        "area": size.width * size.height,
    }


def _box(rectangle: Rectangle) -> Json:
    x0, y0, x1, y1 = rectangle.box
    width, height = abs(x1 - x0), abs(y1 - y0)
    corner = [min(x0, x1) + 0.5, min(y0, y1) + 0.5]
    return {"bbox": [*corner, width, height], "area": width * height}


def read_coco(
    path: Path | str, person: str = "unnamed", on_problem: OnProblem | None = None
) -> list[ImageLabels]:
    """Read a COCO file, whoever wrote it.

    Keypoints and boxes are read; of a mask, its box. A keypoint with ``v`` 1 is where it is said to
    be. One with ``v`` 0 is still to be placed, as COCO has it ("not labelled"), but not in the
    image where a record says that it had been found: then someone took it away.

    Parameters
    ----------
    path
        The JSON file.
    person
        Who placed the points that the ``wristqc`` entries do not know.
    on_problem
        Called with one sentence for each image that cannot be used, and the others are read; an
        image cannot be used when it has no keypoints of a wrist, for example. By default the first
        such image is an error.

    Raises
    ------
    LabelError
        If the file is no COCO file; one sentence that names it.
    """
    path = Path(path)
    return [labels for labels, _ in coco_labels(path, read_json(path), person, on_problem)]


def coco_labels(
    path: Path, document: Json, person: str = "unnamed", on_problem: OnProblem | None = None
) -> Iterator[tuple[ImageLabels, Json]]:
    """The labels of a COCO file's content, each with the image's entry; see `read_coco`."""
    with naming(path):
        for part in ("images", "annotations", "categories"):
            if not isinstance(document.get(part), list):
                raise ValueError(f"it lacks '{part}', so it is not a COCO file")
        categories = {_id(category): category for category in document["categories"]}
        annotations: dict[int, list[Json]] = {_id(image): [] for image in document["images"]}
        if len(annotations) != len(document["images"]):
            raise ValueError("it holds two images of one id; number them anew")
        for annotation in document["annotations"]:
            of = annotation["image_id"]
            if of not in annotations:
                raise ValueError(f"it annotates image {of!r}, which it does not list")
            annotations[of].append(annotation)
    for image in document["images"]:
        try:
            with naming(path):
                try:
                    labels = _labels(image, annotations[image["id"]], categories, person)
                except (ValueError, *OTHER_FORM) as error:
                    what = error if isinstance(error, ValueError) else f"{error!r} in its entries"
                    raise ValueError(f"image {image.get('file_name')!r}: {what}") from error
        except LabelError as error:
            if on_problem is None:
                raise
            on_problem(str(error))
        else:
            yield labels, image


def _id(entry: Json) -> int:
    value = entry["id"]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"an id must be a whole number, got {value!r}")
    return value


def _labels(
    image: Json, annotations: list[Json], categories: Mapping[int, Json], person: str
) -> ImageLabels:
    wrists = [annotation for annotation in annotations if annotation.get("keypoints")]
    boxes = [annotation for annotation in annotations if not annotation.get("keypoints")]
    if len(wrists) > 1:
        raise ValueError("it has the keypoints of more than one wrist; keep one")
    names = _keypoint_names(_category(wrists[0], categories)) if wrists else ()
    view = _view(names) if wrists else None
    labels = _before(image, view)
    if not wrists and any(point.finding is Finding.FOUND for point in labels.keypoints):
        raise ValueError("its keypoints were deleted; annotate it again or delete the image, too")
    points = _keypoints(labels, names, wrists[0]["keypoints"] if wrists else [], f"person:{person}")
    rectangles = _rectangles(boxes, categories, labels.rectangles)
    return replace(
        labels.edited(points),
        rectangles=rectangles,
        artefact=_artefact(labels, rectangles, person),
    )


def _before(image: Json, view: View | None) -> ImageLabels:
    """What is recorded of an image before anyone edited the file; nothing in plain COCO files."""
    entry = image.get(KEY)
    name = text(image["file_name"], "the file name of an image")
    if is_record(entry):
        # The recorded name is the image's own; the file name may be that of a picture of it.
        labels = labels_of(entry if view is None else entry | {"view": str(view)})
        size = labels.image.geometry
        if (image["width"], image["height"]) != (size.width, size.height):
            raise ValueError(
                f"it is {image['width']} x {image['height']} pixels but was {size.width} x"
                f" {size.height} when it was labelled; export it in its own size"
            )
        return labels
    if view is None:
        raise ValueError(
            "it has no keypoints of a wrist;"
            f" annotate it with the category {' or '.join(CATEGORIES.values())}"
        )
    return ImageLabels(
        image_of({}, name, image["width"], image["height"]),
        Keypoints.to_be_placed(view),
        ArtefactFinding.not_assessed(_UNTOLD),
    )


def _category(annotation: Json, categories: Mapping[int, Json]) -> Json:
    number = annotation["category_id"]
    if number not in categories:
        raise ValueError(f"its category {number!r} is not listed; export the file again")
    return categories[number]


def _keypoint_names(category: Json) -> tuple[str, ...]:
    names = category.get("keypoints")
    if not isinstance(names, list) or not names:
        raise ValueError(f"its category {category.get('name')!r} does not name its keypoints")
    return tuple(text(name, "the name of a keypoint") for name in names)


def _view(names: tuple[str, ...]) -> View:
    """The view whose keypoints these are, by their exact names in whatever order."""
    for view in View:
        if set(names) <= set(KEYPOINT_NAMES[view]) and len(set(names)) == len(names):
            return view
    wanted = " or ".join(", ".join(KEYPOINT_NAMES[view]) for view in View)
    raise ValueError(f"its keypoints are named {', '.join(names)}; name them {wanted}")


def _keypoints(
    labels: ImageLabels, names: tuple[str, ...], triples: list[Any], placed_by: str
) -> Keypoints:
    """The keypoints of an annotation; those that it does not tell are as they were before."""
    values = numbers(triples, 3 * len(names), "the keypoints")
    points = labels.keypoints
    for name, x, y, visible in zip(names, values[::3], values[1::3], values[2::3], strict=True):
        if visible not in (0, 1, 2):
            raise ValueError(f"the visibility of '{name}' must be 0, 1 or 2, got {visible:g}")
        before = points[name]
        if visible:
            if before.position is None or math.dist(before.position, (x, y)) > SAME_PLACE_PX:
                points = points.replaced(Keypoint(name, Finding.FOUND, (x, y), placed_by=placed_by))
        elif before.finding is Finding.FOUND:
            points = points.replaced(Keypoint(name, Finding.NOT_FOUND, placed_by=placed_by))
    return points


def _rectangles(
    annotations: list[Json], categories: Mapping[int, Json], before: tuple[Rectangle, ...]
) -> tuple[Rectangle, ...]:
    """The boxes that are there: recorded ones as they were, in their order, then new ones."""
    left = list(enumerate(before))
    kept: dict[int, Rectangle] = {}
    new: list[Rectangle] = []
    for annotation in annotations:
        label = text(_category(annotation, categories)["name"], "the name of a category")
        x, y, width, height = numbers(annotation["bbox"], 4, f"the box of '{label}'")
        if min(width, height) < 0:
            raise ValueError(f"the box of '{label}' has a negative size")
        same = [
            (at, rectangle)
            for at, rectangle in left
            if rectangle.label == label and _close(_box(rectangle)["bbox"], (x, y, width, height))
        ]
        if same:
            left.remove(same[0])
            kept[same[0][0]] = same[0][1]
        else:
            new.append(Rectangle(label, (x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5)))
    return (*(kept[at] for at in sorted(kept)), *new)


def _close(first: Iterable[float], second: Iterable[float]) -> bool:
    return all(abs(a - b) <= SAME_PLACE_PX for a, b in zip(first, second, strict=True))


def _artefact(
    before: ImageLabels, rectangles: tuple[Rectangle, ...], person: str
) -> ArtefactFinding:
    """What was recorded, unless boxes of foreign objects came or went: then what these say."""
    had = any(rectangle.label == FOREIGN_OBJECT for rectangle in before.rectangles)
    has = any(rectangle.label == FOREIGN_OBJECT for rectangle in rectangles)
    if had == has:
        return before.artefact
    if has == (before.artefact.finding is Finding.FOUND):
        return before.artefact
    return ArtefactFinding.stated(has, person)
