"""Times, memory and errors of one call."""
import time

import torch

from halftone import _call


class Timer:
    """Times by CUDA events. Before each call four times the L2 cache is read, so that nothing of the call's lies there and
    nothing has to be written back, and the device kept busy until the host has launched it, as it is in a model."""

    BUSY_CYCLES = 2_000_000  # about a millisecond

    def __init__(self, samples, most_seconds, device="cuda"):
        self.samples, self.most_seconds = samples, most_seconds
        cache = torch.cuda.get_device_properties(device).L2_cache_size
        self.flush = torch.ones(cache, dtype=torch.int32, device=device)

    def seconds(self, call, about):
        """One time per sample: as many as asked for, fewer of calls that take long, but three."""
        count = samples_within(self.most_seconds, about, self.samples)
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
        for begin, end in events:
            self.flush.sum()
            torch.cuda._sleep(self.BUSY_CYCLES)
            begin.record()
            call()
            end.record()
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) * 1e-3 for begin, end in events]


def samples_within(most_seconds, one_call, samples):
    """How many of the wanted samples the seconds allow for, three at least."""
    return min(samples, max(3, int(most_seconds / one_call)))


def peak_bytes(call):
    """Memory that a call takes at most beyond what there is, its output included; and the seconds that it takes, about. To
    be asked after a first call."""
    torch.cuda.synchronize()
    _call._idle_workspaces.clear()  # what halftone holds from call to call counts
    torch.cuda.reset_peak_memory_stats()
    before, begin = torch.cuda.memory_allocated(), time.perf_counter()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before, time.perf_counter() - begin


def errors(got, exact):
    """Largest difference, and norm of the difference over the norm."""
    difference = got - exact
    return difference.abs().max().item(), (difference.norm() / exact.norm()).item()
