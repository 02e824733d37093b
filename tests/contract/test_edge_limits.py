"""Rate limits of several processes over the real bus."""

import asyncio

from kokoa.edge.limits import RateLimits
from kokoa.edge.model import RatePolicy
from kokoa.messaging import Bus, EmbeddedNats

# A window so long that it does not turn during the test, but for once in eleven days.
POLICY = RatePolicy(requests=100, window_s=1_000_000)


async def test_what_one_process_admits_the_others_count(bus: Bus, nats_server: EmbeddedNats) -> None:
    other = await Bus.connect(nats_server.url, name="other")
    processes = [RateLimits(bus), RateLimits(other)]
    running = [asyncio.ensure_future(process.run()) for process in processes]
    async with asyncio.timeout(20):
        # What is told before the other listens is lost, as notices may be: so tell until it is heard.
        told = 0
        while processes[1].take("warm-up", POLICY).remaining >= 99 - told:
            processes[0].take("warm-up", POLICY)
            told += 1
            await asyncio.sleep(0.05)
        assert sum(processes[0].take("shop", POLICY).admitted for _ in range(150)) == 100
        while processes[1].take("shop", POLICY).admitted:
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await other.close()
