"""Figures of the GPU's speed."""
import matplotlib.pyplot as plt
import numpy as np

from . import speed, style

METHODS = {  # of bench/compare_pytorch.py
    "halftone": ("Halftone, given mask", style.OURS, "o"),
    "halftone, selecting": ("Halftone, selecting", style.YELLOW, "D"),
    "halftone, selecting fast": ("Halftone, selecting fast", style.SKY, "P"),
    "FlashAttention-4": ("FlashAttention-4", style.GREEN, "^"),
    "FlashInfer": ("FlashInfer", style.PURPLE, "v"),
    "FlexAttention": ("FlexAttention", style.BLUE, "s"),
}


def ideal(axes, densities):
    """The line on which time is proportional to density."""
    ends = np.array([min(densities) * 0.85, min(max(densities) * 1.2, 1)])
    axes.plot(ends, 1 / ends, color=style.GREY, ls="--", lw=0.9, zorder=1, label="ideal: 1 / density")


def speedup_by_density(bench, axes, seq=32768):
    """From PyTorch, over the best dense backend of SDPA."""
    p = bench.pytorch
    rows = p[(p.seq == seq) & (p.dim == 128) & (p.causal == 1) & (p.density_wanted < 1)]
    for method, (label, colour, marker) in METHODS.items():
        points = rows[rows.method == method].sort_values("density")
        if len(points):
            axes.plot(points.density, points.speedup, label=label, color=colour, marker=marker,
                      lw=1.8 if method == "halftone" else 1.1)
    densities = sorted(set(rows.density_wanted))
    ideal(axes, densities)
    axes.set(yscale="log", xlabel="density", ylabel="times as fast as dense",
             title=f"from PyTorch, {style.length_text(seq)} tokens, causal")
    style.percent_axis(axes.xaxis, densities)
    axes.set_yticks([1, 2, 5, 10, 20, 50])
    axes.set_yticklabels(["1", "2", "5", "10", "20", "50"])
    axes.minorticks_off()
    top = max(rows.speedup.max(), 1 / min(densities))
    axes.set_ylim(0.22, top * 1.3)  # room for the legend
    axes.legend(loc="lower left")


def kernel_speedups(bench, axes):
    """Every even mask of the kernel's table over cuDNN's dense attention."""
    t = bench.kernel
    rows = t[(t["mask"] == "even") & (t.heads == 16) & (t.heads_kv == 16)]
    for (dim, causal), colour, marker, fill in (((128, 0), style.OURS, "o", True), ((128, 1), style.OURS, "o", False),
                                                ((64, 0), style.BLUE, "s", True), ((64, 1), style.BLUE, "s", False)):
        here = rows[(rows.dim == dim) & (rows.causal == causal)]
        speedups = [bench.over("cudnn", "even", dim, causal, row.seq, density=row.density) for row in here.itertuples()]
        axes.plot(here.density, speedups, ls="", color=colour, marker=marker, ms=4.5, mfc=colour if fill else "none",
                  label=f"head dim {dim}, {'causal' if causal else 'full'}")
    densities = sorted({round(density, 2) for density in rows.density})
    ideal(axes, densities)
    axes.set(yscale="log", xlabel="density", ylabel="times as fast as cuDNN's dense",
             title="the kernel, 4K to 64K tokens")
    style.percent_axis(axes.xaxis, densities)
    axes.set_yticks([2, 5, 10, 20])
    axes.set_yticklabels(["2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_ylim(1.3, 2.8 / min(densities))
    axes.legend(loc="upper right", handlelength=1.2, fontsize=6.5)


def speeds(bench, folder):
    figure, axes = plt.subplots(1, 3, figsize=(style.PAGE, 2.3))
    speedup_by_density(bench, axes[0])
    kernel_speedups(bench, axes[1])
    scaling(bench, axes[2])
    style.save(figure, folder, "speed")


def roofline(bench, folder):
    rows = speed.roofline(bench)
    figure, axes = plt.subplots(figsize=(style.COLUMN, 2.0))
    memory = np.median([row["memory_peak"] for row in rows])
    intensity = np.geomspace(60, 6e4, 50)
    boost = speed.tensor_peak(1.83e9)
    axes.plot(intensity, np.minimum(intensity * memory, boost) / 1e12, color=style.DENSE, lw=1.1)
    axes.annotate("device memory", (75, 75 * memory / 1e12), xytext=(5, -2), textcoords="offset points", fontsize=6)
    axes.annotate("tensor cores at 1.83 GHz", (6e4, boost / 1e12), xytext=(0, 2), textcoords="offset points",
                  fontsize=6, ha="right", va="bottom")
    for row in rows:
        colour = style.DENSE if row["density"] == 1 else style.OURS
        axes.plot(row["intensity"], row["rate"] / 1e12, "o", color=colour, zorder=5)
        axes.plot([row["intensity"] * 0.8, row["intensity"] * 1.25], [row["peak"] / 1e12] * 2, color=style.GREY, lw=1)
        kind = "dense" if row["density"] == 1 else f"{100 * row['density']:.0f} %"
        text = f"{kind} of {style.length_text(row['seq'])}{', causal' if row['causal'] else ''} (v{row['version']})"
        dense = row["density"] == 1
        axes.annotate(text, (row["intensity"], row["rate"] / 1e12), fontsize=6, ha="center" if dense else "left",
                      va="bottom" if dense else "top" if row["causal"] else "center", xytext=(0, 4) if dense else
                      (5, -1), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="operations per byte of device memory", ylabel="TFLOP/s on kept blocks",
             xlim=(60, 6e4), ylim=(250, 1500))
    axes.set_yticks([300, 500, 1000])
    axes.set_yticklabels(["300", "500", "1000"])
    axes.minorticks_off()
    style.save(figure, folder, "roofline")


def scaling(bench, axes):
    """Times of one layer against the length, with the fitted cost models."""
    points = speed.scaling(bench)
    fitted = speed.models(points)
    lengths = np.geomspace(1024, speed.MILLION, 100)
    for name, label, colour, marker in (("dense", "dense", style.DENSE, "s"), ("attention", "10 % of the blocks",
                                                                               style.OURS, "o"),
                                        ("selection", "choosing them", style.BLUE, "D")):
        seq, seconds = zip(*points[name])
        axes.plot(seq, 1e3 * np.array(seconds), ls="", marker=marker, color=colour, label=label)
        axes.plot(lengths, 1e3 * fitted[name](lengths), color=colour, lw=0.9, ls="-", zorder=1)
    axes.axvspan(max(seq for seq, _ in points["attention"]), speed.MILLION * 1.2, color="#EEEEEE", zorder=0)
    axes.annotate("predicted", (speed.MILLION, 0), xycoords=("data", "axes fraction"), xytext=(0, 4),
                  textcoords="offset points", ha="right", fontsize=6, color="#555555")
    axes.set(yscale="log", xlabel="tokens", ylabel="milliseconds", xlim=(900, speed.MILLION * 1.2),
             title="one layer, causal, 16 heads")
    axes.set_yticks([0.1, 1, 10, 100, 1000, 10000])
    axes.set_yticklabels(["0.1", "1", "10", "100", "1,000", "10,000"])
    axes.minorticks_off()
    style.length_axis(axes.xaxis, [1024 * 4 ** i for i in range(6)])
    axes.legend(loc="upper left")
