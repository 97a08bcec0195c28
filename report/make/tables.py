"""The report's tables: one LaTeX tabular each."""
import numpy as np

from . import speed, style
from .evaluations import MAIN, ORACLE
from .numbers import LENGTH, latex_text, nats, seconds

CHANGES = {  # {parameter: words with its value, or {value: words}}, what is different from our setting
    "representatives": "$R = {}$",
    "micro_block": "{}-key micro-blocks",
    "landmarks": {None: "no landmarks", "all": "landmarks on every head", True: "gated landmarks"},
    "aggregation": {"max": "largest share over representatives", "mean": "mean share over representatives"},
    "block_mass": {"sum": "sum over the micro-blocks"},
    "output_weights": {False: "no head weights"},
    "sink_blocks": {0: "no forced first block"},
    "local_blocks": {0: "no forced local blocks", 1: "one forced local block", 2: "two forced local blocks"},
    "moments": {0: "one key stands for its micro-block", 1: "mean keys, no variance"},
    "scope": {"row": "a tolerance per row", "head": "a tolerance per head", "layer": "a tolerance per layer"},
    "control": {"permuted_scores": "control: scores permuted within rows", "random_scores": "control: random scores",
                "shuffled_variances": "control: variances shuffled"},
    "block_k": "{}-key blocks",
}


def words_of(changes):
    """A variant in words."""
    if not changes:
        return "Halftone as evaluated"
    found = []
    if ORACLE.items() <= changes.items():
        changes = {key: value for key, value in changes.items() if key not in ORACLE}
        found.append("oracle: the true mass of every block")
    for key, value in changes.items():
        words = CHANGES.get(key, {})
        words = words.format(value) if isinstance(words, str) else words.get(value)
        found.append(words or f"{key} = {value}".replace("_", r"\_"))
    return ", ".join(found)


def tabular(columns, head, rows, rules=()):
    """booktabs; `rules`: before these rows a thin one."""
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    for index, row in enumerate(rows):
        if index in rules:
            lines.append(r"\midrule")
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def p_value(p):
    return "--" if np.isnan(p) else "$<$0.0001" if p < 1e-4 else f"{p:.4f}"


def percent(share, digits=1):
    return rf"{100 * share:.{digits}f}\,\%"


def minus(text):
    return text.replace("-", "$-$")


def length_name(length):
    return f"{length:,}"


def bold(text, condition):
    return rf"\textbf{{{text}}}" if condition else text


def quality(evaluations):
    """Loss over dense at every density; divergence, agreement and recall."""
    densities = evaluations.densities(LENGTH)
    tables = {density: evaluations.table(density) for density in densities}
    tasks = {
        density: {name: evaluations.recall(run)[0]
                  for name, run in evaluations.with_tasks(density).items()}
        for density in (0.025, 0.05, 0.1) if evaluations.with_tasks(density)
    }
    order = list(tables[0.1].index)
    order += [name for table in tables.values() for name in table.index if name not in order]
    order = list(dict.fromkeys(sorted(order, key=lambda name: name == "oracle")))
    head = [
        "pattern", *(rf"{100 * density:g}\,\%" for density in densities), "95\\,\\% interval", "KL", "top-1",
        *(rf"recall {100 * density:g}\,\%" for density in tasks)
    ]
    rows = []
    for name in order:
        losses = [
            bold(minus(nats(table.loss_increase[name])), name == "halftone") if name in table.index else "--"
            for table in tables.values()
        ]
        ten = tables[0.1]
        if name in ten.index:
            row = ten.loc[name]
            rest = [
                f"{minus(nats(row.loss_increase_low))} to {minus(nats(row.loss_increase_high))}",
                nats(row.kl),
                percent(row.agreement)
            ]
        else:
            rest = ["--"] * 3
        recalls = [percent(tasks[density][name]) if name in tasks[density] else "--" for density in tasks]
        rows.append([style.name(name), *losses, *rest, *recalls])
    return tabular("l" + "r" * len(densities) + "crr" + "r" * len(tasks), head, rows,
                   rules=(len(rows) - 1, ) if order[-1] == "oracle" else ())


#: arrays of files with --heads: (head of the column, form)
SELECTOR = {
    "captured_mass": ("mass kept", percent), "oracle_recall": ("oracle's blocks", percent),
    "relative_error": ("error", "{:.3f}".format), "cosine": ("cosine", "{:.4f}".format),
    "lse_error": ("LSE error", "{:.3f}".format), "log_mass_bias": ("bias", lambda x: minus(f"{x:.2f}")),
    "log_mass_rmse": ("RMSE", "{:.2f}".format)
}


