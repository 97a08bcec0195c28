#!/usr/bin/env python3
"""The report and the README say what the files in report/results say: everything made from them is up to date, the
headline numbers are those of the files, read here by other means, and results that contradict the text are refused."""
import csv
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

from halftone_files import read_bench, read_eval

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "report" / "results"
sys.path.insert(0, str(ROOT / "report"))
from make import claims, cost_model, evaluations, inputs, numbers, readme, record, tables  # noqa: E402
from make.benchmarks import Benchmarks  # noqa: E402

README = " ".join((ROOT / "README.md").read_text().split())  # lines joined
NUMBERS = {row["name"]: row for row in csv.DictReader((ROOT / "report" / "numbers.tsv").open(), delimiter="\t")}


class UpToDate(unittest.TestCase):

    def test_pdf_is_of_the_inputs_that_are_here(self):
        self.assertEqual(inputs.changed(), [], "scripts/report makes report/report.pdf anew")

    def test_figures_numbers_and_readme(self):
        with tempfile.TemporaryDirectory() as out:
            made = subprocess.run([sys.executable, "-m", "make", "--check", out], cwd=ROOT / "report", text=True,
                                  capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT / "python")})
            self.assertEqual(made.returncode, 0, made.stderr)
            names = {path.name for path in pathlib.Path(out).iterdir()}
        sections = [ROOT / "report/report.tex", *(ROOT / "report/sections").glob("*.tex")]
        text = "".join(path.read_text() for path in sections)
        text = re.sub(r"\\if[A-Z]\w*.*?\\fi", "", text, flags=re.DOTALL)  # what is there only if results have it
        wanted = {f"{name}.pdf" for name in re.findall(r"\\includegraphics(?:\[[^]]*\])?\{([^}]+)\}", text)}
        wanted |= {f"table-{name}.tex" for name in re.findall(r"\\tablefile\{([^}]+)\}", text)} - {"table-#1.tex"}
        self.assertEqual(sorted(wanted - names), [])

    def test_every_number_of_the_text_has_a_name(self):
        """Decimal fractions in the text are macros, but for constants of definitions and of the hardware."""
        # margin, costs by formula, most GHz, millions of parameters, a density
        constants = {"0.5", "0.9", "0.2", "1.98", "27.8", "2.5"}
        for path in (ROOT / "report" / "sections").glob("*.tex"):
            text = re.sub(r"\\(begin|includegraphics|vspace|setlength)\S*", "", path.read_text())
            self.assertEqual(set(re.findall(r"(?<![\w.])\d+\.\d+", text)) - constants, set(), path.name)
            used = set(re.findall(r"\\n([A-Z]\w*)", text))
            self.assertEqual(used - optional() - NUMBERS.keys(), set(), path.name)

    def test_sources_exist(self):
        for name, row in NUMBERS.items():
            for file in row["file"].split(", "):
                self.assertTrue((ROOT / file).is_file(), f"{name}: {file}")


def optional():
    """Numbers that the text uses only where results have them."""
    text = (ROOT / "report" / "sections" / "quality.tex").read_text()
    blocks = re.findall(r"\\if[A-Z]\w*(.*?)\\fi", text, re.DOTALL)
    return {name for block in blocks for name in re.findall(r"\\n([A-Z]\w*)", block)}


