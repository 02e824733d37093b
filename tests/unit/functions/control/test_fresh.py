"""The cache whose entries are never older than a second."""

import asyncio

import pytest

from kokoa.functions.control.fresh import Fresh


class Source:
    """Counts loads; a gate can hold them up."""

    def __init__(self) -> None:
        self.loads = 0
        self.value = "old"
        self.gate = asyncio.Event()
        self.gate.set()
        self.now_s = 0.0

    async def load(self, key: str) -> str:
        self.loads += 1
        value = self.value
        await self.gate.wait()
        if value == "broken":
            raise LookupError(key)
        return value

    def cache(self, entries_max: int = 10) -> "Fresh[str, str]":
        return Fresh(self.load, entries_max=entries_max, age_max_s=0.9, clock=lambda: self.now_s)


async def test_a_value_is_loaded_once_and_again_when_it_is_old() -> None:
    source = Source()
    cache = source.cache()
    assert [await cache.get("k") for _ in range(3)] == ["old"] * 3
    assert source.loads == 1
    source.value, source.now_s = "new", 0.89
    assert await cache.get("k") == "old"
    source.now_s = 0.9
    assert await cache.get("k") == "new"


async def test_a_forgotten_value_is_loaded_at_once() -> None:
    source = Source()
    cache = source.cache()
    await cache.get("k")
    source.value = "new"
    cache.forget("k")
    assert await cache.get("k") == "new"


async def test_many_who_wait_load_once() -> None:
    source = Source()
    source.gate.clear()
    cache = source.cache()
    waiting = [asyncio.create_task(cache.get("k")) for _ in range(20)]
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*waiting) == ["old"] * 20
    assert source.loads == 1


async def test_a_load_that_began_before_the_change_is_not_kept() -> None:
    source = Source()
    source.gate.clear()
    cache = source.cache()
    early = asyncio.create_task(cache.get("k"))
    while not source.loads:
        await asyncio.sleep(0)
    source.value = "new"
    cache.forget("k")
    source.gate.set()
    assert await early == "old"
    assert await cache.get("k") == "new"


async def test_an_error_reaches_everybody_and_is_not_kept() -> None:
    source = Source()
    source.value = "broken"
    cache = source.cache()
    with pytest.raises(LookupError):
        await cache.get("k")
    source.value = "mended"
    assert await cache.get("k") == "mended"


async def test_one_who_gives_up_does_not_take_the_load_away_from_others() -> None:
    source = Source()
    source.gate.clear()
    cache = source.cache()
    impatient, patient = asyncio.create_task(cache.get("k")), asyncio.create_task(cache.get("k"))
    await asyncio.sleep(0)
    impatient.cancel()
    source.gate.set()
    assert await patient == "old"


async def test_the_least_recently_used_go_first() -> None:
    source = Source()
    cache = source.cache(entries_max=2)
    for key in ("a", "b", "a", "c"):
        await cache.get(key)
    loads = source.loads
    await cache.get("a")
    assert source.loads == loads
    await cache.get("b")
    assert source.loads == loads + 1