def selectors(evaluations):
    """What is kept and lost, mean over documents, layers and heads; columns that a file has not are left out."""
    runs = evaluations.with_heads()
    means = {
        name: {
            array: np.nanmean(values)
            for array in SELECTOR
            if (values := evaluations.array(run, array)) is not None and not np.isnan(values).all()
        }
        for name, run in runs.items()
    }
    columns = [array for array in SELECTOR if any(array in found for found in means.values())]
    rows = [[style.name(name), *(SELECTOR[array][1](found[array]) if array in found else "--" for array in columns)]
            for name, found in sorted(means.items(), key=lambda item: -item[1]["captured_mass"])]
    return tabular("l" + "r" * len(columns), ["pattern", *(SELECTOR[array][0] for array in columns)], rows)


def full(evaluations):
    """Everything of every pattern at every density, for the appendix: over pages."""
    rows, rules = [], []
    for density in evaluations.densities(LENGTH):
        rules.append(len(rows))
        for name, row in evaluations.table(density).iterrows():
            rows.append([
                percent(density, 1 if density < 0.03 else 0),
                style.name(name),
                percent(row.density, 2),
                minus(nats(row.loss_increase)),
                f"{minus(nats(row.loss_increase_low))} to {minus(nats(row.loss_increase_high))}",
                nats(row.kl),
                percent(row.agreement),
                p_value(row.p_holm),
                p_value(row.p_equivalence),
                latex_text(seconds(row.select_seconds))
            ])
    text = tabular("llrrcrrrrr", [
        "wanted", "pattern", "density", "loss", "95\\,\\% interval", "KL", "top-1", "$p$ (Holm)", "$p$ (equiv.)",
        "choosing"
    ], rows, rules[1:])
    return text.replace("tabular", "longtable").replace("\\midrule\n", "\\midrule\n\\endhead\n", 1)


def lengths(evaluations):
    rows, rules = [], []
    for length in evaluations.lengths():
        rules.append(len(rows))
        for name, row in evaluations.table(0.1, length).sort_values("kl").iterrows():
            if name in style.PATTERNS:
                rows.append([
                    length_name(length),
                    style.name(name).split(" (")[0],
                    minus(nats(row.loss_increase)),
                    nats(row.kl),
                    percent(row.agreement)
                ])
    return tabular("rlrrr", ["tokens", "pattern", "loss", "KL", "top-1"], rows, rules[1:])


#: settings that the text discusses, by what they change; the others are in the appendix
DISCUSSED = [{"scope": "layer"}, {"scope": "head"}, {"scope": "row"}, {"moments": 1}, {"micro_block": 16},
             {"micro_block": 16,
              "representatives": 8}, {"representatives": 8}, {"representatives": 32}, {"output_weights": False},
             {"landmarks": None}, {"landmarks": "all"}, {"block_k": 128}, {"control": "shuffled_variances"},
             {"control": "permuted_scores"}, {"control": "random_scores", "output_weights": False}, ORACLE]


def variants(evaluations, density=0.1):
    rows = []
    for changes, run in evaluations.variants(density):
        if changes and changes not in DISCUSSED:
            continue
        row = evaluations.row(run)
        rows.append([
            words_of(changes),
            minus(nats(row.loss_increase)),
            nats(row.kl),
            percent(row.agreement),
            p_value(row.p_first_holm)
        ])
    rows[1:] = sorted(rows[1:], key=lambda row: float(row[2]))
    return tabular("lrrrr", ["setting", "loss", "KL", "top-1", "$p$"], rows, rules=(1, ))


def all_variants(evaluations):
    """Every setting of halftone, at the densities at which several were measured; sorted by divergence."""
    densities = [d for d in evaluations.densities(LENGTH) if len(evaluations.variants(d)) > 3]
    found = {}
    for density in densities:
        for changes, run in evaluations.variants(density):
            found.setdefault(words_of(changes), {})[density] = evaluations.row(run)
    rows = []
    for words, by_density in found.items():
        cells = [words]
        for density in densities:
            row = by_density.get(density)
            cells += ["--"] * 3 if row is None else [
                minus(nats(row.loss_increase)), nats(row.kl),
                p_value(row.p_first_holm)
            ]
        rows.append((by_density.get(0.1, by_density[min(by_density)]).kl, cells))
    rows[1:] = sorted(rows[1:], key=lambda row: row[0])
    head = ["setting"]
    for density in densities:
        head += [rf"{100 * density:g}\,\%: loss", "KL", "$p$"]
    text = tabular("l" + "rrr" * len(densities), head, [cells for _, cells in rows], rules=(1, ))
    return text.replace("tabular", "longtable").replace("\\midrule\n", "\\midrule\n\\endhead\n", 1)


