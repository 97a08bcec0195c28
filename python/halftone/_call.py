"""The calls as fast as they can be made: no dispatcher, and whatever depends on shapes and options alone is worked out
once and kept as bytes (a plan). A call builds its struct from the plan and the tensors' addresses."""
from __future__ import annotations

import ctypes
import dataclasses
from typing import Callable, NamedTuple

import torch
from torch._C._dynamo.guards import TensorGuards  # compares in C++, in a third of the time that it takes here

from . import _library
from ._library import (HOST, MASK, OUTCOME, REQUEST_BYTES, REQUEST_HEAD, REQUEST_TAIL, SELECTED, SELECTION_BYTES,
                       SELECTION_HEAD, SELECTION_TAIL)
from .masks import BlockMask

_pack_head, _empty_like = REQUEST_HEAD.pack, torch.empty_like
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
    shared_lists: bool


@dataclasses.dataclass(slots=True)
class Plan:
    alike: Callable[..., bool]  #: whether a call's q, k, v are like those that the plan was made for
    extras_alike: Callable[..., bool]  #: the same of the extras that are given
    request: bytes  #: the part after the head
    selection: bytes | None  #: the whole, without weights and gate
    workspace: int  #: bytes
    device: int
    lse: bool
    far_mass: bool
    rows: torch.Size  #: shape of lse


@dataclasses.dataclass(slots=True)
class Workspace:
    memory: torch.Tensor | None
    address: int  #: the first multiple of 256 in it: a CPU tensor begins at one of 64
    home: int | None  #: the device whose idle workspace it is between calls


_plans: dict[tuple, list[Plan]] = {}  #: of a call's options, one for each kind of tensors, the newest first
_kernel_names: dict[str, ctypes.Array] = {}
_MOST_OPTIONS, _MOST_PLANS = 4096, 8

# Allocating a workspace is a fifth of a call's host time. Calls that need at most _KEPT_BYTES take the device's from here,
# where they find it, and put it back once their work is enqueued; while a call has it, another thread's allocates one, so
# that the kernels of two calls never mix in it. Only on the default stream (and on the CPU, whose work is then done):
# kernels of other streams would run beside one another, and what is allocated on a stream that is captured, or that warms
# up for it, belongs to the graph's pool. The default stream cannot be captured. What is kept stays held until the process
# ends; longer calls, where microseconds do not matter, allocate.
_idle_workspaces: dict[int, Workspace] = {}
_KEPT_BYTES = 4 << 20
_NO_WORKSPACE = Workspace(None, 0, None)


def find_plan(q, k, v, extras: tuple, settings: tuple, selection: tuple | None, layout: tuple) -> Plan | None:
    """The plan of a call like one before. extras: optional tensors, the sink, or head weights and gate, then both
    cu_seqlens; (): none of them. settings and selection: plain tuples of what Settings and Selection name, which are
    built faster. layout: BlockMask.layout, or () without a mask."""
    for plan in _plans.get((settings, selection, layout, extras and _which(extras)), ()):
        if plan.alike(q, k, v) and (not extras or plan.extras_alike(*_given(extras))):
            return plan
    return None


def attend(plan: Plan | None, q, k, v, extras: tuple, settings: tuple, mask: bytes | None, layout: tuple):
    """(o, lse or None, far_mass or None) over the blocks of a mask, BlockMask.struct, or over all; arguments as for
    find_plan(), and what it found."""
    plan = plan or _make_plan(q, k, v, extras, settings, None, mask, layout)
    o, lse, far_mass, workspace, request = _prepare(plan, q, k, v, extras)
    status = _library.block_sparse_attention(request, mask)
    if status:
        _library.fail(status)
    if workspace.home is not None:
        _idle_workspaces[workspace.home] = workspace
    return o, lse, far_mass


def select_and_attend(plan: Plan | None, q, k, v, extras: tuple, settings: tuple, selection: tuple,
                      return_mask: bool = False):
    """(o, lse or None, far_mass or None), and the BlockMask with return_mask, which waits for the device; arguments as
    for attend()."""
    plan = plan or _make_plan(q, k, v, extras, settings, selection, None, ())
    o, lse, far_mass, workspace, request = _prepare(plan, q, k, v, extras, return_mask)
    options = plan.selection
    if extras:
        options = SELECTION_HEAD.pack(SELECTION_BYTES, *map(_address, extras[:2])) + options[SELECTION_HEAD.size:]
    selected = ctypes.create_string_buffer(SELECTED.pack(SELECTED.size, *[0] * 17), SELECTED.size) if return_mask else None
    status = _library.attention(request, options, selected)
    if status:
        _library.fail(status)
    if workspace.home is not None:
        _idle_workspaces[workspace.home] = workspace
    return (o, lse, far_mass, _mask_in(workspace.memory, selected)) if return_mask else (o, lse, far_mass)


