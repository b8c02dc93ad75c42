"""Fields of items and users as requests may say them: plain values under the names of columns."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter

from polyscene.serving.bodies import Body, Id, storable
from polyscene.serving.limits import MAX_FIELD_LENGTH, MAX_FIELDS, MAX_NAME_LENGTH, MAX_VALUES_PER_FIELD

Text: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_FIELD_LENGTH), AfterValidator(storable)]
Whole: TypeAlias = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Plain: TypeAlias = Flag | Whole | Number | Text
FieldName: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(storable)
]
FieldValue: TypeAlias = Plain | Annotated[list[Plain], Field(max_length=MAX_VALUES_PER_FIELD)] | None
FieldValues: TypeAlias = Annotated[
    dict[FieldName, FieldValue],
    Field(max_length=MAX_FIELDS, description="By the names of the columns of the table; null: missing."),
]

FIELD_VALUES: TypeAdapter[dict[str, Any]] = TypeAdapter(FieldValues)
ID: TypeAdapter[str] = TypeAdapter(Id)


class FieldsBody(Body):
    """All fields or some."""

    fields: FieldValues
