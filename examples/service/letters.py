"""Which letters does a text use most? A flow whose answer depends on what the service was given."""

from collections import Counter

from asyncflow import FlowSpec, Parameter, step


class LettersFlow(FlowSpec):
    """Count the letters of --text."""

    text = Parameter("text", default="the quick brown fox jumps over the lazy dog")

    @step
    def start(self):
        if not self.text.strip():
            raise ValueError("the text is empty")
        self.words = self.text.split()
        self.next(self.count, foreach="words")

    @step
    def count(self):
        self.letters = Counter(letter for letter in self.input.lower() if letter.isalpha())
        self.next(self.join)

    @step
    def join(self, inputs):
        total = sum((word.letters for word in inputs), Counter())
        self.top = [[letter, count] for letter, count in total.most_common(5)]
        self.next(self.end)

    @step
    def end(self):
        print(self.top)


if __name__ == "__main__":
    LettersFlow()
