"""What the GPU's files say, put together: scaling with the length and its extrapolation; the roofline."""
import numpy as np

from .cost_model import fit

MILLION = 2 ** 20


def scaling(bench, density=0.1):
    """{name: [(tokens, seconds)]} of one sequence of 16 query heads of 128, causal: dense (the best of what was
    measured on the same card), attention with lists of the halftone pattern, and choosing them (8-key micro-blocks, 16
    representatives; 4 key-value heads)."""
    dense = {}
    t = bench.kernel
    here = t[(t["mask"] == "dense") & (t.dim == 128) & (t.causal == 1) & (t.heads == 16)]
    p = bench.pytorch
    there = p[(p.density_wanted == 1) & (p.dim == 128) & (p.causal == 1) & (p.heads == 16)]
    for name, table in (("kernel", here), ("pytorch", there)):
        for row in table.itertuples() if bench.source(name) in bench.scaling_sources() else ():
            dense.setdefault(row.seq, []).append(row.seconds_median / row.batch)
    s = bench.selection
    chosen = s[(s.permille == round(1000 * density)) & (s.micro_block == 8) & (s.representatives == 16)]
    return {
        "dense": sorted((seq, min(seconds)) for seq, seconds in dense.items()),
        "attention": sorted(zip(chosen.seq, chosen.attention_us * 1e-6)),
        "selection": sorted(zip(chosen.seq, chosen.selection_us * 1e-6)),
        # Up to 16,384 tokens exponentials lie in shared memory.
        "workspace": sorted((seq, mib * 2.0 ** 20) for seq, mib in zip(chosen.seq, chosen.workspace_mib) if seq > 16384)
    }


def models(points):
    """A cost model of each. Dense attention and attention at a fixed density grow with the square of the length; the
    selection has a part for its launches, one for the statistics of every key and one for scoring every pair of runs
    and micro-blocks."""
    return {name: fit(*zip(*values)) for name, values in points.items()}


def roofline(bench):
    """One dict per profile: operations per byte of device memory, operations per second, and the tensor cores' peak at
    the clock that was measured. Operations are those on the visible pairs of kept blocks, as in the kernel's table."""
    rows = []
    for row in bench.profile.itertuples():
        mask = "dense" if row.density == 1 else "even"
        t = bench.problem(128, row.causal, row.seq)
        t = t[(t["mask"] == mask) & ~t.kernel.str.startswith("cudnn")]
        t = t[(t.density / row.density - 1).abs() < 0.1].iloc[0]
        operations = t.tflops_kept * 1e12 * t.seconds_median
        rows.append({
            "name": row.name, "version": row.version, "density": row.density, "seq": row.seq, "causal": row.causal,
            "rate": operations / row.seconds_median,
            "intensity": operations / (row.dram_bytes_per_s * row.seconds_median), "clock": row.clock_hz,
            "peak": tensor_peak(row.clock_hz), "l2_hit": row.l2_hit_percent,
            "memory_peak": row.dram_bytes_per_s / row.dram_percent * 100
        })
    return rows


def tensor_peak(clock_hz, multiprocessors=132):
    """Dense bfloat16 products: 4,096 operations a cycle and multiprocessor of Hopper."""
    return 4096 * multiprocessors * clock_hz


def prediction(bench, tokens=MILLION):
    """Seconds (and bytes) that the models give at a length beyond the measurements."""
    fitted = models(scaling(bench))
    return {name: float(model(np.float64(tokens))) for name, model in fitted.items()}, fitted
