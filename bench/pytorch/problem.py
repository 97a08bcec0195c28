"""A problem: tensors, the block mask that every sparse contestant gets, and some of its outputs in float32."""
import dataclasses
import math

import torch

BLOCK = 128  #: queries per tile and keys per block: what all contestants serve


@dataclasses.dataclass(frozen=True)
class Shape:
    seq: int
    dim: int
    causal: bool
    batch: int
    heads: int

    @classmethod
    def of_paper(cls, seq, dim, causal):
        """The sizes of the FlashAttention-3 paper: 16,384 tokens in all (one sequence at least), hidden size 2,048."""
        return cls(seq, dim, causal, max(1, 16384 // seq), 2048 // dim)

    @property
    def blocks(self):
        return self.seq // BLOCK

    @property
    def pairs(self):
        """Visible (query, key) pairs, over all heads and sequences."""
        per_head = self.seq * (self.seq + 1) // 2 if self.causal else self.seq ** 2
        return self.batch * self.heads * per_head

    def __str__(self):
        return f"{self.seq} tokens x {self.batch}, {self.heads} heads of {self.dim}, {'causal' if self.causal else 'full'}"


class Problem:
    def __init__(self, shape, device="cuda", dtype=torch.bfloat16):
        self.shape, self.device = shape, device
        generator = torch.Generator(device).manual_seed(2026)

        def tensor():  # [batch, heads, seq, dim] that lies as [batch, seq, heads, dim], as projections leave it
            size = (shape.batch, shape.seq, shape.heads, shape.dim)
            return torch.randn(size, generator=generator, device=device, dtype=dtype).transpose(1, 2)

        self.q, self.k, self.v = tensor(), tensor(), tensor()

    def exact_tiles(self, kept=None, block_k=BLOCK):
        """Outputs in float32 of the first, the middle and the last tile of the first and the last head of sequence 0,
        over kept blocks (bool [batch or 1, heads or 1, tiles, blocks]; None: all): [6, 128, dim]."""
        tiles = []
        for head, tile in self._probes():
            rows = slice(tile * BLOCK, (tile + 1) * BLOCK)
            q, k, v = (tensor.float() for tensor in (self.q[0, head, rows], self.k[0, head], self.v[0, head]))
            scores = q @ k.T / math.sqrt(self.shape.dim)
            hidden = torch.zeros_like(scores, dtype=torch.bool)
            if self.shape.causal:
                hidden |= torch.arange(self.shape.seq, device=self.device) > torch.arange(
                    rows.start, rows.stop, device=self.device).unsqueeze(1)
            if kept is not None:
                hidden |= ~kept[0, head % kept.shape[1], tile].repeat_interleave(block_k)[:self.shape.seq]
            tiles.append(scores.masked_fill_(hidden, -math.inf).softmax(-1) @ v)
        return torch.stack(tiles)

    def tiles_of(self, o):
        """The same tiles of an output."""
        return torch.stack([o[0, head, tile * BLOCK:(tile + 1) * BLOCK] for head, tile in self._probes()]).float()

    def _probes(self):
        last = self.shape.blocks - 1
        return [(head, tile) for head in (0, self.shape.heads - 1) for tile in (0, last // 2, last)]


class Mask:
    """Each row keeps its own block and random others, the same share of what it sees for all: bool [1, heads, tiles,
    blocks], shared by the batch."""

    def __init__(self, shape, density, device="cuda"):
        self.shape, count = shape, shape.blocks
        generator = torch.Generator(device).manual_seed(7)
        order = torch.rand(shape.heads, count, count, generator=generator, device=device)
        order.diagonal(dim1=1, dim2=2).fill_(2.0)
        visible = torch.full((count,), count, device=device)
        if shape.causal:
            visible = torch.arange(1, count + 1, device=device)
            order.masked_fill_(torch.ones(count, count, dtype=torch.bool, device=device).triu(1), -1.0)
        wanted = (density * visible).round().long().clamp(min=1)
        rank = order.argsort(-1, descending=True).argsort(-1)
        self.blocks = (rank < wanted.unsqueeze(-1)).unsqueeze(0)
        self.kept = int(self.blocks.sum())
        self.density = self.kept / (shape.heads * int(visible.sum()))

    @property
    def pairs(self):
        """(query, key) pairs that count, over all heads and sequences; every diagonal block is kept."""
        above_diagonal = self.shape.heads * self.shape.blocks * BLOCK * (BLOCK - 1) // 2 if self.shape.causal else 0
        return self.shape.batch * (self.kept * BLOCK ** 2 - above_diagonal)

    def lists(self, blocks):
        """Counts [1, heads, tiles] and indices [1, heads, tiles, blocks] of kept blocks, the form of FlexAttention and
        FlashAttention-4."""
        return (blocks.sum(-1, dtype=torch.int32),
                blocks.byte().argsort(dim=-1, descending=True, stable=True).to(torch.int32))

    def partial_and_full(self):
        """The kept blocks that the diagonal crosses, and the others."""
        if not self.shape.causal:
            return torch.zeros_like(self.blocks), self.blocks
        diagonal = torch.eye(self.shape.blocks, dtype=torch.bool, device=self.blocks.device)
        return self.blocks & diagonal, self.blocks & ~diagonal
