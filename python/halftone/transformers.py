"""Halftone as an attention implementation of Hugging Face transformers.

    import halftone.transformers
    halftone.transformers.register(density=0.1)
    model.set_attn_implementation("halftone")     # or AutoModelForCausalLM.from_pretrained(..., attn_implementation=...)
"""
from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function

from ._attention import attention

_PLAIN = "causal models over whole sequences, without padding, windows or packing"


def register(name: str = "halftone", *, min_length: int = 4096, **options) -> None:
    """Registers halftone.attention with `options` (density or tolerance, landmarks, ...) under `name`.

    It serves causal self-attention over sequences without padding; anything else raises NotImplementedError. Calls with
    fewer than `min_length` keys, and with less than a tile of 128 queries (decoding), attend densely, in PyTorch: a short
    sequence has too few blocks to choose from, and a density may lie below what the always-kept ones need.
    options may hold tensors per layer, as {"head_weight": [one per layer], "gate": [one per layer]}."""
    per_layer = {key: options.pop(key) for key in ("head_weight", "gate") if key in options}

    def forward(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
        if attention_mask is not None or not getattr(module, "is_causal", True) or kwargs.get("sliding_window"):
            raise NotImplementedError(f"{name} attention serves {_PLAIN}")
        if dropout:
            raise NotImplementedError(f"{name} attention: got dropout {dropout}, expected 0")
        queries, keys = query.shape[2], key.shape[2]
        if keys < min_length or queries < min(128, keys):
            out = _dense(query, key, value, scaling)
        else:
            own = {option: tensors[module.layer_idx] for option, tensors in per_layer.items()}
            out = attention(query, key, value, scale=scaling, **options, **own)
        return out.transpose(1, 2), None

    AttentionInterface.register(name, forward)
    AttentionMaskInterface.register(name, _no_mask)


def _dense(query, key, value, scaling):
    queries, keys = query.shape[2], key.shape[2]
    mask = None
    if 1 < queries < keys:  # PyTorch's causal diagonal begins at the first key, not where the queries do
        mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=queries == keys and queries > 1,
                                        scale=scaling, enable_gqa=query.shape[1] != key.shape[1])


def _no_mask(batch_size, q_length=None, kv_length=None, q_offset=0, kv_offset=0, mask_function=causal_mask_function,
             attention_mask=None, **kwargs):
    """In place of a dense mask: None where the plain causal rule says it all. Looks at a padding mask's values once per
    forward pass, as transformers does for its own implementations."""
    if mask_function is not causal_mask_function or (attention_mask is not None and not attention_mask.all()):
        raise NotImplementedError(f"halftone attention serves {_PLAIN}")
    # A static cache has more keys than the queries have come to, and says where they are in a tensor.
    if q_length is not None and (isinstance(q_offset, torch.Tensor) or q_offset + q_length != kv_offset + kv_length):
        raise NotImplementedError("halftone attention serves caches that grow with the sequence: got a static cache")
    return None
