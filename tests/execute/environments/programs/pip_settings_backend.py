"""A build backend that makes a wheel of what PKG-INFO says."""

import pathlib
import zipfile


def build_wheel(folder, *_):
    name, version = [
        line.split(": ")[1].strip()
        for line in pathlib.Path("PKG-INFO").read_text().splitlines()
        if line[:4] in ("Name", "Vers")
    ]
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, f"{name}-{version}-py3-none-any.whl"), "w") as archive:
        archive.writestr(f"{info}/METADATA", pathlib.Path("PKG-INFO").read_text())
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        archive.writestr("from_source_" + name + ".py", "")
    return f"{name}-{version}-py3-none-any.whl"
