"""Training sequences: windows of the documents, some with planted facts. Batch i depends on the seed and i alone, so
that a resumed run sees what an uninterrupted one would have."""
import numpy as np

FACT_SHARE = 1 / 3  #: of the sequences
TOKENS_PER_FACT = 256  #: at most one fact per so many tokens ...
MOST_FACTS = 16  #: ... and at most so many


class Batches:
    def __init__(self, documents, facts, *, seed, answer_weight):
        """documents: {name: ids}, laid end to end; each should begin with the token that marks its start.
        answer_weight: weight in the loss of the tokens that answer a planted fact; 1 for all others."""
        self.stream = np.concatenate([documents[name] for name in documents])
        self.facts, self.seed, self.answer_weight = facts, seed, answer_weight

    def __call__(self, step, sequences, length):
        """(tokens [sequences, length + 1] int64, weights [sequences, length] float32 of tokens 1 .. length)."""
        rng = np.random.default_rng([self.seed, step])
        if len(self.stream) < length + 1:
            raise ValueError(f"{len(self.stream)} training tokens, expected at least {length + 1}")
        tokens = np.empty((sequences, length + 1), np.int64)
        weights = np.ones((sequences, length), np.float32)
        for row in range(sequences):
            begin = rng.integers(0, len(self.stream) - length)
            text = self.stream[begin:begin + length + 1]
            most = min(MOST_FACTS, length // TOKENS_PER_FACT)
            if most > 0 and rng.random() < FACT_SHARE:
                text, answers = self.facts.plant(rng, text, int(rng.integers(1, most + 1)), rng.random() < 0.5)
                weights[row, answers[1:]] = self.answer_weight
            tokens[row] = text
        return tokens, weights
