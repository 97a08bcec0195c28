#!/usr/bin/env python3
"""bench/compare_pytorch.py without a GPU: its masks, its counts, its exact outputs, its files and its refusals.

HALFTONE_LIBRARY names the library. usage: compare_test.py [arguments of unittest]"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch

import halftone
from torch_cases import causal_pairs, main, plain_attention

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare_pytorch.py"
sys.path.insert(0, str(PROGRAM.parent / "pytorch"))
from contestants import halftone_mask, halftone_own  # noqa: E402
from problem import Mask, Problem, Shape  # noqa: E402


def run(*arguments):
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)


class Compare(unittest.TestCase):
    def test_shapes_of_the_paper(self):
        self.assertEqual((Shape.of_paper(4096, 128, True).batch, Shape.of_paper(4096, 128, True).heads), (4, 16))
        self.assertEqual((Shape.of_paper(65536, 64, True).batch, Shape.of_paper(65536, 64, True).heads), (1, 32))

    def test_masks_keep_what_they_say(self):
        for causal in (False, True):
            shape = Shape(1024, 64, causal, 2, 3)
            visible = causal_pairs(1024, 1024, "cpu") if causal else torch.ones(1024, 1024, dtype=torch.bool)
            self.assertEqual(shape.pairs, 6 * int(visible.sum()))
            mask = Mask(shape, 0.5, "cpu")
            pairs = mask.blocks.repeat_interleave(128, 2).repeat_interleave(128, 3) & visible
            self.assertEqual(mask.pairs, 2 * int(pairs.sum()))
            self.assertTrue(mask.blocks.diagonal(dim1=2, dim2=3).all())
            self.assertAlmostEqual(mask.density, 0.5, delta=0.06)
            partial, full = mask.partial_and_full()
            self.assertTrue(torch.equal(partial ^ full, mask.blocks))
            counts, indices = mask.lists(mask.blocks)
            self.assertEqual(indices[0, 1, 7, :counts[0, 1, 7]].tolist(),
                             mask.blocks[0, 1, 7].nonzero().flatten().tolist())

    def test_exact_tiles_and_contestants(self):
        for causal in (False, True):
            problem = Problem(Shape(1024, 64, causal, 2, 3), "cpu", torch.float32)
            mask = Mask(problem.shape, 0.5, "cpu")
            pairs = mask.blocks.repeat_interleave(128, 2).repeat_interleave(128, 3)
            if causal:
                pairs = pairs & causal_pairs(1024, 1024, "cpu")
            o, _ = plain_attention(problem.q, problem.k, problem.v, pairs)
            exact = problem.exact_tiles(mask.blocks)
            torch.testing.assert_close(exact, problem.tiles_of(o), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(problem.tiles_of(halftone_mask(problem, mask)()), exact, rtol=1e-4, atol=1e-5)
            o, chosen = halftone_own(problem, 0.6)(return_mask=True)
            torch.testing.assert_close(problem.exact_tiles(chosen.dense(), chosen.block_k), problem.tiles_of(o),
                                       rtol=1e-4, atol=1e-5)

    def test_files(self):
        row = {"method": "halftone", "dtype": "bfloat16", "seq": 4096, "batch": 4, "heads": 16, "dim": 128, "causal": 1}
        measured = {"status": "ok", "kernel": "sm90", "density_wanted": 0.1, "density": 0.11, "seconds_median": 2e-3,
                    "samples": [1e-3, 2e-3, 3e-3], "speedup": 4.0, "tflops_kept": 500.0, "peak_bytes": 1 << 20,
                    "max_error": 1e-3, "relative_error": 2e-3}
        refused = {"method": "FlashInfer", "density_wanted": 0.1, "status": "NotImplementedError: no diagonal"}
        results = {"command": "by hand", "device": "none", "versions": {}, "rows": [row | measured, row | refused]}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "c.json"
            path.write_text(json.dumps(results))
            done = run("--from", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"halftone +11\.0% +2\.000 ms +4\.00 x +500")
            self.assertRegex(done.stdout, r"FlashInfer +10\.0% +NotImplementedError: no diagonal")
            table = halftone.load(path.with_suffix(".h5"))
            self.assertTrue(path.with_suffix(".png").exists() or "matplotlib" in done.stderr)
        self.assertEqual(list(table["status"]), ["ok", "NotImplementedError: no diagonal"])
        self.assertEqual(table["samples"][0].tolist(), [1e-3, 2e-3, 3e-3])
        self.assertEqual((table["seq"][0], table["speedup"][0], len(table["samples"][1])), (4096, 4.0, 0))
        self.assertEqual(table.attrs["units"]["seconds_median"], "s")

    def test_refusals(self):
        for arguments, message in ((["--seq", "1000"], "--seq: expected multiples of 128"),
                                   (["--density", "1.5"], "--density: expected numbers between 0 and 1"),
                                   (["--out", "no/such/name"], "--out: no folder")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    @unittest.skipIf(torch.cuda.is_available(), "there is a GPU")
    def test_says_that_there_is_no_gpu(self):
        done = run("--quick")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no CUDA device", done.stderr)


if __name__ == "__main__":
    main()
