"""Host time of the Python calls against the C calls that they make, on a tiny problem, without waiting in the loop. What
lies beyond the C call includes PyTorch's allocation of the output, whose time is also given alone; "C left out" is a Python
call whose C call does nothing: no difference of two times, but with the interpreter's code and data still in the caches."""
import time
from unittest import mock

import torch

import halftone
from halftone import _call, _library


def microseconds(call, count):
    for _ in range(count // 10 + 1):
        call()
    best = float("inf")
    for _ in range(20):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, time.perf_counter() - begin)
    return best / count * 1e6


def c_call(name, call):
    """The C call that a Python call makes, as a call without arguments; what it reads and writes stays allocated."""
    original, prepare, calls, kept = getattr(_library, name), _call._prepare, [], []
    with (mock.patch.object(_library, name, lambda *arguments: calls.append(arguments) or original(*arguments)),
          mock.patch.object(_call, "_prepare", lambda *arguments: kept.append(prepare(*arguments)) or kept[-1])):
        call()
    return lambda kept=kept: original(*calls[0])


def run(device):
    count = 100  # few enough for the launches to fit the device's queue: a full one would make the host wait
    q, k, v = (torch.randn(1, heads, 8, 64, device=device, dtype=torch.bfloat16) for heads in (2, 1, 1))
    mask = halftone.BlockMask.from_dense(torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device), 8, causal=True)
    calls = {"block_sparse_attention": lambda: halftone.block_sparse_attention(q, k, v, mask),
             "attention": lambda: halftone.attention(q, k, v, density=1.0)}
    through_ctypes = microseconds(_library.library.halftone_features, 10000)
    print(f"{'':24}{'Python':>12}{'C':>12}{'beyond C':>12}{'C left out':>12}   microseconds of host time a call, on {device}")
    for name, call in calls.items():
        bare = microseconds(c_call(name, call), count) - through_ctypes
        whole = microseconds(call, count)
        with mock.patch.object(_library, name, lambda *arguments: 0):
            without = microseconds(call, count)
        print(f"{name:24}{whole:12.1f}{bare:12.1f}{whole - bare:12.1f}{without:12.1f}")
    output = microseconds(lambda: torch.empty_like(q), count)
    print(f"{'torch.empty_like(q)':24}{output:12.1f}{'':36}   part of each of them")
