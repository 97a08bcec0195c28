#!/usr/bin/env python3
"""Writes long-context tasks as a `tokens` file with answers, for `halftone eval --tasks`.

usage: make_tasks.py TOKENIZER.json TOKENS.h5 OUTPUT.h5 --documents books/00,... [--length N] [--seed S] [--tasks NAMES]

Each document gives the background of every task, so tasks are named TASK/SCENARIO_NN. The document has N + 1 tokens, the
last of which is only predicted. Needs NumPy, h5py and tokenizers."""
import argparse
import pathlib
import sys
import zlib

import numpy as np
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "eval/train")]
from facts import Facts  # noqa: E402
from halftone_files import HalftoneFileError, read_tokens, write_tokens  # noqa: E402
from tasks import Tasks  # noqa: E402


def task_table(tasks, length):
    """{name: task}, recall at a sixteenth, a quarter and nine tenths of the context."""
    table = {"recall": tasks.recall, "multi_key": tasks.multi_key, "multi_value": tasks.multi_value,
             "induction": tasks.induction, "variable_tracking": tasks.variable_tracking,
             "common_word": tasks.common_word}
    for share in (0.0625, 0.25, 0.9):
        distance = int(share * length)
        table[f"recall_{distance}"] = lambda rng, text, distance=distance: tasks.recall_at(rng, text, distance)
    return table


def make_tasks(table, documents, length, seed):
    """documents: {name: ids}. Returns what write_tokens takes, and the answers."""
    made, answers = {}, {}
    for task_name, task in table.items():
        for name, ids in documents.items():
            if len(ids) < length + 1:
                raise ValueError(f"document {name} has {len(ids)} tokens, expected at least {length + 1}")
            label = f"{task_name}/{name.replace('/', '_')}"
            rng = np.random.default_rng([seed, zlib.crc32(label.encode())])
            tokens, asked = task(rng, ids[:length + 1])
            made[label] = (tokens, task_name, name)
            answers[label] = asked
    return made, answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", help="tokenizer.json of the model")
    parser.add_argument("tokens", help="token file with background documents")
    parser.add_argument("output", help="the HDF5 file to write")
    parser.add_argument("--documents", required=True, help="names in the token file, separated by commas")
    parser.add_argument("--length", type=int, default=16384, help="tokens of context (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", help="some of the tasks, separated by commas; all without it")
    arguments = parser.parse_args()
    try:
        tokenizer = tokenizers.Tokenizer.from_file(arguments.tokenizer)
        table = task_table(Tasks(tokenizer, Facts(tokenizer)), arguments.length)
        names = arguments.tasks.split(",") if arguments.tasks else list(table)
        for name in names:
            if name not in table:
                raise ValueError(f"--tasks: got {name}, expected some of {', '.join(table)}")
        found = read_tokens(arguments.tokens)
        for name in arguments.documents.split(","):
            if name not in found:
                raise ValueError(f"--documents: got {name}, expected some of {', '.join(found)}")
        documents = {name: np.asarray(found[name], np.int64) for name in arguments.documents.split(",")}
        made, answers = make_tasks({name: table[name] for name in names}, documents, arguments.length, arguments.seed)
        write_tokens(arguments.output, made, answers=answers, vocab_size=tokenizer.get_vocab_size(),
                     command=" ".join(["make_tasks.py", *sys.argv[1:]]), seed=arguments.seed)
    except (ValueError, HalftoneFileError, OSError) as error:
        sys.exit(f"make_tasks.py: error: {error}")
    print(f"{arguments.output}: {len(made)} documents of {arguments.length + 1} tokens, "
          f"{sum(len(places) for places in answers.values())} answers")


if __name__ == "__main__":
    main()
