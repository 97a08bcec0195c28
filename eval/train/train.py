#!/usr/bin/env python3
"""Trains a small Llama-style language model with a long context, and writes it as a `model` file.

usage: train.py --tokenizer TOKENIZER.json --train TRAIN.h5 [--heldout HELDOUT.h5] --out RUN_FOLDER [options]
       train.py --smoke --out RUN_FOLDER      (a toy on the CPU, from the repository's own texts, in under a minute)

A run that was stopped (--minutes, Ctrl-C, a lost machine) goes on from its last checkpoint when called again with the
same options. RUN_FOLDER then holds checkpoint.pt, log.csv, model.h5 and result.json. Needs PyTorch 2.6 or later."""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "eval/convert")]
from batches import Batches  # noqa: E402
from facts import Facts  # noqa: E402
from halftone_files import HalftoneFileError, read_tokens, write_tokens  # noqa: E402
from measure import loss_by_context, recall_by_context  # noqa: E402
from model import Llama, Shape, load_model, save_model  # noqa: E402
from settings import SMOKE, SMOKE_SHAPE, Settings, add_options, chosen  # noqa: E402
from tokenize_text import load_tokenizer, tokenize  # noqa: E402
from train_tokenizer import START_TOKEN, train_tokenizer  # noqa: E402

LOG_SECONDS, CHECKPOINT_SECONDS = 5, 180
ATTENTION = {"cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION], "flash": [SDPBackend.FLASH_ATTENTION]}


def make_optimizer(model, settings, device):
    decayed = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim != 2]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": settings.weight_decay},
                              {"params": others, "weight_decay": 0.0}],
                             lr=settings.learning_rate, betas=(0.9, 0.95), fused=device == "cuda")


