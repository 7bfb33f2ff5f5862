"""`--schema FILE`: answers in JSON that match a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.options import MAX_JSON_TOKENS, MAX_TOKENS
from lorify.errors import SchemaError

if TYPE_CHECKING:
    from lorify.base.decoding.sampling import GenerationOptions

Schema = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="JSON schema; every answer is JSON that matches it.")
]


def read_schema(path: Path | None) -> Mapping[str, Any] | None:
    """Read a schema and check that it can be enforced; called before a model is loaded.

    Raises:
        SchemaError: if the file is missing, no JSON, or no schema that can be enforced.
    """
    if path is None:
        return None
    from lorify.base.constraints import json_constraint

    try:
        schema = json.loads(path.read_bytes())
        json_constraint(schema)
    except OSError as error:
        raise SchemaError(f"{path} cannot be read ({error.strerror}); give the file of a JSON schema") from error
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{path} is not valid JSON ({error}); give the file of a JSON schema") from error
    return schema


def generation_options(max_tokens: int | None, schema: Mapping[str, Any] | None) -> GenerationOptions:
    """Return the options of an answer with a length limit (None: the default), and a schema if there is one."""
    from lorify.base.constraints import json_constraint
    from lorify.base.decoding.sampling import GenerationOptions

    limit = max_tokens or (MAX_TOKENS if schema is None else MAX_JSON_TOKENS)
    return GenerationOptions(limit, constraint=None if schema is None else json_constraint(schema))
