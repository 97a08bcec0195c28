"""The calls as fast as they can be made: no dispatcher, and whatever depends on shapes and options alone is worked out
once and kept as bytes (a plan). A call builds its struct from the plan and the tensors' addresses."""
from __future__ import annotations

import ctypes
import dataclasses
from typing import NamedTuple

import torch

from . import _library
from ._library import (HOST, MASK, OUTCOME, REQUEST_BYTES, REQUEST_HEAD, REQUEST_TAIL, SELECTED, SELECTION_BYTES,
                       SELECTION_HEAD, SELECTION_TAIL)
from .masks import BlockMask

DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


class Settings(NamedTuple):
    """What a call may say besides its tensors."""
    causal: bool
    scale: float  #: 0: 1 / sqrt(dim)
    kernel: str
    max_seqlen_q: int  #: packed: at least the longest sequence; 0: all rows
    max_seqlen_k: int
    return_lse: bool
    return_far_mass: bool


class Selection(NamedTuple):
    """How blocks are chosen (halftone_selection)."""
    tolerance: float
    density: float
    landmarks: bool
    block_k: int
    micro_block: int
    representatives: int
    sink_blocks: int
    local_blocks: int


@dataclasses.dataclass(slots=True)
class Plan:
    request: bytes  #: the part after the head
    selection: bytes  #: likewise
    workspace: int  #: bytes
    device: int
    rows: torch.Size  #: shape of lse


_plans: dict[tuple, Plan] = {}
_kernel_names: dict[str, ctypes.Array] = {}
_MOST_PLANS = 4096


def attend(q, k, v, sink, cu_seqlens_q, cu_seqlens_k, settings: Settings, mask: tuple):
    """(o, lse or None, far_mass or None) over the blocks of a mask: its struct and its sizes, both () for all."""
    plan = _plan_for(q, k, v, (sink, cu_seqlens_q, cu_seqlens_k), settings, None, mask)
    o, lse, far_mass, workspace, request = _prepare(plan, q, k, v, sink, cu_seqlens_q, cu_seqlens_k, settings)
    status = _library.block_sparse_attention(request, mask[0] if mask else None)
    if status:
        _library.fail(status)
    return o, lse, far_mass


def select_and_attend(q, k, v, head_weight, gate, cu_seqlens_q, cu_seqlens_k, settings: Settings, selection: Selection,
                      return_mask: bool = False):
    """(o, lse or None, far_mass or None), and the BlockMask with return_mask, which waits for the device."""
    plan = _plan_for(q, k, v, (head_weight, gate, cu_seqlens_q, cu_seqlens_k), settings, selection, ())
    o, lse, far_mass, workspace, request = _prepare(plan, q, k, v, None, cu_seqlens_q, cu_seqlens_k, settings)
    options = SELECTION_HEAD.pack(SELECTION_BYTES, 0 if head_weight is None else head_weight.data_ptr(),
                                  0 if gate is None else gate.data_ptr()) + plan.selection
    selected = ctypes.create_string_buffer(SELECTED.pack(SELECTED.size, *[0] * 17), SELECTED.size) if return_mask else None
    status = _library.attention(request, options, selected)
    if status:
        _library.fail(status)
    return (o, lse, far_mass, _mask_in(workspace, selected)) if return_mask else (o, lse, far_mass)


