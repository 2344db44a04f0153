"""Runs MLX's own Python tests against isobit and compares with the ledger beside this file.

``python python/judges/mlx_tests.py CHECKOUT [FILE ...]``: CHECKOUT is MLX's ``python/tests`` (or a checkout of its
repository), FILE names single test files (``test_array``). isobit must be importable. The tests run unchanged, one process
per file, with ``import isobit.mlx`` in front; a process that dies or hangs counts against the test that it was in.

``mlx_tests.txt`` has a line for every test that does not pass, with the reason. The run fails if a test outside the ledger
does not pass, if one in the ledger passes, or if one in the ledger does not exist. Prints the counts as a table.
"""

import argparse
import collections
import os
import subprocess
import sys
from pathlib import Path

LEDGER = Path(__file__).resolve().with_suffix(".txt")

#: What a line of the ledger may give as its reason.
REASONS = {
    "missing": "a name or an option that is not there yet",
    "compile": "what compile does otherwise inside, with the same results",
    "deliberate": "isobit gives a result where MLX raises, or another result, on purpose",
    "both": "MLX's own wheel does not pass it either on this machine",
}

#: Runs in a process of its own: the tests of one file, a line per event.
CHILD = r"""
import faulthandler, os, sys, unittest
faulthandler.enable()
import isobit.mlx
exec(os.environ.get("JUDGE_PRELUDE", ""))

out = os.fdopen(os.dup(1), "w", buffering=1)
sys.stdout = open(os.devnull, "w")
name, done = sys.argv[1], set(filter(None, sys.argv[2].split(",")))

class Result(unittest.TestResult):
    def say(self, what, test, error=None):
        text = f"{error[0].__name__}: {error[1]}".splitlines()[0][:160] if error else ""
        print(what, test.id(), text, sep="\t", file=out)
    def startTest(self, test):
        super().startTest(test)
        self.broken = None
        # A test that fails must not decide the next one, nor must the time of day: some compare random products with float64.
        isobit.core.enable_compile()
        isobit.core.random.seed(0)
        self.say("start", test)
    def stopTest(self, test):
        super().stopTest(test)
        if self.broken:
            self.say("fail", test, self.broken)
    def addSuccess(self, test):
        self.say("pass", test)
    addExpectedFailure = lambda self, test, error: self.say("pass", test)
    addUnexpectedSuccess = lambda self, test: self.say("fail", test)
    addFailure = addError = lambda self, test, error: self.say("fail", test, error)
    addSkip = lambda self, test, reason: self.say("skip", test)
    def addSubTest(self, test, subtest, error):
        if error:
            self.broken = error

def tests(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from tests(t)
        elif t.id() not in done:
            yield t

unittest.TestSuite(tests(unittest.defaultTestLoader.loadTestsFromName(name))).run(Result())
print("end", "", "", sep="\t", file=out)
"""


def run_file(tests, name, seconds, prelude=""):
    """The outcome of every test of a file: id to (``pass``, ``skip`` or ``fail``, message)."""
    found = {}
    while True:
        env = dict(os.environ, DEVICE="cpu", JUDGE_PRELUDE=prelude)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tests), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-c", CHILD, name, ",".join(found)]
        try:
            done = subprocess.run(command, cwd=tests, env=env, capture_output=True, text=True, timeout=seconds)
            text, end = done.stdout, f"exit status {done.returncode}: {(done.stderr.splitlines() or [''])[0][:120]}"
        except subprocess.TimeoutExpired as e:
            text, end = (e.stdout or b"").decode(), f"not done after {seconds} s"
        running = None
        before = len(found)
        for line in text.splitlines():
            what, test, message = line.split("\t")
            if what == "end":
                return found
            running = test if what == "start" else None
            # A test with a failing part may report success as well: the failure counts.
            if what != "start" and found.get(test, ("",))[0] != "fail":
                found[test] = (what, message)
        if running is None:
            if len(found) == before:
                found[f"{name}.(the file)"] = ("fail", end)
                return found
            continue
        found[running] = ("fail", end)


def read_ledger(path):
    """Test id to (reason, explanation)."""
    entries = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        test, reason, text = (part.strip() for part in line.split("|"))
        if reason not in REASONS or not text or test in entries:
            sys.exit(f"{path.name}:{number}: expected `test | one of {', '.join(REASONS)} | explanation`, each test once")
        entries[test] = (reason, text)
    return entries


def judge(tests, files, ledger, seconds, prelude=""):
    """Runs test files and compares with a ledger: prints the counts, and exits with 1 if they do not agree."""
    ledger = read_ledger(ledger)
    wrong, rows, reasons = [], [], collections.Counter()
    for name in files:
        found = run_file(tests.resolve(), name, seconds, prelude)
        counts = collections.Counter(outcome for outcome, _ in found.values())
        rows.append((name, counts))
        print(f"{name:24} {dict(counts)}", file=sys.stderr, flush=True)
        for test, (outcome, message) in sorted(found.items()):
            if outcome == "fail" and test not in ledger:
                wrong.append(f"{test} does not pass and is not in the ledger: {message}")
            elif outcome == "fail":
                reasons[ledger[test][0]] += 1
            elif test in ledger:
                wrong.append(f"{test} is in the ledger and its outcome is: {outcome}")
        wrong += [f"{t} is in the ledger and does not exist" for t in ledger if t.split(".")[0] == name and t not in found]
    print("| file | passed | not passed | skipped |\n|---|---|---|---|")
    total = sum((counts for _, counts in rows), collections.Counter())
    for name, c in [*rows, ("**all**", total)]:
        print(f"| {name} | {c['pass']} | {c['fail']} | {c['skip']} |")
    print("\n| reason | tests | what it means |\n|---|---|---|")
    for reason, text in REASONS.items():
        print(f"| {reason} | {reasons[reason]} | {text} |")
    print("\n" + "\n".join(wrong) if wrong else "\nas the ledger says")
    sys.exit(bool(wrong))


def folder(checkout, file):
    """Where a project's tests lie in a checkout."""
    found = next((d for d in (checkout / "python/tests", checkout / "tests", checkout) if (d / file).exists()), None)
    return found or sys.exit(f"{checkout}: no {file}, so the tests are not here")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seconds", type=int, default=300, help="limit for one file")
    options = parser.parse_args()
    tests = folder(options.checkout, "mlx_tests.py")
    files = options.files or sorted(f.stem for f in tests.glob("test_*.py"))
    judge(tests, files, LEDGER, options.seconds)


if __name__ == "__main__":
    main()
