"""The library's forward pass from Python, through the program model_outputs."""
import pathlib
import subprocess
import tempfile

import numpy as np

from halftone_files import write_tokens


def library_outputs(program, model, tokens, vocab_size):
    """(losses [n - 1], logits [n - 1, vocab_size]) of a `model` file over n tokens."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "tokens.h5"
        write_tokens(file, {"test/00": (tokens, "test", "")}, vocab_size=vocab_size)
        run = subprocess.run([program, model, file, "test/00"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise AssertionError(run.stderr)
    rows = np.array([[float(value) for value in line.split()] for line in run.stdout.splitlines()])
    return rows[:, 0], rows[:, 1:]
