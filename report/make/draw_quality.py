"""Figures of the evaluation."""
import matplotlib.pyplot as plt
import numpy as np

from . import style

LENGTH = 16384


def loss_by_density(evaluations, axes, length=LENGTH):
    """Loss over dense attention against density; patterns of style.PATTERNS by name, the others grey."""
    densities = evaluations.densities(length)
    tables = {density: evaluations.table(density, length) for density in densities}
    patterns = list(dict.fromkeys(name for table in tables.values() for name in table.index))
    for pattern in sorted(patterns, key=lambda p: (p in style.PATTERNS, p == "halftone")):
        points = [(table.density[pattern], table.loss_increase[pattern]) for table in tables.values()
                  if pattern in table.index and table.loss_increase[pattern] > 0]
        if points:
            axes.plot(*zip(*points), **style.look(pattern))
    margin = 0.005 * tables[densities[-1]].loss_dense.iloc[0]
    axes.axhline(margin, color=style.DENSE, ls=":", lw=0.8)
    axes.annotate("0.5 % of the loss", (0, margin), xycoords=("axes fraction", "data"), xytext=(3, 2),
                  textcoords="offset points", fontsize=6)
    axes.set(yscale="log", ylabel="loss over dense,\nnats per token", xlabel="density",
             title=f"{style.length_text(length)} tokens")
    style.percent_axis(axes.xaxis, densities)
    axes.set_xlim(densities[0] * 0.85, densities[-1] * 1.18)


def quality_of_patterns(evaluations, axes, density=0.1, length=LENGTH):
    """Bars with intervals at one density, the best at the top."""
    table = evaluations.table(density, length)
    table = table[table.index != "oracle"].sort_values("loss_increase", ascending=False)
    at = np.arange(len(table))
    low, high = (np.abs(table.loss_increase - table[f"loss_increase_{end}"]).astype(float) for end in ("low", "high"))
    axes.barh(at, table.loss_increase, xerr=[low, high], height=0.7,
              color=[style.OURS if name == "halftone" else "#B9C4CC" for name in table.index],
              error_kw={"lw": 0.8, "capsize": 1.5})
    margin = 0.005 * table.loss_dense.iloc[0]
    axes.axvline(margin, color=style.DENSE, ls=":", lw=0.8)
    axes.annotate("0.5 % of\nthe loss", (margin, len(table) - 1), xytext=(3, -1), textcoords="offset points",
                  fontsize=6, va="center")
    axes.set(yticks=at, yticklabels=[style.name(name) for name in table.index], ylim=(-0.6, len(table) - 0.4),
             xlabel="loss over dense, nats per token")
    axes.grid(axis="y", visible=False)


def time_to_quality(evaluations, axes, dense_seconds, density=0.1):
    """Loss against the seconds that choosing blocks and attention took in the evaluation, all layers of the model, at
    the longest context that the model was trained for. `dense_seconds`: of dense attention at a length."""
    length = max(n for n in evaluations.lengths(density) if n <= 32768)
    table = evaluations.table(density, length)
    for pattern, row in table[table.index != "oracle"].iterrows():
        axes.plot(1e3 * (row.select_seconds + row.attend_seconds), row.loss_increase, ls="", ms=6,
                  **{key: value
                     for key, value in style.look(pattern).items() if key != "lw"})
    dense = 1e3 * dense_seconds(length)
    axes.axvline(dense, color=style.DENSE, ls="--", lw=0.8)
    axes.annotate("dense", (dense, 0), xycoords=("data", "axes fraction"), xytext=(3, 4), textcoords="offset points",
                  fontsize=6)
    axes.set(xscale="log", yscale="log", xlabel="choosing and attending, ms per document",
             title=f"{style.length_text(length)} tokens, {100 * density:g} %")
    axes.margins(x=0.12, y=0.12)


def pareto(evaluations, folder, dense_seconds):
    figure, axes = plt.subplots(1, 2, figsize=(style.PAGE, 2.3))
    loss_by_density(evaluations, axes[0])
    time_to_quality(evaluations, axes[1], dense_seconds)
    shown = {name for density in evaluations.densities() for name in evaluations.table(density).index}
    figure.legend(
        handles=[
            plt.Line2D([], [], label=style.name(name), **style.look(name)) for name in style.PATTERNS if name in shown
        ] + [plt.Line2D([], [], label="other patterns", **style.look("bigbird"))], loc="outside right center")
    style.save(figure, folder, "pareto")


