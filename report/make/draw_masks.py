"""Figures of real masks, from results/masks (report/make_masks)."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap, LogNorm

from halftone_files import read_eval, read_masks

from . import style

KEPT = ListedColormap(["#EDF0F2", "#0B3C5D"])


def visible(tiles, blocks):
    """Blocks with a visible pair: [tiles, blocks]."""
    ratio = blocks // tiles
    return np.arange(blocks) < (np.arange(tiles)[:, None] + 1) * ratio


def picture(axes, kept):
    shown = np.ma.masked_where(~visible(*kept.shape), kept.astype(float))
    axes.imshow(shown, cmap=KEPT, vmin=0, vmax=1, aspect="auto", interpolation="nearest")


def plain(axes):
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def patterns(folder, results):
    """Four heads in columns; where their attention is, and what patterns keep at 10 %."""
    file = read_eval(results / "mass-16k.h5")
    heads = [tuple(int(word) for word in name.replace(",", "").split() if word.isdigit()) for name in file.axes["head"]]
    masses = file.arrays["mass"].values.astype(float)
    kinds = [(name, {mask.layer: mask
                     for mask in read_masks(results / f"{name}-16k.h5")})
             for name in ("halftone", "antidiagonal", "mean_topk")]
    figure, axes = plt.subplots(len(kinds) + 1, len(heads), figsize=(style.PAGE, 4.6))
    for column, ((layer, head), mass) in enumerate(zip(heads, masses)):
        shown = np.ma.masked_where(~visible(*mass.shape), np.maximum(mass, 1e-5))
        image = axes[0, column].imshow(shown, cmap="cividis", norm=LogNorm(1e-4, 1), aspect="auto",
                                       interpolation="nearest")
        axes[0, column].set_title(f"layer {layer}, head {head}")
        for row, (name, masks) in enumerate(kinds, 1):
            kept = masks[layer].kept(head)
            picture(axes[row, column], kept)
            captured = mass[kept].sum() / len(mass)
            axes[row, column].text(
                0.98, 0.97, f"keeps {100 * masks[layer].head_density()[0, head]:.1f} %\n"
                f"of attention {100 * captured:.0f} %", transform=axes[row, column].transAxes, ha="right", va="top",
                fontsize=6.5)
    for axis in axes.flat:
        plain(axis)
    for axis, label in zip(axes[:, 0], ["attention", *(style.name(name).split(" (")[0] for name, _ in kinds)]):
        axis.set_ylabel(label, fontsize=8)
    figure.colorbar(image, ax=axes[0, :], label="share of a tile", shrink=0.9, pad=0.01)
    style.save(figure, folder, "masks")


def model(folder, results):
    """All heads of the model: layers in rows."""
    masks = read_masks(results / "halftone-16k.h5")
    figure, axes = plt.subplots(masks[0].heads, len(masks), figsize=(style.PAGE, 3.9))
    for column, mask in enumerate(masks):
        for head in range(mask.heads):
            axis = axes[head, column]
            picture(axis, mask.kept(head))
            plain(axis)
            axis.text(0.98, 0.96, f"{100 * mask.head_density()[0, head]:.0f} %", transform=axis.transAxes, ha="right",
                      va="top", fontsize=6.5)
        axes[0, column].set_title(f"layer {mask.layer}")
    for head, axis in enumerate(axes[:, 0]):
        axis.set_ylabel(f"head {head}")
    style.save(figure, folder, "masks-model")


def lengths(folder, results, layer=6, head=0):
    """One head at three lengths under the same tolerance."""
    figure, axes = plt.subplots(1, 3, figsize=(style.COLUMN, 1.25))
    for axis, name in zip(axes, ("4k", "8k", "16k")):
        mask = next(mask for mask in read_masks(results / f"tolerance-{name}.h5") if mask.layer == layer)
        picture(axis, mask.kept(head))
        plain(axis)
        axis.set_title(f"{name.upper()} tokens", fontsize=7)
        axis.text(0.98, 0.96, f"{100 * mask.head_density()[0, head]:.0f} %", transform=axis.transAxes, ha="right",
                  va="top", fontsize=6.5)
    style.save(figure, folder, "masks-lengths")
