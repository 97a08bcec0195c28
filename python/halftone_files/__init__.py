"""Halftone's HDF5 files from Python, as NumPy arrays and pandas tables.

Needs NumPy and h5py; pandas only for tables. The layouts are those of core/io: the C++ readers and this package open
each other's files."""
from .encoding import decode_bfloat16, encode_bfloat16, read_array, write_bfloat16
from .files import HalftoneFileError, create_file, open_file, provenance, read_tree
from .masks import Mask, read_masks
from .models import MODEL_SIZES, model_parameter_shapes, read_model, write_model
from .tables import EvalArray, EvalFile, read_bench, read_eval, write_bench
from .tokens import read_answers, read_tokens, write_tokens

__all__ = ["EvalArray", "EvalFile", "HalftoneFileError", "MODEL_SIZES", "Mask", "create_file", "decode_bfloat16",
           "encode_bfloat16", "model_parameter_shapes", "open_file", "provenance", "read_answers", "read_array",
           "read_bench", "read_eval", "read_masks", "read_model", "read_tokens", "read_tree", "write_bench",
           "write_bfloat16", "write_model", "write_tokens"]
