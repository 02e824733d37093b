"""Fifty shoppers in the middle of ordering while everything is killed: what they have in writing is what there is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 50
_ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(os.environ.get("FAULTS") != "complete", reason="it takes minutes: `make faults`")
@pytest.mark.timeout(3_600)
def test_orders_money_and_goods_add_up_whatever_is_killed() -> None:
    seed = str(int.from_bytes(os.urandom(2), "big"))
    words = [sys.executable, "-m", "benchmarks.killed_orders", "--kills", str(KILLS), "--seed", seed]
    done = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
