from concurrent.futures import ThreadPoolExecutor

import torch

from evergreen.tasks.libraries import use_threads


def test_each_thread_keeps_its_own_number() -> None:
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as other:
        for pool, count in ((first, 1), (other, 3)):
            pool.submit(use_threads, count).result()
        assert [pool.submit(torch.get_num_threads).result() for pool in (first, other)] == [1, 3]
    assert torch.get_num_threads() == before
