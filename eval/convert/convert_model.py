#!/usr/bin/env python3
"""Converts a Llama-architecture checkpoint of Hugging Face (config.json and *.safetensors) to a `model` file.

usage: convert_model.py CHECKPOINT_FOLDER OUTPUT.h5

Weights keep their type (float32, float16, bfloat16). Needs NumPy, h5py and safetensors. What the project's forward pass
does not compute is refused: other architectures, scaled rotary positions, biases, quantised weights."""
import argparse
import json
import pathlib
import sys

import numpy as np
import safetensors

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from halftone_files import HalftoneFileError, model_parameter_shapes, write_model  # noqa: E402

DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


class Unsupported(ValueError):
    """A checkpoint that cannot be converted; one line that says why."""


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unsupported(f"{path}: {error.strerror.lower()}") from None
    except ValueError as error:
        raise Unsupported(f"{path}: not JSON ({error})") from None


def model_sizes(config, where):
    """The `model` attributes of a Hugging Face Llama configuration; its defaults where the file is silent."""
    def refuse(name, expected):
        raise Unsupported(f"{where}: {name}: got {json.dumps(config[name])}, expected {expected}")

    if config.get("model_type") != "llama":
        raise Unsupported(f"{where}: model_type: got {json.dumps(config.get('model_type'))}, expected \"llama\"")
    # Before version 5 of transformers: rope_theta and rope_scaling; since then: rope_parameters.
    for name in ("rope_scaling", "rope_parameters"):
        rope = config.get(name) or {}
        if rope.get("rope_type", rope.get("type", "default")) != "default" or rope.get("partial_rotary_factor", 1) != 1:
            refuse(name, "plain rotary positions over the whole head (scaled ones are not supported)")
    for name, supported in {"attention_bias": False, "mlp_bias": False, "hidden_act": "silu",
                            "quantization_config": None}.items():
        if config.get(name, supported) != supported:
            refuse(name, f"{json.dumps(supported)} (nothing else is supported)")
    required = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    for name in required:
        if not isinstance(config.get(name), int) or config[name] <= 0:
            raise Unsupported(f"{where}: {name}: got {json.dumps(config.get(name))}, expected a positive number")
    heads = config["num_attention_heads"]
    theta = (config.get("rope_parameters") or {}).get("rope_theta", config.get("rope_theta", 10000.0))
    return {"vocab_size": config["vocab_size"], "hidden_size": config["hidden_size"],
            "num_layers": config["num_hidden_layers"], "num_heads": heads,
            "num_kv_heads": config.get("num_key_value_heads") or heads,
            "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
            "intermediate_size": config["intermediate_size"], "rope_theta": float(theta),
            "norm_eps": float(config.get("rms_norm_eps", 1e-6)),
            "tie_embeddings": bool(config.get("tie_word_embeddings", False))}


def shard_paths(folder):
    """The files that hold the weights: those of the index, or model.safetensors, or every *.safetensors."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(read_json(index).get("weight_map", {}).values()))]
    single = folder / "model.safetensors"
    paths = [single] if single.exists() else sorted(folder.glob("*.safetensors"))
    if not paths:
        raise Unsupported(f"{folder}: no *.safetensors (other formats are not supported)")
    return paths


def read_shard(path):
    """Yields (name, array) of a safetensors file; bfloat16, which safetensors does not give to NumPy, as uint16."""
    try:
        tensors = safetensors.deserialize(path.read_bytes())
    except OSError as error:
        raise Unsupported(f"{path}: {error.strerror.lower()}") from None
    except safetensors.SafetensorError as error:
        raise Unsupported(f"{path}: not a safetensors file ({error})") from None
    for name, tensor in tensors:
        if tensor["dtype"] not in DTYPES:
            raise Unsupported(f"{path}: {name}: got type {tensor['dtype']}, expected one of {', '.join(DTYPES)}")
        yield name, np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])


def parameters(folder, sizes):
    """Yields the checkpoint's parameters, without the copies that some checkpoints carry along."""
    expected = model_parameter_shapes(sizes)
    for path in shard_paths(folder):
        for name, values in read_shard(path):
            if name in expected:
                yield name, values
            elif name.endswith(".bias"):
                raise Unsupported(f"{path}: {name}: biases are not supported")
            elif not (name.endswith("rotary_emb.inv_freq") or name == "lm_head.weight"):  # the latter is tied here
                raise Unsupported(f"{path}: {name}: not a parameter of a Llama model of the sizes in config.json")


def convert(folder, output, command=None):
    """Writes `output`; raises Unsupported or HalftoneFileError, one line each, and then leaves nothing behind."""
    config = folder / "config.json"
    sizes = model_sizes(read_json(config), config)
    write_model(output, sizes, parameters(folder, sizes), command=command, architecture="llama",
                rope_layout="half-split (Hugging Face Llama)", description=f"converted from {folder.resolve().name}")
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="holds config.json and *.safetensors")
    parser.add_argument("output", type=pathlib.Path, help="the HDF5 file to write")
    arguments = parser.parse_args()
    try:
        sizes = convert(arguments.folder, arguments.output)
    except (Unsupported, HalftoneFileError) as error:
        sys.exit(f"convert_model: {error}")
    print(f"{arguments.output}: " + ", ".join(f"{name} {value}" for name, value in sizes.items()))


if __name__ == "__main__":
    main()
