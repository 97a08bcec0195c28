#!/usr/bin/env python3
"""The library beside what PyTorch users would pick instead, on one GPU, in one process, on the same tensors and masks:
SDPA with each backend, FlexAttention compiled, FlashAttention-4's and FlashInfer's block sparsity where they are
installed. Forward pass, bfloat16, 16,384 tokens in all (one sequence at least), hidden size 2,048.

Masks keep the same share of random blocks of 128 x 128 in every row, the row's own among them; "halftone, selecting" is
halftone.attention, which chooses its own blocks in the time given. Speed-ups refer to the fastest of the SDPA backends.

--out NAME writes NAME.json while it runs, and NAME.h5 and NAME.png at the end; --from NAME.json only writes and prints
what an earlier run has measured (on a machine without h5py or matplotlib, say)."""
import argparse
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "pytorch"), str(HERE.parent / "python")]

import report

LENGTHS = [4096, 8192, 16384, 32768, 65536, 131072]
DENSITIES = [0.025, 0.05, 0.1, 0.25, 0.5]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seq", type=int, nargs="+", default=LENGTHS, help="tokens, multiples of 128 (%(default)s)")
    parser.add_argument("--density", type=float, nargs="+", default=DENSITIES, help="in (0, 1) (%(default)s)")
    parser.add_argument("--dim", type=int, nargs="+", choices=[64, 128], default=[64, 128])
    parser.add_argument("--causal", type=int, nargs="+", choices=[0, 1], default=[0, 1])
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="only these; names as in the table")
    parser.add_argument("--samples", type=int, default=20, help="timed calls (%(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="4K, 16K and 32K tokens, 5, 10 and 25 %%, dim 128, causal, unless asked for otherwise")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("compare"), metavar="NAME")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--overhead", action="store_true", help="only the host time of the Python calls")
    arguments = parser.parse_args()
    if arguments.quick:
        quick = {"seq": [4096, 16384, 32768], "density": [0.05, 0.1, 0.25], "dim": [128], "causal": [1]}
        for name, values in quick.items():
            if getattr(arguments, name) == parser.get_default(name):
                setattr(arguments, name, values)
    if any(seq < 128 or seq % 128 for seq in arguments.seq):
        parser.error("--seq: expected multiples of 128")
    if any(not 0 < density < 1 for density in arguments.density):
        parser.error("--density: expected numbers between 0 and 1")
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"--out: no folder {arguments.out.absolute().parent}")
    return arguments


