"""Whether counts that were taken over time grow. Pure."""

from collections.abc import Sequence
from statistics import median

from benchmarks.census import Counts

# A quarter of the run settles first; then what the last quarter has more than the second is growth.
_PARTS = 4
SAMPLES_MIN = 2 * _PARTS
_SHARE = 0.15
# What may come on top, by the last word of the count's name: caches fill, connections come and go.
_SLACK = {"MB": 24.0, "files": 24.0, "processes": 8.0, "mounts": 6.0, "groups": 6.0}


def growth(samples: Sequence[Counts]) -> list[str]:
    """A sentence for each count that grew beyond its slack; empty when none did.  samples: at least SAMPLES_MIN."""
    size = len(samples) // _PARTS
    early, late = samples[size : 2 * size], samples[-size:]
    found = []
    for name in sorted({name for sample in late for name in sample}):
        before = median(sample.get(name, 0.0) for sample in early)
        after = median(sample.get(name, 0.0) for sample in late)
        if after > before * (1 + _SHARE) + _SLACK[name.rpartition(" ")[2]]:
            found.append(f"{name} grew from {before:,.0f} to {after:,.0f}")
    return found