def _prepare(plan, q, k, v, extras, own_workspace=False):
    """What a call needs: o, lse and far_mass or None, the workspace and the request."""
    device = plan.device
    stream = 0 if device == HOST else torch._C._cuda_getCurrentRawStream(device)
    workspace = _NO_WORKSPACE
    if plan.workspace:
        if plan.workspace > _KEPT_BYTES or stream or own_workspace:
            workspace = _new_workspace(plan.workspace, q.device)
        else:
            workspace = _idle_workspaces.pop(device, None) or _new_workspace(_KEPT_BYTES, q.device, device)
    o = _empty_like(q)
    lse = torch.empty(plan.rows, dtype=torch.float32, device=q.device) if plan.lse else None
    far_mass = torch.empty(plan.rows, dtype=torch.float32, device=q.device) if plan.far_mass else None
    sink = cu_seqlens_q = cu_seqlens_k = 0
    if extras:
        sink, *_, cu_seqlens_q, cu_seqlens_k = map(_address, extras)
        sink = 0 if plan.selection else sink
    head = _pack_head(REQUEST_BYTES, q.data_ptr(), k.data_ptr(), v.data_ptr(), o.data_ptr(),
                      0 if lse is None else lse.data_ptr(), 0 if far_mass is None else far_mass.data_ptr(), sink,
                      cu_seqlens_q, cu_seqlens_k, workspace.address, stream)
    return o, lse, far_mass, workspace, head + plan.request


def _alike(*tensors) -> Callable[..., bool]:
    """Tells whether others are like these tensors: in type, dispatch keys (device, modes), element type, sizes, strides,
    requires_grad."""
    if len({id(tensor) for tensor in tensors}) == len(tensors):
        return TensorGuards(*tensors, dynamic_dims_sizes=None, dynamic_dims_strides=None).check
    each = [_alike(tensor) for tensor in tensors]  # guards of several tensors refuse the same one twice
    return lambda *others: all(alike(other) for alike, other in zip(each, others))


def _given(extras: tuple) -> list:
    return [extra for extra in extras if extra is not None]


def _which(extras: tuple) -> tuple:
    return tuple([extra is not None for extra in extras])


def _address(tensor) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _new_workspace(size: int, device: torch.device, home: int | None = None) -> Workspace:
    memory = torch.empty(size + 256, dtype=torch.uint8, device=device)
    return Workspace(memory, -(-memory.data_ptr() // 256) * 256, home)


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


def _make_plan(q, k, v, extras, settings, selection, mask, layout) -> Plan:
    options = (settings, selection, layout, extras and _which(extras))
    settings, selection = Settings(*settings), selection and Selection(*selection)
    _check_tensors(q, k, v)
    if layout:
        _require(layout[-1] == q.device, "device of the mask", layout[-1], f"{q.device} as q")
    *per_head, cu_seqlens_q, cu_seqlens_k = extras or [None] * 4
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

    whole = None
    if selection is not None:
        for name in ("sink_blocks", "local_blocks"):
            _require(getattr(selection, name) >= 0, name, getattr(selection, name), "at least 0")
        s = selection
        whole = SELECTION_HEAD.pack(SELECTION_BYTES, 0, 0) + SELECTION_TAIL.pack(
            s.tolerance, s.density, s.landmarks, s.block_k, s.micro_block, s.representatives, s.sink_blocks or -1,
            s.local_blocks or -1, s.shared_lists, 0)
    head = REQUEST_HEAD.pack(REQUEST_BYTES, q.data_ptr(), k.data_ptr(), v.data_ptr(), o.data_ptr(), 0, 0, 0,
                             cu_seqlens_q.data_ptr() if packed else 0, cu_seqlens_k.data_ptr() if packed else 0, 0, 0)
    workspace = _library.workspace_bytes(head + tail(0), mask, whole)
    plan = Plan(_alike(q, k, v), _alike(*_given(extras)), tail(workspace), whole, workspace, device, settings.return_lse,
                settings.return_far_mass, q.shape[:3])
    if q.requires_grad or k.requires_grad or v.requires_grad:
        return plan  # not kept: found again where gradients are wanted, it would pass the operator by
    if len(_plans) >= _MOST_OPTIONS:
        _plans.clear()
    _plans[options] = [plan, *_plans.get(options, [])[:_MOST_PLANS - 1]]
    return plan


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
