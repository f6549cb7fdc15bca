"""ONNX Runtime's CUDA provider, waiting for orders as `engine serve` does: `run N`, `outputs`.

`ort_cuda.py MODEL WINDOW ROWS FLOAT`: a fixed batch, input and outputs bound, replayed as a CUDA
graph; a run goes from the processor's memory and back to it.
"""

import sys
import time

import numpy as np
import onnxruntime


def main():
    model, window, rows, half = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "f16"
    onnxruntime.preload_dlls()
    begun = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    provider = ("CUDAExecutionProvider", {"enable_cuda_graph": "1"})
    session = onnxruntime.InferenceSession(model, options, providers=[provider])
    if "CUDAExecutionProvider" not in session.get_providers():
        raise SystemExit("the CUDA provider does not start here")
    shape = session.get_inputs()[0].shape
    values = np.tile(np.fromfile(window, "<f4"), rows).reshape(shape)
    values = values.astype(np.float16 if half else np.float32)
    on_device = onnxruntime.OrtValue.ortvalue_from_numpy(values, "cuda", 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("window", on_device)
    for output in session.get_outputs():
        empty = np.zeros(output.shape, values.dtype)
        binding.bind_ortvalue_output(
            output.name, onnxruntime.OrtValue.ortvalue_from_numpy(empty, "cuda", 0)
        )

    def answer():
        on_device.update_inplace(values)
        session.run_with_iobinding(binding)
        return [output.numpy() for output in binding.get_outputs()]

    load = time.perf_counter() - begun
    begun = time.perf_counter()
    outputs = answer()
    first = time.perf_counter() - begun
    print(f"ready {1e3 * load:.3f} ms to load {1e3 * first:.3f} ms the first batch", flush=True)
    for line in sys.stdin:
        words = line.split()
        if len(words) == 2:
            times = []
            for _ in range(int(words[1])):
                start = time.perf_counter_ns()
                outputs = answer()
                times.append((time.perf_counter_ns() - start) / 1e3)
            print(*(f"{took:.3f}" for took in times), flush=True)
        else:
            print(*(value for output in outputs for value in output.flatten()), flush=True)


if __name__ == "__main__":
    main()
