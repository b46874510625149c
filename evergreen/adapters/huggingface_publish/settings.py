"""What a configuration says of publishing on the Hugging Face Hub.

publish:
  kind: huggingface_hub
  repository: my-organisation/news
  token_env: HF_TOKEN
  space: {repository: my-organisation/news-demo, token_env: HF_READ_TOKEN}
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import StringConstraints, model_validator

from evergreen.core.base import Frozen
from evergreen.core.members import PublisherSettings

Repository = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,95}/\w[\w.-]{0,95}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class HuggingFaceSpace(Frozen):
    """A page to try the model. `token_env` holds a token that may only read: the Space keeps it as a secret."""

    repository: Repository
    token_env: Variable | None = None


class HuggingFaceHubSettings(PublisherSettings):
    """A model repository with a branch `version-<version>` and a tag `v<version>` each; the tag never moves.

    `main` follows what is live. The token that may write is read from the variable `token_env`. `when: candidate`
    needs `private`; `main` stays until a version is live. `license` is the Hub's name of a licence, e.g. `apache-2.0`.
    """

    publisher: ClassVar[str] = "evergreen.adapters.huggingface_publish.publisher:HuggingFaceHub"
    kind: Literal["huggingface_hub"] = "huggingface_hub"
    repository: Repository
    token_env: Variable = "HF_TOKEN"  # noqa: S105 (the name of a variable)
    private: bool = True
    license: str | None = None
    space: HuggingFaceSpace | None = None

    @model_validator(mode="after")
    def _candidates_are_private(self) -> Self:
        if self.when == "candidate" and not self.private:
            raise ValueError("a candidate is published for review alone: set private: true, or when: live")
        if self.space and self.private and self.space.token_env is None:
            raise ValueError("the Space of a private model reads it with a token of its own: set space.token_env")
        return self