class Headlines(unittest.TestCase):
    """Independent of report/make: straight from the files that numbers.tsv names."""

    def found(self, pattern):
        match = re.search(pattern, README)
        self.assertIsNotNone(match, f"README.md has nothing like {pattern}")
        return match.groups()

    def eval_file(self, name):
        return read_eval(ROOT / NUMBERS[name]["file"].split(", ")[0])

    def test_quality(self):
        table = self.eval_file("LossTen").summary
        ours = table[table.pattern == "halftone"].iloc[0]
        self.assertIn("10 %", ours.setting)
        said = self.found(
            r"loses ([\d.]+) nats per token over dense attention with Halftone \(95 % interval ([\d.]+) to "
            r"([\d.]+); equivalence")
        self.assertEqual(list(said),
                         [f"{ours[x]:.4f}" for x in ("loss_increase", "loss_increase_low", "loss_increase_high")])
        self.assertLess(ours.p_equivalence, 0.05)
        best = self.eval_file("BestLossTen").summary
        best = best[(best.pattern != "halftone") & (best.pattern != "causal")].sort_values("loss_increase").iloc[0]
        self.assertEqual(NUMBERS["BestLossTen"]["text"], f"{best.loss_increase:.3f}")
        self.assertIn(f"loses {best.loss_increase:.3f}, a sliding window", README)
        self.assertGreater(best.loss_increase, ours.loss_increase)

    def test_recall(self):
        for name, word in (("RecallTen", "recalls"), ("RecallFive", "recalls")):
            file = self.eval_file(name)
            documents = [i for i, document in enumerate(file.axes["document"]) if document.startswith("recall")]
            mean = 100 * np.mean(file.arrays["accuracy"].values[0, documents])
            self.assertEqual(NUMBERS[name]["text"], f"{mean:.1f}%")
            self.assertIn(f"{word} {mean:.1f} %", README)

    def test_speed(self):
        table = read_bench(ROOT / NUMBERS["OverCudnnTenThirtyTwoK"]["file"])
        table = table[(table.dim == 128) & (table.heads == 16) & (table.heads_kv == 16)]

        def over_cudnn(causal, seq):
            here = table[(table.causal == causal) & (table.seq == seq)]
            dense, sparse = here[here.kernel.str.startswith("cudnn")], here[here["mask"] == "even"]
            self.assertEqual((len(dense), len(sparse)), (1, 1))
            return float(dense.seconds_median.iloc[0] / sparse.seconds_median.iloc[0])

        said = self.found(r"\| cuDNN \| [\d.]+ to [\d.]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|")
        measured = [over_cudnn(0, 8192), over_cudnn(0, 16384), over_cudnn(1, 32768), over_cudnn(1, 65536)]
        self.assertEqual(list(said), [f"{x:.1f}" for x in measured])

    def test_selection(self):
        table = read_bench(ROOT / NUMBERS["ShareCheapThirtyTwoK"]["file"])
        here = table.name.str.contains("permille:100/micro_block:16/representatives:8/")
        share = {int(re.search(r"seq:(\d+)", name)[1]): s for name, s in zip(table.name[here], table.share[here])}
        said = self.found(r"with `micro_block=16, representatives=8` (\d+) %, (\d+) %, (\d+) % and (\d+) %")
        self.assertEqual(list(said), [f"{100 * share[seq]:.0f}" for seq in (32768, 65536, 16384, 8192)])


