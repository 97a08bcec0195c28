"""What the notebooks share: where the files are, how figures look, and how benchmark rows are compared."""
import os
import pathlib
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

plt.rcParams.update({"figure.dpi": 110, "figure.constrained_layout.use": True, "axes.spines.top": False,
                     "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False})


def result_file(variable, default):
    """The file to show: what the environment variable names, else `default`, relative to the repository."""
    path = pathlib.Path(os.environ.get(variable, ROOT / default))
    print(f"{path.name} (another: set {variable} before the notebook is started)")
    return path


def finish(figure, name):
    """Shows a figure, and where HALFTONE_FIGURES names a folder also stores it there, for the report."""
    folder = os.environ.get("HALFTONE_FIGURES")
    if folder:
        figure.savefig(pathlib.Path(folder) / f"{name}.pdf")
    plt.show()


def share_axis(axis):
    """An axis of shares (densities) in percent, logarithmic, with ticks that one can read."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    axis.set_ticks([tick for tick in (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1) if low <= tick <= high])
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axis.set_minor_locator(NullLocator())


def head_map(axes, values, label, **options):
    """A matrix [layers, heads] of numbers, drawn and written."""
    values = np.atleast_2d(values)
    image = axes.imshow(values, aspect="auto", **options)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (layer, head), value in np.ndenumerate(values):
        axes.text(head, layer, f"{value:.2g}", ha="center", va="center", fontsize=8,
                  color="white" if value < middle else "black")
    axes.set(xlabel="head", ylabel="layer", xticks=range(values.shape[1]), yticks=range(values.shape[0]))
    axes.grid(False)
    axes.figure.colorbar(image, ax=axes, label=label)


def benchmark_arguments(name):
    """("sparse", {"type": "float", "seq": "8192"}) of "sparse<float>/seq:8192"."""
    head, *arguments = name.split("/")
    kernel, _, kind = head.partition("<")
    found = dict(argument.split(":", 1) for argument in arguments if ":" in argument)
    return kernel, ({"type": kind.rstrip(">")} if kind else {}) | found


#: arguments of a benchmark that choose the mask, not the problem
MASK_ARGUMENTS = {"permille", "mask"}


def with_speedups(table):
    """The rows of an attention benchmark with two more columns: `problem`, what rows that compute the same thing share
    (sizes and types), and `speedup` over the fastest attention of that problem with every block kept. Matrix products
    alone ("gemm") are no attention; rows without such a partner have no speed-up."""
    def problem(name):
        arguments = benchmark_arguments(name)[1]
        return ", ".join(f"{key} {value}" for key, value in arguments.items() if key not in MASK_ARGUMENTS)

    table = table.assign(problem=table["name"].map(problem))
    dense = table[(table["density"] == 1) & ~table["kernel"].str.startswith("gemm")]
    fastest = dense.groupby("problem")["seconds_median"].min()
    return table.assign(speedup=table["problem"].map(fastest) / table["seconds_median"])


def significant(table, digits=3):
    """A table for people: floating-point columns rounded to significant digits (whole numbers are left whole), nothing
    where there is no number."""
    def text(value):
        return "" if np.isnan(value) else f"{value:.0f}" if value == round(value) else f"{value:.{digits}g}"

    return table.assign(**{str(column): table[column].map(text) for column in table.select_dtypes("floating")})


def ordered(patterns):
    """Names of patterns with halftone last, so that it is drawn over the others; each keeps its colour."""
    names = sorted(set(patterns), key=lambda name: (name.startswith("halftone"), name))
    palette = plt.get_cmap("tab20").colors + plt.get_cmap("tab20b").colors
    return {name: "black" if name == "halftone" else palette[index % 40] for index, name in enumerate(names)}


def strip_label(text):
    """A setting's label without its density: "local:window=9 10 %" -> "local:window=9"."""
    return re.sub(r" [\d.e+-]+ %$", "", text)
