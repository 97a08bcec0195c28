"""Halftone: sparse attention for long documents.

    o = halftone.attention(q, k, v, density=0.1)           # [batch, heads, seq, dim], CUDA or CPU
    o = halftone.block_sparse_attention(q, k, v, mask)     # a halftone.BlockMask
    table = halftone.load("bench.h5")                      # the library's HDF5 files; needs neither torch nor libhalftone

halftone.transformers puts it into Hugging Face models. Calls need PyTorch and libhalftone (a wheel carries
it; HALFTONE_LIBRARY names another one)."""
import importlib
import typing

if typing.TYPE_CHECKING:
    from ._library import UnsupportedError, features, last_kernel, version
    from ._attention import attention, block_sparse_attention
    from .files import load
    from .masks import BlockMask

_HOMES = {"attention": "_attention", "block_sparse_attention": "_attention", "BlockMask": "masks", "load": "files",
          "UnsupportedError": "_library", "features": "_library", "last_kernel": "_library", "version": "_library"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
