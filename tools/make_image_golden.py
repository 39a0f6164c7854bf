#!/usr/bin/env python3
"""Makes tests/golden/images: small JPEG and BMP files and the luma Pillow reads in them (needs python3-pil)."""
import math
import os
import struct

from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "images")
WIDTH, HEIGHT = 37, 29  # no multiples of a JPEG block, nor of the four bytes of BMP's rows


def picture():
    """A coloured one: soft waves, and a square with hard edges."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            wave = [128 + 100 * math.sin(x / 7 + phase) * math.cos(y / 5 - phase) for phase in (0, 1, 2)]
            square = 8 <= x < 20 and 6 <= y < 15
            image.putpixel((x, y), (230, 40, 60) if square else tuple(int(value) for value in wave))
    return image


def save(image, name, **options):
    """The file, and what Pillow reads in it as NAME_luma.png."""
    path = os.path.join(FOLDER, name)
    image.save(path, **options)
    read = Image.open(path)
    (read if read.mode == "L" else read.convert("RGB").convert("L")).save(path + "_luma.png")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    colour = picture()
    grey = colour.convert("L")
    save(grey, "grey.jpg", quality=90)
    save(colour, "colour_444.jpg", quality=90, subsampling="4:4:4")
    save(colour, "colour_420.jpg", quality=90, subsampling="4:2:0")
    save(colour, "progressive.jpg", quality=90, progressive=True)
    save(colour.convert("CMYK"), "cmyk.jpg", quality=90)
    save(grey, "grey.bmp")
    save(grey.point(lambda value: 255 * (value > 127)).convert("1"), "black_and_white.bmp")
    save(colour.quantize(16), "palette.bmp")
    save(colour, "colour.bmp")
    save(colour.convert("RGBA"), "alpha.bmp")
    # The same with the upper row first: the height is negative, the rows are in the opposite order.
    with open(os.path.join(FOLDER, "colour.bmp"), "rb") as file:
        data = file.read()
    begin, row = struct.unpack_from("<I", data, 10)[0], (3 * WIDTH + 3) // 4 * 4
    rows = [data[begin + row * y : begin + row * (y + 1)] for y in range(HEIGHT)]
    with open(os.path.join(FOLDER, "top_down.bmp"), "wb") as file:
        file.write(data[:22] + struct.pack("<i", -HEIGHT) + data[26:begin] + b"".join(reversed(rows)))
    grey.save(os.path.join(FOLDER, "top_down.bmp_luma.png"))


if __name__ == "__main__":
    main()
