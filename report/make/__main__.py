"""Makes what the report and the README show from the files in report/results.

usage: python3 -m make [--check] [OUT]

OUT (build/report) gets the figures, tables and numbers that LaTeX includes; report/numbers.tsv, report/figures and the
README's blocks are brought up to date. With --check nothing outside OUT is written: what would change is an error. It is
also an error when the text claims something that the results contradict."""
import pathlib
import sys

from . import claims, draw_masks, draw_quality, draw_readme, draw_speed, numbers, readme, style, tables
from .benchmarks import Benchmarks
from .evaluations import Evaluations
from .record import record
from halftone_files import open_file

WEIGHTS = ("weights-10.h5", "weights.h5", "h200-weights.h5")  #: of the steps, the newest kind first; an earlier run's
ROOT = pathlib.Path(__file__).resolve().parents[2]


def head_weights(evaluations, results):
    """[layers, heads] of the evaluation at 10 %."""
    for name in WEIGHTS:
        if (results / "eval" / name).exists():
            with open_file(results / "eval" / name, "calibration") as file:
                return file["calibration/head_weight"][()]
    return None


def figures(evaluations, bench, results, out):
    style.setup()
    model_heads = 8 * 4  # layers and heads of the evaluated model, whose attention the kernel's table times per head
    draw_quality.pareto(evaluations, out, lambda length: bench.dense(128, 1, length)["best"] / 16 * model_heads)
    draw_quality.patterns(evaluations, out)
    draw_quality.by_position(evaluations, out)
    draw_quality.heads(evaluations, out, head_weights(evaluations, results))
    draw_quality.indicator(evaluations, out)
    draw_speed.speeds(bench, out)
    draw_speed.roofline(bench, out)
    for draw in (draw_masks.patterns, draw_masks.model, draw_masks.lengths):
        draw(out, results / "masks")


def update(path, text, check):
    """Writes a file whose text has changed; with `check` says so instead."""
    if path.exists() and path.read_text() == text:
        return []
    if not check:
        path.write_text(text)
    return [f"{path.relative_to(ROOT)} is not what the results say"] if check else []


def main(arguments):
    check = "--check" in arguments
    places = [argument for argument in arguments if not argument.startswith("--")]
    out = pathlib.Path(places[0] if places else ROOT / "build" / "report")
    out.mkdir(parents=True, exist_ok=True)
    results = ROOT / "report" / "results"

    problems = [f"report/results/gpu/{name} is older than its text" for name in record(ROOT, check) if check]
    evaluations, bench = Evaluations(results / "eval", ROOT), Benchmarks(results, ROOT)
    problems += claims.check(evaluations, bench)
    found = numbers.all_numbers(evaluations, bench, results / "masks")
    (out / "numbers.tex").write_text(found.latex())
    tables.write_all(evaluations, bench, out)
    figures(evaluations, bench, results, out)
    draw_readme.result(evaluations, bench, (out if check else ROOT / "report" / "figures") / "result.png")
    problems += update(ROOT / "report" / "numbers.tsv", found.tsv(), check)
    problems += update(ROOT / "README.md", readme.filled((ROOT / "README.md").read_text(), found), check)
    if problems:
        sys.exit("\n".join(["The report does not say what the results say:", *(f"  {text}" for text in problems)]))
    print(f"{len(found)} numbers, {len(claims.all_claims(evaluations, bench))} claims; figures and tables in {out}")


if __name__ == "__main__":
    main(sys.argv[1:])
