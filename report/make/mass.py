"""The true attention of some heads, as shares of key blocks: what masks are looked at beside.

usage: python3 -m make.mass ACTIVATIONS.h5 OUTPUT.h5 LAYER:HEAD..."""
import sys

import numpy as np

from halftone_files import create_file, open_file, read_array

BLOCK_Q, BLOCK_K = 128, 64


def block_mass(q, k, scale):
    """Causal: mean over each tile's queries of the softmax that falls in each block, float32 [tiles, blocks]."""
    seq = len(q)
    mass = np.zeros((seq // BLOCK_Q, seq // BLOCK_K), np.float32)
    for tile in range(len(mass)):
        first, end = tile * BLOCK_Q, (tile + 1) * BLOCK_Q
        logits = scale * (q[first:end] @ k[:end].T)
        logits[np.arange(end) > np.arange(first, end)[:, None]] = -np.inf
        weights = np.exp(logits - logits.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        mass[tile, :end // BLOCK_K] = weights.reshape(BLOCK_Q, -1, BLOCK_K).sum(2).mean(0)
    return mass


def main(activations, output, *heads):
    with open_file(activations, "activations") as source, create_file(output, "eval") as file:
        names, masses = [], []
        for layer, head in (map(int, name.split(":")) for name in heads):
            group = source[f"activations/layer_{layer:02}"]
            ratio = group["q"].shape[1] // group["k"].shape[1]
            q, k = (read_array(group[name])[0, h].astype(np.float32) for name, h in (("q", head), ("k", head // ratio)))
            names.append(f"layer {layer}, head {head}")
            masses.append(block_mass(q, k, float(group.attrs["scale"])))
        masses = np.stack(masses)
        for axis, values in (("head", names), ("tile", np.arange(masses.shape[1])), ("block",
                                                                                     np.arange(masses.shape[2]))):
            file[f"axes/{axis}"] = values
            file[f"axes/{axis}"].make_scale(axis)
        data = file.create_dataset("arrays/mass", data=masses.astype(np.float16), compression="gzip", shuffle=True)
        data.attrs.update(units="1",
                          description="share of the tile's dense softmax in the block, mean over its queries")
        for dimension, axis in zip(data.dims, ("head", "tile", "block")):
            dimension.attach_scale(file[f"axes/{axis}"])
        file.create_group("summary")


if __name__ == "__main__":
    main(*sys.argv[1:])
