#!/usr/bin/env python3
"""halftone_files against numbers worked out by hand and files that the command and the benchmarks wrote.

usage: files_test.py HALFTONE_PROGRAM"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

from halftone_files import (HalftoneFileError, create_file, decode_bfloat16, encode_bfloat16, open_file, provenance,
                            read_array, read_bench, read_eval, read_masks, write_bfloat16)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = None


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.path = self.folder / "file.h5"

    def test_bfloat16(self):
        bits = np.array([0x3F80, 0xC040, 0x0000, 0x8000, 0x7F80, 0x0001], np.uint16)
        np.testing.assert_array_equal(decode_bfloat16(bits), [1, -3, 0, -0.0, np.inf, 2.0**-133])
        # 1 + 2^-8 and 1 + 3 * 2^-8 lie in the middle of two neighbours 2^-7 apart: to the even one.
        values = np.array([1, -3, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 3.4e38, np.inf], np.float32)
        np.testing.assert_array_equal(encode_bfloat16(values), [0x3F80, 0xC040, 0x3F80, 0x3F82, 0x3F81, 0x7F80, 0x7F80])
        # A NaN whose set bits are all below the cut, and the one that rounding would carry over.
        nans = np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
        self.assertTrue(np.isnan(decode_bfloat16(encode_bfloat16(nans))).all())
        with create_file(self.path, "activations") as file:
            write_bfloat16(file, "a/q", bits.reshape(2, 3))
        with open_file(self.path, "activations") as file:
            self.assertEqual(read_array(file["a/q"]).tolist(), decode_bfloat16(bits).reshape(2, 3).tolist())

    def test_files_appear_whole_or_not_at_all(self):
        with self.assertRaises(ZeroDivisionError), create_file(self.path, "bench"):
            1 / 0
        self.assertEqual(list(self.folder.iterdir()), [])
        with create_file(self.path, "bench", command="by hand", seed=2**63 + 1):
            self.assertFalse(self.path.exists())
        with open_file(self.path) as file:
            self.assertEqual((provenance(file)["command"], int(provenance(file)["seed"])), ("by hand", 2**63 + 1))
        with self.assertRaisesRegex(HalftoneFileError, "no folder"), create_file(self.folder / "x/y.h5", "bench"):
            pass

    def test_refusals(self):
        def refusal(kind=None):
            with self.assertRaises(HalftoneFileError) as caught:
                open_file(self.path, kind)
            self.assertTrue(str(caught.exception).startswith(f"{self.path}: "))
            return str(caught.exception)

        self.assertIn("no such file", refusal())
        self.path.write_text("text")
        self.assertIn("not an HDF5 file", refusal())
        h5py.File(self.path, "w").close()
        self.assertIn("not a halftone file", refusal())
        with create_file(self.path, "mask"):
            pass
        self.assertIn("attribute `kind`: got mask, expected eval", refusal("eval"))
        with h5py.File(self.path, "a") as file:
            file.attrs["format_version"] = "2.0"
        self.assertIn("attribute `format_version`: got 2.0, expected 1.x", refusal())

    def test_masks_that_the_command_writes(self):
        subprocess.run([PROGRAM, "mask", "--pattern", "causal", "--seq", "700", "--heads", "1", "--out", self.path],
                       check=True, capture_output=True)
        (mask,) = read_masks(self.path)
        self.assertEqual((mask.pattern, mask.heads, mask.density), ("causal", 1, 1))
        self.assertEqual((mask.block_q, mask.block_k), (128, 64))
        # 700 tokens: 6 tiles, 11 blocks; a tile sees the blocks up to its last query.
        expected = [[64 * block <= min(128 * tile + 127, 699) for block in range(11)] for tile in range(6)]
        np.testing.assert_array_equal(mask.kept(0), expected)
        np.testing.assert_array_equal(mask.head_density(), [[1]])

    def test_masks_of_several_layers(self):
        masks = read_masks(ROOT / "eval/notebooks/example/mask.h5")
        self.assertEqual([mask.layer for mask in masks], [1, 4, 6])
        for mask in masks:
            kept = [mask.kept(head).sum() for head in range(mask.heads)]
            self.assertEqual(sum(kept), len(mask.col_idx))
            np.testing.assert_allclose(mask.head_density()[0], np.array(kept) * mask.heads / mask.visible)
            self.assertAlmostEqual(mask.head_density().mean(), mask.density)

    def test_bench(self):
        table = read_bench(ROOT / "report/results/cpu/attention.h5")
        self.assertEqual(table.attrs["units"]["seconds_median"], "s")
        self.assertIn("kokkos", table.attrs["provenance"])
        for _, row in table.iterrows():
            self.assertAlmostEqual(row["seconds_median"], np.median(row["samples"]))

    def test_eval(self):
        with create_file(self.path, "eval") as file:
            axes, arrays = file.create_group("axes"), file.create_group("arrays")
            axes["setting"], axes["position"] = ["dense", "local"], [0.5, 1.5, 2.5]
            for name in axes:
                axes[name].make_scale(name)
            arrays["loss"] = np.array([[1, 2, np.nan], [4, 5, 6]])
            arrays["loss"].attrs.update(units="nats per token", description="of a token")
            for dimension, name in enumerate(["setting", "position"]):
                arrays["loss"].dims[dimension].attach_scale(axes[name])
            file["summary/setting"], file["summary/density"] = ["dense", "local"], [1.0, 0.1]
        found = read_eval(self.path)
        self.assertEqual(found.axes["setting"].tolist(), ["dense", "local"])
        self.assertEqual(found.arrays["loss"].axes, ("setting", "position"))
        self.assertEqual(found.arrays["loss"].units, "nats per token")
        self.assertEqual(found.summary["density"].tolist(), [1.0, 0.1])
        self.assertEqual(found.frame("loss").values.tolist(), [
            ["dense", 0.5, 1], ["dense", 1.5, 2], ["local", 0.5, 4], ["local", 1.5, 5], ["local", 2.5, 6]])

    def test_eval_that_the_command_wrote(self):
        found = read_eval(ROOT / "eval/notebooks/example/eval.h5")
        self.assertEqual(found.arrays["density"].axes, ("setting", "document", "layer", "head"))
        self.assertEqual(found.arrays["density"].values.shape,
                         tuple(len(found.axes[axis]) for axis in ("setting", "document", "layer", "head")))
        # The summary holds means over scenarios of the means of their documents.
        increase = found.frame("loss_increase")
        scenario = increase["document"].str.split("/").str[0]
        means = increase.groupby(["setting", scenario])["loss_increase"].mean().groupby("setting").mean()
        self.assertGreater(len(means), 1)
        for _, row in found.summary.iterrows():
            self.assertAlmostEqual(row["loss_increase"], means[row["setting"]])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
