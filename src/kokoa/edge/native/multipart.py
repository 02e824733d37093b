"""The picture of an upload: the body itself, or the one file of a form (multipart/form-data, RFC 7578). Pure."""

import re
from email.message import Message
from email.parser import HeaderParser

import msgspec

from kokoa.edge.errors import InvalidUpload

PARTS_MAX = 4
PART_HEADER_BYTES_MAX = 4_096
_ALT_BYTES_MAX = 4_096
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class Upload(msgspec.Struct, frozen=True):
    """alt: of the form's field of that name, None when there is none."""

    content: bytes
    alt: str | None = None


def read_upload(content_type: str, body: bytes) -> Upload:
    """Raises InvalidUpload. The name and the type that a client gives the file are neither believed nor kept."""
    described = Message()
    described["content-type"] = content_type
    if described.get_content_type() != "multipart/form-data":
        return Upload(body)
    boundary = described.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise InvalidUpload("The form names no boundary that could be one.", field="content-type")
    files: list[bytes] = []
    alt: str | None = None
    for name, is_file, content in _parts(boundary.encode(), body):
        if is_file:
            files.append(content)
        elif name == "alt":
            alt = _text(content)
        else:
            raise InvalidUpload(f"The form takes one file and the field alt, not {name[:64]!r}.", field=name[:64])
    if len(files) != 1:
        raise InvalidUpload(f"The form must have exactly one file, not {len(files)}.")
    return Upload(files[0], alt)


def _parts(boundary: bytes, body: bytes) -> list[tuple[str, bool, bytes]]:
    """(name, whether it is a file, content) of each part."""
    delimiter = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(delimiter, PARTS_MAX + 2)
    # Before the first delimiter stands nothing of interest, behind the last one two hyphens.
    if len(pieces) < 2 or len(pieces) > PARTS_MAX + 2 or not pieces[-1].startswith(b"--"):
        raise InvalidUpload(f"The body is no form, or one that is not whole or has more than {PARTS_MAX} parts.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> tuple[str, bool, bytes]:
    head, separator, content = piece[2:].partition(b"\r\n\r\n")
    if not piece.startswith(b"\r\n") or not separator or len(head) > PART_HEADER_BYTES_MAX:
        raise InvalidUpload("A part of the form has no header, or one that is too long.")
    headers = HeaderParser().parsestr(head.decode("latin-1"))
    name = headers.get_param("name", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise InvalidUpload("A part of the form has no name.")
    return name, headers.get_param("filename", header="content-disposition") is not None, content


def _text(content: bytes) -> str:
    if len(content) > _ALT_BYTES_MAX:
        raise InvalidUpload(f"alt has more than {_ALT_BYTES_MAX} bytes.", field="alt")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidUpload("alt is not UTF-8.", field="alt") from None
