"""The structs of ``schemas.py`` as BentoML wants them declared: pydantic models that describe but do not check.

So ``/docs.json`` and BentoML's clients know the calls, and one parser, msgspec's, decides what is valid.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import bentoml
import msgspec
import pydantic
from pydantic import WithJsonSchema

_REFERENCE = "#/$defs/{name}"


Function = TypeVar("Function", bound=Callable[..., Any])


def endpoint(takes: type[msgspec.Struct], gives: type[msgspec.Struct] | None = None) -> Callable[[Function], Function]:
    """``bentoml.api`` for a function that takes the fields of one struct and gives another."""
    specifications = {"input_spec": declared(takes)}
    if gives is not None:
        specifications["output_spec"] = declared(gives)

    def declare(function: Function) -> Function:
        return cast(Function, bentoml.api(**specifications)(function))

    return declare


def declared(struct: type[msgspec.Struct]) -> type[pydantic.BaseModel]:
    """A model of the same name and fields; every value passes as it is, unknown fields are dropped."""
    _, components = msgspec.json.schema_components([struct], ref_template=_REFERENCE)
    properties = components[struct.__name__]["properties"]
    fields: dict[str, Any] = {
        field.name: (
            Annotated[Any, WithJsonSchema(_whole(properties[field.name], components))],
            ... if field.required else None,
        )
        for field in msgspec.structs.fields(struct)
    }
    return pydantic.create_model(struct.__name__, __doc__=struct.__doc__, **fields)


def _whole(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with every reference replaced by what it refers to."""
    if isinstance(schema, list):
        return [_whole(part, components) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(components[schema["$ref"].rsplit("/", 1)[1]], components)
    return {name: _whole(part, components) for name, part in schema.items()}
