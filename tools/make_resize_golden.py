#!/usr/bin/env python3
"""Makes tests/golden/resize: small random images and what Pillow's BILINEAR makes of them (needs python3-pil)."""
import os
import random

from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "resize")
# (width, height) in, (width, height) out: shrinking, growing, one axis, one pixel, odd and nearly equal sizes
CASES = [
    ((31, 23), (16, 16)), ((31, 23), (8, 8)), ((13, 17), (32, 32)), ((13, 17), (14, 16)), ((40, 12), (9, 25)),
    ((7, 40), (29, 6)), ((19, 19), (19, 8)), ((19, 19), (27, 19)), ((33, 21), (1, 1)), ((1, 1), (5, 4)),
    ((1, 30), (12, 7)), ((30, 1), (7, 12)), ((64, 48), (3, 2)), ((5, 3), (51, 37)), ((57, 43), (56, 44)),
]


def main():
    os.makedirs(FOLDER, exist_ok=True)
    draw = random.Random(1)
    for number, (size, target) in enumerate(CASES):
        # every second image only black and white: the largest overshoot rounding could make
        levels = [0, 255] if number % 2 else range(256)
        image = Image.new("L", size)
        image.putdata([draw.choice(levels) for _ in range(size[0] * size[1])])
        image.save(os.path.join(FOLDER, f"{number:02d}_in.png"))
        image.resize(target, Image.BILINEAR).save(os.path.join(FOLDER, f"{number:02d}_out.png"))


if __name__ == "__main__":
    main()
