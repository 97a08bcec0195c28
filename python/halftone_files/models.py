"""Files of kind "model": a Llama-style decoder under its Hugging Face names (core/io/model_file.hpp)."""
import numpy as np

from .encoding import read_array, write_bfloat16
from .files import HalftoneFileError, create_file, open_file

MODEL_SIZES = ("vocab_size", "hidden_size", "num_layers", "num_heads", "num_kv_heads", "head_dim", "intermediate_size",
               "rope_theta", "norm_eps", "tie_embeddings")


def model_parameter_shapes(sizes):
    """{name: shape} of every parameter that a model of these sizes consists of."""
    hidden, intermediate = sizes["hidden_size"], sizes["intermediate_size"]
    queries, keys = sizes["num_heads"] * sizes["head_dim"], sizes["num_kv_heads"] * sizes["head_dim"]
    shapes = {"model.embed_tokens.weight": (sizes["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    if not sizes["tie_embeddings"]:
        shapes["lm_head.weight"] = (sizes["vocab_size"], hidden)
    for layer in range(sizes["num_layers"]):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in {
            "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries),
            "mlp.gate_proj": (intermediate, hidden), "mlp.up_proj": (intermediate, hidden),
            "mlp.down_proj": (hidden, intermediate)}.items()}
    return shapes


def write_model(path, sizes, parameters, *, command=None, seed=0, **attributes):
    """parameters yields (name, array): float32 or float16 as they are, uint16 as bfloat16. Arrays are taken one at a
    time, so that a model larger than the memory can be written."""
    missing = model_parameter_shapes(sizes)
    with create_file(path, "model", command=command, seed=seed) as file:
        file.attrs.update({name: int(sizes[name]) if name == "tie_embeddings" else sizes[name] for name in MODEL_SIZES})
        file.attrs.update(attributes)
        for name, values in parameters:
            if name not in missing:
                raise HalftoneFileError(f"{path}: parameter {name}: given twice or not part of a model of these sizes")
            if values.shape != missing.pop(name):
                expected = list(model_parameter_shapes(sizes)[name])
                raise HalftoneFileError(f"{path}: parameter {name}: got {list(values.shape)}, expected {expected}")
            if values.dtype == np.uint16:
                write_bfloat16(file, name, values)
            else:
                file.create_dataset(name, data=values)
        if missing:
            raise HalftoneFileError(f"{path}: {len(missing)} parameters missing, among them {next(iter(missing))}")


def read_model(path):
    """(sizes, {name: float32 array})."""
    with open_file(path, "model") as file:
        sizes = {name: file.attrs[name].item() for name in MODEL_SIZES}
        return sizes, {name: read_array(file[name]).astype(np.float32) for name in model_parameter_shapes(sizes)}
