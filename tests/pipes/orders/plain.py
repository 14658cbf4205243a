"""The definitions of random numbers and permutations in Python's integers."""

MASK_32 = 2**32 - 1

MASK_64 = 2**64 - 1


def finalised(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK_64
    return z ^ (z >> 31)


def splitmix64(seed: int, number: int) -> int:
    return finalised((seed + (number + 1) * 0x9E3779B97F4A7C15) & MASK_64)


def plain_mix(key: int, number: int) -> int:
    return finalised((splitmix64(0, number) + finalised(key)) & MASK_64)


def plain_permute(index: int, n: int, key: int) -> int:
    bits = max(n.bit_length() // 2, 2)
    modulus = max(-(-n // 2**bits), 4)
    modulus += modulus % 2
    mixed = plain_mix(key, 0)

    def random(half: int, number: int) -> int:
        z = half ^ ((mixed + number * (mixed >> 32)) & MASK_32)
        z = z * 0x85EBCA6B & MASK_32
        return (z ^ (z >> 15)) * 0xC2B2AE35 & MASK_32

    while True:
        high, low = divmod(index, 2**bits)
        for number in range(0, 12, 2):
            low ^= random(high, number) >> (32 - bits)
            high = (high + (random(low, number + 1) * modulus >> 32)) % modulus
        index = high * 2**bits + low
        if index < n:
            return index
