"""Files of kind "mask": block masks in block-CSR form."""
import dataclasses
import json

import numpy as np

from .files import open_file


@dataclasses.dataclass
class Mask:
    """One layer's mask. Row (batch, head, tile) keeps key blocks col_idx[row_ptr[row] : row_ptr[row + 1]]."""
    layer: int
    pattern: str
    parameters: dict
    batch: int
    heads: int
    tiles: int
    blocks: int
    block_q: int
    block_k: int
    visible: int  #: blocks with at least one visible pair, over all rows
    density: float  #: kept over visible blocks
    row_ptr: np.ndarray
    col_idx: np.ndarray
    kind: np.ndarray
    bits_index: np.ndarray | None = None  #: with bits: index of each kept block's
    bits: np.ndarray | None = None  #: uint64 [bit blocks, block_q, block_k / 64]; bit j of word w: key 64 w + j
    window_left: int = 0  #: reaches of blocks with a window, in keys
    window_right: int = 0

    def kept(self, head, batch=0):
        """Which blocks a head keeps: bool [tiles, blocks]."""
        picture = np.zeros((self.tiles, self.blocks), bool)
        first = (batch * self.heads + head) * self.tiles
        rows = self.row_ptr[first:first + self.tiles + 1]
        picture[np.repeat(np.arange(self.tiles), np.diff(rows)), self.col_idx[rows[0]:rows[-1]]] = True
        return picture

    def head_density(self):
        """Density of each head, float64 [batch, heads]; every head sees the same share of the blocks."""
        ends = self.row_ptr[::self.tiles]
        return np.diff(ends).reshape(self.batch, self.heads) * (self.batch * self.heads / self.visible)


def read_masks(path):
    """The masks of a file, one per layer, in order."""
    with open_file(path, "mask") as file:
        group = file["mask"]
        layers = [group] if "block_q" in group.attrs else [group[name] for name in sorted(group)]
        return [_read_mask(layer) for layer in layers]


def _read_mask(group):
    sizes = {name: int(group.attrs[name]) for name in ("layer", "batch", "heads", "tiles", "blocks", "block_q",
                                                       "block_k", "visible", "window_left", "window_right")}
    bits = {name: group[name][()] for name in ("bits_index", "bits") if name in group}
    return Mask(pattern=group.attrs["pattern"], parameters=json.loads(group.attrs["parameters"]),
                density=float(group.attrs["density"]), row_ptr=group["row_ptr"][()], col_idx=group["col_idx"][()],
                kind=group["kind"][()], **bits, **sizes)
