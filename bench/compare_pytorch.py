#!/usr/bin/env python3
"""The library beside what PyTorch users would pick instead, on one GPU, in one process, on the same tensors and masks:
SDPA with each backend, FlexAttention compiled, FlashAttention-4's and FlashInfer's block sparsity where they are
installed (PyPI: flash-attn-4, flashinfer-python). Forward pass, bfloat16, 16,384 tokens in all (one sequence at least),
hidden size 2,048.

Masks keep the same share of random blocks of 128 x 128 in every row, the row's own among them; "halftone, selecting" is
the whole call of halftone.attention, which chooses its own blocks in the time given, with the default settings and with
the cheapest. Speed-ups refer to the fastest of the SDPA backends.

--out NAME writes NAME.json after each density and NAME.h5 after each shape, the shortest first, and NAME.png at the end. A
run that was cut off, or has come to its --time-limit, goes on with --resume; --from NAME.json only writes and prints what
an earlier run has measured (on a machine without h5py or matplotlib, say)."""
import argparse
import pathlib
import statistics
import sys
import time

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
    parser.add_argument("--seconds", type=float, default=0.3,
                        help="at most for the timed calls of one method, but three of them (%(default)s)")
    parser.add_argument("--time-limit", type=float, default=float("inf"), metavar="SECONDS",
                        help="measure nothing after so many; what is measured is written")
    parser.add_argument("--resume", action="store_true", help="keep what NAME.json holds, measure what it lacks")
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
    if arguments.samples < 1:
        parser.error("--samples: expected at least 1")
    for name in ("seconds", "time_limit"):
        if not getattr(arguments, name) > 0:
            parser.error(f"--{name.replace('_', '-')}: expected a positive number")
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"--out: no folder {arguments.out.absolute().parent}")
    return arguments


