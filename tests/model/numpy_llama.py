"""A Llama-style decoder in plain NumPy: an independent computation to compare the library with."""
import numpy as np


def rms_norm(x, weight, eps):
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def rotate(x, theta):
    """Half-split rotary positions: x [heads, seq, dim], plane j holds elements j and j + dim / 2."""
    _, seq, dim = x.shape
    angle = np.arange(seq)[:, None] * theta ** (-np.arange(0, dim, 2) / dim)[None, :]
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    a, b = x[..., :dim // 2], x[..., dim // 2:]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def causal_attention(q, k, v):
    """q, k, v [seq, dim] of one head."""
    scores = q @ k.T / np.sqrt(q.dtype.type(q.shape[1]))
    scores[np.triu_indices(len(q), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights @ v / weights.sum(axis=1, keepdims=True)


def forward(parameters, sizes, tokens, attention=causal_attention):
    """Hidden states after the final norm, and per layer a dict of q, k, v [heads, seq, dim] (q and k rotated) and
    norms [heads], the RMS over tokens of each head's contribution to the residual stream."""
    dim, heads, kv_heads = sizes["head_dim"], sizes["num_heads"], sizes["num_kv_heads"]
    x = parameters["model.embed_tokens.weight"][tokens]
    layers = []
    for i in range(sizes["num_layers"]):
        p = {name: parameters[f"model.layers.{i}.{name}.weight"] for name in (
            "input_layernorm", "post_attention_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
            "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")}
        h = rms_norm(x, p["input_layernorm"], sizes["norm_eps"])

        def project(name, count):
            return (h @ p[name].T).reshape(len(tokens), count, dim).transpose(1, 0, 2)

        q = rotate(project("self_attn.q_proj", heads), sizes["rope_theta"])
        k = rotate(project("self_attn.k_proj", kv_heads), sizes["rope_theta"])
        v = project("self_attn.v_proj", kv_heads)
        norms = []
        for head in range(heads):
            group = head // (heads // kv_heads)
            output = attention(q[head], k[group], v[group])
            added = output @ p["self_attn.o_proj"][:, head * dim:(head + 1) * dim].T
            norms.append(np.sqrt(np.mean(np.sum(added * added, axis=1))))
            x = x + added
        layers.append({"q": q, "k": k, "v": v, "norms": np.array(norms)})
        h = rms_norm(x, p["post_attention_layernorm"], sizes["norm_eps"])
        gate = h @ p["mlp.gate_proj"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ p["mlp.up_proj"].T)) @ p["mlp.down_proj"].T
    return rms_norm(x, parameters["model.norm.weight"], sizes["norm_eps"]), layers


def token_losses(logits, targets):
    """Negative log-likelihood of targets [rows] under logits [rows, vocab], in nats."""
    highest = logits.max(axis=1)
    log_sum = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return log_sum - logits[np.arange(len(targets)), targets]
