"""Block masks on torch tensors: which key blocks each tile of queries attends to, and what decides inside them."""
from __future__ import annotations

import dataclasses
import functools
import typing

import torch

from ._library import MASK

if typing.TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask as FlexBlockMask

    import halftone_files

CAUSAL, WINDOW, RAGGED, BITS = 1, 2, 4, 8  #: flags of kinds, HALFTONE_BLOCK_ in halftone.h


@dataclasses.dataclass(frozen=True, eq=False)
class BlockMask:
    """Row (batch, head, tile) keeps key blocks col_idx[row_ptr[row] : row_ptr[row + 1]], ascending. Made by
    from_dense, from_flex, from_file or attention(..., return_mask=True); the contents of tensors on a CUDA device are
    trusted."""
    row_ptr: torch.Tensor  #: int64 [batch * heads * tiles + 1]
    col_idx: torch.Tensor  #: int32 [kept]
    kind: torch.Tensor  #: uint8 [kept] flags; 0: every pair of the block counts
    bits_index: torch.Tensor | None  #: int32 [kept] index into bits, or None
    bits: torch.Tensor | None  #: int64 [bit blocks, block_q, block_k / 64]; bit j of word w: key 64 w + j
    batch: int  #: that of the tensors, or 1
    heads: int  #: a divisor of the query heads
    tiles: int
    blocks: int
    block_q: int
    block_k: int
    window_left: int = 0
    window_right: int = 0

    def __post_init__(self):
        expected = {"row_ptr": (torch.int64, self.batch * self.heads * self.tiles + 1),
                    "col_idx": (torch.int32, self.kept), "kind": (torch.uint8, self.kept)}
        if self.bits_index is not None:
            expected |= {"bits_index": (torch.int32, self.kept),
                         "bits": (torch.int64, self.bits.shape[0] * self.block_q * (self.block_k // 64))}
        for name, (dtype, count) in expected.items():
            tensor = getattr(self, name)
            if tensor.dtype != dtype or tensor.numel() != count or not tensor.is_contiguous():
                raise ValueError(f"mask {name}: got {tensor.numel()} of {tensor.dtype}, expected {count} of {dtype}, "
                                 "contiguous")
            if tensor.device != self.device:
                raise ValueError(f"mask {name}: got a tensor on {tensor.device}, expected {self.device} as row_ptr")

    @property
    def kept(self) -> int:
        return self.col_idx.numel()

    @property
    def device(self) -> torch.device:
        return self.row_ptr.device

    @property
    def sizes(self) -> list[int]:
        """batch, heads, tiles, blocks, block_q, block_k, window_left, window_right."""
        return [self.batch, self.heads, self.tiles, self.blocks, self.block_q, self.block_k, self.window_left,
                self.window_right]

    @functools.cached_property
    def layout(self) -> tuple:
        """What a call's plan depends on: the sizes and, last, the device."""
        return (*self.sizes, self.device)

    @functools.cached_property
    def struct(self) -> bytes:
        """As pack() makes it."""
        return pack(self.row_ptr, self.col_idx, self.kind, self.bits_index, self.bits, self.sizes)

    def to(self, device: torch.device | str) -> BlockMask:
        def moved(tensor):
            return None if tensor is None else tensor.to(device)

        return dataclasses.replace(self, row_ptr=moved(self.row_ptr), col_idx=moved(self.col_idx),
                                   kind=moved(self.kind), bits_index=moved(self.bits_index), bits=moved(self.bits))

    def dense(self) -> torch.Tensor:
        """Which blocks are kept: bool [batch, heads, tiles, blocks]."""
        rows = self.batch * self.heads * self.tiles
        blocks = torch.zeros(rows, self.blocks, dtype=torch.bool, device=self.device)
        row = torch.repeat_interleave(torch.arange(rows, device=self.device), self.row_ptr.diff())
        blocks[row, self.col_idx.long()] = True
        return blocks.view(self.batch, self.heads, self.tiles, self.blocks)

    @classmethod
    def from_dense(cls, blocks: torch.Tensor, seq_q: int, seq_k: int | None = None, *, causal: bool,
                   block_q: int = 128, block_k: int = 64) -> BlockMask:
        """From bool [batch or 1, heads or 1, ceil(seq_q / block_q), ceil(seq_k / block_k)] on any device, where it stays.
        Kept blocks that the causal diagonal or the end of a sequence crosses are masked there; blocks without a visible
        pair are left out. Waits for the device. Not for packed sequences."""
        seq_k = seq_q if seq_k is None else seq_k
        tiles, count = -(-seq_q // block_q), -(-seq_k // block_k)
        if blocks.dtype != torch.bool or blocks.dim() != 4 or blocks.shape[2:] != (tiles, count):
            raise ValueError(f"blocks: got {blocks.dtype} {list(blocks.shape)}, expected torch.bool "
                             f"[batch, heads, {tiles}, {count}] for {seq_q} queries and {seq_k} keys")
        first = torch.arange(tiles, device=blocks.device).unsqueeze(1) * block_q
        key = torch.arange(count, device=blocks.device) * block_k
        last = (first + block_q).clamp(max=seq_q) - 1
        kind = torch.zeros(tiles, count, dtype=torch.uint8, device=blocks.device)
        kind[(key + block_k > seq_k) | (first + block_q > seq_q)] = RAGGED
        if causal:
            kind += CAUSAL * (key + block_k - 1 > first + seq_k - seq_q)
            blocks = blocks & (key <= last + seq_k - seq_q)
        kept = blocks.nonzero()
        return cls(_row_ptr(blocks.sum(-1)), kept[:, 3].int(), kind[kept[:, 2], kept[:, 3]], None, None,
                   *blocks.shape, block_q, block_k)

    @classmethod
    def from_flex(cls, mask: FlexBlockMask) -> BlockMask:
        """From a BlockMask of torch.nn.attention.flex_attention: its full blocks as they are, its partial ones as bits
        from its mask_mod. Key blocks must be multiples of 64; CUDA kernels serve blocks of 128 x 64 and 128 x 128.
        Waits for the device."""
        block_q, block_k = mask.BLOCK_SIZE
        if block_k % 64:
            raise ValueError(f"BLOCK_SIZE: got {block_q} x {block_k}, expected key blocks of a multiple of 64")
        seq_q, seq_k = mask.seq_lengths
        tiles, count = -(-seq_q // block_q), -(-seq_k // block_k)
        partial = _listed(mask.kv_num_blocks, mask.kv_indices, tiles, count)
        full = torch.zeros_like(partial)
        if mask.full_kv_num_blocks is not None:
            full = _listed(mask.full_kv_num_blocks, mask.full_kv_indices, tiles, count)
        kept = (partial | full).nonzero()
        with_bits = partial[tuple(kept.T)]
        places = kept[with_bits]
        bits = [_bits(mask.mask_mod, chunk, block_q, block_k, seq_q, seq_k) for chunk in places.split(256)]
        bits = torch.cat(bits) if len(places) else None
        bits_index = torch.where(with_bits, with_bits.cumsum(0) - 1, -1).int() if len(places) else None
        ragged = ((kept[:, 2] + 1) * block_q > seq_q) | ((kept[:, 3] + 1) * block_k > seq_k)
        kind = (BITS * with_bits + RAGGED * ragged).to(torch.uint8)
        return cls(_row_ptr((partial | full).sum(-1)), kept[:, 3].int(), kind, bits_index, bits, *partial.shape, block_q,
                   block_k)

    @classmethod
    def from_file(cls, mask: halftone_files.Mask) -> BlockMask:
        """From a halftone_files.Mask (halftone.load, halftone_files.read_masks), in host memory."""
        return cls(torch.from_numpy(mask.row_ptr), torch.from_numpy(mask.col_idx), torch.from_numpy(mask.kind),
                   None if mask.bits_index is None else torch.from_numpy(mask.bits_index),
                   None if mask.bits is None else torch.from_numpy(mask.bits.view("int64")),
                   mask.batch, mask.heads, mask.tiles, mask.blocks, mask.block_q, mask.block_k, mask.window_left,
                   mask.window_right)


def pack(row_ptr, col_idx, kind, bits_index, bits, sizes) -> bytes:
    """The struct halftone_block_mask."""
    batch, heads, tiles, blocks, block_q, block_k, window_left, window_right = sizes
    return MASK.pack(MASK.size, row_ptr.data_ptr(), col_idx.data_ptr() or row_ptr.data_ptr(),
                     kind.data_ptr() or row_ptr.data_ptr(), 0 if bits_index is None else bits_index.data_ptr(),
                     0 if bits is None else bits.data_ptr(), col_idx.numel(), 0 if bits is None else bits.shape[0],
                     window_left, window_right, batch, heads, tiles, blocks, block_q, block_k)


def _row_ptr(counts: torch.Tensor) -> torch.Tensor:
    ends = counts.flatten().cumsum(0)
    return torch.cat([ends.new_zeros(1), ends])


def _listed(counts, indices, tiles: int, blocks: int) -> torch.Tensor:
    """FlexAttention's lists [batch, heads, tiles, any] as bool [batch, heads, tiles, blocks]."""
    batch, heads = counts.shape[:2]
    dense = torch.zeros(batch, heads, tiles, blocks + 1, dtype=torch.bool, device=counts.device)
    place = torch.arange(indices.shape[-1], device=counts.device)
    listed = torch.where(place < counts.unsqueeze(-1), indices, blocks)[:, :, :tiles]
    return dense.scatter_(3, listed.long(), True)[..., :blocks]


def _bits(mask_mod, places, block_q: int, block_k: int, seq_q: int, seq_k: int) -> torch.Tensor:
    """Bits of the blocks at places [n, 4] (batch, head, tile, block): int64 [n, block_q, block_k / 64]. Pairs past the
    end of a sequence are not asked for."""
    device = places.device
    query = (places[:, 2:3] * block_q + torch.arange(block_q, device=device)).clamp(max=seq_q - 1)
    key = (places[:, 3:4] * block_k + torch.arange(block_k, device=device)).clamp(max=seq_k - 1)
    over_keys = torch.vmap(mask_mod, in_dims=(None, None, None, 0))
    over_pairs = torch.vmap(over_keys, in_dims=(None, None, 0, None))
    allowed = torch.vmap(over_pairs, in_dims=(0, 0, 0, 0))(places[:, 0], places[:, 1], query, key)
    words = allowed.view(-1, block_q, block_k // 64, 64).long()
    return (words << torch.arange(64, device=device)).sum(-1)
