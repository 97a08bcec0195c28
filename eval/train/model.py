"""The decoder in PyTorch: RMSNorm, half-split rotary positions, grouped queries, SwiGLU. Modules carry the names of
Hugging Face's Llama, so that the state dict is what a `model` file holds."""
import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

from halftone_files import encode_bfloat16, read_model, write_model


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes, named as the attributes of a `model` file."""
    vocab_size: int = 8192
    hidden_size: int = 512
    num_layers: int = 8
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 128
    intermediate_size: int = 1408
    rope_theta: float = 500000.0
    norm_eps: float = 1e-5
    tie_embeddings: int = 1


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def rotary_table(length, shape, device):
    """(cos, sin), each [length, head_dim / 2]."""
    exponent = torch.arange(0, shape.head_dim, 2, device=device, dtype=torch.float32) / shape.head_dim
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * shape.rope_theta ** -exponent
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """x [batch, heads, length, head_dim]; plane j holds elements j and j + head_dim / 2."""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.q_proj, self.k_proj = linear(shape.hidden_size, queries), linear(shape.hidden_size, keys)
        self.v_proj, self.o_proj = linear(shape.hidden_size, keys), linear(queries, shape.hidden_size)

    def forward(self, x, cos, sin):
        def heads(projection, count):
            return projection(x).unflatten(-1, (count, self.shape.head_dim)).transpose(1, 2)

        q = rotate(heads(self.q_proj, self.shape.num_heads), cos, sin)
        k = rotate(heads(self.k_proj, self.shape.num_kv_heads), cos, sin)
        v = heads(self.v_proj, self.shape.num_kv_heads)
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True,
                                           enable_gqa=self.shape.num_heads != self.shape.num_kv_heads)
        return self.o_proj(o.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = linear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = linear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = linear(shape.intermediate_size, shape.hidden_size)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)
        self.mlp = FeedForward(shape)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embedding, layers and final norm: the part called `model` in Hugging Face's names."""

    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, eps=shape.norm_eps)


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        if not shape.tie_embeddings:
            self.lm_head = linear(shape.hidden_size, shape.vocab_size)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                into_stream = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * shape.num_layers) if into_stream else 1))

    def hidden(self, tokens):
        """What the last layer gives, [batch, length, hidden_size], of tokens [batch, length]."""
        cos, sin = rotary_table(tokens.shape[1], self.shape, tokens.device)
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return x

    def logits(self, x):
        head = self.model.embed_tokens if self.shape.tie_embeddings else self.lm_head
        return F.linear(self.model.norm(x), head.weight)

    def forward(self, tokens):
        """Logits [batch, length, vocab_size] of tokens [batch, length]."""
        return self.logits(self.hidden(tokens))

    def token_losses(self, x, targets):
        """Loss in nats [n] of targets [n], each given what the last layer gives at the token before, x [n, hidden_size]."""
        return F.cross_entropy(self.logits(x).float(), targets, reduction="none")

    def losses(self, tokens):
        """Loss in nats [batch, length - 1] of tokens 1 .. length - 1 given those before each."""
        x = self.hidden(tokens[:, :-1])
        return self.token_losses(x.flatten(0, 1), tokens[:, 1:].flatten()).view(len(tokens), -1)


def save_model(model, path, *, seed, **attributes):
    """A `model` file in bfloat16."""
    parameters = ((name, encode_bfloat16(values.detach().float().cpu().numpy()))
                  for name, values in model.state_dict().items())
    write_model(path, dataclasses.asdict(model.shape), parameters, seed=seed, architecture="llama",
                rope_layout="half-split (Hugging Face Llama)", **attributes)


def load_model(path):
    sizes, parameters = read_model(path)
    model = Llama(Shape(**sizes))
    model.load_state_dict({name: torch.from_numpy(values) for name, values in parameters.items()})
    return model
