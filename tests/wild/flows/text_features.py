"""Bag of words over some texts, on a team's base class; modules beside the flow."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from metaflow import Parameter, current, step
from shared_base import TeamFlow, timed

TEXTS = {
    "alice": "Alice was beginning to get very tired of sitting by her sister on the bank and of having nothing to do",
    "whale": "Call me Ishmael Some years ago never mind how long precisely having little or no money in my purse",
    "tale": "It was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness",
}


@dataclass
class Vocabulary:
    counts: Counter = field(default_factory=Counter)
    by_letter: dict = field(default_factory=lambda: defaultdict(set))

    def add(self, words):
        self.counts.update(words)
        for word in words:
            self.by_letter[word[0]].add(word)
        return self


class TextFeaturesFlow(TeamFlow):
    top = Parameter("top", default=3)

    @timed
    @step
    def start(self):
        self.titles = list(TEXTS)
        self.next(self.count, foreach="titles")

    @step
    def count(self):
        self.title = self.input
        self.words = re.findall(r"[a-z]+", TEXTS[self.title].lower())
        self.say(self.title, len(self.words), "words", "in task", current.task_id)
        self.next(self.merge)

    @step
    def merge(self, inputs):
        vocabulary = Vocabulary()
        for inp in inputs:
            vocabulary.add(inp.words)
        self.vocabulary = Vocabulary(
            vocabulary.counts, {k: sorted(v) for k, v in vocabulary.by_letter.items()}
        )
        self.longest = max((word for inp in inputs for word in inp.words), key=len)
        self.titles = [inp.title for inp in inputs]
        self.next(self.rank)

    @step
    def rank(self):
        self.most_common = self.vocabulary.counts.most_common(self.top)
        self.next(self.end)


if __name__ == "__main__":
    TextFeaturesFlow()
