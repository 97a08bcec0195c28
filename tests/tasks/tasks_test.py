#!/usr/bin/env python3
"""Long-context tasks: what is asked for was told before, where and as often as it should be."""
import collections
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import tokenizers

from halftone_files import read_answers, read_tokens, write_tokens

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "eval/tasks"), str(ROOT / "eval/train")]
from facts import NAMES, Facts  # noqa: E402
from tasks import Tasks  # noqa: E402

WORDS = ("The secret number of is that . 0 1 2 3 4 5 6 7 8 9 Word: most common word amber basalt cobalt damask ebony flint "
         "granite hazel indigo jasper").split()
LENGTH = 2000


def word_tokenizer():
    """A token per word; background words have names of their own."""
    words = list(dict.fromkeys([*WORDS, *NAMES])) + [f"w{i}" for i in range(50)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, "The"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return tokenizer


class TasksTest(unittest.TestCase):
    def setUp(self):
        self.tokenizer = word_tokenizer()
        self.tasks = Tasks(self.tokenizer, Facts(self.tokenizer))
        self.rng = np.random.default_rng(1)
        background = self.tokenizer.token_to_id("w0")
        self.text = self.rng.integers(background, background + 50, LENGTH)

    def make(self, name, **options):
        tokens, asked = getattr(self.tasks, name)(self.rng, self.text, **options)
        self.assertEqual(len(tokens), LENGTH)
        self.assertTrue((np.diff(asked) > 0).all())
        self.assertLess(asked[-1], LENGTH)
        return tokens, asked, [self.tokenizer.id_to_token(int(token)) for token in tokens]

    def numbers(self, words):
        """{name: [(place, number)]} of every statement "number of NAME is d d d d d"."""
        found = collections.defaultdict(list)
        for i, word in enumerate(words):
            if word == "is" and i >= 3 and words[i - 3:i - 1] == ["number", "of"] and words[i + 1].isdigit():
                found[words[i - 1]].append((i, words[i + 1:i + 6]))
        return found

    def test_recall_asks_each_fact_once_more(self):
        tokens, asked, words = self.make("recall", count=6)
        facts = self.numbers(words)
        self.assertEqual(len(facts), 6)
        self.assertEqual(len(asked), 30)
        for (told, number), (again, repeated) in facts.values():
            self.assertLess(told, LENGTH * 7 // 8)
            self.assertEqual(number, repeated)
            self.assertTrue(set(range(again + 1, again + 6)) <= set(asked.tolist()))

    def test_recall_at_a_distance(self):
        for distance in (40, 1000, 1900):
            _, asked, words = self.make("recall_at", distance=distance)
            ((told, number), (again, repeated)), = self.numbers(words).values()
            self.assertEqual(again - told, distance)
            self.assertEqual(number, repeated)
            self.assertEqual(asked.tolist(), list(range(again + 1, again + 6)))
        with self.assertRaises(ValueError):
            self.tasks.recall_at(self.rng, self.text, LENGTH)

    def test_multi_key_asks_some_of_many(self):
        _, asked, words = self.make("multi_key", told=20, asked=3)
        counts = collections.Counter(len(places) for places in self.numbers(words).values())
        self.assertEqual(counts, {1: 17, 2: 3})
        self.assertEqual(len(asked), 15)
        for places in self.numbers(words).values():
            self.assertEqual(len({tuple(number) for _, number in places}), 1)

    def test_multi_value_asks_all_numbers_of_a_name_in_order(self):
        _, asked, words = self.make("multi_value", values=3)
        places, = self.numbers(words).values()
        self.assertEqual([number for _, number in places[:3]], [number for _, number in places[3:]])
        self.assertEqual(asked.tolist(), [place + i for place, _ in places[3:] for i in range(2, 6)])

    def test_induction_repeats_a_passage(self):
        tokens, asked, _ = self.make("induction", length=64, given=10)
        self.assertEqual(asked.tolist(), list(range(LENGTH - 54, LENGTH)))
        passage = tokens[-64:]
        self.assertTrue(any((tokens[i:i + 64] == passage).all() for i in range(LENGTH - 64)))

    def test_variable_tracking_passes_a_number_on(self):
        _, asked, words = self.make("variable_tracking", hops=2)
        text = " ".join(words)
        names = self.numbers(words)
        self.assertEqual(len(names), 2)
        (first, ((_, number),)), (last, ((again, repeated),)) = names.items()
        self.assertEqual(number, repeated)
        middle = text.split(f" is that of {first} .")[0].split()[-1]
        self.assertIn(f"The secret number of {last} is that of {middle} .", text)
        self.assertLess(text.index(f"is that of {first}"), text.index(f"is that of {middle}"))
        self.assertEqual(asked.tolist(), list(range(again + 1, again + 6)))

    def test_common_word_is_the_most_common(self):
        tokens, asked, words = self.make("common_word", words=5, repeats=9)
        said = collections.Counter(words[i + 1] for i, word in enumerate(words) if word == "Word:")
        self.assertEqual(sorted(said.values()), [1, 1, 1, 1, 9])
        self.assertEqual([words[place] for place in asked], [said.most_common(1)[0][0]])

    def test_texts_that_are_too_short(self):
        with self.assertRaises(ValueError):
            self.tasks.multi_key(self.rng, self.text[:100])

    def test_the_script_writes_the_same_file_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            self.tokenizer.save(str(folder / "tokenizer.json"))
            write_tokens(folder / "tokens.h5", {"books/00": (self.text, "books", "")},
                         vocab_size=self.tokenizer.get_vocab_size())
            for output in ("one.h5", "two.h5"):
                run = subprocess.run([sys.executable, ROOT / "eval/tasks/make_tasks.py", "tokenizer.json", "tokens.h5",
                                      output, "--documents", "books/00", "--length", "1999", "--seed", "3"],
                                     cwd=folder, capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, 0, run.stderr)
            one, two = read_tokens(folder / "one.h5"), read_tokens(folder / "two.h5")
            self.assertIn("recall/books_00", one)
            self.assertEqual(set(one), set(read_answers(folder / "one.h5")))
            for name, ids in one.items():
                self.assertEqual(len(ids), 2000)
                np.testing.assert_array_equal(ids, two[name])
            for wrong in (["--documents", "books/07"], ["--documents", "books/00", "--tasks", "chess"],
                          ["--documents", "books/00", "--length", "5000"]):
                run = subprocess.run([sys.executable, ROOT / "eval/tasks/make_tasks.py", "tokenizer.json", "tokens.h5",
                                      "three.h5", *wrong], cwd=folder, capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, 1)
                self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
            self.assertFalse((folder / "three.h5").exists())


if __name__ == "__main__":
    unittest.main()
