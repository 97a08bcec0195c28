#!/usr/bin/env python3
"""halftone on torch tensors against attention in float64, on the CPU and, where there is one, on the GPU.

HALFTONE_LIBRARY names the library. usage: torch_test.py [arguments of unittest]"""
import importlib.util
import pathlib
import shutil
import tempfile
import threading
import unittest
import weakref
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import halftone
from halftone import _call
from torch_cases import DEVICES, TorchCase, causal_pairs, dtypes, inputs, main, plain_attention


def expand(blocks, seq_q, seq_k, block_q=128, block_k=64):
    """bool [.., tiles, blocks] as bool [.., seq_q, seq_k]."""
    return blocks.repeat_interleave(block_q, -2)[..., :seq_q, :].repeat_interleave(block_k, -1)[..., :seq_k]


def random_blocks(device, *shape):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(5)) < 0.5).to(device)


class BlockSparse(TorchCase):
    def test_dense_without_a_mask(self):
        for device in DEVICES:
            for dtype in dtypes(device):
                for causal in (False, True):
                    for seq_q, seq_k in ((300, 300), (130, 517)):
                        q, k, v = inputs(device, dtype, seq_q=seq_q, seq_k=seq_k)
                        pairs = causal_pairs(seq_q, seq_k, device) if causal else None
                        o, lse = halftone.block_sparse_attention(q, k, v, causal=causal, return_lse=True)
                        self.assert_attends(o, q, k, v, pairs)
                        torch.testing.assert_close(lse.double(), plain_attention(q, k, v, pairs)[1], rtol=1e-3,
                                                   atol=1e-3)
                        self.assertEqual((o.shape, o.stride(), o.dtype), (q.shape, q.stride(), q.dtype))

    def test_blocks(self):
        for device in DEVICES:
            for batch, heads in ((1, 1), (2, 4), (1, 2)):
                for causal in (False, True):
                    for block_k in (64, 128):
                        q, k, v = inputs(device, torch.bfloat16, seq_q=300, seq_k=450)
                        blocks = random_blocks(device, batch, heads, 3, -(-450 // block_k))
                        mask = halftone.BlockMask.from_dense(blocks, 300, 450, causal=causal, block_k=block_k)
                        pairs = expand(blocks, 300, 450, block_k=block_k).repeat_interleave(4 // heads, 1)
                        if causal:
                            pairs = pairs & causal_pairs(300, 450, device)
                        o = halftone.block_sparse_attention(q, k, v, mask)
                        self.assert_attends(o, q, k, v, pairs)
                        self.assertTrue((mask.dense() <= blocks).all())

    def test_expanded_and_sliced_tensors(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, heads_kv=1, dim=128)
            k, v = k[:1].expand(2, 4, 300, 128), v.expand(2, 4, 300, 128)
            self.assert_attends(halftone.block_sparse_attention(q, k, v), q, k, v, None)
            q, k, v = (tensor[:, 1:3, 8:, 64:] for tensor in inputs(device, torch.bfloat16, heads_kv=4, dim=128))
            for o in (halftone.block_sparse_attention(q, k, v), halftone.attention(q, k, v, density=1.0, causal=False)):
                self.assert_attends(o, q, k, v, None)

    def test_rows_without_blocks_give_zero(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.float16)
            mask = halftone.BlockMask.from_dense(torch.zeros(1, 1, 3, 5, dtype=torch.bool, device=device), 300,
                                                 causal=True)
            o, lse = halftone.block_sparse_attention(q, k, v, mask, return_lse=True)
            self.assertEqual(mask.kept, 0)
            self.assertEqual(o.abs().max().item(), 0.0)
            self.assertTrue((lse == -torch.inf).all())

    def test_flex_attention_masks(self):
        from torch.nn.attention.flex_attention import create_block_mask

        def documents(b, h, q, k):  # documents of 100 tokens, causal within, plus what head 1 sees of the far past
            return (q >= k) & ((q // 100 == k // 100) | ((h == 1) & (k < 64)))

        for device in DEVICES:
            for length in (512, 700):
                q, k, v = inputs(device, torch.bfloat16, seq_q=length)
                flex = create_block_mask(documents, 1, 4, length, length, device=device)
                index = torch.arange(length, device=device)
                pairs = documents(0, torch.arange(4, device=device).view(4, 1, 1), index.view(-1, 1), index)
                o = halftone.block_sparse_attention(q, k, v, halftone.BlockMask.from_flex(flex))
                self.assert_attends(o, q, k, v, pairs)

                causal = create_block_mask(lambda b, h, q, k: q >= k, None, None, length, length, device=device)
                mask = halftone.BlockMask.from_flex(causal)
                ragged = (mask.kind & 4) > 0  # what crosses an end, of 700 tokens the last row
                self.assertEqual(int(ragged.sum()), 0 if length == 512 else mask.tiles)
                if length == 512:  # whole tiles: the diagonal is partial, and what lies below is full
                    self.assertEqual((mask.bits.shape[0], mask.kept), (4, 10))
                self.assert_attends(halftone.block_sparse_attention(q, k, v, mask), q, k, v,
                                    causal_pairs(length, length, device))

    @unittest.skipUnless(importlib.util.find_spec("h5py"), "no h5py")
    def test_mask_files(self):
        from halftone_files import create_file
        q, k, v = inputs("cpu", torch.float32)
        blocks = random_blocks("cpu", 1, 4, 3, 5)
        mask = halftone.BlockMask.from_dense(blocks, 300, causal=True)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "mask.h5"
            with create_file(path, "mask") as file:
                group = file.create_group("mask")
                group.attrs.update(layer=3, pattern="random", parameters="{}", density=0.5, visible=36,
                                   **dict(zip(("batch", "heads", "tiles", "blocks", "block_q", "block_k", "window_left",
                                               "window_right"), mask.sizes)))
                for name in ("row_ptr", "col_idx", "kind"):
                    group[name] = getattr(mask, name).numpy()
            loaded, = halftone.load(path)
        self.assertEqual(loaded.layer, 3)
        again = halftone.BlockMask.from_file(loaded)
        self.assertTrue(torch.equal(halftone.block_sparse_attention(q, k, v, again),
                                    halftone.block_sparse_attention(q, k, v, mask)))

    def test_sink(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.float16)
            sink = torch.tensor([0.0, 1.0, -3.0, 5.0], device=device)
            o, lse = halftone.block_sparse_attention(q, k, v, return_lse=True)
            with_sink = halftone.block_sparse_attention(q, k, v, sink=sink)
            share = torch.sigmoid(lse - sink.view(4, 1)).unsqueeze(-1)  # of the softmax that is left to the keys
            torch.testing.assert_close(with_sink.float(), o.float() * share, rtol=4e-3, atol=1e-3)


class Halftone(TorchCase):
    def test_attends_to_the_blocks_it_selects(self):
        for device in DEVICES:
            for dtype in dtypes(device):
                q, k, v = inputs(device, dtype, seq_q=1500)
                o, lse, mask = halftone.attention(q, k, v, density=0.4, return_lse=True, return_mask=True)
                visible = halftone.BlockMask.from_dense(torch.ones(1, 1, 12, 24, dtype=torch.bool), 1500, causal=True)
                self.assertAlmostEqual(mask.kept / (8 * visible.kept), 0.4, delta=0.01)
                pairs = expand(mask.dense(), 1500, 1500) & causal_pairs(1500, 1500, device)
                self.assert_attends(o, q, k, v, pairs)
                torch.testing.assert_close(lse.double(), plain_attention(q, k, v, pairs)[1], rtol=1e-3, atol=1e-3)
                again = halftone.block_sparse_attention(q, k, v, mask)
                self.assertTrue(torch.equal(again, o))
                self.assertTrue(torch.equal(halftone.attention(q, k, v, density=0.4), o))

    def test_every_block_at_full_density(self):
        for device in DEVICES:
            for dtype in dtypes(device):
                q, k, v = inputs(device, dtype, seq_q=700)
                self.assert_attends(halftone.attention(q, k, v, density=1.0), q, k, v, causal_pairs(700, 700, device))
                self.assert_attends(halftone.attention(q, k, v, density=1.0, causal=False), q, k, v, None)

    def test_options_reach_the_selection(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, seq_q=1500)

            def kept(**options):
                mask = halftone.attention(q, k, v, return_mask=True, **options)[-1]
                return mask.dense().sum((0, 2, 3))  # per head

            bare = kept(tolerance=10.0, sink_blocks=0, local_blocks=0)
            self.assertEqual(bare.tolist(), [2 * 24] * 4)  # 12 tiles of two diagonal blocks, in each of two sequences
            self.assertEqual(kept(tolerance=10.0, local_blocks=0).tolist(), [2 * (24 + 11)] * 4)
            weight = torch.tensor([0.0, 1.0, 4.0, 1.0], device=device)
            weighted = kept(tolerance=0.1, sink_blocks=0, local_blocks=0, head_weight=weight)
            plain = kept(tolerance=0.1, sink_blocks=0, local_blocks=0)
            self.assertEqual(weighted[0], bare[0])
            self.assertEqual((weighted[1], weighted[3]), (plain[1], plain[3]))
            self.assertGreater(weighted[2], plain[2])
            wide = halftone.attention(q, k, v, density=1.0, block_k=128, return_mask=True)[-1]
            self.assertEqual((wide.block_k, wide.blocks), (128, 12))

    def test_defaults_are_the_librarys(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, seq_q=1500)

            def chosen(**options):
                return halftone.attention(q, k, v, density=0.4, return_mask=True, **options)[-1].dense()

            default = chosen()
            self.assertTrue(torch.equal(chosen(block_k=0, micro_block=0, representatives=0), default))
            self.assertFalse(torch.equal(chosen(micro_block=16), default))
            self.assertFalse(torch.equal(chosen(representatives=8), default))

    def test_groups_share_lists(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, seq_q=1500, heads_kv=2 if device == "cpu" else 4)
            o, mask = halftone.attention(q, k, v, density=0.4, shared_lists=True, return_mask=True)
            self.assertEqual(mask.heads, k.shape[1])
            pairs = expand(mask.dense(), 1500, 1500).repeat_interleave(4 // mask.heads, 1)
            self.assert_attends(o, q, k, v, pairs & causal_pairs(1500, 1500, device))
            self.assertTrue(torch.equal(halftone.attention(q, k, v, density=0.4, shared_lists=True), o))
            own = halftone.attention(q, k, v, density=0.4, return_mask=True)[1]
            self.assertEqual(own.heads, 4)
            self.assertEqual(torch.equal(own.dense(), mask.dense()), mask.heads == 4)

    def test_landmarks(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, seq_q=1500)
            gate = torch.tensor([True, False, True, True], device=device)
            o, far_mass = halftone.attention(q, k, v, density=0.4, landmarks=True, gate=gate, return_far_mass=True)
            self.assertEqual(far_mass[:, 1].abs().max().item(), 0.0)
            self.assertGreater(far_mass[:, 0, 1000:].min().item(), 0.0)
            self.assertLess(far_mass.max().item(), 1.0)
            without, none = halftone.attention(q, k, v, density=0.4, return_far_mass=True)
            self.assertEqual(none.abs().max().item(), 0.0)
            self.assertTrue(torch.equal(without[:, 1], o[:, 1]))
            self.assertFalse(torch.equal(without[:, 0], o[:, 0]))

    def test_packed_sequences(self):
        starts = [0, 250, 251, 900]
        for device in DEVICES:
            q, k, v = inputs(device, torch.float16, batch=1, seq_q=900)
            cu_seqlens = torch.tensor(starts, dtype=torch.int32, device=device)
            for longest in (0, 649):
                packed = {"cu_seqlens_q": cu_seqlens, "cu_seqlens_k": cu_seqlens, "max_seqlen_q": longest,
                          "max_seqlen_k": longest}
                o, lse = halftone.attention(q, k, v, tolerance=0.02, return_lse=True, **packed)
                dense = halftone.block_sparse_attention(q, k, v, causal=True, **packed)
                self.assertEqual(lse.shape, (1, 4, 900))
                for begin, end in zip(starts[:-1], starts[1:]):
                    own = [tensor[:, :, begin:end] for tensor in (q, k, v)]
                    alone, alone_lse = halftone.attention(*own, tolerance=0.02, return_lse=True)
                    torch.testing.assert_close(o[:, :, begin:end], alone, rtol=2e-3, atol=2e-3)
                    torch.testing.assert_close(lse[:, :, begin:end], alone_lse, rtol=1e-3, atol=1e-3)
                    self.assert_attends(dense[:, :, begin:end], *own, causal_pairs(end - begin, end - begin, device))

    def test_serves_several_threads(self):
        for device in DEVICES:
            tensors = [inputs(device, torch.float16, seq_q=400, seed=seed) for seed in range(4)]
            expected = [halftone.attention(*one, tolerance=0.05) for one in tensors]
            got = [None] * 4

            def call(i):
                for _ in range(5):
                    got[i] = halftone.attention(*tensors[i], tolerance=0.05)

            threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            for one, other in zip(got, expected):
                self.assertTrue(torch.equal(one, other))


class Workspaces(TorchCase):
    """Small workspaces are kept between calls, one per device, of the default stream."""

    def idle_after(self, device, **options):
        halftone.attention(*inputs(device, torch.bfloat16), density=1.0, **options)
        return _call._idle_workspaces.get(-1 if device == "cpu" else 0)

    def test_kept_between_calls(self):
        for device in DEVICES:
            first = self.idle_after(device)
            self.assertIsNotNone(first)
            self.assertIs(self.idle_after(device), first)
            self.assertIs(self.idle_after(device, return_mask=True), first)
            _call._idle_workspaces.pop(first.home)  # as if another thread's call had it
            self.assertIsNot(self.idle_after(device), first)

    def test_large_ones_are_not(self):
        with mock.patch.object(_call, "_KEPT_BYTES", 0), mock.patch.dict(_call._idle_workspaces, clear=True):
            for device in DEVICES:
                self.assertIsNone(self.idle_after(device))

    def test_a_large_call_after_a_small_one(self):
        for device in DEVICES:
            with mock.patch.object(_call, "_KEPT_BYTES", 2 << 10), mock.patch.dict(_call._idle_workspaces, clear=True):
                small, large = (inputs(device, torch.float16, seq_q=seq) for seq in (40, 1500))
                for q, k, v in (small, large, small):
                    o = halftone.attention(q, k, v, density=1.0)
                    self.assert_attends(o, q, k, v, causal_pairs(q.shape[2], q.shape[2], device))

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU")
    def test_other_streams_and_graphs_have_their_own(self):
        with mock.patch.dict(_call._idle_workspaces, clear=True):
            with torch.cuda.stream(torch.cuda.Stream()):
                self.assertIsNone(self.idle_after("cuda"))
            first, tensors = self.idle_after("cuda"), inputs("cuda", torch.bfloat16)
            with mock.patch.object(_call, "_new_workspace", wraps=_call._new_workspace) as made:
                with torch.cuda.graph(torch.cuda.CUDAGraph()):
                    halftone.attention(*tensors, density=1.0)
            made.assert_called_once()
            self.assertIsNone(made.call_args.args[2:] or None)
            self.assertIs(_call._idle_workspaces[0], first)


class Plans(TorchCase):
    def test_calls_alike_share_a_plan(self):
        with mock.patch.dict(_call._plans, clear=True):
            for seed in range(3):
                q, k, v = inputs("cpu", torch.float16, seed=seed)
                halftone.block_sparse_attention(q, k, v)
            options, = _call._plans
            plan, = _call._plans[options]
            halftone.block_sparse_attention(q, k, k)  # one tensor twice
            halftone.block_sparse_attention(q, k, k)
            self.assertEqual(len(_call._plans[options]), 2)
            halftone.block_sparse_attention(q, k, v, sink=torch.zeros(4))
            self.assertEqual(len(_call._plans), 2)
            freed = weakref.ref(q)
            del q
            self.assertIsNone(freed(), "a plan holds tensors")

    def test_alternating_layouts(self):
        """The latest plan of the same options does not serve tensors that differ in shape, strides or type."""
        for device in DEVICES:
            q, k, v = inputs(device, torch.float16)
            others = [(q, k, v), (q.contiguous(), k, v), (q, k.contiguous(), v), (q, k, v.contiguous()),
                      (q.bfloat16(), k.bfloat16(), v.bfloat16()), (q[:, :, :100], k, v), (q[:1], k[:1], v[:1])]
            for _ in range(2):
                for tensors in others:
                    self.assert_attends(halftone.block_sparse_attention(*tensors), *tensors, None)
            with self.assertRaises(ValueError):
                halftone.block_sparse_attention(q, k, v.bfloat16())

    def test_extras_of_other_kinds(self):
        """Nor does it one whose extras differ."""
        q, k, v = inputs("cpu", torch.float16, batch=1)
        for starts in ([0, 300], [0, 100, 300], [0, 300]):
            packed = torch.tensor(starts, dtype=torch.int32)
            o = halftone.block_sparse_attention(q, k, v, cu_seqlens_q=packed, cu_seqlens_k=packed)
            pairs = torch.zeros(300, 300, dtype=torch.bool)
            for begin, end in zip(starts[:-1], starts[1:]):
                pairs[begin:end, begin:end] = True
            self.assert_attends(o, q, k, v, pairs)
        with self.assertRaises(ValueError):
            halftone.block_sparse_attention(q, k, v, cu_seqlens_q=packed, cu_seqlens_k=packed.long())


class Operators(TorchCase):
    def calls(self, device):
        q, k, v = inputs(device, torch.float16)
        mask = halftone.BlockMask.from_dense(random_blocks(device, 1, 4, 3, 5), 300, causal=True)
        selection = (0.05, 0.0, True, 64, 16, 16, 1, 2, False)
        return {torch.ops.halftone.attention:
                    (q, k, v, torch.ones(4, device=device), None, None, None, True, 0.0, "auto", 0, 0, True, False,
                     *selection),
                torch.ops.halftone.block_sparse_attention:
                    (q, k, v, mask.row_ptr, mask.col_idx, mask.kind, None, None, mask.sizes, None, None, None, False, 0.0,
                     "auto", 0, 0, True, False)}

    def test_opcheck(self):
        for device in DEVICES:
            for operator, arguments in self.calls(device).items():
                torch.library.opcheck(operator.default, arguments)

    def test_compiled(self):
        for device in DEVICES:
            q, k, v = inputs(device, torch.bfloat16, seq_q=500)
            mask = halftone.BlockMask.from_dense(random_blocks(device, 1, 4, 4, 8), 500, causal=True)

            def layer(q, k, v):
                a, lse = halftone.attention(q * 2, k, v, density=0.9, return_lse=True)
                return halftone.block_sparse_attention(a + 1, k, v, mask) * lse.unsqueeze(-1)

            inductor = device == "cuda" and shutil.which("cc") is not None  # Triton compiles its launchers with it
            compiled = torch.compile(layer, fullgraph=True, backend="inductor" if inductor else "aot_eager")
            torch.testing.assert_close(compiled(q, k, v), layer(q, k, v), rtol=2e-2, atol=2e-2)

    def test_fake_tensors(self):
        with FakeTensorMode():
            q, k = torch.empty(2, 300, 4, 64).transpose(1, 2), torch.empty(2, 2, 300, 64)
            o, lse = halftone.attention(q, k, k, density=0.5, return_lse=True)
            self.assertEqual((o.shape, o.stride(), lse.shape, lse.dtype),
                             (q.shape, q.stride(), (2, 4, 300), torch.float32))

    def test_meta_tensors(self):
        q, k, v = (tensor.to("meta") for tensor in inputs("cpu", torch.float16))
        o, lse = halftone.block_sparse_attention(q, k, v, causal=True, return_lse=True)
        self.assertEqual((o.device.type, o.stride(), lse.shape), ("meta", q.stride(), (2, 4, 300)))

    def test_dispatch_modes_see_the_operators(self):
        class Seen(TorchDispatchMode):
            names = []

            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                self.names.append(func.name())
                return func(*args, **(kwargs or {}))

        q, k, v = inputs("cpu", torch.float32)
        halftone.attention(q, k, v, density=1.0)  # has left its plan
        with Seen():
            halftone.attention(q, k, v, density=1.0)
        self.assertIn("halftone::attention", Seen.names)

    def test_gradients_are_refused(self):
        q, k, v = inputs("cpu", torch.float32)
        q.requires_grad_()
        with torch.no_grad():
            halftone.attention(q, k, v, density=1.0)  # leaves nothing that the next call could take for its own
        o = halftone.attention(q, k, v, density=1.0)
        self.assertTrue(o.requires_grad)
        with self.assertRaises(RuntimeError):
            o.sum().backward()
        with torch.no_grad():
            self.assertFalse(halftone.attention(q, k, v, density=1.0).requires_grad)


class Refusals(TorchCase):
    def test_tensors(self):
        q, k, v = inputs("cpu", torch.float32)

        def refusal(*tensors, **options):
            return self.refusal(ValueError, halftone.attention, *tensors, **{"density": 1.0} | options)

        self.assertEqual(refusal(q, k, v[:, :, :5]), "shape of v: got [2, 2, 5, 64], expected [2, 2, 300, 64], as k")
        self.assertEqual(refusal(q, k[:, :, :, :32], v), "shape of k: got [2, 2, 300, 32], expected [2, heads, seq, 64]")
        self.assertEqual(refusal(q[:, :3], k, v), "heads of k: got 2, expected a divisor of q's 3")
        self.assertEqual(refusal(q[0], k, v), "q: got 3 dimensions, expected 4: [batch, heads, seq, dim]")
        self.assertEqual(refusal(q[:, :, :0], k, v),
                         "shapes of q and k: got [2, 4, 0, 64] and [2, 2, 300, 64], expected no size of 0")
        self.assertEqual(refusal(q, k.half(), v), "dtype of k: got torch.float16, expected torch.float32, as q")
        self.assertEqual(refusal(q.double(), k, v),
                         "dtype of q: got torch.float64, expected float32, float16 or bfloat16")
        self.assertEqual(refusal(q.transpose(2, 3).contiguous().transpose(2, 3), k, v),
                         "stride of q along dim: got 300, expected 1")
        self.assertEqual(refusal(q, k, v, head_weight=torch.ones(3)),
                         "shape of head_weight: got [3], expected one contiguous dimension of [heads_q], for cu_seqlens "
                         "[sequences + 1]")
        self.assertEqual(refusal(q, k, v, gate=torch.ones(4)),
                         "dtype of gate: got torch.float32, expected torch.bool or torch.uint8")
        starts = torch.tensor([0, 300], dtype=torch.int32)
        self.assertEqual(refusal(q, k, v, cu_seqlens_q=starts),
                         "cu_seqlens_q and cu_seqlens_k: got one of two, expected both or neither")
        self.assertEqual(refusal(q, k, v, cu_seqlens_q=starts, cu_seqlens_k=starts),
                         "batch of packed tensors: got 2, expected 1: [1, heads, rows of all sequences, dim]")

    def test_options(self):
        q, k, v = inputs("cpu", torch.float32)

        def refusal(**options):
            return self.refusal(ValueError, halftone.attention, q, k, v, **options)

        self.assertEqual(refusal(), "tolerance and density: got 0 and 0, expected exactly one of them, the other 0")
        self.assertIn("density: got 0.1, expected at least 0.", refusal(density=0.1))
        self.assertEqual(refusal(density=1.0, sink_blocks=-1), "sink_blocks: got -1, expected at least 0")
        self.assertEqual(refusal(density=1.0, kernel="fastest"),
                         "kernel: got fastest, expected auto, sm90, wmma, portable, reference")
        self.assertEqual(refusal(density=1.0, block_k=100), "block_k: got 100, expected a multiple of 64")

    def test_masks(self):
        q, k, v = inputs("cpu", torch.float32)
        blocks = torch.ones(1, 1, 3, 5, dtype=torch.bool)
        mask = halftone.BlockMask.from_dense(blocks, 300, causal=True)
        self.assertEqual(self.refusal(ValueError, halftone.block_sparse_attention, q[:, :, :100], k, v, mask),
                         "mask size: got 3 tiles x 5 blocks, expected 1 x 5 for 100 queries and 300 keys")
        self.assertEqual(self.refusal(ValueError, halftone.BlockMask.from_dense, blocks, 100, causal=True),
                         "blocks: got torch.bool [1, 1, 3, 5], expected torch.bool [batch, heads, 1, 2] for 100 queries "
                         "and 100 keys")
        with self.assertRaisesRegex(ValueError, "mask col_idx: got 11 of torch.int64, expected 11 of torch.int32, contiguous"):
            halftone.BlockMask(mask.row_ptr, mask.col_idx.long(), mask.kind, None, None, 1, 1, 3, 5, 128, 64)
        halftone.block_sparse_attention(q, k, v, mask)
        self.assertEqual(self.refusal(ValueError, halftone.block_sparse_attention, q, k, v, mask.to("meta")),
                         "device of the mask: got meta, expected cpu as q")
        mask.col_idx[0] = 7
        self.assertEqual(self.refusal(ValueError, halftone.block_sparse_attention, q, k, v, mask),
                         "mask col_idx[0]: got 7, expected 0 to 4")

    def test_unsupported(self):
        q, k, v = inputs("cpu", torch.float32, dim=320)
        message = self.refusal(NotImplementedError, halftone.block_sparse_attention, q, k, v)
        self.assertEqual(message, "no kernel serves the request: portable: head dim 320 is above 256")


@unittest.skipUnless(torch.cuda.is_available(), "no GPU")
class OnTheGpu(TorchCase):
    def test_refuses_float32(self):
        q, k, v = inputs("cuda", torch.float32)
        for call, options in ((halftone.attention, {"density": 1.0}), (halftone.block_sparse_attention, {})):
            self.assertIn("float32 tensors; it takes float16 and bfloat16",
                          self.refusal(NotImplementedError, call, q, k, v, **options))

    def test_refuses_lists_that_groups_share(self):
        q, k, v = inputs("cuda", torch.bfloat16)
        self.assertEqual(self.refusal(NotImplementedError, halftone.attention, q, k, v, density=1.0, shared_lists=True),
                         "selection: lists that 2 query heads share; it makes one for each of them")

    def test_refuses_masks_elsewhere(self):
        q, k, v = inputs("cuda", torch.float16)
        mask = halftone.BlockMask.from_dense(torch.ones(1, 1, 3, 5, dtype=torch.bool), 300, causal=True)
        self.assertEqual(self.refusal(ValueError, halftone.block_sparse_attention, q, k, v, mask),
                         "device of the mask: got cpu, expected cuda:0 as q")
        self.assertEqual(halftone.block_sparse_attention(q, k, v, mask.to("cuda")).shape, q.shape)

    def test_agrees_with_the_cpu(self):
        for dim in (64, 128):
            q, k, v = inputs("cuda", torch.bfloat16, seq_q=1500, dim=dim)
            o, mask = halftone.attention(q, k, v, density=0.4, return_mask=True)
            on_cpu = halftone.attention(q.cpu(), k.cpu(), v.cpu(), density=0.4, return_mask=True)[1]
            self.assertLess((mask.dense().cpu() ^ on_cpu.dense()).float().mean().item(), 0.01)
            self.assertEqual(halftone.last_kernel(), "portable")

    def test_nothing_waits(self):
        q, k, v = inputs("cuda", torch.bfloat16, seq_q=1500)
        mask = halftone.attention(q, k, v, density=0.4, return_mask=True)[-1]

        def calls():
            halftone.attention(q, k, v, density=0.4, landmarks=True, return_lse=True)
            halftone.block_sparse_attention(q, k, v, mask)

        calls()  # loads the kernels
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            torch.cuda._sleep(500_000_000)  # a quarter of a second or so
            event = torch.cuda.Event()
            event.record()
            calls()
            self.assertFalse(event.query(), "the calls waited for what was enqueued before them")
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def test_runs_on_the_current_stream(self):
        q, k, v = inputs("cuda", torch.bfloat16, seq_q=1500)
        expected = halftone.attention(q, k, v, density=0.4)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            torch.cuda._sleep(100_000_000)
            late = q * 1.0  # ready only when the stream gets there
            o = halftone.attention(late, k, v, density=0.4)
        stream.synchronize()
        self.assertTrue(torch.equal(o, expected))

    def test_captured_into_a_graph(self):
        q, k, v = inputs("cuda", torch.bfloat16, seq_q=1500)
        other = inputs("cuda", torch.bfloat16, seq_q=1500, seed=1)
        expected = halftone.attention(*other, density=0.4, landmarks=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            o = halftone.attention(q, k, v, density=0.4, landmarks=True)
        for to, source in zip((q, k, v), other):
            to.copy_(source)
        graph.replay()
        self.assertTrue(torch.equal(o, expected))

    def test_names_the_kernel(self):
        q, k, v = inputs("cuda", torch.bfloat16)
        for kernel in sorted(halftone.features() - {"host"}):
            o = halftone.block_sparse_attention(q, k, v, causal=True, kernel=kernel)
            self.assertEqual(halftone.last_kernel(), kernel)
            self.assert_attends(o, q, k, v, causal_pairs(300, 300, "cuda"))

    @unittest.skipUnless(torch.cuda.device_count() > 1, "one GPU")
    def test_runs_on_the_tensors_device(self):
        q, k, v = inputs("cuda:1", torch.bfloat16)
        self.assert_attends(halftone.attention(q, k, v, density=1.0), q, k, v, causal_pairs(300, 300, "cuda:1"))
        self.assertEqual(torch.cuda.current_device(), 0)


if __name__ == "__main__":
    main()