class Comparison:
    def __init__(self, arguments):
        import torch
        import halftone
        from measure import Timer
        if not torch.cuda.is_available():
            sys.exit("compare_pytorch.py: no CUDA device, expected one (--from and --overhead need none)")
        torch.backends.cuda.matmul.allow_tf32 = False
        self.arguments, self.timer = arguments, Timer(arguments.samples)
        self.run = {"command": " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
                    "device": torch.cuda.get_device_name(),
                    "versions": {"halftone": halftone.version(), "torch": torch.__version__, "cuda": torch.version.cuda,
                                 "cudnn": torch.backends.cudnn.version()},
                    "rows": []}

    def all(self):
        from problem import Shape
        shapes = [Shape.of_paper(seq, dim, bool(causal)) for dim in self.arguments.dim
                  for causal in self.arguments.causal for seq in self.arguments.seq]
        for number, shape in enumerate(shapes, 1):
            print(f"[{number}/{len(shapes)}] {shape}", file=sys.stderr, flush=True)
            self.one(shape)
            report.write_json(self.arguments.out.with_suffix(".json"), self.run)

    def one(self, shape):
        import contestants
        from problem import Mask, Problem
        import torch
        problem = Problem(shape)
        first = len(self.run["rows"])
        exact = problem.exact_tiles()
        for name, prepare in contestants.DENSE.items():
            self.measure(shape, name, 1.0, 1.0, shape.pairs, problem, exact, lambda: prepare(problem))
        for density in self.arguments.density:
            mask = Mask(shape, density)
            exact = problem.exact_tiles(mask.blocks)
            for name, prepare in contestants.SPARSE.items():
                self.measure(shape, name, density, mask.density, mask.pairs, problem, exact,
                             lambda: prepare(problem, mask))
            self.selecting(shape, density, problem)
        rows = self.run["rows"][first:]
        dense = [row["seconds_median"] for row in rows if row["method"] in contestants.PEERS and row["status"] == "ok"]
        for row in rows:
            if dense and row["status"] == "ok":
                row["speedup"] = min(dense) / row["seconds_median"]
        torch.cuda.empty_cache()

    def selecting(self, shape, density, problem):
        """halftone.attention: its density, pairs and exact outputs are those of the blocks that it chooses."""
        import contestants
        from problem import BLOCK
        call = contestants.halftone_own(problem, density)
        try:
            mask = call(return_mask=True)[-1]
        except Exception as error:
            self.failed(shape, contestants.OWN, density, error)
            return
        rows = shape.batch * shape.heads * shape.blocks
        pairs, visible = mask.kept * BLOCK * mask.block_k, rows * mask.blocks
        if shape.causal:  # both blocks of the diagonal, which are always kept, count by half together
            pairs -= rows * BLOCK * (BLOCK - 1) // 2
            visible = shape.batch * shape.heads * shape.blocks * (shape.blocks + 1)
        self.measure(shape, contestants.OWN, density, mask.kept / visible, pairs, problem,
                     problem.exact_tiles(mask.dense(), mask.block_k), lambda: call)

    def measure(self, shape, name, wanted, density, pairs, problem, exact, prepare):
        import halftone
        import measure
        if self.arguments.methods and name not in self.arguments.methods:
            return
        try:
            call = prepare()
            max_error, relative_error = measure.errors(problem.tiles_of(call()), exact)
            kernel = halftone.last_kernel() if name.startswith("halftone") else ""
            peak, samples = measure.peak_bytes(call), self.timer.seconds(call)
        except Exception as error:
            self.failed(shape, name, wanted, error)
            return
        median = statistics.median(samples)
        self.add(shape, name, wanted, status="ok", kernel=kernel, density=density, seconds_median=median,
                 samples=samples, tflops_kept=4e-12 * shape.dim * pairs / median, peak_bytes=peak, max_error=max_error,
                 relative_error=relative_error)
        print(f"    {name:20} {100 * wanted:5.1f} %  {1e3 * median:9.3f} ms", file=sys.stderr, flush=True)

    def failed(self, shape, name, wanted, error):
        import torch
        if self.arguments.methods and name not in self.arguments.methods:
            return
        if isinstance(error, torch.AcceleratorError):
            raise error  # nothing that runs on the device after this means anything
        text = "out of memory" if isinstance(error, torch.OutOfMemoryError) else f"{type(error).__name__}: {error}"
        text = " ".join(text.split())
        self.add(shape, name, wanted, status=text if len(text) < 200 else text[:197] + "...")
        print(f"    {name:20} {100 * wanted:5.1f} %  {text[:90]}", file=sys.stderr, flush=True)
        torch.cuda.empty_cache()

    def add(self, shape, name, wanted, **values):
        self.run["rows"].append({"method": name, "dtype": "bfloat16", "seq": shape.seq, "batch": shape.batch,
                                 "heads": shape.heads, "dim": shape.dim, "causal": int(shape.causal),
                                 "density_wanted": wanted, **values})


def write(out, run):
    report.print_table(run["rows"])
    for suffix, action in ((".h5", report.write_hdf5), (".png", report.draw)):
        try:
            action(out.with_suffix(suffix), run)
        except ImportError as error:
            print(f"{out.with_suffix(suffix)}: not written ({error}); elsewhere: --from {out.with_suffix('.json')}",
                  file=sys.stderr)


def main():
    arguments = parse_arguments()
    if arguments.overhead:
        import overhead
        import torch
        overhead.run("cuda" if torch.cuda.is_available() else "cpu")
    elif arguments.source:
        write(arguments.source.with_suffix(""), json.loads(arguments.source.read_text()))
    else:
        comparison = Comparison(arguments)
        try:
            comparison.all()
        finally:
            if comparison.run["rows"]:
                write(arguments.out, comparison.run)


if __name__ == "__main__":
    main()
