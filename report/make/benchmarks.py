"""Benchmark files (kind "bench") as tables with the columns that figures need."""
import json

from halftone_files import HalftoneFileError, open_file, read_bench


def newest(folder, pattern):
    """The benchmark file of this name that was measured last."""
    paths = list(folder.glob(pattern))
    if not paths:
        raise HalftoneFileError(f"{folder}: no {pattern}")

    def date(path):
        with open_file(path, "bench") as file:
            return str(file.attrs["date"])

    return max(paths, key=date)


def arguments(name):
    """{"seq": "8192"} of "selection/seq:8192/..."."""
    return dict(item.split(":", 1) for item in name.split("/") if ":" in item)


class Benchmarks:
    """The GPU's files, and the CPU's; `paths` names each for sources."""

    def __init__(self, results, root):
        self.root, gpu = root, results / "gpu"
        self.paths = {
            "kernel": newest(gpu, "table-*.h5"), "selection": newest(gpu, "selection-*.h5"),
            "pytorch": newest(gpu, "compare-*.h5"), "profile": newest(gpu, "profile-*.h5"),
            "versions": newest(gpu, "versions-*.h5"), "cpu": results / "cpu" / "attention.h5",
            "generate": results / "cpu" / "patterns.h5"
        }
        tables = {name: read_bench(path) for name, path in self.paths.items()}
        self.kernel, self.pytorch, self.profile = tables["kernel"], tables["pytorch"], tables["profile"]
        self.versions = tables["versions"]
        self.selection, self.cpu, self.generate = (self._with_arguments(tables[name])
                                                   for name in ("selection", "cpu", "generate"))
        self.pytorch = self.pytorch[self.pytorch.status == "ok"]
        with open_file(self.paths["pytorch"]) as file:
            self.pytorch_versions = json.loads(file.attrs["versions"])

    @staticmethod
    def _with_arguments(table):
        """Numbers in a benchmark's name as columns, where there is none of that name."""
        for key in sorted({key for name in table["name"] for key in arguments(name)} - set(table.columns)):
            values = [arguments(name).get(key, "-1") for name in table["name"]]
            if all(value.lstrip("-").isdigit() for value in values):
                table[key] = [int(value) for value in values]
        return table

    def source(self, name):
        return str(self.paths[name].relative_to(self.root))

    def card(self, name):
        """The GPU that a file's name ends in: "H100"."""
        return self.paths[name].stem.rsplit("-", 1)[-1].upper()

    def scaling_sources(self):
        """The files of speed.scaling: the selection's, and dense attention's on the same card."""
        names = ["selection", *(name for name in ("kernel", "pytorch") if self.card(name) == self.card("selection"))]
        return ", ".join(self.source(name) for name in names)

    @property
    def device(self):
        return self.kernel["device"].iloc[0].split(",")[0].removeprefix("NVIDIA ")

    def problem(self, dim, causal, seq, heads=16, heads_kv=None, batch=None):
        """Rows of the kernel's table for one problem; by default 16,384 tokens in all, at least one sequence."""
        t = self.kernel
        here = (t.dim == dim) & (t.causal == causal) & (t.seq == seq) & (t.heads == heads)
        here &= t.heads_kv == (heads if heads_kv is None else heads_kv)
        return t[here & (t.batch == (max(1, 16384 // seq) if batch is None else batch))]

    def dense(self, *problem, **sizes):
        """Seconds of cuDNN, of the kernel with every block, and of the faster."""
        rows = self.problem(*problem, **sizes)
        rows = rows[rows["mask"] == "dense"]
        cudnn, own = (rows.seconds_median[rows.kernel.str.startswith("cudnn") == which].min()
                      for which in (True, False))
        return {"cudnn": cudnn, "own": own, "best": min(cudnn, own)}

    def over(self, reference, mask, *problem, density=None, **sizes):
        """How many times as fast as "cudnn", "own" or "best" the kernel is with a mask."""
        return self.dense(*problem, **sizes)[reference] / self.sparse(mask, *problem, density=density, **
                                                                      sizes).seconds_median

    def sparse(self, mask, *problem, density=None, **sizes):
        """The row of one mask."""
        rows = self.problem(*problem, **sizes)
        rows = rows[rows["mask"] == mask]
        if density is not None:
            rows = rows[(rows.density - density).abs() < 0.1 * density]
        if len(rows) != 1:
            raise HalftoneFileError(
                f"{self.paths['kernel']}: {len(rows)} rows with mask {mask} of {problem}, expected 1")
        return rows.iloc[0]

    def selecting(self, seq, density, micro_block, representatives):
        """The row of the selection's benchmark."""
        t = self.selection
        rows = t[(t.seq == seq) & (t.permille == round(1000 * density)) & (t.micro_block == micro_block) &
                 (t.representatives == representatives)]
        if len(rows) < 1:
            raise HalftoneFileError(f"{self.paths['selection']}: no row of {seq} tokens at {density:g}")
        return rows.iloc[0]
