"""The library's HDF5 files for notebooks, through halftone_files."""
from __future__ import annotations

import os
import typing

from halftone_files import open_file, read_bench, read_eval, read_masks, read_model, read_tokens, read_tree

READERS = {"bench": read_bench, "eval": read_eval, "mask": read_masks, "model": read_model, "tokens": read_tokens}


def load(path: str | os.PathLike) -> typing.Any:
    """What a file of the library holds, by its kind, with bfloat16 decoded to float32:
    bench: a pandas table; eval: an EvalFile of arrays with named axes and a pandas table; mask: a list of Mask;
    model: (sizes, {name: array}); tokens: {name: ids}; activations, attention and calibration: nested {name: array}, a
    group's attributes under "attributes".
    Raises HalftoneFileError, one line that names the file."""
    with open_file(path) as file:
        kind = file.attrs["kind"]
    return READERS.get(kind, read_tree)(path)
