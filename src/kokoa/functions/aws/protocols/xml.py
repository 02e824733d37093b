"""Python values to XML by a botocore shape: what the query and rest-xml protocols answer."""

import base64
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from botocore.model import ListShape, MapShape, Shape, StructureShape

from kokoa.functions.aws.shapes import ProviderBroken, format_timestamp, wire_name

_NOT_XML = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}


def text(value: str) -> str:
    """A text as XML content. Characters that XML 1.0 cannot carry are dropped."""
    return escape(value.translate(_NOT_XML))


def element(tag: str, content: str, namespace: str = "") -> str:
    """An element around content that is XML already."""
    attribute = f" xmlns={quoteattr(namespace)}" if namespace else ""
    return f"<{tag}{attribute}>{content}</{tag}>"


def write_members(shape: StructureShape, value: Mapping[str, Any]) -> str:
    """The members of a structure, one element each. Raises ProviderBroken for a member the model lacks."""
    unknown = [name for name in value if name not in shape.members]
    if unknown:
        raise ProviderBroken(f"{shape.name} has no member {', '.join(unknown)}")
    return "".join(
        write(member, wire_name(name, member), value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def write(shape: Shape, tag: str, value: Any) -> str:
    """One value as an element (a flattened list: several)."""
    if isinstance(shape, StructureShape):
        return element(tag, write_members(shape, value))
    if isinstance(shape, ListShape):
        if shape.serialization.get("flattened"):
            name = wire_name(tag, shape.member)
            return "".join(write(shape.member, name, item) for item in value)
        name = wire_name("member", shape.member)
        return element(tag, "".join(write(shape.member, name, item) for item in value))
    if isinstance(shape, MapShape):
        return _write_map(shape, tag, value)
    return element(tag, text(_scalar(shape, value)))


def _write_map(shape: MapShape, tag: str, value: Mapping[str, Any]) -> str:
    flattened = bool(shape.serialization.get("flattened"))
    entries = [
        element(
            tag if flattened else "entry",
            write(shape.key, wire_name("key", shape.key), key)
            + write(shape.value, wire_name("value", shape.value), item),
        )
        for key, item in value.items()
    ]
    return "".join(entries) if flattened else element(tag, "".join(entries))


def _scalar(shape: Shape, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return str(format_timestamp(value, shape.serialization.get("timestampFormat", "iso8601")))
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return str(value)