def learning_rate(settings, progress):
    """At `progress` (0 to 1) of the tokens or the time: linear warm-up, then a cosine down to a tenth."""
    if progress < settings.warmup:
        return settings.learning_rate * progress / settings.warmup
    turn = math.pi * (progress - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * (0.1 + 0.45 * (1 + math.cos(turn)))


def precision(device, attention):
    """bfloat16 products and a fused attention kernel on a GPU (an error rather than a silent slow path where none can
    run); float32 on a CPU."""
    stack = contextlib.ExitStack()
    if device == "cuda":
        stack.enter_context(torch.autocast("cuda", torch.bfloat16))
        stack.enter_context(sdpa_kernel(ATTENTION[attention], set_priority=True))
    return stack


class Run:
    """A training run in a folder."""

    def __init__(self, folder, shape, settings, batches, device):
        self.folder, self.settings, self.batches, self.device = folder, settings, batches, device
        torch.manual_seed(settings.seed)
        self.model = Llama(shape).to(device)
        self.optimizer = make_optimizer(self.model, settings, device)
        self.plan = {"shape": dataclasses.asdict(shape), "settings": dataclasses.asdict(settings)}
        self.steps = [(context, sequences, at_once) for context, sequences, at_once, steps in settings.schedule()
                      for _ in range(steps)]
        self.step, self.stopped = 0, False
        self.earlier, self.begin = 0.0, time.monotonic()  # seconds before this process, and when it began
        self.resume()

    def resume(self):
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        for part, values in self.plan.items():
            for name, value in values.items():
                if state["plan"][part].get(name) != value:
                    raise ValueError(f"{path}: {name}: the run was begun with {state['plan'][part].get(name)}, got "
                                     f"{value}; choose another --out or the same options")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.earlier = state["step"], state.get("seconds", 0.0)
        print(f"going on from step {self.step}, {self.progress(self.step):.1%} done", file=sys.stderr)

    def checkpoint(self):
        temporary = self.folder / "checkpoint.tmp"
        torch.save({"plan": self.plan, "step": self.step, "seconds": self.seconds(), "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict()}, temporary)
        os.replace(temporary, self.folder / "checkpoint.pt")

    def seconds(self):
        """Spent on the run in all."""
        return self.earlier + time.monotonic() - self.begin

    def progress(self, step):
        """The share of the plan that is done before a step, 1 at its end."""
        if self.settings.finish_minutes:
            return min(1.0, self.seconds() / (60 * self.settings.finish_minutes))
        return step / len(self.steps)

    def stage(self, step):
        """(context, sequences, sequences at once) of a step; None when the plan is done."""
        if self.progress(step) >= 1.0:
            return None
        return self.settings.stage_at(self.progress(step)) if self.settings.finish_minutes else self.steps[step]

    def one_step(self, tokens, weights, at_once):
        """Returns the mean weighted loss, on the device."""
        rate = learning_rate(self.settings, self.progress(self.step + 1))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self.device)
        for begin in range(0, len(tokens), at_once):
            part = slice(begin, begin + at_once)
            loss = (self.model.losses(tokens[part]) * weights[part]).sum() / weights.sum()
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total

    def batch(self, step, context, sequences, _):
        tokens, weights = self.batches(step, sequences, context)
        return torch.from_numpy(tokens), torch.from_numpy(weights)

    def train(self, minutes, attention="cudnn"):
        """Runs until the plan is done (True), or time is up or a signal came (False); checkpoints on the way."""
        self.begin = begin = logged = saved = time.monotonic()
        seen, log = 0, open(self.folder / "log.csv", "a", encoding="utf-8")
        with log, concurrent.futures.ThreadPoolExecutor(1) as loader, precision(self.device, attention):
            stage = self.stage(self.step)
            following = loader.submit(self.batch, self.step, *stage) if stage else None
            while stage and not self.stopped and time.monotonic() - begin < 60 * minutes:
                tokens, weights = (part.to(self.device, non_blocking=True) for part in following.result())
                next_stage = self.stage(self.step + 1)
                if next_stage:
                    following = loader.submit(self.batch, self.step + 1, *next_stage)
                loss = self.one_step(tokens, weights, stage[2])
                self.step, stage = self.step + 1, next_stage
                seen += weights.numel()
                if time.monotonic() - logged > LOG_SECONDS or not stage:
                    value, now = loss.item(), time.monotonic()  # waits for the device
                    if not math.isfinite(value):
                        raise ValueError(f"step {self.step}: the loss is {value}; another --attention, or a lower "
                                         "--learning-rate, goes on from the last checkpoint")
                    rate, logged, seen = seen / (now - logged), now, 0
                    print(f"{self.step},{weights.shape[1]},{value:.4f},{rate:.0f}", file=log, flush=True)
                    print(f"step {self.step} ({self.progress(self.step):.1%}), context {weights.shape[1]}: "
                          f"loss {value:.3f}, {rate / 1e3:.0f}K tokens/s, {now - begin:.0f} s", file=sys.stderr)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.checkpoint()
                    saved = time.monotonic()
        self.checkpoint()
        return not stage


def measure(path, facts, heldout, contexts, device, attention, seed):
    """The written file's model, as the evaluation will see it."""
    model = load_model(path).to(device)
    with precision(device, attention):
        return {"loss": loss_by_context(model, heldout, contexts, device),
                "recall": recall_by_context(model, heldout, facts, contexts, device, seed)}


def smoke_data(folder):
    """Tokenizer and token files of a toy, made of the repository's own Markdown."""
    texts = [("text", ROOT / name) for name in ("CONTRIBUTING.md", "cuda_specialized/sm90/README.md", "README.md")]
    paths = [folder / name for name in ("tokenizer.json", "train.h5", "heldout.h5")]
    tokenizer = train_tokenizer([path.read_text(encoding="utf-8") for _, path in texts], SMOKE_SHAPE.vocab_size)
    tokenizer.save(str(paths[0]))
    for path, part in ((paths[1], texts[:2]), (paths[2], texts[2:])):
        write_tokens(path, tokenize(tokenizer, part, start_token=START_TOKEN), vocab_size=SMOKE_SHAPE.vocab_size)
    return paths


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the run; made when missing")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="tokenizer.json (train_tokenizer.py)")
    parser.add_argument("--train", type=pathlib.Path, help="training documents, a `tokens` file (tokenize_text.py)")
    parser.add_argument("--heldout", type=pathlib.Path, help="held-out documents: loss and recall at the end")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop with a checkpoint after so long")
    parser.add_argument("--smoke", action="store_true", help="a toy on the CPU in under a minute")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda unless --smoke")
    parser.add_argument("--attention", choices=ATTENTION, default="cudnn",
                        help="kernel on a GPU: cuDNN's with the flash kernel where it cannot run (default), or flash")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="torch.compile; default: on a GPU")
    add_options(parser.add_argument_group("training"), Settings())
    add_options(parser.add_argument_group("shape of the model"), Shape())
    arguments = parser.parse_args()
    if not arguments.smoke and not (arguments.tokenizer and arguments.train):
        parser.error("--tokenizer and --train are needed, or --smoke")
    return arguments


def main(arguments):
    device = arguments.device or ("cpu" if arguments.smoke else "cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA device here; --smoke or --device cpu trains without one")
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = smoke_data(arguments.out) if arguments.smoke else (arguments.tokenizer, arguments.train, arguments.heldout)
    tokenizer = load_tokenizer(paths[0])
    shape = chosen(SMOKE_SHAPE if arguments.smoke else Shape(), arguments)
    settings = chosen(SMOKE if arguments.smoke else Settings(), arguments)
    if shape.vocab_size < tokenizer.get_vocab_size():
        raise ValueError(f"--vocab-size: got {shape.vocab_size}, expected the tokenizer's {tokenizer.get_vocab_size()}")
    facts = Facts(tokenizer)
    batches = Batches(read_tokens(paths[1]), facts, seed=settings.seed, answer_weight=settings.answer_weight)
    run = Run(arguments.out, shape, settings, batches, device)
    if device == "cuda" if arguments.compile is None else arguments.compile:
        for layer in run.model.model.layers:  # one compilation serves all layers; one more for each context
            layer.compile(dynamic=False)
        run.model.token_losses = torch.compile(run.model.token_losses, dynamic=False)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(run, "stopped", True))
    if not run.train(arguments.minutes, arguments.attention):
        print(f"stopped at step {run.step}, {run.progress(run.step):.1%} done; the same call goes on from here",
              file=sys.stderr)
        return
    contexts = [context for context, *_ in settings.schedule()]
    model_file = arguments.out / "model.h5"
    save_model(run.model, model_file, seed=settings.seed, trained_context=max(contexts),
               description=json.dumps(run.plan["settings"]))
    result = {"plan": run.plan}
    if paths[2]:
        measured = sorted({*contexts, max(contexts) // 2})
        result |= measure(model_file, facts, read_tokens(paths[2]), measured, device, arguments.attention,
                          settings.seed)
        for context in measured:
            losses = ", ".join(f"{name} {loss:.3f}" for name, loss in result["loss"][context].items())
            print(f"context {context}: loss {losses or '-'}; recall {result['recall'].get(context, math.nan):.3f}")
    (arguments.out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{model_file}: {sum(p.numel() for p in run.model.parameters()) / 1e6:.1f}M parameters")


if __name__ == "__main__":
    try:
        main(parse())
    except (ValueError, OSError, HalftoneFileError) as error:
        sys.exit(f"train: {error}")
