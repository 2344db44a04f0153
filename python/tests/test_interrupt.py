"""Ctrl-C stops a long evaluation between primitives, and leaves it able to go on; exceptions keep their traceback."""

import os
import signal
import subprocess
import sys
import time
import traceback

import isobit.core as mx
import pytest

# A background job of a shell inherits an ignored SIGINT.
HEARS = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"

PROGRAM = HEARS + """
import sys, time
import isobit.core as mx
x = mx.ones((256, 256)) / 256
y = x
for _ in range(200000):
    y = y @ x
print("ready", flush=True)
started = time.monotonic()
try:
    WAIT
    print("done")
except KeyboardInterrupt:
    print("stopped", time.monotonic() - started)
z = (mx.ones((3,)) + 1).sum()
print(z.item())
partly = x @ x
print(abs(partly[0, 0].item() - 1 / 256) < 1e-6)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("wait", ["mx.eval(y)", "y.tolist()", "mx.async_eval(y); y.item()", "mx.async_eval(y); mx.synchronize()"])
def test_ctrl_c_stops_an_evaluation(wait):
    program = PROGRAM.replace("WAIT", wait)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    line = child.stdout.readline().split()
    if "async" in wait:
        # The worker goes on by itself; the waiting stopped.
        child.kill()
        child.communicate()
        assert line[0] == "stopped" and float(line[1]) < 5
        return
    # Not `communicate`: it reads the pipe past what `readline` has already taken into its buffer.
    out, err = child.stdout.read(), child.stderr.read()
    assert line and line[0] == "stopped" and float(line[1]) < 5, (line, out, err)
    assert out.split() == ["6.0", "True"] and child.wait(timeout=60) == 0, err


def test_what_was_interrupted_can_be_evaluated_again():
    program = HEARS + """
import os, threading
import isobit.core as mx
x = mx.ones((128, 128)) / 128
y = x
for _ in range(3000):
    y = y @ x
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    mx.eval(y)
    print("too fast")
except KeyboardInterrupt:
    print("stopped")
mx.eval(y)
print(abs(y[0, 0].item() * 128 - 1) < 1e-3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "True"


@pytest.mark.parametrize("transform", [
    lambda f: mx.grad(f)(mx.array(1.0)),
    lambda f: mx.vmap(f)(mx.ones((2,))),
    lambda f: mx.checkpoint(f)(mx.array(1.0)),
    lambda f: mx.compile(f)(mx.array(1.0)),
    lambda f: mx.custom_function(f)(mx.array(1.0)),
    lambda f: mx.vjp(f, [mx.array(1.0)], [mx.array(1.0)]),
    lambda f: mx.grad(mx.vmap(f))(mx.ones((2,))),
])
def test_exceptions_keep_their_traceback(transform):
    def where_it_happens(x):
        raise KeyError("mine")

    def function(x):
        return where_it_happens(x)

    with pytest.raises(KeyError, match="mine") as caught:
        transform(function)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["function", "where_it_happens"]
    assert mx.grad(lambda x: x * x)(mx.array(3.0)).item() == 6
