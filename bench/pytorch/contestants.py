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


def halftone_own(problem, density):
    """Selection and attention; its own choice of blocks of 64 keys, at the density of the others, of which only the
    diagonal's are given."""
    return lambda **options: halftone.attention(problem.q, problem.k, problem.v, density=density, sink_blocks=0,
                                                local_blocks=0, causal=problem.shape.causal, **options)


@functools.cache
def _compiled_flex():
    from torch.nn.attention.flex_attention import flex_attention
    return torch.compile(flex_attention, dynamic=False)


def flex(problem, mask):
    from torch.nn.attention.flex_attention import BlockMask
    partial, full = mask.partial_and_full()
    blocks = BlockMask.from_kv_blocks(*mask.lists(partial), *mask.lists(full), BLOCK_SIZE=BLOCK,
                                      mask_mod=_causal if problem.shape.causal else None,
                                      seq_lengths=(problem.shape.seq, problem.shape.seq))
    attend = _compiled_flex()
    return lambda: attend(problem.q, problem.k, problem.v, block_mask=blocks)


def _causal(batch, head, query, key):
    return query >= key


def flash_attention_4(problem, mask):
    from flash_attn.cute import flash_attn_func
    from flash_attn.cute.block_sparsity import BlockSparseTensorsTorch
    partial, full = mask.partial_and_full()
    (partial_count, partial_index), (full_count, full_index) = mask.lists(partial), mask.lists(full)
    blocks = BlockSparseTensorsTorch(mask_block_cnt=partial_count, mask_block_idx=partial_index,
                                     full_block_cnt=full_count, full_block_idx=full_index)
    q, k, v = (tensor.transpose(1, 2) for tensor in (problem.q, problem.k, problem.v))

    def call():
        o = flash_attn_func(q, k, v, causal=problem.shape.causal, block_sparse_tensors=blocks)
        return (o[0] if isinstance(o, tuple) else o).transpose(1, 2)

    return call


def flashinfer(problem, mask):
    import flashinfer
    shape = problem.shape
    if shape.causal:
        raise NotImplementedError("its masks of several heads have no causal diagonal")
    heads = shape.batch * shape.heads  # each with a mask of its own
    wrapper = flashinfer.VariableBlockSparseAttentionWrapper(
        torch.empty(512 << 20, dtype=torch.uint8, device=problem.device))
    sizes = torch.full((heads, shape.blocks), BLOCK, dtype=torch.int32, device=problem.device)
    wrapper.plan(mask.blocks[0].repeat(shape.batch, 1, 1), sizes, sizes, heads, heads, shape.dim,
                 q_data_type=problem.q.dtype)
    q, k, v = (tensor.reshape(heads, shape.seq, shape.dim) for tensor in (problem.q, problem.k, problem.v))
    return lambda: wrapper.run(q, k, v).view(shape.batch, shape.heads, shape.seq, shape.dim)


DENSE = {"SDPA cuDNN": dense(SDPBackend.CUDNN_ATTENTION), "SDPA flash": dense(SDPBackend.FLASH_ATTENTION),
         "SDPA efficient": dense(SDPBackend.EFFICIENT_ATTENTION), "halftone, no mask": halftone_dense}
SPARSE = {"FlexAttention": flex, "FlashAttention-4": flash_attention_4, "FlashInfer": flashinfer,
          "halftone": halftone_mask}
OWN = "halftone, selecting"
PEERS = [name for name in DENSE if name.startswith("SDPA")]  #: the best of them is what speed-ups refer to
