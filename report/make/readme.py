"""The parts of README.md that hold numbers: written between marks, from the same numbers as the report."""
import re
import textwrap

BEGIN, END = "<!-- {}: scripts/report writes what follows -->", "<!-- end of {} -->"


def result(n):
    return f"""\
![Loss over dense attention against density, and speed against density](report/figures/result.png)

*Left: what sparse attention costs a language model with a long context, against the share of blocks that is attended.
Right: speed of the same call from PyTorch on one {n['TorchDevice']}, against the line on which time is proportional to
density.*

| 10 % of the blocks | 16,384 tokens | 32,768 tokens | 65,536 tokens |
|---|---|---|---|
| Halftone: loss over dense, nats per token | **{n['LossTen']}** (dense {n['DenseLoss']}) | **{n['LossLong']}** | \
**{n['KlLongest']}** \\* |
| the best other pattern at the same density | {n['BestLossTen']} | {n['BestLossLong']} | {n['BestKlLongest']} \\* |
| attention, times as fast as the best dense kernel | {n['AttentionSixteenK']} | {n['AttentionThirtyTwoK']} | \
{n['AttentionSixtyFourK']} |
| choosing the blocks included | {n['CallSixteenK']} | {n['CallThirtyTwoK']} | {n['CallSixtyFourK']} |

\\* *Divergence of the predictions: that length is twice what the model was trained for, and its dense loss no
yardstick.*

{n['Documents']} documents that no setting was chosen by, {n['OthersTen']} other patterns; every difference is
significant, and Halftone at 10 % of 16,384 tokens is equivalent to dense attention within 0.5 % of its loss. Quality
and speed are those of `micro_block=8, representatives=16`; the speeds are without landmarks, which make the attention
{n['Landmarks']} times as long. All of it: the [technical report](report/report.pdf)."""


def cpu(n):
    return f"""\
On the CPU (one thread, AVX-512, 8,192 tokens, head dim 128, causal; `build/cpu/bench/bench_attention`):

| | time | |
|---|---|---|
| the same matrix products in OpenBLAS (`gemm_bound`) | {n['CpuGemm']} | |
| portable kernel, dense, bfloat16 | {n['CpuDense']} | {n['CpuOfBlas']} of the BLAS time, softmax included |
| portable kernel, 10 % of the blocks, bfloat16 | {n['CpuSparse']} | {n['CpuSpeedup']} times faster than dense |"""


def gpu(n):
    return f"""\
The Hopper kernel on an {n['Device']} (bfloat16, 16 heads of 128), against cuDNN's dense attention and against the
faster of cuDNN and its own dense mode, in the same run:

| times as fast as | every block | 25 % of 8,192 | 10 % of 16,384 | 10 % of 32,768, causal | 5 % of 65,536, causal |
|---|---|---|---|---|---|
| cuDNN | {n['DenseLeast']} to {n['DenseMost']} | {n['OverCudnnQuarterEightK']} | {n['OverCudnnTenSixteenK']} | \
{n['OverCudnnTenThirtyTwoK']} | {n['OverCudnnFiveSixtyFourK']} |
| the best dense kernel | 1 | {n['OverDenseQuarterEightK']} | {n['OverDenseTenSixteenK']} | \
{n['OverDenseTenThirtyTwoK']} | {n['OverDenseFiveSixtyFourK']} |

From PyTorch on an {n['TorchDevice']}, on the same tensors and masks, at 10 % of 32,768 tokens FlexAttention is
{n['TorchFlexTen']} times as fast as the best dense backend, FlashInfer {n['TorchInferTen']}, FlashAttention-4
{n['TorchFlashFourTen']}, Halftone {n['TorchGivenTen']}, and {n['TorchSelectingTen']} when it also chooses the blocks
itself; at 4,096 tokens FlashAttention-4 is the fastest of them. Choosing blocks takes {n['ShareThirtyTwoK']} of the
attention's time at 32,768 tokens and 10 %, {n['ShareSixtyFourK']} at 65,536, {n['ShareSixteenK']} at 16,384 and
{n['ShareEightK']} at 8,192 ({n['SelectDevice']}); with `micro_block=16, representatives=8`
{n['ShareCheapThirtyTwoK']}, {n['ShareCheapSixtyFourK']}, {n['ShareCheapSixteenK']} and {n['ShareCheapEightK']}.
Landmarks on every head make the attention {n['Landmarks']} times as long."""


def quality(n):
    return f"""\
At 10 % of 16,384 tokens a 27.8M-parameter language model loses {n['LossTen']} nats per token over dense attention
with Halftone (95 % interval {n['LossTenLow']} to {n['LossTenHigh']}; equivalence within 0.5 % of the loss:
{n['EquivalentTen']}) and recalls {n['RecallTen']} of planted facts; the best of {n['OthersTen']} other patterns,
{n['BestTen']}, loses {n['BestLossTen']}, a sliding window {n['LocalLoss']}, mean-pooled top-k {n['MeanLoss']}. At 5 %
it loses {n['LossFive']} and recalls {n['RecallFive']}; the best other {n['BestLossFive']} and at most
{n['BestRecallFive']}."""


def wrapped(text):
    """Markdown whose paragraphs, not its tables, have lines of at most 120 characters."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(p if p.startswith("|") else textwrap.fill(" ".join(p.split(
    )), 120, break_on_hyphens=False, break_long_words=False) for p in paragraphs)


BLOCKS = {"result": result, "speed on the CPU": cpu, "speed on a GPU": gpu, "quality": quality}


def filled(text, numbers):
    """README's text with every block as the numbers say."""
    words = {
        name: number.text.replace("%", " %").replace(" us", " µs").replace("$k$", "k")
        for name, number in numbers.items()
    }
    for name, block in BLOCKS.items():
        begin, end = BEGIN.format(name), END.format(name)
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"README.md: expected one block between {begin} and {end}")
        text = pattern.sub(lambda _, new=f"{begin}\n{wrapped(block(words))}\n{end}": new, text)
    return text
