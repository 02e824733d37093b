"""Who has only run a store is told what benchmarks need beside it."""

import pytest
from benchmarks import require_installed


def test_what_is_missing_is_named_with_what_to_do() -> None:
    require_installed("boto3")
    with pytest.raises(SystemExit, match="make dev"):
        require_installed("no_such_client")
