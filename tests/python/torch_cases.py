"""What the tests of the torch binding share: devices, plain attention in float64, and a runner that counts."""
import sys
import unittest

import torch

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def dtypes(device):
    return [torch.float16, torch.bfloat16] + ([torch.float32] if device == "cpu" else [])


def inputs(device, dtype, batch=2, heads=4, heads_kv=2, seq_q=300, seq_k=None, dim=64, seed=0):
    """q, k and v that lie as [batch, seq, heads, dim] in memory, as projections leave them."""
    generator = torch.Generator().manual_seed(seed)
    seq_k = seq_k or seq_q

    def make(heads, seq, factor):
        values = torch.randn(batch, seq, heads, dim, generator=generator) * factor
        return values.to(dtype).to(device).transpose(1, 2)

    return make(heads, seq_q, 2.0), make(heads_kv, seq_k, 1.0), make(heads_kv, seq_k, 1.0)


def causal_pairs(seq_q, seq_k, device):
    return torch.ones(seq_q, seq_k, dtype=torch.bool, device=device).tril(seq_k - seq_q)


def plain_attention(q, k, v, pairs=None, dtype=torch.float64):
    """(o, lse) with q, k, v and the softmax's weights held in `dtype`; pairs: bool, broadcast to [batch, heads, seq_q,
    seq_k]; queries without a pair give 0 and -inf."""
    group = q.shape[1] // k.shape[1]
    q, k, v = q.to(dtype), k.to(dtype).repeat_interleave(group, 1), v.to(dtype).repeat_interleave(group, 1)
    wide = torch.promote_types(dtype, torch.float32)
    scores = (q @ k.transpose(-1, -2)).to(wide) * q.shape[-1] ** -0.5
    if pairs is not None:
        scores = scores.masked_fill(~pairs, -torch.inf)
    weights = scores.softmax(-1).nan_to_num(0.0).to(dtype)
    return weights @ v, scores.logsumexp(-1)


def relative_error(got, expected):
    return ((got.double() - expected.double()).norm() / expected.double().norm()).item()


class TorchCase(unittest.TestCase):
    def assert_attends(self, got, q, k, v, pairs):
        """err(library vs float64) <= 2 err(the same mathematics in the element type vs float64) + 1e-6, as in C++."""
        truth, _ = plain_attention(q, k, v, pairs)
        limit = 2 * relative_error(plain_attention(q, k, v, pairs, q.dtype)[0], truth) + 1e-6
        self.assertLessEqual(relative_error(got, truth), limit)

    def refusal(self, error, call, *args, **options):
        with self.assertRaises(error) as caught:
            call(*args, **options)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)


def main():
    """Runs the tests of the calling script and ends with a line "N passed, N failed, N skipped"."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0 or result.testsRun == 0)
