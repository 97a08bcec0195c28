"""Planted facts: "The secret number of NAME is d d d d d ." in a text, said again later. Whoever predicts the second
number must have looked the first one up."""
import numpy as np

NAMES = (  # the first sixteen are those of the evaluation
    "Alder Basil Cedric Dorian Edwin Fabian Gideon Hector Ivor Jasper Agnes Beatrix Cordelia Daphne Eleanor Felicity "
    "Ambrose Barnaby Clement Desmond Edgar Felix Godfrey Horace Isidore Julian Lionel Magnus Nathan Oswald Percival "
    "Quentin Roland Silas Theodore Ursula Victor Walter Xavier Adela Bertha Clara Dora Edith Flora Greta Harriet Irene "
    "Judith Kathleen Lydia Martha Nora Olive Phoebe Rachel Sybil Thelma Violet Winifred Yvonne Zelda").split()
DIGITS = 5


class Facts:
    """Writes facts in the tokens of a tokenizer."""

    def __init__(self, tokenizer):
        def encode(text):
            return tokenizer.encode(text, add_special_tokens=False).ids

        self.heads = [encode(f"\nThe secret number of {name} is") for name in NAMES]
        self.digits = [encode(f" {digit}") for digit in range(10)]
        self.end = encode(" .\n")
        number = " ".join("31415")
        if self.statement(0, [3, 1, 4, 1, 5])[0] != encode(f"\nThe secret number of {NAMES[0]} is {number} .\n"):
            raise ValueError("the tokenizer splits a sentence other than at its words")

    def statement(self, name, number):
        """(tokens, which of them are the number's)."""
        number = [token for digit in number for token in self.digits[digit]]
        tokens = self.heads[name] + number + self.end
        first = len(self.heads[name])
        return tokens, [first <= i < first + len(number) for i in range(len(tokens))]

    def plant(self, rng, text, count, at_end):
        """`text` [n] with `count` facts put in, cut back to n tokens, and a mask [n] of the numbers' second mention.
        Facts are told in the first seven eighths, and asked at the end or anywhere later."""
        names = rng.choice(len(NAMES), count, replace=False)
        numbers = rng.integers(0, 10, (count, DIGITS))
        asking_order = count + rng.permutation(count)
        inserts = []  # (position in the text, order among equals, tokens, answer mask)
        told = [self.statement(name, number) for name, number in zip(names, numbers)]
        room = len(text) - 2 * sum(len(tokens) for tokens, _ in told)
        if room <= 0:
            raise ValueError(f"{count} facts do not fit into {len(text)} tokens")
        for order, (tokens, mask) in enumerate(told):
            first = int(rng.integers(0, max(1, room * 7 // 8)))
            asked = room if at_end else int(rng.integers(first, room + 1))
            inserts.append((first, order, tokens, [False] * len(tokens)))
            inserts.append((asked, asking_order[order], tokens, mask))
        pieces, masks, begin = [], [], 0
        for position, _, tokens, mask in sorted(inserts, key=lambda insert: insert[:2]):
            pieces += [text[begin:position], tokens]
            masks += [np.zeros(position - begin, bool), mask]
            begin = position
        pieces.append(text[begin:room])
        masks.append(np.zeros(room - begin, bool))
        return np.concatenate(pieces).astype(text.dtype), np.concatenate(masks)
