"""The README's Python example runs."""

import re
from pathlib import Path


def test_readme(capsys):
    readme = Path(__file__).parents[2] / "README.md"
    (program,) = re.findall(r"```python\n(.*?)```", readme.read_text(), re.S)
    exec(compile(program, str(readme), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("loss 0.0")
