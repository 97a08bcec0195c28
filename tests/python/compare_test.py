#!/usr/bin/env python3
"""bench/compare_pytorch.py without a GPU: its masks, its counts, its exact outputs, its files and its refusals.

HALFTONE_LIBRARY names the library. usage: compare_test.py [arguments of unittest]"""
import collections
import inspect
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import torch

import halftone
from torch_cases import causal_pairs, main, plain_attention

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare_pytorch.py"
sys.path.insert(0, str(PROGRAM.parent / "pytorch"))
import contestants  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
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
            torch.testing.assert_close(problem.tiles_of(contestants.halftone_mask(problem, mask)()), exact, rtol=1e-4, atol=1e-5)
            kept = []
            for setting in contestants.OWN.values():
                o, chosen = contestants.halftone_own(problem, 0.6, setting)(return_mask=True)
                kept.append(chosen.dense())
                torch.testing.assert_close(problem.exact_tiles(kept[-1], chosen.block_k), problem.tiles_of(o), rtol=1e-4,
                                           atol=1e-5)
            self.assertFalse(torch.equal(*kept), "the settings make no difference")

    def test_flashinfers_wrapper(self):
        """What the wrapper is told, carried out as its documentation says: the tile's queries against the listed blocks'
        keys, with a causal rule that ends at the last of them."""
        class Wrapper:
            def __init__(self, workspace):
                pass

            def plan(self, starts, blocks, rows, keys, block_q, block_k, heads_q, heads_kv, dim, **options):
                test.assertEqual((rows, keys, block_q, block_k, heads_q, heads_kv), (6144, 6144, 128, 128, 1, 1))
                self.starts, self.blocks, self.causal = starts, blocks, options["causal"]

            def run(self, q, k, v):
                o = torch.empty_like(q)
                for tile, (begin, end) in enumerate(zip(self.starts[:-1], self.starts[1:])):
                    listed = (self.blocks[begin:end, None] * 128 + torch.arange(128)).flatten()
                    rows = slice(tile * 128, tile * 128 + 128)
                    pairs = causal_pairs(128, len(listed), "cpu") if self.causal else None
                    o[rows, 0] = plain_attention(q[None, None, rows, 0], k[None, None, listed, 0], v[None, None, listed, 0],
                                                 pairs)[0]
                return o

        test = self
        with mock.patch.dict(sys.modules, flashinfer=types.SimpleNamespace(BlockSparseAttentionWrapper=Wrapper)):
            for causal in (False, True):
                problem = Problem(Shape(1024, 64, causal, 2, 3), "cpu", torch.float32)
                mask = Mask(problem.shape, 0.5, "cpu")
                o = contestants.flashinfer(problem, mask)()
                torch.testing.assert_close(o, contestants.halftone_mask(problem, mask)(), rtol=1e-4, atol=1e-5)

    def test_flash_attention_4s_lists(self):
        """What its call is told, carried out: masked blocks by the causal rule, full ones whole."""
        tensors = collections.namedtuple("BlockSparseTensorsTorch", ["mask_block_cnt", "mask_block_idx", "full_block_cnt",
                                                                     "full_block_idx", "block_size"])

        def attend(q, k, v, causal, block_sparse_tensors):
            counts, lists, full_counts, full_lists, block_size = block_sparse_tensors
            self.assertEqual(block_size, (128, 128))
            _, heads, tiles, blocks = lists.shape

            def listed(counts, lists):
                place = torch.arange(blocks)
                chosen = torch.zeros(1, heads, tiles, blocks + 1, dtype=torch.bool)
                chosen.scatter_(3, torch.where(place < counts.unsqueeze(-1), lists, blocks).long(), True)
                return chosen[..., :blocks].repeat_interleave(128, 2).repeat_interleave(128, 3)

            pairs, full = listed(counts, lists), listed(full_counts, full_lists)
            self.assertFalse((pairs & full).any())
            if causal:
                pairs &= causal_pairs(1024, 1024, "cpu")
            o, _ = plain_attention(*(tensor.transpose(1, 2) for tensor in (q, k, v)), pairs | full)
            return o.transpose(1, 2), None

        cute = types.SimpleNamespace(flash_attn_func=attend)
        modules = {"flash_attn": types.SimpleNamespace(cute=cute), "flash_attn.cute": cute,
                   "flash_attn.cute.block_sparsity": types.SimpleNamespace(BlockSparseTensorsTorch=tensors)}
        with mock.patch.dict(sys.modules, modules):
            for causal in (False, True):
                problem = Problem(Shape(1024, 64, causal, 2, 3), "cpu", torch.float32)
                mask = Mask(problem.shape, 0.5, "cpu")
                o = contestants.flash_attention_4(problem, mask)()
                torch.testing.assert_close(o.float(), contestants.halftone_mask(problem, mask)(), rtol=1e-4, atol=1e-5)

    def test_defaults_are_the_first_setting(self):
        defaults = inspect.signature(halftone.attention).parameters
        for option, value in contestants.OWN["halftone, selecting"].items():
            self.assertEqual(defaults[option].default, value)

    def test_fewer_samples_of_long_calls(self):
        self.assertEqual([measure.samples_within(0.3, one, 20) for one in (1e-4, 0.03, 1.0)], [20, 10, 3])
        self.assertEqual(measure.samples_within(0.3, 1e-4, 2), 2)

    def test_speedups_are_of_the_same_shape(self):
        def row(method, seq, seconds, **values):
            return {"method": method, "dtype": "bfloat16", "seq": seq, "batch": 1, "heads": 2, "dim": 64, "causal": 1,
                    "density_wanted": 1.0, "status": "ok", "seconds_median": seconds} | values

        rows = [row("A", 128, 4.0), row("B", 128, 2.0), row("A", 256, 8.0), row("ours", 128, 1.0), row("ours", 256, 1.0),
                row("ours", 512, 1.0), row("A", 128, 1.0, status="out of memory")]
        report.add_speedups(rows, ["A", "B"])
        self.assertEqual([row.get("speedup") for row in rows], [0.5, 1.0, 1.0, 2.0, 8.0, None, None])

    def test_resumes(self):
        def run_of(device):
            return report.new_run("again", device, {"torch": "2"})

        rows = [{"method": "A", "status": "ok"}, {"method": "B", "status": "out of memory"}]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "c.json"
            report.write_json(path, run_of("card") | {"command": "first", "rows": rows})
            run = run_of("card")
            report.take_rows(run, path)
            self.assertEqual((run["rows"], run["command"]), (rows[:1], "first; again"))
            with self.assertRaisesRegex(SystemExit, "c.json: device: got card, expected other card, as here"):
                report.take_rows(run_of("other card"), path)
            with self.assertRaisesRegex(SystemExit, "none.json: FileNotFoundError.*expected the JSON of an earlier run"):
                report.take_rows(run_of("card"), pathlib.Path(folder) / "none.json")
            for text in ("", "{}", "[]"):
                path.write_text(text)
                with self.assertRaisesRegex(SystemExit, "c.json: .*expected the JSON of an earlier run"):
                    report.read_run(path)

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
                                   (["--samples", "0"], "--samples: expected at least 1"),
                                   (["--seconds", "nan"], "--seconds: expected a positive number"),
                                   (["--time-limit", "-1"], "--time-limit: expected a positive number"),
                                   (["--out", "no/such/name"], "--out: no folder")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)
        done = run("--methods", "SDPA cuDNN", "FlexAttenton")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--methods: no FlexAttenton, expected some of: SDPA cuDNN, ", done.stderr)

    @unittest.skipIf(torch.cuda.is_available(), "there is a GPU")
    def test_says_that_there_is_no_gpu(self):
        done = run("--quick")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no CUDA device", done.stderr)


if __name__ == "__main__":
    main()