class Results(unittest.TestCase):
    """How files become tables."""

    def copy(self, folder, name, change=None, number="BestLossTen"):
        """The evaluation that a number is from under another name, its summary's losses changed."""
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / NUMBERS[number]["file"], path)
        if change:
            with h5py.File(path, "r+") as file:
                losses = file["summary/loss_increase"]
                losses[...] = change(losses[()])
        return path

    def test_steps_replace_earlier_files(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.copy(folder, "h200-main-16k-10.h5")
            self.copy(folder, "16k-position-10.h5", lambda losses: losses + 1)
            other = self.copy(folder, "seed1-16k-main-10.h5", lambda losses: losses + 2)
            with h5py.File(other, "r+") as file:
                file.attrs["command"] = file.attrs["command"].replace("halftone_lm.h5", "seed1.h5")
            found = evaluations.Evaluations(folder, folder)
            whole = read_eval(folder / "h200-main-16k-10.h5").summary
            for model, more in (("halftone_lm", 1), ("seed1", 2)):
                np.testing.assert_allclose(
                    found.table(0.1, model=model).loss_increase["halftone"], whole.loss_increase.iloc[0] + more)
            self.assertEqual(found.models(), ["halftone_lm", "seed1"])
            self.assertEqual(found.densities(), [0.1])

    def test_results_that_contradict_the_text_are_refused(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "eval"
            shutil.copytree(RESULTS / "eval", folder)
            bench = Benchmarks(RESULTS, ROOT)
            self.assertEqual(claims.check(evaluations.Evaluations(folder, folder), bench), [])

            def worse(losses):
                losses[0] = 1.0
                return losses

            self.copy(folder, pathlib.Path(NUMBERS["LossTen"]["file"]).name, worse, "LossTen")
            refused = claims.check(evaluations.Evaluations(folder, folder), bench)
            self.assertTrue(any("lowest loss_increase of all patterns at 10 % of 16,384" in text for text in refused),
                            refused)

    def test_labels(self):
        self.assertEqual(evaluations.parse_label("local 10 %"), ("local", {}, 0.1))
        self.assertEqual(evaluations.parse_label('halftone:landmarks=true,aggregation=max,local_blocks=0 2.5 %'),
                         ("halftone", {"landmarks": True, "aggregation": "max", "local_blocks": 0}, 0.025))
        self.assertEqual(evaluations.parse_label('union:{"patterns": []} 5 %'), ("union", {"patterns": []}, 0.05))
        with self.assertRaisesRegex(ValueError, "setting local: expected"):
            evaluations.parse_label("local")

    def test_holm(self):
        np.testing.assert_allclose(evaluations.holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])

    def test_cost_model(self):
        lengths = np.array([1, 2, 4, 8, 16])
        model = cost_model.fit(lengths, 3 + 0.5 * lengths ** 2)
        np.testing.assert_allclose(model.coefficients, [3, 0, 0.5], atol=1e-9)
        np.testing.assert_allclose(model(32), 515)
        falling = cost_model.fit(lengths, 10 - 0.5 * lengths)  # no coefficient may be negative
        self.assertTrue((falling.coefficients >= 0).all())
        self.assertGreater(falling.worst, 0.3)

    def test_notes_as_tables(self):
        text = "# a\n\n## Versions\n\nx\n\n| v | ms |\n|---|---|\n| 1 | 5 (6) |\n| **2** | - |\n\n| other |\n\n## b\n"
        self.assertEqual(record.table_under(text, "Versions"), [["v", "ms"], ["1", "5 (6)"], ["2", "-"]])
        profile = "  Memory Throughput   %   51.07\n  Memory Throughput   Tbyte/s   1.14\n  Duration   us   338.18\n"
        self.assertEqual(record.metric(profile, "Memory Throughput", False), 1.14e12)
        self.assertEqual(record.metric(profile, "Memory Throughput", True), 51.07)
        with self.assertRaisesRegex(ValueError, "no SM Frequency"):
            record.metric(profile, "SM Frequency", False)

    def test_words_for_people(self):
        self.assertEqual([numbers.nats(x) for x in (0.00829, 0.1421, -0.01274)], ["0.0083", "0.142", "-0.0127"])
        self.assertEqual([numbers.seconds(x) for x in (6.56, 0.0123, 47.8e-6)], ["6.6 s", "12.3 ms", "47.8 us"])
        self.assertEqual([numbers.p_text(p) for p in (0.0002, 0.0102, 0.42)], ["p < 0.001", "p = 0.010", "p = 0.42"])
        self.assertEqual(tables.words_of({"representatives": 8, "scope": "row"}), "$R = 8$, a tolerance per row")
        self.assertEqual(tables.words_of({"new_one": 3}), r"new\_one = 3")
        self.assertEqual(numbers.latex_text("p < 0.001"), "$p < 0.001$")
        self.assertEqual(numbers.latex_text("-0.5 ms"), r"$-$0.5\,ms")
        self.assertEqual(numbers.latex_text("2.2e-08"), r"$2.2\times10^{-8}$")

    def test_readme_without_its_marks_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected one block between <!-- result: "):
            readme.filled("no marks", numbers.Numbers())


if __name__ == "__main__":
    unittest.main()
