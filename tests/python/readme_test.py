#!/usr/bin/env python3
"""The headline numbers of the README against the files in report/results that they come from."""
import pathlib
import re
import unittest

import numpy as np

from halftone_files import read_bench, read_eval

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "report" / "results"
README = " ".join((ROOT / "README.md").read_text().split())  # lines joined


class Readme(unittest.TestCase):
    def found(self, pattern):
        match = re.search(pattern, README)
        self.assertIsNotNone(match, f"README.md has nothing like {pattern}")
        return match.groups()

    def test_speed(self):
        table = read_bench(RESULTS / "gpu" / "table-h200.h5")
        table = table[(table.dim == 128) & (table.heads == 16) & (table.heads_kv == 16)]

        def over_cudnn(causal, seq, mask="even"):
            rows = table[(table.causal == causal) & (table.seq == seq)].set_index("mask")
            dense = table[(table.causal == causal) & (table.seq == seq) & table.kernel.str.startswith("cudnn")]
            sparse = rows.loc[[mask]]
            self.assertEqual((len(dense), len(sparse)), (1, 1))
            return float(dense.seconds_median.iloc[0] / sparse.seconds_median.iloc[0])

        numbers = self.found(r"times as fast as cuDNN \| 1\.1 to 1\.2 \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|")
        measured = [over_cudnn(0, 8192), over_cudnn(0, 16384), over_cudnn(1, 32768), over_cudnn(1, 65536)]
        self.assertEqual(list(numbers), [f"{x:.1f}" for x in measured])

    def test_selection(self):
        table = read_bench(RESULTS / "gpu" / "selection-h200.h5")

        def shares(setting):
            here = table.name.str.contains(f"permille:100/{setting}/")
            return {int(re.search(r"seq:(\d+)", name)[1]): f"{100 * share:.0f}"
                    for name, share in zip(table.name[here], table.share[here])}

        fast, default = shares("micro_block:16/representatives:8"), shares("micro_block:8/representatives:16")
        numbers = self.found(r"costs (\d+) % of the attention's time at 32,768 tokens and 10 %, (\d+) % at 65,536 "
                             r"\(`micro_block=16, representatives=8`\), but (\d+) % at 16,384 and (\d+) % at 8,192; with the "
                             r"default settings, those of the next section's figures, (\d+) % at 32,768 tokens and (\d+) % at "
                             r"65,536\.")
        self.assertEqual(list(numbers), [*(fast[seq] for seq in (32768, 65536, 16384, 8192)), default[32768], default[65536]])

    def test_quality(self):
        table = read_eval(RESULTS / "eval" / "h200-main-16k-10.h5").summary.set_index("pattern")
        ours = table.loc["halftone"]
        numbers = self.found(r"loses ([\d.]+) nats per token over dense attention with Halftone \(95 % interval ([\d.]+) to "
                             r"([\d.]+): equivalent within 0\.5 %")
        self.assertEqual(list(numbers), [f"{ours[x]:.4f}" for x in ("loss_increase", "loss_increase_low", "loss_increase_high")])
        self.assertLess(ours.p_equivalence, 0.05)
        others = table.drop("halftone").loss_increase.sort_values()
        self.assertEqual((len(others), others.index[0]), (11, "antidiagonal"))
        numbers = self.found(r"antidiagonal scores, loses ([\d.]+), a sliding window ([\d.]+), mean-pooled top-k ([\d.]+)\.")
        self.assertEqual(list(numbers), [f"{others[x]:.3f}" for x in ("antidiagonal", "local", "mean_topk")])

    def test_recall(self):
        file = read_eval(RESULTS / "eval" / "h200-settings-16k-10.h5")
        setting = [i for i, name in enumerate(file.axes["setting"]) if "micro_block=8,representatives=16" in name]
        documents = [i for i, name in enumerate(file.axes["document"]) if name.startswith("recall")]
        mean = np.mean(file.arrays["accuracy"].values[setting[0], documents])
        self.assertEqual(self.found(r"recalls ([\d.]+) % of planted facts")[0], f"{100 * mean:.1f}")


if __name__ == "__main__":
    unittest.main()
