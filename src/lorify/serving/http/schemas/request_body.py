"""What all request bodies share: strict fields, one problem a field, and values that ask for nothing."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

T = TypeVar("T")
OTHER_DEFAULTS: dict[str, Any] = {
    "add_generation_prompt": True,
    "best_of": 1,
    "length_penalty": 1,
    "repetition_penalty": 1,
    "skip_special_tokens": True,
    "spaces_between_special_tokens": True,
    "top_k": -1,
}
"""Field of another OpenAI-compatible server -> its value that asks for nothing, if that is not null, empty or false."""

# The first invalid item ends the validation: an error for each of many would take a lot of time and memory.
Items = Annotated[tuple[T, ...], Field(fail_fast=True)]


class RequestBody(BaseModel):
    """A request body; unknown fields are an error rather than silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        # JSON can contain lone surrogates, which tokenizers cannot encode.
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not is_valid_unicode(text):
                raise ValueError("the text contains a lone surrogate, half of a character; send valid Unicode")
        return value


class OpenAIBody(RequestBody):
    """A body in OpenAI's format: clients send fields that ask for nothing, also ones that are unknown here."""

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        known = {field.alias or name: field for name, field in cls.model_fields.items()}
        return {name: value for name, value in body.items() if not _asks_nothing(name, value, known.get(name))}


def _asks_nothing(name: str, value: Any, field: FieldInfo | None) -> bool:
    """Return whether a field's value is null, empty or false and the field can be left out instead."""
    if field is None:
        return not value or (name in OTHER_DEFAULTS and value == OTHER_DEFAULTS[name])
    if value is None:
        return True
    is_number = isinstance(value, int | float) and value is not False
    return not value and not is_number and not field.is_required() and not field.default


def is_valid_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8, that is, has no lone surrogates."""
    try:
        text.encode()  # much faster than checking each character
    except UnicodeEncodeError:
        return False
    return True


def expecting(description: str) -> WrapValidator:
    """Return a validator that reports any problem of a value as one, instead of one for each type it could have had.

    Args:
        description: what is expected, such as `a text or a list of texts`.
    """

    def check(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise ValueError(f"expected {description}") from error

    return WrapValidator(check)
