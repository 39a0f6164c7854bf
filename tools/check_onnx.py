"""Runs what `attnunet export` wrote in onnxruntime and in OpenCV's dnn module, whichever Python has, against our logits.

    python3 tools/check_onnx.py model.onnx vectors.safetensors

vectors.safetensors holds `image` [N,1,H,W] and our `logits` [N,1,H,W]; tests/export_test.cpp makes such files. Prints a
line for each runtime and exits with 0 (all close), 1 (one is not) or 3 (there is no runtime to ask).
"""

import sys

import numpy as np

import safetensors_io

BOUND = 1e-4  # of logits and probabilities


def run_in_onnxruntime(path, image):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return "onnxruntime " + onnxruntime.__version__, session.run(["logits", "probability"], {"image": image})


def run_in_opencv(path, image):
    import cv2

    network = cv2.dnn.readNetFromONNX(path)
    network.setInput(image, "image")
    return "cv2.dnn " + cv2.__version__, network.forward(["logits", "probability"])


def main():
    path, vectors = sys.argv[1:]
    tensors, _ = safetensors_io.load(vectors)
    image, expected = tensors["image"], tensors["logits"]
    asked = failed = 0
    for run in (run_in_onnxruntime, run_in_opencv):
        try:
            name, (logits, probability) = run(path, image)
        except ImportError as error:
            print(f"not here: {error}")
            continue
        asked += 1
        if logits.shape != expected.shape or probability.shape != expected.shape:
            print(f"{name}: logits {logits.shape}, probability {probability.shape}, expected {expected.shape}")
            failed += 1
            continue
        error = np.abs(logits.astype(np.float64) - expected).max()
        error_of_probability = np.abs(probability - 1 / (1 + np.exp(-expected.astype(np.float64)))).max()
        good = error <= BOUND and error_of_probability <= BOUND  # NaN is not
        failed += not good
        print(
            f"{name}: largest difference of the logits {error:.2e} (largest logit {np.abs(expected).max():.3g}, bound "
            f"{BOUND:.0e}), of the probabilities {error_of_probability:.2e}: {'ok' if good else 'WRONG'}"
        )
    return 3 if asked == 0 else int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
