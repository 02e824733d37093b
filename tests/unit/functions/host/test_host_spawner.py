"""What the spawner hands to bwrap."""

import pytest

from kokoa.functions.host.sandbox.spawner import pack_arguments


def test_options_are_packed_as_bwrap_reads_them() -> None:
    assert pack_arguments(["--setenv", "A", "", "--chdir", "/"]) == b"--setenv\0A\0\0--chdir\0/\0"


def test_a_value_cannot_go_on_as_options() -> None:
    with pytest.raises(ValueError, match="NUL"):
        pack_arguments(["--setenv", "A", "b\0--share-net"])