def _prepare(plan, q, k, v, sink, cu_seqlens_q, cu_seqlens_k, settings):
    o = torch.empty_like(q)
    lse = torch.empty(plan.rows, dtype=torch.float32, device=q.device) if settings.return_lse else None
    far_mass = torch.empty(plan.rows, dtype=torch.float32, device=q.device) if settings.return_far_mass else None
    workspace, address = None, 0
    if plan.workspace:
        workspace = torch.empty(plan.workspace, dtype=torch.uint8, device=q.device)
        address = -(-workspace.data_ptr() // 256) * 256
    stream = 0 if plan.device == HOST else torch._C._cuda_getCurrentRawStream(plan.device)
    head = REQUEST_HEAD.pack(
        REQUEST_BYTES, q.data_ptr(), k.data_ptr(), v.data_ptr(), o.data_ptr(), 0 if lse is None else lse.data_ptr(),
        0 if far_mass is None else far_mass.data_ptr(), 0 if sink is None else sink.data_ptr(),
        0 if cu_seqlens_q is None else cu_seqlens_q.data_ptr(), 0 if cu_seqlens_k is None else cu_seqlens_k.data_ptr(),
        address, stream)
    return o, lse, far_mass, workspace, head + plan.request


def _plan_for(q, k, v, extras, settings, selection, mask) -> Plan:
    key = (q.shape, q.stride(), k.shape, k.stride(), v.shape, v.stride(), q.dtype, k.dtype, v.dtype, q.device, k.device,
           v.device, settings, selection, mask and mask[1],
           *[extra if extra is None else (extra.shape, extra.dtype, extra.device, extra.stride()) for extra in extras])
    plan = _plans.get(key)
    if plan is None:
        plan = _make_plan(q, k, v, extras, settings, selection, mask)
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    return plan


def _require(ok: bool, what: str, got, expected) -> None:
    if not ok:
        raise ValueError(f"{what}: got {got}, expected {expected}")


def _check_tensors(q, k, v) -> None:
    _require(q.dtype in DTYPES, "dtype of q", q.dtype, "float32, float16 or bfloat16")
    _require(q.device.type in ("cpu", "cuda"), "device of q", q.device, "a CPU or CUDA device")
    _require(q.dim() == 4, "q", f"{q.dim()} dimensions", "4: [batch, heads, seq, dim]")
    batch, heads, _, dim = q.shape
    _require(k.dim() == 4 and (k.shape[0], k.shape[3]) == (batch, dim), "shape of k", list(k.shape),
             f"[{batch}, heads, seq, {dim}]")
    _require(k.shape[1] > 0 and heads % k.shape[1] == 0, "heads of k", k.shape[1], f"a divisor of q's {heads}")
    _require(v.shape == k.shape, "shape of v", list(v.shape), f"{list(k.shape)}, as k")
    _require(q.numel() and k.numel(), "shapes of q and k", f"{list(q.shape)} and {list(k.shape)}", "no size of 0")
    for name, tensor in (("k", k), ("v", v)):
        _require(tensor.dtype == q.dtype, f"dtype of {name}", tensor.dtype, f"{q.dtype}, as q")
        _require(tensor.device == q.device, f"device of {name}", tensor.device, f"{q.device}, as q")
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        _require(tensor.stride(3) == 1 or dim == 1, f"stride of {name} along dim", tensor.stride(3), 1)


def _check_extra(name, tensor, dtypes, count, device) -> None:
    if tensor is None:
        return
    _require(tensor.dtype in dtypes, f"dtype of {name}", tensor.dtype, " or ".join(str(dtype) for dtype in dtypes))
    _require(tensor.device == device, f"device of {name}", tensor.device, f"{device}, as q")
    _require(tensor.dim() == 1 and tensor.is_contiguous() and count(tensor.numel()), f"shape of {name}",
             list(tensor.shape), "one contiguous dimension of [heads_q], for cu_seqlens [sequences + 1]")


def _make_plan(q, k, v, extras, settings, selection, mask) -> Plan:
    _check_tensors(q, k, v)
    *per_head, cu_seqlens_q, cu_seqlens_k = extras
    batch, heads, rows_q, dim = q.shape
    rows_k = k.shape[2]
    for name, tensor in zip(("sink",) if selection is None else ("head_weight", "gate"), per_head):
        dtypes = (torch.bool, torch.uint8) if name == "gate" else (torch.float32,)
        _check_extra(name, tensor, dtypes, lambda n: n == heads, q.device)
    packed = cu_seqlens_q is not None
    _require(packed == (cu_seqlens_k is not None), "cu_seqlens_q and cu_seqlens_k", "one of two", "both or neither")
    seq_q, seq_k = rows_q, rows_k
    if packed:
        _require(batch == 1, "batch of packed tensors", batch, "1: [1, heads, rows of all sequences, dim]")
        _check_extra("cu_seqlens_q", cu_seqlens_q, (torch.int32,), lambda n: n >= 2, q.device)
        _check_extra("cu_seqlens_k", cu_seqlens_k, (torch.int32,), lambda n: n == cu_seqlens_q.numel(), q.device)
        batch = cu_seqlens_q.numel() - 1
        seq_q, seq_k = settings.max_seqlen_q or rows_q, settings.max_seqlen_k or rows_k

    kernel = _kernel_names.setdefault(settings.kernel, ctypes.create_string_buffer(settings.kernel.encode()))
    device = HOST if q.device.type == "cpu" else q.get_device()
    o = torch.empty_like(q)

    def tail(workspace):
        return REQUEST_TAIL.pack(workspace, *q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *o.stride()[:3], seq_q,
                                 seq_k, rows_q, rows_k, batch, heads, k.shape[1], dim, DTYPES[q.dtype], device,
                                 settings.causal, settings.scale, ctypes.addressof(kernel))

    options = b""
    if selection is not None:
        for name in ("sink_blocks", "local_blocks"):
            _require(getattr(selection, name) >= 0, name, getattr(selection, name), "at least 0")
        s = selection
        options = SELECTION_TAIL.pack(s.tolerance, s.density, s.landmarks, s.block_k, s.micro_block, s.representatives,
                                      s.sink_blocks or -1, s.local_blocks or -1)
    head = REQUEST_HEAD.pack(REQUEST_BYTES, q.data_ptr(), k.data_ptr(), v.data_ptr(), o.data_ptr(), 0, 0, 0,
                             cu_seqlens_q.data_ptr() if packed else 0, cu_seqlens_k.data_ptr() if packed else 0, 0, 0)
    whole = SELECTION_HEAD.pack(SELECTION_BYTES, 0, 0) + options if selection is not None else None
    workspace = _library.workspace_bytes(head + tail(0), mask[0] if mask else None, whole)
    # A CPU tensor begins at a multiple of 64: room to move up to one of 256.
    return Plan(tail(workspace), options, workspace + 256 if workspace and device == HOST else workspace, device,
                q.shape[:3])


def _mask_in(workspace, selected) -> BlockMask:
    """The mask that a call has left in its workspace."""
    _, outcome, _, row_ptr, col_idx, kind, *_ = fields = SELECTED.unpack(selected.raw)
    batch, heads, tiles, blocks, block_q, block_k = fields[-6:]

    def copy(address, count, dtype):
        begin = address - workspace.data_ptr()
        return workspace[begin:begin + count * dtype.itemsize].view(dtype).clone()

    counts = copy(outcome, OUTCOME.size, torch.uint8).cpu().numpy().tobytes()
    _, _, kept, _, not_finite = OUTCOME.unpack(counts)
    _require(not_finite == 0, "q and k", f"{not_finite} block scores that are not finite", "finite numbers")
    return BlockMask(copy(row_ptr, batch * heads * tiles + 1, torch.int64), copy(col_idx, kept, torch.int32),
                     copy(kind, kept, torch.uint8), None, None, batch, heads, tiles, blocks, block_q, block_k)
