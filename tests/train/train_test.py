#!/usr/bin/env python3
"""Training a toy on the CPU: what it writes is what the library reads and computes, and a stopped run goes on as if
it had not been.

usage: train_test.py MODEL_OUTPUTS_PROGRAM"""
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "eval/train"), str(ROOT / "tests/convert")]
from batches import Batches  # noqa: E402
from facts import Facts  # noqa: E402
from forward import library_outputs  # noqa: E402
from model import Llama, Shape, load_model, save_model  # noqa: E402
from settings import Settings  # noqa: E402
from train import Run, learning_rate  # noqa: E402
from train_tokenizer import train_tokenizer  # noqa: E402

PROGRAM = None
TOKENIZER = train_tokenizer([(ROOT / "README.md").read_text(encoding="utf-8")], 300)
SHAPE = Shape(vocab_size=300, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=16,
              intermediate_size=48)
SETTINGS = Settings(tokens=4096, stages="64:0.5,128:0.5", batch_tokens=512, micro_tokens=256)


class Training(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def make_run(self, name, settings=SETTINGS):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        documents = {"text/00": np.array(TOKENIZER.encode((ROOT / "README.md").read_text(encoding="utf-8")).ids)}
        batches = Batches(documents, Facts(TOKENIZER), seed=settings.seed, answer_weight=settings.answer_weight)
        return Run(folder, SHAPE, settings, batches, "cpu")

    def test_a_stopped_run_goes_on_as_if_it_had_not_been(self):
        whole = self.make_run("whole")
        before = {name: values.clone() for name, values in whole.model.state_dict().items()}
        self.assertEqual([context for context, *_ in whole.steps], [64] * 4 + [128] * 4)
        self.assertTrue(whole.train(minutes=10))

        first = self.make_run("parts")
        one_step = first.one_step

        def stop_in_third_step(*arguments):
            first.stopped = first.step == 2
            return one_step(*arguments)

        first.one_step = stop_in_third_step
        self.assertFalse(first.train(minutes=10))
        second = self.make_run("parts")
        self.assertEqual(second.step, 3)
        self.assertTrue(second.train(minutes=10))
        for name, values in whole.model.state_dict().items():
            torch.testing.assert_close(second.model.state_dict()[name], values, rtol=1e-5, atol=1e-6)
            self.assertGreater((values - before[name]).abs().max().item(), 1e-4, name)

    def test_a_plan_by_time_ends_when_the_time_is_over(self):
        settings = dataclasses.replace(SETTINGS, finish_minutes=1.0)
        run = self.make_run("time", settings)
        run.seconds = lambda: 6.0 * run.step  # a step takes six seconds, the plan ten steps
        contexts, rates, one_step = [], [], run.one_step

        def spy(tokens, weights, at_once):
            loss = one_step(tokens, weights, at_once)
            contexts.append(weights.shape[1])
            rates.append(run.optimizer.param_groups[0]["lr"])
            return loss

        run.one_step = spy
        self.assertTrue(run.train(minutes=10))
        # Half of the time each; a batch is made, and its context chosen, while the one before is computed.
        self.assertEqual(contexts, [64] * 6 + [128] * 5)
        self.assertAlmostEqual(rates[5], learning_rate(settings, 0.5))
        self.assertAlmostEqual(rates[-1], 0.1 * settings.learning_rate)
        again = self.make_run("time", settings)
        self.assertGreaterEqual(again.seconds(), 60.0)
        self.assertTrue(again.train(minutes=10))
        self.assertEqual(again.step, run.step, "a plan that is done takes no further step")

    def test_a_loss_that_is_no_number_is_an_error(self):
        run = self.make_run("run")
        run.one_step = lambda *_: torch.tensor(float("nan"))
        with self.assertRaisesRegex(ValueError, "step 8: the loss is nan"):
            run.train(minutes=10)
        self.assertFalse((self.folder / "run/checkpoint.pt").exists())

    def test_other_options_do_not_go_on(self):
        self.make_run("run").train(minutes=0)
        with self.assertRaisesRegex(ValueError, "learning_rate: the run was begun with 0.002, got 0.1"):
            self.make_run("run", dataclasses.replace(SETTINGS, learning_rate=0.1))

    def test_parts_of_a_step_add_up(self):
        gradients = []
        for at_once in (1, 3, 4):
            run = self.make_run("parts")
            run.optimizer.step = lambda: None
            run.optimizer.zero_grad = lambda **_: None
            tokens, weights = run.batch(5, *run.stage(5))
            self.assertEqual(tokens.shape, (4, 129))
            loss = run.one_step(tokens, weights, at_once).item()
            gradients.append((loss, run.model.model.layers[0].self_attn.k_proj.weight.grad))
        for loss, gradient in gradients[1:]:
            self.assertAlmostEqual(loss, gradients[0][0], places=5)
            torch.testing.assert_close(gradient, gradients[0][1], rtol=1e-4, atol=1e-6)

    def test_learning_rate(self):
        settings = Settings(learning_rate=1.0, warmup=0.2)
        for progress, expected in ((0.1, 0.5), (0.2, 1.0), (0.6, 0.55), (1.0, 0.1)):
            self.assertAlmostEqual(learning_rate(settings, progress), expected)

    def test_the_library_computes_what_the_model_does(self):
        for changes in ({}, {"num_kv_heads": 4, "head_dim": 24, "tie_embeddings": 0}):
            torch.manual_seed(5)
            model = Llama(dataclasses.replace(SHAPE, **changes))
            with torch.no_grad():
                for parameter in model.parameters():  # sharper than at the start, so that a wrong rotation shows
                    parameter.mul_(8 if parameter.ndim == 2 else 1).add_(0.1 * torch.randn_like(parameter))
            path = self.folder / "model.h5"
            save_model(model, path, seed=5)
            tokens = torch.randint(0, 300, (70,))
            losses, logits = library_outputs(PROGRAM, path, tokens.numpy(), 300)
            with torch.no_grad():
                rounded = load_model(path)
                expected = rounded(tokens[None, :-1])[0].numpy()
                np.testing.assert_allclose(logits, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
                np.testing.assert_allclose(losses, rounded.losses(tokens[None])[0].numpy(), rtol=0, atol=1e-4)

    def test_smoke(self):
        command = [sys.executable, ROOT / "eval/train/train.py", "--smoke", "--out", self.folder / "smoke"]
        run = subprocess.run([*command, "--tokens", "16384"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        result = json.loads((self.folder / "smoke/result.json").read_text())
        self.assertLess(result["loss"]["256"]["text"], np.log(384))  # better than knowing nothing
        tokens = np.random.default_rng(0).integers(0, 384, 50)
        losses, _ = library_outputs(PROGRAM, self.folder / "smoke/model.h5", tokens, 384)
        self.assertTrue(np.all(np.isfinite(losses)))
        again = subprocess.run([*command, "--tokens", "999"], capture_output=True, text=True, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertRegex(again.stderr, r"^train: .*tokens: the run was begun with 16384.0, got 999.0.*\n$")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
