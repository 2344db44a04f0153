"""Archives of npy files (npz): a zip file with one member per array."""

import io
import zipfile

from isobit import core


def _path(file, ending):
    if hasattr(file, "write") or hasattr(file, "read"):
        return file
    name = str(file)
    return name if name.endswith(ending) else name + ending


def load(file):
    """The arrays of an archive by name."""
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            name = member[: -len(".npy")] if member.endswith(".npy") else member
            arrays[name] = core.load(io.BytesIO(archive.read(member)), format="npy")
    return arrays


def write(file, args, kwargs, compression):
    """Writes positional arrays as ``arr_0``, ``arr_1``, ... and named ones by their names."""
    arrays = dict(kwargs)
    for i, array in enumerate(args):
        name = f"arr_{i}"
        if name in arrays:
            raise ValueError(f"[savez] the name {name!r} is taken by a positional array")
        arrays[name] = array
    with zipfile.ZipFile(_path(file, ".npz"), "w", compression=compression) as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            core.save(data, core.array(array))
            archive.writestr(f"{name}.npy", data.getvalue())
