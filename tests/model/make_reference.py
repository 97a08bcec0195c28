#!/usr/bin/env python3
"""Makes tiny_model.h5: a small model of random weights (fixed seed) and what numpy_llama.py computes with it.

usage: make_reference.py [OUTPUT]      (needs NumPy and h5py; the output is the same on every machine up to rounding)

Projections are stored as bfloat16, norms as float32. Group /expected, computed in float64: tokens, hidden, logits (with
lm_head.weight), logits_tied (with the embedding instead), losses, and per layer q, k, v and head_norms."""
import pathlib
import sys

import h5py
import numpy as np

from numpy_llama import forward, token_losses

SIZES = dict(vocab_size=61, hidden_size=48, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=32,
             intermediate_size=80, rope_theta=10000.0, norm_eps=1e-5)
SEQ = 37


def bfloat16_bits(x):
    bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def random_parameters(rng):
    s = SIZES
    hidden, queries, keys = s["hidden_size"], s["num_heads"] * s["head_dim"], s["num_kv_heads"] * s["head_dim"]
    shapes = {"model.embed_tokens.weight": (s["vocab_size"], hidden), "lm_head.weight": (s["vocab_size"], hidden),
              "model.norm.weight": (hidden,)}
    for i in range(s["num_layers"]):
        shapes |= {f"model.layers.{i}.{name}.weight": shape for name, shape in {
            "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries),
            "mlp.gate_proj": (s["intermediate_size"], hidden), "mlp.up_proj": (s["intermediate_size"], hidden),
            "mlp.down_proj": (hidden, s["intermediate_size"])}.items()}
    # Gain 1.5 makes attention sharp enough for a wrong rotation or head order to show.
    return {name: 1 + 0.3 * rng.standard_normal(shape) if len(shape) == 1
            else 1.5 * rng.standard_normal(shape) / np.sqrt(shape[1]) for name, shape in shapes.items()}


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("tiny_model.h5")
    rng = np.random.default_rng(2026)
    parameters = random_parameters(rng)
    tokens = rng.integers(0, SIZES["vocab_size"], SEQ + 1)
    with h5py.File(path, "w") as f:
        f.attrs.update(format="halftone", format_version="1.0", kind="model", command="tests/model/make_reference.py",
                       seed=2026, tie_embeddings=0, **SIZES)
        for name, values in parameters.items():
            if values.ndim == 1:
                values = values.astype(np.float32)
                f[name] = values
                parameters[name] = values.astype(np.float64)
            else:
                bits = bfloat16_bits(values)
                f[name] = bits
                f[name].attrs["encoding"] = "bfloat16"
                parameters[name] = (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)

        hidden, layers = forward(parameters, SIZES, tokens[:SEQ])
        logits = hidden @ parameters["lm_head.weight"].T
        expected = {"hidden": hidden, "logits": logits,
                    "logits_tied": hidden @ parameters["model.embed_tokens.weight"].T,
                    "losses": token_losses(logits, tokens[1:])}
        for i, layer in enumerate(layers):
            expected |= {f"layer_{i:02}/{name}": layer[name] for name in "qkv"}
            expected[f"layer_{i:02}/head_norms"] = layer["norms"]
        group = f.create_group("expected")
        group["tokens"] = tokens.astype(np.int32)
        for name, values in expected.items():
            group[name] = values.astype(np.float32)
    print(f"{path}: {path.stat().st_size} bytes, mean loss {expected['losses'].mean():.4f}")


if __name__ == "__main__":
    main()
