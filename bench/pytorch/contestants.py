"""Who takes part: each prepares, outside what is timed, a call without arguments that returns o [batch, heads, seq, dim].
What raises, raises: the comparison reports it by name."""
import functools

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

import halftone

from problem import BLOCK


def dense(backend):
    def prepare(problem):
        def call():
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(problem.q, problem.k, problem.v, is_causal=problem.shape.causal)

        return call

    return prepare


def halftone_dense(problem):
    return lambda: halftone.block_sparse_attention(problem.q, problem.k, problem.v, causal=problem.shape.causal)


def halftone_mask(problem, mask):
    shape = problem.shape
    blocks = halftone.BlockMask.from_dense(mask.blocks, shape.seq, causal=shape.causal, block_k=BLOCK)
    return lambda: halftone.block_sparse_attention(problem.q, problem.k, problem.v, blocks, causal=shape.causal)


def halftone_own(problem, density, setting):
    """The whole call, selection and attention; its own choice of blocks of 64 keys, at the density of the others, of which
    only the diagonal's are given."""
    return lambda **options: halftone.attention(problem.q, problem.k, problem.v, density=density, sink_blocks=0,
                                                local_blocks=0, causal=problem.shape.causal, **setting, **options)


@functools.lru_cache(maxsize=1)
def _compiled_flex(shape):
    """Once for all masks of a shape. For every shape anew: dynamo counts how often it has compiled a function, whatever
    for, and after eight times runs it as it stands, which takes seq x seq memory."""
    from torch.nn.attention.flex_attention import flex_attention
    torch._dynamo.reset()
    return torch.compile(flex_attention, dynamic=False)


def flex(problem, mask):
    from torch.nn.attention.flex_attention import BlockMask
    partial, full = mask.partial_and_full()
    blocks = BlockMask.from_kv_blocks(*mask.lists(partial), *mask.lists(full), BLOCK_SIZE=BLOCK,
                                      mask_mod=_causal if problem.shape.causal else None,
                                      seq_lengths=(problem.shape.seq, problem.shape.seq))
    attend = _compiled_flex(problem.shape)
    return lambda: attend(problem.q, problem.k, problem.v, block_mask=blocks)


def _causal(batch, head, query, key):
    return query >= key


def flash_attention_4(problem, mask):
    from flash_attn.cute import flash_attn_func
    from flash_attn.cute.block_sparsity import BlockSparseTensorsTorch
    partial, full = mask.partial_and_full()
    (partial_count, partial_index), (full_count, full_index) = mask.lists(partial), mask.lists(full)
    blocks = BlockSparseTensorsTorch(mask_block_cnt=partial_count, mask_block_idx=partial_index,
                                     full_block_cnt=full_count, full_block_idx=full_index, block_size=(BLOCK, BLOCK))
    q, k, v = (tensor.transpose(1, 2) for tensor in (problem.q, problem.k, problem.v))
    return lambda: flash_attn_func(q, k, v, causal=problem.shape.causal, block_sparse_tensors=blocks)[0].transpose(1, 2)


def flashinfer(problem, mask):
    """One head after the other as a single long sequence of one head: the wrapper's mask is that of all heads. Its causal
    rule lets a tile's last query see the last key of the tile's list, which is that of the diagonal's block."""
    import flashinfer
    shape = problem.shape
    heads = shape.batch * shape.heads
    kept = mask.blocks[0].repeat(shape.batch, 1, 1)  # [heads, tiles, blocks]
    head, _, block = kept.nonzero(as_tuple=True)
    starts = torch.nn.functional.pad(kept.sum(-1).flatten().cumsum(0), (1, 0))
    wrapper = flashinfer.BlockSparseAttentionWrapper(torch.empty(128 << 20, dtype=torch.uint8, device=problem.device))
    wrapper.plan(starts.int(), (head * shape.blocks + block).int(), heads * shape.seq, heads * shape.seq, BLOCK, BLOCK, 1, 1,
                 shape.dim, causal=shape.causal, q_data_type=problem.q.dtype, o_data_type=problem.q.dtype)
    q, k, v = (tensor.reshape(heads * shape.seq, 1, shape.dim) for tensor in (problem.q, problem.k, problem.v))
    return lambda: wrapper.run(q, k, v).view(shape.batch, shape.heads, shape.seq, shape.dim)


DENSE = {"SDPA cuDNN": dense(SDPBackend.CUDNN_ATTENTION), "SDPA flash": dense(SDPBackend.FLASH_ATTENTION),
         "SDPA efficient": dense(SDPBackend.EFFICIENT_ATTENTION), "SDPA math": dense(SDPBackend.MATH),
         "halftone, no mask": halftone_dense}
SPARSE = {"FlexAttention": flex, "FlashAttention-4": flash_attention_4, "FlashInfer": flashinfer,
          "halftone": halftone_mask}
OWN = {"halftone, selecting": {"micro_block": 8, "representatives": 16},  #: the default, of the published quality
       "halftone, selecting fast": {"micro_block": 16, "representatives": 8}}
PEERS = [name for name in DENSE if name.startswith("SDPA")]  #: the best of them is what speed-ups refer to
