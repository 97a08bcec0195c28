#!/usr/bin/env python3
"""Draws quality.png beside this file from report/results/eval: what every pattern costs the model at 10 % density, and
over densities for those measured at several. Needs eval/requirements.txt; python/ on PYTHONPATH."""
import pathlib

import matplotlib.pyplot as plt
import numpy as np

from halftone_files import read_eval

here = pathlib.Path(__file__).parent
results = here.parent / "results" / "eval"
ours, other = "#c0392b", "#7f8c8d"


def name_of(row):
    return row.pattern.replace("_", " ")


def main_table():
    table = read_eval(results / "h200-main-16k-10.h5").summary
    return table.sort_values("loss_increase", ascending=False)


def draw_patterns(axes):
    table = main_table()
    at = np.arange(len(table))
    low, high = table.loss_increase - table.loss_increase_low, table.loss_increase_high - table.loss_increase
    axes.barh(at, table.loss_increase, xerr=[low, high], color=[ours if p == "halftone" else other for p in table.pattern],
              error_kw={"lw": 1, "capsize": 2})
    axes.axvline(0.005 * table.loss_dense.iloc[0], color="black", ls=":", lw=1)
    axes.set(xlabel="loss over dense attention, nats per token", yticks=at,
             yticklabels=[name_of(row) for row in table.itertuples()], title="10 % of 16,384 tokens")
    axes.text(0.006 * table.loss_dense.iloc[0], len(table) - 0.45, "0.5 % of the loss", fontsize=8)


def draw_densities(axes):
    points = {}
    for file in ("h200-settings-16k-5.h5", "h200-main-16k-10.h5"):
        for row in read_eval(results / file).summary.itertuples():
            if "representatives=32" not in row.setting:
                points.setdefault(name_of(row), []).append((100 * row.density, row.loss_increase))
    for name, at in points.items():
        if len(at) > 1:
            axes.plot(*zip(*at), "o-", color=ours if name == "halftone" else other)
            axes.annotate(name, at[0], textcoords="offset points", xytext=(8, 2), fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="density, %", ylabel="loss over dense attention, nats per token",
             xticks=[5, 10], xticklabels=["5", "10"], title="16,384 tokens", xlim=(4.5, 11.5))
    axes.minorticks_off()


def main():
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=[3, 2], layout="constrained")
    draw_patterns(axes[0])
    draw_densities(axes[1])
    figure.savefig(here / "quality.png", dpi=150)


if __name__ == "__main__":
    main()
