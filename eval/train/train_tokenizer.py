#!/usr/bin/env python3
"""Trains a byte-level BPE tokenizer on text files (.xz files are unpacked); token 0, <|doc|>, marks a document's start.

usage: train_tokenizer.py OUTPUT.json TEXT... [--vocab-size 8192]

Needs tokenizers. About a minute and a half of one core for 200 MB."""
import argparse
import pathlib
import sys

import tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "convert"))
from tokenize_text import RECORD_END, read_text  # noqa: E402

START_TOKEN = "<|doc|>"


def train_tokenizer(texts, vocab_size):
    """texts: an iterable of str."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[START_TOKEN], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path, help="the tokenizer file to write")
    parser.add_argument("texts", type=pathlib.Path, nargs="+", help="text files, documents separated by U+001E lines")
    parser.add_argument("--vocab-size", type=int, default=8192)
    arguments = parser.parse_args()
    try:
        documents = (document for path in arguments.texts for document in read_text(path).split(RECORD_END))
        tokenizer = train_tokenizer(documents, arguments.vocab_size)
        tokenizer.save(str(arguments.output))
    except Exception as error:  # the tokenizers package raises nothing narrower
        sys.exit(f"train_tokenizer: {error}")
    print(f"{arguments.output}: {tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
