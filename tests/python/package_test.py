#!/usr/bin/env python3
"""The parts of the package halftone that need no PyTorch: the library, the files.

HALFTONE_LIBRARY names the library. usage: package_test.py [arguments of unittest]"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import halftone
from halftone_files import create_file, encode_bfloat16, write_bench, write_bfloat16, write_tokens


class Library(unittest.TestCase):
    def test_says_what_it_is(self):
        self.assertRegex(halftone.version(), r"^\d+\.\d+\.\d+")
        self.assertIn("host", halftone.features())
        self.assertEqual(halftone.last_kernel(), "")

    def test_a_missing_library_is_one_line(self):
        done = subprocess.run([sys.executable, "-c", "import halftone; halftone.version()"], capture_output=True,
                              text=True, check=False, env=os.environ | {"HALFTONE_LIBRARY": "/nowhere/libhalftone.so"})
        self.assertIn("ImportError: libhalftone: /nowhere/libhalftone.so", done.stderr)
        self.assertIn("expected HALFTONE_LIBRARY=", done.stderr)

    def test_unknown_names(self):
        with self.assertRaisesRegex(AttributeError, "module 'halftone' has no attribute 'atention'"):
            halftone.atention


class Load(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / "file.h5"

    def test_trees_with_bfloat16(self):
        values = np.array([[1.0, -2.5], [0.0, 3.0]], np.float32)
        with create_file(self.path, "activations") as file:
            write_bfloat16(file, "activations/layer_00/q", encode_bfloat16(values))
            file["activations/layer_00"].attrs["scale"] = 0.125
        tree = halftone.load(self.path)
        layer = tree["activations"]["layer_00"]
        np.testing.assert_array_equal(layer["q"], values)
        self.assertEqual((layer["q"].dtype, layer["attributes"]["scale"]), (np.float32, 0.125))
        self.assertEqual(tree["attributes"]["kind"], "activations")

    def test_kinds_have_their_readers(self):
        write_tokens(self.path, {"books/00": ([1, 2, 3], "books", "a title")}, vocab_size=10)
        self.assertEqual(halftone.load(self.path)["books/00"].tolist(), [1, 2, 3])
        with create_file(self.path, "bench") as file:
            write_bench(file, {"kernel": (["a", "b"], "1", "who"), "seconds": ([1.5, 2.5], "s", "how long")},
                        [[1.0, 2.0], [2.5]])
        table = halftone.load(self.path)
        self.assertEqual((list(table["kernel"]), list(table["seconds"])), (["a", "b"], [1.5, 2.5]))
        self.assertEqual([list(samples) for samples in table["samples"]], [[1.0, 2.0], [2.5]])
        self.assertEqual(table.attrs["units"], {"kernel": "1", "seconds": "s"})


if __name__ == "__main__":
    unittest.main()
