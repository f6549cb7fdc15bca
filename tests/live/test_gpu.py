"""The engine wgpu in a live node: where it is built in and Vulkan shows a device, software or not, it
decides; elsewhere the next one does, and the log says why."""


def test_a_gpu_decides_or_leaves_it_to_the_next_engine(robot, start):
    engines = ["engines:=[wgpu, packed]", "wgpu.device:=software"]
    node = start(*engines, "deadline_ms:=900.0", "fault_ms:=600.0")
    node.wait_ready(robot, 200.0)
    # Slower than ten a second, for the processor plays the GPU.
    stamps = robot.drive(6, period=1.0)
    answers = [answer[0] for answer in robot.answers(stamps) if answer]
    decided = {answer.engine for answer in answers if answer.source == "MODEL"}
    output = node.output()
    if "not built in" in output or "Vulkan shows" in output:
        assert decided == {"packed_int8"}, (decided, output)
    else:
        assert "wgpu_software uses" in output, output
        assert decided == {"wgpu_software"}, (decided, output)
