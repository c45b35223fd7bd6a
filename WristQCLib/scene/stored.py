"""Results as JSON text in a scene, and back: dataclasses, enumerations, tuples and mappings.

The types of the fields tell how to read them, so a new field needs no code here. Reading makes
nothing but the dataclasses that are asked for.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Real
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from WristQCLib.scene.errors import SceneError

T = TypeVar("T")


def to_text(value: object) -> str:
    """Strict JSON: infinite numbers are written as text."""
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def from_text(kind: type[T] | Any, text: str) -> T:
    """The value of type `kind` that `to_text` wrote.

    Raises
    ------
    SceneError
        If the text is damaged or was written by a version with other fields.
    """
    try:
        return _built(kind, json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SceneError(
            "The assessment that is stored in this scene cannot be read; it was saved by another"
            " version of WristQC or is damaged. Assess the image again."
        ) from error


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Real) and not isinstance(value, bool | int):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def _built(kind: Any, plain: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if plain is None:
            return None
        return _built(next(choice for choice in arguments if choice is not type(None)), plain)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return tuple(_built(arguments[0], entry) for entry in plain)
        return tuple(_built(a, entry) for a, entry in zip(arguments, plain, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key_kind, entry_kind = arguments
        return {_built(key_kind, key): _built(entry_kind, e) for key, e in plain.items()}
    record: Any = origin or kind
    if hasattr(record, "__dataclass_fields__"):
        given = dict(zip(_parameters(record), arguments, strict=True))
        hints = get_type_hints(record)
        return record(**{name: _built(_bound(hints[name], given), e) for name, e in plain.items()})
    if issubclass(kind, Enum):
        return kind(plain)
    if kind is float:
        return float(plain)
    if not isinstance(plain, kind):
        raise TypeError(f"expected {kind}, got {plain!r}")
    return plain


def _parameters(kind: Any) -> tuple[Any, ...]:
    """Type variables of a generic."""
    return getattr(kind, "__parameters__", ())


def _bound(kind: Any, given: Mapping[Any, Any]) -> Any:
    """`kind` of a generic record's field with its type variables filled in."""
    return kind[tuple(given.values())] if given and _parameters(kind) else kind
