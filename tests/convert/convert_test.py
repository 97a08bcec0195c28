#!/usr/bin/env python3
"""Converted checkpoints through the library's forward pass, against a decoder in plain NumPy; and every refusal.

usage: convert_test.py MODEL_OUTPUTS_PROGRAM"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
from safetensors.numpy import save_file

from forward import library_outputs
from halftone_files import decode_bfloat16, encode_bfloat16, model_parameter_shapes, read_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/model"))
from numpy_llama import forward, token_losses  # noqa: E402

PROGRAM = None
# Grouped queries, head_dim other than hidden_size / heads, untied.
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 59, "hidden_size": 40,
          "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
          "intermediate_size": 56, "rope_theta": 5000.0, "rms_norm_eps": 1e-4, "tie_word_embeddings": False,
          "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "rope_scaling": None}
SIZES = {"vocab_size": 59, "hidden_size": 40, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "head_dim": 12,
         "intermediate_size": 56, "rope_theta": 5000.0, "norm_eps": 1e-4, "tie_embeddings": 0}


def make_parameters(sizes):
    rng = np.random.default_rng(7)
    # Gain 1.5 makes attention sharp enough for a wrong rotation or head order to show.
    return {name: (1 + 0.3 * rng.standard_normal(shape) if len(shape) == 1
                   else 1.5 * rng.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32)
            for name, shape in model_parameter_shapes(sizes).items()}


def save_bfloat16(parameters, path):
    """A safetensors file by its specification (the package does not write bfloat16 from NumPy): length of the header
    in 8 bytes, header in JSON, data."""
    header, data = {}, b""
    for name, values in parameters.items():
        bits = encode_bfloat16(values).tobytes()
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [len(data), len(data) + len(bits)]}
        data += bits
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


class Convert(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.output = self.folder / "model.h5"
        self.parameters = make_parameters(SIZES)

    def run_script(self, **changes):
        config = {name: value for name, value in (CONFIG | changes).items() if value != "absent"}
        (self.folder / "config.json").write_text(json.dumps(config))
        return subprocess.run([sys.executable, ROOT / "eval/convert/convert_model.py", self.folder, self.output],
                              capture_output=True, text=True, check=False)

    def convert(self, **changes):
        run = self.run_script(**changes)
        self.assertEqual(run.returncode, 0, run.stderr)

    def save(self, name="model.safetensors", **changes):
        save_file(self.parameters | changes, self.folder / name)

    def assert_forward(self, sizes, parameters):
        tokens = np.random.default_rng(3).integers(0, 59, 45)
        parameters = {name: values.astype(np.float64) for name, values in parameters.items()}
        hidden, _ = forward(parameters, sizes, tokens[:-1])
        head = "model.embed_tokens.weight" if sizes["tie_embeddings"] else "lm_head.weight"
        logits = hidden @ parameters[head].T
        found_losses, found_logits = library_outputs(PROGRAM, self.output, tokens, 59)
        np.testing.assert_allclose(found_logits, logits, rtol=0, atol=2e-5 * np.abs(logits).max())
        np.testing.assert_allclose(found_losses, token_losses(logits, tokens[1:]), rtol=0, atol=1e-4)

    def test_one_file_with_grouped_queries(self):
        self.save()
        self.convert()
        self.assert_forward(SIZES, self.parameters)

    def test_values_and_attributes_are_kept(self):
        self.save()
        self.convert()
        sizes, found = read_model(self.output)
        self.assertEqual(sizes, SIZES)
        for name, values in self.parameters.items():
            np.testing.assert_array_equal(found[name], values, name)

    def test_shards_of_several_types(self):
        names = list(self.parameters)
        half = {name: self.parameters[name].astype(np.float16) for name in names[:7]}
        save_file(half, self.folder / "model-00001-of-00002.safetensors")
        rest = {name: self.parameters[name] for name in names[7:]}
        save_bfloat16(rest, self.folder / "model-00002-of-00002.safetensors")
        (self.folder / "other.safetensors").write_bytes(b"not in the index, not read")
        index = {name: f"model-0000{1 if name in half else 2}-of-00002.safetensors" for name in names}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        self.convert()
        self.assert_forward(SIZES, half | {name: decode_bfloat16(encode_bfloat16(v)) for name, v in rest.items()})
        with h5py.File(self.output) as file:
            self.assertEqual(file[names[0]].dtype, np.float16)
            self.assertEqual(file[names[7]].attrs["encoding"], "bfloat16")

    def test_tied_without_grouped_queries_and_defaults(self):
        changes = {"tie_word_embeddings": True, "num_key_value_heads": "absent", "head_dim": "absent",
                   "rope_theta": "absent", "rms_norm_eps": "absent", "rope_scaling": "absent"}
        sizes = SIZES | {"tie_embeddings": 1, "num_kv_heads": 4, "head_dim": 10, "rope_theta": 10000.0,
                         "norm_eps": 1e-6}
        self.parameters = make_parameters(sizes)
        # What some checkpoints carry along: the tied matrix once more, and buffers.
        self.save(**{"lm_head.weight": self.parameters["model.embed_tokens.weight"],
                     "model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(5, np.float32)})
        self.convert(**changes)
        self.assertEqual(read_model(self.output)[0], sizes)
        self.assert_forward(sizes, self.parameters)

    def test_rotary_base_of_newer_configurations(self):
        self.save()
        self.convert(rope_theta="absent", rope_parameters={"rope_type": "default", "rope_theta": 5000.0})
        self.assert_forward(SIZES, self.parameters)

    def assert_refused(self, *parts, **changes):
        run = self.run_script(**changes)
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        for part in ("convert_model: ", *parts):
            self.assertIn(part, run.stderr)
        self.assertEqual([path.name for path in self.folder.glob("*.h5")] + list(self.folder.glob(".*")), [])

    def test_refuses_what_the_forward_pass_does_not_compute(self):
        self.save()
        self.assert_refused('config.json: model_type: got "qwen2", expected "llama"', model_type="qwen2")
        self.assert_refused("rope_scaling", "linear", rope_scaling={"type": "linear", "factor": 2.0})
        self.assert_refused("rope_parameters", "llama3", rope_parameters={"rope_type": "llama3", "rope_theta": 5e5})
        self.assert_refused("attention_bias: got true, expected false", attention_bias=True)
        self.assert_refused("mlp_bias", mlp_bias=True)
        self.assert_refused("hidden_act", "gelu", hidden_act="gelu")
        self.assert_refused("quantization_config", quantization_config={"quant_method": "fp8"})

    def test_refuses_broken_checkpoints(self):
        self.assert_refused("no *.safetensors")
        self.save()
        self.assert_refused("vocab_size: got null", vocab_size=None)
        self.assert_refused("weight: got [59, 40], expected [60, 40]", vocab_size=60)
        self.assert_refused("parameters missing, among them model.layers.2.", num_hidden_layers=3)
        self.save(**{"model.layers.0.self_attn.q_proj.bias": np.zeros(48, np.float32)})
        self.assert_refused("q_proj.bias: biases are not supported")
        self.save(extra=np.zeros(3, np.float32))
        self.assert_refused("extra: not a parameter")
        self.save(**{"model.norm.weight": np.zeros(40, np.int8)})
        self.assert_refused("model.norm.weight: got type I8")
        (self.folder / "model.safetensors").write_bytes(b"\xff" * 100)
        self.assert_refused("not a safetensors file")
        (self.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "gone.safetensors"}}))
        self.assert_refused("gone.safetensors: no such file")

    def test_refuses_a_folder_without_configuration(self):
        run = subprocess.run([sys.executable, ROOT / "eval/convert/convert_model.py", self.folder, self.output],
                             capture_output=True, text=True, check=False)
        self.assertRegex(run.stderr, r"^convert_model: .*config\.json: no such file or directory\n$")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