def tasks(evaluations):
    """Share right of every task: dense attention, then patterns, at both densities."""
    columns, names = [], []
    for density in (0.05, 0.1):
        for pattern, run in evaluations.with_tasks(density).items():
            accuracy = evaluations.accuracy(run)
            if not names:
                names = list(accuracy)
                columns.append(("dense", "", {task: dense for task, (_, dense) in accuracy.items()}))
            columns.append((style.name(pattern).split(" (")[0], rf"{100 * density:g}\,\%",
                            {task: share
                             for task, (share, _) in accuracy.items()}))
    rows = [[title, share, *(f"{100 * values.get(task, np.nan):.0f}" for task in names)]
            for title, share, values in columns]
    head = ["attention", "", *(task.replace("_", " ").replace("recall ", "recall ") for task in names)]
    head = [rf"\rotatebox{{60}}{{{text}}}" if i > 1 else text for i, text in enumerate(head)]
    return tabular("ll" + "r" * len(names), head, rows, rules=(1, ))


def scenarios(evaluations, density=0.1):
    """Loss over dense by scenario."""
    runs = evaluations.compared(density)
    documents = evaluations.files[runs["halftone"].path].axes["document"]
    kinds = sorted({str(document).split("/")[0] for document in runs["halftone"].documents})
    rows = []
    for name in evaluations.table(density).index:
        documents = [str(d) for d in evaluations.files[runs[name].path].axes["document"]]
        values = evaluations.array(runs[name], "loss_increase")
        means = [np.nanmean([v for d, v in zip(documents, values) if d.startswith(f"{kind}/")]) for kind in kinds]
        rows.append([style.name(name), *(minus(nats(mean)) for mean in means)])
    return tabular("l" + "r" * len(kinds), ["pattern", *kinds], rows)


def models(evaluations, density=0.1):
    """Ours, the best other pattern and mean pooling on every model."""
    rows = []
    for model in evaluations.models():
        table = evaluations.table(density, LENGTH, model)
        if table.empty:
            continue
        others = table.drop(index=["halftone", "oracle"], errors="ignore")
        ours = table.loc["halftone"]
        rows.append([
            "evaluated" if model == MAIN else model.replace("_", " "), f"{ours.loss_dense:.3f}",
            nats(ours.loss_increase),
            p_value(ours.p_equivalence),
            style.name(others.index[0]).split(" (")[0],
            nats(others.loss_increase.iloc[0])
        ])
    return tabular("lrrrlr", ["model", "dense loss", "Halftone", "$p$ (equiv.)", "best other", "its loss"], rows)


def kernel(bench):
    t = bench.kernel
    rows, rules, dim = [], [], None
    for row in t[t["mask"] != "dense"].itertuples():
        problem = (row.dim, row.causal, row.seq)
        dense = bench.dense(*problem, heads=row.heads, heads_kv=row.heads_kv, batch=row.batch)
        if row.mask == "even" and row.heads == 4:  # there for the real masks beside it, "/ even"
            continue
        if dim != row.dim:
            rules.append(len(rows))
            dim = row.dim
        heads = f"{row.heads}" if row.heads == row.heads_kv else f"{row.heads}/{row.heads_kv}"
        if row.batch > 1:
            heads = rf"{row.batch}\,$\times$\,{heads}"
        rows.append([
            f"{row.dim}", "yes" if row.causal else "no",
            length_name(row.seq), heads, f"{percent(row.density)}, {row.mask}".replace("halftone layer", "real, layer"),
            f"{1e3 * dense['cudnn']:.3f}", f"{1e3 * dense['own']:.3f}", f"{1e3 * row.seconds_median:.3f}",
            f"{row.tflops_kept:.0f}", f"{dense['cudnn'] / row.seconds_median:.2f}",
            f"{dense['best'] / row.seconds_median:.2f}", f"{1 / row.density:.1f}",
            "--" if np.isnan(row.over_even) else f"{row.over_even:.2f}"
        ])
    return tabular("rlrrlrrrrrrrr", [
        "dim", "causal", "tokens", "heads", "mask", "cuDNN", "own", "sparse", "TFLOP/s", "/ cuDNN", "/ best", "ideal",
        "/ even"
    ], rows, rules[1:])


def speedups(bench):
    """The rows that were aimed at."""
    rows = []
    for dim, causal, seq in ((128, 0, 4096), (128, 0, 8192), (128, 0, 16384), (128, 1, 16384), (128, 1, 32768),
                             (128, 1, 65536), (64, 0, 16384), (64, 1, 32768), (64, 1, 65536)):
        row, dense = bench.sparse("even", dim, causal, seq), bench.dense(dim, causal, seq)
        rows.append([
            f"{dim}", "causal" if causal else "full",
            style.length_text(seq),
            percent(row.density, 0), f"{dense['cudnn'] / dense['own']:.2f}", f"{row.tflops_kept:.0f}",
            f"{dense['cudnn'] / row.seconds_median:.1f}", f"{dense['best'] / row.seconds_median:.1f}",
            f"{1 / row.density:.1f}"
        ])
    return tabular("rlrrrrrrr", ["dim", "", "tokens", "kept", "own dense", "TFLOP/s", "/ cuDNN", "/ best", "ideal"],
                   rows, rules=(6, ))


