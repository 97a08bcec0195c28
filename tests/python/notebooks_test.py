#!/usr/bin/env python3
"""The notebooks hold no output, and run from their first cell to the last on the files in the repository."""
import os
import pathlib
import sys
import tempfile
import unittest

import nbclient
import nbformat
import numpy as np
import pandas

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "eval/notebooks"
sys.path.insert(0, str(FOLDER))
from helpers import significant, strip_label, with_speedups  # noqa: E402

FIGURES = {"speed": ["speedup_density", "pattern_time"], "masks": ["masks", "mask_density", "mask_distance"],
           "quality": ["pareto", "accuracy", "loss_by_position", "heads"]}


class Notebooks(unittest.TestCase):
    def setUp(self):
        self.notebooks = {path.stem: nbformat.read(path, as_version=4) for path in FOLDER.glob("*.ipynb")}
        self.assertEqual(sorted(self.notebooks), sorted(FIGURES))

    def test_hold_no_output(self):
        for name, notebook in self.notebooks.items():
            nbformat.validate(notebook)
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    self.assertEqual((cell.outputs, cell.execution_count), ([], None), f"{name}: {cell.id}")

    def test_run(self):
        for name, notebook in self.notebooks.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as figures:
                os.environ["HALFTONE_FIGURES"] = figures
                nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3",
                                        resources={"metadata": {"path": str(FOLDER)}}).execute()
                self.assertEqual(sorted(path.stem for path in pathlib.Path(figures).iterdir()), sorted(FIGURES[name]))
                outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
                pictures = [output for output in outputs if "image/png" in output.get("data", {})]
                self.assertEqual(len(pictures), len(FIGURES[name]))
                self.assertTrue(any("text/html" in output.get("data", {}) for output in outputs), "a table")
                warnings = [output.text for output in outputs if output.get("name") == "stderr"]
                self.assertEqual(warnings, [])

    def test_speedups_are_over_the_fastest_dense_attention_of_the_same_problem(self):
        table = pandas.DataFrame([
            ("gemm_bound/seq:8", "gemm", 1, 1.0), ("dense<float>/seq:8", "portable", 1, 6.0),
            ("cudnn<float>/seq:8", "cudnn", 1, 4.0), ("sparse<float>/seq:8/permille:100", "portable", 0.1, 0.5),
            ("dense<half>/seq:8", "portable", 1, 3.0), ("sparse<half>/seq:8/permille:100/mask:1", "portable", 0.1, 1.0),
            ("sparse<half>/seq:9/permille:100", "portable", 0.1, 1.0)],
            columns=["name", "kernel", "density", "seconds_median"])
        found = with_speedups(table)
        np.testing.assert_allclose(found["speedup"], [np.nan, 4 / 6, 1, 8, 1, 3, np.nan])
        self.assertEqual(found["problem"].iloc[3], "type float, seq 8")

    def test_numbers_for_people(self):
        found = significant(pandas.DataFrame({"n": [1, 2], "x": [0.0123456, np.nan], "y": [16384.0, 2.5]}))
        self.assertEqual(found.to_dict("list"), {"n": [1, 2], "x": ["0.0123", ""], "y": ["16384", "2.5"]})
        self.assertEqual([strip_label(text) for text in ("local 10 %", "halftone:landmarks=true 2.5 %", "dense")],
                         ["local", "halftone:landmarks=true", "dense"])


if __name__ == "__main__":
    unittest.main()