def patterns(evaluations, folder):
    figure, axes = plt.subplots(figsize=(style.COLUMN, 2.6))
    quality_of_patterns(evaluations, axes)
    style.save(figure, folder, "quality")


def by_position(evaluations, folder, density=0.1, length=LENGTH):
    """Loss over dense attention by position in the document."""
    runs = evaluations.compared(density, length)
    figure, axes = plt.subplots(figsize=(style.COLUMN, 2.5))
    for pattern in [p for p in style.PATTERNS if p in runs and p != "oracle"]:
        values = evaluations.array(runs[pattern], "loss_increase_by_position")
        positions = evaluations.files[runs[pattern].path].axes["position"]
        axes.plot(positions / 1024, np.nanmean(values, axis=0), label=style.name(pattern), **style.look(pattern))
    axes.set(xlabel="position in the document", ylabel="loss over dense,\nnats per token")
    axes.set_yscale("symlog", linthresh=0.01)
    axes.xaxis.set_major_formatter(lambda tokens, _: f"{tokens:g}K")
    figure.legend(loc="outside lower center", ncols=2, columnspacing=1)
    style.save(figure, folder, "position")


def heads(evaluations, folder, weights=None, density=0.1, length=LENGTH):
    """Where one tolerance spends its blocks: the density of every layer and head, mean over documents, beside the head
    weights and the error that is left."""
    run = evaluations.compared(density, length)["halftone"]
    maps = [("density, %", 100 * np.nanmean(evaluations.array(run, "density"), axis=0), "{:.0f}")]
    if weights is not None:
        maps.append(("head weight", weights, "{:.1f}"))
    maps.append(("on landmarks, %", 100 * np.nanmean(evaluations.array(run, "far_mass"), axis=0), "{:.0f}"))
    figure, axes = plt.subplots(1, len(maps), figsize=(style.COLUMN, 2.0), sharey=True)
    for axis, (title, values, form) in zip(axes, maps):
        axis.imshow(values, aspect="auto", cmap="cividis",
                    norm="log" if values.min() > 0 and "density" in title else None)
        middle = np.sqrt(values.min() * values.max()) if values.min() > 0 and "density" in title else \
            (values.min() + values.max()) / 2
        for (layer, head), value in np.ndenumerate(values):
            axis.text(head, layer, form.format(value), ha="center", va="center", fontsize=6,
                      color="white" if value < middle else "black")
        axis.set(title=title, xlabel="head", xticks=range(values.shape[1]), yticks=range(values.shape[0]))
        axis.grid(visible=False)
        axis.tick_params(length=0)
    axes[0].set_ylabel("layer")
    style.save(figure, folder, "heads")


def indicator(evaluations, folder):
    """Is the share of the softmax on landmarks an error indicator? What is wrong with the output, and what of the dense
    softmax was not kept, of the queries whose share falls in a bin; where a file says so."""
    run = evaluations.with_heads().get("halftone")
    queries = None if run is None else evaluations.array(run, "indicator_queries")
    if queries is None:
        return
    starts = evaluations.files[run.path].axes["far_mass"]
    middles = np.sqrt(np.maximum(starts, 3e-4) * np.append(starts[1:], 1))
    weights = np.nan_to_num(queries)
    figure, axes = plt.subplots(figsize=(style.COLUMN, 2.2))
    for name, label, colour, marker in (("indicator_missed", "share of the softmax not kept", style.BLUE, "s"),
                                        ("indicator_error", "relative error of the output", style.OURS, "o")):
        values = np.nan_to_num(evaluations.array(run, name))
        axes.plot(middles, (values * weights).sum(0) / weights.sum(0), color=colour, marker=marker, label=label)
    axes.set(xscale="log", yscale="log", xlabel="share of the softmax on landmarks", ylabel="mean over queries")
    axes.legend()
    style.save(figure, folder, "indicator")
