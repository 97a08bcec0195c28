"""The public calls: straight to the library in eager mode, through the operators where PyTorch has to see them."""
from __future__ import annotations

import torch

from . import _call, ops
from .masks import BlockMask

Tensor, is_compiling, is_grad_enabled = torch.Tensor, torch.compiler.is_compiling, torch.is_grad_enabled
dispatch_modes = torch._C._len_torch_dispatch_stack
Result = torch.Tensor | tuple[torch.Tensor, ...]


def _seen_by_torch(q, k, v) -> bool:
    """Whether the call has to go through an operator: it is traced, its tensors hold no data, or gradients are asked for
    (which the operators refuse in the backward pass, the only one that is missing)."""
    return (is_compiling() or not (type(q) is type(k) is type(v) is Tensor) or dispatch_modes() > 0 or q.is_meta
            or (is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)))


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, density: float | None = None,
              tolerance: float | None = None, causal: bool = True, scale: float | None = None, landmarks: bool = False,
              head_weight: torch.Tensor | None = None, gate: torch.Tensor | None = None,
              cu_seqlens_q: torch.Tensor | None = None, cu_seqlens_k: torch.Tensor | None = None,
              max_seqlen_q: int = 0, max_seqlen_k: int = 0, return_lse: bool = False, return_far_mass: bool = False,
              return_mask: bool = False, block_k: int = 64, micro_block: int = 8, representatives: int = 16,
              sink_blocks: int = 1, local_blocks: int = 1, shared_lists: bool = False,
              kernel: str = "auto") -> Result:
    """Attention over the blocks of keys that the halftone pattern selects: those whose estimated share of the softmax,
    times their head's weight, exceeds one tolerance for all rows and heads of the call.

    q [batch, heads_q, seq_q, dim], k and v [batch, heads_kv, seq_k, dim]: of one type, float16 or bfloat16 (on the CPU
    also float32), with any strides but 1 along dim; heads_q a multiple of heads_kv.
    density: kept over visible blocks, in (0, 1]. tolerance: keep what scores more. Exactly one of them.
    causal: key j is visible to query i when j <= i + seq_k - seq_q. scale: 1 / sqrt(dim) unless given.
    landmarks: what is left out takes part through one mean key and value per block, on the heads of gate.
    head_weight, gate: float32 and bool [heads_q].
    cu_seqlens_q, cu_seqlens_k: int32 [sequences + 1], starts of sequences that are packed one behind the other into
    q [1, heads_q, rows, dim] and k, v; max_seqlen_q and max_seqlen_k: their longest, or more (0: all rows).
    block_k: keys per block, 64 or 128. micro_block, representatives: keys of which the selection knows mean and variance
    alone, and queries that stand for a tile of 128; 16 and 8 choose fastest, a little worse than the defaults.
    sink_blocks, local_blocks: leading blocks, and blocks beside the diagonal's, that are always kept.
    shared_lists: one list of blocks per key-value head, for its whole group of query heads: what the root mean square of
    their weighted scores selects. On the CPU, and on CUDA devices where heads_q is heads_kv.
    kernel: "auto", or by name; what ran says last_kernel().

    Returns o, of q's shape and strides where these leave no gaps; with return_lse also the natural log of the softmax's
    denominator, with return_far_mass the share of the softmax that landmarks received, both float32 [batch, heads_q,
    seq_q]; with return_mask the BlockMask of what was selected, which waits for the device. Otherwise nothing waits: the
    work is enqueued on the current stream of q's device, and can be captured into a CUDA graph. Up to 4 MiB of workspace
    stay held per device.
    Blocks with scores that are not finite are not kept; on the CPU, and with return_mask, they are a ValueError.
    Forward only: where gradients are wanted the backward pass raises RuntimeError.
    Raises ValueError on arguments that contradict one another, UnsupportedError (a NotImplementedError) with each
    kernel's reason when none serves the call: on CUDA devices, compute capability 9.0 and head dims that are multiples of
    8 up to 128."""
    settings = (causal, scale or 0.0, kernel, max_seqlen_q, max_seqlen_k, return_lse, return_far_mass)
    selection = (tolerance or 0.0, density or 0.0, landmarks, block_k, micro_block, representatives, sink_blocks,
                 local_blocks, shared_lists)
    extras = () if head_weight is gate is cu_seqlens_q is cu_seqlens_k is None else (head_weight, gate, cu_seqlens_q,
                                                                                    cu_seqlens_k)
    plan = None if is_compiling() else _call.find_plan(q, k, v, extras, settings, selection, ())
    mask = ()
    if plan is None and not return_mask and _seen_by_torch(q, k, v):
        o, lse, far_mass = torch.ops.halftone.attention(q, k, v, head_weight, gate, cu_seqlens_q, cu_seqlens_k, *settings,
                                                        *selection)
    else:
        o, lse, far_mass, *mask = _call.select_and_attend(plan, q, k, v, extras, settings, selection, return_mask)
    if not (return_lse or return_far_mass or return_mask):
        return o
    return (o, *((lse,) if return_lse else ()), *((far_mass,) if return_far_mass else ()), *mask)


def block_sparse_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: BlockMask | None = None, *,
                           causal: bool = False, scale: float | None = None, sink: torch.Tensor | None = None,
                           cu_seqlens_q: torch.Tensor | None = None, cu_seqlens_k: torch.Tensor | None = None,
                           max_seqlen_q: int = 0, max_seqlen_k: int = 0, return_lse: bool = False,
                           kernel: str = "auto") -> Result:
    """Attention over the blocks of a mask, over all keys without one; arguments and results as for attention().

    mask: a BlockMask on the tensors' device (BlockMask.from_dense, from_flex, from_file).
    causal: hide, besides what the mask leaves out, keys j > i + seq_k - seq_q from query i.
    sink: float32 [heads_q], one extra logit per head that takes part in the softmax without a value.
    On CUDA devices of compute capability 8.0 and up, head dims that are multiples of 8."""
    settings = (causal, scale or 0.0, kernel, max_seqlen_q, max_seqlen_k, return_lse, False)
    extras = () if sink is cu_seqlens_q is cu_seqlens_k is None else (sink, cu_seqlens_q, cu_seqlens_k)
    layout = () if mask is None or is_compiling() else mask.layout  # cached, under a lock before Python 3.12
    plan = None if is_compiling() else _call.find_plan(q, k, v, extras, settings, None, layout)
    if plan is not None or not _seen_by_torch(q, k, v):
        o, lse, _ = _call.attend(plan, q, k, v, extras, settings, None if mask is None else mask.struct, layout)
        return (o, lse) if return_lse else o
    if mask is not None and mask.device != q.device:
        raise ValueError(f"device of the mask: got {mask.device}, expected {q.device} as q")
    tensors = (None,) * 5 + ([],) if mask is None else (mask.row_ptr, mask.col_idx, mask.kind, mask.bits_index, mask.bits,
                                                        mask.sizes)
    o, lse, _ = torch.ops.halftone.block_sparse_attention(q, k, v, *tensors, sink, cu_seqlens_q, cu_seqlens_k, *settings)
    return (o, lse) if return_lse else o
