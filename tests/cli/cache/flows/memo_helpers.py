RATE = 2


def double(number):
    """Twice."""
    return number * 2


def bill(total):
    return total * RATE
