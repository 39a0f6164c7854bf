"""Runs what `attnunet export` wrote in onnxruntime and in OpenCV's dnn module, against our logits.

    python3 tools/check_onnx.py [--versions FOLDER] model.onnx vectors.safetensors [vectors.safetensors ...]

Every file of vectors holds `image` [N,1,H,W] and our `logits` [N,1,H,W]; tests/export_test.cpp makes such files. All N
images run together, then the first one alone. Prints a line for each run.

Without --versions the runtimes are those that this Python has. With --versions each of VERSIONS runs in a virtual
environment of its own in FOLDER, which is made if it is missing (2 GB in all, from the package index that pip uses).
The tests do this if ATTNUNET_ONNX_VERSIONS names a folder.

Exits with 0 (all close), 1 (a result is wrong or missing) or 3 (there is no runtime to ask).
"""

import argparse
import os
import subprocess
import sys
import venv

# From the oldest OpenCV that our files are made for to the newest releases of November 2026. The older wheels were built
# for numpy 1.
VERSIONS = (
    ("onnxruntime==1.15.1", "numpy<2"),
    ("onnxruntime==1.20.1", "numpy"),
    ("onnxruntime==1.32.0", "numpy"),
    ("opencv-python-headless==4.6.0.66", "numpy<2"),
    ("opencv-python-headless==4.7.0.72", "numpy<2"),
    ("opencv-python-headless==4.8.1.78", "numpy<2"),
    ("opencv-python-headless==4.10.0.84", "numpy<2"),
    ("opencv-python-headless==4.14.0.94", "numpy"),
    ("opencv-python-headless==5.0.0.93", "numpy"),
)

# How far a logit may be off, in units of its magnitude, or of the rms of all logits if that is larger.
#   A convolution adds to the relative error of its input (rms of the error over rms of the result, float32, 32 channels,
#   about the mean width of the tests' networks): a direct sum 2e-7, Winograd's F(4x4,3x3) 1.1e-6 (measured:
#   src/cpu/conv2d_winograd.h). F(6x6,3x3) with the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity multiplies numbers
#   that are 2.7 times as large before they cancel (rms over the outputs of |A^T| (|G| |g| .* |B^T| |d|), squared for
#   two dimensions): 3e-6.
#   Our logits come from F(4x4,3x3). OpenCV 4.7 to 4.14 has F(6x6,3x3): with enableWinograd(False) its errors are five
#   times smaller. onnxruntime, OpenCV 4.6 and OpenCV 5 (where the switch changes nothing) sum directly.
#   Errors of layers are independent: their squares add up over the 31 convolutions of the longest path (attention4: 18
#   in blocks, 4 up, 8 in gates, the head). Six standard deviations leave one logit in 5e8 outside.
# This makes 3.7e-5 for direct sums and 1.1e-4 for F(6x6,3x3). The sigmoid's slope is 1/4 at most: the same bound holds
# for probabilities and leaves room for the sigmoid's own rounding.
DIRECT, F4X4, F6X6 = 2e-7, 1.1e-6, 3e-6


def bound_with(error_of_convolution):
    return 6 * (31 * (F4X4**2 + error_of_convolution**2)) ** 0.5


# The shape [.., H, W] in the file: two dimensions with names in the place of numbers (TensorShapeProto).
FREE_SIZES = b"\n\x03\x12\x01H\n\x03\x12\x01W"


class Refused(Exception):
    """The runtime cannot read this kind of file, as the documentation says."""


def open_in_onnxruntime(path):
    """Returns (name, bound, function from images to logits and probabilities); so does open_in_opencv."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = "onnxruntime " + onnxruntime.__version__
    return name, bound_with(DIRECT), lambda image: session.run(["logits", "probability"], {"image": image})


def open_in_opencv(path):
    import cv2

    version = tuple(int(number) for number in cv2.__version__.split(".")[:2])
    from_4_7_to_4_14 = (4, 7) <= version < (5, 0)
    try:
        network = cv2.dnn.readNetFromONNX(path)
    except cv2.error:
        with open(path, "rb") as file:
            if from_4_7_to_4_14 and FREE_SIZES in file.read():
                raise Refused(f"cv2.dnn {cv2.__version__}: reads no file with free height and width") from None
        raise

    def run(image):
        network.setInput(image, "image")
        return network.forward(["logits", "probability"])

    return "cv2.dnn " + cv2.__version__, bound_with(F6X6 if from_4_7_to_4_14 else DIRECT), run


def compare(name, bound, run, image, expected):
    """Prints a line; returns whether the results are close."""
    import numpy as np

    name += ", " + "x".join(str(extent) for extent in image.shape)
    try:
        logits, probability = run(image)
    except Exception as error:  # each runtime has its own kinds
        print(f"{name}: does not run: {' '.join(str(error).split())[:300]}")
        return False
    if logits.shape != expected.shape or probability.shape != expected.shape:
        print(f"{name}: logits {logits.shape}, probability {probability.shape}, expected {expected.shape}")
        return False
    expected = expected.astype(np.float64)
    bounds = bound * np.maximum(np.abs(expected), np.sqrt(np.mean(expected**2)))
    errors = np.abs(logits - expected)
    errors_of_probability = np.abs(probability - 1 / (1 + np.exp(-expected)))
    used = (np.maximum(errors, errors_of_probability) / bounds).max()  # of what is allowed
    good = bool(used <= 1)  # NaN is not
    print(
        f"{name}: largest difference of the logits {errors.max():.1e} of {np.abs(expected).max():.2f}, of the "
        f"probabilities {errors_of_probability.max():.1e}; {100 * used:.0f} % of the bound: {'ok' if good else 'WRONG'}"
    )
    return good


def check(path, vectors):
    """In the runtimes of this Python. Returns the exit code."""
    import safetensors_io

    asked, good = 0, True
    for open_model in (open_in_onnxruntime, open_in_opencv):
        try:
            name, bound, run = open_model(path)
        except ImportError as error:
            print(f"not here: {error}")
            continue
        except Refused as refusal:
            print(refusal)
            asked += 1
            continue
        asked += 1
        for file in vectors:
            tensors, _ = safetensors_io.load(file)
            for images in sorted({len(tensors["image"]), 1}, reverse=True):
                good &= compare(name, bound, run, tensors["image"][:images], tensors["logits"][:images])
    return 3 if asked == 0 else int(not good)


def python_with(folder, packages):
    """The Python of a virtual environment with these packages; None, with a line, if they cannot be installed."""
    place = os.path.join(folder, packages[0])
    python = os.path.join(place, "bin", "python")
    installed = os.path.join(place, "installed")  # written last
    if not os.path.exists(installed):
        venv.create(place, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"not here: {packages[0]}: {done.stderr.strip().splitlines()[-1]}")
            return None
        open(installed, "w").close()
    return python


def check_versions(folder, path, vectors):
    """In all VERSIONS. Returns the exit code."""
    codes = []
    for packages in VERSIONS:
        python = python_with(folder, packages)
        if python is None:
            continue
        done = subprocess.run([python, __file__, path, *vectors], stdout=subprocess.PIPE, text=True)
        lines = [line for line in done.stdout.splitlines() if not line.startswith("not here: No module")]
        print("\n".join(lines), flush=True)
        codes.append(done.returncode)
    return 3 if not codes else int(any(codes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", metavar="FOLDER")
    parser.add_argument("model")
    parser.add_argument("vectors", nargs="+")
    options = parser.parse_args()
    if options.versions:
        return check_versions(options.versions, options.model, options.vectors)
    return check(options.model, options.vectors)


if __name__ == "__main__":
    sys.exit(main())
