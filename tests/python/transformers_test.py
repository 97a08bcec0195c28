#!/usr/bin/env python3
"""A tiny Llama of transformers with halftone's attention against the same with PyTorch's.

HALFTONE_LIBRARY names the library. usage: transformers_test.py [arguments of unittest]"""
import unittest

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, StaticCache

import halftone
import halftone.transformers
from torch_cases import TorchCase, main, relative_error

SIZES = {"vocab_size": 500, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 32768}


def model(implementation, dtype=torch.float32, device="cpu", **sizes):
    """Of the same weights for every type: drawn in float32, then rounded (not .to(dtype): this rounds the frequencies of
    the rotary embedding too, which is off by whole turns thousands of tokens on)."""
    def net(dtype):
        return LlamaForCausalLM._from_config(LlamaConfig(**SIZES | sizes), attn_implementation=implementation, dtype=dtype)

    torch.manual_seed(0)
    drawn, wanted = net(torch.float32), net(dtype)
    wanted.load_state_dict(drawn.state_dict())
    return wanted.to(device).eval()


def tokens(length, device="cpu", batch=1):
    return torch.randint(0, 500, (batch, length), generator=torch.Generator().manual_seed(1)).to(device)


@torch.no_grad()
def logits(net, ids):
    return net(ids).logits


class Transformers(TorchCase):
    def setUp(self):
        halftone.transformers.register("halftone", density=1.0, min_length=0)

    def test_full_density_changes_logits_by_rounding(self):
        ids = tokens(600, batch=2)
        expected = logits(model("sdpa"), ids)
        self.assertLess(relative_error(logits(model("halftone"), ids), expected), 2 ** -20)

    def check_16_bit_logits(self, length, device):
        """Less than the element type's rounding from PyTorch's logits, and as near as these to those in float32."""
        ids = tokens(length, device)
        exact = logits(model("sdpa", device=device), ids)
        for dtype in (torch.bfloat16, torch.float16):
            sdpa, sparse = (logits(model(name, dtype, device), ids) for name in ("sdpa", "halftone"))
            difference, theirs, ours = (relative_error(*pair) for pair in ((sparse, sdpa), (sdpa, exact), (sparse, exact)))
            print(f"{length} tokens in {dtype}, {halftone.last_kernel()}: {difference:.2e} from sdpa; from float32 "
                  f"{ours:.2e}, sdpa {theirs:.2e}")
            self.assertLess(difference, torch.finfo(dtype).eps)
            self.assertLess(ours, 1.1 * theirs)

    def test_full_density_in_16_bits(self):
        self.check_16_bit_logits(600, "cpu")

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU")
    def test_full_density_at_16384_tokens_on_the_gpu(self):
        self.check_16_bit_logits(16384, "cuda")
        self.assertEqual(halftone.last_kernel(), "sm90")

    def test_low_density_attends_to_less(self):
        ids = tokens(1500)
        dense = logits(model("sdpa"), ids)
        halftone.transformers.register("sparse", density=0.5, min_length=0)
        error = relative_error(logits(model("sparse"), ids), dense)
        self.assertGreater(error, 1e-4)
        self.assertLess(error, 0.5)
        halftone.transformers.register("sparse", density=0.5)  # 1,500 keys are few: dense
        self.assertLess(relative_error(logits(model("sparse"), ids), dense), 2 ** -20)

    def test_options_of_each_layer(self):
        weights = [torch.zeros(4), torch.ones(4), torch.ones(4)]
        ids = tokens(1500)
        halftone.transformers.register("uniform", tolerance=0.02, min_length=0)
        halftone.transformers.register("weighted", tolerance=0.02, min_length=0, head_weight=weights)
        self.assertGreater(relative_error(logits(model("weighted"), ids), logits(model("uniform"), ids)), 1e-5)

    def test_generates(self):
        ids = tokens(300)
        expected = model("sdpa").generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0)
        self.assertTrue(torch.equal(model("halftone").generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0),
                                    expected))

    def test_chunks_of_a_cached_prompt(self):
        ids = tokens(700)
        expected = logits(model("sdpa"), ids)
        net = model("halftone")
        with torch.no_grad():
            first = net(ids[:, :400], use_cache=True)
            second = net(ids[:, 400:], past_key_values=first.past_key_values)
        self.assertLess(relative_error(torch.cat([first.logits, second.logits], 1), expected), 2 ** -20)

    def test_no_mask_is_built(self):
        shapes = []
        original = halftone.transformers.attention
        try:
            def spy(q, k, v, **options):
                shapes.append(q.shape)
                return original(q, k, v, **options)

            halftone.transformers.attention = spy
            model("halftone")(tokens(300), attention_mask=torch.ones(1, 300, dtype=torch.long))
        finally:
            halftone.transformers.attention = original
        self.assertEqual(shapes, [(1, 4, 300, 64)] * 3)

    def test_refuses_static_caches(self):
        ids = tokens(300)
        cache = StaticCache(config=model("halftone").config, max_cache_len=400)
        self.assertIn("static cache", self.refusal(NotImplementedError, model("halftone"), ids, past_key_values=cache))

    def test_refuses_padding_and_windows(self):
        padded = torch.ones(1, 300, dtype=torch.long)
        padded[0, :5] = 0
        message = "halftone attention serves causal models over whole sequences, without padding, windows or packing"
        self.assertEqual(self.refusal(NotImplementedError, model("halftone"), tokens(300), attention_mask=padded), message)
        net = MistralForCausalLM._from_config(MistralConfig(**SIZES, sliding_window=100), attn_implementation="halftone")
        self.assertEqual(self.refusal(NotImplementedError, net, tokens(300)), message)


if __name__ == "__main__":
    main()
