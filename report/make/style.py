"""How every figure looks: widths of the report's columns, colours that colour-blind readers can tell apart (Okabe, Ito,
2008), and names of patterns for people."""
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

COLUMN, PAGE = 3.33, 6.93  #: inches

OURS, DENSE, GREY = "#D55E00", "#000000", "#8A8A8A"
BLUE, SKY, GREEN, PURPLE, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00"

#: {pattern: (name, colour, marker)} of those that figures name; the others are grey
PATTERNS = {
    "halftone": ("Halftone", OURS, "o"),
    "oracle": ("oracle", DENSE, "*"),
    "antidiagonal": ("antidiagonal (XAttention)", BLUE, "s"),
    "mean_topk": ("mean-pooled top-$k$", GREEN, "D"),
    "minmax": ("min/max (Quest)", PURPLE, "v"),
    "vertical_slash": ("vertical-slash (MInference)", YELLOW, "P"),
    "local": ("sliding window", SKY, "^"),
}
NAMES = {
    "bigbird": "BigBird",
    "longformer": "Longformer",
    "lsh": "LSH buckets (Reformer)",
    "routing": "k-means routing",
    "random": "random blocks",
    "strided": "strided",
    "fixed": "fixed",
    "dilated": "dilated",
    "landmark": "landmark",
    "landmark_adaptive": "adaptive landmarks",
    "hierarchical": "hierarchical",
}


def setup():
    plt.rcParams.update({
        "pdf.fonttype": 42, "figure.constrained_layout.use": True, "figure.constrained_layout.h_pad": 0.02,
        "figure.constrained_layout.w_pad": 0.02, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
        "font.size": 7.5, "axes.titlesize": 8, "axes.labelsize": 7.5, "xtick.labelsize": 7, "ytick.labelsize": 7,
        "legend.fontsize": 7, "legend.frameon": False, "legend.handlelength": 1.6, "axes.spines.top": False,
        "axes.spines.right": False, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "xtick.major.size": 2.5, "ytick.major.size": 2.5, "lines.linewidth": 1.2, "lines.markersize": 3.5,
        "axes.grid": True, "grid.linewidth": 0.4, "grid.alpha": 0.35, "axes.axisbelow": True
    })


def name(pattern):
    return PATTERNS[pattern][0] if pattern in PATTERNS else NAMES.get(pattern, pattern.replace("_", " "))


def look(pattern):
    """Arguments of a plotted line."""
    _, colour, marker = PATTERNS.get(pattern, (None, "#B5B5B5", "."))
    first = pattern == "halftone"
    return {"color": colour, "marker": marker, "lw": 1.8 if first else 1.0, "zorder": 5 if first else 3}


def percent_axis(axis, shares):
    """A logarithmic axis of densities, a tick at each."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(list(shares)))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axis.set_minor_locator(NullLocator())


def length_text(tokens):
    return f"{tokens // 2**20}M" if tokens >= 2 ** 20 else f"{tokens // 1024}K"


def length_axis(axis, lengths):
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(list(lengths)))
    axis.set_major_formatter(FuncFormatter(lambda tokens, _: length_text(round(tokens))))
    axis.set_minor_locator(NullLocator())


def save(figure, folder, name, png=None):
    """name.pdf in the folder; `png`: also that file, for the README."""
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    if png is not None:
        figure.savefig(png, dpi=200)
    plt.close(figure)
