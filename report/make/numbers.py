"""Every number of the text, by name: LaTeX macros, and report/numbers.tsv, which says which file each comes from."""
import dataclasses
import re

import numpy as np

from halftone_files import read_masks

from . import speed, style
from .evaluations import MAIN

LENGTH = 16384
DIGITS = dict(zip("0123456789", ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")))


@dataclasses.dataclass
class Number:
    text: str
    value: float
    source: str
    what: str


class Numbers(dict):
    """{name: Number}, and which results are there at all: `has` {name: bool}."""

    def __init__(self):
        super().__init__()
        self.has = {}

    def add(self, name, value, form, source, what):
        if not re.fullmatch(r"[A-Za-z]+", name) or name in self:
            raise ValueError(f"number {name}: expected a new name of letters only")
        text = form(value) if callable(form) else form.format(value)
        self[name] = Number(text, value, source, what)

    def text(self, name):
        return self[name].text

    def latex(self):
        lines = [f"\\newcommand{{\\n{name}}}{{{latex_text(number.text)}}}" for name, number in self.items()]
        lines += [f"\\newif\\if{name}\n\\{name}{'true' if there else 'false'}" for name, there in self.has.items()]
        return "\n".join(lines) + "\n"

    def tsv(self):
        rows = ["name\ttext\tfile\twhat"]
        rows += [f"{name}\t{number.text}\t{number.source}\t{number.what}" for name, number in self.items()]
        return "\n".join(rows) + "\n"


def latex_text(text):
    if text.startswith("p "):
        return f"${text}$"
    if scientific := re.fullmatch(r"([\d.]+)e(-?)0*(\d+)", text):
        return r"${}\times10^{{{}{}}}$".format(*scientific.groups())
    if text[0] in "-0123456789":
        for unit, latex in (("%", r"\,\%"), (" us", r"\,$\mu$s"), (" ms", r"\,ms"), (" s", r"\,s")):
            text = text.replace(unit, latex)
        text = text.replace("-", "$-$")
    return text


def p_text(p):
    """A p-value as people write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def nats(value):
    """Losses: two significant digits, as many decimals as that takes, at least three."""
    return f"{value:.4f}" if abs(value) < 0.02 else f"{value:.3f}"


def seconds(value):
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * scale >= 1 or unit == "us":
            number = value * scale
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.1f} {unit}"
    return None


def percent_word(density):
    """Letters for a density: 0.025 -> TwoHalf, 0.1 -> Ten."""
    return {0.025: "TwoHalf", 0.05: "Five", 0.1: "Ten", 0.2: "Twenty", 0.25: "Quarter", 0.4: "Forty",
            0.5: "Half"}[density]


def quality(numbers, evaluations):
    densities = evaluations.densities(LENGTH)
    for density in densities:
        word, runs, table = percent_word(density), evaluations.compared(density), evaluations.table(density)
        ours, others = table.loc["halftone"], table.drop(index=["halftone", "oracle"], errors="ignore")
        best = others.index[0]
        file, best_file = evaluations.source(runs["halftone"]), evaluations.source(runs[best])
        where = f"at {100 * density:g} % of 16,384 tokens"
        numbers.add(f"Loss{word}", ours.loss_increase, nats, file, f"loss over dense, nats per token, halftone {where}")
        for end in ("low", "high"):
            numbers.add(f"Loss{word}{end.title()}", ours[f"loss_increase_{end}"], nats, file,
                        f"95 % interval of that, {end}")
        numbers.add(f"Kl{word}", ours.kl, nats, file, f"divergence, nats per token, halftone {where}")
        numbers.add(f"Agree{word}", 100 * ours.agreement, "{:.1f}%", file, f"same first token, halftone {where}")
        numbers.add(f"Equivalent{word}", ours.p_equivalence, p_text, file, f"equivalence to dense, halftone {where}")
        numbers.add(f"Density{word}", 100 * ours.density, "{:.1f}%", file, f"realised density, halftone {where}")
        numbers.add(f"Best{word}", best, style.name, best_file, f"the best other pattern {where}")
        numbers.add(f"BestLoss{word}", others.loss_increase.iloc[0], nats, best_file, f"its loss over dense {where}")
        numbers.add(f"BestRatio{word}", others.loss_increase.iloc[0] / ours.loss_increase, "{:.1f}",
                    f"{best_file}, {file}", f"that over halftone's {where}")
        numbers.add(f"WorstHolm{word}", others.p_holm.max(), p_text, file,
                    f"largest p-value of a difference to halftone after Holm's adjustment {where}")
        numbers.add(f"Others{word}", len(others), "{:d}", file, f"patterns compared {where}")
        if "oracle" in table.index:
            numbers.add(f"Oracle{word}", table.loss_increase["oracle"], nats, evaluations.source(runs["oracle"]),
                        f"loss over dense, the oracle {where}")
    numbers.has["FiveEquivalent"] = evaluations.table(0.05).p_equivalence["halftone"] < 0.05
    numbers.has["OracleFive"] = "OracleFive" in numbers
    numbers.has["Sparsest"] = 0.025 in densities
    numbers.has["Densest"] = 0.2 in densities
    run, table = evaluations.compared(0.1)["halftone"], evaluations.table(0.1)
    file = evaluations.source(run)
    for pattern, name in (("local", "Local"), ("mean_topk", "Mean"), ("random", "Random"), ("minmax", "Minmax"),
                          ("vertical_slash", "Slash")):
        numbers.add(f"{name}Loss", table.loss_increase[pattern], nats,
                    evaluations.source(evaluations.compared(0.1)[pattern]),
                    f"loss over dense of {pattern} at 10 % of 16,384 tokens")
    numbers.add("DenseLoss", table.loss_dense["halftone"], "{:.3f}", file, "loss of dense attention, nats per token")
    numbers.add("Margin", 0.005 * table.loss_dense["halftone"], nats, file, "margin of equivalence, nats per token")
    numbers.add("Documents", len(run.documents), "{:d}", file, "documents scored at 16,384 tokens")
    scenarios = {document.split("/")[0] for document in run.documents}
    file_arrays = evaluations.files[run.path]
    names = [str(name).split("/")[0] for name in file_arrays.axes["document"]]
    for scenario in sorted(scenarios):
        values = evaluations.array(run, "loss_increase")[[i for i, name in enumerate(names) if name == scenario]]
        numbers.add(f"Loss{scenario.title()}", np.nanmean(values), nats, file,
                    f"loss over dense of halftone on {scenario}, 10 % of 16,384 tokens")
    density = np.nanmean(evaluations.array(run, "density"), axis=0)
    numbers.add("HeadLeast", 100 * density.min(), "{:.1f}%", file, "least density of a head, mean over documents")
    numbers.add("HeadMost", 100 * density.max(), "{:.0f}%", file, "largest density of a head, mean over documents")
    far = evaluations.array(run, "far_mass")
    numbers.add("FarMost", 100 * np.nanmean(far, axis=0).max(), "{:.0f}%", file,
                "largest share of the softmax on landmarks of a head, mean over documents")


def recall(numbers, evaluations):
    for density in (0.025, 0.05, 0.1):
        runs, word = evaluations.with_tasks(density), percent_word(density)
        if not runs:
            continue
        file = evaluations.source(runs["halftone"])
        share, dense = evaluations.recall(runs["halftone"])
        where = f"at {100 * density:g} % of 16,384 tokens"
        numbers.add(f"Recall{word}", 100 * share, "{:.1f}%", file, f"planted facts recalled, halftone {where}")
        numbers.add(f"DenseRecall{word}", 100 * dense, "{:.1f}%", file, "the same with dense attention")
        others = {name: evaluations.recall(run)[0] for name, run in runs.items() if name != "halftone"}
        if others:
            best = max(others, key=others.get)
            numbers.add(f"BestRecall{word}", 100 * others[best], "{:.0f}%", evaluations.source(runs[best]),
                        f"most planted facts recalled by another pattern {where}")
            numbers.add(f"BestRecallName{word}", best, style.name, evaluations.source(runs[best]),
                        f"that pattern {where}")


def lengths(numbers, evaluations):
    for length, word, key in ((32768, "Long", "loss_increase"), (65536, "Longest", "kl")):
        runs = evaluations.compared(0.1, length)
        if not runs:
            continue
        table = evaluations.table(0.1, length).sort_values(key)
        ours, others = table.loc["halftone"], table.drop(index=["halftone", "oracle"], errors="ignore")
        file, best = evaluations.source(runs["halftone"]), evaluations.source(runs[others.index[0]])
        where = f"at 10 % of {length:,} tokens"
        for name, what in (("loss_increase", "Loss"), ("kl", "Kl")):
            numbers.add(f"{what}{word}", ours[name], nats, file, f"{name} of halftone {where}, nats per token")
            numbers.add(f"Best{what}{word}", others[name].iloc[0], nats, best,
                        f"{name} of the best other pattern by {key} {where}")
        numbers.add(f"Best{word}", others.index[0], style.name, best, f"the best other pattern by {key} {where}")
        numbers.add(f"Equivalent{word}", ours.p_equivalence, p_text, file, f"equivalence to dense, halftone {where}")
        numbers.add(f"Documents{word}", len(runs["halftone"].documents), "{:d}", file,
                    f"documents scored at {length:,} tokens")
        if length > 32768:
            numbers.add("LocalGainLongest", -table.loss_increase["local"], nats, file,
                        f"loss below dense, sliding window, {where}")
        numbers.add(f"LocalLoss{word}", table.loss_increase["local"], nats, file,
                    f"loss over dense, sliding window, {where}")


def masks(numbers, results, root):
    """Densities of the pictures of masks."""
    shown = {name: read_masks(results / f"tolerance-{name}.h5") for name in ("4k", "8k", "16k")}
    source = {name: str((results / f"tolerance-{name}.h5").relative_to(root)) for name in shown}
    for name, word in (("4k", "Four"), ("8k", "Eight"), ("16k", "Sixteen")):
        layers = shown[name]
        density = sum(len(mask.col_idx) for mask in layers) / sum(mask.visible for mask in layers)
        numbers.add(f"Tol{word}", 100 * density, "{:.0f}%", source[name],
                    f"density of the model at {name}, the same tolerance")
    by_layer = {mask.layer: mask.head_density()[0] for mask in read_masks(results / "halftone-16k.h5")}
    for (layer, head), word in (((4, 0), "Least"), ((6, 0), "Most")):
        numbers.add(f"Mask{word}", 100 * by_layer[layer][head], "{:.1f}%",
                    str((results / "halftone-16k.h5").relative_to(root)), f"density of layer {layer}, head {head}")


def selectors(numbers, evaluations):
    """What every head keeps, where a file says so."""
    runs = evaluations.with_heads()
    numbers.has["Selectors"] = bool(runs)
    numbers.has["Indicator"] = bool(runs) and evaluations.array(runs["halftone"], "indicator_queries") is not None
    for pattern, word in (("halftone", "Ours"), ("mean_topk", "Mean"), ("antidiagonal", "Antidiagonal")):
        if pattern in runs:
            for array, name, what in (("captured_mass", "Captured", "share of the dense softmax in kept blocks"),
                                      ("oracle_recall", "OracleRecall", "share of the oracle's blocks that are kept")):
                values = evaluations.array(runs[pattern], array)
                if values is not None:
                    numbers.add(f"{name}{word}", 100 * np.nanmean(values), "{:.1f}%", evaluations.source(runs[pattern]),
                                f"{what}, {pattern}, 10 % of 16,384 tokens, mean over heads")


SETTINGS = {
    "representatives=8": "Cheap", "micro_block=16,representatives=8": "Cheapest", "representatives=32": "Fine",
    "scope=layer": "ScopeLayer", "scope=head": "ScopeHead", "scope=row": "ScopeRow", "moments=1": "FirstMoments",
    "output_weights=False": "NoWeights", "landmarks=None": "NoLandmarks", "landmarks=all": "AllLandmarks",
    "control=shuffled_variances": "Shuffled", "control=permuted_scores": "Permuted"
}
ABLATIONS = ("ScopeLayer", "ScopeHead", "ScopeRow", "FirstMoments", "NoWeights", "NoLandmarks")


def settings(numbers, evaluations):
    """Other settings of halftone at 10 %, one or two changes from ours; and every block kept."""
    for changes, run in evaluations.variants(0.1):
        name = SETTINGS.get(",".join(f"{key}={value}" for key, value in changes.items()))
        if name:
            numbers.add(f"Loss{name}",
                        evaluations.row(run).loss_increase, nats, evaluations.source(run),
                        f"loss over dense at 10 % of 16,384 tokens with {changes}")
            numbers.add(f"Equivalent{name}",
                        evaluations.row(run).p_equivalence, p_text, evaluations.source(run),
                        f"equivalence to dense with {changes}")
    numbers.has["Cheapest"] = "LossCheapest" in numbers
    numbers.has["Fine"] = "LossFine" in numbers
    numbers.has["Ablations"] = all(f"Loss{name}" in numbers for name in ABLATIONS)
    numbers.has["Controls"] = "LossShuffled" in numbers and "LossPermuted" in numbers
    full = [run for run in evaluations.runs if (run.model, run.length, run.density) == (MAIN, LENGTH, 1.0) and run.ours]
    numbers.has["Full"] = bool(full)
    if full:
        numbers.add("FullLoss", np.nanmax(np.abs(evaluations.array(full[0], "loss_increase"))), "{:.4f}",
                    evaluations.source(full[0]),
                    "largest difference of a document's loss to dense with every block kept")


def kernel(numbers, bench):
    file = bench.source("kernel")
    t = bench.kernel
    numbers.add("Device", bench.device, str, file, "GPU")
    dense = t[(t["mask"] == "dense") & (t.heads == 16)]
    ratios = {dim: [] for dim in (64, 128)}
    for row in dense[dense.kernel.str.startswith("cudnn")].itertuples():
        times = bench.dense(row.dim, row.causal, row.seq, heads_kv=row.heads_kv)
        ratios[row.dim].append(times["cudnn"] / times["own"])
    for dim, word in ((64, "SixtyFour"), (128, "")):
        numbers.add(f"DenseLeast{word}", min(ratios[dim]), "{:.2f}", file,
                    f"least of cuDNN's dense time over own, head dim {dim}")
        numbers.add(f"DenseMost{word}", max(ratios[dim]), "{:.2f}", file,
                    f"most of cuDNN's dense time over own, head dim {dim}")
    own = dense[~dense.kernel.str.startswith("cudnn") & (dense.dim == 128)]
    numbers.add("DenseRate", own.tflops_kept.max(), "{:.0f}", file,
                "TFLOP/s of the kernel's dense mode, most, head dim 128")
    for name, problem in (("HalfFourK", (128, 0, 4096)), ("QuarterEightK", (128, 0, 8192)),
                          ("TenSixteenK", (128, 0, 16384)), ("TenSixteenKCausal", (128, 1, 16384)),
                          ("TenThirtyTwoK", (128, 1, 32768)), ("FiveSixtyFourK", (128, 1, 65536))):
        for reference, word in (("cudnn", "Cudnn"), ("best", "Dense")):
            numbers.add(
                f"Over{word}{name}", bench.over(reference, "even", *problem), "{:.1f}", file,
                f"times as fast as {'cuDNN' if reference == 'cudnn' else 'the best dense kernel'}: head dim "
                f"{problem[0]}, causal {problem[1]}, {problem[2]} tokens, even mask")
    row = bench.sparse("even", 128, 1, 32768)
    numbers.add("KeptRate", row.tflops_kept, "{:.0f}", file,
                "TFLOP/s on kept blocks, 10 % of 32,768 causal, head dim 128")
    far = bench.sparse("even + landmarks", 128, 1, 32768)
    numbers.add("Landmarks", far.seconds_median / row.seconds_median, "{:.1f}", file,
                "time with landmarks over without, 10 % of 32,768 tokens causal, head dim 128")
    numbers.add("UnevenFull",
                bench.sparse("uneven", 128, 0, 16384).over_even, "{:.2f}", file,
                "time of uneven rows over even ones, 10 % of 16,384, head dim 128")
    numbers.add("UnevenCausal", bench.sparse("uneven", 128, 1, 16384).over_even, "{:.2f}", file, "the same, causal")
    real = t[t["mask"].str.startswith("halftone") & (t.dim == 128)]
    many = real.batch > 1
    for here, word, what in ((~many, "Few", "four heads"), (many, "Many", "a batch of four, 16 heads")):
        numbers.add(f"Real{word}Least", real[here].over_even.min(), "{:.2f}", file,
                    f"time of a real mask over an even one, least, {what}, head dim 128")
        numbers.add(f"Real{word}Most", real[here].over_even.max(), "{:.2f}", file,
                    f"time of a real mask over an even one, most, {what}, head dim 128")


#: (micro_block, representatives): the evaluated setting, and the cheapest that was evaluated
SELECTIONS = {"": (8, 16), "Cheap": (16, 8)}


def selection(numbers, bench):
    file = bench.source("selection")
    numbers.add("SelectDevice", bench.card("selection"), str, file, "GPU of the selection's times")
    files = bench.scaling_sources()
    dense = dict(speed.scaling(bench)["dense"])
    for seq, word in ((8192, "EightK"), (16384, "SixteenK"), (32768, "ThirtyTwoK"), (65536, "SixtyFourK"),
                      (131072, "OneTwentyEightK")):
        for kind, (micro_block, representatives) in SELECTIONS.items():
            row = bench.selecting(seq, 0.1, micro_block, representatives)
            where = f"{seq:,} tokens, 10 %, {micro_block}-key micro-blocks, R = {representatives}"
            numbers.add(f"Share{kind}{word}", 100 * row.share, "{:.0f}%", file,
                        f"choosing blocks over attention, {where}")
            numbers.add(f"Select{kind}{word}", row.selection_us * 1e-6, seconds, file, f"choosing blocks, {where}")
            if seq in dense:
                numbers.add(f"Call{kind}{word}", dense[seq] / row.seconds_median, "{:.1f}", files,
                            f"the best dense time over choosing and attention, 16 heads, causal, {where}")
        if seq in dense:
            row = bench.selecting(seq, 0.1, *SELECTIONS[""])
            numbers.add(f"Dense{word}", dense[seq], seconds, files,
                        f"the best dense time, {seq:,} tokens, 16 heads of 128, causal")
            numbers.add(f"Attention{word}", dense[seq] / (row.attention_us * 1e-6), "{:.1f}", files,
                        f"the best dense time over attention with a list of the pattern, {seq:,} tokens, 10 %")
    numbers.add("Workspace",
                bench.selecting(131072, 0.1, *SELECTIONS[""]).workspace_mib, "{:.0f}", file,
                "MiB of workspace at 131,072 tokens")


def pytorch(numbers, bench, seq=32768):
    file, p = bench.source("pytorch"), bench.pytorch
    here = p[(p.seq == seq) & (p.dim == 128) & (p.causal == 1)]
    for density in (0.05, 0.1, 0.25):
        for method, word in (("halftone", "Given"), ("halftone, selecting", "Selecting"), ("FlexAttention", "Flex"),
                             ("FlashAttention-4", "FlashFour"), ("FlashInfer", "Infer")):
            row = here[(here.method == method) & (here.density_wanted == density)].iloc[0]
            numbers.add(
                f"Torch{word}{percent_word(density)}", row.speedup, "{:.1f}", file,
                f"from PyTorch, over the best dense: {method}, {100 * density:g} % of {seq:,}, causal, head dim 128")
    peak = here[here.density_wanted.isin([0.1, 1.0])].set_index("method").peak_bytes / 2 ** 20
    numbers.add("MemoryDense", peak["SDPA cuDNN"], "{:.0f}", file,
                f"MiB beyond inputs, output included: cuDNN, {seq:,} tokens")
    numbers.add("MemoryGiven", peak["halftone"], "{:.0f}", file, f"the same, Halftone with a mask, 10 % of {seq:,}")
    numbers.add("MemorySelecting", peak["halftone, selecting"], "{:.0f}", file,
                f"the same, Halftone selecting, 10 % of {seq:,}")
    numbers.add("TorchDevice", bench.card("pytorch"), str, file, "GPU of the comparison from PyTorch")
    numbers.add("TorchVersion", bench.pytorch_versions["torch"].split("+")[0], str, file, "PyTorch's version")


def model(numbers, bench):
    predicted, fitted = speed.prediction(bench)
    files = bench.scaling_sources()
    for name, word in (("dense", "Dense"), ("attention", "Attention"), ("selection", "Selection")):
        numbers.add(f"Million{word}", predicted[name], seconds, files, f"predicted for 1,048,576 tokens: {name}, 10 %")
        numbers.add(f"Misfit{word}", 100 * fitted[name].worst, "{:.1f}%", files,
                    f"largest error of the fitted model of {name}")
    numbers.add("MillionSpeedup", predicted["dense"] / (predicted["attention"] + predicted["selection"]), "{:.1f}",
                files, "predicted for 1,048,576 tokens: dense over selection and attention")
    numbers.add("MillionShare", 100 * predicted["selection"] / predicted["attention"], "{:.0f}%", files,
                "predicted for 1,048,576 tokens: selection over attention")
    quadratic = fitted["workspace"].coefficients[2] * 128 * 64 / 16
    numbers.add("WorkspaceBytes", quadratic, "{:.0f}", bench.source("selection"),
                "bytes of workspace per head, tile and block: the quadratic term of its cost model")
    numbers.add("MillionWorkspace", predicted["workspace"] / 2 ** 30, "{:.0f}", files,
                "predicted GiB of workspace, 16 heads")


def profile(numbers, bench):
    file = bench.source("profile")
    rows = {(row["seq"], row["density"], row["version"]): row for row in speed.roofline(bench)}
    newest = max(version for seq, density, version in rows if (seq, density) == (32768, 0.1))
    before, after = rows[32768, 0.1, min(v for s, d, v in rows if (s, d) == (32768, 0.1))], rows[32768, 0.1, newest]
    dense = next(row for (_, density, _), row in rows.items() if density == 1)
    for row, word, what in ((before, "Before", "before"), (after, "After", "after")):
        numbers.add(f"Hit{word}", row["l2_hit"], "{:.0f}%", file,
                    f"L2 hits at 10 % of 32,768 causal, {what} the order of rows")
        numbers.add(f"Clock{word}", row["clock"] / 1e9, "{:.2f}", file, f"GHz of the same, {what}")
        numbers.add(f"Intensity{word}", row["intensity"], "{:.0f}", file,
                    f"operations per byte of device memory, {what}")
    numbers.add("ClockDense", dense["clock"] / 1e9, "{:.2f}", file, "GHz in the dense loop, 16,384 tokens")
    numbers.add("OfPeakDense", 100 * dense["rate"] / dense["peak"], "{:.0f}%", file,
                "of the tensor cores' peak at the measured clock, dense")
    numbers.add("OfPeakAfter", 100 * after["rate"] / after["peak"], "{:.0f}%", file,
                "of the tensor cores' peak at the measured clock, 10 % of 32,768 causal")


def versions(numbers, bench):
    file, t = bench.source("versions"), bench.versions
    sm90 = t[t.kernel == "attention"]
    last = max(int(version) for version in sm90.version if version.isdigit())

    def cell(version, column, what=""):
        found = sm90[(sm90.version == version) & (sm90.column == column) & sm90.what.str.contains(what, regex=False)]
        return found.value.iloc[0]

    for version, word in (("1", "First"), (str(last), "Last")):
        for column, name in (("dense 16K causal", "Dense"), ("10 % of 16K", "Ten"),
                             ("10 % of 16K causal", "TenCausal")):
            numbers.add(f"Version{word}{name}", cell(version, column), "{:.0f}", file,
                        f"TFLOP/s of version {version}, {column}")
    numbers.add("VersionLast", last, "{:d}", file, "the kernel's last version in its notes")
    numbers.add("Polynomial", cell("tried", "dense 8K", "polynomials"), "{:.0f}", file,
                "TFLOP/s, head dim 64, a quarter of the exponentials as polynomials")
    text = sm90[(sm90.version == "tried") & sm90.what.str.contains("polynomials") &
                (sm90.column == "dense 8K")].text.iloc[0]
    numbers.add("PolynomialWithout", float(re.search(r"\((\d+) without", text)[1]), "{:.0f}", file,
                "the same without them")


def cpu(numbers, bench, seq=8192):
    file, t = bench.source("cpu"), bench.cpu
    here = t[t.seq == seq].set_index("name")
    gemm, dense = here.seconds_median[f"gemm_bound/seq:{seq}"], here.seconds_median[f"dense<bfloat16>/seq:{seq}"]
    sparse = here[here.index.str.startswith("sparse<bfloat16>") & (here.density < 0.13) & (here.density > 0.08)]
    sparse = sparse.seconds_median.iloc[0]
    numbers.add("CpuGemm", gemm, seconds, file, f"the same matrix products in OpenBLAS, {seq:,} tokens, one thread")
    numbers.add("CpuDense", dense, seconds, file, "portable kernel, dense, bfloat16")
    numbers.add("CpuSparse", sparse, seconds, file, "portable kernel, 10 %, bfloat16")
    numbers.add("CpuOfBlas", dense / gemm, "{:.2f}", file, "dense over the BLAS time")
    numbers.add("CpuSpeedup", dense / sparse, "{:.1f}", file, "dense over sparse")


def all_numbers(evaluations, bench, mask_folder):
    numbers = Numbers()
    for step in (quality, recall, lengths, selectors, settings):
        step(numbers, evaluations)
    for step in (kernel, selection, pytorch, model, profile, versions, cpu):
        step(numbers, bench)
    masks(numbers, mask_folder, bench.root)
    numbers.has["OtherModels"] = len(evaluations.models()) > 1
    return numbers
