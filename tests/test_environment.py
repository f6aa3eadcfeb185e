"""How many processes share a GPU follows from its memory, the bound on it, and the processors."""

import pytest
import torch

from finishkit import environment

GIB = 2**30


@pytest.mark.parametrize(
    ("total_gib", "bound_gb", "cores", "jobs"),
    [
        (8, 0, 16, 1),  # one, as it would be with less
        (24, 0, 16, 3),
        (24, 0, 4, 2),  # processors are short before memory is
        (140, 0, 16, 8),
        (140, 13, 16, 2),
        (140, 1, 16, 1),  # never none: it gets by with small tiles
    ],
)
def test_processes_by_memory_and_processors(monkeypatch, total_gib, bound_gb, cores, jobs):
    monkeypatch.setattr(environment, "_has_gpu", lambda: True)
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, total_gib * GIB))
    assert environment.render_jobs(bound_gb) == jobs
    room = environment.gpu_room_bytes(bound_gb)
    assert room <= (bound_gb * 1e9 or environment.GPU_SHARE * total_gib * GIB)


def test_without_a_gpu_every_processor_renders(monkeypatch):
    monkeypatch.setattr(environment, "_has_gpu", lambda: False)
    assert environment.render_jobs(4.0) is None
