"""The README's picture: the result of both questions."""
import matplotlib.pyplot as plt

from . import draw_quality, draw_speed, style


def result(evaluations, bench, path):
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9))
    draw_quality.loss_by_density(evaluations, axes[0])
    shown = {name for density in evaluations.densities() for name in evaluations.table(density).index}
    axes[0].legend(
        handles=[
            plt.Line2D([], [], label=style.name(name), **style.look(name)) for name in style.PATTERNS if name in shown
        ] + [plt.Line2D([], [], label="other patterns", **style.look("bigbird"))], loc="center left",
        bbox_to_anchor=(1.0, 0.5))
    axes[0].set_title("what a model loses, 16,384 tokens")
    draw_speed.speedup_by_density(bench, axes[1])
    axes[1].set_title(f"what one gains, 32,768 tokens, {bench.card('pytorch')}")
    figure.savefig(path, dpi=200, metadata={"Software": None})
    plt.close(figure)
