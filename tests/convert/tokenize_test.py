#!/usr/bin/env python3
"""Text to a `tokens` file, checked against tokens worked out by hand."""
import lzma
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import tokenizers

from halftone_files import read_tokens

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "eval/convert/tokenize_text.py"


class Tokenize(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        # Letters a to e are tokens 1 to 5, "ab" is 6; 0 starts a document.
        vocabulary = {"<|doc|>": 0, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "ab": 6}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("a", "b")]))
        tokenizer.add_special_tokens(["<|doc|>"])
        tokenizer.save(str(self.folder / "tokenizer.json"))

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, "tokenizer.json", "tokens.h5", *arguments], cwd=self.folder,
                              capture_output=True, text=True, check=False)

    def test_documents_scenarios_and_start_token(self):
        (self.folder / "one.txt").write_text("abc")
        (self.folder / "two.txt.xz").write_bytes(lzma.compress(b"ddab"))
        run = self.run_script("books=one.txt", "books=two.txt.xz", "one.txt", "--start-token", "<|doc|>")
        self.assertEqual(run.returncode, 0, run.stderr)
        found = {name: ids.tolist() for name, ids in read_tokens(self.folder / "tokens.h5").items()}
        self.assertEqual(found, {"books/00": [0, 6, 3], "books/01": [0, 4, 4, 6], "text/00": [0, 6, 3]})
        with h5py.File(self.folder / "tokens.h5") as file:
            self.assertEqual(file["books/01"].dtype, np.uint16)
            self.assertEqual(dict(file["books/01"].attrs)["title"], "two.txt.xz")
            self.assertEqual(file.attrs["vocab_size"], 7)

    def test_records_and_length(self):
        (self.folder / "all.txt").write_text("abab\x1e\ncde\x1e\nab")
        run = self.run_script("law=all.txt", "--records", "--max-tokens", "2")
        self.assertEqual(run.returncode, 0, run.stderr)
        found = {name: ids.tolist() for name, ids in read_tokens(self.folder / "tokens.h5").items()}
        self.assertEqual(found, {"law/00": [6, 6], "law/01": [3, 4], "law/02": [6]})

    def test_refusals(self):
        (self.folder / "empty.txt").write_text("")
        (self.folder / "bytes.txt").write_bytes(b"\xff\xfe")
        for arguments, message in ((["gone.txt"], "gone.txt: no such file"),
                                   (["empty.txt"], "document text/00: expected at least one token"),
                                   (["bytes.txt"], "bytes.txt: not a text file in UTF-8"),
                                   (["empty.txt", "--start-token", "x"], "--start-token: got x")):
            run = self.run_script(*arguments)
            self.assertEqual(run.returncode, 1)
            self.assertRegex(run.stderr, rf"^tokenize_text: .*{message}.*\n$")
            self.assertFalse((self.folder / "tokens.h5").exists())


if __name__ == "__main__":
    unittest.main()
