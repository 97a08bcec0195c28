"""The calls as operators of PyTorch, for torch.compile, export and fake tensors: torch.ops.halftone.attention and
torch.ops.halftone.block_sparse_attention. Sums that are not asked for come back with no elements."""
from typing import Optional, Sequence

import torch

from . import _call, masks

Sums = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _all_tensors(o, lse, far_mass) -> Sums:
    def sums(tensor):
        return o.new_empty(0, dtype=torch.float32) if tensor is None else tensor

    return o, sums(lse), sums(far_mass)


def _fake(q, return_lse, return_far_mass) -> Sums:
    def sums(wanted):
        return q.new_empty(q.shape[:3] if wanted else (0,), dtype=torch.float32)

    return torch.empty_like(q), sums(return_lse), sums(return_far_mass)


@torch.library.custom_op("halftone::attention", mutates_args=())
def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, head_weight: Optional[torch.Tensor],
              gate: Optional[torch.Tensor], cu_seqlens_q: Optional[torch.Tensor], cu_seqlens_k: Optional[torch.Tensor],
              causal: bool, scale: float, kernel: str, max_seqlen_q: int, max_seqlen_k: int, return_lse: bool,
              return_far_mass: bool, tolerance: float, density: float, landmarks: bool, block_k: int, micro_block: int,
              representatives: int, sink_blocks: int, local_blocks: int,
              shared_lists: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    settings = (causal, scale, kernel, max_seqlen_q, max_seqlen_k, return_lse, return_far_mass)
    selection = (tolerance, density, landmarks, block_k, micro_block, representatives, sink_blocks, local_blocks,
                 shared_lists)
    extras = (head_weight, gate, cu_seqlens_q, cu_seqlens_k)
    plan = _call.find_plan(q, k, v, extras, settings, selection, ())
    return _all_tensors(*_call.select_and_attend(plan, q, k, v, extras, settings, selection))


@attention.register_fake
def _(q, k, v, head_weight, gate, cu_seqlens_q, cu_seqlens_k, causal, scale, kernel, max_seqlen_q, max_seqlen_k,
      return_lse, return_far_mass, *selection):
    return _fake(q, return_lse, return_far_mass)


@torch.library.custom_op("halftone::block_sparse_attention", mutates_args=())
def block_sparse_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, row_ptr: Optional[torch.Tensor],
                           col_idx: Optional[torch.Tensor], kind: Optional[torch.Tensor],
                           bits_index: Optional[torch.Tensor], bits: Optional[torch.Tensor], sizes: Sequence[int],
                           sink: Optional[torch.Tensor], cu_seqlens_q: Optional[torch.Tensor],
                           cu_seqlens_k: Optional[torch.Tensor], causal: bool, scale: float, kernel: str,
                           max_seqlen_q: int, max_seqlen_k: int, return_lse: bool,
                           return_far_mass: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    settings = (causal, scale, kernel, max_seqlen_q, max_seqlen_k, return_lse, return_far_mass)
    extras = (sink, cu_seqlens_q, cu_seqlens_k)
    mask, layout = None, ()
    if row_ptr is not None:
        mask, layout = masks.pack(row_ptr, col_idx, kind, bits_index, bits, sizes), (*sizes, row_ptr.device)
    plan = _call.find_plan(q, k, v, extras, settings, None, layout)
    return _all_tensors(*_call.attend(plan, q, k, v, extras, settings, mask, layout))


@block_sparse_attention.register_fake
def _(q, k, v, row_ptr, col_idx, kind, bits_index, bits, sizes, sink, cu_seqlens_q, cu_seqlens_k, causal, scale, kernel,
      max_seqlen_q, max_seqlen_k, return_lse, return_far_mass):
    return _fake(q, return_lse, return_far_mass)
