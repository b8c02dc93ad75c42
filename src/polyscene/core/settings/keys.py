"""Which keys are known at a place within nested models, for those who mistyped one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


def keys_at(kind: Any, path: Sequence[str | int]) -> list[str]:  # noqa: ANN401 - whatever an annotation is
    """Return the keys that are known where a path leads, sorted; none where there is no model.

    Args:
        kind: a model, or an annotation with models in it.
        path: as pydantic says where an error is: keys, places of lists, tags of unions.
    """
    kinds = [kind]
    for part in path:
        kinds = [inner for one in kinds for inner in _within(one, part)]
    models = [model for one in kinds for model in _alternatives(one) if _is_model(model)]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _within(kind: Any, part: str | int) -> Iterator[Any]:  # noqa: ANN401 - as above
    for one in _alternatives(kind):
        if not _is_model(one):
            yield from [inner for inner in get_args(one) if inner is not ...][-1:]
            continue
        for name, field in one.model_fields.items():
            if part in (name, field.alias):
                yield field.annotation
            elif get_origin(field.annotation) is Literal and part in get_args(field.annotation):
                yield one  # the tag by which a union knows this model


def _alternatives(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for one in get_args(kind):
            yield from _alternatives(one)
    else:
        yield kind


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