class Comparison:
    def __init__(self, arguments):
        try:
            import torch
        except ImportError:
            sys.exit("compare_pytorch.py: no PyTorch, expected it installed (--from needs none)")
        import contestants
        import halftone
        from measure import Timer
        known = [*contestants.DENSE, *contestants.SPARSE, *contestants.OWN]
        for name in set(arguments.methods or []).difference(known):
            sys.exit(f"compare_pytorch.py: --methods: no {name}, expected some of: {', '.join(known)}")
        if not torch.cuda.is_available():
            sys.exit("compare_pytorch.py: no CUDA device, expected one (--from and --overhead need none)")
        torch.backends.cuda.matmul.allow_tf32 = False
        self.begin = time.monotonic()
        self.arguments, self.timer = arguments, Timer(arguments.samples, arguments.seconds)
        self.run = report.new_run(" ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]), torch.cuda.get_device_name(),
                                  {"halftone": halftone.version(), "torch": torch.__version__, "cuda": torch.version.cuda,
                                   "cudnn": torch.backends.cudnn.version()})
        if arguments.resume:
            report.take_rows(self.run, arguments.out.with_suffix(".json"))
        self.done = {report.cell(row) for row in self.run["rows"]}

    def all(self):
        from problem import Shape
        shapes = [Shape.of_paper(seq, dim, bool(causal)) for seq in sorted(self.arguments.seq)
                  for causal in self.arguments.causal for dim in self.arguments.dim]
        for number, shape in enumerate(shapes, 1):
            if self.wants_any(shape):
                print(f"[{number}/{len(shapes)}, {self.seconds:.0f} s] {shape}", file=sys.stderr, flush=True)
                self.one(shape)
                write_file(report.write_hdf5, self.arguments.out.with_suffix(".h5"), self.run)
        if self.seconds > self.arguments.time_limit:
            print(f"stopped by --time-limit {self.arguments.time_limit:g}; --resume goes on", file=sys.stderr)

    @property
    def seconds(self):
        return time.monotonic() - self.begin

    def one(self, shape):
        import contestants
        from problem import Mask, Problem
        import torch
        problem = Problem(shape)
        exact = problem.exact_tiles()
        for name, prepare in contestants.DENSE.items():
            self.measure(shape, name, 1.0, 1.0, shape.pairs, problem, exact, lambda: prepare(problem))
        for density in self.arguments.density:
            mask = Mask(shape, density)
            exact = problem.exact_tiles(mask.blocks)
            for name, prepare in contestants.SPARSE.items():
                self.measure(shape, name, density, mask.density, mask.pairs, problem, exact,
                             lambda: prepare(problem, mask))
            for name, setting in contestants.OWN.items():
                self.selecting(shape, name, setting, density, problem)
            report.add_speedups(self.run["rows"], contestants.PEERS)
            report.write_json(self.arguments.out.with_suffix(".json"), self.run)
        torch.cuda.empty_cache()

    def wants(self, shape, name, density):
        arguments = self.arguments
        return (report.cell(self.row(shape, name, density)) not in self.done and self.seconds <= arguments.time_limit
                and (not arguments.methods or name in arguments.methods))

    def wants_any(self, shape):
        import contestants
        sparse = [*contestants.SPARSE, *contestants.OWN]
        return (any(self.wants(shape, name, 1.0) for name in contestants.DENSE)
                or any(self.wants(shape, name, density) for name in sparse for density in self.arguments.density))

    def selecting(self, shape, name, setting, density, problem):
        """halftone.attention: its density, pairs and exact outputs are those of the blocks that it chooses."""
        import contestants
        from problem import BLOCK
        if not self.wants(shape, name, density):
            return
        call = contestants.halftone_own(problem, density, setting)
        try:
            mask = call(return_mask=True)[-1]
        except Exception as error:
            self.failed(shape, name, density, error)
            return
        rows = shape.batch * shape.heads * shape.blocks
        pairs, visible = mask.kept * BLOCK * mask.block_k, rows * mask.blocks
        if shape.causal:  # both blocks of the diagonal, which are always kept, count by half together
            pairs -= rows * BLOCK * (BLOCK - 1) // 2
            visible = shape.batch * shape.heads * shape.blocks * (shape.blocks + 1)
        self.measure(shape, name, density, mask.kept / visible, pairs, problem,
                     problem.exact_tiles(mask.dense(), mask.block_k), lambda: call)

    def measure(self, shape, name, wanted, density, pairs, problem, exact, prepare):
        import halftone
        import measure
        if not self.wants(shape, name, wanted):
            return
        try:
            call = prepare()
            max_error, relative_error = measure.errors(problem.tiles_of(call()), exact)
            kernel = halftone.last_kernel() if name.startswith("halftone") else ""
            peak, about = measure.peak_bytes(call)
            samples = self.timer.seconds(call, about)
        except Exception as error:
            self.failed(shape, name, wanted, error)
            return
        median = statistics.median(samples)
        self.add(shape, name, wanted, status="ok", kernel=kernel, density=density, seconds_median=median,
                 samples=samples, tflops_kept=4e-12 * shape.dim * pairs / median, peak_bytes=peak, max_error=max_error,
                 relative_error=relative_error)
        print(f"    {name:24} {100 * wanted:5.1f} %  {1e3 * median:9.3f} ms", file=sys.stderr, flush=True)

    def failed(self, shape, name, wanted, error):
        import torch
        if isinstance(error, torch.AcceleratorError):
            raise error  # nothing that runs on the device after this means anything
        text = "out of memory" if isinstance(error, torch.OutOfMemoryError) else f"{type(error).__name__}: {error}"
        text = " ".join(text.split())
        self.add(shape, name, wanted, status=text if len(text) < 200 else text[:197] + "...")
        print(f"    {name:24} {100 * wanted:5.1f} %  {text[:90]}", file=sys.stderr, flush=True)
        torch.cuda.empty_cache()

    def add(self, shape, name, wanted, **values):
        self.run["rows"].append(self.row(shape, name, wanted) | values)

    @staticmethod
    def row(shape, name, wanted):
        return {"method": name, "dtype": "bfloat16", "seq": shape.seq, "batch": shape.batch, "heads": shape.heads,
                "dim": shape.dim, "causal": int(shape.causal), "density_wanted": wanted}


def write_file(action, path, run):
    try:
        action(path, run)
    except ImportError as error:
        print(f"{path}: not written ({error}); elsewhere: --from {path.with_suffix('.json')}", file=sys.stderr)


def write(out, run):
    report.print_table(run["rows"])
    write_file(report.write_hdf5, out.with_suffix(".h5"), run)
    write_file(report.draw, out.with_suffix(".png"), run)


def main():
    arguments = parse_arguments()
    if arguments.overhead:
        import overhead
        import torch
        overhead.run("cuda" if torch.cuda.is_available() else "cpu")
    elif arguments.source:
        write(arguments.source.with_suffix(""), report.read_run(arguments.source))
    else:
        comparison = Comparison(arguments)
        try:
            comparison.all()
        finally:
            if comparison.run["rows"]:
                write(arguments.out, comparison.run)


if __name__ == "__main__":
    main()