def selection(bench):
    s = bench.selection
    rows, rules = [], []
    for micro_block, representatives in ((16, 8), (8, 8), (8, 16)):
        here = s[(s.permille == 100) & (s.micro_block == micro_block) & (s.representatives == representatives)]
        rules.append(len(rows))
        for row in here.sort_values("seq").itertuples():
            rows.append([
                f"{micro_block}", f"{representatives}",
                style.length_text(row.seq), *(f"{value:.0f}"
                                              for value in (row.statistics_us, row.scores_us, row.threshold_us,
                                                            row.lists_us, row.selection_us, row.attention_us)),
                percent(row.share, 0)
            ])
    return tabular("rrrrrrrrrr",
                   ["$b$", "$R$", "tokens", "stat.", "scores", "thresh.", "lists", "all", "attention", "share"], rows,
                   rules[1:])


def pytorch(bench):
    """Times over the best dense backend, at every length and density of the file, causal, head dim 128."""
    p = bench.pytorch
    p = p[(p.dim == 128) & (p.causal == 1)]
    lengths_, wanted = sorted(set(p.seq)), sorted(set(p.density_wanted) - {1.0})
    methods = [
        m for m in ("FlexAttention", "FlashInfer", "FlashAttention-4", "halftone", "halftone, selecting",
                    "halftone, selecting fast") if m in set(p.method)
    ]
    rows, rules = [], []
    for seq in lengths_:
        rules.append(len(rows))
        for density in wanted:
            here = p[(p.seq == seq) & (p.density_wanted == density)].set_index("method").speedup
            rows.append([
                style.length_text(seq),
                percent(density, 1 if density < 0.03 else 0),
                *(f"{here[m]:.2f}" if m in here.index else "--" for m in methods), f"{1 / density:.0f}"
            ])
    titles = {"halftone": "Halftone", "halftone, selecting": "selecting", "halftone, selecting fast": "selecting fast"}
    return tabular("rr" + "r" * (len(methods) + 1), ["tokens", "kept", *(titles.get(m, m) for m in methods), "ideal"],
                   rows, rules[1:])


def prediction(bench):
    points = speed.scaling(bench)
    fitted = speed.models(points)
    rows = []
    for seq in (16384, 65536, 131072, 262144, 524288, 1048576):
        measured = {name: dict(values).get(seq) for name, values in points.items()}
        cells = []
        for name in ("dense", "attention", "selection"):
            model = latex_text(seconds(float(fitted[name](seq))))
            cells += [model, "--" if measured[name] is None else latex_text(seconds(measured[name]))]
        rows.append([style.length_text(seq), *cells])
    return tabular("rrrrrrr", ["tokens", "dense", "(meas.)", "10\\,\\%", "(meas.)", "choosing", "(meas.)"], rows)


def versions(bench):
    """Rates only; what has none (a deadlock, a spill) in words below what was tried."""
    t = bench.versions[bench.versions.kernel == "attention"]
    columns = ["dense 8K", "dense 16K causal", "10 % of 16K", "10 % of 16K causal"]
    rows = []
    for what, cells in t.groupby("what", sort=False):
        cells = cells.set_index("column")
        words = [
            text for text, value in zip(cells.text[columns], cells.value[columns]) if np.isnan(value) and text != "-"
        ]
        text = "; ".join([what, *words]) if words else what
        predicted = cells.text["predicted"].replace("-",
                                                    "--") if cells.text["predicted"] == "-" else cells.text["predicted"]
        rows.append([
            text.replace("%", r"\%"),
            predicted.replace("%", r"\%"),
            *("--" if np.isnan(cells.value[column]) else f"{cells.value[column]:.0f}" for column in columns)
        ])
    return tabular(r"p{0.5\linewidth}p{0.17\linewidth}rrrr",
                   ["version", "predicted", "8K", "16K causal", "10\\,\\%", "causal"], rows)


def write_all(evaluations, bench, folder):
    made = {
        "quality": quality(evaluations), "full": full(evaluations), "lengths": lengths(evaluations),
        "variants": variants(evaluations), "all-variants": all_variants(evaluations), "tasks": tasks(evaluations),
        "scenarios": scenarios(evaluations), "models": models(evaluations), "selectors": selectors(evaluations),
        "kernel": kernel(bench), "speedups": speedups(bench), "selection": selection(bench), "pytorch": pytorch(bench),
        "prediction": prediction(bench), "versions": versions(bench)
    }
    for name, text in made.items():
        (folder / f"table-{name}.tex").write_text(text)
    return made
