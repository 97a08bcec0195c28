#!/usr/bin/env python3
"""Tokenizer, planted facts and training sequences, checked on the text that they decode to."""
import pathlib
import re
import sys
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "eval/train"))
from batches import Batches  # noqa: E402
from facts import NAMES, Facts  # noqa: E402
from train_tokenizer import train_tokenizer  # noqa: E402

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8") + "\u00e9\u4e2d\n"
TOKENIZER = train_tokenizer([TEXT], 400)
IDS = np.array(TOKENIZER.encode(TEXT).ids, np.uint16)
SENTENCE = re.compile(r"\nThe secret number of (\w+) is((?: \d){5}) \.\n")


class TrainingData(unittest.TestCase):
    def test_tokenizer_gives_every_text_back(self):
        self.assertEqual(TOKENIZER.get_vocab_size(), 400)
        self.assertEqual(TOKENIZER.token_to_id("<|doc|>"), 0)
        for text in (TEXT, "bytes it never saw: \x07\U0001f600 \n\n  x"):
            self.assertEqual(TOKENIZER.decode(TOKENIZER.encode(text).ids), text)

    def test_the_evaluations_names_come_first_and_none_twice(self):
        self.assertEqual(NAMES[:2] + NAMES[15:16], ["Alder", "Basil", "Felicity"])
        self.assertEqual(len(set(NAMES)), len(NAMES))

    def plant(self, seed, count, at_end, length=1500):
        text = IDS[:length]
        tokens, answers = Facts(TOKENIZER).plant(np.random.default_rng(seed), text, count, at_end)
        self.assertEqual(tokens.shape, text.shape)
        self.assertEqual(tokens.dtype, text.dtype)
        return tokens, answers

    def test_each_fact_is_told_once_and_asked_later(self):
        for seed in range(20):
            tokens, answers = self.plant(seed, 6, seed % 2 == 0)
            found = SENTENCE.findall(TOKENIZER.decode(tokens.tolist()))
            # Sentences that meet share no line end, so findall sees all of them.
            self.assertEqual(len(found), 12)
            numbers = {}
            said = []
            for name, number in found:
                said += [number.replace(" ", "")] if name in numbers else []
                self.assertEqual(numbers.setdefault(name, number), number)
            self.assertEqual(len(numbers), 6)
            # The mask covers the digits of the second mentions, in order, and nothing else.
            asked = TOKENIZER.decode(tokens[answers].tolist()).replace(" ", "")
            self.assertEqual(asked, "".join(said))

    def test_questions_at_the_end_are_the_end(self):
        tokens, _ = self.plant(3, 5, True)
        text = TOKENIZER.decode(tokens.tolist())
        ends = [match.end() for match in SENTENCE.finditer(text)]
        starts = [match.start() for match in SENTENCE.finditer(text)]
        self.assertEqual(ends[5:9], starts[6:10])
        self.assertEqual(ends[-1], len(text))

    def test_the_rest_of_the_text_is_kept(self):
        tokens, _ = self.plant(4, 4, False)
        rest = SENTENCE.sub("", TOKENIZER.decode(tokens.tolist()))
        self.assertTrue(TEXT.startswith(rest))

    def test_too_many_facts_are_refused(self):
        with self.assertRaisesRegex(ValueError, "9 facts do not fit into 200 tokens"):
            self.plant(0, 9, True, 200)

    def make_batches(self, seed, stream=np.tile(IDS, 4)):
        return Batches({"text/00": stream}, Facts(TOKENIZER), seed=seed, answer_weight=4.0)

    def test_batches_depend_on_seed_and_step_alone(self):
        batches = self.make_batches(1)
        tokens, weights = batches(5, 6, 1024)
        self.assertEqual((tokens.shape, weights.shape), ((6, 1025), (6, 1024)))
        batches(6, 6, 1024)
        np.testing.assert_array_equal(tokens, batches(5, 6, 1024)[0])
        np.testing.assert_array_equal(tokens, self.make_batches(1)(5, 6, 1024)[0])
        self.assertFalse(np.array_equal(tokens, batches(6, 6, 1024)[0]))
        self.assertFalse(np.array_equal(tokens, self.make_batches(2)(5, 6, 1024)[0]))

    def test_weights_belong_to_the_tokens_that_answer(self):
        tokens, weights = self.make_batches(1)(0, 60, 1024)
        planted = 0
        for row in range(60):
            answers = TOKENIZER.decode(tokens[row, 1:][weights[row] == 4].tolist())
            self.assertTrue(np.all((weights[row] == 1) | (weights[row] == 4)))
            facts = SENTENCE.findall(TOKENIZER.decode(tokens[row].tolist()))
            self.assertRegex(answers, r"^(( \d){5})*$")
            self.assertEqual(len(answers), 2 * 5 * len({name for name, _ in facts}))
            planted += len(facts) > 0
        self.assertTrue(10 <= planted <= 30, planted)  # 20 expected, standard deviation 3.7

    def test_sequences_are_windows_of_the_stream(self):
        tokens, weights = self.make_batches(3, np.arange(5000))(0, 4, 100)  # too short for facts
        for row in tokens:
            np.testing.assert_array_equal(row, np.arange(row[0], row[0] + 101))
        self.assertTrue(np.all(weights == 1))
        with self.assertRaisesRegex(ValueError, "5000 training tokens, expected at least 5001"):
            self.make_batches(3, np.arange(5000))(0, 1, 5000)


if __name__ == "__main__":
    unittest.main()
