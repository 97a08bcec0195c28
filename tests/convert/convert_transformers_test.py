#!/usr/bin/env python3
"""Tiny Llama checkpoints written by transformers: the library's logits against that package's own, in float32.

usage: convert_transformers_test.py MODEL_OUTPUTS_PROGRAM"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from forward import library_outputs

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "eval/convert/convert_model.py"
PROGRAM = None


class ConvertTransformers(unittest.TestCase):
    def compare(self, save_options, **changes):
        config = LlamaConfig(**({"vocab_size": 83, "hidden_size": 48, "num_hidden_layers": 3, "intermediate_size": 72,
                                 "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
                                 "tie_word_embeddings": False, "initializer_range": 0.2} | changes))
        torch.manual_seed(11)
        model = LlamaForCausalLM(config).eval()
        tokens = torch.randint(0, 83, (64,))
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            model.save_pretrained(folder, **save_options)
            output = pathlib.Path(folder) / "converted.h5"
            shards = len(list(pathlib.Path(folder).glob("*.safetensors")))
            subprocess.run([sys.executable, SCRIPT, folder, output], check=True, stdout=subprocess.DEVNULL)
            losses, logits = library_outputs(PROGRAM, output, tokens.numpy(), 83)
            expected = model(tokens[None, :-1]).logits[0].float()
            loss = torch.nn.functional.cross_entropy(expected, tokens[1:])
        scale = expected.abs().max().item()
        self.assertLess((torch.tensor(logits) - expected).abs().max().item(), 2e-5 * scale)
        self.assertAlmostEqual(losses.mean(), loss.item(), delta=1e-5)
        return shards

    def test_untied_grouped_queries(self):
        self.compare({})

    def test_tied_without_grouped_queries(self):
        self.compare({}, tie_word_embeddings=True, num_key_value_heads=4)

    def test_shards(self):
        self.assertGreater(self.compare({"max_shard_size": "60KB"}), 1)

    def test_own_head_dim_and_rotary_base(self):
        self.compare({}, head_dim=16, rope_parameters={"rope_type": "default", "rope_theta": 500.0})


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
