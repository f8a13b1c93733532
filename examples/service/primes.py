"""How many primes are there below a number? Counted in pieces, side by side."""

import time

from asyncflow import FlowSpec, Parameter, step


class PrimesFlow(FlowSpec):
    """Count the primes below --below, in --pieces pieces."""

    below = Parameter("below", type=int, default=100_000, help="Count the primes below this number.")
    pieces = Parameter("pieces", type=int, default=10, help="In how many tasks.")
    pause = Parameter("pause", type=float, default=0.0, help="Seconds each task waits first, to be watched.")

    @step
    def start(self):
        size = -(-self.below // self.pieces)
        self.ranges = [(low, min(low + size, self.below)) for low in range(0, self.below, size)]
        self.next(self.count, foreach="ranges")

    @step
    def count(self):
        time.sleep(self.pause)
        low, high = self.input
        sieve = bytearray([1]) * (high - low)
        for divisor in range(2, int(high**0.5) + 1):
            first = max(divisor * divisor, -(-low // divisor) * divisor)
            sieve[first - low :: divisor] = bytes(len(range(first, high, divisor)))
        self.primes = sum(sieve) - sum(1 for number in (0, 1) if low <= number < high)
        print(f"{self.primes} primes from {low} to {high}")
        self.next(self.add)

    @step
    def add(self, inputs):
        self.primes = sum(piece.primes for piece in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.primes} primes below {self.below}")


if __name__ == "__main__":
    PrimesFlow()
