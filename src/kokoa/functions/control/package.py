"""Deployment packages: what is uploaded is unpacked once, exactly as a host will, so that a bad one fails its upload.

The deployer hears of it then, and not the shopper later. Nothing of what is unpacked is kept or run.
"""

import hashlib
import tempfile
import zlib
from pathlib import Path
from typing import Final

from kokoa.functions.control.errors import InvalidCode
from kokoa.functions.control.model import Code
from kokoa.functions.host.package import unpack

UNREADABLE: Final = "Could not unzip uploaded file. Please check your file, then try to upload again."


def check_package(content: bytes) -> Code:
    """The package's digest and size. Takes as long as unzipping it.

    Raises InvalidCode and FunctionCodeInvalid, which say what to change.
    """
    if not content:
        raise InvalidCode("Uploaded file must be a non-empty zip", field="ZipFile")
    with tempfile.TemporaryDirectory(prefix="kokoa-package-") as folder:
        try:
            unpack(content, Path(folder))
        except (zlib.error, ValueError) as error:
            raise InvalidCode(UNREADABLE, field="ZipFile", detail=repr(error)) from None
    return Code(hashlib.sha256(content).hexdigest(), len(content))
