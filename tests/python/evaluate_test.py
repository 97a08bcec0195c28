#!/usr/bin/env python3
"""eval/run/evaluate with a stand-in for the command: what runs, in which order, on which GPU, and what a cut leaves."""
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "eval/run/evaluate"
STAND_IN = """#!/bin/sh
# Writes its arguments to the file after --out; fails for a step in $BROKEN after half of its work.
for argument; do [ "$last" = --out ] && out=$argument; last=$argument; done
step=$(basename "$out" .h5)
echo "$step ${CUDA_VISIBLE_DEVICES-}" >>"$RUNS"
[ "$step" = "$BROKEN" ] && { echo half >"$out.half"; echo "halftone: error: broken" >&2; exit 1; }
case $step in *weights-*) sleep 1;; esac
echo "$@" >"$out"
"""


class Evaluate(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.inputs, self.output = self.folder / "in", self.folder / "out"
        self.inputs.mkdir()
        (self.inputs / "halftone_lm.h5").touch()
        command = self.folder / "halftone"
        command.write_text(STAND_IN)
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def evaluate(self, *arguments, broken="", devices=None):
        environment = os.environ | {"HALFTONE": str(self.folder / "halftone"), "RUNS": str(self.folder / "runs"),
                                    "BROKEN": broken}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = devices
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)

    def runs(self):
        runs = self.folder / "runs"
        return [line.split(" ") for line in runs.read_text().splitlines()] if runs.exists() else []

    def steps(self):
        return self.evaluate("--list").stdout.split()

    def test_every_step_runs_once_after_its_weights(self):
        run = self.evaluate("--gpus", "3", self.inputs, self.output)
        self.assertEqual(run.returncode, 0, run.stderr)
        mine = [step for step in self.steps() if not step.startswith(("seed1", "mha64"))]
        self.assertEqual(sorted(step for step, _ in self.runs()), sorted(mine))
        self.assertIn(self.runs()[0][0], ("weights-10", "weights-5"))
        self.assertEqual({gpu for _, gpu in self.runs()}, {"0", "1", "2"})
        self.assertIn("seed1-weights-5: left out", run.stdout)
        for step in mine:
            arguments = (self.output / f"{step}.h5").read_text().split()
            self.assertEqual(arguments[0], "calibrate" if step.startswith("weights") else "eval")
            self.assertIn(str(self.inputs / "halftone_lm.h5"), arguments)
        self.assertEqual(self.evaluate(self.inputs, self.output).returncode, 0)
        self.assertEqual(len(self.runs()), len(mine), "what is there is not run again")

    def test_a_further_model_has_weights_of_its_own(self):
        (self.inputs / "mha64.h5").touch()
        run = self.evaluate(self.inputs, self.output, "mha64-16k-main-10", "mha64-16k-main-2.5", devices="5,7")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.runs(), [[step, "5"] for step in ("mha64-weights-10", "mha64-weights-5",
                                                               "mha64-16k-main-10", "mha64-16k-main-2.5")])
        for step, weights in (("mha64-16k-main-10", "mha64-weights-10"), ("mha64-16k-main-2.5", "mha64-weights-5")):
            arguments = (self.output / f"{step}.h5").read_text().split()
            self.assertIn(str(self.output / f"{weights}.h5"), arguments)
            self.assertIn(str(self.inputs / "mha64.h5"), arguments)
        for density, step in (("0.1", "mha64-weights-10"), ("0.05", "mha64-weights-5")):
            arguments = (self.output / f"{step}.h5").read_text().split()
            self.assertEqual(arguments[arguments.index("--density") + 1], density)

    def test_a_step_that_fails_stops_no_other_and_is_run_again(self):
        run = self.evaluate(self.inputs, self.output, "16k-full", "32k-main-5", broken="16k-full")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("16k-full: failed", run.stderr)
        self.assertIn("halftone: error: broken", run.stderr)
        self.assertFalse((self.output / "16k-full.h5").exists())
        self.assertTrue((self.output / "32k-main-5.h5").exists())
        self.assertEqual(self.evaluate(self.inputs, self.output, "16k-full", "32k-main-5").returncode, 0)
        self.assertEqual([step for step, _ in self.runs()], ["weights-10", "weights-5", "16k-full", "32k-main-5", "16k-full"])

    def test_without_weights_nothing_runs(self):
        run = self.evaluate("--gpus", "2", self.inputs, self.output, "16k-full", broken="weights-10")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("16k-full: no head weights", run.stderr)
        self.assertEqual([step for step, _ in self.runs()], ["weights-10"])

    def test_a_model_that_is_asked_for_must_be_there(self):
        run = self.evaluate(self.inputs, self.output, "16k-full", "seed1-16k-main-10")
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"there is no {self.inputs}/seed1.h5", run.stderr)
        (self.inputs / "halftone_lm.h5").unlink()
        self.assertEqual(self.evaluate(self.inputs, self.output).returncode, 1)
        self.assertEqual(self.runs(), [])

    def test_refusals(self):
        self.assertIn("no step 16k-fast", self.evaluate(self.inputs, self.output, "16k-fast").stderr)
        for arguments in ([self.inputs], ["--gpus", "none", self.inputs, self.output], ["--gpus"]):
            run = self.evaluate(*arguments)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertRegex(run.stderr, r"(?m)^usage: eval/run/evaluate \[--gpus N\] INPUTS OUTPUT")


if __name__ == "__main__":
    unittest.main()
