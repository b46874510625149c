import asyncio

from evergreen.adapters.local_endpoint.answers import AT_ONCE, LEAST_TICKS, TICK_S, Pace


def test_the_first_refusals_go_out_at_once_and_further_ones_together_within_some_ticks() -> None:
    async def crowd() -> tuple[list[bool], list[float]]:
        pace, loop = Pace(), asyncio.get_running_loop()
        began = loop.time()
        waits = [asyncio.create_task(pace.wait()) for _ in range(AT_ONCE + 5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        at_once = [wait.done() for wait in waits]
        ends: list[float] = []
        for wait in waits:
            wait.add_done_callback(lambda _: ends.append(loop.time() - began))
        await asyncio.gather(*waits)
        return at_once, ends[AT_ONCE:]

    at_once, ends = asyncio.run(crowd())
    assert at_once == [True] * AT_ONCE + [False] * 5
    assert min(ends) >= (LEAST_TICKS - 1) * TICK_S - 0.005
    assert max(ends) - min(ends) <= TICK_S + 0.005
