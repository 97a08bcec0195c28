"""What a training run is made of; every field is an option of train.py."""
import argparse
import dataclasses

from model import Shape


@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 0
    tokens: float = 240e6  #: seen in training, over all stages
    finish_minutes: float = 0.0  #: 0: train on `tokens`; else for so long, whatever the machine's speed
    stages: str = "2048:0.45,8192:0.3,32768:0.25"  #: context:share of the tokens (or of the time), in order
    batch_tokens: int = 131072  #: per step
    micro_tokens: int = 65536  #: at once on the device; a step sums over several
    learning_rate: float = 2e-3  #: at the top of the cosine
    warmup: float = 0.04  #: share of the tokens
    weight_decay: float = 0.1
    answer_weight: float = 4.0  #: in the loss, of tokens that answer a planted fact

    def schedule(self):
        """[(context, sequences a step, sequences at once, steps)] of each stage."""
        stages = []
        for stage in self.stages.split(","):
            context, share = stage.split(":")
            context, share = int(context), float(share)
            sequences = max(1, self.batch_tokens // context)
            stages.append((context, sequences, min(sequences, max(1, self.micro_tokens // context)),
                           max(1, round(self.tokens * share / (sequences * context)))))
        return stages

    def stage_at(self, progress):
        """(context, sequences a step, sequences at once) when this share of the time is over."""
        shares = [float(stage.split(":")[1]) for stage in self.stages.split(",")]
        ends = [sum(shares[:count + 1]) / sum(shares) for count in range(len(shares))]
        return next((stage[:3] for stage, end in zip(self.schedule(), ends) if progress < end), self.schedule()[-1][:3])


SMOKE_SHAPE = Shape(vocab_size=384, hidden_size=64, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=32,
                    intermediate_size=128)
SMOKE = Settings(tokens=50e3, stages="256:0.7,512:0.3", batch_tokens=2048, micro_tokens=1024, learning_rate=4e-3)


def add_options(parser, defaults):
    """An option for each field of a dataclass instance, without a default: see chosen()."""
    for field in dataclasses.fields(defaults):
        kind = type(getattr(defaults, field.name))
        parser.add_argument("--" + field.name.replace("_", "-"), type=int if kind is bool else kind,
                            default=argparse.SUPPRESS, help=f"default {getattr(defaults, field.name)}")


def chosen(defaults, arguments):
    """`defaults` with those fields replaced that the command line gives."""
    given = vars(arguments)
    return dataclasses.replace(defaults, **{field.name: given[field.name] for field in dataclasses.fields(defaults)
                                            if field.name in given})
