"""Who gives way to whom on the processors, as the kernel's files show it."""

from pathlib import Path

import pytest

from kokoa.functions.host.sandbox.courtesy import Courtesy, CpuGroup


def make(folder: Path, name: str = "cpu.shares") -> Path:
    folder.mkdir()
    (folder / name).write_text("")
    return folder


class Scene:
    """Two sandboxes of 128 in one host."""

    def __init__(self, folder: Path) -> None:
        self.folders = [make(folder / name) for name in ("whole", "one", "two")]
        self.whole = CpuGroup(1, self.folders[0], whole=True)
        self.one, self.two = CpuGroup(1, self.folders[1]), CpuGroup(1, self.folders[2])
        self.courtesy = Courtesy(self.whole)
        self._last = [0, 0, 0]
        for group, weight in ((self.whole, 1024), (self.one, 128), (self.two, 128)):
            group.weigh(weight)

    def weights(self) -> list[int]:
        """What the kernel was told last about the whole, the one and the two."""
        texts = [(folder / "cpu.shares").read_text() for folder in self.folders]
        for folder in self.folders:
            (folder / "cpu.shares").write_text("")
        self._last = [int(text) if text else before for text, before in zip(texts, self._last, strict=True)]
        return self._last


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_all_sandboxes_give_way_only_while_none_is_eager(scene: Scene) -> None:
    courtesy = scene.courtesy
    courtesy.begin(scene.one, yielding=False)
    assert scene.weights() == [1024, 128, 128]
    courtesy.turn(scene.one)
    assert scene.weights() == [256, 2, 128]
    courtesy.begin(scene.two, yielding=False)
    assert scene.weights() == [1024, 2, 128]
    courtesy.end(scene.two)
    assert scene.weights() == [256, 2, 128]
    courtesy.end(scene.one)
    assert scene.weights() == [256, 2, 128], "what it may have left running gives way as well"
    courtesy.forget(scene.one)
    assert scene.weights() == [1024, 2, 128]


def test_a_new_invocation_is_eager_again(scene: Scene) -> None:
    scene.weights()
    scene.courtesy.begin(scene.one, yielding=True)
    assert scene.weights() == [256, 2, 128]
    scene.courtesy.begin(scene.one, yielding=False)
    assert scene.weights() == [1024, 128, 128]


def test_a_weight_that_comes_late_gives_way_too(tmp_path: Path) -> None:
    folder = make(tmp_path / "late", "cpu.weight")
    group = CpuGroup(2, folder)
    group.give_way(True)
    group.weigh(3008)
    assert (folder / "cpu.weight").read_text() == "1"
    group.give_way(False)
    assert (folder / "cpu.weight").read_text() == "3008"


def test_without_the_controller_nothing_is_written(tmp_path: Path) -> None:
    group = CpuGroup(0, tmp_path)
    group.weigh(100)
    group.give_way(True)
    group.close()
    assert list(tmp_path.iterdir()) == []
