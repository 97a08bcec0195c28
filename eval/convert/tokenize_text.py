#!/usr/bin/env python3
"""Turns text files into a `tokens` file with a Hugging Face tokenizer.

usage: tokenize_text.py TOKENIZER.json OUTPUT.h5 [SCENARIO=]TEXT... [--records] [--start-token TEXT] [--max-tokens N]

Each text is a document, named SCENARIO/00, SCENARIO/01, ... with its file's name as title; .xz files are unpacked.
Needs NumPy, h5py and tokenizers."""
import argparse
import lzma
import pathlib
import sys

import numpy as np
import tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from halftone_files import HalftoneFileError, write_tokens  # noqa: E402

RECORD_END = "\x1e\n"  # a line of its own between the documents of one file
BATCH = 16  # documents encoded at once, on all cores; some 100 bytes of memory per token


def read_text(path):
    """A text file, unpacked when it ends in .xz; raises ValueError, one line, when it is not one."""
    try:
        data = lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a text file in UTF-8 ({error})") from None


def load_tokenizer(path):
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises nothing narrower
        raise ValueError(f"{path}: not a tokenizer file ({error})") from None


def tokenize(tokenizer, texts, *, records=False, start_token=None, max_tokens=None):
    """texts: [(scenario, path)]. Returns {name: (ids, scenario, title)}, as write_tokens takes it."""
    start = [] if start_token is None else [tokenizer.token_to_id(start_token)]
    if start == [None]:
        raise ValueError(f"--start-token: got {start_token}, expected a token of the vocabulary")
    documents, counts = {}, {}
    for scenario, path in texts:
        text = read_text(path)
        parts = text.split(RECORD_END) if records else [text]
        for begin in range(0, len(parts), BATCH):
            # A tokenizer with a post-processor adds its own start token.
            for part, encoding in enumerate(tokenizer.encode_batch(parts[begin:begin + BATCH]), begin):
                number = counts[scenario] = counts.get(scenario, -1) + 1
                title = path.name if len(parts) == 1 else f"{path.name}, {part}"
                documents[f"{scenario}/{number:02}"] = (np.array((start + encoding.ids)[:max_tokens]), scenario, title)
    return documents


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", type=pathlib.Path, help="tokenizer.json of a model")
    parser.add_argument("output", type=pathlib.Path, help="the HDF5 file to write")
    parser.add_argument("texts", nargs="+", metavar="[SCENARIO=]TEXT", help="text files; SCENARIO: `text` if not given")
    parser.add_argument("--records", action="store_true",
                        help="files hold several documents, separated by a line of the character U+001E")
    parser.add_argument("--start-token", help="put this token first in each document, e.g. '<|doc|>'")
    parser.add_argument("--max-tokens", type=int, help="keep so many tokens of each document at most")
    arguments = parser.parse_args()
    texts = [(scenario or "text", pathlib.Path(path))
             for scenario, _, path in (text.rpartition("=") for text in arguments.texts)]
    try:
        tokenizer = load_tokenizer(arguments.tokenizer)
        documents = tokenize(tokenizer, texts, records=arguments.records, start_token=arguments.start_token,
                             max_tokens=arguments.max_tokens)
        write_tokens(arguments.output, documents, vocab_size=tokenizer.get_vocab_size())
    except (ValueError, HalftoneFileError) as error:
        sys.exit(f"tokenize_text: {error}")
    for name, (ids, _, title) in documents.items():
        print(f"{name}: {len(ids)} tokens, {title}")


if __name__ == "__main__":
    main()
