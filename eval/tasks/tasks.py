"""Long-context tasks: a text with something in it that is asked for at the end.

Every task takes (rng, text) - a NumPy generator and n tokens of background text - and returns n tokens and the ascending
places of those that a model is asked for, given everything before them. After RULER (Hsieh et al., 2024), in sentences that
a small language model can know from its training (eval/train/facts.py)."""
import numpy as np

from facts import DIGITS, NAMES


class Tasks:
    """Tasks in the tokens of a tokenizer; `facts`: a facts.Facts of the same one."""

    def __init__(self, tokenizer, facts):
        self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        self.facts = facts

    def recall(self, rng, text, count=8):
        """`count` facts in the first seven eighths, all asked at the end in another order."""
        tokens, asked = self.facts.plant(rng, text, count, at_end=True)
        return tokens, np.flatnonzero(asked)

    def recall_at(self, rng, text, distance):
        """One fact, told `distance` tokens before it is asked for."""
        tokens, answer = self.facts.statement(*self._fact(rng))
        end = len(text) - len(tokens)
        if not len(tokens) <= distance <= end:
            raise ValueError(f"distance {distance}: expected {len(tokens)} to {end}")
        return _insert(text, [(end - distance, tokens)], tokens, answer)

    def multi_key(self, rng, text, told=32, asked=4):
        """`told` facts about as many names, of which `asked` are asked for."""
        names = rng.choice(len(NAMES), told, replace=False)
        statements = [self.facts.statement(name, rng.integers(0, 10, DIGITS)) for name in names]
        end = sum((list(tokens) for tokens, _ in statements[:asked]), [])
        answers = sum((list(answer) for _, answer in statements[:asked]), [])
        room = len(text) - sum(len(tokens) for tokens, _ in statements) - len(end)
        places = rng.integers(0, max(1, room), told)
        return _insert(text, [(place, tokens) for place, (tokens, _) in zip(places, statements)], end, answers)

    def multi_value(self, rng, text, values=4):
        """`values` numbers of one name, told in a row of sentences across the text and asked for in their order: each
        answer's sentences so far say which comes next."""
        name, _ = self._fact(rng)
        statements = [self.facts.statement(name, rng.integers(0, 10, DIGITS)) for _ in range(values)]
        end = sum((list(tokens) for tokens, _ in statements), [])
        # The first digit says which number is meant, so it is not asked for.
        answers = sum((_without_first(answer) for _, answer in statements), [])
        room = len(text) - 2 * len(end)
        places = np.sort(rng.integers(0, max(1, room), values))
        return _insert(text, [(place, tokens) for place, (tokens, _) in zip(places, statements)], end, answers)

    def induction(self, rng, text, length=96, given=16):
        """A passage of shuffled words, repeated at the end; all but the first `given` of its tokens are asked for."""
        passage = rng.choice(text, length, replace=False)
        place = int(rng.integers(0, max(1, len(text) - 3 * length)))
        return _insert(text, [(place, passage)], passage, [i >= given for i in range(length)])

    def variable_tracking(self, rng, text, hops=2):
        """A number given to one name and passed on `hops` times across the text; the last name's is asked for."""
        names = rng.choice(len(NAMES), hops + 1, replace=False)
        number = rng.integers(0, 10, DIGITS)
        told = [self.facts.statement(names[0], number)[0]]
        for before, name in zip(names, names[1:]):
            told.append(self.encode(f"\nThe secret number of {NAMES[name]} is that of {NAMES[before]} .\n"))
        end, answer = self.facts.statement(names[-1], number)
        room = len(text) - sum(len(tokens) for tokens in told) - len(end)
        places = np.sort(rng.integers(0, max(1, room), len(told)))
        return _insert(text, list(zip(places, told)), end, answer)

    def common_word(self, rng, text, words=8, repeats=12):
        """A word put in `repeats` times as often as seven others; it is asked for at the end."""
        vocabulary = [self.encode(f" {word}") for word in
                      "amber basalt cobalt damask ebony flint granite hazel indigo jasper".split()]
        chosen = rng.choice(len(vocabulary), words, replace=False)
        counts = [repeats] + [1] * (words - 1)
        inserts = [self.encode("\nWord:") + vocabulary[word] + self.encode(" .\n")
                   for word, count in zip(chosen, counts) for _ in range(count)]
        question = self.encode("\nThe most common word is")
        end = question + vocabulary[chosen[0]]
        room = len(text) - sum(len(tokens) for tokens in inserts) - len(end)
        places = rng.integers(0, max(1, room), len(inserts))
        return _insert(text, list(zip(places, inserts)), end, [i >= len(question) for i in range(len(end))])

    def _fact(self, rng):
        return rng.integers(0, len(NAMES)), rng.integers(0, 10, DIGITS)


def _without_first(answer):
    """An answer's mask without its first token."""
    first = list(answer).index(True)
    return [asked and i > first for i, asked in enumerate(answer)]


def _insert(text, inserts, end, asked):
    """`text` cut so that with `inserts` [(place, tokens)] and `end` it is as long as before."""
    room = len(text) - sum(len(tokens) for _, tokens in inserts) - len(end)
    if room <= 0:
        raise ValueError(f"a text of {len(text)} tokens is too short for the task")
    pieces, begin = [], 0
    for place, tokens in sorted(inserts, key=lambda insert: insert[0]):
        place = min(int(place), room)
        pieces += [text[begin:place], tokens]
        begin = place
    pieces += [text[begin:room], end]
    tokens = np.concatenate([np.asarray(piece, text.dtype) for piece in pieces])
    return tokens, len(text) - len(end) + np.flatnonzero(asked)
