"""What the text says beyond numbers: each sentence that results could contradict, checked. A claim that fails means
that the text has to be changed, not the claim."""
import numpy as np

from . import speed, style
from .numbers import LENGTH, SELECTIONS


def all_claims(evaluations, bench):
    """[(what the text says, whether it is so, what is so instead)]"""
    claims = []

    def claim(text, holds, instead=""):
        claims.append((text, bool(holds), str(instead)))

    for length in evaluations.lengths():
        for density in evaluations.densities(length):
            table = evaluations.table(density, length).drop(index="oracle", errors="ignore")
            key = "loss_increase" if length <= 32768 else "kl"  # beyond the training length, losses say little
            best = table[key].astype(float).idxmin()
            claim(f"halftone has the lowest {key} of all patterns at {100 * density:g} % of {length:,} tokens",
                  best == "halftone",
                  f"{style.name(best)}: {table[key][best]:.4f}, halftone {table[key]['halftone']:.4f}")
            if length == LENGTH and density >= 0.05:
                worst = table.p_holm.max()
                claim(f"every difference to halftone at {100 * density:g} % of {length:,} tokens is significant",
                      worst < 0.05, f"largest adjusted p-value {worst:.4f}")
    ten = evaluations.table(0.1)
    claim("halftone is equivalent to dense at 10 % of 16,384 tokens", ten.p_equivalence["halftone"] < 0.05,
          ten.p_equivalence["halftone"])
    claim("no other pattern is equivalent to dense at 10 % of 16,384 tokens",
          (ten.drop(index=["halftone", "oracle"], errors="ignore").p_equivalence >= 0.05).all())
    others = ten.drop(index=["halftone", "oracle"], errors="ignore")
    claim("the best other pattern at 10 % loses several times what halftone loses",
          others.loss_increase.min() > 3 * ten.loss_increase["halftone"])
    if 65536 in evaluations.lengths():
        claim("at 65,536 tokens a sliding window lowers the loss",
              evaluations.table(0.1, 65536).loss_increase["local"] < 0,
              evaluations.table(0.1, 65536).loss_increase["local"])
    like = heads_alike(evaluations)
    claim("the heads that get blocks are nearly the same on every kind of text", like > 0.9,
          f"least correlation {like:.3f}")
    for changes, run in evaluations.variants(0.1):
        if changes in ({"representatives": 8}, {"micro_block": 16, "representatives": 8}, {"representatives": 32}):
            p = evaluations.row(run).p_equivalence
            claim(f"halftone with {changes} is equivalent to dense at 10 %", p < 0.05, p)
    single = {tuple(changes.items()): evaluations.row(run).loss_increase for changes, run in evaluations.variants(0.1)}
    ours, row = single[()], single.get((("scope", "row"), ))
    if row is not None:
        for name in ("layer", "head", "row"):
            if (loss := single.get((("scope", name), ))) is not None:
                claim(f"a tolerance per {name} loses more than one over the model", loss > ours,
                      f"{loss:.4f}, {ours:.4f}")
        parts = (("moments", 1), ("output_weights", False), ("landmarks", None))
        others = {(part, ): single[(part, )] for part in parts if (part, ) in single}
        claim("what matters most is who shares the budget", all(row > loss for loss in others.values()),
              f"a tolerance per row {row:.4f}, others {others}")
        for key, loss in others.items():
            claim(f"without it the loss rises: {dict(key)}", loss > ours, f"{loss:.4f}, {ours:.4f}")
        means = single.get((("moments", 1), ))
        if means is not None:
            claim("at 10 % the means alone lose about as much", means < 1.1 * ours, f"{means:.4f}, {ours:.4f}")
    for name in ("shuffled_variances", "permuted_scores"):
        if (loss := single.get((("control", name), ))) is not None:
            claim(f"the control {name} loses more than halftone", loss > ours, f"{loss:.4f}, {ours:.4f}")
    for model in evaluations.models():
        table = evaluations.table(0.1, LENGTH, model).drop(index="oracle", errors="ignore")
        if len(table):
            claim(f"halftone has the lowest loss on the model {model}", table.index[0] == "halftone", table.index[0])
    recall = {name: evaluations.recall(run) for name, run in evaluations.with_tasks(0.05).items()}
    claim("at 5 % halftone recalls the most planted facts",
          max(recall, key=lambda name: recall[name][0]) == "halftone", recall)

    t = bench.kernel
    for row in t[(t["mask"] == "dense") & t.kernel.str.startswith("cudnn")].itertuples():
        dense = bench.dense(row.dim, row.causal, row.seq, heads=row.heads, heads_kv=row.heads_kv, batch=row.batch)
        claim(f"the kernel's dense mode is faster than cuDNN ({row.name})", dense["own"] < dense["cudnn"], dense)
    for problem in ((128, 1, 32768), (128, 1, 65536)):
        row = bench.sparse("even", *problem)
        claim(f"the sparse kernel reaches 1 / density over cuDNN at {problem}",
              bench.over("cudnn", "even", *problem) > 0.98 / row.density,
              bench.over("cudnn", "even", *problem) * row.density)
    for dim, causal, seq in ((128, 0, 4096), (128, 0, 8192), (128, 0, 16384), (128, 1, 32768), (128, 1, 65536)):
        row = bench.sparse("even", dim, causal, seq)
        share = bench.over("best", "even", dim, causal, seq) * row.density
        claim(f"over its own dense mode the kernel stays below 1 / density (dim {dim}, {seq})", 0.7 < share < 1.0,
              share)
    far = (bench.sparse("even + landmarks", 128, 1, 32768).seconds_median /
           bench.sparse("even", 128, 1, 32768).seconds_median)
    claim("landmarks make the attention noticeably slower", far > 1.1, far)
    for kind, setting in SELECTIONS.items():
        shares = [bench.selecting(seq, 0.1, *setting).share for seq in (8192, 16384, 32768, 65536, 131072)]
        claim(f"the selection's share falls with the length {kind}", all(a > b for a, b in zip(shares, shares[1:])),
              shares)
    claim("at 8,192 tokens the cheapest selection takes more than 30 % of the attention: latency, not work",
          bench.selecting(8192, 0.1, *SELECTIONS["Cheap"]).share > 0.3)
    p = bench.pytorch
    for row in p[(p.method == "FlexAttention") & (p.dim == 128) & (p.causal == 1)].itertuples():
        same = p[(p.method == "halftone") & (p.seq == row.seq) & (p.dim == row.dim) & (p.causal == 1) &
                 (p.density_wanted == row.density_wanted)]
        claim(f"Halftone with a mask is faster than FlexAttention ({row.seq}, {row.density_wanted})",
              same.seconds_median.iloc[0] < row.seconds_median)
        own = p[(p.method == "halftone, selecting") & (p.seq == row.seq) & (p.causal == 1) & (p.dim == row.dim) &
                (p.density_wanted == row.density_wanted)]
        if row.seq == 32768 and row.density_wanted >= 0.05 and len(own):
            claim(f"even selecting it is faster at 32,768 tokens, {row.density_wanted}",
                  own.seconds_median.iloc[0] < row.seconds_median)
    ten = p[(p.dim == 128) & (p.causal == 1) & (p.density_wanted == 0.1)].pivot(index="seq", columns="method",
                                                                                values="seconds_median")
    others = ten[["FlexAttention", "FlashAttention-4", "FlashInfer"]].min(axis=1)
    claim("at 10 % and from 8,192 tokens Halftone with a mask is the fastest", (ten.halftone < others)[8192:].all(), ten)
    claim("at 4,096 tokens FlashAttention-4 is", ten["FlashAttention-4"][4096] < ten.halftone[4096], ten)
    points = speed.scaling(bench)
    for name, model in speed.models(points).items():
        claim(f"the cost model of {name} fits within 15 %", model.worst < 0.15, model.worst)
    rows = [row for row in speed.roofline(bench) if (row["seq"], row["density"]) == (32768, 0.1)]
    rows.sort(key=lambda row: row["version"])
    claim("the order of rows finds more in the L2 cache", rows[-1]["l2_hit"] > rows[0]["l2_hit"])
    return claims


def heads_alike(evaluations, density=0.1):
    """The least correlation between scenarios of the logarithms of the heads' densities."""
    run = evaluations.compared(density)["halftone"]
    kinds = [str(name).split("/")[0] for name in evaluations.files[run.path].axes["document"]]
    maps = evaluations.array(run, "density")
    scenarios = sorted({name.split("/")[0] for name in run.documents})
    means = [np.nanmean(maps[[i for i, k in enumerate(kinds) if k == kind]], axis=0).ravel() for kind in scenarios]
    return float(np.corrcoef(np.log(means)).min())


def check(evaluations, bench):
    """The claims that do not hold, as lines of text."""
    return [
        f"the text says: {text}" + (f"; measured: {instead}" if instead else "")
        for text, holds, instead in all_claims(evaluations, bench) if not holds
    ]
